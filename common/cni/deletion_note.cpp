#include "common/cni/deletion_note.h"

#include <nlohmann/json.hpp>

#include "common/cni/request.h"

namespace fsm::cni {

std::string to_json(const DeletionNote& note) {
    const nlohmann::ordered_json content = {{"ContainerID", note.key.container_id},
                                            {"IfName", note.key.ifname},
                                            {"Netns", note.netns},
                                            {"Network", note.key.network}};
    return content.dump() + "\n";
}

Result<DeletionNote> parse_deletion_note(std::string_view text) {
    DeletionNote note;
    try {
        const auto document = nlohmann::json::parse(text);
        note.key.container_id = document.at("ContainerID").get<std::string>();
        note.key.ifname = document.at("IfName").get<std::string>();
        note.key.network = document.value("Network", "");
        note.netns = document.value("Netns", "");
    } catch (const nlohmann::json::exception& failure) {
        return fsm::Error(failure.what());
    }
    if (const auto valid = check_interface(note.key.interface()); !valid) {
        return fsm::Error(valid.error().message + ": " + valid.error().details);
    }
    return note;
}

}  // namespace fsm::cni
