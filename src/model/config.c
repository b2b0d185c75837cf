/* config.c: config.json into struct model_config, by the tables of the architecture it names.
 *
 * Every size has bounds, so that no later product can overflow and no file can ask for absurd memory unseen.
 * What would change the result and is not done here (another activation, attention both ways, a quantised
 * checkpoint) is refused rather than ignored. Keys of both generations of transformers are read:
 * `rope_theta` with `rope_scaling`, or `rope_parameters`; `torch_dtype` or `dtype` matter only when saving.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kern/kern.h"
#include "model/model_int.h"

static int read_key(struct model_config *c, const struct arch_key *k, const json_t *raw, const char *what,
                    struct err *e)
{
    const json_t *v = json_object_get(raw, k->hf);
    char *at = (char *)c + k->at;
    double x = k->fallback;
    if (json_is_null(v) && (k->type == KEY_INT_OR_NONE || k->type == KEY_FLOAT_OR_NONE)) {
        x = 0;
    } else if (v && !json_is_null(v)) {
        if (k->type == KEY_BOOL ? !json_is_boolean(v) : !json_is_number(v))
            return err_set(e, "%s: \"%s\" must be %s", what, k->hf,
                           k->type == KEY_BOOL ? "true or false" : "a number");
        x = k->type == KEY_BOOL ? json_is_true(v) : json_number_value(v);
        if (!(x >= k->lo && x <= k->hi))
            return err_set(e, "%s: \"%s\" is %g; it must be between %g and %g", what, k->hf, x, k->lo, k->hi);
        if ((k->type == KEY_INT || k->type == KEY_INT_OR_NONE) && x != floor(x))
            return err_set(e, "%s: \"%s\" is %g; it must be a whole number", what, k->hf, x);
    } else if (x == KEY_KEEP) {
        return 0;
    } else if (isnan(x)) {
        return err_set(e, "%s: \"%s\" is missing", what, k->hf);
    }
    switch (k->type) {
    case KEY_INT:
    case KEY_INT_OR_NONE: memcpy(at, &(int){(int)x}, sizeof(int)); break;
    case KEY_FLOAT:
    case KEY_FLOAT_OR_NONE: memcpy(at, &(float){(float)x}, sizeof(float)); break;
    case KEY_DOUBLE: memcpy(at, &x, sizeof x); break;
    case KEY_BOOL: memcpy(at, &(bool){x != 0}, sizeof(bool)); break;
    }
    return 0;
}

static bool demand_met(const json_t *v, const char *want)
{
    char text[32];
    if (!v || json_is_null(v)) return true;
    if (json_is_string(v)) return !strcmp(json_string_value(v), want);
    if (json_is_boolean(v)) return !strcmp(json_is_true(v) ? "true" : "false", want);
    if (json_is_number(v)) {
        snprintf(text, sizeof text, "%.17g", json_number_value(v));
        return !strcmp(text, want);
    }
    if (!json_is_array(v)) return false;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *item = json_array_get(v, i);
        if (json_is_array(item) || !demand_met(item, want)) return false;
    }
    return true;
}

/* ---- which weights there are --------------------------------------------------------------------------- */

int config_all_layers(const struct model_config *c)
{
    return c->layers + c->mtp;
}

/* A layer behind the last is like the last. */
bool config_is_mixture(const struct model_config *c, int layer)
{
    if (layer >= c->layers) layer = c->layers - 1;
    const json_t *dense = json_object_get(c->raw, "mlp_only_layers");
    for (size_t i = 0; i < json_array_size(dense); i++)
        if (json_integer_value(json_array_get(dense, i)) == layer) return false;
    int number = layer + (c->arch->moe_from_one ? 1 : 0);
    return c->experts > 0 && layer >= c->dense_first && number % c->moe_every == 0;
}

static bool untied(const struct model_config *c, int layer)
{
    (void)layer;
    return !c->tied;
}

static bool dense(const struct model_config *c, int layer)
{
    return !config_is_mixture(c, layer);
}

static bool with_shared(const struct model_config *c, int layer)
{
    return c->shared > 0 && config_is_mixture(c, layer);
}

static bool behind_the_last(const struct model_config *c, int layer)
{
    return layer >= c->layers;
}

static bool with_q_rank(const struct model_config *c, int layer)
{
    (void)layer;
    return c->q_rank > 0;
}

static bool without_q_rank(const struct model_config *c, int layer)
{
    (void)layer;
    return c->q_rank == 0;
}

static const struct condition {
    const char *name;
    bool (*holds)(const struct model_config *c, int layer);
} conditions[] = {{"untied", untied},           {"dense", dense},         {"moe", config_is_mixture},
                  {"shared", with_shared},      {"mtp", behind_the_last}, {"q_rank", with_q_rank},
                  {"no q_rank", without_q_rank}};

static const struct condition *condition_find(const char *name)
{
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++)
        if (!strcmp(conditions[i].name, name)) return &conditions[i];
    return NULL;
}

bool config_is_key(const char *when)
{
    return !condition_find(when);
}

bool config_has(const struct model_config *c, const struct arch_weight *w, int layer)
{
    if (!w->when) return true;
    const struct condition *condition = condition_find(w->when);
    if (condition) return condition->holds(c, layer);
    return json_is_true(json_object_get(c->raw, w->when));
}

/* Blocks of 128 x 128 (fp8.c). */
bool config_is_fp8(const json_t *quantised)
{
    const json_t *block = json_object_get(quantised, "weight_block_size");
    return !strcmp(json_str_or(quantised, "quant_method", ""), "fp8") &&
           !strcmp(json_str_or(quantised, "fmt", "e4m3"), "e4m3") && json_array_size(block) == 2 &&
           json_integer_value(json_array_get(block, 0)) == 128 &&
           json_integer_value(json_array_get(block, 1)) == 128;
}

/* ---- what is not done here ----------------------------------------------------------------------------- */

static int check_demands(const struct arch *a, const json_t *raw, const char *what, struct err *e)
{
    for (const struct arch_demand *d = a->demands; d->key; d++) {
        const json_t *v = json_object_get(raw, d->key);
        if (demand_met(v, d->value)) continue;
        char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
        err_set(e, "%s: \"%s\" is %.200s; for model_type %s this program does only %s", what, d->key,
                text ? text : "?", a->model_type, d->value);
        free(text);
        return -1;
    }
    for (const struct arch_weight *w = a->weights; w->name; w++) {
        const json_t *v = w->when && config_is_key(w->when) ? json_object_get(raw, w->when) : NULL;
        if (v && !json_is_null(v) && !json_is_boolean(v))
            return err_set(e, "%s: \"%s\" must be true or false", what, w->when);
    }
    const json_t *quantised = json_object_get(raw, "quantization_config");
    if (quantised && !json_is_null(quantised) && !config_is_fp8(quantised))
        return err_set(e,
                       "%s: the checkpoint is quantised (\"quantization_config\"); "
                       "give the float checkpoint, one in fp8 with blocks of 128 x 128, or a GGUF file",
                       what);
    return 0;
}

static int check_class(const struct arch *a, const json_t *raw, const char *what, struct err *e)
{
    const json_t *list = json_object_get(raw, "architectures");
    if (!list || json_is_null(list)) return 0;
    if (!json_is_array(list)) return err_set(e, "%s: \"architectures\" must be a list", what);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (name && !strcmp(name, a->class_name)) return 0;
    }
    if (json_array_size(list) == 0) return 0;
    const char *found = json_string_value(json_array_get(list, 0));
    return err_set(e, "%s: \"architectures\" names %.100s; for model_type %s only %s is known", what,
                   found ? found : "no string", a->model_type, a->class_name);
}

/* A token id that may be a number, a list (its first counts), null or absent; below zero means none. */
static int read_id(const json_t *raw, const char *key, int vocab, const char *what, int *id, struct err *e)
{
    const json_t *v = json_object_get(raw, key);
    if (json_is_array(v)) v = json_array_get(v, 0);
    *id = -1;
    if (!v || json_is_null(v)) return 0;
    if (!json_is_integer(v)) return err_set(e, "%s: \"%s\" must be a token id", what, key);
    if (json_integer_value(v) >= vocab)
        return err_set(e, "%s: \"%s\" is %lld; the vocabulary has %d tokens", what, key,
                       (long long)json_integer_value(v), vocab);
    if (json_integer_value(v) >= 0) *id = (int)json_integer_value(v);
    return 0;
}

/* ---- layers that differ -------------------------------------------------------------------------------- */

/* layer_types has a known kind for each layer, no_rope_layers 1 or 0; both are optional. */
static int check_layers(const struct model_config *c, const char *what, struct err *e)
{
    const json_t *types = json_object_get(c->raw, "layer_types");
    const json_t *turns = json_object_get(c->raw, "no_rope_layers");
    if (types && !json_is_null(types)) {
        if (json_array_size(types) != (size_t)c->layers)
            return err_set(e, "%s: \"layer_types\" must be a list of %d, one for each layer", what,
                           c->layers);
        for (int i = 0; i < c->layers; i++) {
            const char *type = json_string_value(json_array_get(types, (size_t)i));
            bool slides = type && !strcmp(type, "sliding_attention");
            if (!slides && (!type || strcmp(type, "full_attention")))
                return err_set(e,
                               "%s: \"layer_types\"[%d] is %.60s; known: full_attention, sliding_attention",
                               what, i, type ? type : "no string");
            if (slides && !c->window)
                return err_set(e,
                               "%s: \"layer_types\"[%d] is sliding_attention, but a model_type %s with this "
                               "configuration has no sliding window",
                               what, i, c->arch->model_type);
        }
    }
    if (c->nope_every && turns && !json_is_null(turns)) {
        if (json_array_size(turns) < (size_t)c->layers)
            return err_set(e, "%s: \"no_rope_layers\" must be a list of %d, one for each layer", what,
                           c->layers);
        for (int i = 0; i < c->layers; i++)
            if (!json_is_integer(json_array_get(turns, (size_t)i)))
                return err_set(e, "%s: \"no_rope_layers\"[%d] must be 1 or 0", what, i);
    }
    return 0;
}

bool config_turns(const struct model_config *c, int layer)
{
    if (!c->nope_every) return true;
    const json_t *list = json_object_get(c->raw, "no_rope_layers");
    if (json_is_array(list)) return json_integer_value(json_array_get(list, (size_t)layer)) != 0;
    return (layer + 1) % c->nope_every != 0;
}

bool config_slides(const struct model_config *c, int layer)
{
    if (!c->window) return false;
    const json_t *list = json_object_get(c->raw, "layer_types");
    if (json_is_array(list))
        return !strcmp(json_string_value(json_array_get(list, (size_t)layer)), "sliding_attention");
    if (c->arch->window_without_rope) return !config_turns(c, layer);
    return layer >= c->window_from && (!c->full_every || (layer + 1) % c->full_every != 0);
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

/* Latent attention runs on keys of kv_rank + rope_dim numbers, whose first kv_rank are the values. */
static int derive_latent(struct model_config *c, const char *what, struct err *e)
{
    c->kv_heads = c->heads;
    c->head_dim = c->nope_dim + c->rope_dim;
    if (c->rope_dim % 2) return err_set(e, "%s: qk_rope_head_dim is %d; it must be even", what, c->rope_dim);
    if (2 * c->kv_rank + c->rope_dim > KERN_ATTN_MAX)
        return err_set(e,
                       "%s: kv_lora_rank %d with qk_rope_head_dim %d; twice the one and the other may be %d",
                       what, c->kv_rank, c->rope_dim, KERN_ATTN_MAX);
    return 0;
}

static int derive_mixture(struct model_config *c, const char *what, struct err *e)
{
    const char *method = json_str_or(c->raw, "topk_method", c->arch->topk_method);
    bool grouped = !strcmp(method, "noaux_tc") || !strcmp(method, "group_limited_greedy");
    if (!grouped && strcmp(method, "greedy"))
        return err_set(e, "%s: \"topk_method\" is \"%.60s\"; known: greedy, group_limited_greedy, noaux_tc",
                       what, method);
    if (!grouped || c->groups == 0) c->groups = c->top_groups = 1;
    if (c->experts % c->groups || c->top_groups > c->groups)
        return err_set(e, "%s: %d of %d groups of %d experts (topk_group, n_group, n_routed_experts)", what,
                       c->top_groups, c->groups, c->experts);
    if (c->layers * c->experts > 1 << 18)
        return err_set(e, "%s: %d experts in %d layers; together at most %d are read", what, c->experts,
                       c->layers, 1 << 18);
    int size = c->experts / c->groups, most = size * c->top_groups;
    if (c->groups > 1 && c->arch->group_best > size)
        return err_set(e, "%s: groups of %d experts; at least %d are needed", what, size,
                       c->arch->group_best);
    if (c->top_k > most)
        return err_set(e, "%s: %d experts a token (num_experts_per_tok) of %d that can be chosen", what,
                       c->top_k, most);
    return 0;
}

/* Sizes that follow from others, and how they must fit together. */
static int derive(struct model_config *c, const char *what, struct err *e)
{
    const char *window_switch = c->arch->window_switch;
    if (window_switch && !json_is_true(json_object_get(c->raw, window_switch))) c->window = 0;
    if (c->experts && derive_mixture(c, what, e)) return -1;
    if (c->kv_rank) return derive_latent(c, what, e);
    if (c->kv_heads == 0) c->kv_heads = c->heads;
    if (c->head_dim == 0) {
        if (c->hidden % c->heads)
            return err_set(e,
                           "%s: hidden_size %d is no multiple of num_attention_heads %d, "
                           "and there is no head_dim",
                           what, c->hidden, c->heads);
        c->head_dim = c->hidden / c->heads;
    }
    if (c->head_dim % 2 || c->head_dim > HEAD_DIM_MAX)
        return err_set(e, "%s: the head size is %d; it must be even and at most %d", what, c->head_dim,
                       HEAD_DIM_MAX);
    if (c->heads % c->kv_heads)
        return err_set(e, "%s: num_attention_heads %d is no multiple of num_key_value_heads %d", what,
                       c->heads, c->kv_heads);
    c->rope_dim = c->value_dim = c->head_dim;
    return 0;
}

int config_parse(struct model_config *c, json_t *raw, const char *what, struct err *e)
{
    const char *model_type;
    memset(c, 0, sizeof *c);
    if (!json_is_object(raw)) return err_set(e, "%s: must hold one JSON object", what);
    if (json_get_str(raw, "model_type", what, &model_type, e)) return -1;
    c->arch = arch_find(model_type, what, e);
    if (!c->arch) return -1;
    c->raw = json_incref(raw);
    if (check_class(c->arch, raw, what, e) || check_demands(c->arch, raw, what, e)) return -1;
    for (const struct arch_key *k = c->arch->keys; k->hf; k++)
        if (read_key(c, k, raw, what, e)) return -1;
    if (derive(c, what, e) || check_layers(c, what, e)) return -1;
    if (read_id(raw, "bos_token_id", c->vocab, what, &c->bos, e)) return -1;
    if (read_id(raw, "eos_token_id", c->vocab, what, &c->eos, e)) return -1;
    if (read_id(raw, "pad_token_id", c->vocab, what, &c->pad, e)) return -1;
    return rope_config(c, what, e);
}

void config_copy(struct model_config *to, const struct model_config *from)
{
    *to = *from;
    to->raw = from->raw ? json_deep_copy(from->raw) : NULL;
    to->rope_scaling = from->rope_scaling ? json_deep_copy(from->rope_scaling) : NULL;
}

void config_release(struct model_config *c)
{
    json_decref(c->raw);
    json_decref(c->rope_scaling);
    c->raw = c->rope_scaling = NULL;
}

int config_size(const struct model_config *c, char symbol)
{
    switch (symbol) {
    case '1': return 1;
    case 'V': return c->vocab;
    case 'D': return c->hidden;
    case 'I': return c->intermediate;
    case 'Q': return c->heads * c->head_dim;
    case 'H': return c->head_dim;
    case 'K': return c->kv_heads * c->head_dim;
    case 'A': return c->q_rank;
    case 'C': return c->kv_rank;
    case 'R': return c->kv_rank + c->rope_dim;
    case 'U': return c->heads * (c->nope_dim + c->value_dim);
    case 'O': return c->heads * c->value_dim;
    case 'E': return c->experts;
    case 'M': return c->moe_intermediate;
    case 'S': return c->shared * c->moe_intermediate;
    case 'T': return 2 * c->hidden;
    }
    CHECK(false, "symbol %c", symbol);
}
