/* With LD_PRELOAD: counts the system calls of a program on files whose path contains
 * AILAB_CALLS_UNDER, over all of its processes and threads, and lets the one of number
 * AILAB_CALLS_AT fail.
 *
 * AILAB_CALLS_COUNTER  a file of 8 bytes that holds the count; all processes share it
 * AILAB_CALLS_LOG      a file to which each call is added, as "<number> <call> <path>"
 * AILAB_CALLS_AT       the number of the call, from 1; 0 or nothing: none
 * AILAB_CALLS_DO       ENOSPC, EIO, EINTR; short (a write or read of half of the bytes); pause (the process
 * stands still there, for one minute; the file named by AILAB_CALLS_LOG tells) AILAB_CALLS_ONWARDS
 * 1: all calls from there on (a full disk), not that one alone
 *
 * What the C library calls for itself (fwrite, statvfs) does not come through here; fopen does. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static atomic_long* counter;
static int log_file = -1;
static const char* under;
static long fail_at;
static const char* what_to_do = "";
static int onwards;

__attribute__((constructor)) static void begin(void) {
    const char* counter_path = getenv("AILAB_CALLS_COUNTER");
    const char* folder = getenv("AILAB_CALLS_UNDER");
    if (!counter_path || !folder || !*folder) return;
    const int file =
        (int)syscall(SYS_openat, AT_FDCWD, counter_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0 || syscall(SYS_ftruncate, file, (long)sizeof(atomic_long)) != 0) abort();
    void* shared = (void*)syscall(SYS_mmap, NULL, sizeof(atomic_long), PROT_READ | PROT_WRITE,
                                  MAP_SHARED, file, 0L);
    if (shared == MAP_FAILED) abort();
    syscall(SYS_close, file);
    const char* log_path = getenv("AILAB_CALLS_LOG");
    if (log_path)
        log_file = (int)syscall(SYS_openat, AT_FDCWD, log_path,
                                O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (getenv("AILAB_CALLS_AT")) fail_at = atol(getenv("AILAB_CALLS_AT"));
    if (getenv("AILAB_CALLS_DO")) what_to_do = getenv("AILAB_CALLS_DO");
    onwards = getenv("AILAB_CALLS_ONWARDS") && atoi(getenv("AILAB_CALLS_ONWARDS"));
    counter = shared;
    under = folder;
}

enum outcome { go_on, fail, half };

/* Whether a call on this path fails; errno is set then. Halves only what can be done in part. */
static enum outcome reach(const char* call, const char* path, int divisible) {
    if (!under || !path || !strstr(path, under)) return go_on;
    const int saved = errno;
    const long number = atomic_fetch_add(counter, 1) + 1;
    if (log_file >= 0) {
        char line[PATH_MAX + 64];
        const int size = snprintf(line, sizeof line, "%ld %s %s\n", number, call, path);
        syscall(SYS_write, log_file, line, (long)size);
    }
    errno = saved;
    if (fail_at == 0 || number < fail_at || (number > fail_at && !onwards)) return go_on;
    if (strcmp(what_to_do, "pause") == 0) {
        const struct timespec minute = {60, 0};
        nanosleep(&minute, NULL);
        return go_on;
    }
    if (strcmp(what_to_do, "short") == 0) return divisible ? half : go_on;
    /* What only reads needs no space. */
    const int reads = strcmp(call, "open") == 0 || strcmp(call, "mmap") == 0 ||
                      strstr(call, "statfs") || strstr(call, "read");
    if (strcmp(what_to_do, "ENOSPC") == 0 && reads) return go_on;
    errno = strcmp(what_to_do, "EIO") == 0     ? EIO
            : strcmp(what_to_do, "EINTR") == 0 ? EINTR
                                               : ENOSPC;
    return fail;
}

static enum outcome reach_file(const char* call, int file, int divisible) {
    if (!under) return go_on;
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    const int saved = errno;
    const long size = syscall(SYS_readlinkat, AT_FDCWD, link, path, (long)sizeof path - 1);
    errno = saved;
    if (size <= 0) return go_on;
    path[size] = '\0';
    return reach(call, path, divisible);
}

static int open_at(int folder, const char* path, int flags, va_list arguments) {
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    const char* call = flags & O_CREAT ? "create" : "open";
    if (reach(call, path, 0) == fail) return -1;
    return (int)syscall(SYS_openat, folder, path, flags, mode);
}

#define OPEN(name)                                                  \
    int name(const char* path, int flags, ...) {                    \
        va_list arguments;                                          \
        va_start(arguments, flags);                                 \
        const int file = open_at(AT_FDCWD, path, flags, arguments); \
        va_end(arguments);                                          \
        return file;                                                \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                              \
    int name(int folder, const char* path, int flags, ...) {      \
        va_list arguments;                                        \
        va_start(arguments, flags);                               \
        const int file = open_at(folder, path, flags, arguments); \
        va_end(arguments);                                        \
        return file;                                              \
    }
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name)                                                                                \
    FILE* name(const char* path, const char* mode) {                                               \
        static FILE* (*real)(const char*, const char*);                                            \
        if (!real) real = (FILE * (*)(const char*, const char*)) dlsym(RTLD_NEXT, #name);          \
        return reach(*mode == 'r' ? "open" : "create", path, 0) == fail ? NULL : real(path, mode); \
    }
FOPEN(fopen)
FOPEN(fopen64)

ssize_t write(int file, const void* data, size_t size) {
    const enum outcome outcome = reach_file("write", file, size > 1);
    if (outcome == fail) return -1;
    return syscall(SYS_write, file, data, outcome == half ? size / 2 : size);
}

#define PWRITE(name)                                                                     \
    ssize_t name(int file, const void* data, size_t size, off64_t at) {                  \
        const enum outcome outcome = reach_file("pwrite", file, size > 1);               \
        if (outcome == fail) return -1;                                                  \
        return syscall(SYS_pwrite64, file, data, outcome == half ? size / 2 : size, at); \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t read(int file, void* data, size_t size) {
    const enum outcome outcome = reach_file("read", file, size > 1);
    if (outcome == fail) return -1;
    return syscall(SYS_read, file, data, outcome == half ? size / 2 : size);
}

#define PREAD(name)                                                                     \
    ssize_t name(int file, void* data, size_t size, off64_t at) {                       \
        const enum outcome outcome = reach_file("pread", file, size > 1);               \
        if (outcome == fail) return -1;                                                 \
        return syscall(SYS_pread64, file, data, outcome == half ? size / 2 : size, at); \
    }
PREAD(pread)
PREAD(pread64)

ssize_t writev(int file, const struct iovec* parts, int count) {
    const enum outcome outcome = reach_file("writev", file, count > 0 && parts[0].iov_len > 1);
    if (outcome == fail) return -1;
    if (outcome == half) return syscall(SYS_write, file, parts[0].iov_base, parts[0].iov_len / 2);
    return syscall(SYS_writev, file, parts, (long)count);
}

int fsync(int file) {
    return reach_file("fsync", file, 0) == fail ? -1 : (int)syscall(SYS_fsync, file);
}
int fdatasync(int file) {
    return reach_file("fdatasync", file, 0) == fail ? -1 : (int)syscall(SYS_fdatasync, file);
}

/* A failed close() has closed the file all the same. */
int close(int file) {
    const enum outcome outcome = reach_file("close", file, 0);
    const int error = errno;
    const int result = (int)syscall(SYS_close, file);
    if (outcome != fail) return result;
    errno = error;
    return -1;
}

int rename(const char* from, const char* to) {
    return reach("rename", to, 0) == fail
               ? -1
               : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
    if (reach("renameat2", to, 0) == fail) return -1;
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}
int unlinkat(int folder, const char* path, int flags) {
    return reach("unlinkat", path, 0) == fail ? -1
                                              : (int)syscall(SYS_unlinkat, folder, path, flags);
}
int unlink(const char* path) {
    return unlinkat(AT_FDCWD, path, 0);
}
int rmdir(const char* path) {
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}
int remove(const char* path) {
    struct stat status;
    const int is_folder = syscall(SYS_newfstatat, AT_FDCWD, path, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                          S_ISDIR(status.st_mode);
    return unlinkat(AT_FDCWD, path, is_folder ? AT_REMOVEDIR : 0);
}
int mkdir(const char* path, mode_t mode) {
    return reach("mkdir", path, 0) == fail ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}
int link(const char* from, const char* to) {
    return reach("link", to, 0) == fail ? -1
                                        : (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int symlink(const char* target, const char* path) {
    return reach("symlink", path, 0) == fail ? -1
                                             : (int)syscall(SYS_symlinkat, target, AT_FDCWD, path);
}
int ftruncate(int file, off_t size) {
    return reach_file("ftruncate", file, 0) == fail ? -1 : (int)syscall(SYS_ftruncate, file, size);
}
int ftruncate64(int file, off64_t size) {
    return reach_file("ftruncate", file, 0) == fail ? -1 : (int)syscall(SYS_ftruncate, file, size);
}
int posix_fallocate(int file, off_t at, off_t size) {
    if (reach_file("posix_fallocate", file, 0) == fail) return errno;
    return syscall(SYS_fallocate, file, 0, at, size) == 0 ? 0 : errno;
}
int fstatfs(int file, struct statfs* status) {
    return reach_file("fstatfs", file, 0) == fail ? -1 : (int)syscall(SYS_fstatfs, file, status);
}
int statfs(const char* path, struct statfs* status) {
    return reach("statfs", path, 0) == fail ? -1 : (int)syscall(SYS_statfs, path, status);
}

#define MMAP(name)                                                                            \
    void* name(void* address, size_t size, int protection, int flags, int file, off64_t at) { \
        if (file >= 0 && reach_file("mmap", file, 0) == fail) return MAP_FAILED;              \
        return (void*)syscall(SYS_mmap, address, size, protection, flags, file, at);          \
    }
MMAP(mmap)
MMAP(mmap64)
