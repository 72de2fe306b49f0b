/* vfs_impl.h - shared by vfs.c (what SQLite calls) and vfs_files.c (what lies on the disks) alone.
 */
#ifndef FARMHAND_TESTS_SIM_VFS_IMPL_H
#define FARMHAND_TESTS_SIM_VFS_IMPL_H

#include "tests/sim/rng.h"
#include "tests/sim/vfs.h"

#include <sqlite3.h>

#define FILES_MAX  256
#define DISKS_MAX  64
#define SECTOR     512
#define SHM_PAGES  64
#define NAME_BYTES 128

struct bytes {
    uint8_t *data;
    size_t len, cap;
};

/* A write or truncation since the last sync. */
struct unsynced {
    bool truncates;
    size_t at, len;
    size_t data; /* where its bytes begin in its file's log */
};

struct file {
    char name[NAME_BYTES];
    bool kept; /* a template */
    struct bytes now, durable;
    struct unsynced *pending;
    size_t pending_count, pending_cap;
    struct bytes log;     /* what they wrote, one after the other */
    void *shm[SHM_PAGES]; /* shared by the handles of one life of its disk */
    size_t shm_users;
};

struct disk {
    char name[32];
    enum vfs_trouble trouble;
    uint32_t fail_after;
    uint64_t epoch, syncs, failures;
};

struct handle {
    sqlite3_file base;
    char name[NAME_BYTES];
    struct disk *disk;
    uint64_t epoch;
    bool uses_shm;
};

struct vfs_all {
    struct file *files[FILES_MAX];
    size_t file_count;
    struct file *spares[FILES_MAX]; /* dropped: their memory serves the next file */
    size_t spare_count;
    struct disk disks[DISKS_MAX];
    size_t disk_count;
    vfs_on_sync *hook;
    void *arg;
    struct rng rng;
    bool registered;
    void **graves; /* shared memory that dead handles may still look at */
    size_t grave_count;
};

extern struct vfs_all vfs_all;

struct file *file_find(const char *name); /* NULL: none */
struct file *file_make(const char *name);
struct disk *disk_of(const char *path);
void file_drop(size_t at);
void file_sync(struct file *f);
void file_write(struct file *f, size_t at, const void *data, size_t len);
void file_truncate(struct file *f, size_t size);
void shm_bury(struct file *f);

#endif
