/* tiktoken.c: tiktoken's file of ranks: a line a token, its bytes in base64 and its number.
 *
 * It says neither how text is cut nor which special tokens there are. As transformers reads it: the
 * expression of Llama 3, whole pieces looked up first, and the tokens of added_tokens_decoder after the last
 * rank, with <|reserved_token_N|> in the gaps. Every cut of a token into two tokens is a merge with the
 * token's rank.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "text/text_int.h"

#define TOKEN_BYTES 4096

/* The decimal number p[0..n), or -1: not one, or not below ID_MAX. */
static long rank_of(const char *p, size_t n)
{
    long rank = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') return -1;
        rank = 10 * rank + (p[i] - '0');
        if (rank >= ID_MAX) return -1;
    }
    return n ? rank : -1;
}

static int add_line(struct tokenizer *t, struct lexicon *raw, const char *p, size_t n, struct err *e)
{
    const char *space = memchr(p, ' ', n);
    long rank = space ? rank_of(space + 1, (size_t)(p + n - space - 1)) : -1;
    if (rank < 0)
        return err_set(e, "\"%.*s\": base64 and a rank below %d expected", (int)(n < 100 ? n : 100), p,
                       ID_MAX);
    size_t used;
    unsigned char *bytes = base64_decode(p, (size_t)(space - p), &used);
    if (!bytes || !used || used > TOKEN_BYTES) {
        free(bytes);
        return err_set(e, "rank %ld: base64 of 1 to %d bytes expected", rank, TOKEN_BYTES);
    }
    struct str name;
    str_init(&name, 0);
    bytemap_text((const char *)bytes, used, &name);
    int failed = lexicon_add(raw, (int)rank, (const char *)bytes, used, e) ||
                 lexicon_add(&t->lex, (int)rank, name.p, name.len, e);
    str_release(&name);
    free(bytes);
    return failed ? -1 : 0;
}

static int read_lines(struct tokenizer *t, struct lexicon *raw, const char *p, size_t n, struct err *e)
{
    const char *end = p + n;
    for (long line = 1; p < end; line++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((stop ? stop : end) - p);
        if (len && p[len - 1] == '\r') len--;
        if (len && add_line(t, raw, p, len, e)) return err_wrap(e, "line %ld", line);
        p = stop ? stop + 1 : end;
    }
    return raw->n ? 0 : err_set(e, "no ranks");
}

struct cut {
    int left, right;
};

static int by_halves(const void *a, const void *b)
{
    const struct cut *x = a, *y = b;
    return x->left != y->left ? (x->left > y->left) - (x->left < y->left)
                              : (x->right > y->right) - (x->right < y->right);
}

static int add_merges(struct tokenizer *t, const struct lexicon *raw, struct err *e)
{
    struct cut cuts[TOKEN_BYTES];
    int failed = 0;
    for (int id = 0; id < raw->n && !failed; id++) {
        size_t n, n_cuts = 0;
        const char *p = lexicon_text(raw, id, &n);
        for (size_t k = 1; p && k < n; k++) {
            struct cut c = {lexicon_find(raw, p, k), lexicon_find(raw, p + k, n - k)};
            if (c.left != NO_ID && c.right != NO_ID) cuts[n_cuts++] = c;
        }
        qsort(cuts, n_cuts, sizeof *cuts, by_halves);
        for (size_t i = 0; i < n_cuts && !failed; i++)
            failed = bpe_merge_add(&t->bpe, cuts[i].left, cuts[i].right, id, (uint32_t)t->bpe.n_merges, e);
    }
    return failed;
}

/* The tokens after the last rank, up to the last that the configuration names. */
static int add_specials(struct tokenizer *t, int first, struct err *e)
{
    json_t *named = json_object_get(t->config, "added_tokens_decoder"), *token;
    const char *key;
    long last = -1;
    json_object_foreach(named, key, token)
    {
        long id = strtol(key, NULL, 10);
        if (id > last) last = id;
    }
    if (last >= ID_MAX) return err_set(e, "added_tokens_decoder: id %ld; below %d expected", last, ID_MAX);
    for (long id = first; id <= last; id++) {
        char gap[48];
        snprintf(gap, sizeof gap, "%ld", id);
        const char *text = json_str_or(json_object_get(named, gap), "content", NULL);
        if (!text) {
            snprintf(gap, sizeof gap, "<|reserved_token_%ld|>", id);
            text = gap;
        }
        if (tokenizer_add_special(t, text, strlen(text), e)) return -1;
    }
    return 0;
}

int tiktoken_read(struct tokenizer *t, const char *bytes, size_t n, struct err *e)
{
    struct lexicon raw;
    lexicon_init(&raw);
    t->parts = preset_parts("llama-bpe", e);
    int failed =
        !t->parts || read_lines(t, &raw, bytes, n, e) || add_merges(t, &raw, e) || add_specials(t, raw.n, e);
    lexicon_release(&raw);
    return failed ? err_wrap(e, "tiktoken file") : 0;
}
