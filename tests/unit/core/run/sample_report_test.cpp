// What is told of samples that were left out or used though damaged.
#include "run/sample_report.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "ailab/log.hpp"
#include "config/formats.hpp"
#include "core/data/fake_samples.hpp"
#include "core/distributed/thread_comm.hpp"

namespace ailab {
namespace {

using test::error_of;
using test::FakeSamples;
using test::loader_options;
using test::run_ranks;
using test::ThreadComm;

class SampleReportTest : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/ailab-report-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        folder = name;
        log_to_file(folder / "log");
    }
    void TearDown() override {
        log_to_file("");
        std::filesystem::remove_all(folder);
    }

    static void take_epoch(Loader& loader) {
        for (int64_t i = 0; i < loader.plan().iterations(); ++i) loader.next();
    }
    std::vector<std::string> lines(const char* file) const {
        std::ifstream in(folder / file);
        std::vector<std::string> lines;
        for (std::string line; std::getline(in, line);) lines.push_back(line);
        return lines;
    }
    /// Lines of the log that have this in them.
    std::vector<std::string> logged(const std::string& text) const {
        std::vector<std::string> found;
        for (const std::string& line : lines("log"))
            if (const size_t at = line.find(text); at != std::string::npos)
                found.push_back(line.substr(at));
        return found;
    }
    std::vector<int64_t> listed() const {
        std::vector<int64_t> ids;
        for (const std::string& line : lines("broken_samples.jsonl"))
            ids.push_back(from_json(line, "test").find("sample")->as_int());
        std::sort(ids.begin(), ids.end());
        return ids;
    }

    std::filesystem::path folder;
};

TEST_F(SampleReportTest, SaysNothingWhenAllIsWell) {
    Loader loader(loader_options(std::make_shared<FakeSamples>(8), 4));
    run_ranks(1, [&](ThreadComm& comm) {
        SampleReport report(comm, folder);
        take_epoch(loader);
        report.tell(loader, 0);
        EXPECT_EQ(comm.collectives, 0);
    });
    EXPECT_TRUE(logged("samples").empty());
    EXPECT_FALSE(std::filesystem::exists(folder / "broken_samples.jsonl"));
}

TEST_F(SampleReportTest, CountsOverAllRanksAndListsEachSampleOnce) {
    const auto data = std::make_shared<FakeSamples>(40);
    data->broken = {3, 17, 30};
    data->damaged = {5, 6};
    const auto errors = run_ranks(4, [&](ThreadComm& comm) {
        SampleReport report(comm, folder);
        Loader loader(loader_options(data, 8, comm.rank(), 4));
        for (int64_t epoch = 0; epoch < 3; ++epoch) {
            take_epoch(loader);
            report.tell(loader, epoch);
        }
    });
    for (const std::string& error : errors) EXPECT_EQ(error, "");
    const auto counts = logged("samples were");
    ASSERT_EQ(counts.size(), 3u) << "a line an epoch";
    for (const std::string& line : counts)
        EXPECT_EQ(line.substr(0, 100), "samples were left out, 2 used though damaged");
    EXPECT_EQ(logged("data.train: 3 of 40 samples").size(), 3u);
    EXPECT_EQ(logged("data.train, sample 17: file17 is no image").size(), 1u);
    EXPECT_EQ(logged("data.train, sample 5, used: file5 is cut").size(), 1u);
    EXPECT_EQ(listed(), (std::vector<int64_t>{3, 5, 6, 17, 30}));
    const Node first = from_json(lines("broken_samples.jsonl")[0], "test");
    EXPECT_EQ(first.find("data")->as_string(), "data.train");
    EXPECT_EQ(first.find("epoch")->as_int(), 1);
    EXPECT_EQ(first.find("name")->as_string(), concat("file", first.find("sample")->as_int()));
}

TEST_F(SampleReportTest, TheLogListsTenAndTheFileAll) {
    const auto data = std::make_shared<FakeSamples>(40);
    for (int64_t i = 0; i < 13; ++i) data->broken.insert(i);
    run_ranks(1, [&](ThreadComm& comm) {
        SampleReport report(comm, folder);
        Loader loader(loader_options(data, 8));
        take_epoch(loader);
        report.tell(loader, 0);
    });
    EXPECT_EQ(logged("data.train, sample ").size(), 10u);
    EXPECT_EQ(logged("3 more are listed in").size(), 1u);
    EXPECT_EQ(listed().size(), 13u);
}

TEST_F(SampleReportTest, ARunThatGoesOnDoesNotListThemAgain) {
    const auto data = std::make_shared<FakeSamples>(8);
    data->broken = {1};
    for (int start = 0; start < 3; ++start) {
        if (start == 2) {
            data->broken = {1, 2};
            std::ofstream(folder / "broken_samples.jsonl", std::ios::app) << "{\"data\": \"da";
        }
        run_ranks(1, [&](ThreadComm& comm) {
            SampleReport report(comm, folder);
            Loader loader(loader_options(data, 8));
            take_epoch(loader);
            report.tell(loader, start);
        });
    }
    const auto all = lines("broken_samples.jsonl");
    ASSERT_EQ(all.size(), 3u);  // with the torn one
    EXPECT_EQ(from_json(all[2], "test").find("sample")->as_int(), 2);
}

TEST_F(SampleReportTest, TooManyOverAllRanksEndTheRunOnAllRanks) {
    const auto data = std::make_shared<FakeSamples>(40);
    data->broken = {3, 17, 30};
    for (const int64_t max_errors : {2, 3}) {
        const auto errors = run_ranks(4, [&](ThreadComm& comm) {
            SampleReport report(comm, folder);
            LoaderOptions options = loader_options(data, 8, comm.rank(), 4);
            options.max_errors = max_errors;
            Loader loader(options);
            take_epoch(loader);
            report.tell(loader, 0);
        });
        for (const std::string& error : errors)
            EXPECT_EQ(error, max_errors == 3
                                 ? ""
                                 : concat("data.train: 3 of 40 samples cannot be used, and "
                                          "data.train_dataloader.max_errors is 2; they are listed "
                                          "in ",
                                          (folder / "broken_samples.jsonl").string()));
    }
    EXPECT_EQ(listed().size(), 3u);
}

TEST_F(SampleReportTest, APhaseOfWhichNothingCanBeUsedIsAnErrorOnAllRanks) {
    const auto data = std::make_shared<FakeSamples>(16);
    for (int64_t i = 0; i < 16; ++i) data->broken.insert(i);
    const struct {
        const char* what;
        int64_t start, iterations;  // of 4
        int good;                   // sample that can be used, or -1
        bool is_error;
    } rows[] = {{"a whole epoch", 0, 4, -1, true},
                {"all of a run of two iterations", 0, 2, -1, true},
                {"the rest of an epoch that a run goes on with", 2, 2, -1, false},
                {"a whole epoch over the end of one", 2, 6, -1, true},
                {"one is good", 0, 4, 9, false}};
    for (const auto& row : rows) {
        SCOPED_TRACE(row.what);
        const auto some = std::make_shared<FakeSamples>(*data);
        some->broken.erase(row.good);
        const auto errors = run_ranks(2, [&](ThreadComm& comm) {
            SampleReport report(comm, folder);
            Loader loader(loader_options(some, 4, comm.rank(), 2));
            loader.seek(0, row.start);
            for (int64_t i = 0; i < row.iterations; ++i) loader.next();
            report.tell(loader, 0);
            report.expect_any(loader);
        });
        for (const std::string& error : errors)
            EXPECT_EQ(error, row.is_error ? concat("data.train: none of ", row.iterations * 4,
                                                   " samples can be used; they are listed in ",
                                                   (folder / "broken_samples.jsonl").string())
                                          : "");
    }
}

TEST_F(SampleReportTest, AListThatCannotBeWrittenIsAWarning) {
    const auto data = std::make_shared<FakeSamples>(8);
    data->broken = {1};
    std::filesystem::create_directory(folder / "broken_samples.jsonl");
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        SampleReport report(comm, folder);
        Loader loader(loader_options(data, 8));
        take_epoch(loader);
        report.tell(loader, 0);
    });
    EXPECT_EQ(errors[0], "");
    EXPECT_EQ(logged("cannot write").size(), 1u);
}

}  // namespace
}  // namespace ailab
