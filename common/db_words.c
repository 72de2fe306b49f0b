/* db_words.c - what SQLite says, in our words. See db_internal.h. */
#include "common/db_internal.h"

#include "common/os.h"
#include "common/system.h"
#include "common/text.h"

#include <string.h>

#define PATH_BYTES_MAX 4096

static enum error_code code_of_open(int number)
{
    enum error_code code = system_code(number);
    bool tells = code == ERR_DENIED || code == ERR_NOT_FOUND || code == ERR_FULL;
    return tells ? code : ERR_IO;
}

/* A quota and a limit on the size of files arrive as I/O errors; SQLITE_FULL is a full disk alone.
 */
static enum error_code code_of_io(int rc, int number)
{
    if (rc == SQLITE_IOERR_NOMEM)
        return ERR_NOMEM;
    return system_code(number) == ERR_FULL ? ERR_FULL : ERR_IO;
}

enum error_code db_code_of(int rc, int number)
{
    if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
        rc == SQLITE_CONSTRAINT_ROWID)
        return ERR_EXISTS;
    switch (rc & 0xFF) {
    case SQLITE_OK:
        return ERR_NONE;
    case SQLITE_FULL:
        return ERR_FULL;
    case SQLITE_IOERR:
        return code_of_io(rc, number);
    case SQLITE_CANTOPEN:
        return code_of_open(number);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return ERR_DENIED;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return ERR_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
        return ERR_CORRUPT;
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
        return ERR_NOMEM;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return ERR_INVALID;
    default:
        return ERR_IO;
    }
}

const char *db_advice(enum error_code code)
{
    switch (code) {
    case ERR_FULL:
        return "no space is left: free some on the file system it lies on, then it goes on by "
               "itself";
    case ERR_DENIED:
        return "give this program's user the right to write the file and its directory, and see "
               "that the file system is not mounted read-only";
    case ERR_NOT_FOUND:
        return "make its directory first";
    case ERR_BUSY:
        return "another process holds it: close whatever has the file open";
    case ERR_CORRUPT:
        return "the file is damaged: move it away with its -wal and -shm, and put a backup in its "
               "place";
    case ERR_IO:
        return "the disk or file system failed: see the system's log";
    case ERR_NONE:
    case ERR_INVALID:
    case ERR_EXISTS:
    case ERR_STATE:
    case ERR_TIMEOUT:
    case ERR_UNREACHABLE:
    case ERR_UNAVAILABLE:
    case ERR_NEWER:
    case ERR_NOMEM:
        return NULL;
    }
    return NULL;
}

/* What the system said to SQLite in the call that failed with rc. SQLite keeps it after a step, but
 * not after a commit; then it is still there, since it was cleared before. */
static int system_error(const struct db *db, int rc)
{
    if ((rc & 0xFF) != SQLITE_IOERR && (rc & 0xFF) != SQLITE_CANTOPEN)
        return 0;
    int number = system_number();
    return number != 0 ? number : sqlite3_system_errno(db->handle);
}

/* SQLite tries to read what it may not create, and tells ENOENT for that second try: where the
 * directory is there, the first one was denied. */
static bool may_not_create(const struct db *db, int rc, int number)
{
    char dir[PATH_BYTES_MAX];
    struct os_file_id id = {0};
    if ((rc & 0xFF) != SQLITE_CANTOPEN || system_code(number) != ERR_NOT_FOUND ||
        !text_copy(dir, sizeof(dir), db->path))
        return false;
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir ? 1 : 0] = '\0';
    return os_file_id(slash ? dir : ".", &id, NULL) == ERR_NONE && id.inode != 0;
}

enum error_code db_fail(const struct db *db, int rc, const char *what, struct error *err)
{
    int number = system_error(db, rc);
    if (may_not_create(db, rc, number))
        number = system_denied;
    enum error_code code = db_code_of(rc, number);
    const char *advice = db_advice(code);
    char system[128] = ", ";
    if (number != 0)
        system_words(number, system + 2, sizeof(system) - 2);
    else
        system[0] = '\0';
    return error_set(err, code, "%s: cannot %s: %s (SQLite code %d%s)%s%s", db->path, what,
                     sqlite3_errmsg(db->handle), rc, system, advice ? "; " : "",
                     advice ? advice : "");
}
