/* lora_config.c: what PEFT's adapter_config.json says of an adapter, and which modules it means.
 *
 * A module is what PyTorch calls by the name of its weight without ".weight". target_modules is a list, of
 * whole names or of ends behind a dot ("q_proj"), or one regular expression that must fit the whole name, or
 * "all-linear": every matrix of the layers. modules_to_save are ends of names, of a module or of what holds
 * it; they win over target_modules. What a file may say besides and is not built is refused by its key.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <math.h>
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/str.h"
#include "model/model_int.h"

#define ALL_LINEAR "all-linear"
enum { RANK_MAX = 1 << 16, NAMES_MAX = 1 << 17, STEPS_MAX = 1 << 20 };

/* ---- reading and writing ------------------------------------------------------------------------------- */

static bool is_nothing(const json_t *v)
{
    return !v || json_is_null(v) || json_is_false(v) || (json_is_array(v) && !json_array_size(v)) ||
           (json_is_object(v) && !json_object_size(v)) || (json_is_string(v) && !json_string_length(v));
}

static int refuse(const json_t *o, const char *what, struct err *e)
{
    static const char *const keys[][2] = {
        {"lora_bias", "B has no bias here"},
        {"fan_in_fan_out", "no model here stores its matrices that way"},
        {"alpha_pattern", "one lora_alpha holds for all modules"},
        {"target_parameters", "adapters belong to modules; name those of each expert"},
        {"trainable_token_indices", "use modules_to_save for whole embeddings"},
        {"layer_replication", "layers are those of the base model"},
        {"use_qalora", "only plain LoRA, rsLoRA and DoRA are built"},
        {"use_bdlora", "only plain LoRA, rsLoRA and DoRA are built"},
        {"kasa_config", "only plain LoRA, rsLoRA and DoRA are built"},
        {"velora_config", "only plain LoRA, rsLoRA and DoRA are built"},
        {"arrow_config", "only plain LoRA, rsLoRA and DoRA are built"},
        {"monteclora_config", "only plain LoRA, rsLoRA and DoRA are built"},
        {"alora_invocation_tokens", "an adapter is on for all tokens"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!is_nothing(json_object_get(o, keys[i][0])))
            return err_set(e, "%s: \"%s\" is not built: %s", what, keys[i][0], keys[i][1]);
    const char *type = json_str_or(o, "peft_type", "LORA"), *bias = json_str_or(o, "bias", "none");
    if (strcmp(type, "LORA"))
        return err_set(e, "%s: \"peft_type\" is \"%.60s\"; only LORA is built", what, type);
    if (strcmp(bias, "none"))
        return err_set(e, "%s: \"bias\" is \"%.60s\"; biases are not trained beside adapters: none", what,
                       bias);
    const char *init = json_str_or(o, "init_lora_weights", "");
    static const char *const changing[] = {"pissa", "olora", "loftq", "corda", "lora_ga"};
    for (size_t i = 0; i < sizeof changing / sizeof *changing; i++)
        if (!strncmp(init, changing[i], strlen(changing[i])))
            return err_set(e,
                           "%s: \"init_lora_weights\" is \"%.60s\", which changes the base model's weights; "
                           "save the adapter converted to plain LoRA",
                           what, init);
    return 0;
}

static bool is_names(const json_t *v)
{
    if (!json_is_array(v) || json_array_size(v) > NAMES_MAX) return false;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *name = json_array_get(v, i);
        if (!json_is_string(name) || !json_string_length(name) ||
            strlen(json_string_value(name)) != json_string_length(name) ||
            json_string_length(name) >= ARCH_NAME_MAX)
            return false;
    }
    return true;
}

static int read_names(struct lora_config *c, const json_t *o, const char *what, struct err *e)
{
    json_t *targets = json_object_get(o, "target_modules"), *saved = json_object_get(o, "modules_to_save");
    bool text = json_is_string(targets) && strlen(json_string_value(targets)) == json_string_length(targets);
    if (is_nothing(targets)) targets = NULL;
    if (targets && !text && !is_names(targets))
        return err_set(e, "%s: \"target_modules\" must be a list of names, a regular expression or \"%s\"",
                       what, ALL_LINEAR);
    if (is_nothing(saved)) saved = NULL;
    if (saved && !is_names(saved)) return err_set(e, "%s: \"modules_to_save\" must be a list of names", what);
    c->targets = json_incref(targets);
    c->saved = json_incref(saved);
    return 0;
}

int lora_config_check(const struct lora_config *c, const char *what, struct err *e)
{
    if (c->r < 1 || c->r > RANK_MAX)
        return err_set(e, "%s: a rank of %ld; 1 to %d are possible", what, c->r, RANK_MAX);
    if (!(isfinite(c->alpha) && c->alpha > 0 && c->alpha <= 1e6))
        return err_set(e, "%s: an alpha of %g; a number above 0, up to 1e6, is expected", what, c->alpha);
    if (!(c->dropout >= 0 && c->dropout < 1))
        return err_set(e, "%s: a dropout of %g; 0 up to, but without, 1 is expected", what, c->dropout);
    return 0;
}

int lora_config_parse(struct lora_config *c, const json_t *o, const char *what, struct err *e)
{
    *c = (struct lora_config){0};
    if (!json_is_object(o)) return err_set(e, "%s: must hold one JSON object", what);
    if (refuse(o, what, e)) return -1;
    if (json_get_int_or(o, "r", 8, &c->r, e) || json_get_real_or(o, "lora_alpha", 8, &c->alpha, e) ||
        json_get_real_or(o, "lora_dropout", 0, &c->dropout, e) ||
        json_get_bool_or(o, "use_rslora", false, &c->rslora, e) ||
        json_get_bool_or(o, "use_dora", false, &c->dora, e))
        return err_wrap(e, "%s", what);
    if (lora_config_check(c, what, e) || read_names(c, o, what, e)) return -1;
    c->base = alloc_str(json_str_or(o, "base_model_name_or_path", ""));
    c->task = alloc_str(json_str_or(o, "task_type", "CAUSAL_LM"));
    return 0;
}

void lora_config_release(struct lora_config *c)
{
    json_decref(c->targets);
    json_decref(c->saved);
    free(c->base);
    free(c->task);
    *c = (struct lora_config){0};
}

json_t *lora_config_json(const struct lora_config *c)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:n, s:s, s:b, s:b, s:b, s:I, s:f, s:f, s:b, s:b}", "peft_type",
                          "LORA", "task_type", c->task, "base_model_name_or_path", c->base, "revision",
                          "bias", "none", "fan_in_fan_out", 0, "inference_mode", 1, "init_lora_weights", 1,
                          "r", (json_int_t)c->r, "lora_alpha", c->alpha, "lora_dropout", c->dropout,
                          "use_rslora", c->rslora, "use_dora", c->dora);
    CHECK(o, "adapter of %s", c->base);
    /* PEFT's type for it is an integer, wherever it is one. */
    if (c->alpha == floor(c->alpha)) json_object_set_new(o, "lora_alpha", json_integer((json_int_t)c->alpha));
    json_object_set(o, "target_modules", c->targets ? c->targets : json_null());
    json_object_set(o, "modules_to_save", c->saved ? c->saved : json_null());
    json_object_set_new(o, "rank_pattern", json_object());
    json_object_set_new(o, "alpha_pattern", json_object());
    return o;
}

double lora_config_scale(const struct lora_config *c, int rank)
{
    return c->alpha / (c->rslora ? fm_sqrt(rank) : (double)rank);
}

/* ---- which modules ------------------------------------------------------------------------------------- */

/* Does `name` end with `end`; at a dot or whole? */
static bool ends_at_dot(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);
    return n >= k && !strcmp(name + n - k, end) && (n == k || name[n - k - 1] == '.');
}

/* Is the module, or one that holds it, named so? PEFT takes any end of the name, at a dot or not. */
static bool is_saved(const json_t *saved, const char *module)
{
    char part[ARCH_NAME_MAX];
    for (size_t i = 0; i < json_array_size(saved); i++)
        for (const char *dot = module; dot; dot = *dot ? dot + strcspn(dot + 1, ".") + 1 : NULL) {
            if (dot == module || (*dot && *dot != '.')) continue;
            snprintf(part, sizeof part, "%.*s", (int)(dot - module), module);
            if (str_ends(part, json_string_value(json_array_get(saved, i)))) return true;
        }
    return false;
}

bool lora_saves(const struct lora_config *c, const char *module)
{
    return is_saved(c->saved, module);
}

struct lora_targets {
    const struct lora_config *config;
    pcre2_code *code; /* of a regular expression, or NULL */
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

struct lora_targets *lora_targets_new(const struct lora_config *c, struct err *e)
{
    struct lora_targets *t = alloc_zero(1, sizeof *t);
    const char *text = json_string_value(c->targets);
    t->config = c;
    if (!text || !strcmp(text, ALL_LINEAR)) return t;
    int error;
    PCRE2_SIZE at;
    t->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                            PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF, &error, &at, NULL);
    if (!t->code) {
        char message[200];
        pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof message);
        err_usage(e, "target modules '%.200s': no regular expression: %s, at byte %zu", text, message, at);
        lora_targets_free(t);
        return NULL;
    }
    t->data = pcre2_match_data_create_from_pattern(t->code, NULL);
    t->limits = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(t->limits, STEPS_MAX);
    return t;
}

void lora_targets_free(struct lora_targets *t)
{
    if (!t) return;
    pcre2_match_data_free(t->data);
    pcre2_match_context_free(t->limits);
    pcre2_code_free(t->code);
    free(t);
}

bool lora_targets_match(struct lora_targets *t, const char *module, bool *used)
{
    const json_t *list = t->config->targets;
    bool found = false;
    if (t->code)
        found = pcre2_match(t->code, (PCRE2_SPTR)module, strlen(module), 0, 0, t->data, t->limits) >= 0;
    else if (json_is_string(list))
        found = true;
    else
        for (size_t i = 0; i < json_array_size(list); i++) {
            if (!ends_at_dot(module, json_string_value(json_array_get(list, i)))) continue;
            found = used[i] = true;
        }
    return found;
}
