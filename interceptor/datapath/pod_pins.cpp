#include "interceptor/datapath/pod_pins.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string_view>

#include "common/file.h"

namespace fsm {
namespace {

constexpr std::string_view kNetnsPrefix = "netns-";
constexpr std::string_view kTcPrefix = "tc-";
constexpr std::string_view kOwnSuffix = "-own";
constexpr std::string_view kSharedSuffix = "-shared";

template <typename Number>
std::optional<Number> parse_number(std::string_view text, int base) {
    Number number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return number;
}

std::string_view owner_suffix(QdiscOwner owner) {
    return owner == QdiscOwner::us ? kOwnSuffix : kSharedSuffix;
}

std::optional<TcInterface> parse_interface(std::string_view name) {
    if (!name.starts_with(kTcPrefix)) {
        return std::nullopt;
    }
    const QdiscOwner owner = name.ends_with(kOwnSuffix) ? QdiscOwner::us : QdiscOwner::others;
    const std::string_view suffix = owner_suffix(owner);
    if (!name.ends_with(suffix) || name.size() <= kTcPrefix.size() + suffix.size()) {
        return std::nullopt;
    }
    name.remove_prefix(kTcPrefix.size());
    name.remove_suffix(suffix.size());
    const auto index = parse_number<int>(name, 10);
    return index ? std::optional<TcInterface>({*index, owner}) : std::nullopt;
}

std::string interface_note(const PinTree& tree, std::uint64_t netns_cookie,
                           const TcInterface& interface) {
    return tree.pod(netns_cookie) + "/" + std::string(kTcPrefix) + std::to_string(interface.index) +
           std::string(owner_suffix(interface.qdisc));
}

Result<void> remove_note(const std::string& path) {
    if (rmdir(path.c_str()) != 0 && errno != ENOENT) {
        return Error::from_errno("remove " + path);
    }
    return {};
}

}  // namespace

Result<std::vector<std::uint64_t>> pinned_pods(const PinTree& tree) {
    FSM_ASSIGN(const std::vector<std::string> names, list_directory(tree.pods()));
    std::vector<std::uint64_t> cookies;
    for (const std::string& name : names) {
        if (const auto cookie = parse_number<std::uint64_t>(name, 16)) {
            cookies.push_back(*cookie);
        }
    }
    return cookies;
}

Result<PodPins> read_pod_pins(const PinTree& tree, std::uint64_t netns_cookie) {
    PodPins pins;
    pins.netns_cookie = netns_cookie;
    FSM_ASSIGN(const std::vector<std::string> names, list_directory(tree.pod(netns_cookie)));
    for (const std::string& name : names) {
        if (name.starts_with(kNetnsPrefix)) {
            pins.netns_inode =
                parse_number<ino_t>(std::string_view(name).substr(kNetnsPrefix.size()), 10);
        } else if (const auto interface = parse_interface(name)) {
            pins.interfaces.push_back(*interface);
        }
    }
    return pins;
}

Result<void> remember_netns(const PinTree& tree, std::uint64_t netns_cookie, ino_t inode) {
    return make_pin_directory(tree.pod(netns_cookie) + "/" + std::string(kNetnsPrefix) +
                              std::to_string(inode));
}

Result<void> remember_interface(const PinTree& tree, std::uint64_t netns_cookie,
                                const TcInterface& interface) {
    FSM_ASSIGN(const PodPins pins, read_pod_pins(tree, netns_cookie));
    const bool known = std::any_of(
        pins.interfaces.begin(), pins.interfaces.end(),
        [&](const TcInterface& candidate) { return candidate.index == interface.index; });
    return known ? Result<void>()
                 : make_pin_directory(interface_note(tree, netns_cookie, interface));
}

Result<void> forget_interface(const PinTree& tree, std::uint64_t netns_cookie,
                              const TcInterface& interface) {
    return remove_note(interface_note(tree, netns_cookie, interface));
}

}  // namespace fsm
