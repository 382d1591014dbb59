#include "cni-plugin/deletion_note.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "common/file.h"

namespace fsm {

namespace {

constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kNoteMode = 0600;

std::string notes_directory(const std::string& state_dir) {
    return state_dir + "/deleted";
}

std::string note_path(const std::string& state_dir, const std::string& container_id,
                      const std::string& ifname) {
    return notes_directory(state_dir) + "/" + container_id + "-" + ifname + ".json";
}

}  // namespace

Result<void> write_deletion_note(const std::string& state_dir, const DeletionNote& note) {
    FSM_TRY(make_directories(notes_directory(state_dir), kDirectoryMode));
    const nlohmann::ordered_json content = {
        {"ContainerID", note.container_id}, {"IfName", note.ifname}, {"Netns", note.netns}};
    return write_file_atomically(note_path(state_dir, note.container_id, note.ifname),
                                 content.dump() + "\n", kNoteMode);
}

Result<void> withdraw_deletion_note(const std::string& state_dir, const std::string& container_id,
                                    const std::string& ifname) {
    const std::string path = note_path(state_dir, container_id, ifname);
    // ENOTDIR: the state directory cannot hold notes, so there is none.
    if (unlink(path.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR) {
        return Error::from_errno("remove " + path);
    }
    return {};
}

}  // namespace fsm
