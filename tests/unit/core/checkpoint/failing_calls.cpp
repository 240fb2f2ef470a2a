#include "failing_calls.hpp"

#include <fcntl.h>
#include <sys/types.h>

#include <cerrno>
#include <cstdarg>
#include <mutex>

namespace ailab::test {
namespace {

struct Plan {
    std::mutex mutex;
    std::string name;
    int nth = 0;
    bool for_good = false;
    int seen = 0;
    bool happened = false;
};

Plan& plan() {
    static Plan one;
    return one;
}

bool is_planned = false;  // atomic: whether there has been a plan

bool must_fail(const char* name) {
    Plan& p = plan();
    const std::lock_guard lock(p.mutex);
    if (p.name != name) return false;
    ++p.seen;
    const bool fails = p.seen == p.nth || (p.for_good && p.seen > p.nth);
    p.happened |= fails;
    if (fails) errno = p.name == "write" ? ENOSPC : EIO;
    return fails;
}

}  // namespace

FailingCall::FailingCall(const std::string& name, int nth, bool for_good) {
    __atomic_store_n(&is_planned, true, __ATOMIC_RELEASE);
    Plan& p = plan();
    const std::lock_guard lock(p.mutex);
    p.name = name;
    p.nth = nth;
    p.for_good = for_good;
    p.seen = 0;
    p.happened = false;
}

FailingCall::~FailingCall() {
    const std::lock_guard lock(plan().mutex);
    plan().name.clear();
}

bool FailingCall::happened() const {
    const std::lock_guard lock(plan().mutex);
    return plan().happened;
}

}  // namespace ailab::test

using ailab::test::is_planned;
using ailab::test::must_fail;

// A sanitizer makes the folder of its reports before anything that is instrumented may run.
#ifdef __clang__
#define AILAB_NOT_INSTRUMENTED __attribute__((disable_sanitizer_instrumentation))
#else
#define AILAB_NOT_INSTRUMENTED
#endif

extern "C" {
int __real_open(const char*, int, ...);
ssize_t __real_write(int, const void*, size_t);
int __real_fsync(int);
int __real_close(int);
int __real_rename(const char*, const char*);
int __real_renameat2(int, const char*, int, const char*, unsigned);
int __real_mkdir(const char*, mode_t);

int __wrap_open(const char* path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list list;
        va_start(list, flags);
        mode = va_arg(list, mode_t);
        va_end(list);
    }
    return must_fail("open") ? -1 : __real_open(path, flags, mode);
}
ssize_t __wrap_write(int file, const void* data, size_t size) {
    if (!must_fail("write")) return __real_write(file, data, size);
    if (size > 1) (void)__real_write(file, data, size / 2);
    errno = ENOSPC;
    return -1;
}
int __wrap_fsync(int file) {
    return must_fail("fsync") ? -1 : __real_fsync(file);
}
int __wrap_close(int file) {
    if (!must_fail("close")) return __real_close(file);
    __real_close(file);
    errno = EIO;
    return -1;
}
int __wrap_rename(const char* from, const char* to) {
    return must_fail("rename") ? -1 : __real_rename(from, to);
}
int __wrap_renameat2(int from_folder, const char* from, int to_folder, const char* to,
                     unsigned flags) {
    return must_fail("renameat2") ? -1 : __real_renameat2(from_folder, from, to_folder, to, flags);
}
AILAB_NOT_INSTRUMENTED int __wrap_mkdir(const char* path, mode_t mode) {
    if (!__atomic_load_n(&is_planned, __ATOMIC_ACQUIRE)) return __real_mkdir(path, mode);
    return must_fail("mkdir") ? -1 : __real_mkdir(path, mode);
}
}
