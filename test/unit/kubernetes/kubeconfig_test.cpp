#include "interceptor/kubernetes/kubeconfig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "temporary_directory.h"

namespace fsm::testing {

namespace {

using ::testing::HasSubstr;

std::string config(const std::string& cluster, const std::string& user) {
    return "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
           "contexts:\n"
           "- {name: there, context: {cluster: other, user: nobody}}\n"
           "- {name: here, context: {cluster: mine, user: me}}\n"
           "clusters:\n- name: mine\n  cluster: {" +
           cluster + "}\nusers:\n- name: me\n  user: {" + user + "}\n";
}

class KubeconfigTest : public ::testing::Test {
  protected:
    Result<ClusterAccess> read(const std::string& text) {
        return read_kubeconfig(directory_.write("config", text));
    }
    std::string failure(const std::string& text) {
        const auto access = read(text);
        return access ? "no failure" : access.error().message();
    }

    TemporaryDirectory directory_;
};

TEST_F(KubeconfigTest, TakesTheCurrentContext) {
    const auto access = read(
        config("server: 'https://10.0.0.1:6443', certificate-authority: ca.pem", "token: secret"));
    ASSERT_TRUE(access) << access.error().message();
    EXPECT_EQ(access->url(), "https://10.0.0.1:6443");
    EXPECT_EQ(access->authority.file, directory_.path() + "/ca.pem");
    EXPECT_EQ(*access->token.read(), "secret");
    EXPECT_FALSE(access->skip_verification);
}

TEST_F(KubeconfigTest, ReadsServers) {
    const std::pair<const char*, const char*> servers[] = {
        {"https://host", "https://host:443"},
        {"https://host/", "https://host:443"},
        {"https://[fd00::1]:6443", "https://[fd00::1]:6443"},
        {"https://[fd00::1]", "https://[fd00::1]:443"},
        {"https://host:8443/k8s/clusters/c1/", "https://host:8443/k8s/clusters/c1"},
    };
    for (const auto& [given, expected] : servers) {
        const auto access = read(config(std::string("server: '") + given + "'", ""));
        ASSERT_TRUE(access) << given << ": " << access.error().message();
        EXPECT_EQ(access->url(), expected);
    }
    EXPECT_EQ(read(config("server: 'https://[fd00::1]:1'", ""))->host, "fd00::1");
}

TEST_F(KubeconfigTest, RefusesOtherServers) {
    for (const char* server :
         {"http://host", "host:6443", "https://", "https://host:0", "https://host:65536",
          "https://host:x", "https://[fd00::1", "https://me:pw@host", "https://[fd00::1]6443"}) {
        EXPECT_THAT(failure(config(std::string("server: '") + server + "'", "")),
                    HasSubstr("config:9: key clusters[0].cluster.server"))
            << server;
    }
}

TEST_F(KubeconfigTest, DecodesDataAndKeepsThemInMemory) {
    const auto access =
        read(config("server: 'https://h', certificate-authority-data: Y2E=, tls-server-name: api",
                    "client-certificate-data: Y2VydA==, client-key-data: a2V5"));
    ASSERT_TRUE(access) << access.error().message();
    EXPECT_EQ(*access->authority.read(), "ca");
    EXPECT_EQ(*access->client_certificate.read(), "cert");
    EXPECT_EQ(*access->client_key.read(), "key");
    EXPECT_EQ(access->tls_server_name, "api");
    EXPECT_TRUE(access->authority.file.empty());
}

TEST_F(KubeconfigTest, TheTokenFileWins) {
    const auto access = read(config("server: 'https://h'", "token: old, tokenFile: /run/token"));
    ASSERT_TRUE(access);
    EXPECT_EQ(access->token.file, "/run/token");
}

TEST_F(KubeconfigTest, NamesWhatIsNotSupported) {
    for (const char* user :
         {"exec: {command: aws}", "auth-provider: {name: gcp}", "username: u", "as: another"}) {
        const std::string key(user, std::string_view(user).find(':'));
        EXPECT_THAT(failure(config("server: 'https://h'", user)),
                    HasSubstr("users[0].user." + key + ": is not supported"));
    }
    EXPECT_THAT(failure(config("server: 'https://h', proxy-url: 'http://p'", "")),
                HasSubstr("clusters[0].cluster.proxy-url: is not supported"));
}

TEST_F(KubeconfigTest, SaysWhatIsMissing) {
    EXPECT_THAT(failure("contexts: []"), HasSubstr("current-context: is missing"));
    EXPECT_THAT(failure("current-context: x"), HasSubstr("no entry with the name \"x\""));
    EXPECT_THAT(failure("current-context: x\ncontexts: [{name: x, context: {cluster: c}}]"),
                HasSubstr("key clusters: has no entry with the name \"c\""));
    EXPECT_THAT(failure(config("server: 'https://h'", "client-key: k.pem")),
                HasSubstr("belong together"));
    EXPECT_THAT(failure(config("server: 'https://h', certificate-authority-data: '%'", "")),
                HasSubstr("certificate-authority-data"));
    EXPECT_THAT(failure(config("server: 'https://h', certificate-authority: a, "
                               "insecure-skip-tls-verify: true",
                               "")),
                HasSubstr("contradicts"));
    EXPECT_THAT(failure("a: b\n---\nc: d\n"), HasSubstr("one YAML document"));
    EXPECT_THAT(failure("- a list"), HasSubstr("config:1: must be a mapping"));
    EXPECT_FALSE(read_kubeconfig(directory_.path() + "/absent"));
}

class InClusterTest : public ::testing::Test {
  protected:
    void TearDown() override {
        unsetenv("KUBERNETES_SERVICE_HOST");
        unsetenv("KUBERNETES_SERVICE_PORT");
    }
    static void set(const char* host, const char* port) {
        setenv("KUBERNETES_SERVICE_HOST", host, 1);
        setenv("KUBERNETES_SERVICE_PORT", port, 1);
    }
};

TEST_F(InClusterTest, TakesTheServiceAccount) {
    set("10.96.0.1", "443");
    const auto access = in_cluster_access("/sa");
    ASSERT_TRUE(access) << access.error().message();
    EXPECT_EQ(access->url(), "https://10.96.0.1:443");
    EXPECT_EQ(access->token.file, "/sa/token");
    EXPECT_EQ(access->authority.file, "/sa/ca.crt");
}

TEST_F(InClusterTest, PutsIpv6IntoBrackets) {
    for (const char* host : {"fd00:200::1", "[fd00:200::1]"}) {
        set(host, "6443");
        const auto access = in_cluster_access();
        ASSERT_TRUE(access);
        EXPECT_EQ(access->host, "fd00:200::1");
        EXPECT_EQ(access->url(), "https://[fd00:200::1]:6443");
    }
}

TEST_F(InClusterTest, OutsideOfAClusterSaysSo) {
    const auto access = in_cluster_access();
    ASSERT_FALSE(access);
    EXPECT_THAT(access.error().message(), HasSubstr("podSource.kubernetes.kubeconfig"));
    set("10.96.0.1", "tcp://10.0.0.1");
    EXPECT_THAT(in_cluster_access().error().message(), HasSubstr("KUBERNETES_SERVICE_PORT"));
}

}  // namespace

}  // namespace fsm::testing
