// The client as a process beside the trainer: shell scripts stand in for it.
#include "wandb/uploader.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <chrono>
#include <thread>

#include "ailab/error.hpp"
#include "folder_test.hpp"

namespace ailab::wandb {
namespace {

class UploaderTest : public test::FolderTest {
  protected:
    std::string client(const std::string& script) const {
        const std::string file = path("client");
        write(file, "#!/bin/bash\n" + script);
        std::filesystem::permissions(file, std::filesystem::perms::owner_all);
        return file;
    }
    void start(const std::string& script) {
        uploader.start(client(script), path("run"), path("log"), {{"WANDB_DIR", "/where"}});
    }
    /// The first line that the client says.
    std::string words() const {
        for (int i = 0; i < 500; ++i) {
            const std::string text = read(path("log"));
            if (text.find('\n') != std::string::npos) return text.substr(0, text.find('\n'));
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return "";
    }
    static bool lives(pid_t process) {
        for (int i = 0; i < 300; ++i) {
            // A zombie that nobody waits for is dead.
            const std::string stat = read("/proc/" + std::to_string(process) + "/stat");
            if (stat.empty() || stat.find(") Z") != std::string::npos) return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return true;
    }

    Uploader uploader;
};

TEST_F(UploaderTest, GetsItsCommandAndEnvironment) {
    start("echo \"$* $WANDB_DIR\"\n");
    EXPECT_TRUE(uploader.wait(10));
    EXPECT_EQ(words(), "beta sync --live " + path("run") + " /where");
    EXPECT_FALSE(uploader.runs());
}

TEST_F(UploaderTest, TellsHowItEnded) {
    start("echo one\necho 'no API key' >&2\nexit 3\n");
    EXPECT_TRUE(uploader.wait(10));
    EXPECT_EQ(uploader.ending(), "with status 3: no API key");
    start("kill -9 $$\n");
    EXPECT_TRUE(uploader.wait(10));
    EXPECT_EQ(uploader.ending().substr(0, 11), "by signal 9");
}

TEST_F(UploaderTest, InheritsNoSignalsAndFiles) {
    const int file = open("/dev/zero", O_RDONLY);  // without O_CLOEXEC, as MPI's may be
    signal(SIGUSR1, SIG_IGN);
    sigset_t blocked;
    sigset_t before;
    sigfillset(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    start(
        "echo $(grep -E 'Sig(Blk|Ign)' /proc/self/status) $(ls -l /proc/$$/fd | grep -c "
        "/dev/zero)\n");
    sigset_t after;
    pthread_sigmask(SIG_SETMASK, &before, &after);
    signal(SIGUSR1, SIG_DFL);
    close(file);
    EXPECT_TRUE(sigismember(&after, SIGTERM));  // the trainer's own mask is as it was
    EXPECT_TRUE(uploader.wait(10));
    EXPECT_EQ(words(), "SigBlk: 0000000000000000 SigIgn: 0000000000000000 0");
}

TEST_F(UploaderTest, RunsOnAnyCoreWithALowerPriority) {
    cpu_set_t before;
    cpu_set_t first;
    CPU_ZERO(&first);
    sched_getaffinity(0, sizeof before, &before);
    for (size_t core = 0; CPU_COUNT(&first) == 0; ++core)
        if (CPU_ISSET(core, &before)) CPU_SET(core, &first);
    sched_setaffinity(0, sizeof first, &first);               // as mpirun does
    start("echo $(env -u OMP_NUM_THREADS nproc) $(nice)\n");  // which nproc would obey
    sched_setaffinity(0, sizeof before, &before);
    EXPECT_TRUE(uploader.wait(10));
    const int nice = std::min(19, 10 + getpriority(PRIO_PROCESS, 0));
    EXPECT_GE(std::stoi(words()), CPU_COUNT(&before));
    EXPECT_EQ(words().substr(words().find(' ') + 1), std::to_string(nice));
}

TEST_F(UploaderTest, IsStoppedWithAllThatItStarted) {
    start("sleep 1000 &\necho $!\nwait\n");
    const pid_t child = std::stoi(words());
    EXPECT_FALSE(uploader.wait(0.1));
    EXPECT_TRUE(uploader.runs());
    uploader.stop();
    EXPECT_FALSE(uploader.runs());
    EXPECT_FALSE(lives(child));
}

TEST_F(UploaderTest, IsKilledWhenItDoesNotListen) {
    start("trap '' TERM\necho $$\nwhile true; do sleep 0.1; done\n");
    const pid_t child = std::stoi(words());
    uploader.stop();
    EXPECT_FALSE(lives(child));
}

TEST_F(UploaderTest, DiesWithTheTrainer) {
    const std::string script = client("echo $$\nsleep 1000\n");
    const pid_t trainer = fork();
    if (trainer == 0) {
        Uploader own;
        own.start(script, path("run"), path("log"), {});
        pause();
        _exit(0);
    }
    const pid_t child = std::stoi(words());
    kill(trainer, SIGKILL);
    waitpid(trainer, nullptr, 0);
    EXPECT_FALSE(lives(child));
}

TEST_F(UploaderTest, SaysWhatCannotBeStarted) {
    EXPECT_THROW(uploader.start("/bin/true", path("run"), path("none/log"), {}), Error);
    uploader.start(path("none"), path("run"), path("log"), {});
    EXPECT_TRUE(uploader.wait(10));
    EXPECT_EQ(uploader.ending(), "with status 127");
}

}  // namespace
}  // namespace ailab::wandb
