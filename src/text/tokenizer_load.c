/* tokenizer_load.c: a tokenizer from a folder: tokenizer.json, or vocab.json with merges.txt.
 *
 * The second form does not say how text is split; tokenizer_class in tokenizer_config.json does
 * (GPT2Tokenizer or Qwen2Tokenizer, with or without "Fast"; without a configuration GPT-2 is meant).
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "text/text_int.h"

#define MERGES_MAX ((size_t)1 << 28)

struct class_row {
    const char *name, *preset, *defaults; /* special tokens unless the configuration says otherwise */
};
static const struct class_row classes[] = {
    {"GPT2Tokenizer", "gpt2",
     "{\"bos_token\": \"<|endoftext|>\", \"eos_token\": \"<|endoftext|>\", \"unk_token\": "
     "\"<|endoftext|>\"}"},
    {"Qwen2Tokenizer", "qwen2", "{\"eos_token\": \"<|endoftext|>\", \"pad_token\": \"<|endoftext|>\"}"},
    {NULL, NULL, NULL},
};

static const struct class_row *class_of(const json_t *config, struct err *e)
{
    const char *name = json_str_or(config, "tokenizer_class", "GPT2Tokenizer");
    for (const struct class_row *c = classes; c->name; c++) {
        size_t n = strlen(c->name);
        if (!strncmp(name, c->name, n) && (!name[n] || !strcmp(name + n, "Fast"))) return c;
    }
    err_set(e,
            "tokenizer_class \"%s\" without tokenizer.json is not supported; GPT2Tokenizer or Qwen2Tokenizer",
            name);
    return NULL;
}

static int read_vocab(struct tokenizer *t, const char *path, struct err *e)
{
    json_t *vocab = json_read_file(path, e);
    if (!vocab) return -1;
    int failed = vocab_from_json(t, vocab, e) ? err_wrap(e, "%s", path) : 0;
    json_decref(vocab);
    return failed;
}

static int read_merges(struct tokenizer *t, const char *path, struct err *e)
{
    char *bytes;
    size_t n;
    if (file_read(path, MERGES_MAX, &bytes, &n, e)) return -1;
    int failed = 0;
    for (char *p = bytes, *end = bytes + n, *next; p < end && !failed; p = next) {
        char *stop = memchr(p, '\n', (size_t)(end - p));
        next = stop ? stop + 1 : end;
        if (!stop) stop = end;
        if (stop > p && stop[-1] == '\r') stop--;
        size_t len = (size_t)(stop - p);
        bool skip = !len || (len >= 8 && !memcmp(p, "#version", 8));
        if (!skip) failed = tokenizer_merge_line(t, p, len, e);
    }
    free(bytes);
    return failed ? err_wrap(e, "%s", path) : 0;
}

static int read_pair(struct tokenizer *t, const char *vocab, const char *merges, struct err *e)
{
    const struct class_row *c = class_of(t->config, e);
    if (!c) return -1;
    json_error_t je;
    json_t *defaults = json_loads(c->defaults, 0, &je);
    CHECK(defaults, "%s: %s", c->defaults, je.text);
    json_object_update_missing(t->config, defaults);
    json_decref(defaults);
    t->parts = preset_parts(c->preset, e);
    return !t->parts || read_vocab(t, vocab, e) || read_merges(t, merges, e) ? -1 : 0;
}

static int read_any(struct tokenizer *t, const char *dir, struct err *e)
{
    char *json = path_join(dir, "tokenizer.json"), *vocab = path_join(dir, "vocab.json");
    char *merges = path_join(dir, "merges.txt");
    int failed;
    if (file_exists(json))
        failed = read_tokenizer_json(t, json, e);
    else if (file_exists(vocab) && file_exists(merges))
        failed = read_pair(t, vocab, merges, e);
    else
        failed =
            err_set(e, "%s: no tokenizer here; tokenizer.json, or vocab.json with merges.txt, expected", dir);
    free(json);
    free(vocab);
    free(merges);
    return failed;
}

struct tokenizer *tokenizer_load(const char *dir, struct err *e)
{
    struct tokenizer *t = tokenizer_blank();
    if (!config_read(t, dir, e) && !read_any(t, dir, e)) {
        if (!config_apply(t, e) && !tokenizer_finish(t, e)) return t;
        err_wrap(e, "%s", dir);
    }
    tokenizer_free(t);
    return NULL;
}
