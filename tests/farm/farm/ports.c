/* ports.c - see ports.h. Notes are read and written under one lock, held for that moment alone. */
#include "tests/farm/farm/ports.h"

#include "common/os.h"
#include "common/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FIRST  12000u
#define BLOCK  80u
#define BLOCKS 256u /* up to port 32479; outgoing connections begin at 32768 (ip(7)) */

static void folder(char out[64])
{
    text_format(out, 64, "/tmp/lab-farm-ports-%u", (unsigned)getuid());
}

static void note_path(char out[96], unsigned base)
{
    char dir[64];
    folder(dir);
    text_format(out, 96, "%s/%u", dir, base);
}

static int lock(struct error *err)
{
    char dir[64], path[96];
    folder(dir);
    if (os_make_dir(dir, 0700, err) != ERR_NONE)
        return -1;
    text_format(path, sizeof(path), "%s/lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) != 0)
        error_errno(err, errno, "lock %s", path);
    return fd;
}

/* The farm in the note, or "" if there is none. */
static void read_note(char out[PATH_MAX], unsigned base)
{
    char path[96];
    char *note;
    size_t len;
    out[0] = '\0';
    note_path(path, base);
    if (os_read_file(path, PATH_MAX - 1, &note, &len, NULL) != ERR_NONE)
        return;
    text_copy(out, PATH_MAX, note);
    free(note);
}

static bool is_taken(unsigned base)
{
    char dir[PATH_MAX], record[PATH_MAX];
    read_note(dir, base);
    return dir[0] && text_format(record, sizeof(record), "%s/farm.json", dir) &&
           access(record, F_OK) == 0;
}

static bool can_bind(unsigned port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    bool free_ = bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
    close(fd);
    return free_;
}

static bool is_free(unsigned base, unsigned servers)
{
    for (unsigned i = 0; i < PORTS_COMMON + servers; i++)
        if (!can_bind(base + i))
            return false;
    return true;
}

enum error_code ports_reserve(const char *farm_dir, unsigned servers, unsigned *base,
                              struct error *err)
{
    char path[96];
    uint32_t start = 0;
    enum error_code code = os_random(&start, sizeof(start), err);
    int fd = code == ERR_NONE ? lock(err) : -1;
    if (fd < 0)
        return code != ERR_NONE ? code : ERR_IO;
    code = error_set(err, ERR_FULL,
                     "no %u free ports in a row between %u and %u: stop other farms first",
                     PORTS_COMMON + servers, FIRST, FIRST + BLOCK * BLOCKS);
    for (unsigned i = 0; i < BLOCKS; i++) {
        unsigned candidate = FIRST + (start + i) % BLOCKS * BLOCK;
        if (is_taken(candidate) || !is_free(candidate, servers))
            continue;
        note_path(path, candidate);
        code = os_write_file(path, farm_dir, strlen(farm_dir), 0600, err);
        *base = candidate;
        break;
    }
    close(fd);
    return code;
}

void ports_release(const char *farm_dir, unsigned base)
{
    char dir[PATH_MAX], path[96];
    int fd = lock(NULL);
    read_note(dir, base);
    note_path(path, base);
    if (strcmp(dir, farm_dir) == 0)
        unlink(path);
    if (fd >= 0)
        close(fd);
}
