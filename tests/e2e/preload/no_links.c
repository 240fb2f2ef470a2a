/* With LD_PRELOAD: a file system without symbolic links (FAT, some network shares). */
#include <errno.h>

int symlink(const char* target, const char* path) {
    (void)target;
    (void)path;
    errno = EPERM;
    return -1;
}
