#include "cni-plugin/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace fsm::plugin {
namespace {

using testing::HasSubstr;
using Variables = std::map<std::string, std::string, std::less<>>;

VariableLookup lookup_in(const Variables& variables) {
    return [&variables](const char* name) -> const char* {
        const auto found = variables.find(name);
        return found == variables.end() ? nullptr : found->second.c_str();
    };
}

Variables complete(const std::string& command) {
    return {{"CNI_COMMAND", command}, {"CNI_CONTAINERID", "c0ffee"}, {"CNI_NETNS", "/run/x"},
            {"CNI_IFNAME", "eth0"},   {"CNI_ARGS", "A=b;C=d=e"},     {"CNI_PATH", "/opt/cni/bin"}};
}

void expect_error(const Variables& variables, const std::string& text) {
    auto environment = read_environment(lookup_in(variables));
    ASSERT_FALSE(environment) << text;
    EXPECT_EQ(environment.error().code, cni::ErrorCode::invalid_environment);
    EXPECT_THAT(environment.error().message, HasSubstr(text));
}

TEST(Environment, is_read_for_every_verb) {
    const std::map<std::string, Verb> verbs = {
        {"ADD", Verb::add}, {"DEL", Verb::del},       {"CHECK", Verb::check},
        {"GC", Verb::gc},   {"STATUS", Verb::status}, {"VERSION", Verb::version}};
    for (const auto& [name, verb] : verbs) {
        auto environment = read_environment(lookup_in(complete(name)));
        ASSERT_TRUE(environment) << name;
        EXPECT_EQ(environment->verb, verb);
        EXPECT_EQ(to_string(verb), name);
    }
}

TEST(Environment, has_the_values_of_the_variables) {
    const auto environment = read_environment(lookup_in(complete("ADD")));
    ASSERT_TRUE(environment);
    EXPECT_EQ(environment->request.interface.container_id, "c0ffee");
    EXPECT_EQ(environment->request.interface.ifname, "eth0");
    EXPECT_EQ(environment->request.netns, "/run/x");
    EXPECT_EQ(environment->request.args, "A=b;C=d=e");
}

TEST(Environment, needs_a_known_verb) {
    expect_error({}, "CNI_COMMAND is missing");
    expect_error({{"CNI_COMMAND", ""}}, "CNI_COMMAND is missing");
    expect_error({{"CNI_COMMAND", "add"}}, "CNI_COMMAND: unknown verb \"add\"");
    expect_error({{"CNI_COMMAND", "UPDATE"}}, "CNI_COMMAND: unknown verb \"UPDATE\"");
}

TEST(Environment, names_each_variable_that_is_missing) {
    for (const char* name : {"CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"}) {
        for (const char* command : {"ADD", "CHECK"}) {
            Variables variables = complete(command);
            variables.erase(name);
            expect_error(variables, name);
            variables[name] = "";
            expect_error(variables, name);
        }
    }
    expect_error({{"CNI_COMMAND", "ADD"}}, "CNI_CONTAINERID, CNI_IFNAME, CNI_NETNS");
}

TEST(Environment, of_del_may_lack_the_netns) {
    Variables variables = complete("DEL");
    variables.erase("CNI_NETNS");
    EXPECT_TRUE(read_environment(lookup_in(variables)));
    variables.erase("CNI_IFNAME");
    expect_error(variables, "CNI_IFNAME");
}

TEST(Environment, may_lack_arguments_and_path) {
    Variables variables = complete("ADD");
    variables.erase("CNI_ARGS");
    variables.erase("CNI_PATH");
    EXPECT_TRUE(read_environment(lookup_in(variables)));
}

TEST(Environment, of_the_other_verbs_needs_nothing_and_ignores_dummies) {
    for (const char* command : {"GC", "STATUS", "VERSION"}) {
        EXPECT_TRUE(read_environment(lookup_in({{"CNI_COMMAND", command}}))) << command;
        Variables variables = complete(command);
        variables["CNI_CONTAINERID"] = "/dummy/";
        variables["CNI_IFNAME"] = "a dummy name that is too long";
        EXPECT_TRUE(read_environment(lookup_in(variables))) << command;
    }
}

TEST(Environment, must_be_utf8) {
    for (const char* name : {"CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS"}) {
        Variables variables = complete("ADD");
        variables[name] = "a\xff";
        expect_error(variables, std::string(name) + " is not valid UTF-8");
    }
}

TEST(Environment, reports_arguments_without_a_value) {
    Variables variables = complete("ADD");
    variables["CNI_ARGS"] = "A=b;broken;C=d";
    expect_error(variables, "CNI_ARGS: \"broken\"");
    variables["CNI_COMMAND"] = "CHECK";
    expect_error(variables, "CNI_ARGS: \"broken\"");
    variables["CNI_ARGS"] = ";A=b;;";
    EXPECT_TRUE(read_environment(lookup_in(variables)));
}

TEST(Environment, of_del_takes_any_arguments) {
    Variables variables = complete("DEL");
    variables["CNI_ARGS"] = "broken";
    EXPECT_TRUE(read_environment(lookup_in(variables)));
}

}  // namespace
}  // namespace fsm::plugin
