// CSVHook over a long run.
#include <malloc.h>

#include <fstream>

#include "plugins/fake_run.hpp"

namespace ailab {
namespace {

using test::FakeRun;
using test::LoggedHookTest;
using test::make;
using test::run_ranks;
using test::ThreadComm;

class CsvHookTest : public LoggedHookTest {};

TEST_F(CsvHookTest, ItsMemoryDoesNotGrowWithItsRows) {
    constexpr int64_t rows = 20'000;
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        const auto hook = make<Hook>(R"({"type": "CSVHook"})");
        hook->before_run(run);
        run.now.phase = Phase::val;
        size_t early = 0;
        for (int64_t i = 1; i <= rows; ++i) {
            ++run.now.step;
            run.published[Phase::val] = {{"loss", 1.0 / double(i)},
                                         {"top1", 100.0 / double(i + 1)}};
            hook->after_val_epoch(run);
            if (i != rows / 10 && i != rows) continue;
            hook->before_save_checkpoint(run, "");  // all rows are written then
            const size_t used = mallinfo2().uordblks;
            if (i == rows) EXPECT_LT(used, early + (size_t(1) << 20));
            early = used;
        }
    });
    EXPECT_EQ(errors[0], "");
    std::ifstream file(folder_ / "val.csv");
    int64_t lines = 0;
    for (std::string line; std::getline(file, line);) ++lines;
    EXPECT_EQ(lines, rows + 1);
}

/// One that cannot be read is not one without rows.
TEST_F(CsvHookTest, ATableThatCannotBeReadIsNotWrittenAnew) {
    std::filesystem::create_directories(folder_);
    std::filesystem::create_symlink("val.csv", folder_ / "val.csv");  // in a circle
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        const auto hook = make<Hook>(R"({"type": "CSVHook"})");
        hook->before_run(run);
        run.now.phase = Phase::val;
        run.published[Phase::val] = {{"loss", 1.0}};
        hook->after_val_epoch(run);
        hook->before_save_checkpoint(run, "");
    });
    EXPECT_EQ(errors[0], "");
    EXPECT_TRUE(test::contains(said_,
                               "val.csv: Too many levels of symbolic links; the training "
                               "goes on without the rows that are lost"))
        << said_;
    EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "val.csv"));
}

}  // namespace
}  // namespace ailab
