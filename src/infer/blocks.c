/* blocks.c: which blocks of the KV cache are whose (paged attention: Kwon et al. 2023).
 *
 * A block is held by one table or by several (completions of one prompt); refs counts them. Who writes to a
 * block that others hold too gets a copy first. Blocks are promised before they are taken: a sequence is let
 * in only when the worst case of all that it may still write can be promised, so whoever runs can always go
 * on and nobody has to be thrown out again.
 *
 * A full block may be known by what it holds: its tokens and the name of the block before it, so a name
 * stands for all tokens from the start of the sequence. Another sequence that begins with the same tokens
 * takes such a block instead of working it out again (the bits would be the same). Where a module that
 * predicts further has its share of a block, the tokens just behind count too. Known blocks that nobody
 * holds are free, but stay known until they are taken: blocks that hold nothing known are taken first, then
 * those that were given back longest ago, a sequence's last blocks before its first. Names are never used
 * twice, so what is known behind a block that is no more can never be found. Which block is used never shows
 * in a result.
 */
#include "infer/infer_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { NOWHERE = -1 };

/* ---- the list of free blocks --------------------------------------------------------------------------- */

static void free_link(struct blocks *b, int block, int after)
{
    int before = after == NOWHERE ? b->last_free : b->block[after].before;
    b->block[block].before = before;
    b->block[block].after = after;
    *(before == NOWHERE ? &b->first_free : &b->block[before].after) = block;
    *(after == NOWHERE ? &b->last_free : &b->block[after].before) = block;
    b->n_free++;
}

static void free_unlink(struct blocks *b, int block)
{
    int before = b->block[block].before, after = b->block[block].after;
    *(before == NOWHERE ? &b->first_free : &b->block[before].after) = after;
    *(after == NOWHERE ? &b->last_free : &b->block[after].before) = before;
    b->n_free--;
}

/* ---- known blocks -------------------------------------------------------------------------------------- */

/* FNV-1a over the name before and the tokens; equality is checked, so collisions only cost time. */
static int *bucket_of(const struct blocks *b, uint64_t before, const int *tokens)
{
    uint64_t h = 14695981039346656037U ^ before;
    for (int i = 0; i < KERN_KEYS + b->ahead; i++) h = (h ^ (uint32_t)tokens[i]) * 1099511628211U;
    return &b->buckets[(h ^ h >> 32) % (uint64_t)b->n];
}

static int known_find(const struct blocks *b, uint64_t before, const int *tokens)
{
    int at = *bucket_of(b, before, tokens);
    size_t bytes = (size_t)(KERN_KEYS + b->ahead) * sizeof *tokens;
    while (at != NOWHERE &&
           (b->block[at].name_before != before || memcmp(b->block[at].tokens, tokens, bytes)))
        at = b->block[at].in_bucket;
    return at;
}

static void block_forget(struct blocks *b, int block)
{
    struct block *k = &b->block[block];
    k->name = 0;
    if (!k->known) return;
    k->known = false;
    int *at = bucket_of(b, k->name_before, k->tokens);
    while (*at != block) at = &b->block[*at].in_bucket;
    *at = k->in_bucket;
}

static uint64_t name_before(const struct blocks *b, const struct table *t, int i)
{
    uint64_t name = i ? b->block[t->block[i - 1]].name : BLOCK_START;
    CHECK(name, "block %d of a table comes behind one without a name", i);
    return name;
}

void blocks_know(struct blocks *b, const struct table *t, int i, const int *tokens)
{
    CHECK(i < t->n, "block %d of a table of %d", i, t->n);
    struct block *k = &b->block[t->block[i]];
    uint64_t before = name_before(b, t, i);
    if (k->name) return;
    int twin = known_find(b, before, tokens);
    if (twin != NOWHERE) {
        k->name = b->block[twin].name;
        return;
    }
    k->name = ++b->last_name;
    k->name_before = before;
    memcpy(k->tokens, tokens, (size_t)(KERN_KEYS + b->ahead) * sizeof *tokens);
    int *bucket = bucket_of(b, before, tokens);
    k->in_bucket = *bucket;
    *bucket = t->block[i];
    k->known = true;
}

bool blocks_reuse(struct blocks *b, struct table *t, const int *tokens)
{
    int block = known_find(b, name_before(b, t, t->n), tokens);
    if (block == NOWHERE) return false;
    CHECK(t->promised > 0, "table of %d blocks has no promise to give back", t->n);
    t->promised--;
    b->n_promised--;
    if (!b->block[block].refs++) free_unlink(b, block);
    t->block[t->n++] = block;
    return true;
}

/* From the last one on, so that those that were never used, whose memory nothing has touched, stay behind. */
void blocks_forget(struct blocks *b)
{
    for (int i = b->n - 1; i >= 0; i--) {
        bool waits = b->block[i].known && !b->block[i].refs;
        block_forget(b, i);
        if (!waits) continue;
        free_unlink(b, i);
        free_link(b, i, b->first_free);
    }
}

/* ---- blocks -------------------------------------------------------------------------------------------- */

void blocks_init(struct blocks *b, int n, struct kv_cache *cache)
{
    *b = (struct blocks){.n = n, .first_free = NOWHERE, .last_free = NOWHERE, .cache = cache};
    b->last_name = BLOCK_START;
    b->block = alloc_zero((size_t)n, sizeof *b->block);
    b->buckets = alloc_zero((size_t)n, sizeof *b->buckets);
    for (int i = 0; i < n; i++) {
        b->buckets[i] = NOWHERE;
        free_link(b, i, NOWHERE);
    }
}

void blocks_release(struct blocks *b)
{
    free(b->block);
    free(b->buckets);
    *b = (struct blocks){0};
}

size_t blocks_bytes(int n)
{
    return (size_t)n * (sizeof(struct block) + sizeof(int));
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
    int block = b->first_free;
    CHECK(b->block[block].refs == 0, "free block %d is held %d times", block, b->block[block].refs);
    free_unlink(b, block);
    block_forget(b, block);
    b->block[block].refs = 1;
    b->n_used += !b->block[block].used;
    b->block[block].used = true;
    return block;
}

static void block_drop(struct blocks *b, int block)
{
    struct block *k = &b->block[block];
    CHECK(k->refs > 0, "block %d dropped, but nobody holds it", block);
    if (--k->refs) return;
    free_link(b, block, k->known ? NOWHERE : b->first_free);
}

void blocks_write(struct blocks *b, struct table *t, int pos)
{
    int i = pos / KERN_KEYS;
    CHECK(pos >= 0 && i <= t->n, "position %d behind a table of %d blocks", pos, t->n);
    if (i == t->n) {
        t->block[t->n++] = block_take(b, t);
    } else if (b->block[t->block[i]].refs > 1) {
        int copy = block_take(b, t);
        if (b->cache) kv_cache_copy(b->cache, t->block[i], copy);
        if (b->beside) kv_cache_copy(b->beside, t->block[i], copy);
        block_drop(b, t->block[i]);
        t->block[i] = copy;
    }
    CHECK(!b->block[t->block[i]].name, "position %d lies in a block that is known", pos);
}

void blocks_share(struct blocks *b, struct table *t, const struct table *from)
{
    CHECK(t->n == 0, "table has %d blocks already", t->n);
    memcpy(t->block, from->block, (size_t)from->n * sizeof *t->block);
    t->n = from->n;
    for (int i = 0; i < t->n; i++) b->block[t->block[i]].refs++;
}

void blocks_drop(struct blocks *b, struct table *t)
{
    for (int i = t->n - 1; i >= 0; i--) block_drop(b, t->block[i]);
    b->n_promised -= t->promised;
    t->n = t->promised = 0;
}
