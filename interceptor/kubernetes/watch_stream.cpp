#include "interceptor/kubernetes/watch_stream.h"

#include <utility>

#include "common/text.h"
#include "interceptor/kubernetes/pod_json.h"

namespace fsm {

namespace {

using nlohmann::json;

constexpr std::size_t kLongestText = 512;

Error garbled(const std::string& what) {
    return Error("the watch is garbled: " + what, EBADMSG);
}

WatchEvent failed_event(const json& status) {
    WatchEvent event{WatchEvent::Kind::failed, {}, "", 0, ""};
    if (const auto code = status.find("code"); code != status.end() && code->is_number_integer()) {
        event.failure_code = code->get<int>();
    }
    if (const auto message = status.find("message");
        message != status.end() && message->is_string()) {
        event.failure_text =
            printable(message->get_ref<const std::string&>().substr(0, kLongestText));
    }
    return event;
}

Result<WatchEvent> parse_event(std::string_view line) {
    auto document = parse_api_json(line, JsonForm::event);
    if (!document) {
        return garbled("an event " + document.error().message());
    }
    const auto type = document->find("type");
    const auto object = document->find("object");
    if (type == document->end() || !type->is_string() || object == document->end() ||
        !object->is_object()) {
        return garbled("an event has no type or no object");
    }
    if (*type == "ERROR") {
        return failed_event(*object);
    }
    WatchEvent event{
        WatchEvent::Kind::changed, {}, metadata_text(*object, "resourceVersion"), 0, ""};
    if (*type == "DELETED") {
        event.kind = WatchEvent::Kind::removed;
    } else if (*type == "BOOKMARK") {
        event.kind = WatchEvent::Kind::bookmark;
    } else if (*type != "ADDED" && *type != "MODIFIED") {
        return garbled("an event has the unknown type " +
                       in_quotes(type->get_ref<const std::string&>()));
    }
    if (event.version.empty()) {
        return garbled("an event's object has no resourceVersion");
    }
    event.object = std::move(*object);
    return event;
}

}  // namespace

Result<void> WatchStream::feed(std::string_view bytes, const std::function<bool(WatchEvent)>& use) {
    while (!bytes.empty()) {
        const auto end = bytes.find('\n');
        const auto part = bytes.substr(0, end);
        if (pending_.size() + part.size() > line_limit_) {
            return garbled("an event has more than " + std::to_string(line_limit_) + " bytes");
        }
        pending_.append(part);
        if (end == std::string_view::npos) {
            return {};
        }
        bytes.remove_prefix(end + 1);
        const std::string line = std::exchange(pending_, {});
        if (line.find_first_not_of(" \r\t") == std::string::npos) {
            continue;
        }
        FSM_ASSIGN(auto event, parse_event(line));
        if (!use(std::move(event))) {
            return {};
        }
    }
    return {};
}

}  // namespace fsm
