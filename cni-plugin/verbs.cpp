#include "cni-plugin/verbs.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cni-plugin/deletion_note.h"
#include "cni-plugin/interceptor_client.h"
#include "cni-plugin/network_config.h"
#include "cni-plugin/protocol_version.h"
#include "common/cni/error.h"
#include "common/raw_json.h"
#include "common/version.h"

namespace fsm::plugin {

namespace {

using nlohmann::ordered_json;

// One call of the plugin with its parameters.
struct Call {
    Verb verb;
    cni::Request request;
    NetworkConfig config;
    InterceptorClient interceptor;
};

// Text of other programs may be cut in the middle of a character.
std::string print(const ordered_json& object) {
    return object.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

PluginAnswer fail(const cni::Error& error, std::string_view cni_version) {
    ordered_json object = {{"cniVersion", cni_version},
                           {"code", static_cast<int>(error.code)},
                           {"msg", error.message}};
    if (!error.details.empty()) {
        object["details"] = error.details;
    }
    return {1, print(object), ""};
}

PluginAnswer succeed_silently() {
    return {};
}

PluginAnswer answer(const Call& call, const std::optional<cni::Error>& failure) {
    return failure ? fail(*failure, call.config.cni_version) : succeed_silently();
}

bool is_excluded(const Call& call) {
    return call.config.settings.excluded_namespaces.contains(
        cni::pod_of(call.request.args).pod_namespace);
}

// A result must contain its version. Everything else stays as the previous plugin wrote it.
std::string complete_result(std::string result, const std::string& cni_version) {
    if (find_raw_member(result, "cniVersion")) {
        return result;
    }
    const bool has_members = result.find('"') != std::string::npos;
    return result.insert(1, "\"cniVersion\":\"" + cni_version + "\"" + (has_members ? "," : ""));
}

cni::AttachmentKey key_of(const Call& call) {
    const cni::Interface& interface = call.request.interface;
    return {interface.container_id, interface.ifname, call.config.network.name};
}

PluginAnswer pass_result_on(const Call& call) {
    return {0, complete_result(*call.config.previous_result, call.config.cni_version) + "\n", ""};
}

PluginAnswer add(const Call& call) {
    const std::string& version = call.config.cni_version;
    if (is_excluded(call)) {
        return pass_result_on(call);
    }
    const auto withdrawn = withdraw_deletion_note(call.config.settings.state_dir, key_of(call));
    if (!withdrawn) {
        return fail({cni::ErrorCode::io_failure, "withdraw the note of an earlier DEL",
                     withdrawn.error().message()},
                    version);
    }
    if (const auto failure = call.interceptor.create_pod(call.request)) {
        return fail(*failure, version);
    }
    return pass_result_on(call);
}

PluginAnswer del(const Call& call) {
    if (is_excluded(call)) {
        return succeed_silently();
    }
    const auto failure = call.interceptor.delete_pod(call.request);
    if (!failure) {
        return succeed_silently();
    }
    const auto noted =
        write_deletion_note(call.config.settings.state_dir, {key_of(call), call.request.netns});
    if (!noted) {
        // Neither the interceptor nor a note has the deletion: fail, so that the runtime repeats
        // it.
        return fail(
            {cni::ErrorCode::io_failure, "leave a deletion note: " + noted.error().message(),
             "needed because: " + failure->message},
            call.config.cni_version);
    }
    PluginAnswer result;
    result.diagnostics = "fsm-cni: DEL " + key_of(call).to_string() + ": left a deletion note in " +
                         call.config.settings.state_dir + "/deleted: " + failure->message +
                         (failure->details.empty() ? "" : "; " + failure->details) + "\n";
    return result;
}

PluginAnswer check(const Call& call) {
    if (is_excluded(call)) {
        return succeed_silently();
    }
    return answer(call, call.interceptor.check_pod(call.request));
}

PluginAnswer collect_garbage(const Call& call) {
    if (!call.config.network.valid_attachments) {
        return succeed_silently();
    }
    return answer(call, call.interceptor.collect_garbage(call.request));
}

PluginAnswer run_verb(const Call& call) {
    switch (call.verb) {
        case Verb::add:
            return add(call);
        case Verb::del:
            return del(call);
        case Verb::check:
            return check(call);
        case Verb::gc:
            return collect_garbage(call);
        case Verb::status:
            return answer(call, call.interceptor.status());
        case Verb::version:
            break;  // needs no configuration: see report_versions()
    }
    return {1, "", "fsm-cni: a verb without an implementation\n"};
}

// VERSION has only {"cniVersion": ...} on stdin, and some runtimes send nothing.
PluginAnswer report_versions(const std::string& stdin_data) {
    const bool is_blank = stdin_data.find_first_not_of(" \t\r\n") == std::string::npos;
    std::string version(kNewestCniVersion);
    if (!is_blank) {
        auto requested = parse_requested_version(stdin_data);
        if (!requested) {
            return fail(requested.error(), version);
        }
        version = *requested;
    }
    return {0, print({{"cniVersion", version}, {"supportedVersions", kSupportedCniVersions}}), ""};
}

}  // namespace

PluginAnswer run_plugin(const VariableLookup& lookup, const StdinReader& read_stdin,
                        Deadline start) {
    auto environment = read_environment(lookup);
    if (!environment) {
        return fail(environment.error(), kNewestCniVersion);
    }
    auto stdin_data = read_stdin();
    if (!stdin_data) {
        return fail({cni::ErrorCode::io_failure, "read the network configuration",
                     stdin_data.error().message()},
                    kNewestCniVersion);
    }
    if (environment->verb == Verb::version) {
        return report_versions(*stdin_data);
    }
    auto config = parse_network_config(*stdin_data, environment->verb);
    if (!config) {
        return fail(config.error(), answer_version(*stdin_data));
    }
    const InterceptorClient interceptor(config->settings.socket, start + config->settings.timeout);
    environment->request.stdin_data = std::move(*stdin_data);
    return run_verb({environment->verb, environment->request, *config, interceptor});
}

std::string usage_text() {
    return std::string("fsm-cni ") + kVersion +
           ": CNI plugin that puts pods under the interception of fsm-interceptor.\n"
           "Container runtimes start it (CNI_COMMAND is ADD, DEL, CHECK, GC, STATUS or VERSION) "
           "with a network\nconfiguration on stdin; it is of no use on the command line. It speaks "
           "CNI " +
           std::string(kOldestCniVersion) + " to " + std::string(kNewestCniVersion) + ".\n";
}

}  // namespace fsm::plugin
