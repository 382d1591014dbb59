// AttachmentStore: the attachments that the container runtime has made, one file each, so that they
// survive the interceptor: <directory>/<file_stem() of the attachment>.json.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/cni/attachment.h"
#include "common/netns.h"
#include "common/result.h"
#include "interceptor/pod/pod.h"

namespace fsm {

using AttachmentKey = cni::AttachmentKey;

struct Attachment {
    AttachmentKey key;
    std::string netns_path;  // as the interceptor opens it
    NetnsIdentity netns;
    std::uint64_t netns_cookie = 0;
    // Cookies and inodes start over with every boot: an attachment of another boot says nothing.
    std::string boot_id;
    // The pod's own name when the source knew it, else what the runtime said; empty for a container
    // that is no pod.
    PodName pod;
    std::string pod_uid;
    // Not the runtime told of it: it was found. Its network is not known, and its container id may
    // be one of ours.
    bool found_running = false;
};

// Threads: each function may be called from any thread; two calls for one key must not overlap.
class AttachmentStore {
  public:
    // Makes the directory. Files that cannot be read are set aside (see load()).
    static Result<AttachmentStore> open(const std::string& directory);

    struct Loaded {
        std::vector<Attachment> attachments;
        std::map<std::string, std::string> set_aside;  // by file: why
        std::vector<std::string> problems;             // about files that stay where they are
    };
    // Reads every file. A corrupt one is renamed to "<name>.corrupt" and reported, never fatal; one
    // of an earlier version gets its present name; what a writer left that died is removed. Not
    // while another function is at work.
    Result<Loaded> load() const;
    // The files that are there now because load() of this or an earlier process could not use them.
    Result<std::vector<std::string>> set_aside() const;
    // A sentence about one of them, when the reason is not known any more.
    static std::string describe_set_aside(const std::string& file);

    Result<void> save(const Attachment& attachment) const;
    // Succeeds when there is no such file.
    Result<void> remove(const AttachmentKey& key) const;
    // Whether a file can be written there now. Any number of calls may be under way at once.
    Result<void> check_writable() const;

  private:
    explicit AttachmentStore(std::string directory) : directory_(std::move(directory)) {}
    std::string path_of(const AttachmentKey& key) const;

    std::string directory_;
};

}  // namespace fsm
