// The plugin and the interceptor accept the same values: one table of values at the limits, checked
// by both.
#include <functional>
#include <string>
#include <vector>

#include "cni-plugin/environment.h"
#include "cni-plugin/network_config.h"
#include "test/unit/sync/enroller_fixture.h"

namespace fsm::testing {
namespace {

struct Row {
    std::string name;
    int of_add;  // the code; 0: accepted
    int of_del;
    std::function<void(cni::Request&)> change;
};

int code_of(const cni::Error& error) {
    return static_cast<int>(error.code);
}

// The plugin's decision before it calls the interceptor.
int plugin_verdict(const std::string& command, const cni::Request& request) {
    const auto lookup = [&](const char* variable) -> const char* {
        const std::string name = variable;
        if (name == "CNI_COMMAND") {
            return command.c_str();
        }
        if (name == "CNI_CONTAINERID") {
            return request.interface.container_id.c_str();
        }
        if (name == "CNI_IFNAME") {
            return request.interface.ifname.c_str();
        }
        if (name == "CNI_NETNS") {
            return request.netns.c_str();
        }
        return name == "CNI_ARGS" ? request.args.c_str() : nullptr;
    };
    const auto environment = plugin::read_environment(lookup);
    if (!environment) {
        return code_of(environment.error());
    }
    const auto config = plugin::parse_network_config(request.stdin_data, environment->verb);
    return config ? 0 : code_of(config.error());
}

std::string config(const std::string& members) {
    return R"({"cniVersion":"1.0.0","type":"fsm-cni",)" + members + "}";
}

class Contract : public EnrollerTest {
  protected:
    cni::Request good() const {
        return {{"c1", "eth0"},
                netns.path(),
                "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web",
                config(R"("name":"net","prevResult":{})")};
    }

    static int verdict(const CniOutcome& outcome) { return outcome ? 0 : code_of(outcome.error()); }

    // Sends the request over the wire, as far as the wire can represent it.
    static cni::Request sent(const cni::Request& request) {
        const auto received = cni::parse_body(cni::to_body(request));
        EXPECT_TRUE(received);
        return received ? *received : cni::Request();
    }

    void expect_verdicts(const Row& row) {
        cni::Request request = good();
        row.change(request);
        EXPECT_EQ(plugin_verdict("ADD", request), row.of_add) << "plugin: ADD: " << row.name;
        EXPECT_EQ(plugin_verdict("CHECK", request), row.of_add) << "plugin: CHECK: " << row.name;
        EXPECT_EQ(verdict(enroller->create(sent(request))), row.of_add) << "ADD: " << row.name;
        EXPECT_EQ(verdict(enroller->check(sent(request))), row.of_add) << "CHECK: " << row.name;
        EXPECT_EQ(plugin_verdict("DEL", request), row.of_del) << "plugin: DEL: " << row.name;
        EXPECT_EQ(verdict(enroller->remove(sent(request))), row.of_del) << "DEL: " << row.name;
    }

    TestNetns netns;
};

std::function<void(cni::Request&)> container(const std::string& id) {
    return [id](cni::Request& request) { request.interface.container_id = id; };
}

std::function<void(cni::Request&)> interface(const std::string& name) {
    return [name](cni::Request& request) { request.interface.ifname = name; };
}

std::function<void(cni::Request&)> netns_path(const std::string& path) {
    return [path](cni::Request& request) { request.netns = path; };
}

std::function<void(cni::Request&)> args(const std::string& text) {
    return [text](cni::Request& request) { request.args = text; };
}

std::function<void(cni::Request&)> members(const std::string& text) {
    return [text](cni::Request& request) { request.stdin_data = config(text); };
}

TEST_F(Contract, ContainerIds) {
    source.put(mesh_pod("web"));
    for (const char* id : {"a", "7", "A-b_c.d", "0123456789abcdef", "a--b", "a..b"}) {
        expect_verdicts({id, 0, 0, container(id)});
    }
    for (const char* id : {"", "-a", ".a", "..", "_a", "a/b", "../x", "a b", "a\n", "\xc3\xa4",
                           "a:b", "a;b", "a\x7f"}) {
        expect_verdicts({id, 4, 4, container(id)});
    }
    for (const std::size_t length : {std::size_t{64}, std::size_t{200}, std::size_t{201},
                                     std::size_t{255}, cni::kMaxContainerId}) {
        expect_verdicts({std::to_string(length), 0, 0, container(std::string(length, 'a'))});
    }
    for (const std::size_t length : {cni::kMaxContainerId + 1, std::size_t{100000}}) {
        expect_verdicts({std::to_string(length), 4, 0, container(std::string(length, 'a'))});
    }
}

TEST_F(Contract, InterfaceNames) {
    source.put(mesh_pod("web"));
    for (const char* name : {"a", "eth0", "...", "123456789012345", "a-b.c@d", "\xc3\xa4",
                             "\xe7\xb6\xb2\xe8\xb7\xaf", "a%s", "-", "\xc3\xa0"}) {
        expect_verdicts({name, 0, 0, interface(name)});
    }
    for (const char* name :
         {"", ".", "..", "1234567890123456", "a/b", "a:b", "a b", " ", "a\tb", "a\n", "a\v", "a\f",
          "a\r", "a\x01", "a\x7f", "a\xc2\xa0",
          "\xe2\x80\x83"
          "b",
          "\xe3\x80\x80", "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"}) {
        expect_verdicts({name, 4, 4, interface(name)});
    }
}

TEST_F(Contract, PathsOfNamespaces) {
    source.put(mesh_pod("web"));
    expect_verdicts({"none", 4, 0, netns_path("")});
    expect_verdicts({"relative", 4, 0, netns_path("run/netns/x")});
    expect_verdicts({"longer than a path", 4, 0, netns_path("/" + std::string(5000, 'x'))});
}

TEST_F(Contract, Arguments) {
    source.put(mesh_pod("web"));
    const auto of_length = [](std::size_t length) {
        const std::string pod = "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;A=";
        return args(pod + std::string(length - pod.size(), 'x'));
    };
    for (const char* text : {"", ";", ";;A=b;;", "A=", "=b", "A=b=c", "A=\xc3\xa4"}) {
        expect_verdicts({text, 0, 0, args(text)});
    }
    expect_verdicts({"longest", 0, 0, of_length(cni::kMaxArgs)});
    expect_verdicts({"longer", 4, 0, of_length(cni::kMaxArgs + 1)});
    for (const char* text : {"A", "A=b;B", "A=b; ", "K8S_POD_NAME"}) {
        expect_verdicts({text, 4, 0, args(text)});
    }
}

// The interceptor's DEL accepts any configuration: a note of an earlier plugin has none.
TEST_F(Contract, NetworkConfigurations) {
    source.put(mesh_pod("web"));
    const std::string result = R"(,"prevResult":{})";
    const auto expect = [&](const std::string& text, int code) {
        cni::Request request = good();
        members(text)(request);
        EXPECT_EQ(plugin_verdict("ADD", request), code) << text;
        EXPECT_EQ(plugin_verdict("CHECK", request), code) << text;
        EXPECT_EQ(verdict(enroller->create(sent(request))), code) << text;
        EXPECT_EQ(verdict(enroller->check(sent(request))), code) << text;
        EXPECT_EQ(verdict(enroller->remove(sent(request))), 0) << text;
    };
    for (const std::string& name :
         {std::string("a"), std::string("A-b_c.d"), std::string(100000, 'n')}) {
        expect("\"name\":\"" + name + "\"" + result, 0);
    }
    for (const char* name : {R"("")", "null", "1", R"("-a")", R"("a/b")", R"("a b")", R"("ä")"}) {
        expect("\"name\":" + std::string(name) + result, 7);
    }
    for (const char* good :
         {"{}", R"({"ips":null})", R"({"ips":[]})", R"({"ips":[{"address":"10.77.0.5/24"}]})",
          R"({"ips":[{"address":"10.77.0.5"}]})", R"({"ip4":{"ip":"x"}})"}) {
        expect(R"("name":"net","prevResult":)" + std::string(good), 0);
    }
    for (const char* bad : {"1", "[]", R"({"ips":{}})", R"({"ips":[1]})", R"({"ips":[{}]})",
                            R"({"ips":[{"address":1}]})", R"({"ips":[{"address":"10.0.0"}]})"}) {
        expect(R"("name":"net","prevResult":)" + std::string(bad), 7);
    }
    for (const char* bad :
         {"1", "{}", R"(["a"])", R"([{"containerID":"a"}])", R"([{"containerID":"","ifname":"b"}])",
          R"([{"containerID":"a","ifname":1}])"}) {
        for (const std::string key : {"cni.dev/valid-attachments", "cni.dev/attachments"}) {
            expect("\"name\":\"net\"" + result + ",\"" + key + "\":" + bad, 7);
        }
    }
}

}  // namespace
}  // namespace fsm::testing
