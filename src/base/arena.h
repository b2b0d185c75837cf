/* arena.h: memory with one lifetime, handed out by moving a pointer.
 *
 * An arena grows by chunks up to `max_bytes` and keeps them when it is reset, so that after the first
 * training step a step allocates nothing. Pieces are 64-byte aligned and NOT zeroed. A plan pass can run on
 * an arena made with arena_init_plan: it counts bytes and returns addresses that must not be touched.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;
struct arena {
    struct arena_chunk *first, *current;
    size_t used, peak, reserved, max_bytes;
    bool plan;
};
struct arena_mark {
    struct arena_chunk *chunk;
    size_t chunk_used, used;
};

void arena_init(struct arena *a, size_t max_bytes);
void arena_init_plan(struct arena *a);
void arena_release(struct arena *a);
/* Aborts when max_bytes would be passed: plan first, so that this cannot happen. */
void *arena_alloc(struct arena *a, size_t bytes);
struct arena_mark arena_here(const struct arena *a);
void arena_back(struct arena *a, struct arena_mark mark); /* free everything handed out since the mark */
void arena_reset(struct arena *a);
/* Leave so many bytes of the chunk at hand out, which do not count as used: they are not touched. */
void arena_leave(struct arena *a, size_t bytes);
/* The address so many bytes from the beginning, which is in the first chunk. */
void *arena_at(const struct arena *a, size_t at);

#endif
