#include "interceptor/iptables/pod_records.h"

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <optional>
#include <sstream>
#include <system_error>

#include "common/boot_id.h"
#include "common/file.h"

namespace fsm {
namespace {

constexpr std::size_t kRecordLimit = 65536;
constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kFileMode = 0600;
constexpr int kHex = 16;

std::optional<std::uint64_t> cookie_of(const std::string& name) {
    std::uint64_t cookie = 0;
    const char* last = name.data() + name.size();
    const auto [end, failure] = std::from_chars(name.data(), last, cookie, kHex);
    return failure == std::errc() && end == last ? std::optional(cookie) : std::nullopt;
}

// The boot, then an address a line.
std::vector<IpAddress> addresses_in(std::istream& lines) {
    std::vector<IpAddress> addresses;
    std::string line;
    while (std::getline(lines, line)) {
        if (const auto address = IpAddress::parse(line)) {
            addresses.push_back(*address);
        }
    }
    return addresses;
}

}  // namespace

std::string PodRecords::path_of(std::uint64_t netns_cookie) const {
    std::ostringstream path;
    path << directory_ << '/' << std::hex << netns_cookie;
    return path.str();
}

Result<std::map<std::uint64_t, std::vector<IpAddress>>> PodRecords::load() const {
    std::map<std::uint64_t, std::vector<IpAddress>> records;
    FSM_ASSIGN(const std::string boot, current_boot_id());
    std::error_code failure;
    for (std::filesystem::directory_iterator entry(directory_, failure), end;
         !failure && entry != end; entry.increment(failure)) {
        const auto cookie = cookie_of(entry->path().filename().string());
        if (!cookie) {
            continue;
        }
        const auto text = read_file(entry->path().string(), kRecordLimit);
        std::istringstream lines(text ? *text : boot + "\n");
        std::string of_boot;
        std::getline(lines, of_boot);
        if (of_boot == boot) {
            records[*cookie] = addresses_in(lines);
        } else {
            FSM_TRY(remove(*cookie));
        }
    }
    if (failure && failure != std::errc::no_such_file_or_directory) {
        return Error("read " + directory_ + ": " + failure.message(), failure.value());
    }
    return records;
}

Result<void> PodRecords::save(std::uint64_t netns_cookie,
                              const std::vector<IpAddress>& addresses) const {
    FSM_TRY(make_directories(directory_, kDirectoryMode));
    FSM_ASSIGN(std::string text, current_boot_id());
    for (const IpAddress& address : addresses) {
        text += "\n" + address.to_string();
    }
    return write_file_atomically_unsynced(path_of(netns_cookie), text + "\n", kFileMode);
}

Result<void> PodRecords::remove(std::uint64_t netns_cookie) const {
    const std::string path = path_of(netns_cookie);
    if (unlink(path.c_str()) != 0 && errno != ENOENT) {
        return Error::from_errno("remove " + path);
    }
    return {};
}

Result<void> PodRecords::remove_directory() const {
    if (rmdir(directory_.c_str()) != 0 && errno != ENOENT && errno != ENOTEMPTY) {
        return Error::from_errno("remove " + directory_);
    }
    return {};
}

}  // namespace fsm
