/* wordlevel.c: the WordLevel "model": a piece is a token, or it is unknown. */
#include <string.h>

#include "base/json.h"
#include "text/text_int.h"

static int wordlevel_load(struct tokenizer *t, const json_t *m, struct err *e)
{
    return vocab_from_json(t, json_object_get(m, "vocab"), e);
}

static int wordlevel_ready(struct tokenizer *t, const json_t *m, struct err *e)
{
    const char *unk;
    if (json_get_str(m, "unk_token", "WordLevel", &unk, e)) return -1;
    t->word_unk = lexicon_find(&t->lex, unk, strlen(unk));
    return 0;
}

static int wordlevel_encode(struct enc *x, const char *p, size_t n)
{
    int id = lexicon_find(&x->t->lex, p, n);
    if (id == NO_ID) id = x->t->word_unk;
    if (id == NO_ID)
        return err_set(x->e, "\"%.*s\" is not in the vocabulary, and neither is the unknown token",
                       (int)(n < 100 ? n : 100), p);
    ids_push(x->out, id);
    return 0;
}

static void wordlevel_save(const struct tokenizer *t, json_t *m)
{
    json_object_set_new(m, "vocab", vocab_json(t));
}

const struct subword_type subword_wordlevel = {"WordLevel", wordlevel_load, wordlevel_ready, wordlevel_encode,
                                               wordlevel_save};
