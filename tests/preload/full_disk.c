// A full disk for some files: those in the folder $FULL_DISK_FOLDER whose path ends in $FULL_DISK_FILE (all if it is empty)
// cannot grow beyond $FULL_DISK_BYTES bytes.  If $FULL_DISK_FLAG is set, only while that file exists.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The number of bytes that a write of `size` bytes at `offset` (-1: at the current position) may still write.
static size_t room(int fd, size_t size, off_t offset)
{
    const char *flag = getenv("FULL_DISK_FLAG"), *name = getenv("FULL_DISK_FILE"), *limit = getenv("FULL_DISK_BYTES");
    const char *folder = getenv("FULL_DISK_FOLDER");
    char link[64], path[4096];
    struct stat file;
    int saved = errno;
    if ((flag != NULL && access(flag, F_OK) != 0) || name == NULL || fstat(fd, &file) != 0 || !S_ISREG(file.st_mode)) {
        errno = saved;
        return size;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length < 0)
        return size;
    path[length] = 0;
    size_t wanted = strlen(name);
    if (folder == NULL || strncmp(path, folder, strlen(folder)) != 0)
        return size;
    if ((size_t)length < wanted || strcmp(path + length - wanted, name) != 0)
        return size;
    off_t most = limit != NULL ? atol(limit) : 0, at = offset >= 0 ? offset : lseek(fd, 0, SEEK_CUR);
    if (fcntl(fd, F_GETFL) & O_APPEND)
        at = file.st_size;
    if (file.st_size > most)
        most = file.st_size; // what is there can be overwritten
    return at >= most ? 0 : (off_t)size > most - at ? (size_t)(most - at) : size;
}

static int is_full(int fd, size_t *size, off_t offset)
{
    size_t wanted = *size;
    *size = room(fd, wanted, offset);
    if (wanted > 0 && *size == 0)
        errno = ENOSPC;
    return wanted > 0 && *size == 0;
}

ssize_t write(int fd, const void *data, size_t size)
{
    static ssize_t (*real)(int, const void *, size_t);
    if (real == NULL)
        real = dlsym(RTLD_NEXT, "write");
    return is_full(fd, &size, -1) ? -1 : real(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (real == NULL)
        real = dlsym(RTLD_NEXT, "pwrite");
    return is_full(fd, &size, offset) ? -1 : real(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) { return pwrite(fd, data, size, offset); }

int posix_fallocate(int fd, off_t offset, off_t length)
{
    size_t one = 1;
    return is_full(fd, &one, offset + length - 1) ? ENOSPC : 0;
}

int posix_fallocate64(int fd, off64_t offset, off64_t length) { return posix_fallocate(fd, offset, length); }
