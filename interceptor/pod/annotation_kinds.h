// The table of annotation kinds: the name of each kind in profiles, the form of its value, and its
// effect on the policy. Internal to this folder. A new kind needs a row here, an effect of the
// PolicyBuilder, and a line in profiles/custom.yaml.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "interceptor/pod/annotation_values.h"
#include "interceptor/pod/mesh_profile.h"
#include "interceptor/pod/switch.h"

namespace fsm {

class PolicyBuilder;

// Each profile defines the values of its switches.
struct SwitchForm {
    Switch acts;                      // the setting that has an effect
    void (PolicyBuilder::*effect)();  // null: decided before there is a policy
};
struct PortsForm {
    void (PolicyBuilder::*effect)(const PortList&, Problems&);
};
struct RangesForm {
    void (PolicyBuilder::*effect)(const RangeList&, Problems&);
};
struct InterfacesForm {
    void (PolicyBuilder::*effect)(std::vector<std::string>);
};
struct NumberForm {
    std::uint32_t low;
    std::uint32_t high;
    void (PolicyBuilder::*effect)(std::uint32_t);  // null: only checked
};
// The effect returns false for a word that is not accepted.
struct WordForm {
    const char* accepted;
    bool (PolicyBuilder::*effect)(std::string_view);
};

struct AnnotationKindRow {
    AnnotationKind kind;
    const char* text;  // `kind` in profiles
    std::variant<SwitchForm, PortsForm, RangesForm, InterfacesForm, NumberForm, WordForm> form;
};

const std::vector<AnnotationKindRow>& annotation_kinds();
const AnnotationKindRow& row_of(AnnotationKind kind);

}  // namespace fsm
