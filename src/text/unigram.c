/* unigram.c: the Unigram "model" (Kudo 2018): the cut of a piece into tokens with the best sum of scores.
 *
 * best[i] is the score of the best cut of the first i bytes; from every start, all tokens that stand there
 * come from one walk down a trie of bytes (Viterbi). A character that is no token by itself may be unknown,
 * at the lowest score less 10; unknowns in a row are one token, or the bytes <0xNN> of all of them. Scores
 * are double as in Hugging Face's library; SentencePiece keeps its sums as float, and so does a vocabulary
 * read from its file. Hugging Face's trainer writes a token twice that is a special one and in the text: the
 * later counts.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "text/text_int.h"
#include "text/unicode.h"

#define WHERE       "Unigram"
#define UNK_PENALTY 10.0
#define TOKEN_BYTES 4096 /* a walk down the trie is no longer: time stays linear in the text */

void unigram_init(struct unigram *u)
{
    *u = (struct unigram){.unk = NO_ID};
}

void unigram_release(struct unigram *u)
{
    free(u->node);
    free(u->score);
    free(u->reserved);
}

/* ---- trie: the children of a node lie side by side, sorted by byte ------------------------------------ */

struct uni_node {
    int32_t first; /* child */
    int32_t id;    /* of the token that ends here, or NO_ID */
    uint16_t n;    /* children */
    unsigned char byte;
};

/* Tokens of one node: sorted[lo..hi), equal in their first `depth` bytes. */
struct span {
    int lo, hi, depth;
};

static int by_bytes(const void *a, const void *b, void *lexicon)
{
    size_t n, m;
    const char *p = lexicon_text(lexicon, *(const int *)a, &n);
    const char *q = lexicon_text(lexicon, *(const int *)b, &m);
    int c = memcmp(p, q, n < m ? n : m);
    return c ? c : (n > m) - (n < m);
}

static void trie_room(struct unigram *u, struct span **spans)
{
    if (u->n_node < u->node_cap) return;
    u->node_cap = u->node_cap ? u->node_cap * 2 : 1024;
    u->node = alloc_again(u->node, (size_t)u->node_cap * sizeof *u->node);
    *spans = alloc_again(*spans, (size_t)u->node_cap * sizeof **spans);
}

/* Breadth first, so that children follow each other. */
static void trie_build(struct unigram *u, const struct lexicon *lex, const int *sorted, int n)
{
    struct span *spans = NULL;
    trie_room(u, &spans);
    spans[u->n_node] = (struct span){0, n, 0};
    u->node[u->n_node++] = (struct uni_node){.id = NO_ID};
    for (int at = 0; at < u->n_node; at++) {
        struct span s = spans[at];
        size_t len;
        lexicon_text(lex, sorted[s.lo < n ? s.lo : 0], &len);
        if (s.lo < s.hi && len == (size_t)s.depth) u->node[at].id = sorted[s.lo++];
        u->node[at].first = u->n_node;
        while (s.lo < s.hi) {
            unsigned char byte = (unsigned char)lexicon_text(lex, sorted[s.lo], &len)[s.depth];
            int end = s.lo;
            while (end < s.hi && (unsigned char)lexicon_text(lex, sorted[end], &len)[s.depth] == byte) end++;
            trie_room(u, &spans);
            spans[u->n_node] = (struct span){s.lo, end, s.depth + 1};
            u->node[u->n_node++] = (struct uni_node){.id = NO_ID, .byte = byte};
            u->node[at].n++;
            s.lo = end;
        }
    }
    free(spans);
}

static const struct uni_node *trie_child(const struct unigram *u, const struct uni_node *node,
                                         unsigned char byte)
{
    const struct uni_node *p = u->node + node->first;
    int lo = 0, hi = node->n;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (p[mid].byte < byte)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < node->n && p[lo].byte == byte ? p + lo : NULL;
}

/* ---- reading ------------------------------------------------------------------------------------------ */

int unigram_scores(struct tokenizer *t, const double *score, const bool *reserved, struct err *e)
{
    struct unigram *u = &t->unigram;
    u->n = t->lex.n;
    u->score = alloc_or_die((size_t)u->n * sizeof *u->score + 1);
    u->reserved = alloc_zero((size_t)u->n + 1, sizeof *u->reserved);
    double lowest = INFINITY;
    for (int id = 0; id < u->n; id++) {
        if (!(score[id] - score[id] == 0)) return err_set(e, WHERE ": score of token %d is not a number", id);
        u->score[id] = score[id];
        u->reserved[id] = reserved && reserved[id];
        if (!u->reserved[id] && score[id] < lowest) lowest = score[id];
    }
    u->unk_score = lowest - UNK_PENALTY;
    return 0;
}

static int unigram_load(struct tokenizer *t, const json_t *m, struct err *e)
{
    const json_t *vocab = json_object_get(m, "vocab"), *row;
    size_t i, n = json_array_size(vocab);
    if (!json_is_array(vocab)) return err_set(e, "\"vocab\" must be a list of [token, score]");
    if (n >= ID_MAX) return err_set(e, "vocab: more than %d tokens", ID_MAX);
    double *score = alloc_or_die(n * sizeof *score + 1);
    int failed = 0;
    json_array_foreach(vocab, i, row)
    {
        const json_t *token = json_array_get(row, 0), *v = json_array_get(row, 1);
        failed = json_is_string(token) && json_is_number(v)
                     ? vocab_add_json(t, (int)i, token, e)
                     : err_set(e, "vocab[%zu]: [token, score] expected", i);
        if (failed) break;
        score[i] = json_number_value(v);
    }
    if (!failed) failed = unigram_scores(t, score, NULL, e);
    free(score);
    return failed;
}

/* Tokens that the trie holds, sorted; how many, or -1. */
static int tokens_sorted(const struct tokenizer *t, int *sorted, struct err *e)
{
    int n = 0;
    for (int id = 0; id < t->unigram.n; id++) {
        size_t len;
        const char *text = lexicon_text(&t->lex, id, &len);
        if (!text || !len || t->unigram.reserved[id]) continue;
        if (lexicon_find(&t->lex, text, len) != id) continue; /* it is there again under a later id */
        if (len > TOKEN_BYTES) return err_set(e, "token %d has %zu bytes; at most %d", id, len, TOKEN_BYTES);
        sorted[n++] = id;
    }
    qsort_r(sorted, (size_t)n, sizeof *sorted, by_bytes, (void *)(uintptr_t)&t->lex);
    return n;
}

static int unigram_ready(struct tokenizer *t, const json_t *m, struct err *e)
{
    struct unigram *u = &t->unigram;
    long unk;
    if (json_get_bool_or(m, "byte_fallback", false, &u->byte_fallback, e) ||
        json_get_int_or(m, "unk_id", NO_ID, &unk, e))
        return -1;
    if (unk < NO_ID || unk >= u->n) return err_set(e, "unk_id %ld; 0 to %d or null expected", unk, u->n - 1);
    u->unk = (int)unk;
    byte_tokens(&t->lex, u->byte_id);
    int *sorted = alloc_or_die((size_t)u->n * sizeof *sorted + 1);
    int n = tokens_sorted(t, sorted, e);
    if (n >= 0) trie_build(u, &t->lex, sorted, n);
    free(sorted);
    return n < 0 ? -1 : 0;
}

/* ---- the best cut ------------------------------------------------------------------------------------- */

struct uni_cell {
    double best;
    int32_t from; /* where the last token of the best cut starts; -1: no cut ends here */
    int32_t id;
};

static void reach(const struct unigram *u, struct uni_cell *to, double score, int32_t from, int32_t id)
{
    if (u->single) score = (double)(float)score;
    if (to->from >= 0 && !(score > to->best)) return;
    *to = (struct uni_cell){score, from, id};
}

/* cell[0..n] filled from the left. */
static int fill(const struct unigram *u, struct enc *x, struct uni_cell *cell, const char *p, size_t n)
{
    int len;
    for (size_t i = 0; i <= n; i++) cell[i] = (struct uni_cell){0, -1, NO_ID};
    for (size_t i = 0; i < n; i += (size_t)len) {
        bool single = false;
        utf8_at(p + i, &len);
        const struct uni_node *node = u->node;
        for (size_t k = i; k < n && (node = trie_child(u, node, (unsigned char)p[k])); k++) {
            if (node->id == NO_ID) continue;
            reach(u, &cell[k + 1], u->score[node->id] + cell[i].best, (int32_t)i, node->id);
            single |= k + 1 - i == (size_t)len;
        }
        if (single) continue;
        if (u->unk == NO_ID)
            return err_set(x->e, "the tokenizer has no token for the character \"%.*s\" and no unknown token",
                           len, p + i);
        reach(u, &cell[i + (size_t)len], u->unk_score + cell[i].best, (int32_t)i, u->unk);
    }
    return 0;
}

/* A run of unknowns: a token after all, bytes, or one unknown. */
static void push_unknown(const struct unigram *u, struct enc *x, const char *p, size_t n)
{
    int id = lexicon_find(&x->t->lex, p, n);
    bool bytes = id == NO_ID && u->byte_fallback;
    for (size_t i = 0; i < n && bytes; i++) bytes = u->byte_id[(unsigned char)p[i]] != NO_ID;
    if (!bytes) {
        ids_push(x->out, id == NO_ID ? u->unk : id);
        return;
    }
    for (size_t i = 0; i < n; i++) ids_push(x->out, u->byte_id[(unsigned char)p[i]]);
}

static int unigram_encode(struct enc *x, const char *p, size_t n)
{
    const struct unigram *u = &x->t->unigram;
    if (n >= x->cells_cap) {
        free(x->cells);
        x->cells_cap = n + 1 < 1024 ? 1024 : n + 1;
        x->cells = alloc_or_die(x->cells_cap * sizeof *x->cells);
    }
    struct uni_cell *cell = x->cells;
    if (fill(u, x, cell, p, n)) return -1;
    /* Backwards along the best cut, turning each cell's way round: then forwards. */
    int32_t at = (int32_t)n, next = -1;
    while (at > 0) {
        int32_t from = cell[at].from;
        cell[at].from = next; /* where the token after this one ends */
        next = at;
        at = from;
    }
    size_t start = 0, unknown = 0; /* unknown: where a run of unknowns starts */
    bool in_run = false;
    for (at = next; at >= 0; at = cell[at].from) {
        bool unk = cell[at].id == u->unk;
        if (unk && !in_run) unknown = start;
        if (!unk && in_run) push_unknown(u, x, p + unknown, start - unknown);
        if (!unk) ids_push(x->out, cell[at].id);
        in_run = unk;
        start = (size_t)at;
    }
    if (in_run) push_unknown(u, x, p + unknown, start - unknown);
    return 0;
}

static void unigram_save(const struct tokenizer *t, json_t *m)
{
    json_t *list = json_array();
    for (int id = 0; id < t->unigram.n; id++)
        json_array_append_new(list, json_pack("[o, f]", token_json(t, id), t->unigram.score[id]));
    json_object_set_new(m, "vocab", list);
}

const struct subword_type subword_unigram = {"Unigram", unigram_load, unigram_ready, unigram_encode,
                                             unigram_save};
