// The log: MMEngine's line, who speaks, and what is in the file when a process is killed.
#include "log/log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <regex>
#include <sstream>
#include <thread>
#include <vector>

#include "ailab/log.hpp"

namespace ailab {
namespace {

std::string read(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> result;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) result.push_back(line);
    return result;
}

/// The line without its time, which must look like MMEngine's.
std::string without_time(const std::string& line) {
    static const std::regex form(R"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - (.*))");
    std::smatch match;
    return std::regex_match(line, match, form) ? match[1].str() : "no time: " + line;
}

class LogTest : public testing::Test {
  protected:
    void SetUp() override {
        folder_ =
            std::filesystem::temp_directory_path() / ("ailab_log_" + std::to_string(getpid()));
        std::filesystem::create_directories(folder_);
        set_log_rank(0, 1);
        log_to_file("/dev/null");  // nothing is kept from here on
        log_to_file("");
    }
    void TearDown() override {
        log_to_file("");
        set_log_rank(0, 1);
        std::filesystem::remove_all(folder_);
    }
    template <class Action>
    std::vector<std::string> console(const Action& action) {
        testing::internal::CaptureStderr();
        action();
        std::vector<std::string> result;
        for (const std::string& line : lines(testing::internal::GetCapturedStderr()))
            result.push_back(without_time(line));
        return result;
    }
    std::filesystem::path folder_;
};

using Lines = std::vector<std::string>;

TEST_F(LogTest, WritesMMEnginesLine) {
    EXPECT_EQ(console([] { log_info("Epoch(train) [", 1, "] loss: ", 0.5); }),
              Lines{"ailab - INFO - Epoch(train) [1] loss: 0.5"});
}

TEST_F(LogTest, SpeaksByRank) {
    auto all = [] {
        log(LogLevel::debug, "details");
        log_info("news");
        log_warning("doubt");
        log(LogLevel::error, "trouble");
    };
    EXPECT_EQ(console(all),
              (Lines{"ailab - INFO - news", "ailab - WARNING - doubt", "ailab - ERROR - trouble"}));
    set_log_rank(0, 2);
    EXPECT_EQ(console(all), (Lines{"ailab - INFO - news", "ailab - WARNING - [rank 0] doubt",
                                   "ailab - ERROR - [rank 0] trouble"}));
    set_log_rank(1, 2);
    EXPECT_EQ(console(all),
              (Lines{"ailab - WARNING - [rank 1] doubt", "ailab - ERROR - [rank 1] trouble"}));
}

TEST_F(LogTest, AppendsToTheFileUntilToldToStop) {
    const std::string path = folder_ / "train.log";
    std::ofstream(path) << "from before\n";
    console([&] {
        log_info("console only");
        log_to_file(path);
        log_info("one");
        log(LogLevel::debug, "two");
        log_to_file("");
        log_info("console only");
    });
    const Lines written = lines(read(path));
    ASSERT_EQ(written.size(), 3u);
    EXPECT_EQ(written[0], "from before");
    EXPECT_EQ(without_time(written[1]), "ailab - INFO - one");
    EXPECT_EQ(without_time(written[2]), "ailab - DEBUG - two");
}

TEST_F(LogTest, GivesTheFileTheLinesOfTheRunFromBeforeIt) {
    const std::string path = folder_ / "early.log";
    console([&] {
        log_info("another run's");
        set_log_rank(0, 1);
        log_info("threads: 2");
        log_to_file(path);
        log_info("Epoch 1");
        log_to_file("");
        log_info("console only");
        log_to_file(path);
    });
    const Lines written = lines(read(path));
    ASSERT_EQ(written.size(), 2u);
    EXPECT_EQ(without_time(written[0]), "ailab - INFO - threads: 2");
    EXPECT_EQ(without_time(written[1]), "ailab - INFO - Epoch 1");
}

TEST_F(LogTest, SaysWhyAFileCannotBeWritten) {
    try {
        log_to_file("/proc/no/such/train.log");
        FAIL() << "a file in a folder that is not there was opened";
    } catch (const Error& error) {
        EXPECT_STREQ(
            error.what(),
            "cannot write the log file /proc/no/such/train.log: No such file or directory. "
            "Choose another log_dir or work_dir");
    }
}

TEST_F(LogTest, GoesOnWhenTheDiskIsFull) {
    log_to_file("/dev/full");
    EXPECT_EQ(
        console([] {
            log_info("one");
            log_info("two");
        }),
        (Lines{"ailab - INFO - one",
               "ailab - WARNING - cannot write the log file /dev/full: No space left on device; "
               "lines go to the console alone",
               "ailab - INFO - two"}));
}

TEST_F(LogTest, PrintsThroughAWriter) {
    std::string drawn;
    EXPECT_FALSE(console_is_drawn_on());
    EXPECT_EQ(console([&] {
                  log_through([&](const std::string& lines) { drawn += "above " + lines; });
                  EXPECT_TRUE(console_is_drawn_on());
                  log_info("one");
                  log(LogLevel::debug, "two");
                  log_to_file("/dev/full");
                  log_info("three");
                  log_through({});
                  log_info("four");
              }),
              Lines{"ailab - INFO - four"});
    EXPECT_FALSE(console_is_drawn_on());
    const Lines through = lines(drawn);
    ASSERT_EQ(through.size(), 3u) << drawn;
    EXPECT_EQ(without_time(through[0].substr(6)), "ailab - INFO - one");
    EXPECT_EQ(without_time(through[1].substr(6)), "ailab - INFO - three");
    EXPECT_EQ(without_time(through[2].substr(6)),
              "ailab - WARNING - cannot write the log file /dev/full: No space left on device; "
              "lines go to the console alone");
}

TEST_F(LogTest, HandsWarningsToWhoCollectsThem) {
    const std::string path = folder_ / "collected.log";
    Lines taken;
    set_log_rank(0, 2);
    log_to_file(path);
    EXPECT_EQ(console([&] {
                  collect_warnings([&](const std::string& text) { taken.push_back(text); });
                  log_warning("doubt");
                  log(LogLevel::error, "trouble");
                  log_collected("[ranks 0-1] doubt");
                  collect_warnings({});
                  log_warning("mine");
              }),
              (Lines{"ailab - ERROR - [rank 0] trouble", "ailab - WARNING - [ranks 0-1] doubt",
                     "ailab - WARNING - [rank 0] mine"}));
    EXPECT_EQ(taken, Lines{"doubt"});
    EXPECT_EQ(lines(read(path)).size(), 3u);
}

TEST_F(LogTest, KeepsTheLastWordsInTheFileAlone) {
    const std::string path = folder_ / "last.log";
    EXPECT_EQ(console([&] {
                  log_last_words("nobody reads this");
                  log_to_file(path);
                  log_last_words("ailab: [rank 1, node07] train: out of memory");
              }),
              Lines{});
    const Lines written = lines(read(path));
    ASSERT_EQ(written.size(), 1u);
    EXPECT_EQ(without_time(written[0]),
              "ailab - ERROR - ailab: [rank 1, node07] train: out of memory");
}

TEST_F(LogTest, DoesNotHoldUpTheLastWordsWhenTheConsoleTakesNothing) {
    std::promise<void> begun, taken;
    log_through([&, may_go_on = taken.get_future().share()](const std::string&) {
        begun.set_value();
        may_go_on.wait();
    });
    std::thread stuck([] { log_info("stuck"); });
    begun.get_future().wait();
    log_last_words("the job ends");  // comes back
    taken.set_value();
    stuck.join();
    log_through({});
}

TEST_F(LogTest, IsCompleteWhenTheProcessIsKilled) {
    const std::string path = folder_ / "killed.log";
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        log_to_file(path);
        for (int i = 0; i < 100; ++i) log_info("line ", i);
        kill(getpid(), SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    const Lines written = lines(read(path));
    ASSERT_EQ(written.size(), 100u);
    EXPECT_EQ(without_time(written.back()), "ailab - INFO - line 99");
}

TEST_F(LogTest, KeepsTheLinesOfThreadsApart) {
    const std::string path = folder_ / "threads.log";
    log_to_file(path);
    console([] {
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([] {
                for (int i = 0; i < 500; ++i) log_info(std::string(200, 'x'));
            });
        for (std::thread& thread : threads) thread.join();
    });
    const Lines written = lines(read(path));
    EXPECT_EQ(written.size(), 2000u);
    for (const std::string& line : written)
        ASSERT_EQ(without_time(line), "ailab - INFO - " + std::string(200, 'x'));
}

}  // namespace
}  // namespace ailab
