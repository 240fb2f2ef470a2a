// The framing of .wandb files.
#include "trackers/transaction_log.hpp"

#include <signal.h>
#include <sys/resource.h>

#include "ailab/ailab.hpp"
#include "folder_test.hpp"

namespace ailab::wandb {
namespace {

using test::FolderTest;

std::string hex(const std::string& bytes) {
    static const char digits[] = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        if (!text.empty()) text += ' ';
        text += digits[uint8_t(c) >> 4];
        text += digits[uint8_t(c) & 15];
    }
    return text;
}

class TransactionLogTest : public FolderTest {
  protected:
    std::vector<std::string> records() const {
        std::vector<std::string> result;
        for (const StoredRecord& stored : read_log(path("a.wandb"), wandb_log))
            result.push_back(stored.bytes);
        return result;
    }
};

TEST(Framing, HasTheBytesThatTheClientWrites) {
    EXPECT_EQ(hex(log_header(wandb_log)), "3a 57 26 42 e1 be 00");
    // zlib.crc32(b"\x01abc") and zlib.crc32(b"\x01") in Python.
    EXPECT_EQ(hex(framed("abc", 7)), "a9 20 9d 53 03 00 01 61 62 63");
    EXPECT_EQ(hex(framed("", 7)), "1b df 05 a5 00 00 01");
}

TEST(Framing, SplitsRecordsAtBlocksOf32KiB) {
    struct Case {
        int64_t size;                                // of the file before
        size_t record;                               // bytes
        size_t padding;                              // zeros before the first chunk
        std::vector<std::pair<int, size_t>> chunks;  // type and length
    };
    const std::vector<Case> table = {
        {7, 10, 0, {{1, 10}}},
        {7, 32768 - 14, 0, {{1, 32754}}},          // fills the block
        {7, 32768 - 13, 0, {{2, 32754}, {4, 1}}},  // by one byte too long
        {7, 100000, 0, {{2, 32754}, {3, 32761}, {3, 32761}, {4, 1724}}},
        {32768 - 7, 3, 0, {{2, 0}, {4, 3}}},  // room for a header alone
        {32768 - 6, 3, 6, {{1, 3}}},          // and not even that
        {2 * 32768 - 1, 3, 1, {{1, 3}}},
        {2 * 32768, 3, 0, {{1, 3}}},
    };
    for (const Case& c : table) {
        const std::string bytes = framed(std::string(c.record, 'x'), c.size);
        EXPECT_EQ(bytes.substr(0, c.padding), std::string(c.padding, '\0')) << c.size;
        std::vector<std::pair<int, size_t>> chunks;
        for (size_t at = c.padding; at < bytes.size(); at += 7 + chunks.back().second)
            chunks.emplace_back(bytes.at(at + 6),
                                uint8_t(bytes.at(at + 4)) + 256u * uint8_t(bytes.at(at + 5)));
        EXPECT_EQ(chunks, c.chunks) << c.size << " " << c.record;
    }
}

TEST_F(TransactionLogTest, ReadsWhatItWrote) {
    std::vector<std::string> expected;
    {
        TransactionLog log(wandb_log);
        log.open(path("a.wandb"));
        for (size_t size = 0; size < 70000; size = size * 3 / 2 + 1) {
            expected.emplace_back(size, char('a' + size % 26));
            log.append(expected.back());
            EXPECT_EQ(records(), expected);  // without a flush or an end
        }
    }
    const std::vector<StoredRecord> stored = read_log(path("a.wandb"), wandb_log);
    EXPECT_EQ(stored.front().begin, 7);
    EXPECT_EQ(stored.back().end, int64_t(std::filesystem::file_size(path("a.wandb"))));
    for (size_t i = 1; i < stored.size(); ++i) EXPECT_EQ(stored[i].begin, stored[i - 1].end);
}

TEST_F(TransactionLogTest, ReadsUntilTheFirstDamage) {
    {
        TransactionLog log(wandb_log);
        log.open(path("a.wandb"));
        log.append("one");
        log.append(std::string(40000, 'x'));
        log.append("three");
    }
    const std::string whole = read(path("a.wandb"));
    write(path("a.wandb"), whole.substr(0, whole.size() - 1));
    EXPECT_EQ(records().size(), 2u);
    write(path("a.wandb"), whole.substr(0, 32768 + 100));
    EXPECT_EQ(records(), std::vector<std::string>{"one"});
    std::string damaged = whole;
    damaged[20] ^= 1;  // in the second record
    write(path("a.wandb"), damaged);
    EXPECT_EQ(records(), std::vector<std::string>{"one"});
    write(path("a.wandb"), whole.substr(0, 7));
    EXPECT_TRUE(records().empty());
    write(path("a.wandb"), "version https://git-lfs.github.com/spec/v1");
    EXPECT_THROW(records(), Error);
    EXPECT_THROW(read_log(path("none.wandb"), wandb_log), Error);
}

TEST_F(TransactionLogTest, DoesNotWriteIntoAnotherRunsFile) {
    TransactionLog log(wandb_log);
    log.open(path("a.wandb"));
    TransactionLog other(wandb_log);
    EXPECT_THROW(other.open(path("a.wandb")), Error);
}

TEST_F(TransactionLogTest, WarnsOnceOfAFullDiskAndGoesOn) {
    std::string lines;
    log_through([&](const std::string& text) { lines += text; });
    signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    const rlimit small{100, before.rlim_max};
    {
        TransactionLog log(wandb_log);
        log.open(path("a.wandb"));
        log.append("fits");
        setrlimit(RLIMIT_FSIZE, &small);
        log.append(std::string(200, 'x'));
        log.append(std::string(201, 'x'));
        setrlimit(RLIMIT_FSIZE, &before);
        log.append("fits again");
    }
    signal(SIGXFSZ, SIG_DFL);
    log_through({});
    EXPECT_EQ(records(), (std::vector<std::string>{"fits", "fits again"}));
    const std::string warning = "cannot write " + path("a.wandb") + ": File too large";
    const size_t found = lines.find(warning);
    ASSERT_NE(found, std::string::npos) << lines;
    EXPECT_EQ(lines.find(warning, found + 1), std::string::npos) << lines;
}

}  // namespace
}  // namespace ailab::wandb
