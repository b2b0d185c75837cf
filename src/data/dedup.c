/* dedup.c: texts that repeat an earlier one.
 *
 * Equal: the same words in the same order. Near: the sets of their runs of n words (shingles) have a Jaccard
 * similarity of at least the threshold. Pairs to look at are found by MinHash with bands (Broder 1997;
 * Leskovec et al., "Mining of massive datasets", 3.4) and then compared exactly, so that no pair below the
 * threshold is taken; one at similarity s is missed with probability (1 - s^ROWS)^BANDS, at 0.8 one in 400. A
 * text that is near a copy counts as a copy of the same earlier one.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/pool.h"
#include "data/data_int.h"

enum {
    BANDS = 20,
    ROWS = 6,
    CHAIN = 64 /* texts of one band and hash that are compared with each other, at most */
};

struct shingles { /* sorted, each once */
    uint64_t *list;
    size_t n;
    uint64_t whole; /* of all words in order */
};
struct keyed {
    uint64_t key;
    size_t text;
};
struct dedup {
    const char *const *texts;
    size_t n;
    const struct dedup_opts *opts;
    struct shingles *sets;
    struct keyed *keys; /* of the band at hand, sorted */
    int band;
    long *of;
};

static int compare_hash(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int compare_keyed(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    return x->key != y->key ? (x->key > y->key) - (x->key < y->key)
                            : (x->text > y->text) - (x->text < y->text);
}

static void set_make(void *ctx, int item)
{
    struct dedup *d = ctx;
    struct shingles *s = &d->sets[item];
    struct word_list w = {0};
    word_list_read(&w, d->texts[item], strlen(d->texts[item]));
    size_t run = (size_t)d->opts->shingle, n = w.n >= run ? w.n - run + 1 : w.n > 0;
    s->whole = word_list_run(&w, 0, w.n);
    s->list = alloc_or_die((n + 1) * sizeof *s->list);
    for (size_t i = 0; i < n; i++) s->list[i] = word_list_run(&w, i, w.n >= run ? run : w.n);
    qsort(s->list, n, sizeof *s->list, compare_hash);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || s->list[i] != s->list[i - 1]) s->list[s->n++] = s->list[i];
    word_list_release(&w);
}

/* ROWS least hashes, each under a hash function of its own, as one key. */
static void key_make(void *ctx, int item)
{
    struct dedup *d = ctx;
    const struct shingles *s = &d->sets[item];
    uint64_t key = 0;
    for (int r = 0; r < ROWS; r++) {
        uint64_t salt = word_mix((uint64_t)d->band * ROWS + (uint64_t)r + 1), least = UINT64_MAX;
        for (size_t i = 0; i < s->n; i++) {
            uint64_t h = word_mix(s->list[i] ^ salt);
            if (h < least) least = h;
        }
        key = word_mix(key ^ least);
    }
    d->keys[item] = (struct keyed){key, (size_t)item};
}

static void key_whole(void *ctx, int item)
{
    struct dedup *d = ctx;
    d->keys[item] = (struct keyed){d->sets[item].whole, (size_t)item};
}

static double jaccard(const struct shingles *a, const struct shingles *b)
{
    size_t i = 0, k = 0, both = 0;
    while (i < a->n && k < b->n) {
        uint64_t x = a->list[i], y = b->list[k];
        both += x == y;
        i += x <= y;
        k += y <= x;
    }
    return (double)both / (double)(a->n + b->n - both);
}

/* The text that stands for i: the first of those it is a copy of. */
static long first_of(const struct dedup *d, size_t i)
{
    long at = (long)i;
    while (d->of[at] >= 0) at = d->of[at];
    return at;
}

static void join(struct dedup *d, size_t a, size_t b)
{
    long x = first_of(d, a), y = first_of(d, b);
    if (x < y) d->of[y] = x;
    if (y < x) d->of[x] = y;
}

/* Join those of equal keys, all, or the ones that are near. Empty texts have no words and are left alone. */
static void join_band(struct dedup *d, pool_fn make, bool equal)
{
    pool_for((int)d->n, make, d);
    qsort(d->keys, d->n, sizeof *d->keys, compare_keyed);
    for (size_t i = 0, start = 0; i < d->n; i++) {
        if (d->keys[i].key != d->keys[start].key) start = i;
        size_t text = d->keys[i].text, from = i - start > CHAIN ? i - CHAIN : start;
        if (d->sets[text].n == 0) continue;
        for (size_t k = equal && i > start ? i - 1 : from; k < i; k++) {
            size_t other = d->keys[k].text;
            if (first_of(d, text) == first_of(d, other)) continue;
            if (equal || jaccard(&d->sets[text], &d->sets[other]) >= d->opts->threshold) join(d, text, other);
        }
    }
}

void dedup(const char *const *texts, size_t n, const struct dedup_opts *o, long *of)
{
    struct dedup d = {.texts = texts, .n = n, .opts = o, .of = of};
    CHECK(n < (size_t)1 << 30 && o->shingle >= 1, "%zu texts, runs of %d words", n, o->shingle);
    d.sets = alloc_zero(n + 1, sizeof *d.sets);
    d.keys = alloc_zero(n + 1, sizeof *d.keys);
    for (size_t i = 0; i < n; i++) of[i] = -1;
    pool_for((int)n, set_make, &d);
    join_band(&d, key_whole, true);
    for (d.band = 0; d.band < BANDS && o->threshold < 1; d.band++) join_band(&d, key_make, false);
    for (size_t i = 0; i < n; i++) {
        long first = first_of(&d, i);
        of[i] = first == (long)i ? -1 : first;
    }
    for (size_t i = 0; i < n; i++) free(d.sets[i].list);
    free(d.sets);
    free(d.keys);
}
