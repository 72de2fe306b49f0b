/* os_posix.c - see os.h: this machine, random bytes and files. Processes are in
 * os_process_posix.c. */
#include "common/os.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROC_FILE_MAX ((size_t)1 << 20)

/* ---- the machine ---- */

/* The first line of /proc/stat: ticks as user nice system idle iowait irq softirq steal, and two
 * that user and nice contain already. Source: proc(5). */
static enum error_code read_cpu(struct os_host *out, struct error *err)
{
    char *content = NULL;
    enum error_code code = os_read_file("/proc/stat", PROC_FILE_MAX, &content, NULL, err);
    if (code)
        return code;
    uint64_t t[8] = {0};
    int got = sscanf(content,
                     "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                     " %" SCNu64 " %" SCNu64,
                     &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]);
    free(content);
    if (got < 5)
        return error_set(err, ERR_UNAVAILABLE, "/proc/stat: no line of processor times");
    uint64_t total = 0;
    for (size_t i = 0; i < 8; i++)
        total += t[i];
    uint64_t ms_per_tick = 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
    out->cpu_total_ms = total * ms_per_tick;
    out->cpu_busy_ms = (total - t[3] - t[4]) * ms_per_tick;
    return ERR_NONE;
}

static bool find_kilobytes(const char *content, const char *name, uint64_t *out_bytes)
{
    const char *line = strstr(content, name);
    uint64_t kilobytes;
    if (!line || sscanf(line + strlen(name), " %" SCNu64 " kB", &kilobytes) != 1)
        return false;
    *out_bytes = kilobytes * 1024;
    return true;
}

static enum error_code read_memory(struct os_host *out, struct error *err)
{
    char *content = NULL;
    enum error_code code = os_read_file("/proc/meminfo", PROC_FILE_MAX, &content, NULL, err);
    if (code)
        return code;
    bool found = find_kilobytes(content, "MemTotal:", &out->memory_total_bytes) &&
                 find_kilobytes(content, "MemAvailable:", &out->memory_available_bytes);
    free(content);
    if (!found)
        return error_set(err, ERR_UNAVAILABLE, "/proc/meminfo: no MemTotal or MemAvailable");
    return ERR_NONE;
}

enum error_code os_host(struct os_host *out, struct error *err)
{
    struct os_host host = {0};
    enum error_code code = read_cpu(&host, err);
    if (!code)
        code = read_memory(&host, err);
    if (code)
        return code;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    host.processors = processors > 0 ? (uint32_t)processors : 1;
    host.uptime_ms = clock_boot_ms();
    *out = host;
    return ERR_NONE;
}

enum error_code os_boot_id(uint8_t out[16], struct error *err)
{
    static const char path[] = "/proc/sys/kernel/random/boot_id";
    char *content = NULL;
    enum error_code code = os_read_file(path, 128, &content, NULL, err);
    if (code)
        return code;
    char hex[33] = "";
    size_t len = 0;
    for (const char *c = content; *c && len < 32; c++)
        if (isxdigit((unsigned char)*c))
            hex[len++] = *c;
    free(content);
    if (!text_from_hex(hex, out, 16))
        return error_set(err, ERR_UNAVAILABLE, "%s: not a boot id", path);
    return ERR_NONE;
}

enum error_code os_hostname(char *out, size_t size_bytes, struct error *err)
{
    char name[256];
    if (gethostname(name, sizeof(name)) != 0)
        return error_errno(err, errno, "cannot read the name of this machine");
    name[sizeof(name) - 1] = '\0';
    if (strlen(name) >= size_bytes)
        return error_set(err, ERR_NOMEM, "the name of this machine, %s, is longer than %zu bytes",
                         name, size_bytes - 1);
    size_t i = 0;
    for (; name[i]; i++)
        out[i] = (char)tolower((unsigned char)name[i]);
    out[i] = '\0';
    return ERR_NONE;
}

enum error_code os_random(void *out, size_t len, struct error *err)
{
    char *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(err, errno, "cannot read random bytes");
        at += got;
        len -= (size_t)got;
    }
    return ERR_NONE;
}

/* ---- directories and files ---- */

static enum error_code make_one_dir(const char *path, unsigned mode, struct error *err)
{
    if (mkdir(path, mode) == 0)
        return ERR_NONE;
    int why = errno;
    struct stat info;
    if (why == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return ERR_NONE;
    if (why == EEXIST)
        return error_set(err, ERR_EXISTS, "%s is there and not a directory: move it away", path);
    return error_errno(err, why, "cannot make the directory %s", path);
}

enum error_code os_make_dir(const char *path, unsigned mode, struct error *err)
{
    if (!*path)
        return error_set(err, ERR_INVALID, "cannot make a directory without a name");
    char *parents = must_copy(path);
    enum error_code code = ERR_NONE;
    for (char *slash = strchr(parents + 1, '/'); slash && !code; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        code = make_one_dir(parents, 0755, err);
        *slash = '/';
    }
    free(parents);
    return code ? code : make_one_dir(path, mode, err);
}

enum error_code os_file_id(const char *path, struct os_file_id *out, struct error *err)
{
    struct stat info;
    if (stat(path, &info) == 0) {
        *out = (struct os_file_id){
            .modified_ns =
                (uint64_t)info.st_mtim.tv_sec * 1000000000u + (uint64_t)info.st_mtim.tv_nsec,
            .size_bytes = (uint64_t)info.st_size,
            .inode = (uint64_t)info.st_ino,
        };
        return ERR_NONE;
    }
    if (errno != ENOENT && errno != ENOTDIR)
        return error_errno(err, errno, "cannot look at %s", path);
    *out = (struct os_file_id){0};
    return ERR_NONE;
}

/* Reads fd to its end; the size that stat tells is 0 for files of /proc, so it is not used. */
static enum error_code read_all(int fd, const char *path, size_t max_bytes, struct text *content,
                                struct error *err)
{
    char piece[16384];
    for (;;) {
        ssize_t got = read(fd, piece, sizeof(piece));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(err, errno, "cannot read %s", path);
        if (got == 0)
            return ERR_NONE;
        if ((size_t)got > max_bytes - content->len)
            return error_set(err, ERR_NOMEM, "%s is larger than the %zu bytes allowed", path,
                             max_bytes);
        text_add_bytes(content, piece, (size_t)got);
    }
}

enum error_code os_read_file(const char *path, size_t max_bytes, char **out, size_t *out_len,
                             struct error *err)
{
    /* O_NONBLOCK: the open itself would wait for the other end of a pipe. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return error_errno(err, errno, "cannot open %s", path);
    struct text content = {0};
    enum error_code code = ERR_NONE;
    struct stat info;
    if (fstat(fd, &info) != 0)
        code = error_errno(err, errno, "cannot look at %s", path);
    else if (!S_ISREG(info.st_mode) && !S_ISCHR(info.st_mode))
        code = error_set(err, ERR_INVALID, "%s is not a file", path);
    else
        code = read_all(fd, path, max_bytes, &content, err);
    close(fd);
    if (code) {
        text_reset(&content);
        return code;
    }
    if (out_len)
        *out_len = content.len;
    *out = text_take(&content);
    return ERR_NONE;
}

static enum error_code write_all(int fd, const char *path, const char *bytes, size_t len,
                                 struct error *err)
{
    while (len > 0) {
        ssize_t done = write(fd, bytes, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return error_errno(err, errno, "cannot write %s", path);
        bytes += done;
        len -= (size_t)done;
    }
    return ERR_NONE;
}

static enum error_code sync_directory_of(const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    char *dir = must_copy(slash ? path : ".");
    if (slash)
        dir[slash == path ? 1 : slash - path] = '\0';
    enum error_code code = ERR_NONE;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Some file systems cannot sync a directory and say EINVAL: nothing better is to be had. */
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
        code = error_errno(err, errno, "cannot sync the directory %s", dir);
    if (fd >= 0)
        close(fd);
    free(dir);
    return code;
}

enum error_code os_read_at(const char *path, uint64_t offset, void *out, size_t size, size_t *got,
                           struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_errno(err, errno, "cannot open %s", path);
    enum error_code code = ERR_NONE;
    size_t done = 0;
    while (!code && done < size) {
        ssize_t part = pread(fd, (char *)out + done, size - done, (off_t)(offset + done));
        if (part < 0 && errno != EINTR)
            code = error_errno(err, errno, "cannot read %s", path);
        else if (part == 0)
            break;
        done += part > 0 ? (size_t)part : 0;
    }
    close(fd);
    if (!code)
        *got = done;
    return code;
}

enum error_code os_move_file(const char *from, const char *to, struct error *err)
{
    if (rename(from, to) != 0)
        return error_errno(err, errno, "cannot rename %s to %s", from, to);
    return sync_directory_of(to, err);
}

enum error_code os_remove_file(const char *path, struct error *err)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return ERR_NONE;
    return error_errno(err, errno, "cannot remove %s", path);
}

/* Fills the new file; closes fd in any case, since close can tell of a failed write as well. */
static enum error_code fill_new(int fd, const char *path, const void *bytes, size_t len,
                                unsigned mode, struct error *err)
{
    enum error_code code = write_all(fd, path, bytes, len, err);
    if (!code && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
        code = error_errno(err, errno, "cannot write %s", path);
    if (close(fd) != 0 && !code)
        code = error_errno(err, errno, "cannot write %s", path);
    return code;
}

enum error_code os_write_file(const char *path, const void *bytes, size_t len, unsigned mode,
                              struct error *err)
{
    struct text beside = {0};
    text_addf(&beside, "%s.new.XXXXXX", path);
    enum error_code code;
    int fd = mkostemp(beside.data, O_CLOEXEC);
    if (fd < 0) {
        code = error_errno(err, errno, "cannot make a file beside %s", path);
        goto out;
    }
    code = fill_new(fd, path, bytes, len, mode, err);
    if (!code && rename(beside.data, path) != 0)
        code = error_errno(err, errno, "cannot rename %s to %s", beside.data, path);
    if (code)
        unlink(beside.data);
    else
        code = sync_directory_of(path, err);
out:
    text_reset(&beside);
    return code;
}

/* ---- the lock ---- */

static enum error_code held_by_other(int fd, const char *path, struct error *err)
{
    char holder[16] = "";
    ssize_t got = pread(fd, holder, sizeof(holder) - 1, 0);
    uint64_t pid;
    if (got > 0)
        holder[strcspn(holder, "\n")] = '\0';
    if (got > 0 && text_parse_u64(holder, 1, UINT32_MAX, &pid))
        return error_set(err, ERR_EXISTS, "%s is held by process %" PRIu64 ": it runs already",
                         path, pid);
    return error_set(err, ERR_EXISTS, "%s is held by another process: it runs already", path);
}

enum error_code os_lock_file(const char *path, struct error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_errno(err, errno, "cannot open the lock file %s", path);
    enum error_code code = ERR_NONE;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        code = errno == EWOULDBLOCK ? held_by_other(fd, path, err)
                                    : error_errno(err, errno, "cannot lock %s", path);
        goto out;
    }
    char pid[16];
    text_format(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0)
        code = error_errno(err, errno, "cannot write %s", path);
    else
        code = write_all(fd, path, pid, strlen(pid), err);
out:
    if (code)
        close(fd);
    return code; /* on success the descriptor stays open: it is the lock */
}
