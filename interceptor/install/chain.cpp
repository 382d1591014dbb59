#include "interceptor/install/chain.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "common/cni/identifier.h"
#include "common/failures.h"
#include "interceptor/install/chain_text.h"
#include "interceptor/install/plugin_folder.h"

namespace fsm {

namespace {

constexpr std::string_view kList = ".conflist";

std::string without_suffix(const std::string& name) {
    return name.substr(0, name.rfind('.'));
}

// The possible names of a chain that is made from a single plugin's file.
std::vector<std::string> list_names_of(const std::string& single) {
    return {without_suffix(single) + std::string(kList), single + std::string(kList)};
}

// The reverse: the possible files from which a chain of that name was made.
std::vector<std::string> single_names_of(const std::string& list) {
    const std::string stem = without_suffix(list);
    std::vector<std::string> names = {stem + ".conf", stem + ".json"};
    if (config_form_of(stem)) {
        names.push_back(stem);
    }
    return names;
}

// ---- insertion

// A name under which the chain is first once the single file is removed. A file of that name with
// our entry is left over from an interrupted insertion.
Result<std::string> choose_list_name(const ConfigFiles& files,
                                     const std::vector<std::string>& names,
                                     const std::string& single) {
    for (const auto& candidate : list_names_of(single)) {
        const bool first = std::all_of(names.begin(), names.end(), [&](const auto& other) {
            return other <= single || candidate <= other;
        });
        if (!first) {
            continue;
        }
        if (std::find(names.begin(), names.end(), candidate) == names.end()) {
            return candidate;
        }
        const auto present = files.read(candidate);
        if (present && has_entry(present->text)) {
            return candidate;
        }
    }
    return Error("the single plugin of " + files.path_of(single) +
                 " has to become a chain, and there is no free file name for it that is read "
                 "first; rename one of the files beside it");
}

Result<void> write_if_other(const ConfigFiles& files, const std::string& name,
                            const std::string& text, const ConfigFile& like) {
    if (const auto present = files.read(name); present && present->text == text) {
        return {};
    }
    return files.write(name, text, like);
}

// One of the two files is valid at every moment: until the single one is removed, it is used (a
// .conf), or both mean the same network (a .json comes after its .conflist).
Result<std::string> convert(const ConfigFiles& files, const std::vector<std::string>& names,
                            const ConfigFile& single, const std::string& entry) {
    FSM_ASSIGN(auto list, choose_list_name(files, names, single.name));
    FSM_TRY(write_if_other(files, list, with_entry(as_list(single.text), entry), single));
    FSM_TRY(files.set_aside(single.name));
    return list;
}

// The chains beside a single plugin's file that stays; runtimes read them first.
std::vector<std::string> names_beside(const std::string& single) {
    const std::string stem = without_suffix(single);
    return {"00-fsm-" + stem + std::string(kList), ".fsm-" + stem + std::string(kList)};
}

// The single plugin's file beside which the chain `list` was made; it may no longer exist.
std::optional<std::string> single_beside(const ConfigFiles& files, const std::string& list) {
    for (const std::string_view prefix : {"00-fsm-", ".fsm-"}) {
        if (!list.starts_with(prefix) || !list.ends_with(kList)) {
            continue;
        }
        const auto file = files.read(list);
        if (!file || !has_entry(file->text)) {
            return std::nullopt;
        }
        const auto stem = without_suffix(list).substr(prefix.size());
        const auto json = files.exists(stem + ".json");
        return stem + (json && *json ? ".json" : ".conf");
    }
    return std::nullopt;
}

// A single plugin's file that is not replaced.
Result<ChainState> put_beside(const ConfigFiles& files, const ConfigFile& single,
                              const std::string& entry) {
    const auto names = names_beside(single.name);
    const std::string& list = names.front() < single.name ? names.front() : names.back();
    const std::string text = with_entry(as_list(single.text), entry);
    ChainState state;
    state.file = list;
    const auto present = files.read(list);
    state.inserted = !present || !has_entry(present->text);
    if (!present || present->text != text) {
        FSM_TRY(files.write(list, text, single));
    }
    return state;
}

Result<bool> extend(const ConfigFiles& files, const ConfigFile& list, const std::string& entry) {
    const auto text = with_entry(list.text, entry);
    if (text == list.text) {
        return false;
    }
    if (!has_entry(list.text)) {
        FSM_TRY(files.keep_original(list.name));
    }
    FSM_TRY(files.write(list.name, text, list));
    return true;
}

Result<ConfigFile> read_valid(const ConfigFiles& files, const std::string& name) {
    FSM_ASSIGN(auto file, files.read(name));
    if (auto valid = validate_config(*config_form_of(name), file.text); !valid) {
        return std::move(valid.error()).within(files.path_of(name));
    }
    return file;
}

// ---- removal

// Whether the file, except for our entry, still equals the original.
bool is_list_of(const ConfigFiles& files, const std::string& name, const std::string& stripped) {
    const auto kept = files.read(ConfigFiles::original_of(name));
    return kept && kept->text == stripped;
}

// The same for a single plugin, whose file already exists after an interrupted insertion or
// removal.
bool is_made_of(const ConfigFiles& files, const std::string& single, const std::string& stripped) {
    for (const auto& name : {ConfigFiles::original_of(single), single}) {
        const auto kept = files.read(name);
        if (kept && as_list(kept->text) == stripped) {
            return true;
        }
    }
    return false;
}

// The single file is restored first, then the chain is removed.
Result<void> restore_single(const ConfigFiles& files, const std::string& single,
                            const std::string& list) {
    FSM_ASSIGN(const bool written_anew, files.exists(single));
    if (!written_anew) {
        FSM_TRY(files.put_back(single));
    }
    return files.remove(list);
}

Result<void> restore(const ConfigFiles& files, const ConfigFile& list) {
    const auto stripped = without_entry(list.text);
    if (is_list_of(files, list.name, stripped)) {
        return files.put_back(list.name);
    }
    for (const auto& single : single_names_of(list.name)) {
        if (is_made_of(files, single, stripped)) {
            return restore_single(files, single, list.name);
        }
    }
    if (!validate_config(ConfigForm::list, stripped)) {
        return files.remove(list.name);  // it contained only our entry
    }
    return files.write(list.name, stripped, list);
}

Result<void> restore_if_ours(const ConfigFiles& files, const std::string& name) {
    if (config_form_of(name) != ConfigForm::list) {
        return {};
    }
    auto list = read_valid(files, name);
    // Invalid files are not ours, because we write only valid ones.
    if (!list || !has_entry(list->text)) {
        return {};
    }
    return single_beside(files, name) ? files.remove(name) : restore(files, *list);
}

// ---- the target

// Chains that were made from a converted file, or beside one that stayed, and are now the target or
// no longer.
Result<void> undo_other_choices(const ConfigFiles& files, const ChainTarget& target) {
    FSM_ASSIGN(const auto names, files.names());
    for (const auto& name : names) {
        const auto single = single_beside(files, name);
        if (!single) {
            continue;
        }
        FSM_ASSIGN(const bool present, files.exists(*single));
        if (*single != target.name || !present) {
            FSM_TRY(files.remove(name));
        }
    }
    if (config_form_of(target.name) != ConfigForm::single) {
        return {};
    }
    FSM_ASSIGN(const bool present, files.exists(target.name));
    for (const auto& list : list_names_of(target.name)) {
        if (!present && std::find(names.begin(), names.end(), list) != names.end()) {
            FSM_TRY(restore_if_ours(files, list));
        }
    }
    return {};
}

bool is_target(const ChainTarget& target, const ConfigFile& file) {
    return target.name.empty() || target.name == file.name ||
           (!config_form_of(target.name) && target.name == network_of(file.text));
}

Result<ChainState> insert_into_list(const ConfigFiles& files, const ConfigFile& list,
                                    const std::string& entry) {
    ChainState state;
    if (const auto folder = plugin_folder_of(list.text)) {
        FSM_ASSIGN(const auto done,
                   insert_into_folder(ConfigFiles(files.path_of(*folder)), list, entry));
        state.folder = *folder;
        state.file = *folder + "/" + done.name;
        state.inserted = done.inserted;
        return state;
    }
    state.file = list.name;
    FSM_ASSIGN(state.inserted, extend(files, list, entry));
    // Runtimes append the plugins in the folder: if the list had none before, our entry is there.
    if (const auto network = network_of(list.text); cni::is_cni_identifier(network)) {
        FSM_TRY(remove_from_folder(ConfigFiles(files.path_of(network))));
    }
    return state;
}

Result<ChainState> insert_into(const ConfigFiles& files, const std::vector<std::string>& names,
                               const ConfigFile& file, const std::string& entry,
                               const ChainTarget& target) {
    if (config_form_of(file.name) == ConfigForm::list) {
        return insert_into_list(files, file, entry);
    }
    if (target.name == file.name) {
        return put_beside(files, file, entry);
    }
    ChainState state;
    FSM_ASSIGN(state.file, convert(files, names, file, entry));
    state.inserted = true;
    return state;
}

Result<void> remove_from_folders(const ConfigFiles& files, const std::string& except) {
    FSM_ASSIGN(const auto folders, files.folders());
    Failures failures;
    for (const auto& folder : folders) {
        if (folder != except) {
            failures.note(remove_from_folder(ConfigFiles(files.path_of(folder))));
        }
    }
    return failures.result();
}

Result<void> remove_from_others(const ConfigFiles& files, const ChainState& state) {
    FSM_ASSIGN(const auto names, files.names());
    Failures failures;
    for (const auto& name : names) {
        if (name != state.file) {
            failures.note(restore_if_ours(files, name));
        }
    }
    failures.note(remove_from_folders(files, state.folder));
    return failures.result();
}

// The file, if a runtime can use it.
Result<ConfigFile> read_usable(const ConfigFiles& files, const std::string& name) {
    FSM_ASSIGN(auto file, read_valid(files, name));
    const auto folder =
        config_form_of(name) == ConfigForm::list ? plugin_folder_of(file.text) : std::nullopt;
    if (folder) {
        if (auto valid = validate_folder(ConfigFiles(files.path_of(*folder))); !valid) {
            return std::move(valid.error()).within(files.path_of(name));
        }
    }
    return file;
}

}  // namespace

Result<ChainState> insert_entry(const ConfigFiles& files, const std::string& entry,
                                const ChainTarget& target) {
    FSM_TRY(undo_other_choices(files, target));
    FSM_ASSIGN(const auto names, files.names());
    std::vector<Problem> problems;
    for (const auto& name : names) {
        const auto file = read_usable(files, name);
        if (!file) {
            problems.push_back(
                {files.path_of(name),
                 "a container runtime cannot use the configuration " + file.error().message()});
            continue;
        }
        // A chain beside a file that stays belongs to that file.
        if (!is_target(target, *file) || single_beside(files, name)) {
            continue;
        }
        FSM_ASSIGN(auto state, insert_into(files, names, *file, entry, target));
        if (!target.name.empty()) {
            FSM_TRY(remove_from_others(files, state));
        }
        state.problems = std::move(problems);
        return state;
    }
    ChainState none;
    none.problems = std::move(problems);
    return none;
}

Result<void> remove_entry(const ConfigFiles& files) {
    FSM_ASSIGN(const auto names, files.names());
    Failures failures;
    for (const auto& name : names) {
        failures.note(restore_if_ours(files, name));
    }
    failures.note(remove_from_folders(files, ""));
    FSM_TRY(failures.result());
    return files.remove_leftovers();
}

}  // namespace fsm
