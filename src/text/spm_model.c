/* spm_model.c: SentencePiece's model file (sentencepiece_model.proto): pieces with scores, and how text is
 * normalised.
 *
 * Ids are those of SentencePiece itself. Control and user-defined pieces are added tokens here, so that a
 * control piece written in a text is that piece, as models of chat need it. The normaliser becomes the parts
 * of a tokenizer.json: the table of replacements, spaces taken off both ends and made one between words
 * (remove_extra_whitespaces), a mark in front (add_dummy_prefix), and marks for spaces.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "text/text_int.h"
#include "text/unicode.h"

#define MARK        "\xE2\x96\x81"
#define LEADING_MAX 1024

enum spm_kind { SPM_UNIGRAM = 1, SPM_BPE, SPM_WORD, SPM_CHAR };

struct spm {
    struct vocab v; /* tokens point into the file */
    const char **tokens;
    size_t *lengths;
    float *scores;
    int *types;
    int cap;
    enum spm_kind kind;
    bool byte_fallback, suffix, dummy_prefix, remove_extra, escape;
    struct pb charsmap;
};

static void spm_release(struct spm *s)
{
    free(s->tokens);
    free(s->lengths);
    free(s->scores);
    free(s->types);
}

static int read_piece(struct spm *s, struct pb m, struct err *e)
{
    struct pb_field f;
    int more, id = s->v.n;
    if (id == ID_MAX) return err_set(e, "more than %d pieces", ID_MAX);
    if (id == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 1024;
        s->tokens = alloc_again(s->tokens, (size_t)s->cap * sizeof *s->tokens);
        s->lengths = alloc_again(s->lengths, (size_t)s->cap * sizeof *s->lengths);
        s->scores = alloc_again(s->scores, (size_t)s->cap * sizeof *s->scores);
        s->types = alloc_again(s->types, (size_t)s->cap * sizeof *s->types);
    }
    s->tokens[id] = "";
    s->lengths[id] = 0;
    s->scores[id] = 0;
    s->types[id] = VOCAB_NORMAL;
    while ((more = pb_next(&m, &f, e)) > 0) {
        if (f.number == 1 && f.kind == PB_BYTES) {
            s->tokens[id] = (const char *)f.in.p;
            s->lengths[id] = (size_t)(f.in.end - f.in.p);
        } else if (f.number == 2 && f.kind == PB_FIXED32) {
            s->scores[id] = pb_float(&f);
        } else if (f.number == 3 && f.kind == PB_VARINT) {
            s->types[id] = f.value <= VOCAB_BYTE ? (int)f.value : 0;
        }
    }
    if (more < 0) return err_wrap(e, "piece %d", id);
    if (!s->lengths[id] || !s->types[id])
        return err_set(e, "piece %d has no text or a type that is not 1 to 6", id);
    s->v.n++;
    return 0;
}

static int read_trainer(struct spm *s, struct pb m, struct err *e)
{
    struct pb_field f;
    int more;
    while ((more = pb_next(&m, &f, e)) > 0) {
        if (f.kind != PB_VARINT) continue;
        /* Ids are int32: a negative one, for none, is written as ten bytes. */
        int value = f.value > INT32_MAX ? NO_ID : (int)f.value;
        switch (f.number) {
        case 3: s->kind = (enum spm_kind)value; break;
        case 24: s->suffix = value; break;
        case 35: s->byte_fallback = value; break;
        case 40: s->v.unk = value; break;
        case 41: s->v.bos = value; break;
        case 42: s->v.eos = value; break;
        case 43: s->v.pad = value; break;
        default: break;
        }
    }
    return more < 0 ? err_wrap(e, "trainer_spec") : 0;
}

static int read_normalizer(struct spm *s, struct pb m, struct err *e)
{
    struct pb_field f;
    int more;
    while ((more = pb_next(&m, &f, e)) > 0) {
        if (f.number == 2 && f.kind == PB_BYTES) s->charsmap = f.in;
        if (f.kind != PB_VARINT) continue;
        if (f.number == 3) s->dummy_prefix = f.value;
        if (f.number == 4) s->remove_extra = f.value;
        if (f.number == 5) s->escape = f.value;
    }
    return more < 0 ? err_wrap(e, "normalizer_spec") : 0;
}

static int read_model(struct spm *s, struct pb m, struct err *e)
{
    struct pb_field f;
    int more;
    while ((more = pb_next(&m, &f, e)) > 0) {
        int failed = 0;
        if (f.kind == PB_BYTES && f.number == 1) failed = read_piece(s, f.in, e);
        if (f.kind == PB_BYTES && f.number == 2) failed = read_trainer(s, f.in, e);
        if (f.kind == PB_BYTES && f.number == 3) failed = read_normalizer(s, f.in, e);
        if (failed) return -1;
    }
    return more;
}

/* ---- parts of a tokenizer.json ------------------------------------------------------------------------ */

static json_t *replace_part(const char *kind, const char *pattern, const char *content)
{
    return json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", kind, pattern, "content", content);
}

static json_t *normalizer_part(const struct spm *s)
{
    json_t *list = json_array();
    if (s->charsmap.end > s->charsmap.p) {
        char *text = base64_encode(s->charsmap.p, (size_t)(s->charsmap.end - s->charsmap.p));
        json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "type", "Precompiled",
                                              "precompiled_charsmap", text, "longest", 1));
        free(text);
    }
    if (s->remove_extra) {
        json_array_append_new(list, replace_part("Regex", "\\A +| +\\z", ""));
        json_array_append_new(list, replace_part("Regex", " {2,}", " "));
    }
    const char *mark = s->escape ? MARK : " ";
    if (s->dummy_prefix)
        json_array_append_new(list, json_pack("{s:s, s:s}", "type", "Prepend", "prepend", mark));
    if (s->escape) json_array_append_new(list, replace_part("String", " ", MARK));
    if (s->remove_extra && s->escape) json_array_append_new(list, replace_part("Regex", MARK "+\\z", ""));
    return json_pack("{s:s, s:o}", "type", "Sequence", "normalizers", list);
}

static json_t *decoder_part(const struct spm *s)
{
    json_t *list = json_array();
    if (s->escape) json_array_append_new(list, replace_part("String", MARK, " "));
    json_array_append_new(list, json_pack("{s:s}", "type", "ByteFallback"));
    json_array_append_new(list, json_pack("{s:s}", "type", "Fuse"));
    /* The mark put in front; where spaces in front are not kept, also those that marks in the text made. */
    int front = s->remove_extra ? LEADING_MAX : s->dummy_prefix;
    if (front)
        json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:i}", "type", "Strip", "content", " ",
                                              "start", front, "stop", 0));
    return json_pack("{s:s, s:o}", "type", "Sequence", "decoders", list);
}

static json_t *unigram_part(const struct spm *s)
{
    return json_pack("{s:s, s:i, s:b}", "type", "Unigram", "unk_id", s->v.unk, "byte_fallback",
                     s->byte_fallback ? 1 : 0);
}

static int build_unigram(struct tokenizer *t, const struct spm *s, struct err *e)
{
    if (s->v.unk < 0 || s->v.unk >= s->v.n) return err_set(e, "unk_id %d of %d pieces", s->v.unk, s->v.n);
    t->parts = json_pack("{s:n, s:n, s:o}", "pre_tokenizer", "post_processor", "model", unigram_part(s));
    if (vocab_tokens(t, &s->v, e)) return -1;
    double *score = alloc_or_die((size_t)s->v.n * sizeof *score);
    bool *reserved = alloc_zero((size_t)s->v.n, sizeof *reserved);
    for (int id = 0; id < s->v.n; id++) {
        score[id] = (double)s->scores[id];
        reserved[id] = s->types[id] != VOCAB_NORMAL && s->types[id] != VOCAB_USER_DEFINED;
    }
    int failed = unigram_scores(t, score, reserved, e);
    t->unigram.single = true;
    free(score);
    free(reserved);
    return failed;
}

static int build_bpe(struct tokenizer *t, const struct spm *s, struct err *e)
{
    if (vocab_spm(t, &s->v, e)) return -1;
    json_object_set_new(json_object_get(t->parts, "model"), "byte_fallback", json_boolean(s->byte_fallback));
    return 0;
}

static void name_token(struct tokenizer *t, const char *role, int id)
{
    json_t *token = id == NO_ID ? NULL : token_json(t, id);
    if (token && !json_object_get(t->config, role)) json_object_set(t->config, role, token);
    json_decref(token);
}

static int build(struct tokenizer *t, struct spm *s, struct err *e)
{
    s->v.model = "spm";
    s->v.tokens = s->tokens;
    s->v.lengths = s->lengths;
    s->v.scores = s->scores;
    s->v.types = s->types;
    if (!s->v.n) return err_set(e, "no pieces");
    if (s->suffix) return err_set(e, "treat_whitespace_as_suffix is not supported");
    if (s->kind != SPM_UNIGRAM && s->kind != SPM_BPE)
        return err_set(e, "model_type %d is not supported; 1 (unigram) or 2 (BPE) expected", (int)s->kind);
    if (s->kind == SPM_UNIGRAM ? build_unigram(t, s, e) : build_bpe(t, s, e)) return -1;
    json_object_set_new(t->parts, "normalizer", normalizer_part(s));
    json_object_set_new(t->parts, "decoder", decoder_part(s));
    name_token(t, "unk_token", s->v.unk);
    name_token(t, "bos_token", s->v.bos);
    name_token(t, "eos_token", s->v.eos);
    name_token(t, "pad_token", s->v.pad);
    return 0;
}

int spm_read(struct tokenizer *t, const char *bytes, size_t n, struct err *e)
{
    const unsigned char *p = (const unsigned char *)bytes;
    struct spm s = {.kind = SPM_UNIGRAM, .dummy_prefix = true, .remove_extra = true, .escape = true};
    s.v.bos = 1;
    s.v.eos = 2;
    s.v.pad = NO_ID;
    int failed = read_model(&s, (struct pb){p, p + n}, e) || build(t, &s, e);
    spm_release(&s);
    return failed ? err_wrap(e, "SentencePiece model") : 0;
}
