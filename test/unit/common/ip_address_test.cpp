#include "common/ip_address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

namespace fsm {
namespace {

TEST(IpAddress, PrintsWhatItParsed) {
    for (const char* text : {"10.1.2.3", "0.0.0.0", "255.255.255.255", "::", "::1", "fd00::1:2"}) {
        const auto address = IpAddress::parse(text);
        ASSERT_TRUE(address) << text;
        EXPECT_EQ(address->to_string(), text);
    }
}

TEST(IpAddress, TakesAMappedAddressAsIpv4) {
    const auto address = IpAddress::parse("::ffff:10.1.2.3");
    ASSERT_TRUE(address);
    EXPECT_TRUE(address->is_v4());
    EXPECT_EQ(*address, *IpAddress::parse("10.1.2.3"));
    EXPECT_EQ(address->v4_network_order(), htonl(0x0a010203));
}

TEST(IpAddress, RefusesWhatIsNone) {
    for (const char* text : {"", "10.1.2", "10.1.2.256", "10.1.2.3 ", "a::g", "10.1.2.3/8"}) {
        const auto address = IpAddress::parse(text);
        ASSERT_FALSE(address) << text;
        EXPECT_NE(address.error().message().find("is not an IPv4 or IPv6 address"),
                  std::string::npos);
    }
}

TEST(IpAddress, KnowsSpecialAddresses) {
    struct Case {
        const char* text;
        bool loopback;
        bool link_local;
        bool unspecified;
    };
    const Case cases[] = {
        {"127.0.0.1", true, false, false},   {"127.255.0.9", true, false, false},
        {"128.0.0.1", false, false, false},  {"255.0.0.1", false, false, false},
        {"::1", true, false, false},         {"::2", false, false, false},
        {"169.254.1.1", false, true, false}, {"169.255.1.1", false, false, false},
        {"fe80::1", false, true, false},     {"febf::1", false, true, false},
        {"fec0::1", false, false, false},    {"0.0.0.0", false, false, true},
        {"::", false, false, true},          {"10.0.0.1", false, false, false},
    };
    for (const Case& row : cases) {
        const auto address = IpAddress::parse(row.text);
        ASSERT_TRUE(address) << row.text;
        EXPECT_EQ(address->is_loopback(), row.loopback) << row.text;
        EXPECT_EQ(address->is_link_local(), row.link_local) << row.text;
        EXPECT_EQ(address->is_unspecified(), row.unspecified) << row.text;
    }
}

TEST(Cidr, CountsThePrefixInTheMappedForm) {
    struct Case {
        const char* text;
        unsigned mapped_prefix;
        const char* printed;
    };
    const Case cases[] = {
        {"10.0.0.0/8", 104, "10.0.0.0/8"}, {"0.0.0.0/0", 96, "0.0.0.0/0"},
        {"10.1.2.3", 128, "10.1.2.3/32"},  {"10.1.2.3/32", 128, "10.1.2.3/32"},
        {"fd00::/8", 8, "fd00::/8"},       {"::/0", 0, "::/0"},
        {"fd00::1", 128, "fd00::1/128"},   {"10.1.2.2/31", 127, "10.1.2.2/31"},
    };
    for (const Case& row : cases) {
        const auto range = Cidr::parse(row.text);
        ASSERT_TRUE(range) << row.text << ": " << range.error().message();
        EXPECT_EQ(range->mapped_prefix_length(), row.mapped_prefix) << row.text;
        EXPECT_EQ(range->to_string(), row.printed);
    }
}

TEST(Cidr, RefusesWhatIsNone) {
    for (const char* text : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "fd00::/129",
                             "10.1.2.3/8", "fd00::1/64", "/8", "10.0.0.0/ 8"}) {
        EXPECT_FALSE(Cidr::parse(text)) << text;
    }
}

TEST(Cidr, ContainsTheAddressesOfItsFamilyWithItsPrefix) {
    const struct {
        const char* range;
        const char* address;
        bool contained;
    } rows[] = {
        {"10.0.0.0/8", "10.255.0.1", true}, {"10.0.0.0/8", "11.0.0.1", false},
        {"10.1.2.0/23", "10.1.3.9", true},  {"10.1.2.0/23", "10.1.4.0", false},
        {"10.1.2.3", "10.1.2.3", true},     {"10.1.2.3", "10.1.2.2", false},
        {"0.0.0.0/0", "203.0.113.1", true}, {"0.0.0.0/0", "fd00::1", false},
        {"::/0", "fd00::1", true},          {"::/0", "10.1.2.3", false},
        {"fd00::/9", "fd7f::1", true},      {"fd00::/9", "fd80::1", false},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(Cidr::parse(row.range)->contains(*IpAddress::parse(row.address)), row.contained)
            << row.range << " " << row.address;
    }
}

TEST(Cidr, AllIsEverythingOfAFamily) {
    EXPECT_EQ(Cidr::all_v4(), *Cidr::parse("0.0.0.0/0"));
    EXPECT_EQ(Cidr::all_v6(), *Cidr::parse("::/0"));
}

}  // namespace
}  // namespace fsm
