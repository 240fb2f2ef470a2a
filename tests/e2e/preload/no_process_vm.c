/* A container whose seccomp profile forbids reading another process's memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/uio.h>

static ssize_t refused(void) {
    errno = EPERM;
    return -1;
}

ssize_t process_vm_readv(pid_t process, const struct iovec* local, unsigned long local_count,
                         const struct iovec* remote, unsigned long remote_count,
                         unsigned long flags) {
    (void)process, (void)local, (void)local_count, (void)remote, (void)remote_count, (void)flags;
    return refused();
}

ssize_t process_vm_writev(pid_t process, const struct iovec* local, unsigned long local_count,
                          const struct iovec* remote, unsigned long remote_count,
                          unsigned long flags) {
    (void)process, (void)local, (void)local_count, (void)remote, (void)remote_count, (void)flags;
    return refused();
}
