/* lora_config.c: what PEFT's adapter_config.json says of an adapter. What a file may say besides and is not
 * built is refused by its key. Which modules it means: lora_names.c.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/str.h"
#include "model/model_int.h"

enum { NAMES_MAX = 1 << 17 };

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
                       what, LORA_ALL_LINEAR);
    if (is_nothing(saved)) saved = NULL;
    if (saved && !is_names(saved)) return err_set(e, "%s: \"modules_to_save\" must be a list of names", what);
    c->targets = json_incref(targets);
    c->saved = json_incref(saved);
    return 0;
}

static int read_patterns(struct lora_config *c, const json_t *o, const char *what, struct err *e)
{
    c->ranks = lora_patterns_read(o, "rank_pattern", true, e);
    c->alphas = c->ranks ? lora_patterns_read(o, "alpha_pattern", false, e) : NULL;
    return c->alphas ? 0 : err_wrap(e, "%s", what);
}

int lora_config_check(const struct lora_config *c, const char *what, struct err *e)
{
    if (c->r < 1 || c->r > LORA_RANK_MAX)
        return err_set(e, "%s: a rank of %ld; 1 to %d are possible", what, c->r, LORA_RANK_MAX);
    if (!(c->alpha > 0 && c->alpha <= LORA_ALPHA_MAX))
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
    if (lora_config_check(c, what, e) || read_names(c, o, what, e) || read_patterns(c, o, what, e)) return -1;
    c->base = alloc_str(json_str_or(o, "base_model_name_or_path", ""));
    c->task = alloc_str(json_str_or(o, "task_type", "CAUSAL_LM"));
    return 0;
}

void lora_config_release(struct lora_config *c)
{
    json_decref(c->targets);
    json_decref(c->saved);
    lora_patterns_free(c->ranks);
    lora_patterns_free(c->alphas);
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
    json_object_set_new(o, "rank_pattern", lora_patterns_json(c->ranks));
    json_object_set_new(o, "alpha_pattern", lora_patterns_json(c->alphas));
    return o;
}

int lora_config_rank(const struct lora_config *c, const char *module)
{
    return (int)lora_patterns_value(c->ranks, module, (double)c->r);
}

double lora_config_scale(const struct lora_config *c, const char *module)
{
    double rank = lora_config_rank(c, module), alpha = lora_patterns_value(c->alphas, module, c->alpha);
    return alpha / (c->rslora ? fm_sqrt(rank) : rank);
}
