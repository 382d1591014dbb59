// ManifestDirectory: the pod source that needs no cluster, a directory of ordinary Pod manifests
// (*.yaml, *.yml, *.json; other files and hidden ones are passed over).
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
    // Reads the directory. One that is not there, or not a directory, is an error; a file that is
    // wrong is one of problems(). `rescan`: the longest time that a change can go unnoticed when
    // inotify does not tell of it.
    static Result<std::unique_ptr<ManifestDirectory>> open(
        const std::string& directory, std::chrono::milliseconds rescan = std::chrono::seconds(5));
    ~ManifestDirectory() override;
    ManifestDirectory(const ManifestDirectory&) = delete;
    ManifestDirectory& operator=(const ManifestDirectory&) = delete;

    std::string description() const override;
    // podman names the pod but no namespace: with an empty namespace the pod is found by its name,
    // and an Error tells when two namespaces have one of that name. An Error ("not known") also
    // for a name that no manifest has while a file cannot be read: the pod may be in it.
    Result<FoundPod> find(const PodName& name) const override;
    Result<std::vector<Pod>> list() const override;
    Result<void> watch(std::function<void(const PodName&)> changed) override;
    // A file that became wrong keeps the pods of its last good version.
    std::vector<Problem> problems() const override;

  private:
    class Implementation;
    explicit ManifestDirectory(std::unique_ptr<Implementation> implementation);

    std::unique_ptr<Implementation> implementation_;
};

}  // namespace fsm
