/* pipeline_stamp.c: which stages of a pipeline are still valid.
 *
 * ROOT/.stages/NAME holds a stage's key, whether it was finished, and the hash of each thing that it made.
 * The key is a hash of what decides the result: the program's version, the command, recipe and arguments, the
 * seed, and the content of every file or folder that these name and the stage does not make itself. So a
 * change reaches exactly the stages that read what it changes, and stops where a stage makes the same again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/hash_path.h"
#include "base/json.h"
#include "base/version.h"
#include "cmd/cmd_int.h"
#include "model/model.h"

/* ---- what a stage makes -------------------------------------------------------------------------------- */

static const char *setting(const json_t *stage, const json_t *recipe, const char *key)
{
    const char *own = json_str_or(json_object_get(stage, "args"), key, NULL);
    return own ? own : json_str_or(recipe, key, NULL);
}

/* Paths of what the stage leaves, as an object path -> null. */
static json_t *outputs(const struct pipeline *p, const json_t *stage, const json_t *recipe)
{
    json_t *list = json_object(), *evaluation;
    const char *dir = setting(stage, recipe, "output_dir"), *out = setting(stage, recipe, "out");
    size_t i;
    if (out) json_object_set_new(list, out, json_null());
    if (dir) {
        char *model = path_join(dir, "model");
        json_object_set_new(list, model, json_null());
        free(model);
    }
    if (!json_is_true(json_object_get(stage, "evaluate"))) return list;
    char *own = path_join(p->root, json_str_or(stage, "name", ""));
    json_array_foreach(json_object_get(p->spec, "evaluations"), i, evaluation)
    {
        char *folder = path_join(own, json_str_or(evaluation, "name", "eval")),
             *results = path_join(folder, "results.json");
        json_object_set_new(list, results, json_null());
        free(folder);
        free(results);
    }
    free(own);
    return list;
}

/* Is this path what the stage makes, or in the folder that it works in? */
static bool is_own(const json_t *stage, const json_t *recipe, const char *path)
{
    static const char *const keys[] = {"output_dir", "out"};
    for (int i = 0; i < 2; i++) {
        const char *own = setting(stage, recipe, keys[i]);
        size_t n = own ? strlen(own) : 0;
        if (own && !strncmp(path, own, n) && (!path[n] || path[n] == '/')) return true;
    }
    return false;
}

/* ---- the key ------------------------------------------------------------------------------------------- */

struct key {
    struct hash *h;
    const json_t *stage, *recipe;
};

static void add_text(const struct key *k, const char *text)
{
    hash_add(k->h, text, strlen(text) + 1);
}

/* The content of a file or folder. A model card repeats the whole configuration, and would say of every key
 * that it changes the model; it is left out. */
static int add_content(const struct key *k, const char *path, struct err *e)
{
    char hex[HASH_HEX];
    const char *name;
    json_t *files = json_object(), *hash;
    int rc = hash_path(path, hex, files, e);
    add_text(k, path);
    if (!json_object_size(files)) add_text(k, hex);
    json_object_foreach(files, name, hash)
    {
        if (!strcmp(name, "README.md")) continue;
        add_text(k, name);
        add_text(k, json_string_value(hash));
    }
    json_decref(files);
    return rc;
}

/* What a value names, if anything: "FILE.py:FUNCTION" the file, an adapter its base too. */
static int add_named(const struct key *k, const char *value, struct err *e)
{
    char *places[MODEL_PLACES], *path = alloc_str(value);
    struct err none; /* of words that are no path */
    bool pair = strchr(path, '@') && !file_exists(path); /* perhaps ADAPTER@BASE */
    if (!pair && !file_exists(path)) path[strcspn(path, ":")] = 0;
    bool named = *path && strcmp(path, ".") != 0 && file_exists(path);
    bool other = (named || pair) && !is_own(k->stage, k->recipe, path);
    int n = other ? model_places(path, places, named ? e : &none) : 0;
    int rc = n < 0 && named ? -1 : 0;
    for (int i = 0; i < n; i++) {
        if (!rc) rc = add_content(k, places[i], e);
        free(places[i]);
    }
    free(path);
    return rc;
}

/* All strings of a value, however deep. */
static int add_strings(const struct key *k, const json_t *v, struct err *e) // NOLINT
{
    const char *name;
    json_t *each;
    size_t i;
    int rc = json_is_string(v) ? add_named(k, json_string_value(v), e) : 0;
    json_object_foreach((json_t *)v, name, each) if (!rc) rc = add_strings(k, each, e);
    json_array_foreach(v, i, each) if (!rc) rc = add_strings(k, each, e);
    return rc;
}

static int add_value(const struct key *k, const json_t *v, struct err *e)
{
    char *text = json_text(v);
    add_text(k, text);
    free(text);
    return add_strings(k, v, e);
}

/* The evaluations that score the stage, each with its recipe. */
static int add_evaluations(const struct key *k, const struct pipeline *p, struct err *e)
{
    json_t *evaluation;
    size_t i;
    int rc = 0;
    json_array_foreach(json_object_get(p->spec, "evaluations"), i, evaluation)
    {
        json_t *recipe = rc ? NULL : pipeline_recipe(p, evaluation, e);
        if (!recipe) return -1;
        rc = add_value(k, evaluation, e) || add_value(k, recipe, e);
        json_decref(recipe);
    }
    return rc;
}

static int key_make(const struct pipeline *p, const json_t *stage, const json_t *recipe, char hex[HASH_HEX],
                    struct err *e)
{
    struct key k = {.h = hash_new(), .stage = stage, .recipe = recipe};
    json_t *shown = json_copy((json_t *)stage); /* without what only a report reads */
    json_object_del(shown, "label");
    json_object_del(shown, "transcript");
    add_text(&k, openr1_version);
    int rc = add_value(&k, shown, e);
    if (!rc && pipeline_seeds(p, stage)) rc = add_value(&k, json_object_get(p->spec, "seed"), e);
    if (!rc) rc = add_value(&k, recipe, e);
    if (!rc && json_is_true(json_object_get(stage, "evaluate"))) rc = add_evaluations(&k, p, e);
    hash_end(k.h, hex);
    json_decref(shown);
    return rc;
}

/* ---- the stamp ----------------------------------------------------------------------------------------- */

static char *stamp_path(const struct pipeline *p, const json_t *stage)
{
    char *dir = path_join(p->root, ".stages"), *path = path_join(dir, json_str_or(stage, "name", ""));
    free(dir);
    return path;
}

/* Every output is there and as it was. */
static bool outputs_hold(const json_t *made)
{
    const char *path;
    json_t *hash;
    json_object_foreach((json_t *)made, path, hash)
    {
        char hex[HASH_HEX];
        if (hash_path(path, hex, NULL, NULL) || strcmp(hex, json_string_value(hash)) != 0) return false;
    }
    return true;
}

int stage_look(const struct pipeline *p, const json_t *stage, struct stage_look *look, struct err *e)
{
    json_t *recipe = pipeline_recipe(p, stage, e);
    if (!recipe) return -1;
    char *path = stamp_path(p, stage);
    const char *dir = setting(stage, recipe, "output_dir");
    json_t *stamp = file_exists(path) ? json_read_file(path, NULL) : NULL;
    bool same = false;
    int rc = key_make(p, stage, recipe, look->key, e);
    if (!rc) {
        same = !strcmp(json_str_or(stamp, "key", ""), look->key);
        bool finished = same && json_is_true(json_object_get(stamp, "finished"));
        look->valid = finished && outputs_hold(json_object_get(stamp, "outputs"));
        /* What was made from something else, or was tampered with, is not gone on with. */
        bool stale = file_exists(path) && (!same || (finished && !look->valid));
        if (stale && dir && file_exists(dir)) rc = file_remove_tree(dir, e);
    }
    json_decref(stamp);
    json_decref(recipe);
    free(path);
    return rc;
}

static int stamp_write(const struct pipeline *p, const json_t *stage, const char *key, const json_t *made,
                       struct err *e)
{
    char *path = stamp_path(p, stage);
    json_t *stamp = json_pack("{s:s, s:b}", "key", key, "finished", made != NULL);
    if (made) json_object_set(stamp, "outputs", (json_t *)made);
    int rc = json_write_file(stamp, path, e);
    json_decref(stamp);
    free(path);
    return rc;
}

int stage_begin(const struct pipeline *p, const json_t *stage, const struct stage_look *look, struct err *e)
{
    return stamp_write(p, stage, look->key, NULL, e);
}

int stage_end(const struct pipeline *p, const json_t *stage, const struct stage_look *look, struct err *e)
{
    json_t *recipe = pipeline_recipe(p, stage, e);
    if (!recipe) return -1;
    json_t *made = outputs(p, stage, recipe), *v;
    const char *path;
    void *next;
    int rc = 0;
    json_object_foreach_safe(made, next, path, v)
    {
        char hex[HASH_HEX];
        if (!rc) rc = hash_path(path, hex, NULL, e);
        if (!rc) json_object_set_new(made, path, json_string(hex));
    }
    if (!rc) rc = stamp_write(p, stage, look->key, made, e);
    json_decref(made);
    json_decref(recipe);
    return rc;
}
