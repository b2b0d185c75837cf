/* decode.c: the "decoder" of tokenizer.json.
 *
 * Decoders work on a list of token strings. Most files have one that can be applied to every token once,
 * when the tokenizer is loaded: each id then has its bytes (and other ones when it comes first, for
 * Metaspace), and decoding is joining them. <0xNN> tokens become characters as a run, and at the end what is
 * not UTF-8 becomes U+FFFD. A list of decoders with more to it (a Replace over joined text) runs step by
 * step over the strings: decode_steps.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "text/text_int.h"
#include "text/unicode.h"

#define WHERE       "decoder"
#define REPLACEMENT "\xEF\xBF\xBD"

static int table_put(struct decoder *d, struct lexeme *at, const char *p, size_t n, struct err *e)
{
    if (d->used + n >= UINT32_MAX) return err_set(e, WHERE ": more than 4 GiB of text in all tokens");
    if (d->used + n > d->cap) {
        d->cap = (d->used + n) * 2;
        d->blob = alloc_again(d->blob, d->cap);
    }
    if (n) memcpy(d->blob + d->used, p, n);
    *at = (struct lexeme){(uint32_t)d->used, (uint32_t)n};
    d->used += n;
    return 0;
}

void decoder_release(struct decoder *d)
{
    for (int i = 0; i < d->n_steps; i++) decode_step_release(&d->step[i]);
    free(d->at);
    free(d->head);
    free(d->blob);
    free(d->byte);
    *d = (struct decoder){0};
}

/* ---- applied once -------------------------------------------------------------------------------------- */

static void lexeme_bytes(struct decoder *d, struct lexeme *x, char *bytes)
{
    long n = x->off == UINT32_MAX ? -1 : bytemap_bytes(d->blob + x->off, x->len, bytes);
    if (n < 0) return;
    memcpy(d->blob + x->off, bytes, (size_t)n); /* never longer than the token */
    x->len = (uint32_t)n;
}

/* What a token is when it comes first may lie where the token itself does: then both change at once. */
static void table_bytes(struct decoder *d)
{
    char *bytes = alloc_or_die(LEXEME_BYTES);
    for (int id = 0; id < d->n; id++) {
        struct lexeme *x = &d->at[id], *head = d->head ? &d->head[id] : NULL;
        bool shared = head && head->off == x->off && head->len == x->len;
        lexeme_bytes(d, x, bytes);
        if (shared)
            *head = *x;
        else if (head)
            lexeme_bytes(d, head, bytes);
    }
    free(bytes);
}

/* One step for every token, as the first of a text or not. */
static int table_step(struct decoder *d, struct lexeme *at, const struct decode_step *s, bool first,
                      struct err *e)
{
    struct regex_scratch *scratch = regex_scratch_new();
    struct str out;
    int failed = 0;
    str_init(&out, 0);
    for (int id = 0; id < d->n && !failed; id++) {
        if (at[id].off == UINT32_MAX) continue;
        str_clear(&out);
        struct decode_one in = {d->blob + at[id].off, at[id].len, first, scratch};
        int changed = s->type->one(s, &in, &out, e);
        if (changed) failed = changed < 0 ? -1 : table_put(d, &at[id], out.p, out.len, e);
    }
    str_release(&out);
    regex_scratch_free(scratch);
    return failed;
}

static int tables_step(struct decoder *d, const struct decode_step *s, struct err *e)
{
    if (s->type->kind == STEP_FIRST && !d->head) {
        d->head = alloc_or_die((size_t)d->n * sizeof *d->head + 1);
        memcpy(d->head, d->at, (size_t)d->n * sizeof *d->head);
    }
    return table_step(d, d->at, s, false, e) || (d->head && table_step(d, d->head, s, true, e)) ? -1 : 0;
}

static void mark_bytes(struct decoder *d)
{
    d->byte = alloc_zero((size_t)d->n + 1, sizeof *d->byte);
    for (int id = 0; id < d->n; id++) {
        struct lexeme *x = &d->at[id];
        int byte = x->off == UINT32_MAX ? -1 : byte_token(d->blob + x->off, x->len);
        if (byte < 0) continue;
        d->blob[x->off] = (char)byte;
        x->len = 1;
        d->byte[id] = true;
        if (d->head) d->head[id] = *x;
    }
}

/* Can the steps be applied to tokens? These kinds in this order can. */
static bool applicable(const struct decoder *d)
{
    int i = 0, n = d->n_steps;
    while (i < n && (d->step[i].type->kind == STEP_ONE || d->step[i].type->kind == STEP_FIRST)) i++;
    bool bytes = i < n && d->step[i].type->kind == STEP_BYTES;
    i += bytes;
    bool joined =
        i < n && (d->step[i].type->kind == STEP_FUSE || (d->step[i].type->kind == STEP_BYTE_LEVEL && !bytes));
    i += joined;
    if (joined && i < n && decode_step_strips_front(&d->step[i])) i++;
    return i == n;
}

static int apply(struct decoder *d, struct err *e)
{
    bool joined = false;
    for (int i = 0; i < d->n_steps; i++) {
        const struct decode_step *s = &d->step[i];
        switch (s->type->kind) {
        case STEP_ONE:
        case STEP_FIRST:
            if (joined) {
                d->strip_left = (int)s->start;
                d->strip_char = s->text[0];
            } else if (tables_step(d, s, e)) {
                return -1;
            }
            break;
        case STEP_BYTES: mark_bytes(d); break;
        case STEP_BYTE_LEVEL:
            table_bytes(d);
            joined = true;
            break;
        default: joined = true; break;
        }
    }
    return 0;
}

int decoder_load(struct tokenizer *t, const json_t *o, struct err *e)
{
    struct decoder *d = &t->dec;
    decoder_release(d);
    d->n = t->size;
    d->at = alloc_or_die((size_t)d->n * sizeof *d->at + 1);
    for (int id = 0; id < d->n; id++) {
        size_t n;
        const struct added_token *a = t->added_of[id] >= 0 ? &t->added.p[t->added_of[id]] : NULL;
        const char *token = a ? a->shown : lexicon_text(&t->lex, id, &n);
        d->at[id] = (struct lexeme){UINT32_MAX, 0};
        if (token && table_put(d, &d->at[id], token, a ? a->n_shown : n, e)) return -1;
    }
    d->join_space = !o || json_is_null(o);
    if (element_sequence(t, o, "decoders", decode_step_load, e)) return -1;
    d->stepwise = !applicable(d);
    return d->stepwise ? 0 : apply(d, e);
}

/* ---- decoding ------------------------------------------------------------------------------------------ */

/* The bytes of an id; NULL: it is left out. */
static const struct lexeme *decoder_get(const struct tokenizer *t, int id, bool skip_special, bool first)
{
    const struct decoder *d = &t->dec;
    if (id < 0 || id >= d->n || d->at[id].off == UINT32_MAX) return NULL;
    int a = t->added_of[id];
    if (skip_special && a >= 0 && t->added.p[a].skipped) return NULL;
    return first && d->head ? &d->head[id] : &d->at[id];
}

/* Bytes of <0xNN> tokens from `start` on: as they are if they are UTF-8 together, else U+FFFD for each. */
static void close_run(struct str *s, size_t start)
{
    size_t n = s->len - start;
    if (utf8_valid(s->p + start, n)) return;
    s->len = start;
    for (size_t i = 0; i < n; i++) str_puts(s, REPLACEMENT);
}

void utf8_add(struct str *out, const char *p, size_t n)
{
    if (utf8_valid(p, n))
        str_add(out, p, n);
    else
        utf8_clean(out, p, n);
}

static void decode_joined(const struct tokenizer *t, const int *ids, size_t n, bool skip_special,
                          struct str *out)
{
    const struct decoder *d = &t->dec;
    struct str s;
    size_t run = 0, from = 0;
    bool in_run = false, any = false;
    str_init(&s, out->max);
    for (size_t i = 0; i < n; i++) {
        const struct lexeme *x = decoder_get(t, ids[i], skip_special, !any);
        if (!x) continue;
        bool byte = d->byte && d->byte[ids[i]];
        if (in_run && !byte) close_run(&s, run);
        if (byte && !in_run) run = s.len;
        in_run = byte;
        if (any && d->join_space) str_add(&s, " ", 1);
        str_add(&s, d->blob + x->off, x->len);
        any = true;
    }
    if (in_run) close_run(&s, run);
    while (from < s.len && from < (size_t)d->strip_left && s.p[from] == d->strip_char) from++;
    utf8_add(out, s.p + from, s.len - from);
    if (s.full) out->full = true;
    str_release(&s);
}

void tokenizer_decode(const struct tokenizer *t, const int *ids, size_t n, bool skip_special, struct str *out)
{
    if (!t->dec.stepwise) {
        decode_joined(t, ids, n, skip_special, out);
        return;
    }
    struct decode_list list;
    decode_list_init(&list);
    for (size_t i = 0; i < n; i++) {
        const struct lexeme *x = decoder_get(t, ids[i], skip_special, false);
        if (x) decode_list_add(&list, t->dec.blob + x->off, x->len);
    }
    decode_steps(&t->dec, &list, out);
    decode_list_release(&list);
}

/* How many of the last bytes may be the start of a character that is not complete: 0..3. */
static size_t open_tail(const unsigned char *p, size_t n)
{
    for (size_t k = 1; k <= 3 && k <= n; k++) {
        unsigned char c = p[n - k];
        if ((c & 0xC0) == 0x80) continue;
        size_t want = c >= 0xF0 && c <= 0xF4 ? 4 : c >= 0xE0 && c < 0xF0 ? 3 : c >= 0xC2 && c < 0xE0 ? 2 : 1;
        if (k >= want) return 0;
        /* Only the second byte has narrower limits than 80..BF. */
        unsigned char b = k > 1 ? p[n - k + 1] : 0;
        bool bad = k > 1 && ((c == 0xE0 && b < 0xA0) || (c == 0xED && b > 0x9F) || (c == 0xF0 && b < 0x90) ||
                             (c == 0xF4 && b > 0x8F));
        return bad ? 0 : k;
    }
    return 0;
}

void tok_stream_push(struct tok_stream *s, const struct tokenizer *t, int id, bool skip_special,
                     struct str *out)
{
    const struct lexeme *x = decoder_get(t, id, skip_special, !s->any);
    if (!x) return;
    s->any = true;
    if (t->dec.stepwise) {
        s->of = t;
        ids_push(&s->late, id);
        return;
    }
    const char *p = t->dec.blob + x->off;
    size_t n = x->len;
    for (; n && !s->started && s->n_stripped < t->dec.strip_left && *p == t->dec.strip_char; p++, n--)
        s->n_stripped++;
    if (s->started && t->dec.join_space) str_add(out, " ", 1);
    if (t->dec.byte && !t->dec.byte[id]) /* ends a run of <0xNN> */
        for (; s->n_held; s->n_held--) str_puts(out, REPLACEMENT);
    if (n || t->dec.join_space) s->started = true;
    struct str all;
    str_init(&all, 0);
    str_add(&all, s->held, (size_t)s->n_held);
    str_add(&all, p, n);
    size_t tail = open_tail((const unsigned char *)all.p, all.len);
    utf8_add(out, all.p, all.len - tail);
    memcpy(s->held, all.p + all.len - tail, tail);
    s->n_held = (int)tail;
    str_release(&all);
}

void tok_stream_end(struct tok_stream *s, struct str *out)
{
    if (out && s->late.n) tokenizer_decode(s->of, s->late.p, s->late.n, false, out);
    if (out) utf8_add(out, s->held, (size_t)s->n_held);
    ids_release(&s->late);
    *s = (struct tok_stream){0};
}
