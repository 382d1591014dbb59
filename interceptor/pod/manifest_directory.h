// ManifestDirectory: the pod source without a cluster: a directory of ordinary Pod manifests
// (*.yaml, *.yml, *.json; other and hidden files are ignored).
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "interceptor/pod/pod_source.h"

namespace fsm {

// Threads: every function may be called from any thread. watch() starts one thread, which the
// destructor stops and joins; the callback must not destroy the source.
class ManifestDirectory final : public PodSource {
  public:
    // Reads the directory. It is an error if the directory does not exist; an invalid file is one
    // of problems(). `rescan`: the longest time until a change is noticed if inotify does not
    // report it.
    static Result<std::unique_ptr<ManifestDirectory>> open(
        const std::string& directory, std::chrono::milliseconds rescan = std::chrono::seconds(5));
    ~ManifestDirectory() override;
    ManifestDirectory(const ManifestDirectory&) = delete;
    ManifestDirectory& operator=(const ManifestDirectory&) = delete;

    std::string description() const override;
    // podman passes the pod's name without a namespace: with an empty namespace the pod is found by
    // its name, and an Error is returned if two namespaces have a pod of that name. An Error ("not
    // known") is also returned for an unknown name while a file cannot be read: the pod may be in
    // it.
    Result<FoundPod> find(const PodName& name) const override;
    Result<std::vector<Pod>> list() const override;
    Result<void> watch(std::function<void(const PodName&)> changed) override;
    // An invalid file keeps the pods of its last valid version.
    std::vector<Problem> problems() const override;

  private:
    class Implementation;
    explicit ManifestDirectory(std::unique_ptr<Implementation> implementation);

    std::unique_ptr<Implementation> implementation_;
};

}  // namespace fsm
