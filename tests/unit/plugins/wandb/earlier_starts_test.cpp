// A run that goes on from a checkpoint: what its earlier starts wrote is cut back.
#include "wandb/earlier_starts.hpp"

#include "folder_test.hpp"
#include "trackers/transaction_log.hpp"
#include "wandb/records.hpp"

namespace ailab::wandb {
namespace {

class EarlierStartsTest : public test::FolderTest {
  protected:
    /// A start of run `id` that wrote rows of these steps.
    std::string start(const std::string& time, const std::string& id,
                      const std::vector<int64_t>& steps, bool ends) {
        const std::string run = path("offline-run-" + time + "-" + id);
        std::filesystem::create_directories(run + "/logs");
        TransactionLog log(wandb_log);
        log.open(run + "/run-" + id + ".wandb");
        int64_t number = 0;
        log.append(record(++number, id, header_record()));
        for (const int64_t step : steps) {
            const Row row{step, 0, 0, {{"train/loss", double(step)}}};
            log.append(record(++number, id, history_record(row)));
            log.append(record(++number, id, summary_record(row, {})));
        }
        if (ends) log.append(record(++number, id, exit_record(1, 10)));
        return run;
    }
    static std::vector<int64_t> steps(const std::string& run, const std::string& id = "a") {
        std::vector<int64_t> result;
        for (const StoredRecord& stored : read_log(run + "/run-" + id + ".wandb", wandb_log))
            if (const auto step = history_step(stored.bytes)) result.push_back(*step);
        return result;
    }
    static size_t count(const std::string& run) {
        return read_log(run + "/run-a.wandb", wandb_log).size();
    }
    using Steps = std::vector<int64_t>;
};

TEST_F(EarlierStartsTest, HistoryRecordsTellTheirStep) {
    const Row row{1'000'000, 1.5, 2, {{"a", 1}}};
    EXPECT_EQ(history_step(record(3, "id", history_record(row))), 1'000'000);
    EXPECT_EQ(history_step(record(3, "id", summary_record(row, {}))), std::nullopt);
    EXPECT_EQ(history_step(record(3, "id", header_record())), std::nullopt);
    EXPECT_EQ(history_step("\xff\xff"), std::nullopt);
    EXPECT_EQ(history_step(""), std::nullopt);
}

TEST_F(EarlierStartsTest, LoseWhatIsDoneAgain) {
    const std::string first = start("20260101_000000", "a", {0, 5, 10, 15}, true);
    const std::string second = start("20260101_000100", "a", {20, 25}, false);
    const std::string other = start("20260101_000200", "b", {100}, true);
    EXPECT_EQ(cut_earlier_starts(folder_.string(), "a", 10), 10);
    EXPECT_EQ(steps(first), (Steps{0, 5, 10}));
    EXPECT_EQ(count(first), 1u + 6u);  // the summary of step 10, and no exit
    EXPECT_EQ(steps(second), Steps{});
    EXPECT_EQ(count(second), 1u);
    EXPECT_EQ(steps(other, "b"), Steps{100});
}

TEST_F(EarlierStartsTest, KeepAllUntilTheCheckpoint) {
    const std::string run = start("20260101_000000", "a", {0, 5, 10}, true);
    const size_t before = count(run);
    EXPECT_EQ(cut_earlier_starts(folder_.string(), "a", 12), 10);
    EXPECT_EQ(count(run), before);
}

TEST_F(EarlierStartsTest, LoseARecordThatWasCutOff) {
    const std::string file = start("20260101_000000", "a", {0, 5}, false) + "/run-a.wandb";
    const auto whole = std::filesystem::file_size(file);
    write(file, read(file) + framed("torn", int64_t(whole)).substr(0, 9));
    EXPECT_EQ(cut_earlier_starts(folder_.string(), "a", 5), 5);
    EXPECT_EQ(std::filesystem::file_size(file), whole);
}

TEST_F(EarlierStartsTest, StayAsTheyAreOnceUploaded) {
    for (const std::string mark :
         {"/run-a.wandb.synced", "/run-a.wandb.syncstate", "/logs/upload.log"}) {
        const std::string run = start("20260101_000000", "a", {0, 5, 10, 15}, true);
        write(run + mark, "");
        const std::string before = read(run + "/run-a.wandb");
        EXPECT_EQ(cut_earlier_starts(folder_.string(), "a", 5), 15) << mark;
        EXPECT_EQ(read(run + "/run-a.wandb"), before) << mark;
        std::filesystem::remove_all(run);
    }
}

TEST_F(EarlierStartsTest, StayAsTheyAreWithADamagedHead) {
    const std::string file = start("20260101_000000", "a", {0, 5}, false) + "/run-a.wandb";
    start("20260101_000100", "a", {10}, false);
    std::string bytes = read(file);
    bytes[4] = char(bytes[4] ^ 1);
    write(file, bytes);
    EXPECT_EQ(cut_earlier_starts(folder_.string(), "a", 10), 10);
    EXPECT_EQ(read(file), bytes);
}

TEST_F(EarlierStartsTest, EndWhereTheyAreDamaged) {
    const std::string run = start("20260101_000000", "a", {0, 5, 10}, false);
    std::string bytes = read(run + "/run-a.wandb");
    const StoredRecord third = read_log(run + "/run-a.wandb", wandb_log).at(3);
    bytes[size_t(third.end - 1)] = char(bytes[size_t(third.end - 1)] ^ 1);
    write(run + "/run-a.wandb", bytes);
    EXPECT_EQ(cut_earlier_starts(folder_.string(), "a", 10), 0);
    EXPECT_EQ(steps(run), Steps{0});
}

TEST_F(EarlierStartsTest, NeedNotExist) {
    EXPECT_EQ(cut_earlier_starts(folder_.string(), "a", 5), -1);
    EXPECT_EQ(cut_earlier_starts(path("none"), "a", 5), -1);
}

}  // namespace
}  // namespace ailab::wandb
