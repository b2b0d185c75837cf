/* tokenizer_vocab.c: a tokenizer from a vocabulary in memory, as GGUF and llama2.c keep it.
 *
 * "gpt2": byte-level BPE with merges; the pre-tokenizer is known by name (tokenizer_presets.c). "spm":
 * SentencePiece BPE, whose merges are not listed: any two tokens that join to a third may merge, better
 * scores first. So for every token all its splits into two tokens become merges, with the rank of its score.
 * Characters without a token become <0xNN>. Control and unknown tokens are special; user-defined ones are
 * matched in the text too.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "text/text_int.h"
#include "text/unicode.h"

static size_t length_of(const struct vocab *v, int id)
{
    return v->lengths ? v->lengths[id] : strlen(v->tokens[id]);
}

static enum vocab_type type_of(const struct vocab *v, int id)
{
    if (v->types) return (enum vocab_type)v->types[id];
    if (id == v->unk) return VOCAB_UNKNOWN;
    if (id == v->bos || id == v->eos || id == v->pad) return VOCAB_CONTROL;
    bool byte = length_of(v, id) == 6 && !memcmp(v->tokens[id], "<0x", 3) && v->tokens[id][5] == '>';
    return byte ? VOCAB_BYTE : VOCAB_NORMAL;
}

int vocab_tokens(struct tokenizer *t, const struct vocab *v, struct err *e)
{
    for (int id = 0; id < v->n; id++) {
        enum vocab_type type = type_of(v, id);
        struct added_token a = {
            .text = v->tokens[id], .n = length_of(v, id), .special = type != VOCAB_USER_DEFINED};
        if (!utf8_valid(a.text, a.n)) return err_set(e, "token %d is not UTF-8", id);
        if (lexicon_add(&t->lex, id, a.text, a.n, e)) return -1;
        if (a.n && (type == VOCAB_UNKNOWN || type == VOCAB_CONTROL || type == VOCAB_USER_DEFINED) &&
            tokenizer_add(t, &a, e))
            return -1;
    }
    return 0;
}

/* ---- merges from scores -------------------------------------------------------------------------------- */

static int by_falling_score(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* Number of different scores above `score`. */
static uint32_t rank_of(const float *sorted, int n, float score)
{
    int lo = 0, hi = n;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (sorted[mid] > score)
            lo = mid + 1;
        else
            hi = mid;
    }
    return (uint32_t)lo;
}

static bool mergeable(const struct vocab *v, int id)
{
    return id != NO_ID && (type_of(v, id) == VOCAB_NORMAL || type_of(v, id) == VOCAB_USER_DEFINED);
}

static int score_merges(struct tokenizer *t, const struct vocab *v, struct err *e)
{
    float *sorted = alloc_or_die((size_t)v->n * sizeof *sorted + 1);
    int n_sorted = 0, failed = 0;
    for (int id = 0; id < v->n; id++) {
        if (!(v->scores[id] - v->scores[id] == 0))
            failed = err_set(e, "score of token %d is not a number", id);
        if (mergeable(v, id)) sorted[n_sorted++] = v->scores[id];
    }
    qsort(sorted, (size_t)n_sorted, sizeof *sorted, by_falling_score);
    for (int id = 0; id < v->n && !failed; id++) {
        size_t n;
        const char *p = lexicon_text(&t->lex, id, &n);
        if (!mergeable(v, id)) continue;
        uint32_t rank = rank_of(sorted, n_sorted, v->scores[id]);
        int step;
        for (size_t cut = 0; cut < n && !failed; cut += (size_t)step) {
            utf8_at(p + cut, &step);
            int left = cut ? lexicon_find(&t->lex, p, cut) : NO_ID;
            int right = mergeable(v, left) ? lexicon_find(&t->lex, p + cut, n - cut) : NO_ID;
            if (mergeable(v, right)) failed = bpe_merge_add(&t->bpe, left, right, id, rank, e);
        }
    }
    free(sorted);
    return failed;
}

static int by_rank(const void *a, const void *b)
{
    const struct bpe_merge *x = a, *y = b;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    return x->left != y->left ? (x->left > y->left) - (x->left < y->left)
                              : (x->right > y->right) - (x->right < y->right);
}

/* ---- putting together ---------------------------------------------------------------------------------- */

static void config_token(struct tokenizer *t, const char *name, int id, int *out)
{
    const char *text = lexicon_text(&t->lex, id, NULL);
    if (!text) return;
    *out = id;
    json_object_set_new(t->config, name, json_string(text));
}

static int build_gpt2(struct tokenizer *t, const struct vocab *v, struct err *e)
{
    t->parts = preset_parts(v->pre ? v->pre : "default", e);
    if (!t->parts || vocab_tokens(t, v, e)) return -1;
    for (int i = 0; i < v->n_merges; i++)
        if (tokenizer_merge_line(t, v->merges[i], strlen(v->merges[i]), e)) return -1;
    return 0;
}

int vocab_spm(struct tokenizer *t, const struct vocab *v, struct err *e)
{
    if (!v->scores) return err_set(e, "a vocabulary of SentencePiece without scores");
    t->parts = preset_parts(v->pre && !strcmp(v->pre, SPM_BARE) ? SPM_BARE : SPM, e);
    if (!t->parts || vocab_tokens(t, v, e) || score_merges(t, v, e)) return -1;
    qsort(t->bpe.merges, (size_t)t->bpe.n_merges, sizeof *t->bpe.merges, by_rank);
    const char *unk = lexicon_text(&t->lex, v->unk, NULL);
    json_object_set_new(json_object_get(t->parts, "model"), "unk_token",
                        unk ? json_string(unk) : json_null());
    return 0;
}

static int build(struct tokenizer *t, const struct vocab *v, struct err *e)
{
    bool spm = !strcmp(v->model, "spm");
    if (!spm && strcmp(v->model, "gpt2"))
        return err_set(e, "vocabulary model \"%s\" is not supported; gpt2 or spm expected", v->model);
    if (v->n <= 0 || v->n > ID_MAX) return err_set(e, "vocabulary of %d tokens", v->n);
    if (spm ? vocab_spm(t, v, e) : build_gpt2(t, v, e)) return -1;
    config_token(t, "bos_token", v->bos, &t->bos);
    config_token(t, "eos_token", v->eos, &t->eos);
    config_token(t, "pad_token", v->pad, &t->pad);
    const char *bos = v->add_bos ? lexicon_text(&t->lex, t->bos, NULL) : NULL;
    const char *eos = v->add_eos ? lexicon_text(&t->lex, t->eos, NULL) : NULL;
    if (bos || eos) json_object_set_new(t->parts, "post_processor", template_part(t, bos, eos));
    tokenizer_set_template(t, v->chat_template);
    return tokenizer_finish(t, e);
}

struct tokenizer *tokenizer_from_vocab(const struct vocab *v, struct err *e)
{
    struct tokenizer *t = tokenizer_blank();
    if (!build(t, v, e)) return t;
    tokenizer_free(t);
    return NULL;
}
