/* tokenizer_export.c: a tokenizer as a vocabulary in memory, for GGUF: the inverse of tokenizer_vocab.c.
 *
 * Byte-level BPE is told by its merges and the name of its pre-tokenizer; SentencePiece BPE by scores. A
 * merge's rank becomes the score of its result with the sign turned, so that better merges come first again.
 * A pipeline that no name stands for cannot be said in GGUF, and is an error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "text/text_int.h"

/* GGUF's token types, as in tokenizer_vocab.c. */
enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER_DEFINED, TYPE_UNUSED, TYPE_BYTE };

static const struct added_token *added_at(const struct tokenizer *t, int id)
{
    return id < t->size && t->added_of[id] >= 0 ? &t->added.p[t->added_of[id]] : NULL;
}

static int type_of(const struct tokenizer *t, int id, const char *text, size_t n)
{
    const struct added_token *a = added_at(t, id);
    if (id == t->bpe.unk && t->bpe.byte_fallback) return TYPE_UNKNOWN;
    if (a) return a->special ? TYPE_CONTROL : TYPE_USER_DEFINED;
    bool byte = t->bpe.byte_fallback && n == 6 && str_starts(text, "<0x") && text[5] == '>';
    return byte ? TYPE_BYTE : TYPE_NORMAL;
}

static void export_tokens(const struct tokenizer *t, struct vocab *v)
{
    size_t n = (size_t)t->size;
    const char **tokens = alloc_zero(n, sizeof *tokens);
    size_t *lengths = alloc_zero(n, sizeof *lengths);
    int *types = alloc_zero(n, sizeof *types);
    for (int id = 0; id < t->size; id++) {
        const struct added_token *a = added_at(t, id);
        const char *text = lexicon_text(&t->lex, id, &lengths[id]);
        if (a) text = a->text, lengths[id] = a->n;
        tokens[id] = text; /* NULL: a hole among the ids */
        types[id] = text ? type_of(t, id, text, lengths[id]) : TYPE_UNUSED;
    }
    v->n = t->size;
    v->tokens = tokens;
    v->lengths = lengths;
    v->types = types;
}

static int export_merges(const struct tokenizer *t, struct vocab *v, struct err *e)
{
    const struct bpe *b = &t->bpe;
    const char **merges = alloc_zero((size_t)b->n_merges + 1, sizeof *merges);
    v->merges = merges;
    for (int i = 0; i < b->n_merges; i++) {
        const char *left = lexicon_text(&t->lex, b->merges[i].left, NULL);
        const char *right = lexicon_text(&t->lex, b->merges[i].right, NULL);
        size_t n = strlen(left), m = strlen(right);
        if (strchr(left, ' ') || strchr(right, ' '))
            return err_set(e, "merge %d joins tokens that hold spaces, which GGUF cannot say", i);
        char *line = alloc_or_die(n + m + 2);
        snprintf(line, n + m + 2, "%s %s", left, right);
        merges[v->n_merges++] = line;
    }
    return 0;
}

static void export_scores(const struct tokenizer *t, struct vocab *v)
{
    float *scores = alloc_zero((size_t)t->size, sizeof *scores);
    for (int i = t->bpe.n_merges - 1; i >= 0; i--) /* of several merges with one result the first counts */
        scores[t->bpe.merges[i].id] = -(float)t->bpe.merges[i].rank;
    v->scores = scores;
}

static bool holds(const struct ids *ids, int id)
{
    for (size_t i = 0; i < ids->n; i++)
        if (ids->p[i] == id) return true;
    return false;
}

int tokenizer_to_vocab(const struct tokenizer *t, struct vocab *v, struct err *e)
{
    const char *unk = json_str_or(json_object_get(t->parts, "model"), "unk_token", NULL);
    *v = (struct vocab){.bos = t->bos, .eos = t->eos, .pad = t->pad, .chat_template = t->chat};
    v->pre = preset_name(t->parts);
    if (!v->pre)
        return err_set(e, "the tokenizer's normalizer and pre-tokenizer are none that GGUF has a name for");
    bool spm = str_starts(v->pre, SPM);
    v->model = spm ? SPM : "gpt2";
    v->unk = unk ? tokenizer_find(t, unk, strlen(unk)) : NO_ID;
    v->add_bos = t->bos != NO_ID && holds(&t->prefix, t->bos);
    v->add_eos = t->eos != NO_ID && holds(&t->suffix, t->eos);
    export_tokens(t, v);
    if (spm) export_scores(t, v);
    return spm ? 0 : export_merges(t, v, e);
}

void vocab_release(struct vocab *v)
{
    for (int i = 0; i < v->n_merges; i++) free((char *)v->merges[i]);
    free((void *)v->merges);
    free((void *)v->tokens);
    free((void *)v->lengths);
    free((void *)v->scores);
    free((void *)v->types);
    *v = (struct vocab){0};
}
