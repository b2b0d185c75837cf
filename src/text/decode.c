/* decode.c: the "decoder" of tokenizer.json, applied once to every token when the tokenizer is loaded.
 *
 * Decoders work on a list of token strings. Those supported here treat each token by itself (ByteLevel maps
 * characters to bytes, Replace, ByteFallback turns <0xNN> into a byte) or the joined text (Fuse joins, Strip
 * then takes spaces off its front). So an id always gives the same bytes, and decoding is joining them: bytes
 * that are not UTF-8 become U+FFFD at the end, or one by one in a run of <0xNN> that is not UTF-8 as a whole.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "text/text_int.h"
#include "text/unicode.h"

#define WHERE       "decoder"
#define REPLACEMENT "\xEF\xBF\xBD"

struct decoder_type {
    const char *name;
    int (*apply)(struct decoder *d, const json_t *o, struct err *e);
};

static int decoder_put(struct decoder *d, int id, const char *p, size_t n, struct err *e)
{
    if (d->used + n >= UINT32_MAX) return err_set(e, WHERE ": more than 4 GiB of text in all tokens");
    if (d->used + n > d->cap) {
        d->cap = (d->used + n) * 2;
        d->blob = alloc_again(d->blob, d->cap);
    }
    if (n) memcpy(d->blob + d->used, p, n);
    d->at[id] = (struct lexeme){(uint32_t)d->used, (uint32_t)n};
    d->used += n;
    return 0;
}

void decoder_release(struct decoder *d)
{
    free(d->at);
    free(d->blob);
    free(d->byte);
    *d = (struct decoder){0};
}

/* ---- elements ------------------------------------------------------------------------------------------ */

static int byte_level_apply(struct decoder *d, const json_t *o, struct err *e)
{
    (void)o, (void)e;
    char *bytes = alloc_or_die(LEXEME_BYTES);
    for (int id = 0; id < d->n; id++) {
        struct lexeme *x = &d->at[id];
        if (x->off == UINT32_MAX) continue;
        long n = bytemap_bytes(d->blob + x->off, x->len, bytes);
        if (n < 0) continue;
        memcpy(d->blob + x->off, bytes, (size_t)n); /* never longer than the token */
        x->len = (uint32_t)n;
    }
    free(bytes);
    d->fused = true;
    return 0;
}

static int fuse_apply(struct decoder *d, const json_t *o, struct err *e)
{
    (void)o, (void)e;
    d->fused = true;
    return 0;
}

static int replace_token(struct decoder *d, int id, const struct regex *re, struct regex_scratch *s,
                         const char *content, struct err *e)
{
    struct lexeme x = d->at[id];
    struct str out;
    struct match m = {0};
    size_t done = 0;
    int found;
    str_init(&out, 0);
    while ((found = regex_next(re, s, d->blob + x.off, x.len, &m, e)) > 0) {
        str_add(&out, d->blob + x.off + done, m.from - done);
        str_puts(&out, content);
        done = m.to;
    }
    if (!found && m.any) {
        str_add(&out, d->blob + x.off + done, x.len - done);
        found = decoder_put(d, id, out.p, out.len, e);
    }
    str_release(&out);
    return found;
}

static int replace_apply(struct decoder *d, const json_t *o, struct err *e)
{
    const char *content;
    if (d->fused) return err_set(e, WHERE ": Replace after Fuse is not supported");
    if (json_get_str(o, "content", WHERE ": Replace", &content, e)) return -1;
    struct regex *re = element_pattern(o, WHERE ": Replace", e);
    if (!re) return -1;
    struct regex_scratch *s = regex_scratch_new();
    int failed = 0;
    for (int id = 0; id < d->n && !failed; id++)
        if (d->at[id].off != UINT32_MAX) failed = replace_token(d, id, re, s, content, e);
    regex_scratch_free(s);
    regex_free(re);
    return failed;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

static int byte_fallback_apply(struct decoder *d, const json_t *o, struct err *e)
{
    (void)o, (void)e;
    d->byte = alloc_zero((size_t)d->n, sizeof *d->byte);
    for (int id = 0; id < d->n; id++) {
        struct lexeme *x = &d->at[id];
        if (x->off == UINT32_MAX || x->len != 6) continue;
        char *p = d->blob + x->off;
        int hi = hex_digit(p[3]), lo = hex_digit(p[4]);
        if (memcmp(p, "<0x", 3) || p[5] != '>' || hi < 0 || lo < 0) continue;
        p[0] = (char)(hi << 4 | lo);
        x->len = 1;
        d->byte[id] = true;
    }
    return 0;
}

static int strip_apply(struct decoder *d, const json_t *o, struct err *e)
{
    const char *content;
    long start, stop;
    if (json_get_str(o, "content", WHERE ": Strip", &content, e)) return -1;
    if (json_get_int(o, "start", WHERE ": Strip", &start, e)) return -1;
    if (json_get_int(o, "stop", WHERE ": Strip", &stop, e)) return -1;
    if (!d->fused || stop || strlen(content) != 1 || start < 0 || start > 1024)
        return err_set(e, WHERE ": Strip is supported after Fuse, of one ASCII character, at the start");
    d->strip_left = (int)start;
    d->strip_char = content[0];
    return 0;
}

static const struct decoder_type rows[] = {
    {"ByteLevel", byte_level_apply},
    {"Fuse", fuse_apply},
    {"Replace", replace_apply},
    {"ByteFallback", byte_fallback_apply},
    {"Strip", strip_apply},
    {"Sequence", NULL},
    {NULL, NULL},
};

static int apply_one(struct decoder *d, const json_t *o, struct err *e)
{
    const struct decoder_type *type = rows;
    while (type->name && strcmp(type->name, element_type(o))) type++;
    if (!type->apply) return element_unknown(e, WHERE, o, rows, sizeof *rows);
    return type->apply(d, o, e);
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
        if (token && decoder_put(d, id, token, a ? a->n_shown : n, e)) return -1;
    }
    if (!o || json_is_null(o)) {
        d->join_space = true;
        return 0;
    }
    if (strcmp(element_type(o), "Sequence")) return apply_one(d, o, e);
    size_t i;
    const json_t *part;
    json_array_foreach(json_object_get(o, "decoders"), i, part)
    {
        if (apply_one(d, part, e)) return -1;
    }
    return 0;
}

/* ---- decoding ------------------------------------------------------------------------------------------ */

static const struct lexeme *decoder_get(const struct tokenizer *t, int id, bool skip_special)
{
    if (id < 0 || id >= t->dec.n || t->dec.at[id].off == UINT32_MAX) return NULL;
    int a = t->added_of[id];
    return skip_special && a >= 0 && t->added.p[a].skipped ? NULL : &t->dec.at[id];
}

/* Bytes of <0xNN> tokens from `start` on: as they are if they are UTF-8 together, else U+FFFD for each. */
static void close_run(struct str *s, size_t start)
{
    size_t n = s->len - start;
    if (utf8_valid(s->p + start, n)) return;
    s->len = start;
    for (size_t i = 0; i < n; i++) str_puts(s, REPLACEMENT);
}

static void add_clean(struct str *out, const char *p, size_t n)
{
    if (utf8_valid(p, n))
        str_add(out, p, n);
    else
        utf8_clean(out, p, n);
}

void tokenizer_decode(const struct tokenizer *t, const int *ids, size_t n, bool skip_special, struct str *out)
{
    const struct decoder *d = &t->dec;
    struct str s;
    size_t run = 0, from = 0;
    bool in_run = false, any = false;
    str_init(&s, out->max);
    for (size_t i = 0; i < n; i++) {
        const struct lexeme *x = decoder_get(t, ids[i], skip_special);
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
    add_clean(out, s.p + from, s.len - from);
    if (s.full) out->full = true;
    str_release(&s);
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
    const struct lexeme *x = decoder_get(t, id, skip_special);
    if (!x) return;
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
    add_clean(out, all.p, all.len - tail);
    memcpy(s->held, all.p + all.len - tail, tail);
    s->n_held = (int)tail;
    str_release(&all);
}

void tok_stream_end(struct tok_stream *s, struct str *out)
{
    add_clean(out, s->held, (size_t)s->n_held);
    *s = (struct tok_stream){0};
}
