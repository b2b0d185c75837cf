/* tokenizer_json.c: tokenizer.json, as Hugging Face's tokenizers library writes it.
 *
 * Truncation and padding in the file are settings of that library's calls, not of the vocabulary, and are not
 * used. Added tokens get the id that their text has in the vocabulary, else the next free one.
 * Jansson has no NUL in keys, but vocabularies of single characters do: \u0000 is read as the noncharacter
 * U+FFFF and put back when the token is taken out.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "text/text_int.h"

#define STAND_IN "\xEF\xBF\xBF" /* U+FFFF */

/* Every escape of NUL becomes one of the stand-in; returns how many there were. */
static size_t nul_hide(char *bytes, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i + 6 <= n; i++) {
        if (bytes[i] != '\\') continue;
        if (!memcmp(bytes + i + 1, "u0000", 5)) {
            memset(bytes + i + 2, 'f', 4);
            count++;
        }
        i++; /* the escaped character; the digits of \u hold no backslash */
    }
    return count;
}

char *nul_back(const struct tokenizer *t, const char *p, size_t *n)
{
    if (!t->nul_hidden || !memmem(p, *n, STAND_IN, 3)) return NULL;
    char *copy = alloc_strn(p, *n);
    size_t used = 0;
    for (size_t i = 0; i < *n; used++) {
        bool nul = *n - i >= 3 && !memcmp(p + i, STAND_IN, 3);
        copy[used] = nul ? 0 : p[i];
        i += nul ? 3 : 1;
    }
    *n = used;
    return copy;
}

static int model_load_json(struct tokenizer *t, json_t *model, struct err *e)
{
    /* Old files do not say; only BPE has merges. */
    if (!*element_type(model) && json_object_get(model, "merges"))
        json_object_set_new(model, "type", json_string("BPE"));
    t->subword = subword_find(model, e);
    return t->subword ? t->subword->load(t, model, e) : -1;
}

static int added_flags(const json_t *o, struct added_token *a, struct err *e)
{
    return json_get_bool_or(o, "special", false, &a->special, e) ||
                   json_get_bool_or(o, "lstrip", false, &a->lstrip, e) ||
                   json_get_bool_or(o, "rstrip", false, &a->rstrip, e) ||
                   json_get_bool_or(o, "single_word", false, &a->single_word, e) ||
                   json_get_bool_or(o, "normalized", !a->special, &a->normalized, e)
               ? -1
               : 0;
}

int added_from_json(struct tokenizer *t, const json_t *o, struct err *e)
{
    struct added_token a = {0};
    const json_t *content = json_object_get(o, "content");
    if (!json_is_string(content)) return err_set(e, "added token without \"content\"");
    a.text = json_string_value(content);
    a.n = json_string_length(content);
    if (!a.n) return 0; /* the library ignores it too */
    return added_flags(o, &a, e) || tokenizer_add(t, &a, e) ? -1 : 0;
}

/* tokenizer.json without what has gone into t. */
static json_t *parts_of(const json_t *root)
{
    static const char *const keys[] = {"normalizer", "pre_tokenizer", "post_processor", "decoder"};
    json_t *parts = json_object(), *model = json_copy(json_object_get(root, "model"));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_t *v = json_object_get(root, keys[i]);
        json_object_set_new(parts, keys[i], v ? json_incref(v) : json_null());
    }
    json_object_del(model, "vocab");
    json_object_del(model, "merges");
    json_object_set_new(parts, "model", model);
    return parts;
}

static int read_root(struct tokenizer *t, const json_t *root, struct err *e)
{
    json_t *model = json_object_get(root, "model"), *o;
    size_t i;
    if (!json_is_object(model)) return err_set(e, "no \"model\" object");
    if (model_load_json(t, model, e)) return -1;
    json_array_foreach(json_object_get(root, "added_tokens"), i, o)
    {
        if (added_from_json(t, o, e)) return -1;
    }
    t->parts = parts_of(root);
    return 0;
}

/* bytes are changed. */
static int read_bytes(struct tokenizer *t, char *bytes, size_t n, const char *what, struct err *e)
{
    t->from_json = true;
    t->nul_hidden = nul_hide(bytes, n) > 0;
    json_t *root = json_read_bytes(bytes, n, what, e);
    if (!root) return -1;
    int failed = read_root(t, root, e) ? err_wrap(e, "%s", what) : 0;
    json_decref(root);
    return failed;
}

int read_tokenizer_json(struct tokenizer *t, const char *path, struct err *e)
{
    char *bytes;
    size_t n;
    if (file_read(path, JSON_FILE_MAX, &bytes, &n, e)) return -1;
    int failed = read_bytes(t, bytes, n, path, e);
    free(bytes);
    return failed;
}

struct tokenizer *tokenizer_from_json(const char *bytes, size_t n, struct err *e)
{
    struct tokenizer *t = tokenizer_blank();
    char *copy = alloc_strn(bytes, n);
    int failed = read_bytes(t, copy, n, "tokenizer.json", e) || tokenizer_finish(t, e);
    free(copy);
    if (!failed) return t;
    tokenizer_free(t);
    return NULL;
}
