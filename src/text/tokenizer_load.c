/* tokenizer_load.c: a tokenizer from a folder: tokenizer.json, or vocab.json with merges.txt, or
 * tokenizer.model (SentencePiece or tiktoken).
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
#define MODEL_MAX  ((size_t)1 << 28)

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

/* A SentencePiece model begins with its first piece, field 1 of kind 2. */
static int read_model_bytes(struct tokenizer *t, const char *bytes, size_t n, struct err *e)
{
    return n && *bytes == 0x0A ? spm_read(t, bytes, n, e) : tiktoken_read(t, bytes, n, e);
}

static int read_binary(struct tokenizer *t, const char *path, struct err *e)
{
    char *bytes;
    size_t n;
    if (file_read(path, MODEL_MAX, &bytes, &n, e)) return -1;
    int failed = read_model_bytes(t, bytes, n, e);
    free(bytes);
    return failed ? err_wrap(e, "%s", path) : 0;
}

enum { JSON_FILE, VOCAB_FILE, MERGES_FILE, FIRST_BINARY };
static const char *const names[] = {"tokenizer.json",  "vocab.json",     "merges.txt",
                                    "tokenizer.model", "tiktoken.model", "spiece.model"};
#define N_NAMES (sizeof names / sizeof *names)

static int read_any(struct tokenizer *t, const char *dir, struct err *e)
{
    char *path[N_NAMES];
    bool here[N_NAMES];
    size_t binary = FIRST_BINARY;
    for (size_t i = 0; i < N_NAMES; i++) {
        path[i] = path_join(dir, names[i]);
        here[i] = file_exists(path[i]);
    }
    while (binary < N_NAMES && !here[binary]) binary++;
    int failed;
    if (here[JSON_FILE])
        failed = read_tokenizer_json(t, path[JSON_FILE], e);
    else if (here[VOCAB_FILE] && here[MERGES_FILE])
        failed = read_pair(t, path[VOCAB_FILE], path[MERGES_FILE], e);
    else if (binary < N_NAMES)
        failed = read_binary(t, path[binary], e);
    else
        failed =
            err_set(e,
                    "%s: no tokenizer here; tokenizer.json, vocab.json with merges.txt, or tokenizer.model "
                    "expected",
                    dir);
    for (size_t i = 0; i < N_NAMES; i++) free(path[i]);
    return failed;
}

bool tokenizer_present(const char *dir)
{
    bool here[N_NAMES], binary = false;
    for (size_t i = 0; i < N_NAMES; i++) {
        char *path = path_join(dir, names[i]);
        here[i] = file_exists(path);
        binary |= i >= FIRST_BINARY && here[i];
        free(path);
    }
    return here[JSON_FILE] || (here[VOCAB_FILE] && here[MERGES_FILE]) || binary;
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

struct tokenizer *tokenizer_from_model(const char *bytes, size_t n, struct err *e)
{
    struct tokenizer *t = tokenizer_blank();
    if (!read_model_bytes(t, bytes, n, e) && !config_apply(t, e) && !tokenizer_finish(t, e)) return t;
    tokenizer_free(t);
    return NULL;
}
