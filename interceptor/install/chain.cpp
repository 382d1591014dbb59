#include "interceptor/install/chain.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "interceptor/install/chain_text.h"

namespace fsm {

namespace {

constexpr std::string_view kList = ".conflist";

std::string without_ending(const std::string& name) {
    return name.substr(0, name.rfind('.'));
}

// How the chain that is made of a single plugin's file may be called.
std::vector<std::string> list_names_of(const std::string& single) {
    return {without_ending(single) + std::string(kList), single + std::string(kList)};
}

// The reverse: the files that a chain of that name may have been made of.
std::vector<std::string> single_names_of(const std::string& list) {
    const std::string stem = without_ending(list);
    std::vector<std::string> names = {stem + ".conf", stem + ".json"};
    if (config_form_of(stem)) {
        names.push_back(stem);
    }
    return names;
}

// ---- insertion

// A name under which the chain is first once the single file is gone. A file of that name that has
// our entry is what an interrupted or overtaken insertion left.
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

// At every moment the first of the two files is valid: until the single one goes, it is that one (a
// .conf), or both mean the same network (a .json is behind its .conflist).
Result<std::string> convert(const ConfigFiles& files, const std::vector<std::string>& names,
                            const ConfigFile& single, const std::string& entry) {
    FSM_ASSIGN(auto list, choose_list_name(files, names, single.name));
    FSM_TRY(write_if_other(files, list, with_entry(as_list(single.text), entry), single));
    FSM_TRY(files.set_aside(single.name));
    return list;
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

// Whether the file's author's part of it is still what the original says.
bool is_list_of(const ConfigFiles& files, const std::string& name, const std::string& stripped) {
    const auto kept = files.read(ConfigFiles::original_of(name));
    return kept && kept->text == stripped;
}

// The same for a single plugin, whose file is there already when an insertion or a removal was
// interrupted.
bool is_made_of(const ConfigFiles& files, const std::string& single, const std::string& stripped) {
    for (const auto& name : {ConfigFiles::original_of(single), single}) {
        const auto kept = files.read(name);
        if (kept && as_list(kept->text) == stripped) {
            return true;
        }
    }
    return false;
}

// The single file comes first again, then the chain goes.
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
        return files.remove(list.name);  // nothing but our entry was in it
    }
    return files.write(list.name, stripped, list);
}

Result<void> restore_if_ours(const ConfigFiles& files, const std::string& name) {
    if (config_form_of(name) != ConfigForm::list) {
        return {};
    }
    auto list = read_valid(files, name);
    // What no runtime can read is not ours: everything that we write is valid.
    return list && has_entry(list->text) ? restore(files, *list) : Result<void>();
}

}  // namespace

Result<ChainState> insert_entry(const ConfigFiles& files, const std::string& entry) {
    FSM_ASSIGN(const auto names, files.names());
    ChainState state;
    for (const auto& name : names) {
        auto file = read_valid(files, name);
        if (!file) {
            state.problems.push_back("a container runtime cannot use the configuration " +
                                     file.error().message());
            continue;
        }
        state.file = name;
        if (config_form_of(name) == ConfigForm::list) {
            FSM_ASSIGN(state.inserted, extend(files, *file, entry));
        } else {
            FSM_ASSIGN(state.file, convert(files, names, *file, entry));
            state.inserted = true;
        }
        return state;
    }
    return state;
}

Result<void> remove_entry(const ConfigFiles& files) {
    FSM_ASSIGN(const auto names, files.names());
    std::string failures;
    for (const auto& name : names) {
        if (auto restored = restore_if_ours(files, name); !restored) {
            failures += (failures.empty() ? "" : "; ") + restored.error().message();
        }
    }
    if (!failures.empty()) {
        return Error(failures);
    }
    return files.remove_leftovers();
}

}  // namespace fsm
