// Profile files: the built-in ones, those of users, and the messages about invalid ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "interceptor/pod/annotation_kinds.h"
#include "test/unit/pod/pods.h"

namespace fsm::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string content_of(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

const char* const kLeast = R"(mesh: mine
sidecar: {containers: [proxy], uid: 99}
ports: {outbound: 1001, inbound: 1002}
)";

TEST(MeshProfile, EveryBuiltInProfileLoadsAndIsItsFile) {
    ASSERT_EQ(MeshProfile::builtin_names(),
              (std::vector<std::string>{"fsm", "istio", "linkerd", "kuma", "custom"}));
    for (const std::string& name : MeshProfile::builtin_names()) {
        SCOPED_TRACE(name);
        const std::string path = std::string(FSM_PROFILES_DIRECTORY) + "/" + name + ".yaml";
        EXPECT_EQ(profile_of(name).name, name);
        const auto loaded = MeshProfile::load(path);
        ASSERT_TRUE(loaded) << loaded.error().message();
        EXPECT_EQ(loaded->annotations.size(), profile_of(name).annotations.size());
    }
}

TEST(MeshProfile, EveryFileInTheDirectoryIsBuiltIn) {
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(FSM_PROFILES_DIRECTORY)) {
        EXPECT_TRUE(MeshProfile::builtin(entry.path().stem().string())) << entry.path();
        ++files;
    }
    EXPECT_EQ(files, MeshProfile::builtin_names().size());
}

// The words at the left of the lines below "# Kinds:".
std::set<std::string> kinds_of_template() {
    std::ifstream file(std::string(FSM_PROFILES_DIRECTORY) + "/custom.yaml");
    std::set<std::string> kinds;
    std::string line;
    while (std::getline(file, line) && line != "# Kinds:") {
    }
    while (std::getline(file, line) && line.starts_with("# ")) {
        std::istringstream words(line.substr(1, line.find("  ", 4) - 1));
        for (std::string word; line[4] != ' ' && std::getline(words, word, ',');) {
            kinds.insert(word.substr(word.find_first_not_of(' ')));
        }
    }
    return kinds;
}

TEST(MeshProfile, TheTemplateDescribesEveryKindAndNoOther) {
    std::set<std::string> known;
    for (const AnnotationKindRow& row : annotation_kinds()) {
        known.insert(row.text);
    }
    EXPECT_EQ(kinds_of_template(), known);
}

TEST(MeshProfile, EveryKindHasARowOfItsOwn) {
    constexpr auto kLast = AnnotationKind::inbound_mechanism;
    EXPECT_EQ(annotation_kinds().size(), static_cast<std::size_t>(kLast) + 1);
    for (const AnnotationKindRow& row : annotation_kinds()) {
        EXPECT_EQ(&row_of(row.kind), &row) << row.text;
    }
}

TEST(MeshProfile, TheTemplateDescribesEveryKey) {
    const std::string text = content_of(std::string(FSM_PROFILES_DIRECTORY) + "/custom.yaml");
    for (const char* word : {"gid:",
                             "outbound_ipv6:",
                             "inbound_ipv6:",
                             "self_call_exempt_port:",
                             "sidecarless_labels:",
                             "unsupported",
                             "wildcard",
                             "port_ranges",
                             "value_when_absent",
                             "inherited",
                             "also_label",
                             "reason",
                             "any_list",
                             "every_list",
                             "when_listening",
                             "first_address",
                             "ipv6_any_address",
                             "marks",
                             "own_containers",
                             "`harmless`",
                             "`say`",
                             "`refuse`",
                             "identity_from_container",
                             "reads_safely",
                             "exempting_arguments"}) {
        EXPECT_THAT(text, HasSubstr(word));
    }
}

TEST(MeshProfile, TheDefaultsAreThoseOfTheTemplate) {
    const auto least = MeshProfile::parse(kLeast, "least");
    ASSERT_TRUE(least) << least.error().message();
    const MeshProfile custom = profile_of("custom");
    EXPECT_EQ(least->sidecar_uid, 99U);
    EXPECT_EQ(least->ports.outbound6, 1001);
    EXPECT_EQ(least->ports.inbound6, 1002);
    EXPECT_EQ(least->sidecar_gid, custom.sidecar_gid);
    EXPECT_EQ(least->identity_from_container, custom.identity_from_container);
    EXPECT_EQ(least->sidecar_reads_safely, custom.sidecar_reads_safely);
    EXPECT_EQ(least->required_labels, custom.required_labels);
    EXPECT_EQ(least->exempting_environment, custom.exempting_environment);
    EXPECT_EQ(least->never_inbound_ports, custom.never_inbound_ports);
    EXPECT_EQ(least->own_source_reaches_pod_address, custom.own_source_reaches_pod_address);
    EXPECT_EQ(least->self_call_exempt_port, custom.self_call_exempt_port);
    EXPECT_EQ(least->ipv6, custom.ipv6);
    EXPECT_EQ(least->ipv6_rule, custom.ipv6_rule);
    EXPECT_EQ(least->ipv6_any_address, custom.ipv6_any_address);
    EXPECT_TRUE(least->marks.empty() && custom.marks.empty());
    EXPECT_EQ(least->own_containers, custom.own_containers);
    EXPECT_EQ(least->outbound_inclusion, custom.outbound_inclusion);
    EXPECT_EQ(least->empty_inclusion_means_none, custom.empty_inclusion_means_none);
}

struct WrongProfile {
    const char* description;
    std::string text;
    const char* place;  // "file:line" or "file"
    const char* key;    // the key in the message
    const char* what;
};

std::string least_and(const char* more) {
    return std::string(kLeast) + more;
}

const WrongProfile kWrongProfiles[] = {
    {"empty", "", "p.yaml", "", "one YAML document"},
    {"two documents", "a: b\n---\nc: d\n", "p.yaml", "", "one YAML document"},
    {"a list", "- a\n", "p.yaml:1", "", "must be a mapping"},
    {"a word", "istio\n", "p.yaml:1", "", "must be a mapping"},
    {"not YAML", "mesh: [\n", "p.yaml:2", "", "not valid YAML"},
    {"no mesh", "sidecar: {containers: [a], uid: 1}\nports: {outbound: 1, inbound: 2}\n",
     "p.yaml:1", "mesh", "is missing"},
    {"no sidecar", "mesh: a\nports: {outbound: 1, inbound: 2}\n", "p.yaml:1", "sidecar",
     "is missing"},
    {"no ports", "mesh: a\nsidecar: {containers: [a], uid: 1}\n", "p.yaml:1", "ports",
     "is missing"},
    {"no uid", "mesh: a\nsidecar:\n  containers: [a]\nports: {outbound: 1, inbound: 2}\n",
     "p.yaml:3", "sidecar.uid", "is missing"},
    {"no container", "mesh: a\nsidecar:\n  uid: 1\nports: {outbound: 1, inbound: 2}\n", "p.yaml:3",
     "sidecar.containers", "at least one"},
    {"an unknown key", least_and("colour: red\n"), "p.yaml:4", "colour", "is not known"},
    {"an unknown key below", least_and("traffic:\n  speed: 9\n"), "p.yaml:5", "traffic.speed",
     "is not known"},
    {"a key twice", least_and("mesh: again\n"), "p.yaml:4", "mesh", "given twice"},
    {"a merge key", least_and("pods: &a {}\ntraffic: {<<: *a}\n"), "p.yaml:5", "traffic",
     "merge keys"},
    {"uid is a word", "mesh: a\nsidecar:\n  containers: [a]\n  uid: root\n", "p.yaml:4",
     "sidecar.uid", "\"root\" is not a number"},
    {"uid is negative", "mesh: a\nsidecar:\n  containers: [a]\n  uid: -1\n", "p.yaml:4",
     "sidecar.uid", "\"-1\" is not a number"},
    {"uid is the kernel's no-change", "mesh: a\nsidecar:\n  containers: [a]\n  uid: 4294967295\n",
     "p.yaml:4", "sidecar.uid", "to 4294967294"},
    {"containers is a word", "mesh: a\nsidecar:\n  containers: a\n", "p.yaml:3",
     "sidecar.containers", "must be a list"},
    {"a container is a mapping", "mesh: a\nsidecar:\n  containers: [{a: b}]\n", "p.yaml:3",
     "sidecar.containers[0]", "must be a single value"},
    {"a port of zero",
     "mesh: a\nsidecar: {containers: [a], uid: 1}\nports:\n  outbound: 0\n  inbound: 2\n",
     "p.yaml:4", "ports.outbound", "1 to 65535"},
    {"a port too large",
     "mesh: a\nsidecar: {containers: [a], uid: 1}\nports:\n  outbound: 1\n  inbound: 65536\n",
     "p.yaml:5", "ports.inbound", "1 to 65535"},
    {"one port for both",
     "mesh: a\nsidecar: {containers: [a], uid: 1}\nports:\n  outbound: 1\n  inbound: 1\n",
     "p.yaml:5", "ports.inbound", "must differ"},
    {"a list of ports with a word", least_and("traffic:\n  never_inbound_ports: [80, http]\n"),
     "p.yaml:5", "traffic.never_inbound_ports[1]", "\"http\""},
    {"a boolean that is none",
     "mesh: a\nsidecar:\n  containers: [a]\n  uid: 1\n"
     "  reads_safely: perhaps\n",
     "p.yaml:5", "sidecar.reads_safely", "neither true nor false"},
    {"an unknown mode", least_and("traffic:\n  ipv6: sometimes\n"), "p.yaml:5", "traffic.ipv6",
     "never, when_listening, always, first_address"},
    {"a variable for a mode that asks for none",
     least_and("traffic:\n  ipv6: always\n  ipv6_any_address: {A: ['true']}\n"), "p.yaml:6",
     "traffic.ipv6_any_address", "has no meaning unless"},
    {"something unsupported of nothing", least_and("unsupported:\n  - {effect: say, text: a}\n"),
     "p.yaml:5", "unsupported[0]", "either an `environment` variable or an `annotation`"},
    {"something unsupported without an effect",
     least_and("unsupported:\n  - {annotation: a, text: b}\n"), "p.yaml:5", "unsupported[0].effect",
     "is missing"},
    {"something unsupported without a text",
     least_and("unsupported:\n  - {annotation: a, effect: say}\n"), "p.yaml:5",
     "unsupported[0].text", "is missing"},
    {"an inherited variable",
     least_and("unsupported:\n  - {environment: a, effect: say, text: b, inherited: true}\n"),
     "p.yaml:5", "unsupported[0].inherited", "is not known"},
    {"an unknown inclusion rule", least_and("traffic:\n  outbound_inclusion: some\n"), "p.yaml:5",
     "traffic.outbound_inclusion", "every_list, any_list"},
    {"an address of the other family", least_and("traffic:\n  own_source: {ipv4: '::6'}\n"),
     "p.yaml:5", "traffic.own_source.ipv4", "not an IPv4 address"},
    {"an annotation without a name", least_and("annotations:\n  - kind: injection\n"), "p.yaml:5",
     "annotations[0].name", "is missing"},
    {"an annotation without a kind", least_and("annotations:\n  - name: a\n"), "p.yaml:5",
     "annotations[0].kind", "is missing"},
    {"an unknown kind", least_and("annotations:\n  - {name: a, kind: magic}\n"), "p.yaml:5",
     "annotations[0].kind", "\"magic\" is not one of injection"},
    {"a switch without values", least_and("annotations:\n  - {name: a, kind: injection}\n"),
     "p.yaml:5", "annotations[0]", "needs `enabled` and `disabled`"},
    {"a key that the kind does not have",
     least_and("annotations:\n  - {name: a, kind: acceleration, wildcard: '*'}\n"), "p.yaml:5",
     "annotations[0].wildcard", "is not known"},
    {"an annotation twice",
     least_and("annotations:\n  - {name: a, kind: acceleration}\n"
               "  - {name: a, kind: acceleration}\n"),
     "p.yaml:6", "annotations[1]", "described twice"},
    {"an annotation that is a word", least_and("annotations:\n  - a\n"), "p.yaml:5",
     "annotations[0]", "must be a mapping"},
    {"too large", least_and("#") + std::string(300'000, 'x'), "p.yaml", "", "is not read"},
    {"an alias bomb",
     least_and("pods:\n  required_labels: &a ['") + std::string(20'000, 'x') +
         "']\n  required_annotations: *a\n  exempting_labels: *a\n  exempting_annotations: *a\n"
         "  exempting_containers: *a\n  exempting_arguments: *a\n"
         "  exempting_environment: {a: *a, b: *a, c: *a, d: *a, e: *a}\n",
     "p.yaml:5", "pods.", "aliases"},
};

TEST(MeshProfile, WhatIsWrongIsNamedWithFileLineAndKey) {
    for (const WrongProfile& each : kWrongProfiles) {
        SCOPED_TRACE(each.description);
        const auto profile = MeshProfile::parse(each.text, "p.yaml");
        ASSERT_FALSE(profile);
        EXPECT_THAT(profile.error().message(), StartsWith(std::string(each.place) + ":"));
        EXPECT_THAT(profile.error().message(), HasSubstr(each.what));
        if (*each.key != '\0') {
            EXPECT_THAT(profile.error().message(), HasSubstr("key " + std::string(each.key)));
        }
    }
}

class ProfilesDirectory : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = ::testing::TempDir() + "fsm-profiles-XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        path_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(path_); }
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(path_ + "/" + name) << text;
    }

    std::string path_;
};

TEST_F(ProfilesDirectory, OverridesAndAdds) {
    write("fsm.yaml", kLeast);
    write("mine.yaml", kLeast);
    for (const char* name : {"fsm", "mine"}) {
        const auto profile = MeshProfile::find(name, path_);
        ASSERT_TRUE(profile) << profile.error().message();
        EXPECT_EQ(profile->sidecar_uid, 99U);
    }
    const auto builtin = MeshProfile::find("istio", path_);
    ASSERT_TRUE(builtin) << builtin.error().message();
    EXPECT_EQ(builtin->sidecar_uid, 1337U);
    EXPECT_EQ(MeshProfile::find("fsm", "")->sidecar_uid, 1500U);
}

TEST_F(ProfilesDirectory, AWrongFileDoesNotFallBack) {
    write("fsm.yaml", "mesh: fsm\n");
    const auto profile = MeshProfile::find("fsm", path_);
    ASSERT_FALSE(profile);
    EXPECT_THAT(profile.error().message(), HasSubstr(path_ + "/fsm.yaml:1"));
}

TEST_F(ProfilesDirectory, AnUnknownNameIsToldWithTheKnownOnes) {
    const auto profile = MeshProfile::find("nomesh", path_);
    ASSERT_FALSE(profile);
    EXPECT_THAT(profile.error().message(), HasSubstr(path_ + "/nomesh.yaml"));
    EXPECT_THAT(profile.error().message(), HasSubstr("fsm, istio, linkerd, kuma, custom"));
    EXPECT_FALSE(MeshProfile::find("nomesh", ""));
}

TEST_F(ProfilesDirectory, APathIsNotAName) {
    for (const char* name : {"", "../fsm", "/etc/passwd", ".hidden", "a/b"}) {
        const auto profile = MeshProfile::find(name, path_);
        ASSERT_FALSE(profile) << name;
        EXPECT_THAT(profile.error().message(), HasSubstr("not a path"));
    }
}

TEST_F(ProfilesDirectory, AFileThatCannotBeReadIsNamed) {
    const auto profile = MeshProfile::load(path_ + "/none.yaml");
    ASSERT_FALSE(profile);
    EXPECT_THAT(profile.error().message(), HasSubstr(path_ + "/none.yaml"));
    EXPECT_THAT(profile.error().message(), HasSubstr("No such file"));
}

}  // namespace
}  // namespace fsm::test
