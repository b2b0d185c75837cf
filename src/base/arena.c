/* arena.c: chunks in a list, each one aligned block; allocation moves a pointer in the current chunk.
 *
 * Sizes are counted rounded up to the alignment, so that a plan (which has no chunks) and the real run count
 * the same `used`, and `peak` of a plan is enough as max_bytes. When a piece does not fit in what is left of
 * the current chunk the next one is taken, or a new one made: at least twice the last, so a handful in all.
 * Waste at chunk ends counts in `reserved`, never in `used`.
 */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"

#define ARENA_ALIGN       ((size_t)64)
#define ARENA_CHUNK_FIRST ((size_t)1 << 20)
/* Addresses of a plan: high enough that touching one faults on every system we run on. */
#define ARENA_PLAN_BASE ((uintptr_t)1 << 60)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used;
    unsigned char *bytes;
};

void arena_init(struct arena *a, size_t max_bytes)
{
    *a = (struct arena){.max_bytes = max_bytes};
}

void arena_init_plan(struct arena *a)
{
    *a = (struct arena){.max_bytes = SIZE_MAX, .plan = true};
}

void arena_release(struct arena *a)
{
    for (struct arena_chunk *c = a->first, *next; c; c = next) {
        next = c->next;
        free(c->bytes);
        free(c);
    }
    *a = (struct arena){0};
}

static struct arena_chunk *chunk_new(struct arena *a, size_t bytes)
{
    size_t size = a->current ? a->current->size : ARENA_CHUNK_FIRST / 2;
    size = size > SIZE_MAX / 2 ? bytes : size * 2;
    /* Near the limit a chunk is only what is needed, so that max_bytes bounds what is reserved too. */
    if (size < bytes || a->reserved > a->max_bytes || size > a->max_bytes - a->reserved) size = bytes;
    struct arena_chunk *c = alloc_zero(1, sizeof *c);
    c->size = size;
    c->bytes = alloc_large(size);
    a->reserved += size;
    return c;
}

static struct arena_chunk *chunk_for(struct arena *a, size_t bytes)
{
    struct arena_chunk *c = a->current;
    if (c && c->size - c->used >= bytes) return c;
    /* Chunks behind the current one are empty: an arena gives back in the order it took. */
    struct arena_chunk *last = c;
    for (c = c ? c->next : a->first; c; last = c, c = c->next)
        if (c->size >= bytes) break;
    if (!c) {
        c = chunk_new(a, bytes);
        if (last)
            last->next = c;
        else
            a->first = c;
    }
    a->current = c;
    return c;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    CHECK(bytes <= SIZE_MAX - ARENA_ALIGN, "arena piece of %zu bytes", bytes);
    bytes = (bytes + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
    if (!bytes) bytes = ARENA_ALIGN;
    CHECK(bytes <= a->max_bytes && a->used <= a->max_bytes - bytes,
          "arena of %zu bytes: %zu in use, %zu more wanted", a->max_bytes, a->used, bytes);
    void *p;
    if (a->plan) {
        p = (void *)(ARENA_PLAN_BASE + a->used); // NOLINT: a number that must never be followed
    } else {
        struct arena_chunk *c = chunk_for(a, bytes);
        p = c->bytes + c->used;
        c->used += bytes;
    }
    a->used += bytes;
    if (a->used > a->peak) a->peak = a->used;
    return p;
}

struct arena_mark arena_here(const struct arena *a)
{
    return (struct arena_mark){a->current, a->current ? a->current->used : 0, a->used};
}

void arena_back(struct arena *a, struct arena_mark mark)
{
    CHECK(mark.used <= a->used, "mark at %zu, arena at %zu", mark.used, a->used);
    for (struct arena_chunk *c = mark.chunk ? mark.chunk->next : a->first; c; c = c->next) c->used = 0;
    if (mark.chunk) mark.chunk->used = mark.chunk_used;
    a->current = mark.chunk ? mark.chunk : a->first;
    a->used = mark.used;
}

void arena_reset(struct arena *a)
{
    arena_back(a, (struct arena_mark){0});
}

void arena_leave(struct arena *a, size_t bytes)
{
    struct arena_chunk *c = a->current;
    if (a->plan) return;
    CHECK(bytes % ARENA_ALIGN == 0 && c && c->size - c->used >= bytes, "%zu bytes to be left out", bytes);
    c->used += bytes;
}

void *arena_at(const struct arena *a, size_t at)
{
    CHECK(a->first && at <= a->first->size, "%zu bytes into an arena's first chunk", at);
    return a->first->bytes + at;
}
