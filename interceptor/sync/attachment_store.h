// AttachmentStore: persists the attachments of the container runtime, one file each, so that they
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
    std::string netns_path;  // the path that the interceptor opens
    NetnsIdentity netns;
    std::uint64_t netns_cookie = 0;
    // Cookies and inodes are reused after a reboot: an attachment of an earlier boot is
    // meaningless.
    std::string boot_id;
    // The pod's name from the source if known, otherwise from the runtime; empty for a container
    // that is not a pod.
    PodName pod;
    std::string pod_uid;
    // Discovered by scanning running pods, not reported by an ADD. The network is unknown, and the
    // container id may be synthetic.
    bool found_running = false;
};

// Threads: each function may be called from any thread; two calls for one key must not overlap.
class AttachmentStore {
  public:
    // Creates the directory. Files that cannot be read are set aside (see load()).
    static Result<AttachmentStore> open(const std::string& directory);

    struct Loaded {
        std::vector<Attachment> attachments;
        std::map<std::string, std::string> set_aside;  // reason, by file
        std::vector<std::string> problems;             // about files that stay where they are
    };
    // Reads every file. A corrupt one is renamed to "<name>.corrupt" and reported, never fatal; one
    // of an earlier version is renamed; temporary files of a dead writer are removed. No other
    // function may run meanwhile.
    Result<Loaded> load() const;
    // The existing files that load() of this or an earlier process has set aside.
    Result<std::vector<std::string>> set_aside() const;
    // A sentence about one of them, if the reason is no longer known.
    static std::string describe_set_aside(const std::string& file);

    Result<void> save(const Attachment& attachment) const;
    // Succeeds when there is no such file.
    Result<void> remove(const AttachmentKey& key) const;
    // Whether a file can be written now. May be called concurrently.
    Result<void> check_writable() const;

  private:
    explicit AttachmentStore(std::string directory) : directory_(std::move(directory)) {}
    std::string path_of(const AttachmentKey& key) const;

    std::string directory_;
};

}  // namespace fsm
