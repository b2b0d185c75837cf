/* subword.c: the "model" of tokenizer.json: the table of kinds, and the cache of pieces that stands before
 * them.
 *
 * A short piece whose ids are few is remembered in a table of fixed size in the encoder, one piece a place:
 * a later piece with the same hash takes it.
 */
#include <string.h>

#include "base/check.h"
#include "text/text_int.h"

#define CACHE_KEY   28
#define CACHE_IDS   8
#define CACHE_SLOTS (1u << 14)
#define PIECE_MAX   ((size_t)1 << 26) /* a model needs some 40 bytes of memory a byte */

struct piece_entry {
    uint8_t len, n; /* len 0: empty */
    char key[CACHE_KEY];
    int32_t ids[CACHE_IDS];
};

const struct subword_type *subword_find(const json_t *o, struct err *e)
{
    static const struct subword_type *const rows[] = {&subword_bpe, &subword_unigram, &subword_wordlevel,
                                                      NULL};
    static const char *names[sizeof rows / sizeof *rows];
    for (size_t i = 0; rows[i]; i++) {
        if (!strcmp(rows[i]->name, element_type(o))) return rows[i];
        names[i] = rows[i]->name;
    }
    element_unknown(e, "model", o, names, sizeof *names);
    return NULL;
}

void ids_append(struct ids *out, const int32_t *p, size_t n)
{
    _Static_assert(sizeof(int) == sizeof(int32_t), "ids are copied as bytes");
    if (out->n + n > out->cap) {
        out->cap = (out->n + n) * 2;
        out->p = alloc_again(out->p, out->cap * sizeof *out->p);
    }
    if (n) memcpy(out->p + out->n, p, n * sizeof *p);
    out->n += n;
}

int piece_encode(struct enc *x, const char *p, size_t n)
{
    struct piece_entry *entry = NULL;
    if (n <= CACHE_KEY) {
        if (!x->cache) x->cache = alloc_zero(CACHE_SLOTS, sizeof *x->cache);
        entry = &x->cache[text_hash(p, n) & (CACHE_SLOTS - 1)];
        if (entry->len == n && !memcmp(entry->key, p, n)) {
            ids_append(x->out, entry->ids, entry->n);
            return 0;
        }
    }
    if (n > PIECE_MAX)
        return err_set(x->e, "%zu bytes of text without a place to cut; at most %zu", n, PIECE_MAX);
    size_t before = x->out->n;
    if (x->t->subword->encode(x, p, n)) return -1;
    size_t count = x->out->n - before;
    if (entry && count <= CACHE_IDS) {
        entry->len = (uint8_t)n;
        entry->n = (uint8_t)count;
        memcpy(entry->key, p, n);
        if (count) memcpy(entry->ids, x->out->p + before, count * sizeof *entry->ids);
    }
    return 0;
}
