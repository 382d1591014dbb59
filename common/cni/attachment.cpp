#include "common/cni/attachment.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <string_view>

namespace fsm::cni {

namespace {

// Runtimes use 64 hexadecimal digits. A longer id is cut; the hash keeps the names distinct.
constexpr std::size_t kShownId = 64;

// FNV-1a. A strong hash is not needed: runtimes choose the container ids, not their users, and the
// id is also in the name.
std::uint64_t hash(std::string_view text, std::uint64_t state) {
    for (const char c : text) {
        state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    }
    return state;
}

// Each part is terminated by a zero byte, which no part contains: ("a", "bc") differs from ("ab",
// "c").
std::string digest(const AttachmentKey& key) {
    std::uint64_t state = 0xcbf29ce484222325U;
    for (const std::string_view part : {key.network, key.container_id, key.ifname}) {
        state = hash(std::string_view("\0", 1), hash(part, state));
    }
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(state));
    return text.data();
}

}  // namespace

std::string AttachmentKey::to_string() const {
    return (network.empty() ? "" : network + "/") + container_id + "/" + ifname;
}

std::string file_stem(const AttachmentKey& key) {
    return key.container_id.substr(0, kShownId) + "-" + key.ifname + "-" + digest(key);
}

std::string former_file_stem(const Interface& interface) {
    return interface.container_id + "-" + interface.ifname;
}

}  // namespace fsm::cni
