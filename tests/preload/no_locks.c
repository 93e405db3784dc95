// A file system without locks: flock fails with the error number $FLOCK_ERRNO, as on some network file systems.
#include <errno.h>
#include <stdlib.h>

int flock(int fd, int operation)
{
    (void)fd;
    (void)operation;
    errno = atoi(getenv("FLOCK_ERRNO"));
    return -1;
}
