/* tokenizer_chars.c: a tokenizer of single characters, for models small enough to learn from scratch in
 * minutes.
 *
 * It is a byte-level BPE: some of transformers' classes (Qwen2Tokenizer) take nothing but vocabulary and
 * merges from the files and build that pipeline around them. A character of one byte is a token; others are
 * joined by merges, whose pieces (single bytes, first bytes of a character) come last in the vocabulary.
 * Specials come first. Of them, names like <|end|> and <unk>, <pad>, <s>, </s>, <bos>, <eos> are special
 * (left out when decoding with skip_special); any other, such as <think>, is an added token that decodes to
 * its text. A byte that is no token becomes <unk> if that is among the specials, and is an error if not.
 */
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "text/text_int.h"
#include "text/unicode.h"

/* The first of `names` (separated by spaces) that is among the tokens is set as `role`; none is said too, for
 * classes that would add a token of their own. */
static void choose(struct tokenizer *t, const char *role, const char *names, int *out)
{
    json_object_set_new(t->config, role, json_null());
    for (const char *p = names; *p;) {
        size_t n = strcspn(p, " ");
        int id = tokenizer_find(t, p, n);
        if (id != NO_ID) {
            *out = id;
            json_object_set_new(t->config, role, json_stringn(p, n));
            return;
        }
        p += n + (p[n] == ' ');
    }
}

static bool is_special(const char *name)
{
    static const char *const names[] = {"<unk>", "<pad>", "<s>", "</s>", "<bos>", "<eos>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i])) return true;
    return str_starts(name, "<|") && str_ends(name, "|>");
}

static int add_specials(struct tokenizer *t, const char *const *specials, int n, struct err *e)
{
    for (int i = 0; i < n; i++) {
        size_t len = strlen(specials[i]);
        struct added_token a = {.text = specials[i], .n = len, .special = is_special(specials[i])};
        if (!utf8_valid(specials[i], len)) return err_set(e, "special token %d is not UTF-8", i);
        if (lexicon_add(&t->lex, i, specials[i], len, e) || tokenizer_add(t, &a, e)) return -1;
    }
    return 0;
}

/* A token of these bytes, with the next id. */
static int add_bytes(struct tokenizer *t, const char *p, int len, int *id, struct err *e)
{
    struct str token;
    str_init(&token, 0);
    bytemap_text(p, (size_t)len, &token);
    int failed = lexicon_add(&t->lex, (*id)++, token.p, token.len, e);
    str_release(&token);
    return failed;
}

static bool has_bytes(const struct tokenizer *t, const char *p, int len)
{
    struct str token;
    str_init(&token, 0);
    bytemap_text(p, (size_t)len, &token);
    bool has = lexicon_find(&t->lex, token.p, token.len) != NO_ID;
    str_release(&token);
    return has;
}

/* The merge that gives the first len bytes of a character from the first len - 1 and one more. */
static int merge_bytes(struct tokenizer *t, const char *p, int len, struct err *e)
{
    struct str left, right;
    str_init(&left, 0);
    str_init(&right, 0);
    bytemap_text(p, (size_t)len - 1, &left);
    bytemap_text(p + len - 1, 1, &right);
    int failed = tokenizer_merge(t, left.p, left.len, right.p, right.len, e);
    str_release(&left);
    str_release(&right);
    return failed;
}

/* What joins a character of several bytes: pieces that are not there yet, and merges. */
static int add_pieces(struct tokenizer *t, const char *p, int len, int *id, struct err *e)
{
    for (int i = 0; i < len; i++)
        if (!has_bytes(t, p + i, 1) && add_bytes(t, p + i, 1, id, e)) return -1;
    for (int i = 2; i <= len; i++) {
        if (i < len && has_bytes(t, p, i)) continue;
        if ((i < len && add_bytes(t, p, i, id, e)) || merge_bytes(t, p, i, e)) return -1;
    }
    return 0;
}

static int add_alphabet(struct tokenizer *t, const char *alphabet, int first, struct err *e)
{
    int id = first, len;
    for (const char *p = alphabet; *p; p += len) {
        len = utf8_length(p, strlen(p));
        if (!len) return err_set(e, "alphabet: character %d is not UTF-8", id - first);
        if (add_bytes(t, p, len, &id, e)) return err_wrap(e, "alphabet: character %.*s", len, p);
    }
    for (const char *p = alphabet; *p; p += len) {
        len = utf8_length(p, strlen(p));
        if (len > 1 && add_pieces(t, p, len, &id, e)) return -1;
    }
    return 0;
}

static int build(struct tokenizer *t, const char *alphabet, const char *const *specials, int n, struct err *e)
{
    if (add_specials(t, specials, n, e) || add_alphabet(t, alphabet, n, e)) return -1;
    choose(t, "bos_token", "<|begin|> <|bos|> <|im_start|> <s> <bos>", &t->bos);
    choose(t, "eos_token", "<|end|> <|eos|> <|im_end|> <|endoftext|> </s> <eos>", &t->eos);
    choose(t, "pad_token", "<|pad|> <pad>", &t->pad);
    if (t->pad == NO_ID && t->eos != NO_ID) {
        t->pad = t->eos;
        json_object_set(t->config, "pad_token", json_object_get(t->config, "eos_token"));
    }
    int unk = NO_ID;
    choose(t, "unk_token", "<unk>", &unk);
    json_object_set_new(t->config, UNKNOWN_BYTES, json_string("error"));
    json_t *bytes = json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0,
                              "trim_offsets", 1, "use_regex", 0);
    t->parts = json_pack("{s:n, s:O, s:n, s:o, s:{s:s, s:n, s:O, s:n, s:n, s:b, s:b, s:b}}", "normalizer",
                         "pre_tokenizer", bytes, "post_processor", "decoder", bytes, "model", "type", "BPE",
                         "dropout", "unk_token", json_object_get(t->config, "unk_token"),
                         "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0, "byte_fallback", 0,
                         "ignore_merges", 0);
    CHECK(t->parts, "cannot pack");
    return tokenizer_finish(t, e);
}

struct tokenizer *tokenizer_chars(const char *alphabet, const char *const *specials, int n_specials,
                                  struct err *e)
{
    struct tokenizer *t = tokenizer_blank();
    if (!build(t, alphabet, specials, n_specials, e)) return t;
    tokenizer_free(t);
    return NULL;
}
