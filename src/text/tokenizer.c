/* tokenizer.c: the tokenizer as a whole: putting the stages together, encoding, and asking about tokens.
 *
 * A tokenizer does not change after loading, so any number of threads may encode with it. What an encode
 * needs as scratch (buffers, the piece cache) is in a struct enc; idle ones wait in a list under a lock.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "text/text_int.h"
#include "text/unicode.h"

#define KEEP_BYTES ((size_t)1 << 24) /* of a buffer, between two encodes */
#define KEEP_CELLS ((size_t)1 << 20)

void ids_release(struct ids *v)
{
    free(v->p);
    *v = (struct ids){0};
}

void ids_push(struct ids *v, int id)
{
    if (v->n == v->cap) {
        v->cap = v->cap ? v->cap * 2 : 64;
        v->p = alloc_again(v->p, v->cap * sizeof *v->p);
    }
    v->p[v->n++] = id;
}

/* ---- encoders ------------------------------------------------------------------------------------------ */

static struct enc *enc_new(const struct tokenizer *t)
{
    struct enc *x = alloc_zero(1, sizeof *x);
    x->t = t;
    str_init(&x->clean, 4 * TEXT_MAX);
    str_init(&x->norm[0], 4 * TEXT_MAX);
    str_init(&x->norm[1], 4 * TEXT_MAX);
    x->regex = regex_scratch_new();
    return x;
}

static void enc_free(struct enc *x)
{
    str_release(&x->clean);
    str_release(&x->norm[0]);
    str_release(&x->norm[1]);
    for (int i = 0; i < STAGES_MAX; i++)
        for (int k = 0; k < 2; k++)
            if (x->room[i][k].p) str_release(&x->room[i][k]);
    regex_scratch_free(x->regex);
    free(x->cache);
    free(x->work);
    free(x->cells);
    free(x);
}

static struct enc *enc_take(const struct tokenizer *t)
{
    struct tokenizer *mine = (struct tokenizer *)(uintptr_t)t; /* only the list of idle encoders changes */
    pthread_mutex_lock(&mine->lock);
    struct enc *x = mine->idle;
    if (x) mine->idle = x->next;
    pthread_mutex_unlock(&mine->lock);
    return x ? x : enc_new(t);
}

static void str_trim(struct str *s)
{
    if (s->cap <= KEEP_BYTES) return;
    size_t max = s->max;
    str_release(s);
    str_init(s, max);
}

/* An idle encoder does not hold on to the memory that one huge text needed. */
static void enc_give(const struct tokenizer *t, struct enc *x)
{
    str_trim(&x->clean);
    str_trim(&x->norm[0]);
    str_trim(&x->norm[1]);
    for (int i = 0; i < STAGES_MAX; i++)
        for (int k = 0; k < 2; k++) str_trim(&x->room[i][k]);
    if (x->work_cap * sizeof *x->work > KEEP_BYTES) {
        free(x->work);
        x->work = NULL;
        x->work_cap = 0;
    }
    if (x->cells_cap > KEEP_CELLS) {
        free(x->cells);
        x->cells = NULL;
        x->cells_cap = 0;
    }
    struct tokenizer *mine = (struct tokenizer *)(uintptr_t)t;
    pthread_mutex_lock(&mine->lock);
    x->next = mine->idle;
    mine->idle = x;
    pthread_mutex_unlock(&mine->lock);
}

/* ---- making -------------------------------------------------------------------------------------------- */

struct tokenizer *tokenizer_blank(void)
{
    struct tokenizer *t = alloc_zero(1, sizeof *t);
    lexicon_init(&t->lex);
    added_init(&t->added);
    bpe_init(&t->bpe, &t->lex);
    unigram_init(&t->unigram);
    pthread_mutex_init(&t->lock, NULL);
    t->bos = t->eos = t->pad = NO_ID;
    t->config = json_object();
    return t;
}

void tokenizer_free(struct tokenizer *t)
{
    if (!t) return;
    for (struct enc *x = t->idle, *next; x; x = next) {
        next = x->next;
        enc_free(x);
    }
    for (int i = 0; i < t->n_norm; i++) norm_stage_release(&t->norm[i]);
    for (int i = 0; i < t->n_pre; i++) pre_stage_release(&t->pre[i]);
    lexicon_release(&t->lex);
    added_release(&t->added);
    bpe_release(&t->bpe);
    unigram_release(&t->unigram);
    decoder_release(&t->dec);
    ids_release(&t->prefix);
    ids_release(&t->suffix);
    json_decref(t->parts);
    json_decref(t->config);
    pthread_mutex_destroy(&t->lock);
    free(t->added_of);
    template_free(t->template);
    free(t->template_error);
    free(t->chat);
    free(t);
}

int tokenizer_find(const struct tokenizer *t, const char *p, size_t n)
{
    const struct added_token *a = added_find(&t->added, p, n);
    return a ? a->id : lexicon_find(&t->lex, p, n);
}

/* The id Hugging Face gives to a token that is not in the vocabulary. */
static int next_id(const struct tokenizer *t)
{
    int id = t->lex.n;
    for (int i = 0; i < t->added.n; i++)
        if (t->added.p[i].id >= id) id = t->added.p[i].id + 1;
    return id;
}

int tokenizer_add(struct tokenizer *t, const struct added_token *a, struct err *e)
{
    struct added_token copy = *a;
    copy.id = tokenizer_find(t, a->text, a->n);
    if (copy.id == NO_ID) copy.id = next_id(t);
    if (copy.id >= ID_MAX) return err_set(e, "more than %d tokens", ID_MAX);
    return added_put(&t->added, &copy, e);
}

int tokenizer_add_special(struct tokenizer *t, const char *text, size_t n, struct err *e)
{
    return tokenizer_add(t, &(struct added_token){.text = text, .n = n, .special = true}, e);
}

/* Ids of added tokens, and what they are recognised by. */
static int added_finish(struct tokenizer *t, struct err *e)
{
    added_settle(&t->added);
    t->size = next_id(t);
    t->added_of = alloc_or_die((size_t)t->size * sizeof *t->added_of + 1);
    for (int id = 0; id < t->size; id++) t->added_of[id] = -1;
    struct enc *x = enc_take(t);
    x->e = e;
    int failed = 0;
    for (int i = 0; i < t->added.n && !failed; i++) {
        struct added_token *a = &t->added.p[i];
        const char *p = a->text;
        size_t n = a->n;
        t->added_of[a->id] = i;
        if (a->normalized) failed = normalize(x, a->text, a->n, &p, &n);
        if (failed) break;
        trie_put(a->normalized ? &t->added.normal : &t->added.raw, p, n, i);
        a->shown = alloc_strn(p, n);
        a->n_shown = n;
    }
    /* Hugging Face's decoder sees the normalised text of a token and asks whether that is a special one's. */
    for (int i = 0; i < t->added.n && !failed; i++) {
        struct added_token *a = &t->added.p[i];
        const struct added_token *same = added_find(&t->added, a->shown, a->n_shown);
        a->skipped = same && same->special;
    }
    enc_give(t, x);
    return failed;
}

int tokenizer_finish(struct tokenizer *t, struct err *e)
{
    const json_t *model = json_object_get(t->parts, "model");
    t->subword = subword_find(model, e);
    if (!t->subword) return -1;
    if (normalizers_load(t, json_object_get(t->parts, "normalizer"), e)) return -1;
    if (pretokenizers_load(t, json_object_get(t->parts, "pre_tokenizer"), e)) return -1;
    if (t->subword->ready(t, model, e)) return err_wrap(e, "model");
    if (added_finish(t, e)) return -1;
    if (post_load(t, json_object_get(t->parts, "post_processor"), e)) return -1;
    return decoder_load(t, json_object_get(t->parts, "decoder"), e);
}

/* ---- encoding ------------------------------------------------------------------------------------------ */

static int cut_done(struct enc *x, const char *p, size_t n)
{
    return pre_run(x, 0, p, n);
}

/* A piece from the start of the text, before and after it is normalised. */
static int normalize_piece(struct enc *x, const char **p, size_t *n)
{
    int step = 0;
    if (*p == x->text && *n) utf8_at(*p, &step);
    x->head = (size_t)step;
    if (normalize(x, *p, *n, p, n)) return -1;
    x->first = *p;
    x->first_end = *p + x->head;
    return 0;
}

static int cut_raw(struct enc *x, const char *p, size_t n)
{
    const struct added *a = &x->t->added;
    if (normalize_piece(x, &p, &n)) return -1;
    return a->normal.n > 1 ? added_cut(a, &a->normal, x, p, n, cut_done) : pre_run(x, 0, p, n);
}

static int cut_plain(struct enc *x, const char *p, size_t n)
{
    if (normalize_piece(x, &p, &n)) return -1;
    return pre_run(x, 0, p, n);
}

static int encode(struct enc *x, const char *text, size_t n, int flags)
{
    const struct tokenizer *t = x->t;
    if (!utf8_valid(text, n)) {
        str_clear(&x->clean);
        utf8_clean(&x->clean, text, n);
        text = x->clean.p;
        n = x->clean.len;
    }
    x->text = text;
    if (flags & TOK_SPECIAL)
        for (size_t i = 0; i < t->prefix.n; i++) ids_push(x->out, t->prefix.p[i]);
    if (flags & TOK_PLAIN) {
        if (cut_plain(x, text, n)) return -1;
    } else if (added_cut(&t->added, &t->added.raw, x, text, n, cut_raw)) {
        return -1;
    }
    if (flags & TOK_SPECIAL)
        for (size_t i = 0; i < t->suffix.n; i++) ids_push(x->out, t->suffix.p[i]);
    return 0;
}

int tokenizer_encode(const struct tokenizer *t, const char *text, size_t n, int flags, struct ids *out,
                     struct err *e)
{
    if (n > TEXT_MAX) return err_set(e, "text of %zu bytes; at most %zu", n, TEXT_MAX);
    struct enc *x = enc_take(t);
    size_t before = out->n;
    x->out = out;
    x->e = e;
    int failed = encode(x, text, n, flags);
    if (failed) out->n = before;
    enc_give(t, x);
    return failed;
}

/* ---- asking -------------------------------------------------------------------------------------------- */

int tokenizer_size(const struct tokenizer *t)
{
    return t->size;
}

int tokenizer_id(const struct tokenizer *t, const char *token)
{
    return tokenizer_find(t, token, strlen(token));
}

const char *tokenizer_token(const struct tokenizer *t, int id)
{
    if (id < 0 || id >= t->size) return NULL;
    return t->added_of[id] >= 0 ? t->added.p[t->added_of[id]].text : lexicon_text(&t->lex, id, NULL);
}

bool tokenizer_is_special(const struct tokenizer *t, int id)
{
    return id >= 0 && id < t->size && t->added_of[id] >= 0 && t->added.p[t->added_of[id]].special;
}

int tokenizer_bos(const struct tokenizer *t)
{
    return t->bos;
}

int tokenizer_eos(const struct tokenizer *t)
{
    return t->eos;
}

int tokenizer_pad(const struct tokenizer *t)
{
    return t->pad;
}

const char *tokenizer_template(const struct tokenizer *t)
{
    return t->chat;
}

void tokenizer_set_template(struct tokenizer *t, const char *jinja)
{
    char *copy = jinja ? alloc_str(jinja) : NULL;
    struct err e = {0};
    free(t->chat);
    free(t->template_error);
    template_free(t->template);
    t->chat = copy;
    t->template = copy ? template_parse(copy, strlen(copy), &e) : NULL;
    t->template_error = copy && !t->template ? alloc_str(e.msg) : NULL;
}
