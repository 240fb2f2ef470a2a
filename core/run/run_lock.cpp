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

#include "ailab/error.hpp"
#include "host/start_thread.hpp"

namespace ailab {

namespace {

constexpr std::chrono::seconds touched_every{10};
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
    ~Keeper() {
        {
            const std::lock_guard guard(mutex);
            ends = true;
        }
        changed.notify_all();
        if (toucher.joinable()) toucher.join();
        if (file >= 0) {
            if (held) unlink(path.c_str());
            close(file);
        }
    }

    /// "", or who has it.
    std::string take(const std::string& run_dir) {
        path = run_dir + "/.lock";
        file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (file < 0) throw Error(concat("cannot write ", path, ": ", std::strerror(errno)));
        const std::string owner = content_of(file);
        struct flock lock {};
        lock.l_type = F_WRLCK;
        lock.l_whence = SEEK_SET;
        if (fcntl(file, F_OFD_SETLK, &lock) != 0 && (errno == EAGAIN || errno == EACCES))
            return owner.empty() ? "another process" : owner;
        struct stat info {};
        const bool elsewhere = !owner.empty() && owner.find("host " + host() + ",") != 0;
        if (elsewhere && fstat(file, &info) == 0 &&
            time(nullptr) - info.st_mtim.tv_sec < alive_within)
            return owner;
        const std::string mine = concat("host ", host(), ", process ", int64_t(getpid()));
        if (ftruncate(file, 0) != 0 ||
            pwrite(file, mine.data(), mine.size(), 0) != ssize_t(mine.size()))
            throw Error(concat("cannot write ", path, ": ", std::strerror(errno)));
        held = true;
        toucher = start_thread("ailab-lock", [this] { touch(); });
        return "";
    }

    void touch() {
        std::unique_lock guard(mutex);
        while (!changed.wait_for(guard, touched_every, [this] { return ends; }))
            futimens(file, nullptr);
    }

    std::string path;
    int file = -1;
    bool held = false;
    std::thread toucher;
    std::mutex mutex;
    std::condition_variable changed;
    bool ends = false;
};

RunLock::RunLock(const std::string& run_dir, Comm& comm) {
    std::string outcome;
    if (comm.rank() == 0) {
        keeper_ = std::make_unique<Keeper>();
        try {
            if (const std::string owner = keeper_->take(run_dir); !owner.empty())
                outcome =
                    concat("the run in ", run_dir, " is still alive (", owner,
                           "); two processes must not go on with the same run. End it, or, if "
                           "it is gone, remove ",
                           run_dir, "/.lock");
        } catch (const std::exception& error) {
            outcome = error.what();
        }
    }
    outcome = comm.broadcast_text(outcome);
    if (!outcome.empty()) throw Error(outcome);
}

RunLock::~RunLock() = default;

bool is_run_alive(const std::string& run_dir) {
    const int file = open((run_dir + "/.lock").c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return false;
    struct flock lock {};
    lock.l_type = F_RDLCK;
    lock.l_whence = SEEK_SET;
    struct stat info {};
    const bool locked = fcntl(file, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    const bool elsewhere = content_of(file).find("host " + host() + ",") != 0;
    const bool touched =
        fstat(file, &info) == 0 && time(nullptr) - info.st_mtim.tv_sec < alive_within;
    close(file);
    return locked || (elsewhere && touched);
}

}  // namespace ailab
