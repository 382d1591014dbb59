#include "cni-plugin/deletion_note.h"

#include <unistd.h>

#include <cerrno>

#include "common/file.h"

namespace fsm::plugin {

namespace {

constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kNoteMode = 0600;

std::string notes_directory(const std::string& state_dir) {
    return state_dir + "/deleted";
}

std::string note_path(const std::string& state_dir, const std::string& stem) {
    return notes_directory(state_dir) + "/" + stem + ".json";
}

Result<void> remove_note(const std::string& path) {
    // ENOTDIR: the state directory cannot contain notes, so there is none. ENAMETOOLONG: likewise.
    if (unlink(path.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG) {
        return Error::from_errno("remove " + path);
    }
    return {};
}

}  // namespace

Result<void> write_deletion_note(const std::string& state_dir, const cni::DeletionNote& note) {
    FSM_TRY(make_directories(notes_directory(state_dir), kDirectoryMode));
    return write_file_atomically(note_path(state_dir, cni::file_stem(note.key)), cni::to_json(note),
                                 kNoteMode);
}

Result<void> withdraw_deletion_note(const std::string& state_dir, const cni::AttachmentKey& key) {
    FSM_TRY(remove_note(note_path(state_dir, cni::file_stem(key))));
    return remove_note(note_path(state_dir, cni::former_file_stem(key.interface())));
}

}  // namespace fsm::plugin
