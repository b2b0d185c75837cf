/* lexicon.c: strings with ids, both ways.
 *
 * All strings lie in one block, found by id through offsets and by text through a hash table with open
 * addressing (linear probing, at most half full). The hash mixes eight bytes at a time with a 64 x 64 -> 128
 * bit multiplication, folded (the construction of wyhash, Wang Yi 2019).
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "text/text_int.h"

#define SLOTS_FIRST 1024

static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide m = (wide)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t load(const char *p, size_t n)
{
    uint64_t v = 0;
    memcpy(&v, p, n);
    return v;
}

uint64_t text_hash(const char *p, size_t n)
{
    uint64_t h = 0x9E3779B97F4A7C15u ^ n;
    if (n >= 8) {
        size_t i = 0;
        for (; i + 8 <= n; i += 8) h = mix(h ^ load(p + i, 8), 0xE7037ED1A0B428DBu);
        return mix(h ^ load(p + n - 8, 8), 0x8EBC6AF09C88C6E3u);
    }
    uint64_t v;
    if (n >= 4)
        v = load(p, 4) | load(p + n - 4, 4) << 32;
    else if (n)
        v = (uint64_t)(unsigned char)p[0] | (uint64_t)(unsigned char)p[n / 2] << 8 |
            (uint64_t)(unsigned char)p[n - 1] << 16;
    else
        v = 0;
    return mix(h ^ v, 0x8EBC6AF09C88C6E3u);
}

void lexicon_init(struct lexicon *l)
{
    *l = (struct lexicon){.n_slots = SLOTS_FIRST};
    l->slots = alloc_zero(SLOTS_FIRST, sizeof *l->slots);
}

void lexicon_release(struct lexicon *l)
{
    free(l->blob);
    free(l->at);
    free(l->slots);
    *l = (struct lexicon){0};
}

/* The slot that holds the string, or the empty one where it would go. */
static uint32_t slot_of(const struct lexicon *l, const char *p, size_t n)
{
    uint32_t mask = l->n_slots - 1, s = (uint32_t)text_hash(p, n) & mask;
    for (; l->slots[s]; s = (s + 1) & mask) {
        const struct lexeme *x = &l->at[l->slots[s] - 1];
        if (x->len == n && !memcmp(l->blob + x->off, p, n)) break;
    }
    return s;
}

static void slots_grow(struct lexicon *l)
{
    CHECK(l->n_slots <= UINT32_MAX / 2, "%u slots", l->n_slots);
    free(l->slots);
    l->n_slots *= 2;
    l->slots = alloc_zero(l->n_slots, sizeof *l->slots);
    for (int id = 0; id < l->n; id++) {
        const struct lexeme *x = &l->at[id];
        if (x->off != UINT32_MAX) l->slots[slot_of(l, l->blob + x->off, x->len)] = id + 1;
    }
}

static void ids_grow(struct lexicon *l, int id)
{
    if (id >= l->n_cap) {
        int cap = l->n_cap ? l->n_cap : 1024;
        while (cap <= id) cap *= 2;
        l->at = alloc_again(l->at, (size_t)cap * sizeof *l->at);
        for (int i = l->n_cap; i < cap; i++) l->at[i] = (struct lexeme){UINT32_MAX, 0};
        l->n_cap = cap;
    }
    if (id >= l->n) l->n = id + 1;
}

static int add(struct lexicon *l, int id, const char *p, size_t n, bool again, struct err *e)
{
    if (id < 0 || id >= ID_MAX) return err_set(e, "token id %d; 0 to %d expected", id, ID_MAX - 1);
    if (n > LEXEME_BYTES) return err_set(e, "token %d has %zu bytes; at most %zu", id, n, LEXEME_BYTES);
    if (l->used + n + 1 >= UINT32_MAX) return err_set(e, "vocabulary of more than 4 GiB");
    if (id < l->n && l->at[id].off != UINT32_MAX)
        return err_set(e, "id %d is given to \"%s\" and to \"%.*s\"", id, l->blob + l->at[id].off,
                       (int)(n < 100 ? n : 100), p);
    uint32_t slot = slot_of(l, p, n);
    if (l->slots[slot] && !again)
        return err_set(e, "token \"%.*s\" has the ids %d and %d", (int)(n < 100 ? n : 100), p,
                       l->slots[slot] - 1, id);
    ids_grow(l, id);
    if (l->used + n + 1 > l->cap) {
        l->cap = (l->used + n + 1) * 2;
        l->blob = alloc_again(l->blob, l->cap);
    }
    l->at[id] = (struct lexeme){(uint32_t)l->used, (uint32_t)n};
    if (n) memcpy(l->blob + l->used, p, n);
    l->blob[l->used + n] = 0;
    l->used += n + 1;
    l->slots[slot] = id + 1;
    l->count++;
    if ((uint32_t)l->count * 2 > l->n_slots) slots_grow(l);
    return 0;
}

int lexicon_add(struct lexicon *l, int id, const char *p, size_t n, struct err *e)
{
    return add(l, id, p, n, false, e);
}

int lexicon_add_again(struct lexicon *l, int id, const char *p, size_t n, struct err *e)
{
    return add(l, id, p, n, true, e);
}

int lexicon_find(const struct lexicon *l, const char *p, size_t n)
{
    return l->slots[slot_of(l, p, n)] - 1;
}

const char *lexicon_text(const struct lexicon *l, int id, size_t *n)
{
    if (id < 0 || id >= l->n || l->at[id].off == UINT32_MAX) return NULL;
    if (n) *n = l->at[id].len;
    return l->blob + l->at[id].off;
}
