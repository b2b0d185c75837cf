/* bpe.c: byte-pair encoding of one piece (Sennrich, Haddow, Birch 2016), with ranks.
 *
 * A piece starts as one symbol a byte (byte-level) or a character; then the adjacent pair with the lowest
 * rank is merged, the leftmost among equals, until no pair has a rank. Short pieces: scan an array for the
 * minimum. Long pieces: symbols in a linked list and a binary heap of (rank, position) whose stale entries
 * are skipped when they come up, O(n log n). SentencePiece's BPE is the same with rank = order by falling
 * score; equal scores have equal ranks.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "text/text_int.h"
#include "text/unicode.h"

#define NO_RANK      UINT32_MAX
#define EMPTY_PAIR   UINT64_MAX
#define SHORT_PIECE  48
#define NO_POSITION  (-1)
#define WORK_PER_SYM 5 /* symbol, previous, next, rank and id of the pair that starts here */

void bpe_init(struct bpe *b, const struct lexicon *lex)
{
    *b = (struct bpe){.lex = lex, .unk = NO_ID};
    lexicon_init(&b->raw);
    for (int i = 0; i < 256; i++) b->byte_id[i] = NO_ID;
}

void bpe_release(struct bpe *b)
{
    lexicon_release(&b->raw);
    free(b->merges);
    free(b->slots);
}

int bpe_merge_add(struct bpe *b, int left, int right, int id, uint32_t rank, struct err *e)
{
    if (b->n_merges >= ID_MAX) return err_set(e, "more than %d merges", ID_MAX);
    if (b->n_merges == b->merges_cap) {
        b->merges_cap = b->merges_cap ? b->merges_cap * 2 : 1024;
        b->merges = alloc_again(b->merges, (size_t)b->merges_cap * sizeof *b->merges);
    }
    b->merges[b->n_merges++] = (struct bpe_merge){left, right, id, rank};
    return 0;
}

static uint64_t pair_key(int left, int right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static uint32_t pair_hash(uint64_t pair)
{
    return (uint32_t)((pair * 0x9E3779B97F4A7C15u) >> 32);
}

static const struct pair_slot *pair_find(const struct bpe *b, int left, int right)
{
    uint64_t key = pair_key(left, right);
    uint32_t s = pair_hash(key) & b->mask;
    while (b->slots[s].pair != key) {
        if (b->slots[s].pair == EMPTY_PAIR) return NULL;
        s = (s + 1) & b->mask;
    }
    return &b->slots[s];
}

/* Of two merges of one pair the later counts, as in a map that is filled in order. */
static void pairs_build(struct bpe *b)
{
    uint32_t n = 16;
    while (n / 2 < (uint32_t)b->n_merges) n *= 2;
    b->slots = alloc_or_die(n * sizeof *b->slots);
    b->mask = n - 1;
    for (uint32_t i = 0; i < n; i++) b->slots[i].pair = EMPTY_PAIR;
    for (int i = 0; i < b->n_merges; i++) {
        const struct bpe_merge *m = &b->merges[i];
        uint64_t key = pair_key(m->left, m->right);
        uint32_t s = pair_hash(key) & b->mask;
        while (b->slots[s].pair != EMPTY_PAIR && b->slots[s].pair != key) s = (s + 1) & b->mask;
        b->slots[s] = (struct pair_slot){key, m->rank, m->id};
    }
}

/* Byte-level with ignore_merges: whole pieces are looked up by their bytes. */
static int raw_build(struct bpe *b, struct err *e)
{
    char *buf = alloc_or_die(LEXEME_BYTES);
    int failed = 0;
    for (int id = 0; id < b->lex->n && !failed; id++) {
        size_t n;
        const char *token = lexicon_text(b->lex, id, &n);
        long bytes = token ? bytemap_bytes(token, n, buf) : -1;
        if (bytes > 0) failed = lexicon_add(&b->raw, id, buf, (size_t)bytes, e);
    }
    free(buf);
    return failed;
}

void byte_tokens(const struct lexicon *lex, int id[256])
{
    for (int i = 0; i < 256; i++) {
        char name[8];
        id[i] = lexicon_find(lex, name, (size_t)snprintf(name, sizeof name, "<0x%02X>", (unsigned)i));
    }
}

int bpe_ready(struct bpe *b, struct err *e)
{
    byte_tokens(b->lex, b->byte_id);
    for (int i = 0; i < 256 && b->byte_level; i++) {
        char name[4];
        b->byte_id[i] = lexicon_find(b->lex, name, (size_t)bytemap_char((unsigned char)i, name));
    }
    pairs_build(b);
    return b->byte_level && b->ignore_merges ? raw_build(b, e) : 0;
}

/* ---- merging ------------------------------------------------------------------------------------------- */

/* sym[0..n) are merged in place; returns how many are left. n <= SHORT_PIECE. */
static int merge_short(const struct bpe *b, int32_t *sym, int n)
{
    uint32_t rank[SHORT_PIECE];
    int32_t into[SHORT_PIECE];
    for (int i = 0; i + 1 < n; i++) {
        const struct pair_slot *s = pair_find(b, sym[i], sym[i + 1]);
        rank[i] = s ? s->rank : NO_RANK;
        into[i] = s ? s->id : 0;
    }
    while (n > 1) {
        int at = 0;
        for (int i = 1; i + 1 < n; i++)
            if (rank[i] < rank[at]) at = i;
        if (rank[at] == NO_RANK) break;
        sym[at] = into[at];
        size_t rest = (size_t)(n - at - 2);
        memmove(sym + at + 1, sym + at + 2, rest * sizeof *sym);
        memmove(rank + at, rank + at + 1, rest * sizeof *rank);
        memmove(into + at, into + at + 1, rest * sizeof *into);
        n--;
        for (int i = at ? at - 1 : 0; i <= at && i + 1 < n; i++) {
            const struct pair_slot *s = pair_find(b, sym[i], sym[i + 1]);
            rank[i] = s ? s->rank : NO_RANK;
            into[i] = s ? s->id : 0;
        }
    }
    return n;
}

struct heap {
    uint64_t *p; /* rank << 32 | position: the smallest is first */
    size_t n, cap;
};

static void heap_down(struct heap *h, size_t i)
{
    uint64_t v = h->p[i];
    for (size_t c; (c = 2 * i + 1) < h->n; i = c) {
        if (c + 1 < h->n && h->p[c + 1] < h->p[c]) c++;
        if (v <= h->p[c]) break;
        h->p[i] = h->p[c];
    }
    h->p[i] = v;
}

static void heap_push(struct heap *h, uint64_t v)
{
    if (h->n == h->cap) {
        h->cap *= 2;
        h->p = alloc_again(h->p, h->cap * sizeof *h->p);
    }
    size_t i = h->n++;
    for (; i && v < h->p[(i - 1) / 2]; i = (i - 1) / 2) h->p[i] = h->p[(i - 1) / 2];
    h->p[i] = v;
}

struct chain { /* arrays by position */
    int32_t *sym, *prev, *next, *into;
    uint32_t *rank; /* of the pair (this, next) */
};

/* Look the pair up that starts at i, and say so to the heap. */
static void chain_pair(const struct bpe *b, struct chain *c, struct heap *h, int32_t i)
{
    const struct pair_slot *s =
        c->next[i] == NO_POSITION ? NULL : pair_find(b, c->sym[i], c->sym[c->next[i]]);
    c->rank[i] = s ? s->rank : NO_RANK;
    if (!s) return;
    c->into[i] = s->id;
    heap_push(h, (uint64_t)s->rank << 32 | (uint32_t)i);
}

/* As merge_short, for any n; `work` holds WORK_PER_SYM * n numbers, symbols first. */
static int merge_long(const struct bpe *b, int32_t *work, int n)
{
    size_t m = (size_t)n;
    struct chain c = {.sym = work, .prev = work + m, .next = work + 2 * m, .into = work + 3 * m};
    c.rank = (uint32_t *)(work + 4 * m);
    struct heap h = {.cap = m};
    h.p = alloc_or_die(h.cap * sizeof *h.p);
    for (int32_t i = 0; i < n; i++) {
        c.prev[i] = i - 1;
        c.next[i] = i + 1 < n ? i + 1 : NO_POSITION;
    }
    for (int32_t i = 0; i < n; i++) chain_pair(b, &c, &h, i);
    while (h.n) {
        uint32_t rank = (uint32_t)(h.p[0] >> 32);
        int32_t i = (int32_t)(uint32_t)h.p[0];
        h.p[0] = h.p[--h.n];
        if (h.n) heap_down(&h, 0);
        if (c.rank[i] != rank) continue; /* the pair has changed since */
        int32_t gone = c.next[i];
        c.sym[i] = c.into[i];
        c.next[i] = c.next[gone];
        if (c.next[i] != NO_POSITION) c.prev[c.next[i]] = i;
        c.rank[gone] = NO_RANK;
        chain_pair(b, &c, &h, i);
        if (c.prev[i] != NO_POSITION) chain_pair(b, &c, &h, c.prev[i]);
    }
    int left = 0;
    for (int32_t i = 0; i != NO_POSITION; i = c.next[i]) c.sym[left++] = c.sym[i];
    free(h.p);
    return left;
}

/* ---- pieces -------------------------------------------------------------------------------------------- */

static int32_t *work_room(struct enc *x, size_t symbols)
{
    size_t need = symbols * WORK_PER_SYM;
    if (need > x->work_cap) {
        free(x->work);
        x->work_cap = need < 4096 ? 4096 : need;
        x->work = alloc_or_die(x->work_cap * sizeof *x->work);
    }
    return x->work;
}

struct symbols {
    int32_t *p;
    int n;
    int unknown; /* unknown characters that have not been given a symbol yet */
};

static void unknown_flush(const struct bpe *b, struct symbols *s)
{
    if (s->unknown) s->p[s->n++] = b->unk;
    s->unknown = 0;
}

/* Unknowns in a row are one if fuse_unk. The last waits for the next symbol that is not a byte of a
 * fallback: so it is in Hugging Face's library, and a vocabulary with only some bytes shows it. */
static void unknown_add(const struct bpe *b, struct symbols *s)
{
    if (b->unk == NO_ID) return;
    if (!b->fuse_unk) unknown_flush(b, s);
    s->unknown = 1;
}

static int byte_unknown(struct enc *x, const char *p, size_t n, size_t at)
{
    size_t from = at;
    while (from && ((unsigned char)p[from] & 0xC0) == 0x80) from--;
    return err_set(x->e,
                   "the tokenizer has no token for the character \"%.*s\" (byte %02X) and no unknown token",
                   utf8_length(p + from, n - from), p + from, (unsigned char)p[at]);
}

static int symbols_of_bytes(const struct bpe *b, struct enc *x, struct symbols *s, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int id = b->byte_id[(unsigned char)p[i]];
        if (id == NO_ID) {
            if (b->strict) return byte_unknown(x, p, n, i);
            unknown_add(b, s);
            continue;
        }
        unknown_flush(b, s);
        s->p[s->n++] = id;
    }
    unknown_flush(b, s);
    return 0;
}

/* The bytes of a character without a token as <0xNN>, if there is one for each. */
static bool symbols_of_fallback(const struct bpe *b, struct symbols *s, const char *p, size_t n)
{
    if (!b->byte_fallback) return false;
    for (size_t k = 0; k < n; k++)
        if (b->byte_id[(unsigned char)p[k]] == NO_ID) return false;
    for (size_t k = 0; k < n; k++) s->p[s->n++] = b->byte_id[(unsigned char)p[k]];
    return true;
}

static int symbols_of_chars(const struct bpe *b, struct enc *x, struct symbols *s, const char *p, size_t n)
{
    char affixed[4 + AFFIX_BYTES];
    int len;
    for (size_t i = 0; i < n; i += (size_t)len) {
        utf8_at(p + i, &len);
        const char *name = p + i;
        size_t k = (size_t)len, prefix = i ? b->n_prefix : 0, suffix = i + k == n ? b->n_suffix : 0;
        if (prefix + suffix) {
            memcpy(affixed, b->prefix, prefix);
            memcpy(affixed + prefix, p + i, k);
            memcpy(affixed + prefix + k, b->suffix, suffix);
            name = affixed;
            k += prefix + suffix;
        }
        int id = lexicon_find(b->lex, name, k);
        if (id != NO_ID) {
            unknown_flush(b, s);
            s->p[s->n++] = id;
            continue;
        }
        if (symbols_of_fallback(b, s, name, k)) continue;
        if (b->unk == NO_ID)
            return err_set(x->e, "the tokenizer has no token for the character \"%.*s\" and no unknown token",
                           len, p + i);
        unknown_add(b, s);
    }
    unknown_flush(b, s);
    return 0;
}

/* Symbols into x->work, merged; returns how many, or -1. */
static int piece_merge(const struct bpe *b, struct enc *x, const char *p, size_t n)
{
    size_t room = b->n_prefix || b->n_suffix ? n * (1 + b->n_prefix) + b->n_suffix : n;
    struct symbols s = {.p = work_room(x, room)};
    if ((b->byte_level ? symbols_of_bytes : symbols_of_chars)(b, x, &s, p, n)) return -1;
    if (!b->n_merges) return s.n;
    return s.n <= SHORT_PIECE ? merge_short(b, s.p, s.n) : merge_long(b, s.p, s.n);
}

int bpe_encode(struct enc *x, const char *p, size_t n)
{
    const struct bpe *b = &x->t->bpe;
    if (b->ignore_merges) {
        int id = lexicon_find(b->byte_level ? &b->raw : b->lex, p, n);
        if (id != NO_ID) {
            ids_push(x->out, id);
            return 0;
        }
    }
    int left = piece_merge(b, x, p, n);
    if (left < 0) return -1;
    ids_append(x->out, x->work, (size_t)left);
    return 0;
}
