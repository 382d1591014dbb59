#include "cli/archive.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <utility>

#include "common/fd.h"

namespace fsm::cli {

namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kLongestName = 100;
constexpr std::size_t kLongestPrefix = 155;
constexpr std::size_t kLargest = std::size_t{1} << 33;  // what 11 octal digits can say

// POSIX.1-1988's header ("ustar"); every field is text.
struct Header {
    std::array<char, kLongestName> name{};
    std::array<char, 8> mode{};
    std::array<char, 8> uid{};
    std::array<char, 8> gid{};
    std::array<char, 12> size{};
    std::array<char, 12> mtime{};
    std::array<char, 8> checksum{};
    char type = '0';
    std::array<char, kLongestName> link{};
    std::array<char, 8> magic{};
    std::array<char, 32> user{};
    std::array<char, 32> group{};
    std::array<char, 8> major{};
    std::array<char, 8> minor{};
    std::array<char, kLongestPrefix> prefix{};
    std::array<char, 12> padding{};
};
static_assert(sizeof(Header) == kBlock);

template <std::size_t Size>
void put_octal(std::array<char, Size>& field, unsigned long long value) {
    snprintf(field.data(), Size, "%0*llo", static_cast<int>(Size - 1), value);
}

template <std::size_t Size>
void put_text(std::array<char, Size>& field, std::string_view text) {
    std::copy_n(text.begin(), std::min(text.size(), Size), field.begin());
}

Result<void> put_path(Header& header, const std::string& path) {
    if (path.size() <= kLongestName) {
        put_text(header.name, path);
        return {};
    }
    const auto slash = path.rfind('/', std::min(path.size() - 1, kLongestPrefix));
    if (slash == std::string::npos || path.size() - slash - 1 > kLongestName) {
        return Error("the path is too long for an archive: " + path);
    }
    put_text(header.prefix, std::string_view(path).substr(0, slash));
    put_text(header.name, std::string_view(path).substr(slash + 1));
    return {};
}

}  // namespace

Result<Archive> Archive::create(const std::string& file, std::string folder, std::time_t time) {
    if (access(file.c_str(), F_OK) == 0) {
        return Error("write " + file + ": it exists already; name another file with --output");
    }
    const std::string unfinished = file + ".unfinished";
    Fd target(
        open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!target) {
        return Error::from_errno("write " + unfinished);
    }
    Stream stream(gzdopen(target.get(), "wb6"), gzclose);
    if (!stream) {
        return Error("write " + unfinished + ": no memory");
    }
    (void)target.release();
    return Archive(file, unfinished, std::move(folder), time, std::move(stream));
}

Archive::Archive(Archive&& other) noexcept
    : file_(std::move(other.file_)),
      unfinished_(std::exchange(other.unfinished_, "")),
      folder_(std::move(other.folder_)),
      time_(other.time_),
      stream_(std::move(other.stream_)) {}

Archive::~Archive() {
    if (!unfinished_.empty()) {
        stream_.reset();
        unlink(unfinished_.c_str());
    }
}

Result<void> Archive::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto part = std::min(bytes.size(), std::size_t{1} << 20);
        if (gzwrite(stream_.get(), bytes.data(), static_cast<unsigned>(part)) <= 0) {
            int number = 0;
            const char* reason = gzerror(stream_.get(), &number);
            return Error("write " + unfinished_ + ": " +
                         (number == Z_ERRNO ? std::strerror(errno) : reason));
        }
        bytes.remove_prefix(part);
    }
    return {};
}

Result<void> Archive::add(const std::string& path, std::string_view content) {
    if (content.size() >= kLargest) {
        return Error(path + " is too large for an archive");
    }
    Header header;
    FSM_TRY(put_path(header, folder_ + "/" + path));
    put_octal(header.mode, 0600);
    put_octal(header.uid, 0);
    put_octal(header.gid, 0);
    put_octal(header.size, content.size());
    put_octal(header.mtime, static_cast<unsigned long long>(time_));
    put_text(header.magic, std::string_view("ustar\00000", 8));
    header.checksum.fill(' ');
    const auto* bytes = reinterpret_cast<const unsigned char*>(&header);
    unsigned sum = 0;
    std::for_each(bytes, bytes + kBlock, [&](unsigned char byte) { sum += byte; });
    snprintf(header.checksum.data(), header.checksum.size(), "%06o", sum);
    FSM_TRY(write({reinterpret_cast<const char*>(&header), kBlock}));
    FSM_TRY(write(content));
    return write(std::string((kBlock - content.size() % kBlock) % kBlock, '\0'));
}

Result<void> Archive::finish() {
    FSM_TRY(write(std::string(2 * kBlock, '\0')));
    if (gzclose(stream_.release()) != Z_OK) {
        return Error("write " + unfinished_ + ": the disk may be full");
    }
    if (rename(unfinished_.c_str(), file_.c_str()) != 0) {
        return Error::from_errno("name the archive " + file_);
    }
    unfinished_.clear();
    return {};
}

}  // namespace fsm::cli
