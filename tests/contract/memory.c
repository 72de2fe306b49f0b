/* memory.c - see memory.h. Source: proc(5), /proc/PID/maps and /proc/PID/mem. */
#include "tests/contract/memory.h"

#include "common/must.h"
#include "common/text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WINDOW ((size_t)1 << 20)

static bool is_here(const char *bytes, const char *backwards, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != backwards[len - 1 - i])
            return false;
    return true;
}

/* The window is memory of ours too: it is mapped apart and passed over. */
struct search {
    int memory;
    char *window;
    const char *backwards;
    size_t len;
    uint64_t found_at;
};

static bool search_range(struct search *s, uint64_t from, uint64_t to)
{
    for (uint64_t at = from; at + s->len <= to; at += WINDOW - s->len) {
        size_t want = to - at < WINDOW ? (size_t)(to - at) : WINDOW;
        ssize_t got = pread(s->memory, s->window, want, (off_t)at);
        for (ssize_t i = 0; i + (ssize_t)s->len <= got; i++)
            if (is_here(s->window + i, s->backwards, s->len)) {
                s->found_at = at + (uint64_t)i;
                return true;
            }
        if (got <= 0 || want < WINDOW)
            return false;
    }
    return false;
}

char *memory_find(const char *backwards)
{
    struct search s = {.backwards = backwards, .len = strlen(backwards)};
    s.memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    s.window = mmap(NULL, WINDOW, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    FILE *maps = fopen("/proc/self/maps", "re");
    must(s.memory >= 0 && s.window != MAP_FAILED && maps);
    char line[4200];
    struct text found = {0};
    while (found.len == 0 && fgets(line, sizeof(line), maps)) {
        uint64_t from, to;
        char rights[8];
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &from, &to, rights) != 3 ||
            rights[1] != 'w')
            continue;
        uint64_t window = (uint64_t)(uintptr_t)s.window;
        bool hit = window >= from && window < to
                       ? search_range(&s, from, window) || search_range(&s, window + WINDOW, to)
                       : search_range(&s, from, to);
        if (hit)
            text_addf(&found, "at %" PRIx64 " in %s", s.found_at, line);
    }
    fclose(maps);
    munmap(s.window, WINDOW);
    close(s.memory);
    return found.len ? text_take(&found) : NULL;
}
