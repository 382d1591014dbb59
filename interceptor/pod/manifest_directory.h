// ManifestDirectory: the pod source that needs no cluster, a directory of ordinary Pod manifests
// (*.yaml, *.yml, *.json; other files and hidden ones are passed over).
//
// Names: podman gives a CNI plugin the name of the pod's infra container as K8S_POD_NAMESPACE and
// as K8S_POD_NAME, not the pod's. kSandboxNamesAnnotation in a manifest lists such names, and
// find() knows the pod by them too. A pod's own name always goes first.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "interceptor/pod/pod_source.h"

namespace fsm {

// Comma-separated; an entry is a name (both parts of the runtime's PodName are equal to it) or
// "namespace/name".
inline constexpr const char* kSandboxNamesAnnotation = "fsm.flomesh.io/sandbox-names";

// Threads: every function may be called from any thread. watch() starts one thread, which the
// destructor stops and joins; the callback must not destroy the source.
class ManifestDirectory final : public PodSource {
  public:
    // Reads the directory. One that is not there, or not a directory, is an error; a file that is
    // wrong is one of problems(). `rescan`: the longest time that a change can go unnoticed when
    // inotify does not tell of it.
    static Result<std::unique_ptr<ManifestDirectory>> open(
        const std::string& directory,
        std::chrono::milliseconds rescan = std::chrono::seconds(5));
    ~ManifestDirectory() override;
    ManifestDirectory(const ManifestDirectory&) = delete;
    ManifestDirectory& operator=(const ManifestDirectory&) = delete;

    std::string description() const override;
    // An Error ("not known") for a name that no manifest has while a file cannot be read: the pod
    // may be in it.
    Result<FoundPod> find(const PodName& name) const override;
    Result<std::vector<Pod>> list() const override;
    Result<void> watch(std::function<void(const PodName&)> changed) override;
    // A file that became wrong keeps the pods of its last good version.
    std::vector<std::string> problems() const override;

  private:
    class Implementation;
    explicit ManifestDirectory(std::unique_ptr<Implementation> implementation);

    std::unique_ptr<Implementation> implementation_;
};

}  // namespace fsm
