/* gguf_write.c: a model as a GGUF file that llama.cpp and this program read (layout in gguf.c).
 *
 * Metadata come from the architecture's table of keys, the tokenizer from its vocabulary, tensors from
 * gguf_tensors.c. What readers would take otherwise than it is meant is an error, not a file.
 */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/log.h"
#include "base/str.h"
#include "model/model_int.h"
#include "text/text.h"

enum { GGUF_VERSION = 3, GGUF_ALIGNMENT = 32, HEADER_MAX = 1 << 30 };
enum gguf_value { GGUF_U32 = 4, GGUF_I32 = 5, GGUF_F32 = 6, GGUF_BOOL = 7, GGUF_STRING = 8, GGUF_ARRAY = 9 };

/* ---- bytes --------------------------------------------------------------------------------------------- */

struct header {
    struct str bytes;
    uint64_t n_keys;
};

static void put_uint(struct header *h, uint64_t x, int bytes)
{
    char b[8];
    for (int i = 0; i < bytes; i++) b[i] = (char)(x >> (8 * i));
    str_add(&h->bytes, b, (size_t)bytes);
}

static void put_text(struct header *h, const char *s, size_t n)
{
    put_uint(h, n, 8);
    str_add(&h->bytes, s, n);
}

static void put_key(struct header *h, const char *key, enum gguf_value type)
{
    put_text(h, key, strlen(key));
    put_uint(h, type, 4);
    h->n_keys++;
}

static void put_float(struct header *h, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    put_uint(h, bits, 4);
}

static void key_u32(struct header *h, const char *key, int64_t x)
{
    put_key(h, key, GGUF_U32);
    put_uint(h, (uint64_t)x, 4);
}

static void key_bool(struct header *h, const char *key, bool x)
{
    put_key(h, key, GGUF_BOOL);
    put_uint(h, x, 1);
}

static void key_text(struct header *h, const char *key, const char *s)
{
    put_key(h, key, GGUF_STRING);
    put_text(h, s, strlen(s));
}

static void key_array(struct header *h, const char *key, enum gguf_value type, int n)
{
    put_key(h, key, GGUF_ARRAY);
    put_uint(h, type, 4);
    put_uint(h, (uint64_t)n, 8);
}

/* ---- metadata ------------------------------------------------------------------------------------------ */

/* "ARCH.KEY" in one of two rotating buffers. */
static const char *arch_key_name(const struct model *m, const char *key)
{
    static char names[2][ARCH_NAME_MAX];
    static int turn;
    char *name = names[turn++ % 2];
    snprintf(name, ARCH_NAME_MAX, "%s.%s", m->config.arch->gguf, key);
    return name;
}

static void key_float(struct header *h, const char *key, double x)
{
    put_key(h, key, GGUF_F32);
    put_float(h, (float)x);
}

/* A number that there may be none of is left out when it is 0. */
static void put_value(struct header *h, const struct model *m, const struct arch_key *k)
{
    const char *at = (const char *)&m->config + k->at, *name = arch_key_name(m, k->gguf);
    bool whole = k->type == KEY_INT || k->type == KEY_INT_OR_NONE;
    bool optional = k->type == KEY_INT_OR_NONE || k->type == KEY_FLOAT_OR_NONE;
    double x = whole                   ? *(const int *)at
               : k->type == KEY_BOOL   ? *(const bool *)at
               : k->type == KEY_DOUBLE ? *(const double *)at
                                       : (double)*(const float *)at;
    if (optional && x == 0) return;
    if (whole)
        key_u32(h, name, (int64_t)x);
    else if (k->type == KEY_BOOL)
        key_bool(h, name, x != 0);
    else
        key_float(h, name, x);
}

/* What has no key in GGUF is as the description says, since readers will take it so. */
static int check_unsaid(const struct model *m, struct err *e)
{
    const struct model_config *c = &m->config;
    for (const struct arch_key *k = c->arch->keys; k->hf; k++) {
        if (k->gguf && k->type == KEY_FLOAT_OR_NONE && k->fallback > 0 &&
            *(const float *)((const char *)c + k->at) == 0)
            return err_set(e, "%s: %s is null; GGUF cannot say so, and readers take %g", m->path, k->hf,
                           k->fallback);
        bool latent = k->at == offsetof(struct model_config, nope_dim) ||
                      k->at == offsetof(struct model_config, value_dim); /* put_latent */
        if (k->gguf || k->type != KEY_INT || latent || arch_said(c->arch, k)) continue;
        int x = *(const int *)((const char *)c + k->at);
        bool counts = k->at != offsetof(struct model_config, window_from) || c->window;
        if (counts && x != (int)k->fallback)
            return err_set(e, "%s: %s is %d; GGUF has no key for it, and readers take %d", m->path, k->hf, x,
                           (int)k->fallback);
    }
    int wide = c->arch->gguf_wide_layers;
    if (wide && c->query_scalar != (c->layers == wide ? c->hidden / c->heads : c->head_dim))
        return err_set(e, "%s: query_pre_attn_scalar %g is not the usual one, which GGUF cannot say", m->path,
                       c->query_scalar);
    if (c->experts && c->arch->gguf_normalised && !c->normalise_gates)
        return err_set(e, "%s: norm_topk_prob is false; GGUF cannot say so of %s", m->path, c->arch->gguf);
    if (c->kv_rank && !c->interleaved)
        return err_set(e, "%s: rope_interleave is false; GGUF cannot say so", m->path);
    return 0;
}

static bool says_window(const struct arch *a)
{
    for (const struct arch_key *k = a->keys; k->hf; k++)
        if (k->at == offsetof(struct model_config, window) && k->gguf) return true;
    return false;
}

static int check_layers(const struct model *m, struct err *e)
{
    const struct model_config *c = &m->config;
    struct model_config plain = *c; /* without the lists that say it layer by layer */
    plain.raw = NULL;
    for (int i = 0; i < c->layers; i++) {
        if (config_slides(c, i) && !says_window(c->arch))
            return err_set(e, "%s: %s in GGUF has no sliding window, this model has one of %d", m->path,
                           c->arch->gguf, c->window);
        if (config_slides(c, i) != config_slides(&plain, i) ||
            config_turns(c, i) != config_turns(&plain, i) ||
            config_is_mixture(c, i) != config_is_mixture(&plain, i))
            return err_set(e, "%s: the kind of layer %d is not the usual one, which GGUF cannot say", m->path,
                           i);
    }
    return 0;
}

/* ---- rope ---------------------------------------------------------------------------------------------- */

static const char *scaling_type(const struct model *m)
{
    const json_t *s = m->config.rope_scaling;
    return s ? json_str_or(s, "rope_type", json_str_or(s, "type", "?")) : "none";
}

static double scaling_number(const struct model *m, const char *key)
{
    return json_number_value(json_object_get(m->config.rope_scaling, key));
}

static int put_yarn(struct header *h, const struct model *m, struct err *e)
{
    const json_t *s = m->config.rope_scaling;
    double fast = scaling_number(m, "beta_fast"), slow = scaling_number(m, "beta_slow");
    double attention = scaling_number(m, "attention_factor"), mscale = scaling_number(m, "mscale_all_dim");
    double own = 0.1 * fm_log(scaling_number(m, "factor")) + 1;
    if (!json_is_true(json_object_get(s, "truncate")))
        return err_set(e, "%s: yarn with truncate false cannot be said in GGUF", m->path);
    if (fast != 32) key_float(h, arch_key_name(m, "rope.scaling.yarn_beta_fast"), fast);
    if (slow != 1) key_float(h, arch_key_name(m, "rope.scaling.yarn_beta_slow"), slow);
    if (!m->config.kv_rank) {
        if (fabs(attention - own) > 1e-6)
            key_float(h, arch_key_name(m, "rope.scaling.attn_factor"), attention / own);
        return 0;
    }
    if (mscale == 0 || mscale != scaling_number(m, "mscale") || fabs(attention - 1) > 1e-6)
        return err_set(e, "%s: yarn's mscale and mscale_all_dim must be alike; GGUF has one key for both",
                       m->path);
    key_float(h, arch_key_name(m, "rope.scaling.yarn_log_multiplier"), 0.1 * mscale);
    return 0;
}

static int put_rope(struct header *h, const struct model *m, struct err *e)
{
    const struct model_config *c = &m->config;
    const char *type = scaling_type(m);
    const json_t *original = json_object_get(c->rope_scaling, "original_max_position_embeddings");
    if (!c->kv_rank) key_u32(h, arch_key_name(m, "rope.dimension_count"), c->head_dim);
    if (!strcmp(type, "none") || !strcmp(type, "default")) return 0;
    bool yarn = !strcmp(type, "yarn"), linear = !strcmp(type, "linear") && !c->kv_rank;
    bool llama3 = !strcmp(type, "llama3") && !c->kv_rank; /* the tensor rope_freqs says the rest */
    if (!yarn && !linear && !llama3)
        return err_set(e, "%s: this rope scaling of type %.40s cannot be said in GGUF", m->path, type);
    if (json_is_number(original))
        key_u32(h, arch_key_name(m, "rope.scaling.original_context_length"),
                (int64_t)json_number_value(original));
    if (llama3) return 0;
    key_text(h, arch_key_name(m, "rope.scaling.type"), type);
    key_float(h, arch_key_name(m, "rope.scaling.factor"), scaling_number(m, "factor"));
    return yarn ? put_yarn(h, m, e) : 0;
}

/* Llama 3's scaling as the divisors of its frequencies, or nothing. */
static bool rope_divisors(const struct model *m, float *out)
{
    const struct model_config *c = &m->config;
    if (strcmp(scaling_type(m), "llama3")) return false;
    size_t n = (size_t)c->head_dim / 2;
    double *plain = alloc_zero(2 * n, sizeof *plain), *scaled = plain + n;
    rope_frequencies(c->rope_theta, NULL, c->head_dim, plain);
    rope_frequencies(c->rope_theta, c->rope_scaling, c->head_dim, scaled);
    for (size_t i = 0; i < n; i++) out[i] = (float)(plain[i] / scaled[i]);
    free(plain);
    return true;
}

/* ---- the model ----------------------------------------------------------------------------------------- */

/* What the cache holds as a head of keys and of values, then what a head is (gguf_config.c). */
static void put_latent(struct header *h, const struct model *m)
{
    const struct model_config *c = &m->config;
    key_u32(h, arch_key_name(m, "attention.head_count_kv"), 1);
    key_u32(h, arch_key_name(m, "attention.key_length"), c->kv_rank + c->rope_dim);
    key_u32(h, arch_key_name(m, "attention.value_length"), c->kv_rank);
    key_u32(h, arch_key_name(m, "attention.key_length_mla"), c->head_dim);
    key_u32(h, arch_key_name(m, "attention.value_length_mla"), c->value_dim);
    key_u32(h, arch_key_name(m, "expert_gating_func"),
            c->arch->score == ROUTE_SIGMOID ? GGUF_SIGMOID : GGUF_SOFTMAX);
}

static int put_model(struct header *h, const struct model *m, int file_type, struct err *e)
{
    char *path = alloc_str(m->path);
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') path[--n] = 0;
    key_text(h, "general.architecture", m->config.arch->gguf);
    key_text(h, "general.name", path_base(path));
    key_u32(h, "general.file_type", file_type);
    key_u32(h, "general.quantization_version", 2);
    free(path);
    for (const struct arch_key *k = m->config.arch->keys; k->hf; k++)
        if (k->gguf) put_value(h, m, k);
    if (m->config.kv_rank)
        put_latent(h, m);
    else
        key_u32(h, arch_key_name(m, "attention.value_length"), m->config.head_dim);
    return check_unsaid(m, e) || check_layers(m, e) || put_rope(h, m, e) ? -1 : 0;
}

/* ---- tokenizer ----------------------------------------------------------------------------------------- */

/* Every row of the embedding has a token: ids that have none get a name, as llama.cpp's converter does. */
static void put_tokens(struct header *h, const struct vocab *v, int n)
{
    enum { UNUSED = 5 };
    key_array(h, "tokenizer.ggml.tokens", GGUF_STRING, n);
    for (int id = 0; id < n; id++) {
        char name[32];
        snprintf(name, sizeof name, "[PAD%d]", id);
        if (id < v->n && v->tokens[id])
            put_text(h, v->tokens[id], v->lengths[id]);
        else
            put_text(h, name, strlen(name));
    }
    key_array(h, "tokenizer.ggml.token_type", GGUF_I32, n);
    for (int id = 0; id < n; id++) put_uint(h, (uint64_t)(id < v->n ? v->types[id] : UNUSED), 4);
    if (v->scores) {
        key_array(h, "tokenizer.ggml.scores", GGUF_F32, n);
        for (int id = 0; id < n; id++) put_float(h, id < v->n ? v->scores[id] : 0);
    } else {
        key_array(h, "tokenizer.ggml.merges", GGUF_STRING, v->n_merges);
        for (int i = 0; i < v->n_merges; i++) put_text(h, v->merges[i], strlen(v->merges[i]));
    }
}

static void put_id(struct header *h, const char *key, int id)
{
    if (id >= 0) key_u32(h, key, id);
}

static void put_vocab(struct header *h, const struct model *m, const struct vocab *v)
{
    bool spm = !strcmp(v->model, "spm");
    key_text(h, "tokenizer.ggml.model", spm ? "llama" : v->model);
    key_text(h, "tokenizer.ggml.pre", spm ? "default" : v->pre);
    if (spm) key_bool(h, "tokenizer.ggml.add_space_prefix", strcmp(v->pre, SPM_BARE) != 0);
    put_tokens(h, v, m->config.vocab);
    put_id(h, "tokenizer.ggml.bos_token_id", v->bos);
    put_id(h, "tokenizer.ggml.eos_token_id", m->n_eos ? m->eos[0] : v->eos);
    if (m->n_eos > 1) put_id(h, "tokenizer.ggml.eot_token_id", m->eos[1]);
    put_id(h, "tokenizer.ggml.padding_token_id", v->pad);
    put_id(h, "tokenizer.ggml.unknown_token_id", v->unk);
    key_bool(h, "tokenizer.ggml.add_bos_token", v->add_bos);
    key_bool(h, "tokenizer.ggml.add_eos_token", v->add_eos);
    if (v->chat_template) key_text(h, "tokenizer.chat_template", v->chat_template);
}

static int put_tokenizer(struct header *h, const struct model *m, struct err *e)
{
    struct vocab v;
    if (!m->tokenizer) {
        key_text(h, "tokenizer.ggml.model", "none");
        put_id(h, "tokenizer.ggml.bos_token_id", m->config.bos);
        put_id(h, "tokenizer.ggml.eos_token_id", m->n_eos ? m->eos[0] : -1);
        return 0;
    }
    int failed = tokenizer_to_vocab(m->tokenizer, &v, e);
    if (failed)
        err_wrap(e, "%s", m->path);
    else
        put_vocab(h, m, &v);
    vocab_release(&v);
    return failed;
}

/* ---- formats ------------------------------------------------------------------------------------------- */

static const struct gguf_format formats[] = {
    {"auto", 0, DT_F32, GGUF_KEEP},      {"f32", 0, DT_F32, GGUF_ONE_TYPE},
    {"f16", 1, DT_F16, GGUF_ONE_TYPE},   {"bf16", 32, DT_BF16, GGUF_ONE_TYPE},
    {"q8_0", 7, DT_Q8_0, GGUF_ONE_TYPE}, {"q4_k_m", 15, DT_Q4_K, GGUF_MIX},
};

static const struct gguf_format *format_find(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (!strcmp(name, formats[i].name)) return &formats[i];
    return NULL;
}

/* ---- the file ------------------------------------------------------------------------------------------ */

static uint64_t aligned(uint64_t n)
{
    return (n + GGUF_ALIGNMENT - 1) / GGUF_ALIGNMENT * GGUF_ALIGNMENT;
}

static uint64_t bytes_of(const struct tensor_out *t)
{
    const struct dtype_info *d = dtype_info(t->dtype);
    return t->source.n / (size_t)d->block * (size_t)d->bytes;
}

static void put_tensors(struct header *h, const struct tensor_out *t, int n)
{
    uint64_t at = 0;
    for (int i = 0; i < n; i++) {
        put_text(h, t[i].name, strlen(t[i].name));
        put_uint(h, (uint64_t)t[i].n_dims, 4);
        for (int j = t[i].n_dims - 1; j >= 0; j--) put_uint(h, (uint64_t)t[i].shape[j], 8);
        put_uint(h, (uint64_t)dtype_info(t[i].dtype)->ggml, 4);
        put_uint(h, at, 8);
        at += aligned(bytes_of(&t[i]));
    }
}

static int write_padding(struct file_out *o, uint64_t written, struct err *e)
{
    static const char zeros[GGUF_ALIGNMENT];
    return file_out_write(o, zeros, aligned(written) - written, e);
}

static int write_file(const char *path, const struct header *keys, const struct tensor_out *t, int n,
                      struct err *e)
{
    struct header h = {0};
    struct file_out o;
    str_init(&h.bytes, HEADER_MAX);
    str_puts(&h.bytes, "GGUF");
    put_uint(&h, GGUF_VERSION, 4);
    put_uint(&h, (uint64_t)n, 8);
    put_uint(&h, keys->n_keys, 8);
    str_add(&h.bytes, keys->bytes.p, keys->bytes.len);
    put_tensors(&h, t, n);
    int result = keys->bytes.full || h.bytes.full ? err_set(e, "%s: metadata of more than a GB", path)
                                                  : file_out_open(&o, path, e);
    if (!result) {
        result = file_out_write(&o, h.bytes.p, h.bytes.len, e) || write_padding(&o, h.bytes.len, e);
        for (int i = 0; i < n && !result; i++)
            result = tensor_write(&o, &t[i], e) || write_padding(&o, bytes_of(&t[i]), e);
        if (!result) result = file_out_commit(&o, e);
        if (result) file_out_abort(&o);
    }
    str_release(&h.bytes);
    return result ? -1 : 0;
}

int model_save_gguf(struct model *m, const char *path, const char *format, struct err *e)
{
    const struct gguf_format *f = format_find(format);
    if (!f) return err_usage(e, "dtype \"%.60s\": choose auto, f32, f16, bf16, q8_0 or q4_k_m", format);
    CHECK(m->data, "%s has no weights to save", m->path);
    const struct model_config *c = &m->config;
    if (c->mtp)
        log_info(
            "%s: layers behind the last (%d), which predict further, are left out: GGUF's readers have no "
            "use for them",
            m->path, c->mtp);
    if (c->groups > 1 && c->arch->group_best != 2)
        log_warn(
            "%s: llama.cpp chooses groups of experts by their two best, this model by the best alone; there "
            "its answers will be a little different",
            m->path);
    struct header keys = {0};
    str_init(&keys.bytes, HEADER_MAX);
    float *divisors = alloc_floats((size_t)c->head_dim / 2);
    int n;
    struct tensor_out *t = gguf_tensors(m, f, &n);
    if (rope_divisors(m, divisors)) {
        t[n] = (struct tensor_out){.name = alloc_str("rope_freqs.weight"), .dtype = DT_F32, .n_dims = 1};
        t[n].shape[0] = c->head_dim / 2;
        t[n].source = (struct tensor_source){.n = (size_t)c->head_dim / 2, .data = divisors};
        n++;
    }
    int result = put_model(&keys, m, f->file_type, e) || put_tokenizer(&keys, m, e) ||
                 write_file(path, &keys, t, n, e);
    for (int i = 0; i < n; i++) free((char *)t[i].name);
    free(t);
    free(divisors);
    str_release(&keys.bytes);
    return result ? -1 : 0;
}
