#include "run_lock.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <ctime>
#include <mutex>
#include <thread>
#include <utility>

#include "ailab/error.hpp"
#include "ailab/support/file_descriptor.hpp"
#include "support/start_thread.hpp"

namespace ailab {

namespace {

constexpr std::chrono::seconds looked_every{1};
constexpr int looks_a_touch = 10;
/// A clock of another host may be a little off, and a network file system slow.
constexpr int64_t alive_within = 60;  // s

std::string host() {
    char name[256] = {};
    gethostname(name, sizeof name - 1);
    return name;
}

std::string content_of(int file) {
    char text[512] = {};
    const ssize_t n = pread(file, text, sizeof text - 1, 0);
    return n > 0 ? std::string(text, size_t(n)) : std::string();
}

}  // namespace

struct RunLock::Keeper {
    explicit Keeper(const std::string& folder) : run_dir(folder), path(folder + "/.lock") {}
    ~Keeper() {
        {
            const std::lock_guard guard(mutex);
            ends = true;
        }
        changed.notify_all();
        if (toucher.joinable()) toucher.join();
        if (held) unlink(path.c_str());
    }

    /// "", or who has it.
    std::string take() {
        // The one who had it removes the file in the end, and it may be that file that was opened.
        for (int attempt = 0; attempt < 100 && !open_and_lock(); ++attempt)
            if (!owner.empty()) return owner;
        struct stat info {};
        const bool elsewhere = !owner.empty() && owner.find("host " + host() + ",") != 0;
        if (elsewhere && fstat(file.get(), &info) == 0 &&
            time(nullptr) - info.st_mtim.tv_sec < alive_within)
            return owner;
        const std::string mine = concat("host ", host(), ", process ", int64_t(getpid()));
        if (ftruncate(file.get(), 0) != 0 ||
            pwrite(file.get(), mine.data(), mine.size(), 0) != ssize_t(mine.size()))
            throw Error(concat("cannot write ", path, ": ", std::strerror(errno)));
        held = true;
        return "";
    }

    /// Says that the run is alive until this goes.
    void keep(std::function<void(const std::string&)> vanished) {
        toucher = start_thread("ailab-lock", [this, vanished] { watch(vanished); });
    }

    /// What is wrong with the folder, or "".
    std::string what_vanished() const {
        // A file system that does not answer, or shows an old state, tells nothing.
        const auto is_gone = [](const std::string& name) {
            struct stat info {};
            return stat(name.c_str(), &info) != 0 && (errno == ENOENT || errno == ENOTDIR);
        };
        if (!is_gone(path) || !is_gone(run_dir + "/config.yaml")) return "";
        return concat("the run's folder ", run_dir,
                      " was removed or moved while the run uses it: its logs and checkpoints are "
                      "not there any more");
    }

  private:
    /// False when the file is to be opened anew, or another process has it: `owner`.
    bool open_and_lock() {
        file = FileDescriptor(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
        if (!file) throw Error(concat("cannot write ", path, ": ", std::strerror(errno)));
        owner = content_of(file.get());
        struct flock lock {};
        lock.l_type = F_WRLCK;
        lock.l_whence = SEEK_SET;
        if (fcntl(file.get(), F_OFD_SETLK, &lock) != 0 && (errno == EAGAIN || errno == EACCES)) {
            if (owner.empty()) owner = "another process";
            return false;
        }
        struct stat opened {
        }, there{};
        owner = content_of(file.get());
        const bool is_there = fstat(file.get(), &opened) == 0 && stat(path.c_str(), &there) == 0 &&
                              opened.st_ino == there.st_ino;
        if (!is_there) owner.clear();
        return is_there;
    }

    void watch(const std::function<void(const std::string&)>& vanished) {
        std::unique_lock guard(mutex);
        for (int looks = 1; !changed.wait_for(guard, looked_every, [this] { return ends; });
             ++looks) {
            if (const std::string text = what_vanished(); !text.empty()) {
                guard.unlock();
                vanished(text);
                return;
            }
            if (looks % looks_a_touch == 0) futimens(file.get(), nullptr);
        }
    }

    const std::string run_dir, path;
    std::string owner;
    FileDescriptor file;
    bool held = false;
    std::thread toucher;
    std::mutex mutex;
    std::condition_variable changed;
    bool ends = false;
};

RunLock::RunLock(const std::string& run_dir, Comm& comm,
                 std::function<void(const std::string&)> vanished) {
    std::string outcome;
    if (comm.rank() == 0) {
        keeper_ = std::make_unique<Keeper>(run_dir);
        try {
            if (const std::string owner = keeper_->take(); !owner.empty())
                outcome =
                    concat("the run in ", run_dir, " is still alive (", owner,
                           "); two processes must not go on with the same run. End it, or, if "
                           "it is gone, remove ",
                           run_dir, "/.lock");
            else
                keeper_->keep(std::move(vanished));
        } catch (const std::exception& error) {
            outcome = error.what();
        }
    }
    outcome = comm.broadcast_text(outcome);
    if (!outcome.empty()) throw Error(outcome);
}

void RunLock::check() const {
    if (!keeper_) return;
    if (const std::string text = keeper_->what_vanished(); !text.empty()) throw Error(text);
}

bool with_dead_run(const std::string& run_dir, const std::function<void()>& work) {
    RunLock::Keeper keeper(run_dir);
    if (!keeper.take().empty()) return false;
    work();
    return true;
}

RunLock::~RunLock() = default;

bool is_run_alive(const std::string& run_dir) {
    const FileDescriptor file(
        open((run_dir + "/.lock").c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file) return false;
    struct flock lock {};
    lock.l_type = F_RDLCK;
    lock.l_whence = SEEK_SET;
    struct stat info {};
    const bool locked = fcntl(file.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    const bool elsewhere = content_of(file.get()).find("host " + host() + ",") != 0;
    const bool touched =
        fstat(file.get(), &info) == 0 && time(nullptr) - info.st_mtim.tv_sec < alive_within;
    return locked || (elsewhere && touched);
}

}  // namespace ailab
