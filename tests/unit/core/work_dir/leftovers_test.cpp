// What killed runs leave in a work_dir, and that the next run removes no more than that.
#include "work_dir/leftovers.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <sstream>

#include "ailab/error.hpp"
#include "core/distributed/thread_comm.hpp"
#include "files/temporary_name.hpp"
#include "work_dir/run_lock.hpp"

namespace ailab::test {
namespace {

namespace fs = std::filesystem;

/// The number of a process that is gone.
pid_t dead_process() {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, nullptr, 0);
    return child;
}

/// One that has ended, and that nobody has waited for yet.
class Zombie {
  public:
    Zombie() : process(fork()) {
        if (process == 0) _exit(0);
        siginfo_t info;
        waitid(P_PID, id_t(process), &info, WEXITED | WNOWAIT);
    }
    ~Zombie() { waitpid(process, nullptr, 0); }
    Zombie(const Zombie&) = delete;
    Zombie& operator=(const Zombie&) = delete;

    const pid_t process;
};

std::string hex(pid_t process) {
    std::ostringstream text;
    text << std::hex << process;
    return text.str();
}

class Leftovers : public testing::Test {
  protected:
    void SetUp() override {
        root_ = fs::temp_directory_path() / ("ailab_leftovers_" + std::to_string(getpid()));
        fs::remove_all(root_);
        fs::create_directories(root_);
    }
    void TearDown() override { fs::remove_all(root_); }

    void touch(const std::string& name) const {
        fs::create_directories((root_ / name).parent_path());
        std::ofstream(root_ / name) << "x";
    }
    /// All files and folders below the root.
    std::set<std::string> there() const {
        std::set<std::string> names;
        for (const auto& entry : fs::recursive_directory_iterator(root_))
            names.insert(fs::relative(entry.path(), root_));
        return names;
    }
    fs::path root_;
};

TEST_F(Leftovers, OfKilledRunsAreRemovedAndNamedAndTheRestStays) {
    const std::vector<std::string> gone = {
        "work/a/checkpoints/iter_6.tmp-18a1-2f-77",
        "work/a/checkpoints/iter_6.safetensors.tmp-18a1-2f-77",
        "work/a/checkpoints/epoch_1.tmp-18a1-2f-77-old",  // epoch_1 is complete beside it
        "work/a/branch.json.tmp-18a1-2f-77",
        "work/a/report.html.tmp-12",
        "work/last_checkpoint.tmp-18a1-2f-77",
        "work/latest.tmp-18a1-2f-77",
    };
    const std::vector<std::string> kept = {
        "work/a/checkpoints/epoch_1/manifest.json",
        "work/a/config.yaml",
        "work/a/train.log",
        "work/a/notes.tmp",  // of the user, as the next ones
        "work/a/notes.tmp-today",
        "work/notes.tmp-1",
        "work/photos/epoch_1.tmp-1",
        "work/last_checkpoint",
        "work/b/config.yaml",
    };
    for (const std::string& name : kept) touch(name);
    const std::set<std::string> before = there();
    for (const std::string& name : gone) touch(name);
    char host[256] = {};
    gethostname(host, sizeof host - 1);
    std::ofstream(root_ / "work/a/.lock") << "host " << host << ", process 4711";
    const std::vector<std::string> lines = remove_leftovers((root_ / "work").string());
    EXPECT_EQ(there(), before);
    std::set<std::string> told(lines.begin(), lines.end()), expected;
    for (const std::string& name : gone) expected.insert("removed " + (root_ / name).string());
    EXPECT_EQ(told, expected);
    EXPECT_TRUE(remove_leftovers((root_ / "work").string()).empty()) << "once is enough";
    EXPECT_TRUE(remove_leftovers((root_ / "nowhere").string()).empty());
}

TEST_F(Leftovers, ACheckpointThatWasSetAsideAndNotReplacedIsPutBack) {
    touch("work/a/config.yaml");
    touch("work/a/checkpoints/best.tmp-18a1-2f-77-old/manifest.json");
    touch("work/a/checkpoints/best.tmp-18a1-2f-77/model.safetensors");
    const auto lines = remove_leftovers((root_ / "work").string());
    EXPECT_TRUE(fs::exists(root_ / "work/a/checkpoints/best/manifest.json"));
    EXPECT_EQ(std::count(lines.begin(), lines.end(),
                         "put back " + (root_ / "work/a/checkpoints/best").string()),
              1);
    EXPECT_EQ(there().size(), 6u) << testing::PrintToString(there());
}

TEST_F(Leftovers, OfARunThatIsAliveAreItsOwn) {
    touch("work/a/config.yaml");
    run_ranks(1, [&](ThreadComm& comm) {
        const RunLock lock((root_ / "work/a").string(), comm, [](const std::string&) {});
        touch("work/a/checkpoints/iter_6.tmp-18a1-2f-77");
        touch("work/last_checkpoint.tmp-18a1-2f-77");
        EXPECT_TRUE(remove_leftovers((root_ / "work").string()).empty());
        EXPECT_TRUE(fs::exists(root_ / "work/a/checkpoints/iter_6.tmp-18a1-2f-77"));
        EXPECT_TRUE(fs::exists(root_ / "work/last_checkpoint.tmp-18a1-2f-77"));
    });
    EXPECT_EQ(remove_leftovers((root_ / "work").string()).size(), 2u);
}

TEST_F(Leftovers, InAFolderOfSeveralRunsOnlyThoseOfDeadProcessesOfThisHost) {
    const std::string own = temporary_name((root_ / "saved/epoch_2").string());
    const std::string mark = own.substr(own.rfind('-'));  // of the host
    const std::string dead =
        concat((root_ / "saved/epoch_1").string(), ".tmp-18a1-", hex(dead_process()), mark);
    for (const std::string& name : {own, dead}) fs::create_directories(name);
    touch("saved/epoch_3.tmp-18a1-1-0");  // another host's
    touch("saved/epoch_4.tmp-x");
    EXPECT_EQ(remove_leftovers_of_dead((root_ / "saved").string()),
              std::vector<std::string>{"removed " + dead});
    EXPECT_EQ(there().size(), 4u);
}

TEST_F(Leftovers, OfAProcessThatNobodyHasWaitedForGoToo) {
    const Zombie ended;
    const std::string own = temporary_name((root_ / "work/last_checkpoint").string());
    const std::string mark = own.substr(own.rfind('-'));  // of the host
    touch(concat("work/last_checkpoint.tmp-18a1-", hex(ended.process), mark));
    touch(concat("work/last_checkpoint.tmp-18a1-", hex(getpid()), mark));
    EXPECT_EQ(remove_leftovers((root_ / "work").string()).size(), 1u);
    EXPECT_EQ(there().size(), 2u) << "a process that is there keeps its own";
}

TEST_F(Leftovers, SharedMemoryOfDeadProcessesGoesAndThatOfOthersStays) {
    struct stat space {};
    ASSERT_EQ(stat("/proc/self/ns/pid", &space), 0);
    const auto segment = [&](uint64_t of_space, int64_t process) {
        const std::string path =
            concat("/dev/shm/ailab-shm-", of_space, "-", process, "-0-", int64_t(getpid()));
        std::ofstream(path) << "x";
        return path;
    };
    const pid_t dead = dead_process();
    const std::string gone = segment(space.st_ino, dead);
    const std::vector<std::string> kept = {segment(space.st_ino, getpid()),
                                           segment(space.st_ino + 1, dead)};
    const auto lines = remove_leftovers((root_ / "work").string());
    EXPECT_EQ(std::count(lines.begin(), lines.end(), "removed " + gone), 1);
    EXPECT_FALSE(fs::exists(gone));
    for (const std::string& path : kept) {
        EXPECT_TRUE(fs::exists(path)) << path;
        fs::remove(path);
    }
}

TEST_F(Leftovers, ARunWhoseFolderVanishesIsToldWithinSeconds) {
    for (const char* how : {"removed", "moved"}) {
        touch("work/a/config.yaml");
        run_ranks(1, [&](ThreadComm& comm) {
            std::promise<std::string> told;
            const RunLock lock((root_ / "work/a").string(), comm,
                               [&](const std::string& text) { told.set_value(text); });
            lock.check();
            if (std::string(how) == "moved")
                fs::rename(root_ / "work/a", root_ / "elsewhere");
            else
                fs::remove_all(root_ / "work/a");
            std::future<std::string> text = told.get_future();
            ASSERT_EQ(text.wait_for(std::chrono::seconds(5)), std::future_status::ready) << how;
            EXPECT_EQ(text.get(), concat("the run's folder ", (root_ / "work/a").string(),
                                         " was removed or moved while the run uses it: its logs "
                                         "and checkpoints are not there any more"));
            EXPECT_THROW(lock.check(), Error);
        });
    }
}

}  // namespace
}  // namespace ailab::test
