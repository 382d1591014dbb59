#include "test/unit/sync/test_netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "common/fd.h"

namespace fsm::testing {

namespace {

std::string make_directory() {
    std::string path = "/tmp/fsm-sync-test.XXXXXX";
    if (mkdtemp(path.data()) == nullptr) {
        throw std::runtime_error("cannot make a directory below /tmp");
    }
    return path;
}

// Creates a namespace on a separate thread, which binds it to the file and ends.
void bind_new_netns(const std::string& path) {
    const Fd file(open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
    bool bound = false;
    std::thread([&] {
        bound = unshare(CLONE_NEWNET) == 0 &&
                mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) == 0;
    }).join();
    if (!file || !bound) {
        throw std::runtime_error("cannot make a network namespace: this test needs root");
    }
}

}  // namespace

TestNetns::TestNetns(const std::vector<std::string>& commands)
    : path_(make_directory() + "/netns") {
    try {
        bind_new_netns(path_);
        set_up(commands);
    } catch (...) {
        remove();
        throw;
    }
}

void TestNetns::set_up(const std::vector<std::string>& commands) {
    run("link add eth0 type bridge");
    run("link set eth0 up");
    run("link set lo up");
    for (const auto& command : commands) {
        run(command);
    }
    const auto netns = Netns::open(path_);
    const auto cookie = netns ? netns->cookie() : Result<std::uint64_t>(netns.error());
    if (!cookie) {
        throw std::runtime_error(cookie.error().message());
    }
    cookie_ = *cookie;
}

void TestNetns::run(const std::string& ip_arguments) const {
    const std::string command =
        "/usr/bin/nsenter --net=" + path_ + " /sbin/ip " + ip_arguments + " >/dev/null";
    if (std::system(command.c_str()) != 0) {  // NOLINT: fixed commands of the tests
        throw std::runtime_error("failed: " + command);
    }
}

void TestNetns::lose() {
    umount2(path_.c_str(), MNT_DETACH);
    unlink(path_.c_str());
}

void TestNetns::remove() {
    lose();
    rmdir(path_.substr(0, path_.rfind('/')).c_str());
}

TestNetns::~TestNetns() {
    remove();
}

TestDirectory::TestDirectory() : path_(make_directory()) {}

TestDirectory::~TestDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

}  // namespace fsm::testing
