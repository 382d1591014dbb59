#include "interceptor/sync/attachment_store.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "common/file.h"

namespace fsm {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFileLimit = 65536;
constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kFileMode = 0600;
constexpr const char* kEnding = ".json";

std::string to_json(const Attachment& attachment) {
    const nlohmann::json document = {
        {"containerID", attachment.key.container_id},
        {"ifname", attachment.key.ifname},
        {"network", attachment.network},
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
    // Names come from outside: bytes that are no UTF-8 must not throw.
    return document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<Attachment> from_json(const std::string& text) {
    try {
        const auto document = nlohmann::json::parse(text);
        Attachment attachment;
        attachment.key = {document.at("containerID").get<std::string>(),
                          document.at("ifname").get<std::string>()};
        attachment.network = document.at("network").get<std::string>();
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
    if (const auto valid = validate_key(attachment.key); !valid) {
        return Error(valid.error().message + ": " + valid.error().details);
    }
    if (path.stem().string() != attachment.key.to_string()) {
        return Error("its content is about the attachment " + attachment.key.to_string());
    }
    return attachment;
}

bool is_attachment_file(const fs::directory_entry& entry) {
    const auto name = entry.path().filename().string();
    return name.front() != '.' && entry.path().extension() == kEnding;
}

std::string set_aside(const fs::path& path, const std::string& why) {
    const std::string kept = path.string() + ".corrupt";
    std::string problem = "attachment file " + path.string() + " cannot be used (" + why + ")";
    if (std::rename(path.c_str(), kept.c_str()) != 0) {
        return problem + Error::from_errno(", nor renamed to " + kept).message();
    }
    return problem + "; it was renamed to " + kept +
           ". Its pod keeps what the kernel holds, but is not checked: restart the pod, then "
           "delete "
           "the file";
}

}  // namespace

Result<AttachmentStore> AttachmentStore::open(const std::string& directory) {
    FSM_TRY(make_directories(directory, kDirectoryMode));
    return AttachmentStore(directory);
}

std::string AttachmentStore::path_of(const AttachmentKey& key) const {
    return directory_ + "/" + key.to_string() + kEnding;
}

Result<AttachmentStore::Loaded> AttachmentStore::load() const {
    Loaded loaded;
    std::error_code failure;
    fs::directory_iterator entries(directory_, failure);
    if (failure) {
        return Error("list attachments in " + directory_ + ": " + failure.message(),
                     failure.value());
    }
    std::vector<fs::path> paths;
    for (const auto& entry : entries) {
        if (is_attachment_file(entry)) {
            paths.push_back(entry.path());
        }
    }
    for (const auto& path : paths) {
        auto attachment = read_attachment(path);
        if (attachment) {
            loaded.attachments.push_back(std::move(*attachment));
        } else {
            loaded.problems.push_back(set_aside(path, attachment.error().message()));
        }
    }
    return loaded;
}

Result<void> AttachmentStore::save(const Attachment& attachment) const {
    // Unsynced: after a crash of the machine an attachment means nothing, and waiting for the disk
    // was most of the time that ADD took.
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
    const std::string probe = directory_ + "/.probe";
    FSM_TRY(write_file_atomically_unsynced(probe, "", kFileMode));
    if (unlink(probe.c_str()) != 0) {
        return Error::from_errno("remove " + probe);
    }
    return {};
}

}  // namespace fsm
