/* tokenizer_config.c: tokenizer_config.json and the files beside it: special tokens, bos and eos, the chat
 * template.
 *
 * As transformers 5 does it: tokens of added_tokens_decoder and the named special tokens are added if they
 * are not there; add_bos_token or add_eos_token, when present, replace the post-processor of tokenizer.json;
 * chat_template.jinja wins over the template in the configuration; of several named templates "default"
 * counts.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "text/text_int.h"

#define TEMPLATE_MAX ((size_t)1 << 22)

static const char *const special_names[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                            "pad_token", "cls_token", "mask_token"};
#define N_SPECIAL (sizeof special_names / sizeof *special_names)

/* The text of a token that is a string or an object with "content"; NULL if there is none. */
static const json_t *token_text(const json_t *token)
{
    if (json_is_object(token)) token = json_object_get(token, "content");
    return json_is_string(token) && json_string_length(token) ? token : NULL;
}

static int read_companion(const char *dir, const char *name, json_t **out, struct err *e)
{
    char *path = path_join(dir, name);
    *out = NULL;
    int failed = 0;
    if (file_exists(path)) {
        *out = json_read_file(path, e);
        if (!*out)
            failed = -1;
        else if (!json_is_object(*out))
            failed = err_set(e, "%s: an object expected", path);
    }
    free(path);
    return failed;
}

static int read_template(struct tokenizer *t, const char *dir, struct err *e)
{
    char *path = path_join(dir, "chat_template.jinja"), *bytes;
    size_t n;
    int failed = 0;
    if (file_exists(path)) {
        failed = file_read(path, TEMPLATE_MAX, &bytes, &n, e);
        if (!failed) {
            tokenizer_set_template(t, bytes);
            free(bytes);
        }
    }
    free(path);
    return failed;
}

static void config_template(struct tokenizer *t)
{
    const json_t *v = json_object_get(t->config, "chat_template"), *one, *chosen = NULL;
    size_t i;
    if (json_is_string(v)) tokenizer_set_template(t, json_string_value(v));
    json_array_foreach(v, i, one)
    {
        if (!chosen || !strcmp(json_str_or(one, "name", ""), "default")) chosen = one;
    }
    if (chosen && json_str_or(chosen, "template", NULL))
        tokenizer_set_template(t, json_str_or(chosen, "template", NULL));
}

int config_read(struct tokenizer *t, const char *dir, struct err *e)
{
    json_t *config, *map;
    if (read_companion(dir, "tokenizer_config.json", &config, e)) return -1;
    if (config) {
        json_decref(t->config);
        t->config = config;
    }
    if (read_companion(dir, "special_tokens_map.json", &map, e)) return -1;
    for (size_t i = 0; map && i < N_SPECIAL; i++) {
        json_t *v = json_object_get(map, special_names[i]);
        if (token_text(v) && !json_object_get(t->config, special_names[i]))
            json_object_set(t->config, special_names[i], v);
    }
    json_decref(map);
    config_template(t);
    return read_template(t, dir, e);
}

static int add_named(struct tokenizer *t, const json_t *token, struct err *e)
{
    const json_t *text = token_text(token);
    if (!text) return 0;
    const char *p = json_string_value(text);
    size_t n = json_string_length(text);
    struct added_token a = {.text = p, .n = n, .special = true};
    if (json_is_object(token) && (json_get_bool_or(token, "lstrip", false, &a.lstrip, e) ||
                                  json_get_bool_or(token, "rstrip", false, &a.rstrip, e) ||
                                  json_get_bool_or(token, "single_word", false, &a.single_word, e) ||
                                  json_get_bool_or(token, "normalized", false, &a.normalized, e)))
        return -1;
    const struct added_token *there = added_find(&t->added, p, n);
    return there && there->special ? 0 : tokenizer_add(t, &a, e);
}

struct numbered {
    long id;
    const json_t *token;
};

static int by_id(const void *a, const void *b)
{
    long x = ((const struct numbered *)a)->id, y = ((const struct numbered *)b)->id;
    return (x > y) - (x < y);
}

static int add_decoder_tokens(struct tokenizer *t, struct err *e)
{
    json_t *tokens = json_object_get(t->config, "added_tokens_decoder");
    size_t n = json_object_size(tokens), k = 0;
    if (!n) return 0;
    struct numbered *list = alloc_zero(n, sizeof *list);
    const char *key;
    json_t *token;
    json_object_foreach(tokens, key, token) list[k++] = (struct numbered){strtol(key, NULL, 10), token};
    qsort(list, n, sizeof *list, by_id);
    int failed = 0;
    for (size_t i = 0; i < n && !failed; i++) failed = added_from_json(t, list[i].token, e);
    free(list);
    return failed;
}

static int named_id(const struct tokenizer *t, const char *name)
{
    const json_t *text = token_text(json_object_get(t->config, name));
    return text ? tokenizer_find(t, json_string_value(text), json_string_length(text)) : NO_ID;
}

json_t *template_part(const struct tokenizer *t, const char *bos, const char *eos)
{
    json_t *single = json_array(), *pair = json_array(), *special = json_object();
    for (int sequence = 0; sequence < 2; sequence++)
        for (int k = 0; k < 3; k++) {
            const char *token = k == 0 ? bos : eos;
            json_t *piece = NULL;
            if (k == 1)
                piece =
                    json_pack("{s:{s:s, s:i}}", "Sequence", "id", sequence ? "B" : "A", "type_id", sequence);
            else if (token)
                piece = json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", token, "type_id", sequence);
            if (!piece) continue;
            if (!sequence) json_array_append(single, piece);
            json_array_append_new(pair, piece);
            if (k == 1) continue;
            json_object_set_new(special, token,
                                json_pack("{s:s, s:[i], s:[s]}", "id", token, "ids",
                                          tokenizer_find(t, token, strlen(token)), "tokens", token));
        }
    return json_pack("{s:s, s:o, s:o, s:o}", "type", "TemplateProcessing", "single", single, "pair", pair,
                     "special_tokens", special);
}

/* tokenizer.json has the last word on bos and eos, but that Llama's class puts its own template in the place
 * of a post-processor that adds nothing: so DeepSeek's files, with add_bos_token and only ByteLevel, get
 * their bos. */
static bool flags_count(const struct tokenizer *t)
{
    const char *post = element_type(json_object_get(t->parts, "post_processor"));
    if (!t->from_json) return true;
    return str_starts(json_str_or(t->config, "tokenizer_class", ""), "LlamaTokenizer") &&
           (!*post || !strcmp(post, "ByteLevel"));
}

static int apply_bos_eos(struct tokenizer *t, struct err *e)
{
    bool add_bos, add_eos;
    if (!flags_count(t)) return 0;
    if (json_get_bool_or(t->config, "add_bos_token", false, &add_bos, e) ||
        json_get_bool_or(t->config, "add_eos_token", false, &add_eos, e))
        return -1;
    if (!json_object_get(t->config, "add_bos_token") && !json_object_get(t->config, "add_eos_token"))
        return 0;
    const json_t *bos = add_bos ? token_text(json_object_get(t->config, "bos_token")) : NULL;
    const json_t *eos = add_eos ? token_text(json_object_get(t->config, "eos_token")) : NULL;
    json_t *part = template_part(t, bos ? json_string_value(bos) : NULL, eos ? json_string_value(eos) : NULL);
    json_object_set_new(t->parts, "post_processor", part);
    return 0;
}

int config_apply(struct tokenizer *t, struct err *e)
{
    static const char *const lists[] = {"additional_special_tokens", "extra_special_tokens"};
    if (add_decoder_tokens(t, e)) return -1;
    for (size_t i = 0; i < N_SPECIAL; i++)
        if (add_named(t, json_object_get(t->config, special_names[i]), e)) return -1;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        size_t k;
        json_t *list = json_object_get(t->config, lists[i]), *token;
        const char *key;
        json_array_foreach(list, k, token)
        {
            if (add_named(t, token, e)) return -1;
        }
        json_object_foreach(list, key, token)
        {
            if (add_named(t, token, e)) return -1;
        }
    }
    t->bos = named_id(t, "bos_token");
    t->eos = named_id(t, "eos_token");
    t->pad = named_id(t, "pad_token");
    return apply_bos_eos(t, e);
}

json_t *config_special_tokens(const struct tokenizer *t)
{
    json_t *out = json_object();
    for (size_t i = 0; i < N_SPECIAL; i++) {
        const json_t *text = token_text(json_object_get(t->config, special_names[i]));
        if (text) json_object_set(out, special_names[i], (json_t *)(uintptr_t)text);
    }
    return out;
}
