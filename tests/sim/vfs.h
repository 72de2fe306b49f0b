/* vfs.h - disks for SQLite that live in memory, forget what was not synced, and fail on demand.
 *
 * A file belongs to the disk that its path begins with: "web01/journal.db" lies on disk "web01".
 * vfs_crash() is the moment at which a process with its machine dies: writes since the last sync
 * are each kept, lost or torn by chance, and every handle that was open on that disk is dead (reads
 * and writes through it fail and change nothing), so that a store can still be closed in an orderly
 * way afterwards without a trace. Locks are not kept: connections to one file must take turns.
 * Registered as SQLite's default VFS; one thread.
 */
#ifndef FARMHAND_TESTS_SIM_VFS_H
#define FARMHAND_TESTS_SIM_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VFS_NAME "sim"

void vfs_register(void);
/* Empties all disks; SQLite's own randomness begins anew from the seed. */
void vfs_reset(uint64_t seed);

enum vfs_trouble {
    VFS_FINE,
    VFS_FULL,      /* nothing more can be written */
    VFS_READ_ONLY, /* the same, told otherwise */
    VFS_BROKEN,    /* every write and sync fails */
};
void vfs_set_trouble(const char *disk, enum vfs_trouble trouble);
/* After so many more writes and syncs, one fails; 0: never. */
void vfs_fail_after(const char *disk, uint32_t operations);

void vfs_crash(const char *disk, uint64_t chance);

/* Called before and after every sync: true means that the machine dies there (the hook has called
 * vfs_crash), and the sync fails. */
typedef bool vfs_on_sync(void *arg, const char *disk, bool before);
void vfs_watch(vfs_on_sync *hook, void *arg);

/* Grows with each sync of that disk: nothing durable has changed while it stands still. */
uint64_t vfs_syncs(const char *disk);
/* Grows with each write or sync that failed. */
uint64_t vfs_failures(const char *disk);
/* True: what is committed there would survive a crash now. */
bool vfs_is_synced(const char *disk);
/* What would survive a crash of `from` now (or, not durable, what its process sees), as files of
 * the same names on `to`, which is emptied first. */
void vfs_copy(const char *from, const char *to, bool durable);
void vfs_wipe(const char *disk);
void vfs_end(void); /* frees all */
/* Template files, kept over vfs_reset. */
void vfs_keep(const char *path);
void vfs_put_kept(const char *kept_path, const char *path);

#endif
