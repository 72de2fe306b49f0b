/* files_memory.h - in place of files.c, for programs that link files_memory.c: the farm's directory
 * is a disk in memory (tests/sim/vfs.h), emptied by vfs_reset. Of files.h there are files_open,
 * files_close and files_path. */
#ifndef FARMHAND_TESTS_COORDINATOR_STORE_FILES_MEMORY_H
#define FARMHAND_TESTS_COORDINATOR_STORE_FILES_MEMORY_H

#include "tests/sim/vfs.h"
#include "tests/unit/coordinator_store/files.h"

#define FILES_DISK "centre" /* that disk's name, for vfs_set_trouble */

#endif
