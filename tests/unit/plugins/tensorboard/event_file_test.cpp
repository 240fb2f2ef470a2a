#include "tensorboard/event_file.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "ailab/error.hpp"
#include "ailab/log.hpp"

namespace ailab::tensorboard {
namespace {

namespace fs = std::filesystem;

/// While it lives, files of this process grow to so many bytes.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(rlim_t bytes) : handler_(signal(SIGXFSZ, SIG_IGN)) {
        getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit now{bytes, before_.rlim_max};
        setrlimit(RLIMIT_FSIZE, &now);
    }
    ~FileSizeLimit() {
        setrlimit(RLIMIT_FSIZE, &before_);
        signal(SIGXFSZ, handler_);
    }

  private:
    sighandler_t handler_;
    rlimit before_{};
};

class EventFileTest : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / ("ailab_events_" + std::to_string(getpid()));
        fs::remove_all(folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }

    static std::string content(const fs::path& path) {
        std::ostringstream text;
        text << std::ifstream(path, std::ios::binary).rdbuf();
        return text.str();
    }
    std::vector<std::string> names() const {
        std::vector<std::string> found;
        for (const auto& entry : fs::directory_iterator(folder_))
            found.push_back(entry.path().filename());
        std::sort(found.begin(), found.end());
        return found;
    }

    fs::path folder_;
};

// The checksums are those of the Python package's masked_crc32c.
TEST(Record, HasTheFramingOfTFRecords) {
    EXPECT_EQ(record("abc"), std::string("\x03\0\0\0\0\0\0\0"
                                         "\xb0\x99\x49\x0e"
                                         "abc"
                                         "\x6e\x57\xf1\x21",
                                         19));
    EXPECT_EQ(record("").size(), 16u);
}

TEST_F(EventFileTest, BeginsWithTheVersionAndHoldsWhatIsWritten) {
    EventFile file;
    file.open(folder_ / "a" / "b");
    EXPECT_FALSE(file.continues());
    const std::string first = content(file.path());
    EXPECT_NE(first.find("brain.Event:2"), std::string::npos);
    const wire::Message event = wire::Message().add(1, 0.5).add(2, 3);
    file.write(event);
    // At once, not when it is closed: a killed run's file is complete.
    EXPECT_EQ(content(file.path()), first + record(event.bytes()));
}

TEST_F(EventFileTest, NewFilesSortBehindTheOldOnes) {
    fs::create_directories(folder_);
    // Written by a machine whose clock is ahead.
    const std::string ahead = "events.out.tfevents.4000000000.other.1.0";
    std::ofstream(folder_ / ahead) << "";
    std::ofstream(folder_ / "notes.txt") << "";
    for (int i = 0; i < 3; ++i) {
        EventFile file;
        file.open(folder_);
        EXPECT_TRUE(file.continues());
        EXPECT_EQ(fs::path(file.path()).filename(), names()[size_t(1 + i)]);
    }
    EXPECT_EQ(names()[0], ahead);
}

TEST_F(EventFileTest, EventsOfAStepAreReadUpToASize) {
    EventFile file;
    file.open(folder_);
    const auto event = [](int64_t step, const char* text) {
        return wire::Message().add(1, 0.5).add(2, step).add(9, text);
    };
    for (const int64_t step : {int64_t(7), int64_t(300), int64_t(300)})
        file.write(event(step, "before"));
    const int64_t size = file.size();
    file.write(event(300, "after"));
    const std::string path = file.path(), wanted = event(300, "before").bytes();
    using Events = std::vector<std::string>;
    EXPECT_EQ(events_at(path, size, 300), (Events{wanted, wanted}));
    EXPECT_EQ(events_at(path, size, 7).size(), 1u);
    EXPECT_EQ(events_at(path, size - 1, 300), Events{wanted}) << "a record that is cut off";
    EXPECT_EQ(events_at(path, size, 0), Events()) << "the version has no step";
    EXPECT_EQ(events_at(path + "x", size, 300), Events());
    std::fstream damaged(path, std::ios::in | std::ios::out | std::ios::binary);
    damaged.seekp(std::streamoff(size) - 6) << 'x';
    damaged.close();
    EXPECT_EQ(events_at(path, size, 300), Events{wanted});
}

TEST_F(EventFileTest, AFolderThatCannotBeMadeIsAnError) {
    std::ofstream(folder_.string()) << "a file in the way";
    EventFile file;
    try {
        file.open(folder_ / "logs");
        FAIL() << "no error";
    } catch (const Error& error) {
        EXPECT_EQ(error.what(),
                  "cannot create the folder " + (folder_ / "logs").string() + ": Not a directory");
    }
}

TEST_F(EventFileTest, AFullDiskIsOneWarningAndLeavesWholeRecords) {
    std::string warnings;
    log_through([&](const std::string& lines) { warnings += lines; });
    EventFile file;
    file.open(folder_);
    const std::string first = content(file.path());
    const wire::Message small = wire::Message().add(2, 1);
    const wire::Message large = wire::Message().add(5, std::string(1000, 'x'));
    {
        const FileSizeLimit limit(first.size() + 100);
        file.write(large);  // a part of it fits
        file.write(small);
        file.write(large);
    }
    file.write(large);  // there is space again
    log_through({});
    EXPECT_EQ(content(file.path()), first + record(small.bytes()) + record(large.bytes()));
    const std::string expected = "cannot write " + file.path() + ": File too large";
    EXPECT_NE(warnings.find(expected), std::string::npos) << warnings;
    EXPECT_EQ(std::count(warnings.begin(), warnings.end(), '\n'), 1) << warnings;
}

}  // namespace
}  // namespace ailab::tensorboard
