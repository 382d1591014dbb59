#include "interceptor/interception/mount_table.h"

#include <algorithm>
#include <sstream>

#include "common/file.h"

namespace fsm {
namespace {

constexpr std::size_t kMountinfoLimit = 16U << 20;

bool is_octal_escape(std::string_view text, std::size_t at) {
    return text[at] == '\\' && at + 3 < text.size() &&
           std::all_of(text.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                       text.begin() + static_cast<std::ptrdiff_t>(at) + 4,
                       [](char digit) { return digit >= '0' && digit <= '7'; });
}

std::string without_escapes(std::string_view text) {
    std::string result;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (is_octal_escape(text, at)) {
            result += static_cast<char>((text[at + 1] - '0') * 64 + (text[at + 2] - '0') * 8 +
                                        (text[at + 3] - '0'));
            at += 3;
        } else {
            result += text[at];
        }
    }
    return result;
}

}  // namespace

std::vector<Mount> parse_mountinfo(std::string_view text) {
    std::vector<Mount> mounts;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        // "36 35 98:0 /root /point options optional... - type source options"
        std::istringstream fields(line);
        std::string skipped;
        std::string root;
        std::string point;
        Mount mount;
        fields >> skipped >> skipped >> skipped >> root >> point;
        while (fields >> skipped && skipped != "-") {
        }
        if (fields >> mount.type) {
            mount.root = without_escapes(root);
            mount.point = without_escapes(point);
            mounts.push_back(std::move(mount));
        }
    }
    return mounts;
}

Result<std::vector<Mount>> read_mounts(const std::string& mountinfo_path) {
    FSM_ASSIGN(const std::string text, read_file(mountinfo_path, kMountinfoLimit));
    return parse_mountinfo(text);
}

}  // namespace fsm
