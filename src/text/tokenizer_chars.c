/* tokenizer_chars.c: a tokenizer of single characters, for models small enough to learn from scratch in
 * minutes.
 *
 * It is a BPE without merges, so that Hugging Face's library reads it as it is. Specials come first in the
 * vocabulary. Of them, names like <|end|> and <unk>, <pad>, <s>, </s>, <bos>, <eos> are special (left out
 * when decoding with skip_special); any other, such as <think>, is an added token that decodes to its text. A
 * character that is not in the alphabet becomes <unk> if that is among the specials, and is an error if not.
 */
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "text/text_int.h"
#include "text/unicode.h"

/* The first of `names` (separated by spaces) that is among the tokens is set as `role`. */
static void choose(struct tokenizer *t, const char *role, const char *names, int *out)
{
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

static int build(struct tokenizer *t, const char *alphabet, const char *const *specials, int n, struct err *e)
{
    if (add_specials(t, specials, n, e)) return -1;
    int id = n;
    for (const char *p = alphabet; *p; id++) {
        int len = utf8_length(p, strlen(p));
        if (!len) return err_set(e, "alphabet: character %d is not UTF-8", id - n);
        if (lexicon_add(&t->lex, id, p, (size_t)len, e)) return err_wrap(e, "alphabet");
        p += len;
    }
    choose(t, "bos_token", "<|begin|> <|bos|> <|im_start|> <s> <bos>", &t->bos);
    choose(t, "eos_token", "<|end|> <|eos|> <|im_end|> <|endoftext|> </s> <eos>", &t->eos);
    choose(t, "pad_token", "<|pad|> <pad>", &t->pad);
    bool unk = tokenizer_find(t, "<unk>", 5) != NO_ID;
    if (unk) json_object_set_new(t->config, "unk_token", json_string("<unk>"));
    t->parts =
        json_pack("{s:n, s:n, s:n, s:{s:s}, s:{s:s, s:n, s:s?, s:n, s:n, s:b, s:b, s:b}}", "normalizer",
                  "pre_tokenizer", "post_processor", "decoder", "type", "Fuse", "model", "type", "BPE",
                  "dropout", "unk_token", unk ? "<unk>" : NULL, "continuing_subword_prefix",
                  "end_of_word_suffix", "fuse_unk", 0, "byte_fallback", 0, "ignore_merges", 0);
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
