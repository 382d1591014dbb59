#include "test/bpf/instance.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "interceptor/datapath/mounts.h"

namespace fsm::test {
namespace {

std::string make_temporary_directory() {
    std::string path = "/tmp/fsm-bpf-test-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) {
        throw std::runtime_error("cannot make a temporary directory");
    }
    return path;
}

}  // namespace

Instance::Instance() : directory_(make_temporary_directory()) {
    const std::string unique = directory_.substr(directory_.rfind('-') + 1);
    cgroup_root_ = must(find_or_mount_cgroup2(directory_ + "/run"));
    options.name = "t" + unique;
    options.bpffs = directory_ + "/bpffs";
    options.run_directory = directory_ + "/run";
    options.cgroup = cgroup_root_ + "/fsm-bpf-test-" + unique;
    options.max_connections = 4096;
    mkdir(options.bpffs.c_str(), 0700);
    if (mkdir(options.cgroup.c_str(), 0755) != 0) {
        throw std::runtime_error("cannot make cgroup " + options.cgroup + " (is this root?)");
    }
    join_cgroup(options.cgroup);
}

Instance::~Instance() {
    const auto removed = uninstall_kernel_datapath(options);
    EXPECT_TRUE(removed) << removed.error().message();
    join_cgroup(cgroup_root_);
    EXPECT_EQ(rmdir(options.cgroup.c_str()), 0) << options.cgroup;
    std::filesystem::remove_all(directory_);
}

void join_cgroup(const std::string& path) {
    std::ofstream processes(path + "/cgroup.procs");
    processes << getpid() << std::flush;
    if (!processes) {
        throw std::runtime_error("cannot move the test into cgroup " + path);
    }
}

std::string shell(const std::string& command) {
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen((command + " 2>&1").c_str(), "r"),
                                                     pclose);
    std::string output;
    std::array<char, 4096> buffer{};
    while (const std::size_t count = fread(buffer.data(), 1, buffer.size(), pipe.get())) {
        output.append(buffer.data(), count);
    }
    return output;
}

}  // namespace fsm::test
