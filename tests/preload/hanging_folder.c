// A network drive that no longer answers: every look at a path that begins with $HANGING_FOLDER waits for as long as the
// file $HANGING_FLAG exists.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void hang(const char *path)
{
    const char *folder = getenv("HANGING_FOLDER"), *flag = getenv("HANGING_FLAG");
    static int (*look)(const char *, int);
    if (folder == NULL || flag == NULL || path == NULL || strncmp(path, folder, strlen(folder)) != 0)
        return;
    if (look == NULL)
        look = dlsym(RTLD_NEXT, "access");
    while (look(flag, F_OK) == 0)
        usleep(20000);
}

#define LOOK(result, name, parameters, arguments)                                                                          \
    result name parameters                                                                                                 \
    {                                                                                                                      \
        static result(*real) parameters;                                                                                   \
        if (real == NULL)                                                                                                  \
            real = dlsym(RTLD_NEXT, #name);                                                                                \
        hang(path);                                                                                                        \
        return real arguments;                                                                                             \
    }

LOOK(int, stat, (const char *path, struct stat *found), (path, found))
LOOK(int, stat64, (const char *path, struct stat64 *found), (path, found))
LOOK(int, lstat, (const char *path, struct stat *found), (path, found))
LOOK(int, lstat64, (const char *path, struct stat64 *found), (path, found))
LOOK(int, access, (const char *path, int mode), (path, mode))
LOOK(int, chdir, (const char *path), (path))
LOOK(ssize_t, readlink, (const char *path, char *target, size_t size), (path, target, size))
LOOK(DIR *, opendir, (const char *path), (path))

#define OPEN(name)                                                                                                         \
    int name(const char *path, int flags, ...)                                                                             \
    {                                                                                                                      \
        static int (*real)(const char *, int, ...);                                                                        \
        va_list more;                                                                                                      \
        va_start(more, flags);                                                                                             \
        int mode = va_arg(more, int);                                                                                      \
        va_end(more);                                                                                                      \
        if (real == NULL)                                                                                                  \
            real = dlsym(RTLD_NEXT, #name);                                                                                \
        hang(path);                                                                                                        \
        return real(path, flags, mode);                                                                                    \
    }

OPEN(open)
OPEN(open64)
