/* bpe_model.c: the BPE "model" of tokenizer.json: its vocabulary, merges and options, read and written. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "text/text_int.h"

/* again: the token may be there under an id before. */
static int vocab_add(struct tokenizer *t, int id, const char *token, size_t n, bool again, struct err *e)
{
    char *nul = nul_back(t, token, &n);
    int failed = (again ? lexicon_add_again : lexicon_add)(&t->lex, id, nul ? nul : token, n, e);
    free(nul);
    return failed ? err_wrap(e, "vocab") : 0;
}

int vocab_add_json(struct tokenizer *t, int id, const json_t *token, struct err *e)
{
    return vocab_add(t, id, json_string_value(token), json_string_length(token), true, e);
}

int vocab_from_json(struct tokenizer *t, const json_t *vocab, struct err *e)
{
    if (!json_is_object(vocab)) return err_set(e, "\"vocab\" must be an object of token: id");
    const char *token;
    size_t n;
    const json_t *id;
    json_t *object = (json_t *)(uintptr_t)vocab; /* jansson's iterator takes no const */
    json_object_keylen_foreach(object, token, n, id)
    {
        json_int_t v = json_integer_value(id);
        if (!json_is_integer(id) || v < 0 || v >= ID_MAX)
            return err_set(e, "vocab: the id of \"%.100s\" is not 0 to %d", token, ID_MAX - 1);
        if (vocab_add(t, (int)v, token, n, false, e)) return -1;
    }
    return 0;
}

int tokenizer_merge(struct tokenizer *t, const char *left, size_t n, const char *right, size_t m,
                    struct err *e)
{
    int a = lexicon_find(&t->lex, left, n), b = lexicon_find(&t->lex, right, m);
    size_t skip = t->bpe.n_prefix < m ? t->bpe.n_prefix : m; /* "##" of "##ed" */
    size_t k = n + m - skip;
    if (k > LEXEME_BYTES) return err_set(e, "merge %d: %zu bytes", t->bpe.n_merges, k);
    char small[256], *both = k <= sizeof small ? small : alloc_or_die(k);
    memcpy(both, left, n);
    memcpy(both + n, right + skip, m - skip);
    int id = lexicon_find(&t->lex, both, k);
    if (both != small) free(both);
    if (a == NO_ID || b == NO_ID || id == NO_ID)
        return err_set(e, "merge %d, \"%.*s\" with \"%.*s\": %s is not in the vocabulary", t->bpe.n_merges,
                       (int)(n < 100 ? n : 100), left, (int)(m < 100 ? m : 100), right,
                       a == NO_ID   ? "the first"
                       : b == NO_ID ? "the second"
                                    : "the joined token");
    return bpe_merge_add(&t->bpe, a, b, id, (uint32_t)t->bpe.n_merges, e);
}

int tokenizer_merge_line(struct tokenizer *t, const char *line, size_t n, struct err *e)
{
    const char *space = memchr(line, ' ', n);
    size_t left = space ? (size_t)(space - line) : n;
    if (!space || memchr(space + 1, ' ', n - left - 1))
        return err_set(e, "merge %d, \"%.*s\": two tokens with one space between expected", t->bpe.n_merges,
                       (int)(n < 100 ? n : 100), line);
    return tokenizer_merge(t, line, left, space + 1, n - left - 1, e);
}

static int merge_load(struct tokenizer *t, const json_t *m, struct err *e)
{
    const json_t *a = json_array_get(m, 0), *b = json_array_get(m, 1);
    if (!json_is_string(m) && !(json_array_size(m) == 2 && json_is_string(a) && json_is_string(b)))
        return err_set(e, "merge %d: \"a b\" or [\"a\", \"b\"] expected", t->bpe.n_merges);
    if (json_is_string(m)) a = m;
    size_t n = json_string_length(a), k = b ? json_string_length(b) : 0;
    char *nul_a = nul_back(t, json_string_value(a), &n);
    char *nul_b = b ? nul_back(t, json_string_value(b), &k) : NULL;
    const char *left = nul_a ? nul_a : json_string_value(a);
    int failed = b ? tokenizer_merge(t, left, n, nul_b ? nul_b : json_string_value(b), k, e)
                   : tokenizer_merge_line(t, left, n, e);
    free(nul_a);
    free(nul_b);
    return failed;
}

static int merges_load(struct tokenizer *t, const json_t *merges, struct err *e)
{
    size_t i;
    const json_t *m;
    json_array_foreach(merges, i, m)
    {
        if (merge_load(t, m, e)) return -1;
    }
    return 0;
}

static int bpe_load(struct tokenizer *t, const json_t *m, struct err *e)
{
    t->bpe.n_prefix = strlen(json_str_or(m, "continuing_subword_prefix", ""));
    return vocab_from_json(t, json_object_get(m, "vocab"), e) ||
                   merges_load(t, json_object_get(m, "merges"), e)
               ? -1
               : 0;
}

static int bpe_options(struct tokenizer *t, const json_t *m, struct err *e)
{
    struct bpe *b = &t->bpe;
    double dropout;
    if (json_get_bool_or(m, "byte_fallback", false, &b->byte_fallback, e) ||
        json_get_bool_or(m, "fuse_unk", false, &b->fuse_unk, e) ||
        json_get_bool_or(m, "ignore_merges", false, &b->ignore_merges, e) ||
        json_get_real_or(m, "dropout", 0, &dropout, e))
        return -1;
    if (dropout != 0) return err_set(e, "dropout %g is not supported", dropout);
    b->suffix = json_str_or(m, "end_of_word_suffix", "");
    b->n_suffix = strlen(b->suffix);
    b->prefix = json_str_or(m, "continuing_subword_prefix", "");
    b->n_prefix = strlen(b->prefix);
    if (b->n_prefix + b->n_suffix > AFFIX_BYTES)
        return err_set(e, "continuing_subword_prefix and end_of_word_suffix of more than %d bytes",
                       AFFIX_BYTES);
    bool plain = !b->byte_fallback && !b->n_prefix && !b->n_suffix;
    b->byte_level = plain && pretokenizers_give_bytes(t);
    const char *unk = json_str_or(m, "unk_token", NULL);
    b->unk = unk ? lexicon_find(&t->lex, unk, strlen(unk)) : NO_ID;
    b->strict = b->unk == NO_ID && !strcmp(json_str_or(t->config, UNKNOWN_BYTES, ""), "error");
    return bpe_ready(b, e);
}

json_t *token_json(const struct tokenizer *t, int id)
{
    size_t n;
    const char *p = lexicon_text(&t->lex, id, &n);
    return json_stringn(p, n);
}

/* Strings "a b", which every version reads, unless a token has a space or NUL in it: then pairs. */
static json_t *merges_json(const struct tokenizer *t)
{
    const struct bpe *b = &t->bpe;
    json_t *list = json_array();
    bool pairs = false;
    for (int i = 0; i < b->n_merges && !pairs; i++) {
        size_t n;
        const char *token = lexicon_text(&t->lex, b->merges[i].id, &n);
        pairs = memchr(token, ' ', n) || memchr(token, 0, n);
    }
    for (int i = 0; i < b->n_merges; i++) {
        int left = b->merges[i].left, right = b->merges[i].right;
        const char *p = lexicon_text(&t->lex, left, NULL), *q = lexicon_text(&t->lex, right, NULL);
        json_array_append_new(list, pairs ? json_pack("[o, o]", token_json(t, left), token_json(t, right))
                                          : json_sprintf("%s %s", p, q));
    }
    return list;
}

json_t *vocab_json(const struct tokenizer *t)
{
    json_t *o = json_object();
    for (int id = 0; id < t->lex.n; id++) {
        size_t n;
        const char *p = lexicon_text(&t->lex, id, &n);
        if (p) json_object_setn_new_nocheck(o, p, n, json_integer(id));
    }
    return o;
}

static void bpe_save(const struct tokenizer *t, json_t *m)
{
    json_object_set_new(m, "vocab", vocab_json(t));
    json_object_set_new(m, "merges", merges_json(t));
}

const struct subword_type subword_bpe = {"BPE", bpe_load, bpe_options, bpe_encode, bpe_save};
