/* blocks.c: which blocks of the KV cache are whose (paged attention: Kwon et al. 2023).
 *
 * A block is held by one table or by several (completions of one prompt); refs counts them. Who writes to a
 * block that others hold too gets a copy first. Blocks are promised before they are taken: a sequence is let in
 * only when the worst case of all that it may still write can be promised, so whoever runs can always go on and
 * nobody has to be thrown out again. Which block has which number never shows in a result.
 */
#include "infer/infer_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void blocks_init(struct blocks *b, int n, struct kv_cache *cache)
{
    *b = (struct blocks){.n = n, .n_free = n, .cache = cache};
    b->refs = alloc_zero((size_t)n, sizeof *b->refs);
    b->free = alloc_zero((size_t)n, sizeof *b->free);
    for (int i = 0; i < n; i++) b->free[i] = n - 1 - i;
}

void blocks_release(struct blocks *b)
{
    free(b->refs);
    free(b->free);
    *b = (struct blocks){0};
}

int blocks_for(int n_positions)
{
    return (n_positions + KERN_KEYS - 1) / KERN_KEYS;
}

bool blocks_promise(struct blocks *b, struct table *t, int n)
{
    CHECK(n >= 0, "promise of %d blocks", n);
    if (n > b->n_free - b->n_promised) return false;
    b->n_promised += n;
    t->promised += n;
    return true;
}

static int block_take(struct blocks *b, struct table *t)
{
    CHECK(t->promised > 0, "table of %d blocks takes one that was not promised", t->n);
    CHECK(b->n_free > 0 && b->n_promised > 0, "%d blocks free, %d promised", b->n_free, b->n_promised);
    t->promised--;
    b->n_promised--;
    int block = b->free[--b->n_free];
    CHECK(b->refs[block] == 0, "free block %d is held %d times", block, b->refs[block]);
    b->refs[block] = 1;
    return block;
}

static void block_drop(struct blocks *b, int block)
{
    CHECK(b->refs[block] > 0, "block %d dropped, but nobody holds it", block);
    if (--b->refs[block]) return;
    b->free[b->n_free++] = block;
}

void blocks_write(struct blocks *b, struct table *t, int pos)
{
    int i = pos / KERN_KEYS;
    CHECK(pos >= 0 && i <= t->n, "position %d behind a table of %d blocks", pos, t->n);
    if (i == t->n) {
        t->block[t->n++] = block_take(b, t);
    } else if (b->refs[t->block[i]] > 1) {
        int copy = block_take(b, t);
        if (b->cache) kv_cache_copy(b->cache, t->block[i], copy);
        block_drop(b, t->block[i]);
        t->block[i] = copy;
    }
}

void blocks_share(struct blocks *b, struct table *t, const struct table *from)
{
    CHECK(t->n == 0, "table has %d blocks already", t->n);
    memcpy(t->block, from->block, (size_t)from->n * sizeof *t->block);
    t->n = from->n;
    for (int i = 0; i < t->n; i++) b->refs[t->block[i]]++;
}

void blocks_drop(struct blocks *b, struct table *t)
{
    for (int i = t->n - 1; i >= 0; i--) block_drop(b, t->block[i]);
    b->n_promised -= t->promised;
    t->n = t->promised = 0;
}
