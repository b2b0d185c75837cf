/* cmd_init.c: `openr1 init`: a model folder without weights, for training from scratch.
 *
 * Writes config.json (as given, with the special ids and a missing vocabulary size filled in) and the files
 * of a tokenizer of single characters. `sft --from_scratch` draws the weights; so does --random_weights, into
 * files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "model/model.h"
#include "text/text.h"

static const struct opt init_options[] = {
    {.key = "model_config",
     .type = OPT_STR,
     .help = "config.json in Hugging Face's terms: a file, or the JSON text itself",
     .flags = OPT_REQUIRED},
    {.key = "alphabet", .type = OPT_STR, .help = "the characters that are tokens", .flags = OPT_REQUIRED},
    {.key = "added", .type = OPT_LIST, .help = "added tokens that decode to their text, such as <think>"},
    {.key = "special",
     .type = OPT_LIST,
     .fallback = "<|end|>",
     .help = "special tokens, left out of decoded text; <|end|> ends a sequence"},
    {.key = "chat_template", .type = OPT_STR, .help = "a Jinja chat template: a file, or the text itself"},
    {.key = "random_weights",
     .type = OPT_STR,
     .help = "also draw weights from initializer_range and write them in this type",
     .choices = "float32|bfloat16|float16"},
    {.key = "seed", .type = OPT_INT, .fallback = "42", .help = "of random_weights"},
    {.key = "out", .type = OPT_STR, .help = "the folder", .flags = OPT_REQUIRED},
    {0}};
static const struct opt *const init_tables[] = {init_options, NULL};

static json_t *config_read(const char *given, struct err *e)
{
    bool inline_text = given[strspn(given, " \n\t")] == '{';
    json_t *config =
        inline_text ? json_read_bytes(given, strlen(given), "model_config", e) : json_read_file(given, e);
    if (config && !json_is_object(config)) {
        json_decref(config);
        config = NULL;
        err_usage(e, "model_config must be a JSON object {...}");
    }
    return config;
}

/* Special tokens come first in the vocabulary, then the added ones, then the characters. */
static struct tokenizer *tokenizer_make(struct conf *c, struct err *e)
{
    const char *const *special, *const *added;
    size_t n_special = conf_list(c, "special", &special), n_added = conf_list(c, "added", &added);
    const char **all = alloc_zero(n_special + n_added + 1, sizeof *all);
    if (n_special) memcpy(all, special, n_special * sizeof *all);
    if (n_added) memcpy(all + n_special, added, n_added * sizeof *all);
    struct tokenizer *t = tokenizer_chars(conf_str(c, "alphabet"), all, (int)(n_special + n_added), e);
    for (size_t i = 0; t && i < n_special + n_added; i++) {
        bool wanted = i < n_special, is = tokenizer_is_special(t, (int)i);
        if (is == wanted) continue;
        err_usage(
            e,
            "%s %s a special token by its name; special ones are <|...|>, <s>, </s>, <bos>, <eos>, <pad>, "
            "<unk>",
            all[i], is ? "is" : "is not");
        tokenizer_free(t);
        t = NULL;
    }
    free(all);
    return t;
}

static void set_id(json_t *config, const char *key, int id)
{
    json_object_set_new(config, key, id < 0 ? json_null() : json_integer(id));
}

/* The tokenizer's size, or more if config says so: published models pad their vocabulary, too. */
static int set_vocab(json_t *config, int tokens, struct err *e)
{
    const json_t *given = json_object_get(config, "vocab_size");
    bool known = given && !json_is_null(given);
    if (known && (!json_is_integer(given) || json_integer_value(given) < tokens))
        return err_usage(
            e,
            "model_config: \"vocab_size\" must be at least %d, the tokens of alphabet, added and "
            "special; or leave it out",
            tokens);
    if (!known) json_object_set_new(config, "vocab_size", json_integer(tokens));
    return 0;
}

static int template_set(struct tokenizer *t, const char *given, struct err *e)
{
    char *text = NULL;
    size_t n;
    if (!given) return 0;
    if (!strchr(given, '{')) {
        if (file_read(given, (size_t)1 << 20, &text, &n, e)) return -1;
        given = text;
    }
    tokenizer_set_template(t, given);
    free(text);
    return 0;
}

static int folder_write(const char *dir, const json_t *config, const struct tokenizer *t, struct err *e)
{
    char *weights = path_join(dir, "model.safetensors"), *path = path_join(dir, "config.json");
    int rc = -1;
    if (file_exists(weights))
        err_set(e, "%s holds weights already; give another folder or remove it", dir);
    else if (!file_mkdirs(dir, e) && !tokenizer_save(t, dir, e) && !json_write_file(config, path, e))
        rc = 0;
    free(weights);
    free(path);
    return rc;
}

/* The folder is read back, so that a config which no model can have fails here and not in training. Weights
 * are drawn as they are written, so a model larger than memory can be made. */
static int folder_check(struct conf *conf, const char *dir, struct err *e)
{
    const char *dtype = conf_str(conf, "random_weights");
    uint64_t seed = (uint64_t)conf_int(conf, "seed");
    struct model *m = model_load(dir, dtype ? MODEL_RANDOM | MODEL_IN_PLACE : MODEL_NO_WEIGHTS, seed, e);
    if (!m) return -1;
    const struct model_config *c = model_config(m);
    int failed = dtype ? model_save(m, dir, dtype, NULL, e) : 0;
    if (!failed)
        log_info("%s: %d layers of %d, %d tokens, %lld parameters", dir, c->layers, c->hidden, c->vocab,
                 (long long)model_n_params(m));
    model_free(m);
    return failed;
}

static int init_run(struct conf *c, struct err *e)
{
    const char *dir = conf_str(c, "out");
    json_t *config = config_read(conf_str(c, "model_config"), e);
    struct tokenizer *t = config ? tokenizer_make(c, e) : NULL;
    int rc = -1;
    if (!t || template_set(t, conf_str(c, "chat_template"), e)) goto out;
    if (set_vocab(config, tokenizer_size(t), e)) goto out;
    set_id(config, "bos_token_id", tokenizer_bos(t));
    set_id(config, "eos_token_id", tokenizer_eos(t));
    set_id(config, "pad_token_id", tokenizer_pad(t));
    if (folder_write(dir, config, t, e) || folder_check(c, dir, e)) goto out;
    rc = 0;
out:
    tokenizer_free(t);
    json_decref(config);
    return rc;
}

const struct cmd cmd_init = {
    .name = "init",
    .summary = "make a model folder without weights, with a tokenizer of characters",
    .details =
        "Writes config.json with the special ids and a missing vocab_size filled in (a larger one stays),\n"
        "and the tokenizer's files, such that Hugging Face's libraries read them too. `sft --from_scratch` "
        "then draws the weights.\n\n"
        "  openr1 init --model_config '{\"model_type\":\"llama\",\"hidden_size\":64,...}' \\\n"
        "    --alphabet '0123456789+-*= ' --added '<think>,</think>' --special '<|end|>' --out runs/x/init",
    .tables = init_tables,
    .run = init_run,
};
