#include "interceptor/sync/attachment_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "test/unit/sync/test_netns.h"

namespace fsm::testing {

namespace {

Attachment example() {
    return {{"c1", "eth0", "net"}, "/run/netns/x", {4, 4026532000}, 77, "boot",
            {"default", "web"},    "uid-1"};
}

TEST(AttachmentStore, KeepsEveryField) {
    const TestDirectory directory;
    const auto store = AttachmentStore::open(directory.path() + "/a");
    ASSERT_TRUE(store);
    ASSERT_TRUE(store->save(example()));
    const auto loaded = store->load();
    ASSERT_TRUE(loaded);
    ASSERT_EQ(loaded->attachments.size(), 1U);
    const Attachment& read = loaded->attachments[0];
    EXPECT_EQ(read.key, example().key);
    EXPECT_EQ(read.netns_path, "/run/netns/x");
    EXPECT_EQ(read.netns, example().netns);
    EXPECT_EQ(read.netns_cookie, 77U);
    EXPECT_EQ(read.boot_id, "boot");
    EXPECT_EQ(read.pod, example().pod);
    EXPECT_EQ(read.pod_uid, "uid-1");
    struct stat info {};
    ASSERT_EQ(
        stat((directory.path() + "/a/" + cni::file_stem(example().key) + ".json").c_str(), &info),
        0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST(AttachmentStore, SetsAsideWhatItCannotUse) {
    const TestDirectory directory;
    const auto store = AttachmentStore::open(directory.path());
    ASSERT_TRUE(store);
    ASSERT_TRUE(store->save(example()));
    const auto put = [&](const std::string& name, const std::string& content) {
        std::ofstream(directory.path() + "/" + name) << content;
    };
    put("empty.json", "");
    put("number.json", "1");
    put("types.json", R"({"containerID":1})");
    put("large.json", std::string(100000, ' '));
    put(".c1-eth0.json.Ab12Cd", "half");  // a write that was interrupted
    std::ifstream good(directory.path() + "/" + cni::file_stem(example().key) + ".json");
    put("c2-eth0.json",
        std::string(std::istreambuf_iterator<char>(good), {}));  // another's content
    const auto loaded = store->load();
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->attachments.size(), 1U);
    EXPECT_EQ(loaded->set_aside.size(), 5U);
    EXPECT_TRUE(loaded->problems.empty());
    const auto again = store->load();
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->set_aside.empty());
    EXPECT_EQ(store->set_aside()->size(), 5U) << "they are there until they are deleted";
    std::filesystem::remove(loaded->set_aside.begin()->first);
    EXPECT_EQ(store->set_aside()->size(), 4U);
}

TEST(AttachmentStore, NamesThatAreNoUtf8DoNotStopIt) {
    const TestDirectory directory;
    const auto store = AttachmentStore::open(directory.path());
    ASSERT_TRUE(store);
    auto attachment = example();
    attachment.pod.name = "\xff\xfe";
    EXPECT_TRUE(store->save(attachment));
    EXPECT_EQ(store->load()->attachments.size(), 1U);
}

TEST(AttachmentStore, AdoptsTheFilesOfVersionsThatNamedThemWithoutTheNetwork) {
    const TestDirectory directory;
    const auto store = AttachmentStore::open(directory.path());
    ASSERT_TRUE(store);
    const std::string former = directory.path() + "/c1-eth0.json";
    std::ofstream(former) << R"({"containerID":"c1","ifname":"eth0","network":"net",
        "netns":"/run/netns/x","netnsDevice":4,"netnsInode":4026532000,"netnsCookie":77,
        "bootID":"boot","podNamespace":"default","podName":"web","podUID":"uid-1"})";
    for (const char* when : {"at the upgrade", "and later"}) {
        const auto loaded = store->load();
        ASSERT_TRUE(loaded);
        EXPECT_TRUE(loaded->problems.empty()) << when;
        ASSERT_EQ(loaded->attachments.size(), 1U) << when;
        EXPECT_EQ(loaded->attachments[0].key, example().key);
        EXPECT_NE(access(former.c_str(), F_OK), 0) << when;
    }
    EXPECT_TRUE(store->remove(example().key));
    EXPECT_TRUE(store->load()->attachments.empty());
}

TEST(AttachmentStore, RemovesWhatAWriterThatDiedHasLeft) {
    const TestDirectory directory;
    const auto store = AttachmentStore::open(directory.path());
    ASSERT_TRUE(store);
    ASSERT_TRUE(store->save(example()));
    for (const char* name : {"/.c1-eth0.json.Ab12Cd", "/.probe.Ab12Cd", "/.probe"}) {
        std::ofstream(directory.path() + name) << "half";
    }
    const auto loaded = store->load();
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->attachments.size(), 1U);
    EXPECT_TRUE(loaded->problems.empty());
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

TEST(AttachmentStore, KeepsAttachmentsWithNamesOfAnyLength) {
    const TestDirectory directory;
    const auto store = AttachmentStore::open(directory.path());
    ASSERT_TRUE(store);
    auto attachment = example();
    for (const char* end : {"1", "2"}) {
        attachment.key = {std::string(5000, 'c') + end, "fifteencharacte", std::string(5000, 'n')};
        ASSERT_TRUE(store->save(attachment));
    }
    EXPECT_EQ(store->load()->attachments.size(), 2U);
}

TEST(AttachmentStore, RemoveIsRepeatable) {
    const TestDirectory directory;
    const auto store = AttachmentStore::open(directory.path());
    ASSERT_TRUE(store);
    ASSERT_TRUE(store->save(example()));
    EXPECT_TRUE(store->remove(example().key));
    EXPECT_TRUE(store->remove(example().key));
    EXPECT_TRUE(store->load()->attachments.empty());
}

}  // namespace

}  // namespace fsm::testing
