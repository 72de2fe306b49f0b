/* sync_count.c - counts what a program syncs to disk, and can leave it out: preloaded (LD_PRELOAD).
 *
 * BENCH_SYNCS=FILE  eight bytes, the count, in this machine's order
 * BENCH_NO_SYNC=1   counted, and not done: what the same would cost on a disk that needs no time
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int fsync(int fd);
int fdatasync(int fd);

static _Atomic uint64_t nowhere;
static _Atomic uint64_t *count = &nowhere;
static int (*real_fsync)(int), (*real_fdatasync)(int);
static int left_out;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("BENCH_SYNCS");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    left_out = getenv("BENCH_NO_SYNC") != NULL;
    if (fd >= 0 && ftruncate(fd, sizeof(*count)) == 0) {
        void *memory = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory != MAP_FAILED)
            count = memory;
    }
    if (fd >= 0)
        close(fd);
}

int fsync(int fd)
{
    atomic_fetch_add(count, 1);
    return left_out ? 0 : real_fsync(fd);
}

int fdatasync(int fd)
{
    atomic_fetch_add(count, 1);
    return left_out ? 0 : real_fdatasync(fd);
}
