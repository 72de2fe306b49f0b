/* files.h - a directory per test, and files in it. */
#ifndef FARMHAND_TESTS_COORDINATOR_STORE_FILES_H
#define FARMHAND_TESTS_COORDINATOR_STORE_FILES_H

#include <stdbool.h>
#include <stddef.h>

#define FILES_PATH_MAX 256

struct files {
    char dir[FILES_PATH_MAX];
};

void files_open(struct files *f);
void files_close(struct files *f); /* removes everything */
/* The path of a file in it; lent until the 8th next call. */
const char *files_path(const struct files *f, const char *name);
/* Changes the file by SQL, as a person with a shell would. */
void files_sql(const char *path, const char *sql);
/* Everything in it, malloc'd. */
unsigned char *files_read(const char *path, size_t *out_len);
void files_overwrite(const char *path, size_t offset, const char *bytes);
/* Rows of the audit trail in its state.db for an action. */
int files_audited(const struct files *f, const char *action);
/* No file of this process grows past a page while it is: what a full disk does to a store. */
void files_disk_is_full(bool on);

#endif
