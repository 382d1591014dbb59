#include "interceptor/iptables/iptables_datapath.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "interceptor/iptables/command.h"
#include "test/unit/sync/test_netns.h"

namespace fsm {
namespace {

using testing::TestDirectory;
using testing::TestNetns;

constexpr std::chrono::milliseconds kLong{10000};

class IptablesTest : public ::testing::Test {
  protected:
    IptablesTest() { options_.run_directory = directory_.path(); }

    std::unique_ptr<IptablesDatapath> open() {
        auto datapath = IptablesDatapath::open(options_);
        if (!datapath) {
            ADD_FAILURE() << datapath.error().message();
            std::abort();
        }
        return std::move(*datapath);
    }

    Netns netns() const { return *Netns::open(pod_.path()); }

    PodEnrolment enrolment() const {
        PodEnrolment enrolment;
        enrolment.netns_cookie = pod_.cookie();
        enrolment.addresses = {*IpAddress::parse("10.77.0.5")};
        InterceptionPolicy& policy = enrolment.policy;
        policy.sidecar_uid = 1500;
        policy.outbound_port4 = policy.outbound_port6 = 15001;
        policy.inbound_port4 = policy.inbound_port6 = 15003;
        policy.inbound.excluded_ports = {15010};
        return enrolment;
    }

    std::string tool(const std::vector<std::string>& arguments) const {
        std::string output;
        const auto entered = netns().run([&] {
            auto words = arguments;
            words.front() = find_program(words.front());
            const auto done = run_command(words, "", kLong);
            output = done ? *done : "failed: " + done.error().message();
        });
        EXPECT_TRUE(entered);
        return output;
    }

    RuleSet rules(const char* save = "iptables-save") const {
        return own_rules(tool({save, "-t", "nat"}));
    }

    // The sidecar's, of IPv6.
    static Fd inbound_listener(const Netns& inside) {
        Fd listener;
        expect_done(inside.run([&] {
            listener.reset(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
            sockaddr_in6 address{};
            address.sin6_family = AF_INET6;
            address.sin6_port = htons(15003);
            ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)),
                      0);
            ASSERT_EQ(listen(listener.get(), 1), 0);
        }));
        return listener;
    }

    static void expect_done(const Result<void>& outcome) {
        EXPECT_TRUE(outcome) << outcome.error().message();
    }
    static void expect_done(const Result<EnrolledPod>& outcome) {
        EXPECT_TRUE(outcome) << outcome.error().message();
    }

    const TestDirectory directory_;
    const TestNetns pod_;
    IptablesOptions options_;
};

TEST_F(IptablesTest, EnrolMakesTheRulesAndWithdrawTakesThemAway) {
    const auto datapath = open();
    const auto enrolled = datapath->enrol(netns(), enrolment());
    ASSERT_TRUE(enrolled) << enrolled.error().message();
    EXPECT_EQ(enrolled->inbound, InboundMechanism::iptables);
    EXPECT_EQ(enrolled->addresses, enrolment().addresses);
    EXPECT_EQ(rules().jumps.size(), 2U);
    EXPECT_EQ(rules().rules.size(),
              render_rules(enrolment(), Family::ipv4, {true, true}).rules.size());
    EXPECT_TRUE(rules("ip6tables-save").empty()) << "the sidecar does not listen on IPv6";
    expect_done(datapath->check(netns(), pod_.cookie()));

    const Netns inside = netns();
    expect_done(datapath->withdraw(pod_.cookie(), &inside));
    EXPECT_EQ(rules(), tracking_rules()) << "what keeps open connections going";
    EXPECT_TRUE(rules("ip6tables-save").empty());
    EXPECT_TRUE(datapath->pods()->empty());
    expect_done(datapath->withdraw(pod_.cookie(), &inside));
    EXPECT_FALSE(datapath->check(netns(), pod_.cookie()));
}

TEST_F(IptablesTest, WhatKeepsOpenConnectionsGoingIsReplacedAndUninstalled) {
    const auto datapath = open();
    const Netns inside = netns();
    expect_done(datapath->enrol(netns(), enrolment()));
    expect_done(datapath->withdraw(pod_.cookie(), &inside));
    expect_done(datapath->enrol(netns(), enrolment()));
    EXPECT_EQ(tool({"iptables-save", "-t", "nat"}).find("FSM_TRACKING"), std::string::npos);
    expect_done(datapath->check(netns(), pod_.cookie()));

    expect_done(datapath->withdraw(pod_.cookie(), &inside));
    EXPECT_FALSE(*IptablesDatapath::has_left_rules(options_));
    expect_done(IptablesDatapath::remove_records(options_));
    EXPECT_EQ(rules(), tracking_rules());
    expect_done(IptablesDatapath::uninstall(options_));
    EXPECT_TRUE(rules().empty());
    EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(IptablesTest, NothingIsKeptForOpenConnectionsThatAreCut) {
    const auto datapath = open();
    const Netns inside = netns();
    expect_done(datapath->enrol(netns(), enrolment()));
    ASSERT_TRUE(datapath->pod(pod_.cookie()));
    EXPECT_TRUE(*datapath->pod(pod_.cookie()));
    expect_done(datapath->withdraw_and_cut(pod_.cookie(), inside));
    EXPECT_FALSE(*datapath->pod(pod_.cookie()));
    EXPECT_TRUE(rules().empty());
    EXPECT_FALSE(*IptablesDatapath::has_left_rules(options_));
    EXPECT_FALSE(datapath->check(netns(), pod_.cookie()));

    expect_done(datapath->enrol(netns(), enrolment()));
    expect_done(datapath->withdraw(pod_.cookie(), &inside));
    expect_done(datapath->withdraw_and_cut(pod_.cookie(), inside));
    EXPECT_TRUE(rules().empty());
    EXPECT_TRUE(std::filesystem::is_empty(directory_.path() + "/iptables-tracking"));
}

TEST_F(IptablesTest, WhatKeepsOpenConnectionsGoingIsForgottenWithThePod) {
    const auto datapath = open();
    const std::string records = directory_.path() + "/iptables-tracking";
    {
        const TestNetns pod;
        const Netns inside = *Netns::open(pod.path());
        PodEnrolment of_pod = enrolment();
        of_pod.netns_cookie = pod.cookie();
        expect_done(datapath->enrol(inside, of_pod));
        expect_done(datapath->withdraw(pod.cookie(), &inside));
        expect_done(datapath->sweep());
        EXPECT_FALSE(std::filesystem::is_empty(records));
    }
    expect_done(datapath->sweep());
    EXPECT_TRUE(std::filesystem::is_empty(records));
}

TEST_F(IptablesTest, AChangeReplacesTheRulesAndLeavesNoneTwice) {
    const auto datapath = open();
    expect_done(datapath->enrol(netns(), enrolment()));
    PodEnrolment changed = enrolment();
    changed.policy.outbound.excluded_ports = {8080};
    expect_done(datapath->enrol(netns(), changed));
    EXPECT_EQ(rules().jumps.size(), 2U);
    EXPECT_NE(tool({"iptables-save", "-t", "nat"}).find("--dport 8080 -j RETURN"),
              std::string::npos);
    changed.policy.inbound_port4 = 0;
    expect_done(datapath->enrol(netns(), changed));
    EXPECT_EQ(rules().jumps.size(), 1U);
    EXPECT_EQ(tool({"iptables-save", "-t", "nat"}).find("FSM_IN"), std::string::npos);
}

TEST_F(IptablesTest, OthersRulesStay) {
    tool({"iptables", "-t", "nat", "-A", "OUTPUT", "-p", "udp", "-j", "ACCEPT"});
    const auto datapath = open();
    expect_done(datapath->enrol(netns(), enrolment()));
    const Netns inside = netns();
    expect_done(datapath->withdraw(pod_.cookie(), &inside));
    EXPECT_NE(tool({"iptables-save", "-t", "nat"}).find("-A OUTPUT -p udp -j ACCEPT"),
              std::string::npos);
}

TEST_F(IptablesTest, AFailureLeavesWhatWasThere) {
    const auto datapath = open();
    expect_done(datapath->enrol(netns(), enrolment()));
    const RuleSet before = rules();
    PodEnrolment impossible = enrolment();
    impossible.policy.sidecar_uid = 0xffffffff;  // no uid to the kernel
    impossible.policy.outbound.excluded_ports = {8080};
    const auto refused = datapath->enrol(netns(), impossible);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("restore"), std::string::npos)
        << refused.error().message();
    EXPECT_EQ(rules(), before);
    expect_done(datapath->check(netns(), pod_.cookie()));
    EXPECT_EQ(datapath->pods()->size(), 1U);
}

TEST_F(IptablesTest, AFailureOfTheFirstEnrolmentLeavesNothing) {
    const auto datapath = open();
    PodEnrolment impossible = enrolment();
    impossible.policy.sidecar_uid = 0xffffffff;
    EXPECT_FALSE(datapath->enrol(netns(), impossible));
    EXPECT_TRUE(rules().empty());
    EXPECT_TRUE(datapath->pods()->empty());
    EXPECT_FALSE(*IptablesDatapath::has_left_rules(options_));
}

TEST_F(IptablesTest, CheckNamesWhatIsMissing) {
    const auto datapath = open();
    expect_done(datapath->enrol(netns(), enrolment()));
    tool({"iptables", "-t", "nat", "-D", "FSM_INBOUND", "-p", "tcp", "--dport", "15010", "-j",
          "RETURN"});
    const auto missing = datapath->check(netns(), pod_.cookie());
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().message().find("--dport 15010"), std::string::npos)
        << missing.error().message();
    expect_done(datapath->enrol(netns(), enrolment()));
    expect_done(datapath->check(netns(), pod_.cookie()));
    tool({"iptables", "-t", "nat", "-F"});
    EXPECT_FALSE(datapath->check(netns(), pod_.cookie()));
}

// The record of the first pod cannot be written, because a directory has its name. (Which pod is
// first depends on the processors that assigned the cookies.)
TEST_F(IptablesTest, APodThatASweepFailsAtDoesNotKeepTheOthersFromTheirTurn) {
    const TestNetns another;
    const TestNetns& first = pod_.cookie() < another.cookie() ? pod_ : another;
    const TestNetns& second = pod_.cookie() < another.cookie() ? another : pod_;
    const Netns in_first = *Netns::open(first.path());
    const Netns in_second = *Netns::open(second.path());
    const auto datapath = open();
    PodEnrolment wanted = enrolment();
    for (const TestNetns* pod : {&first, &second}) {
        wanted.netns_cookie = pod->cookie();
        expect_done(datapath->enrol(pod == &first ? in_first : in_second, wanted));
    }
    const Fd listener = inbound_listener(in_first);
    const Fd listener_of_second = inbound_listener(in_second);
    std::ostringstream record;
    record << directory_.path() << "/iptables/" << std::hex << first.cookie();
    ASSERT_TRUE(std::filesystem::remove(record.str()));
    ASSERT_TRUE(std::filesystem::create_directory(record.str()));

    EXPECT_FALSE(datapath->sweep());
    expect_done(datapath->check(in_second, second.cookie()));
    EXPECT_FALSE(datapath->check(in_first, first.cookie())) << "IPv6 is not intercepted yet";
    std::filesystem::remove(record.str());
    expect_done(datapath->sweep());
    expect_done(datapath->check(in_first, first.cookie()));
}

TEST_F(IptablesTest, Ipv6FollowsTheSidecarAndStaysWhenItIsDown) {
    const auto datapath = open();
    expect_done(datapath->enrol(netns(), enrolment()));
    {
        const Fd listener = inbound_listener(netns());
        expect_done(datapath->sweep());
    }
    EXPECT_EQ(rules("ip6tables-save").jumps.size(), 2U);
    EXPECT_EQ(intercepted_by(rules("ip6tables-save")), Directions({false, true}));
    EXPECT_EQ(datapath->pods()->front().listeners, (SeenListeners{false, false, false, true}));
    expect_done(datapath->check(netns(), pod_.cookie()));
    expect_done(open()->enrol(netns(), enrolment()));
    EXPECT_EQ(intercepted_by(rules("ip6tables-save")), Directions({false, true}));

    PodEnrolment never = enrolment();
    never.policy.ipv6 = Ipv6Mode::never;
    expect_done(datapath->enrol(netns(), never));
    EXPECT_EQ(rules("ip6tables-save"), tracking_rules());
    expect_done(datapath->check(netns(), pod_.cookie()));
    PodEnrolment always = enrolment();
    always.policy.ipv6 = Ipv6Mode::always;
    expect_done(datapath->enrol(netns(), always));
    EXPECT_EQ(intercepted_by(rules("ip6tables-save")), Directions({true, true}));
}

TEST_F(IptablesTest, AnotherProcessKnowsThePodAndWithdrawsIt) {
    expect_done(open()->enrol(netns(), enrolment()));
    const auto next = open();
    ASSERT_EQ(next->pods()->size(), 1U);
    EXPECT_EQ(next->pods()->front().netns_cookie, pod_.cookie());
    EXPECT_EQ(next->pods()->front().addresses, enrolment().addresses);
    const Netns inside = netns();
    expect_done(next->withdraw(pod_.cookie(), &inside));
    EXPECT_EQ(rules(), tracking_rules());
}

TEST_F(IptablesTest, ARecordOfANamespaceThatIsGoneIsDropped) {
    ASSERT_TRUE(PodRecords::intercepted(directory_.path()).save(1, {}));
    EXPECT_TRUE(*IptablesDatapath::has_left_rules(options_));
    EXPECT_TRUE(open()->pods()->empty());
    EXPECT_FALSE(*IptablesDatapath::has_left_rules(options_));
}

TEST_F(IptablesTest, WithdrawNeedsNoNamespace) {
    const auto datapath = open();
    expect_done(datapath->enrol(netns(), enrolment()));
    expect_done(datapath->withdraw(pod_.cookie(), nullptr));
    EXPECT_TRUE(datapath->pods()->empty());
    EXPECT_FALSE(*IptablesDatapath::has_left_rules(options_));
}

TEST_F(IptablesTest, UninstallRemovesTheRulesOfItsOwnInstanceAlone) {
    expect_done(open()->enrol(netns(), enrolment()));
    const TestDirectory elsewhere;
    IptablesOptions others = options_;
    others.run_directory = elsewhere.path();
    expect_done(IptablesDatapath::uninstall(others));
    EXPECT_FALSE(rules().empty());

    expect_done(IptablesDatapath::uninstall(options_));
    EXPECT_TRUE(rules().empty());
    EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
    expect_done(IptablesDatapath::uninstall(options_));
}

TEST_F(IptablesTest, RulesOfTheOtherKindOfIptablesAreReplaced) {
    if (find_program("iptables-legacy-restore").empty() ||
        tool({"iptables-legacy", "-t", "nat", "-N", "FSM_OUTPUT"}).starts_with("failed")) {
        GTEST_SKIP() << "there is one kind of iptables here";
    }
    tool({"iptables-legacy", "-t", "nat", "-A", "OUTPUT", "-p", "tcp", "-j", "FSM_OUTPUT"});
    expect_done(open()->enrol(netns(), enrolment()));
    EXPECT_TRUE(rules("iptables-legacy-save").empty());
    EXPECT_FALSE(rules("iptables-nft-save").empty());
}

// A namespace that is owned by a separate user namespace, as long as this object exists.
class OwnedNetns {
  public:
    OwnedNetns() {
        int ends[2];
        EXPECT_EQ(pipe(ends), 0);
        child_ = fork();
        if (child_ == 0) {
            const char answer = unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 ? 'y' : 'n';
            (void)!write(ends[1], &answer, 1);
            pause();
            _exit(0);
        }
        char answer = 0;
        made_ = read(ends[0], &answer, 1) == 1 && answer == 'y';
        close(ends[0]);
        close(ends[1]);
    }
    OwnedNetns(const OwnedNetns&) = delete;
    OwnedNetns& operator=(const OwnedNetns&) = delete;
    ~OwnedNetns() {
        kill(child_, SIGKILL);
        waitpid(child_, nullptr, 0);
    }
    // False: the path leads to the machine's own namespace.
    bool made() const { return made_; }
    std::string path() const { return "/proc/" + std::to_string(child_) + "/ns/net"; }

  private:
    pid_t child_ = 0;
    bool made_ = false;
};

TEST_F(IptablesTest, AUserNamespaceIsRefused) {
    const OwnedNetns owned;
    ASSERT_TRUE(owned.made());
    const auto netns = Netns::open(owned.path());
    ASSERT_TRUE(netns);
    const auto refused = open()->enrol(*netns, enrolment());
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("hostUsers: false"), std::string::npos);
    EXPECT_FALSE(*IptablesDatapath::has_left_rules(options_));
}

TEST_F(IptablesTest, WithoutIptablesItSaysWhatToInstall) {
    const std::string path = std::getenv("PATH");
    setenv("PATH", "/nowhere", 1);
    const auto refused = IptablesDatapath::open(options_);
    expect_done(IptablesDatapath::uninstall(options_));
    setenv("PATH", path.c_str(), 1);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("Install Debian's package iptables"),
              std::string::npos);
}

TEST_F(IptablesTest, ItSaysWhatWorks) {
    const auto datapath = open();
    ASSERT_FALSE(datapath->capabilities().empty());
    EXPECT_TRUE(datapath->capabilities().front().works) << datapath->capabilities().front().detail;
    EXPECT_NE(datapath->automatic_acceleration_reason().find("iptables"), std::string::npos);
    EXPECT_TRUE(datapath->maps()->empty());
    EXPECT_TRUE(datapath->programs()->empty());
}

}  // namespace
}  // namespace fsm
