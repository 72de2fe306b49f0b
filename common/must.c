/* must.c - see must.h. */
#include "common/must.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void must_failed(const char *file, int line, const char *function, const char *condition)
{
    fprintf(stderr, "farmhand: a promise inside the program was broken: %s:%d: %s: %s\n", file,
            line, function, condition);
    abort();
}

void *must_alloc(size_t count, size_t size_bytes)
{
    void *memory = calloc(count ? count : 1, size_bytes ? size_bytes : 1);
    must(memory != NULL);
    return memory;
}

void *must_realloc(void *old, size_t count, size_t size_bytes)
{
    must(size_bytes == 0 || count <= SIZE_MAX / size_bytes);
    size_t bytes = count * size_bytes;
    void *memory = realloc(old, bytes ? bytes : 1);
    must(memory != NULL);
    return memory;
}

char *must_copy(const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    return memcpy(must_alloc(size, 1), text, size);
}
