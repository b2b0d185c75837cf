/* peft.c: adapters in a run, by TRL's keys (ModelConfig's use_peft, lora_r, ...).
 *
 * With use_peft the model gets new adapters; where model_name_or_path is an adapter already, that one is
 * trained further. Either way the base model's weights stay as they are, gradients and optimiser state are
 * for the adapters alone, and what is saved is the adapter's folder.
 */
#include "train/train_int.h"

#include <string.h>

#include "base/check.h"

static json_t *names_of(struct conf *c, const char *key)
{
    const char *const *items;
    size_t n = conf_list(c, key, &items);
    json_t *list = n ? json_array() : NULL;
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_string(items[i]));
    return list;
}

/* A single item is all-linear, or a regular expression if it has a character that no name has. */
static json_t *targets_of(struct conf *c)
{
    json_t *list = names_of(c, "lora_target_modules");
    const char *only = json_array_size(list) == 1 ? json_string_value(json_array_get(list, 0)) : NULL;
    if (!only || (strcmp(only, "all-linear") != 0 && !strpbrk(only, "\\*+?()[]{}|^$"))) return list;
    json_t *text = json_string(only);
    json_decref(list);
    return text;
}

static int check_keys(struct trainer *t, const struct lora_config *lora, struct err *e)
{
    struct conf *c = t->conf;
    const char *const *items;
    if (conf_bool(c, "from_scratch"))
        return err_usage(
            e, "use_peft with from_scratch: an adapter of a model drawn at random could never be "
               "loaded again; write the drawn model first (openr1 init --random_weights bfloat16) and "
               "leave from_scratch out");
    if (strcmp(lora->task, "CAUSAL_LM") != 0)
        return err_usage(e, "lora_task_type is '%s'; CAUSAL_LM is what is trained here", lora->task);
    if (conf_list(c, "lora_target_parameters", &items) > 0)
        return err_usage(e, "lora_target_parameters is not built: name modules in lora_target_modules, those "
                            "of experts too");
    return 0;
}

static int add_adapters(struct trainer *t, struct err *e)
{
    struct conf *c = t->conf;
    struct lora_config lora = {.r = conf_int(c, "lora_r"),
                               .alpha = conf_real(c, "lora_alpha"),
                               .dropout = conf_bool(c, "disable_dropout") ? 0 : conf_real(c, "lora_dropout"),
                               .rslora = conf_bool(c, "use_rslora"),
                               .dora = conf_bool(c, "use_dora"),
                               .targets = targets_of(c),
                               .saved = names_of(c, "lora_modules_to_save"),
                               .base = alloc_str(conf_str(c, "model_name_or_path")),
                               .task = alloc_str(conf_str(c, "lora_task_type"))};
    if (check_keys(t, &lora, e)) {
        lora_config_release(&lora);
        return -1;
    }
    return model_adapt(t->model, &lora, t->seed, e) ? err_wrap(e, "use_peft") : 0;
}

/* A GGUF file's matrices stay as they lie there, whatever they have: that is what its types are for. */
int peft_flags(struct conf *c, int *flags, struct err *e)
{
    bool four = conf_bool(c, "load_in_4bit"), eight = conf_bool(c, "load_in_8bit");
    const char *type = conf_str(c, "bnb_4bit_quant_type");
    bool nested = conf_bool(c, "use_bnb_nested_quant");
    if (!four && !eight) return 0;
    if (four && eight) return err_usage(e, "load_in_4bit and load_in_8bit: give one of them");
    if (*flags & MODEL_RANDOM)
        return err_usage(
            e,
            "from_scratch with load_in_%dbit: weights of few bits are not trained, so a model drawn "
            "at random would stay as it is drawn. To train it, leave load_in_%dbit out; for "
            "adapters on a random base, write one (openr1 init --random_weights bfloat16) and give "
            "its folder with use_peft: true, without from_scratch",
            four ? 4 : 8, four ? 4 : 8);
    if (str_ends(conf_str(c, "model_name_or_path"), ".gguf"))
        *flags |= MODEL_IN_PLACE;
    else if (eight)
        *flags |= MODEL_INT8;
    else
        *flags |= (strcmp(type, "fp4") == 0 ? MODEL_FP4 : MODEL_NF4) | (nested ? MODEL_NESTED : 0);
    return 0;
}

int peft_open(struct trainer *t, struct err *e)
{
    bool wanted = conf_bool(t->conf, "use_peft");
    conf_is_set(t->conf, "disable_dropout"); /* without adapters there is none */
    if (!wanted && (conf_given(t->conf, "lora_r") || conf_given(t->conf, "lora_target_modules") ||
                    conf_given(t->conf, "use_dora")))
        log_warn("keys of LoRA are set, but use_peft is not: all weights are trained");
    if (wanted && model_is_adapted(t->model))
        return err_usage(e,
                         "%s is an adapter: leave use_peft out to train it further, or give its base model",
                         conf_str(t->conf, "model_name_or_path"));
    if (wanted && add_adapters(t, e)) return -1;
    if (!model_is_adapted(t->model) &&
        (conf_bool(t->conf, "load_in_4bit") || conf_bool(t->conf, "load_in_8bit")))
        return err_usage(
            e, "load_in_4bit and load_in_8bit: weights of few bits cannot be trained; set use_peft: "
               "true to train adapters beside them");
    if (model_is_adapted(t->model) && conf_real(t->conf, "moe_bias_update_speed") > 0)
        return err_usage(e, "moe_bias_update_speed would change the base model, which adapters leave alone: "
                            "leave it out");
    return 0;
}

double peft_dropout(const struct trainer *t)
{
    return model_is_adapted(t->model) ? model_lora(t->model)->dropout : 0;
}
