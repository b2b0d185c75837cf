/* tokenizer_save.c: tokenizer.json, tokenizer_config.json and special_tokens_map.json, for Hugging Face's
 * library.
 *
 * The class is written as PreTrainedTokenizerFast, which takes tokenizer.json as it is; model-specific
 * classes of transformers 5 would build their own pipeline around the vocabulary.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "text/text_int.h"

static json_t *added_json(const struct added_token *a, bool with_id)
{
    json_t *o = json_object();
    if (with_id) json_object_set_new(o, "id", json_integer(a->id));
    json_object_set_new(o, "content", json_stringn(a->text, a->n));
    json_object_set_new(o, "single_word", json_boolean(a->single_word));
    json_object_set_new(o, "lstrip", json_boolean(a->lstrip));
    json_object_set_new(o, "rstrip", json_boolean(a->rstrip));
    json_object_set_new(o, "normalized", json_boolean(a->normalized));
    json_object_set_new(o, "special", json_boolean(a->special));
    return o;
}

static json_t *tokenizer_json(const struct tokenizer *t)
{
    static const char *const keys[] = {"normalizer", "pre_tokenizer", "post_processor", "decoder"};
    json_t *root = json_pack("{s:s, s:n, s:n}", "version", "1.0", "truncation", "padding");
    json_t *added = json_array();
    for (int id = 0; id < t->size; id++)
        if (t->added_of[id] >= 0)
            json_array_append_new(added, added_json(&t->added.p[t->added_of[id]], true));
    json_object_set_new(root, "added_tokens", added);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_t *v = json_object_get(t->parts, keys[i]);
        json_object_set_new(root, keys[i], v ? json_incref(v) : json_null());
    }
    json_t *model = json_copy(json_object_get(t->parts, "model"));
    t->subword->save(t, model);
    json_object_set_new(root, "model", model);
    return root;
}

static json_t *config_json(const struct tokenizer *t)
{
    json_t *o = json_copy(t->config), *decoder = json_object();
    for (int id = 0; id < t->size; id++) {
        char key[16];
        if (t->added_of[id] < 0) continue;
        snprintf(key, sizeof key, "%d", id);
        json_object_set_new(decoder, key, added_json(&t->added.p[t->added_of[id]], false));
    }
    json_object_set_new(o, "added_tokens_decoder", decoder);
    json_object_set_new(o, "tokenizer_class", json_string("PreTrainedTokenizerFast"));
    json_object_set_new(o, "clean_up_tokenization_spaces", json_false());
    json_object_del(o, "auto_map");
    json_object_del(o, "chat_template");
    if (t->chat) json_object_set_new(o, "chat_template", json_string(t->chat));
    return o;
}

static json_t *special_map_json(const struct tokenizer *t)
{
    static const char *const names[] = {"bos_token", "eos_token", "unk_token", "pad_token"};
    json_t *o = json_object();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *v = json_object_get(t->config, names[i]);
        if (v && !json_is_null(v)) json_object_set(o, names[i], v);
    }
    return o;
}

static int write_one(json_t *v, const char *dir, const char *name, struct err *e)
{
    char *path = path_join(dir, name);
    int failed = json_write_file(v, path, e);
    free(path);
    json_decref(v);
    return failed;
}

int tokenizer_save(const struct tokenizer *t, const char *dir, struct err *e)
{
    if (file_mkdirs(dir, e)) return -1;
    if (write_one(tokenizer_json(t), dir, "tokenizer.json", e)) return -1;
    if (write_one(config_json(t), dir, "tokenizer_config.json", e)) return -1;
    return write_one(special_map_json(t), dir, "special_tokens_map.json", e);
}
