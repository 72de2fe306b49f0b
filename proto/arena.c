/* arena.c - see arena.h. */
#include "proto/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MIN 4096              /* a heartbeat fits into two */
#define BLOCK_MAX ((size_t)1 << 18) /* blocks double up to here */

struct arena_block {
    struct arena_block *next;
    size_t size, used; /* bytes of data */
    alignas(max_align_t) unsigned char data[];
};

void arena_init(struct arena *arena, size_t cap_bytes)
{
    *arena = (struct arena){.cap_bytes = cap_bytes};
}

void arena_reset(struct arena *arena)
{
    struct arena_block *next;
    for (struct arena_block *b = arena->blocks; b; b = next) {
        next = b->next;
        free(b);
    }
    arena_init(arena, arena->cap_bytes);
}

static size_t block_size(const struct arena *arena, size_t wanted)
{
    size_t size = arena->blocks ? arena->blocks->size * 2 : BLOCK_MIN;
    size = size > BLOCK_MAX ? BLOCK_MAX : size;
    return size < wanted ? wanted : size;
}

static struct arena_block *block_new(struct arena *arena, size_t wanted)
{
    size_t left = arena->cap_bytes - arena->taken_bytes;
    if (left < sizeof(struct arena_block) || wanted > left - sizeof(struct arena_block))
        return NULL;
    size_t size = block_size(arena, wanted);
    if (size > left - sizeof(struct arena_block))
        size = wanted;
    struct arena_block *b = calloc(1, sizeof(*b) + size);
    if (!b)
        return NULL;
    b->size = size;
    b->next = arena->blocks;
    arena->blocks = b;
    arena->taken_bytes += sizeof(*b) + size;
    return b;
}

void *arena_take(struct arena *arena, size_t size_bytes)
{
    const size_t align = alignof(max_align_t);
    if (size_bytes > SIZE_MAX - align)
        goto none;
    size_t wanted = (size_bytes + align - 1) / align * align;
    struct arena_block *b = arena->blocks;
    if (!b || wanted > b->size - b->used)
        b = block_new(arena, wanted);
    if (!b)
        goto none;
    void *piece = b->data + b->used;
    b->used += wanted;
    return piece;
none:
    arena->exhausted = true;
    return NULL;
}
