/* added.c: added tokens, cut out of the text before anything else sees it.
 *
 * Leftmost match, the longest among those that start at one place, found with a trie. Tokens with normalized
 * false are matched in the raw text, the others afterwards in the normalised text between. lstrip and rstrip
 * swallow the white space beside a match; single_word drops a match that touches a word character. The order
 * of these steps, overlaps of swallowed space included, is that of Hugging Face's added_vocabulary.rs.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "text/text_int.h"
#include "text/unicode.h"

static void trie_init(struct trie *tr)
{
    *tr = (struct trie){.n = 1, .cap = 16};
    tr->node = alloc_zero((size_t)tr->cap, sizeof *tr->node);
    tr->node[0].token = -1;
}

static int trie_child(const struct trie *tr, int node, unsigned char byte)
{
    int c = tr->node[node].child;
    while (c && tr->node[c].byte != byte) c = tr->node[c].sibling;
    return c;
}

void trie_put(struct trie *tr, const char *text, size_t n, int token)
{
    int at = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)text[i];
        int c = trie_child(tr, at, byte);
        if (!c) {
            if (tr->n == tr->cap) {
                tr->cap *= 2;
                tr->node = alloc_again(tr->node, (size_t)tr->cap * sizeof *tr->node);
            }
            c = tr->n++;
            tr->node[c] = (struct trie_node){.sibling = tr->node[at].child, .token = -1, .byte = byte};
            tr->node[at].child = c;
        }
        at = c;
    }
    if (!at) return;
    if (tr->node[at].token < 0) tr->node[at].token = token;
    tr->first[(unsigned char)text[0]] = true;
}

/* The longest token at p: its index, and its end; or -1. */
static int trie_longest(const struct trie *tr, const char *p, const char *end, const char **stop)
{
    int best = -1;
    for (int at = 0; p < end; p++) {
        at = trie_child(tr, at, (unsigned char)*p);
        if (!at) break;
        if (tr->node[at].token >= 0) {
            best = tr->node[at].token;
            *stop = p + 1;
        }
    }
    return best;
}

void added_init(struct added *a)
{
    *a = (struct added){0};
    lexicon_init(&a->index);
    trie_init(&a->raw);
    trie_init(&a->normal);
}

void added_release(struct added *a)
{
    for (int i = 0; i < a->n; i++) free(a->p[i].shown);
    lexicon_release(&a->index);
    free(a->p);
    free(a->raw.node);
    free(a->normal.node);
    *a = (struct added){0};
}

int added_put(struct added *a, const struct added_token *t, struct err *e)
{
    if (!t->n || t->n > ADDED_BYTES)
        return err_set(e, "added token of %zu bytes; 1 to %d expected", t->n, ADDED_BYTES);
    int i = lexicon_find(&a->index, t->text, t->n);
    if (i == NO_ID) {
        i = a->n;
        if (lexicon_add(&a->index, i, t->text, t->n, e)) return -1;
        if (a->n == a->cap) {
            a->cap = a->cap ? a->cap * 2 : 16;
            a->p = alloc_again(a->p, (size_t)a->cap * sizeof *a->p);
        }
        a->n++;
    }
    a->p[i] = *t;
    a->p[i].text = NULL; /* the index owns the text, and may move it */
    return 0;
}

const struct added_token *added_find(const struct added *a, const char *text, size_t n)
{
    int i = lexicon_find(&a->index, text, n);
    return i == NO_ID ? NULL : &a->p[i];
}

void added_settle(struct added *a)
{
    for (int i = 0; i < a->n; i++) a->p[i].text = lexicon_text(&a->index, i, NULL);
}

static bool word_before(const char *start, const char *p)
{
    int n;
    return p > start && uc_word(utf8_before(start, p, &n));
}

static bool word_after(const char *p, const char *end)
{
    int n;
    return p < end && uc_word(utf8_at(p, &n));
}

const char *spaces_before(const char *start, const char *p)
{
    const uint8_t *table = unicode_table();
    int n;
    while (p > start && table[utf8_before(start, p, &n)] & UC_SPACE) p -= n;
    return p;
}

const char *spaces_after(const char *p, const char *end)
{
    const uint8_t *table = unicode_table();
    int n;
    while (p < end && table[utf8_at(p, &n)] & UC_SPACE) p += n;
    return p;
}

/* The last run of white space looked at: many tokens may stand in one, and it is walked through once. */
struct space_run {
    const char *from, *to;
};

static const char *run_end(struct space_run *s, const char *p, const char *end)
{
    if (!s->from || p < s->from || p > s->to) *s = (struct space_run){p, spaces_after(p, end)};
    return s->to;
}

int added_cut(const struct added *a, const struct trie *tr, struct enc *x, const char *p, size_t n,
              int (*text)(struct enc *x, const char *p, size_t n))
{
    const char *end = p + n, *done = p; /* text before `done` has been given out */
    struct space_run space = {NULL, NULL};
    for (const char *q = p; q < end;) {
        const char *stop = NULL;
        int hit = tr->first[(unsigned char)*q] ? trie_longest(tr, q, end, &stop) : -1;
        if (hit < 0) {
            q++;
            continue;
        }
        const struct added_token *t = &a->p[hit];
        const char *from = q;
        q = stop;
        if (t->single_word && (word_before(p, from) || word_after(stop, end))) continue;
        /* A match before may have swallowed the space already, and this token with it. */
        if (t->lstrip) from = from > done ? spaces_before(done, from) : done;
        if (t->rstrip) stop = run_end(&space, stop, end);
        if (done < from && text(x, done, (size_t)(from - done))) return -1;
        if (from < stop) ids_push(x->out, t->id); /* else a match before it has swallowed it */
        done = stop;
    }
    return done < end ? text(x, done, (size_t)(end - done)) : 0;
}
