/* gguf_config.c: GGUF metadata into what a Hugging Face folder would hold: config.json and the tokenizer.
 *
 * The keys come from the architecture's table (arch_key.gguf), so a new architecture needs nothing here. A
 * model is tied when there is no output tensor. Llama 3's frequency scaling is not in the metadata but in a
 * tensor of divisors, rope_freqs; its parameters are found again from it.
 *
 * Heads of latent attention: files since April 2025 call what the cache holds a head (attention.key_length is
 * kv_lora_rank + the turned part, one head_count_kv) and a real head's sizes key_length_mla and
 * value_length_mla; older files say the real ones in key_length and value_length.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/str.h"
#include "model/model_int.h"
#include "text/text.h"

/* A float32 as the shortest decimal that means it, so that 1e-05f is written 1e-05. */
static json_t *tidy_real(const json_t *v)
{
    char text[32];
    float f = (float)json_number_value(v);
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)f);
        if (strtof(text, NULL) == f) break;
    }
    return json_real(strtod(text, NULL));
}

static json_t *meta_get(const struct tensor_file *f, const char *key)
{
    return arch_meta(f->gguf, f->meta, key);
}

static void set_token_id(json_t *config, const struct tensor_file *f, const char *hf, const char *key)
{
    const json_t *v = json_object_get(f->meta, key);
    json_object_set_new(config, hf, json_is_integer(v) ? json_deep_copy(v) : json_null());
}

/* x to six digits, which is what such numbers were before they became floats. */
static double six_digits(double x)
{
    char text[32];
    snprintf(text, sizeof text, "%.6g", x);
    return strtod(text, NULL);
}

/* What turns GGUF's name of a number into that of config.json's rope_scaling. */
static const struct scaling_key {
    const char *gguf, *hf;
} scaling_keys[] = {{"rope.scaling.factor", "factor"},
                    {"rope.scaling.original_context_length", "original_max_position_embeddings"},
                    {"rope.scaling.yarn_beta_fast", "beta_fast"},
                    {"rope.scaling.yarn_beta_slow", "beta_slow"}};

/* DeepSeek's mscale: GGUF has a tenth of it, once for mscale and mscale_all_dim, which must be alike; others
 * say by how much attention_factor is more than yarn's own. */
static int set_mscale(json_t *scaling, const struct tensor_file *f, struct err *e)
{
    double factor = json_number_value(json_object_get(scaling, "factor"));
    const json_t *tenth = meta_get(f, "rope.scaling.yarn_log_multiplier");
    const json_t *more = meta_get(f, "rope.scaling.attn_factor");
    if (tenth) {
        double mscale = six_digits(10 * json_number_value(tenth));
        json_object_set_new(scaling, "mscale", json_real(mscale));
        json_object_set_new(scaling, "mscale_all_dim", json_real(mscale));
    }
    if (!more || json_number_value(more) == 1) return 0;
    if (tenth || !(factor > 1) || strcmp(json_str_or(scaling, "rope_type", ""), "yarn"))
        return err_set(e, "%s: rope.scaling.attn_factor is %g; known only for yarn without a multiplier",
                       f->path, json_number_value(more));
    json_object_set_new(scaling, "attention_factor",
                        json_real(six_digits(json_number_value(more) * (0.1 * fm_log(factor) + 1))));
    return 0;
}

/* config_parse says what it thinks of other types than linear and yarn. */
static int set_scaling(json_t *config, const struct tensor_file *f, struct err *e)
{
    const json_t *type = meta_get(f, "rope.scaling.type");
    if (!json_is_string(type) || !strcmp(json_string_value(type), "none")) return 0;
    json_t *scaling = json_pack("{s:s}", "rope_type", json_string_value(type));
    for (size_t i = 0; i < sizeof scaling_keys / sizeof *scaling_keys; i++) {
        const json_t *v = meta_get(f, scaling_keys[i].gguf);
        if (!v) continue;
        json_object_set_new(scaling, scaling_keys[i].hf, json_is_real(v) ? tidy_real(v) : json_deep_copy(v));
    }
    json_object_set_new(config, "rope_scaling", scaling);
    return set_mscale(scaling, f, e);
}

static int set_divisors(json_t *config, struct tensor_file *f, struct err *e)
{
    const struct tensor_info *t = tensor_file_find(f, "rope_freqs.weight");
    if (!t) return 0;
    const json_t *base = json_object_get(config, "rope_theta");
    double theta = base ? json_number_value(base) : 10000;
    if (t->n_dims != 1 || t->shape[0] < 1 || t->shape[0] > 512 || !dtype_info(t->dtype)->decode)
        return err_set(e, "%s: tensor rope_freqs.weight must be one row of divisors", f->path);
    float divisors[512];
    if (tensor_file_rows(f, t, 0, 1, divisors, e)) return -1;
    const json_t *key = meta_get(f, "rope.scaling.original_context_length");
    double original = json_is_integer(key) ? json_number_value(key) : 8192;
    json_t *scaling =
        theta > 1 ? rope_scaling_from_divisors(divisors, (int)t->shape[0], theta, original) : NULL;
    if (!scaling)
        return err_set(e, "%s: tensor rope_freqs.weight holds divisors that are not those of Llama 3",
                       f->path);
    json_object_set_new(config, "rope_scaling", scaling);
    return 0;
}

/* What GGUF means by silence, whatever the description does: as many as heads, hidden / heads; no experts
 * that every row passes, gates as they are. */
static void set_silence(json_t *config, const struct tensor_file *f)
{
    const struct {
        const char *hf;
        json_t *value;
    } silence[] = {{"num_key_value_heads", json_null()},
                   {"head_dim", json_null()},
                   {"q_lora_rank", json_null()},
                   {"n_shared_experts", json_integer(0)},
                   {"norm_topk_prob", json_false()},
                   {"routed_scaling_factor", json_integer(1)},
                   {"first_k_dense_replace", json_integer(0)}};
    for (size_t i = 0; i < sizeof silence / sizeof *silence; i++) {
        for (const struct arch_key *k = f->gguf->keys; k->hf; k++)
            if (k->gguf && !strcmp(k->hf, silence[i].hf) && !json_object_get(config, k->hf))
                json_object_set(config, k->hf, silence[i].value);
        json_decref(silence[i].value);
    }
}

static void set_keys(json_t *config, const struct tensor_file *f)
{
    for (const struct arch_key *k = f->gguf->keys; k->hf; k++) {
        json_t *v = k->gguf ? meta_get(f, k->gguf) : NULL;
        bool none = k->type == KEY_INT_OR_NONE || k->type == KEY_FLOAT_OR_NONE;
        if (v)
            json_object_set_new(config, k->hf, json_is_real(v) ? tidy_real(v) : json_deep_copy(v));
        else if (!k->gguf && none)
            json_object_set_new(config, k->hf, json_null());
        else if (!k->gguf && k->type != KEY_BOOL && isfinite(k->fallback) && !arch_said(f->gguf, k))
            json_object_set_new(config, k->hf,
                                k->type == KEY_INT ? json_integer((json_int_t)k->fallback)
                                                   : json_real(k->fallback));
    }
    set_silence(config, f);
    if (f->gguf->gguf_normalised) json_object_set_new(config, "norm_topk_prob", json_true());
    /* A file of this architecture has no other. */
    for (const struct arch_demand *d = f->gguf->demands; d->key; d++)
        if (!strncmp(d->key, "hidden_act", strlen("hidden_act")) || !strcmp(d->key, "scoring_func") ||
            !strcmp(d->key, "topk_method"))
            json_object_set_new(config, d->key, json_string(d->value));
}

static json_int_t config_int(const json_t *config, const char *key)
{
    return json_integer_value(json_object_get(config, key));
}

static void set_query_scalar(json_t *config, const struct tensor_file *f)
{
    json_int_t heads = config_int(config, "num_attention_heads"), scalar = config_int(config, "head_dim");
    if (!f->gguf->gguf_wide_layers || heads < 1) return;
    if (config_int(config, "num_hidden_layers") == f->gguf->gguf_wide_layers || !scalar)
        scalar = config_int(config, "hidden_size") / heads;
    json_object_set_new(config, "query_pre_attn_scalar", json_integer(scalar));
}

/* Sizes of a head of latent attention, and the groups of its experts where the file is older than their
 * keys. */
static void set_latent(json_t *config, const struct tensor_file *f)
{
    const struct arch *a = f->gguf;
    bool newer = meta_get(f, "attention.key_length_mla") != NULL;
    json_int_t key =
        json_integer_value(meta_get(f, newer ? "attention.key_length_mla" : "attention.key_length"));
    const json_t *value = meta_get(f, newer ? "attention.value_length_mla" : "attention.value_length");
    if (!json_object_get(config, "kv_lora_rank")) return;
    uint64_t nope = (uint64_t)key - (uint64_t)config_int(config, "qk_rope_head_dim");
    json_object_set_new(config, "qk_nope_head_dim", json_integer((json_int_t)nope));
    json_object_set_new(config, "v_head_dim", json_integer(json_integer_value(value)));
    json_object_set(config, "num_key_value_heads", json_object_get(config, "num_attention_heads"));
    if (!json_object_get(config, "n_group")) {
        bool has = config_int(config, "n_routed_experts") == a->gguf_groups.experts;
        json_object_set_new(config, "n_group", json_integer(has ? a->gguf_groups.n : 1));
        json_object_set_new(config, "topk_group", json_integer(has ? a->gguf_groups.top : 1));
    }
    if (a->group_best == 1)
        json_object_set_new(
            config, "topk_method",
            json_string(config_int(config, "n_group") > 1 ? "group_limited_greedy" : "greedy"));
}

/* Booleans of config.json that bring weights into being are true when the first layer has the weight. */
static void set_conditions(json_t *config, const struct tensor_file *f)
{
    for (const struct arch_weight *w = f->gguf->weights; w->name; w++) {
        if (!w->when || !config_is_key(w->when)) continue;
        char *name = arch_name(w->gguf, 0, 0);
        if (tensor_file_find(f, name)) json_object_set_new(config, w->when, json_true());
        free(name);
    }
}

/* Those whose window is behind a switch have none where nobody can say that it is on. */
static bool knows_window(const struct arch *a)
{
    for (const struct arch_key *k = a->keys; k->hf; k++)
        if (k->at == offsetof(struct model_config, window) && k->gguf) return true;
    return a->window_switch != NULL;
}

static int check_experts(const struct tensor_file *f, struct err *e)
{
    const json_t *gating = meta_get(f, "expert_gating_func");
    int want = f->gguf->score == ROUTE_SIGMOID ? GGUF_SIGMOID : GGUF_SOFTMAX;
    if (!f->gguf->topk_method || !gating || json_integer_value(gating) == want) return 0;
    return err_set(e, "%s: expert_gating_func is %lld; a router of \"%s\" here has softmax (1)%s", f->path,
                   (long long)json_integer_value(gating), f->gguf->gguf,
                   want == GGUF_SIGMOID ? " or sigmoid (2)" : "");
}

/* Metadata that would change the result and has no place in the architecture's keys. */
static int check_rest(const json_t *config, const struct tensor_file *f, struct err *e)
{
    const json_t *turned = meta_get(f, "rope.dimension_count");
    json_int_t heads = config_int(config, "num_attention_heads"), head_dim = config_int(config, "head_dim");
    if (!head_dim && heads) head_dim = config_int(config, "hidden_size") / heads;
    bool latent = json_object_get(config, "kv_lora_rank") != NULL; /* its turned part has a row of its own */
    if (turned && !latent && json_integer_value(turned) != head_dim)
        return err_set(e,
                       "%s: rope.dimension_count is %lld, a head has %lld; a part of a head cannot be "
                       "turned here",
                       f->path, (long long)json_integer_value(turned), (long long)head_dim);
    if (json_integer_value(meta_get(f, "attention.sliding_window")) > 0 && !knows_window(f->gguf))
        return err_set(e, "%s: attention.sliding_window is set; general.architecture \"%s\" has none",
                       f->path, f->gguf->gguf);
    return check_experts(f, e);
}

json_t *gguf_config(struct tensor_file *f, struct err *e)
{
    f->gguf = arch_find_gguf(f->meta, f->path, e);
    if (!f->gguf) return NULL;
    f->permuted = f->gguf->gguf_permuted;

    json_t *config =
        json_pack("{s:[s], s:s}", "architectures", f->gguf->class_name, "model_type", f->gguf->model_type);
    set_keys(config, f);
    const struct tensor_info *embed = tensor_file_find(f, "token_embd.weight");
    if (embed && embed->n_dims == 2) json_object_set_new(config, "vocab_size", json_integer(embed->shape[0]));
    json_object_set_new(config, "tie_word_embeddings", json_boolean(!tensor_file_find(f, "output.weight")));
    set_conditions(config, f);
    set_query_scalar(config, f);
    set_latent(config, f);
    set_token_id(config, f, "bos_token_id", "tokenizer.ggml.bos_token_id");
    set_token_id(config, f, "eos_token_id", "tokenizer.ggml.eos_token_id");
    set_token_id(config, f, "pad_token_id", "tokenizer.ggml.padding_token_id");
    if (!set_scaling(config, f, e) && !set_divisors(config, f, e) && !check_rest(config, f, e)) return config;
    json_decref(config);
    return NULL;
}

/* ---- tokenizer ----------------------------------------------------------------------------------------- */

struct lists { /* arrays of struct vocab, to be freed */
    const char **tokens, **merges;
    size_t *lengths;
    float *scores;
    int *types;
};

static const json_t *meta_array(const struct tensor_file *f, const char *key, size_t want, struct err *e)
{
    const json_t *a = json_object_get(f->meta, key);
    if (!a) return NULL;
    if (json_is_array(a) && json_array_size(a) == want) return a;
    err_set(e, "%s: %s must be an array of %zu", f->path, key, want);
    return NULL;
}

static const char **string_list(const json_t *a, size_t *lengths)
{
    size_t n = json_array_size(a);
    const char **list = alloc_zero(n + 1, sizeof *list);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(a, i);
        if (!json_is_string(v)) {
            free(list);
            return NULL;
        }
        list[i] = json_string_value(v);
        if (lengths) lengths[i] = json_string_length(v);
    }
    return list;
}

static int read_lists(const struct tensor_file *f, struct vocab *v, struct lists *l, struct err *e)
{
    const json_t *tokens = json_object_get(f->meta, "tokenizer.ggml.tokens");
    const json_t *merges = json_object_get(f->meta, "tokenizer.ggml.merges");
    size_t n = json_array_size(tokens);
    struct err bad = {0};
    const json_t *types = meta_array(f, "tokenizer.ggml.token_type", n, &bad);
    const json_t *scores = meta_array(f, "tokenizer.ggml.scores", n, &bad);
    if (bad.kind) return err_set(e, "%s", bad.msg);
    l->lengths = alloc_zero(n + 1, sizeof *l->lengths);
    l->tokens = string_list(tokens, l->lengths);
    l->merges = string_list(merges, NULL);
    if (!n || !l->tokens || !l->merges)
        return err_set(e, "%s: tokenizer.ggml.tokens and .merges must be arrays of strings", f->path);
    l->types = types ? alloc_zero(n, sizeof *l->types) : NULL;
    l->scores = scores ? alloc_zero(n, sizeof *l->scores) : NULL;
    for (size_t i = 0; i < n; i++) {
        if (types) l->types[i] = (int)json_integer_value(json_array_get(types, i));
        if (scores) l->scores[i] = (float)json_number_value(json_array_get(scores, i));
    }
    v->n = (int)n;
    v->tokens = l->tokens;
    v->lengths = l->lengths;
    v->types = l->types;
    v->scores = l->scores;
    v->merges = l->merges;
    v->n_merges = (int)json_array_size(merges);
    return 0;
}

static int token_id(const struct tensor_file *f, const char *key, int n)
{
    const json_t *v = json_object_get(f->meta, key);
    json_int_t id = json_is_integer(v) ? json_integer_value(v) : -1;
    return id >= 0 && id < n ? (int)id : -1;
}

int gguf_tokenizer(struct tensor_file *f, struct tokenizer **out, struct err *e)
{
    const char *model = json_str_or(f->meta, "tokenizer.ggml.model", NULL);
    struct vocab v = {.pre = json_str_or(f->meta, "tokenizer.ggml.pre", "default"),
                      .chat_template = json_str_or(f->meta, "tokenizer.chat_template", NULL)};
    const json_t *add_bos = json_object_get(f->meta, "tokenizer.ggml.add_bos_token");
    struct lists l = {0};
    if (!model || !strcmp(model, "none")) return 0;
    int result = read_lists(f, &v, &l, e);
    if (!result) {
        const json_t *space = json_object_get(f->meta, "tokenizer.ggml.add_space_prefix");
        bool spm = !strcmp(model, "llama");
        v.model = spm ? SPM : model;
        if (spm && json_is_false(space)) v.pre = SPM_BARE;
        /* What llama.cpp assumes where the file does not say. */
        v.add_bos = add_bos ? json_is_true(add_bos) : spm || !strcmp(v.pre, "llama-bpe");
        v.add_eos = json_is_true(json_object_get(f->meta, "tokenizer.ggml.add_eos_token"));
        v.bos = token_id(f, "tokenizer.ggml.bos_token_id", v.n);
        v.eos = token_id(f, "tokenizer.ggml.eos_token_id", v.n);
        v.pad = token_id(f, "tokenizer.ggml.padding_token_id", v.n);
        v.unk = token_id(f, "tokenizer.ggml.unknown_token_id", v.n);
        *out = tokenizer_from_vocab(&v, e);
        if (!*out) result = err_wrap(e, "%s", f->path);
    }
    free(l.tokens);
    free(l.merges);
    free(l.lengths);
    free(l.scores);
    free(l.types);
    return result;
}
