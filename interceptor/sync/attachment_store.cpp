#include "interceptor/sync/attachment_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "common/cni/request.h"
#include "common/durable_file.h"
#include "common/fd.h"
#include "common/file.h"

namespace fsm {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFileLimit = 65536;
constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kFileMode = 0600;
constexpr const char* kEnding = ".json";
constexpr const char* kCorrupt = ".corrupt";
constexpr const char* kWhatToDo =
    ". Its pod keeps what the kernel holds, but is not checked: restart the pod, then delete the "
    "file";

std::string to_json(const Attachment& attachment) {
    const nlohmann::json document = {
        {"containerID", attachment.key.container_id},
        {"ifname", attachment.key.ifname},
        {"network", attachment.key.network},
        {"netns", attachment.netns_path},
        {"netnsDevice", attachment.netns.device},
        {"netnsInode", attachment.netns.inode},
        {"netnsCookie", attachment.netns_cookie},
        {"bootID", attachment.boot_id},
        {"podNamespace", attachment.pod.pod_namespace},
        {"podName", attachment.pod.name},
        {"podUID", attachment.pod_uid},
        {"foundRunning", attachment.found_running},
    };
    // Names come from users: invalid UTF-8 must not throw.
    return document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<Attachment> from_json(const std::string& text) {
    try {
        const auto document = nlohmann::json::parse(text);
        Attachment attachment;
        attachment.key = {document.at("containerID").get<std::string>(),
                          document.at("ifname").get<std::string>(),
                          document.at("network").get<std::string>()};
        attachment.netns_path = document.at("netns").get<std::string>();
        attachment.netns.device = document.at("netnsDevice").get<dev_t>();
        attachment.netns.inode = document.at("netnsInode").get<ino_t>();
        attachment.netns_cookie = document.at("netnsCookie").get<std::uint64_t>();
        attachment.boot_id = document.at("bootID").get<std::string>();
        attachment.pod = {document.at("podNamespace").get<std::string>(),
                          document.at("podName").get<std::string>()};
        attachment.pod_uid = document.at("podUID").get<std::string>();
        attachment.found_running = document.value("foundRunning", false);
        return attachment;
    } catch (const nlohmann::json::exception& failure) {
        return Error(failure.what());
    }
}

Result<Attachment> read_attachment(const fs::path& path) {
    FSM_ASSIGN(const auto text, read_file(path.string(), kFileLimit));
    FSM_ASSIGN(auto attachment, from_json(text));
    const AttachmentKey& key = attachment.key;
    if (const auto valid = cni::check_interface(key.interface()); !valid) {
        return Error(valid.error().message + ": " + valid.error().details);
    }
    const std::string stem = path.stem().string();
    if (stem != cni::file_stem(key) && stem != cni::former_file_stem(key.interface())) {
        return Error("its content is about the attachment " + key.to_string());
    }
    return attachment;
}

bool is_hidden(const fs::path& path) {
    return path.filename().string().front() == '.';
}

void set_one_aside(const fs::path& path, const std::string& why, AttachmentStore::Loaded& loaded) {
    const std::string kept = path.string() + kCorrupt;
    const std::string problem =
        "attachment file " + path.string() + " cannot be used (" + why + ")";
    if (std::rename(path.c_str(), kept.c_str()) == 0) {
        loaded.set_aside[kept] = problem + "; it was renamed to " + kept + kWhatToDo;
    } else {
        loaded.problems.push_back(problem +
                                  Error::from_errno(", nor renamed to " + kept).message());
    }
}

Result<std::vector<fs::path>> files_in(const std::string& directory) {
    std::error_code failure;
    std::vector<fs::path> paths;
    for (fs::directory_iterator entry(directory, failure), end; !failure && entry != end;
         entry.increment(failure)) {
        paths.push_back(entry->path());
    }
    if (failure) {
        return Error("list attachments in " + directory + ": " + failure.message(),
                     failure.value());
    }
    return paths;
}

// Every write uses a hidden temporary file. There is no writer at the start, so existing ones are
// leftovers.
void remove_unfinished(const fs::path& path, std::vector<std::string>& problems) {
    if (unlink(path.c_str()) != 0 && errno != ENOENT) {
        problems.push_back(Error::from_errno("remove " + path.string()).message());
    }
}

// A file of a version that named attachments without their network.
Result<void> rename_former(const fs::path& path, const std::string& present) {
    if (path == fs::path(present) || std::rename(path.c_str(), present.c_str()) == 0) {
        return {};
    }
    return Error::from_errno("rename " + path.string() + " to " + present);
}

}  // namespace

Result<AttachmentStore> AttachmentStore::open(const std::string& directory) {
    FSM_TRY(make_directories(directory, kDirectoryMode));
    return AttachmentStore(directory);
}

std::string AttachmentStore::path_of(const AttachmentKey& key) const {
    return directory_ + "/" + cni::file_stem(key) + kEnding;
}

Result<AttachmentStore::Loaded> AttachmentStore::load() const {
    FSM_ASSIGN(const auto paths, files_in(directory_));
    Loaded loaded;
    for (const auto& path : paths) {
        if (is_hidden(path)) {
            remove_unfinished(path, loaded.problems);
            continue;
        }
        if (path.extension() != kEnding) {
            continue;
        }
        auto attachment = read_attachment(path);
        if (!attachment) {
            set_one_aside(path, attachment.error().message(), loaded);
            continue;
        }
        if (auto renamed = rename_former(path, path_of(attachment->key)); !renamed) {
            loaded.problems.push_back(renamed.error().message());
        }
        loaded.attachments.push_back(std::move(*attachment));
    }
    return loaded;
}

Result<std::vector<std::string>> AttachmentStore::set_aside() const {
    FSM_ASSIGN(const auto paths, files_in(directory_));
    std::vector<std::string> files;
    for (const auto& path : paths) {
        if (path.extension() == kCorrupt) {
            files.push_back(path.string());
        }
    }
    return files;
}

std::string AttachmentStore::describe_set_aside(const std::string& file) {
    return "an attachment file could not be used and was renamed to " + file + kWhatToDo;
}

Result<void> AttachmentStore::save(const Attachment& attachment) const {
    // Not synced: after a crash of the machine attachments are meaningless, and the sync took most
    // of the time of an ADD.
    return write_file_atomically_unsynced(path_of(attachment.key), to_json(attachment), kFileMode);
}

Result<void> AttachmentStore::remove(const AttachmentKey& key) const {
    const std::string path = path_of(key);
    if (unlink(path.c_str()) != 0 && errno != ENOENT) {
        return Error::from_errno("remove " + path);
    }
    return {};
}

Result<void> AttachmentStore::check_writable() const {
    // A unique name per call: STATUS and readyz call this concurrently.
    std::string probe = directory_ + "/.probe.XXXXXX";
    const Fd file(mkostemp(probe.data(), O_CLOEXEC));
    if (!file) {
        return Error::from_errno("create a file in " + directory_);
    }
    // A full disk still accepts a new name, but no content.
    auto written = write_all(file, "probe\n", probe);
    if (unlink(probe.c_str()) != 0 && errno != ENOENT && written) {
        written = Error::from_errno("remove " + probe);
    }
    return written;
}

}  // namespace fsm
