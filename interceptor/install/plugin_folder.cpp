#include "interceptor/install/plugin_folder.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <vector>

#include "interceptor/install/chain_text.h"

namespace fsm {

namespace {

// The first candidate that comes after the other names; the last one comes after nearly all names.
constexpr std::array<std::string_view, 3> kNames = {"99-fsm-cni.conf", "zz-fsm-cni.conf",
                                                    "~fsm-cni.conf"};

struct Plugins {
    std::vector<std::string> ours;
    std::vector<std::string> others;
};

Result<std::vector<std::string>> plugin_files(const ConfigFiles& folder) {
    auto names = folder.names();
    if (names) {
        std::erase_if(*names, [](const std::string& name) { return !name.ends_with(".conf"); });
    } else if (names.error().errno_value() == ENOENT) {
        return std::vector<std::string>();
    }
    return names;
}

Result<Plugins> inspect_folder(const ConfigFiles& folder) {
    FSM_ASSIGN(const auto names, plugin_files(folder));
    Plugins plugins;
    for (const auto& name : names) {
        FSM_ASSIGN(const auto file, folder.read(name));
        if (auto valid = validate_plugin(file.text); !valid) {
            return std::move(valid.error()).within(folder.path_of(name));
        }
        (is_entry(file.text) ? plugins.ours : plugins.others).push_back(name);
    }
    return plugins;
}

std::string choose_name(const std::vector<std::string>& others) {
    const auto is_last = [&](std::string_view name) {
        return others.empty() || others.back() < name;  // sorted
    };
    const auto* const found = std::find_if(kNames.begin(), kNames.end(), is_last);
    return std::string(found == kNames.end() ? kNames.back() : *found);
}

bool has_same_content(const ConfigFiles& folder, const std::string& name, const std::string& text) {
    const auto present = folder.read(name);
    return present && present->text == text;
}

}  // namespace

Result<void> validate_folder(const ConfigFiles& folder) {
    FSM_ASSIGN(const auto plugins, inspect_folder(folder));
    if (!plugins.others.empty()) {
        return {};
    }
    FSM_TRY(remove_from_folder(folder));
    return Error("it has no list of \"plugins\", and there is no plugin in " + folder.directory());
}

Result<FolderEntry> insert_into_folder(const ConfigFiles& folder, const ConfigFile& like,
                                       const std::string& entry) {
    FSM_ASSIGN(const auto plugins, inspect_folder(folder));
    const FolderEntry done = {choose_name(plugins.others), plugins.ours.empty()};
    const std::string text = entry + "\n";
    if (!has_same_content(folder, done.name, text)) {
        FSM_TRY(folder.create(done.name, text, like));
    }
    for (const auto& name : plugins.ours) {
        if (name != done.name) {
            FSM_TRY(folder.remove(name));
        }
    }
    return done;
}

Result<void> remove_from_folder(const ConfigFiles& folder) {
    FSM_ASSIGN(const auto names, plugin_files(folder));
    for (const auto& name : names) {
        const auto file = folder.read(name);
        if (file && is_entry(file->text)) {
            FSM_TRY(folder.remove(name));
        }
    }
    auto cleaned = folder.remove_leftovers();
    return !cleaned && cleaned.error().errno_value() == ENOENT ? Result<void>() : cleaned;
}

}  // namespace fsm
