/* pipeline.c: a recipe of several stages, each an ordinary subcommand with an ordinary recipe file.
 *
 * A stage whose result is still valid is kept (pipeline_stamp.c), so that a killed pipeline goes on where it
 * stopped and a changed key runs again only what depends on it.
 */
#include "cmd/cmd_int.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "report/report.h"

enum { PIPELINE_STAGES_MAX = 256, PIPELINE_ARGS_MAX = 96 };

static const char *stage_str(const json_t *stage, const char *key)
{
    return json_str_or(stage, key, NULL);
}

static int check_stage(const json_t *stage, const char *path, struct err *e)
{
    const char *name = stage_str(stage, "name"), *command = stage_str(stage, "command");
    if (!name || !*name || strchr(name, '/')) {
        return err_usage(e, "%s: every stage needs a name (a plain word, it becomes a folder)", path);
    }
    if (command && !cmd_find(command))
        return err_usage(e, "%s: stage %s: no command \"%s\"", path, name, command);
    if (!command && !json_is_true(json_object_get(stage, "evaluate"))) {
        return err_usage(e, "%s: stage %s has neither a command nor evaluate: true", path, name);
    }
    if (json_object_size(json_object_get(stage, "args")) > PIPELINE_ARGS_MAX / 2) {
        return err_usage(e, "%s: stage %s: more than %d arguments", path, name, PIPELINE_ARGS_MAX / 2);
    }
    return 0;
}

json_t *pipeline_recipe(const struct pipeline *p, const json_t *stage, struct err *e)
{
    const char *config = stage_str(stage, "config");
    if (!config) return json_object();
    char *path = path_join(p->folder, config);
    json_t *recipe = yaml_read_file(path, e);
    free(path);
    return recipe;
}

/* defaults: {COMMAND: {key: value}}: into the arguments of its stages, where neither those nor the stage's
 * recipe say otherwise. */
static int fill_defaults(const struct pipeline *p, json_t *stage, struct err *e)
{
    json_t *defaults = json_object_get(p->spec, "defaults"), *value;
    json_t *mine = json_object_get(defaults, json_str_or(stage, "command", "")),
           *args = json_object_get(stage, "args");
    const char *key;
    if (!json_object_size(mine)) return 0;
    json_t *recipe = pipeline_recipe(p, stage, e);
    if (!recipe) return -1;
    if (!args) json_object_set_new(stage, "args", args = json_object());
    json_object_foreach(mine, key, value)
    {
        if (!json_object_get(args, key) && !json_object_get(recipe, key)) json_object_set(args, key, value);
    }
    json_decref(recipe);
    return 0;
}

int pipeline_open(struct pipeline *p, const char *path, struct err *e)
{
    memset(p, 0, sizeof *p);
    p->folder = path_dir(path);
    p->spec = yaml_read_file(path, e);
    if (!p->spec) return -1;
    const json_t *stages = json_object_get(p->spec, "stages");
    if (!json_is_array(stages) || json_array_size(stages) == 0 ||
        json_array_size(stages) > PIPELINE_STAGES_MAX) {
        return err_usage(e, "%s: \"stages\" must be a list of 1 to %d stages", path, PIPELINE_STAGES_MAX);
    }
    p->root = stage_str(p->spec, "root");
    if (!p->root) return err_usage(e, "%s: \"root\" is missing: the folder that the run goes to", path);
    if (json_get_int_or(p->spec, "seed", 42, &p->seed, e)) return err_wrap(e, "%s", path);
    size_t i;
    json_t *stage;
    json_array_foreach(stages, i, stage)
    {
        if (fill_defaults(p, stage, e) || check_stage(stage, path, e)) return -1;
    }
    return 0;
}

void pipeline_release(struct pipeline *p)
{
    json_decref(p->spec);
    free(p->folder);
    memset(p, 0, sizeof *p);
}

/* ---- one stage ----------------------------------------------------------------------------------------- */

/* The command line of a stage, as strings that the caller frees. */
struct words {
    char *v[PIPELINE_ARGS_MAX + 8];
    int n;
};

static void words_add(struct words *w, const char *option, const char *value)
{
    CHECK(w->n + 2 <= PIPELINE_ARGS_MAX + 8, "%d words", w->n);
    struct str s;
    str_init(&s, 0);
    str_addf(&s, "--%s", option);
    w->v[w->n++] = str_take(&s);
    w->v[w->n++] = alloc_str(value);
}

static void words_release(struct words *w)
{
    for (int i = 0; i < w->n; i++) free(w->v[i]);
    w->n = 0;
}

static bool takes_option(const struct cmd *cmd, const char *key)
{
    for (const struct opt *const *t = cmd->tables; *t; t++) {
        for (const struct opt *o = *t; o->key; o++) {
            if (!strcmp(o->key, key)) return true;
        }
    }
    return false;
}

/* --config first, then the arguments of a stage or evaluation. */
static void stage_words(const struct pipeline *p, const json_t *stage, struct words *w)
{
    const char *config = stage_str(stage, "config"), *key;
    json_t *value;
    if (config) {
        char *path = path_join(p->folder, config);
        words_add(w, "config", path);
        free(path);
    }
    json_object_foreach(json_object_get(stage, "args"), key, value)
    {
        char *text = json_is_string(value) ? alloc_str(json_string_value(value)) : json_text(value);
        words_add(w, key, text);
        free(text);
    }
}

bool pipeline_seeds(const struct pipeline *p, const json_t *stage)
{
    const char *command = stage_str(stage, "command");
    return command && json_object_get(p->spec, "seed") && takes_option(cmd_find(command), "seed") &&
           !json_object_get(json_object_get(stage, "args"), "seed");
}

/* Standard output is for the pipeline's own result. What a stage prints there goes to standard error if
 * asked for, else nowhere. Returns what standard output was, or -1. */
static int output_divert(const struct pipeline *p)
{
    fflush(stdout);
    int saved = dup(STDOUT_FILENO), to = p->verbose ? dup(STDERR_FILENO) : open("/dev/null", O_WRONLY);
    if (saved >= 0 && to >= 0) dup2(to, STDOUT_FILENO);
    if (to >= 0) close(to);
    return saved;
}

static void output_restore(int saved)
{
    fflush(stdout);
    if (saved < 0) return;
    dup2(saved, STDOUT_FILENO);
    close(saved);
}

static int run_words(const struct pipeline *p, const char *command, struct words *w, struct err *e)
{
    const struct cmd *cmd = cmd_find(command);
    CHECK(cmd, "%s", command);
    struct conf *c = cmd_configure(cmd, w->n, w->v, e);
    if (!c) return -1;
    int saved = output_divert(p);
    if (!p->verbose) log_set_level(LOG_WARNING); /* its progress bar stays */
    int rc = cmd_execute(cmd, c, e);
    log_set_level(LOG_INFO);
    output_restore(saved);
    conf_free(c);
    return rc;
}

static int evaluate_stage(const struct pipeline *p, const json_t *stage, struct err *e)
{
    const char *name = stage_str(stage, "name"), *given = stage_str(stage, "model");
    char *dir = path_join(p->root, name), *model = given ? alloc_str(given) : path_join(dir, "model");
    int rc = 0;
    size_t i;
    json_t *evaluation;
    json_array_foreach(json_object_get(p->spec, "evaluations"), i, evaluation)
    {
        struct words w = {.n = 0};
        if (rc) break;
        stage_words(p, evaluation, &w);
        char *out = path_join(dir, json_str_or(evaluation, "name", "eval"));
        words_add(&w, "model", model);
        words_add(&w, "out", out);
        rc = run_words(p, "eval", &w, e);
        words_release(&w);
        free(out);
    }
    free(dir);
    free(model);
    return rc;
}

static int run_stage(const struct pipeline *p, const json_t *stage, struct err *e)
{
    const char *command = stage_str(stage, "command");
    int rc = 0;
    if (command) {
        struct words w = {.n = 0};
        stage_words(p, stage, &w);
        if (pipeline_seeds(p, stage)) {
            char *text = json_text(json_object_get(p->spec, "seed"));
            words_add(&w, "seed", text);
            free(text);
        }
        rc = run_words(p, command, &w, e);
        words_release(&w);
    }
    if (!rc && json_is_true(json_object_get(stage, "evaluate"))) rc = evaluate_stage(p, stage, e);
    return rc;
}

static int stage_do(struct pipeline *p, const json_t *stage, const char *counter, struct err *e)
{
    struct stage_look look;
    const char *label = json_str_or(stage, "label", stage_str(stage, "name"));
    if (stage_look(p, stage, &look, e)) return -1;
    if (look.valid) {
        log_info("[%s] %s: done before, kept", counter, label);
        return 0;
    }
    double start_s = clock_s();
    log_info("[%s] %s", counter, label);
    if (stage_begin(p, stage, &look, e) || run_stage(p, stage, e) || stage_end(p, stage, &look, e)) return -1;
    log_info("[%s] %s: %.1f s", counter, label, clock_s() - start_s);
    return 0;
}

int pipeline_run(struct pipeline *p, struct err *e)
{
    const json_t *stages = json_object_get(p->spec, "stages");
    char *stamps = path_join(p->root, ".stages");
    int rc = file_mkdirs(stamps, e);
    free(stamps);
    for (size_t i = 0, n = json_array_size(stages); !rc && i < n; i++) {
        const json_t *stage = json_array_get(stages, i);
        char counter[48];
        snprintf(counter, sizeof counter, "%zu/%zu", i + 1, n);
        rc = stage_do(p, stage, counter, e);
        if (rc) err_wrap(e, "stage %s", stage_str(stage, "name"));
    }
    return rc;
}

/* ---- what is shown ------------------------------------------------------------------------------------- */

json_t *pipeline_stages(const struct pipeline *p)
{
    json_t *list = json_array();
    size_t i;
    json_t *stage;
    json_array_foreach(json_object_get(p->spec, "stages"), i, stage)
    {
        const char *name = stage_str(stage, "name");
        char *dir = path_join(p->root, name);
        if (file_is_dir(dir) && json_object_get(stage, "label")) {
            json_t *one = json_pack("{s:s, s:s, s:s}", "name", json_str_or(stage, "label", name), "dir", dir,
                                    "kind", json_str_or(stage, "command", "eval"));
            if (json_is_true(json_object_get(stage, "transcript"))) {
                json_object_set_new(one, "transcript", json_true());
            }
            json_array_append_new(list, one);
        }
        free(dir);
    }
    return list;
}

static int hash_part(struct hash *h, const char *dir, const char *file, struct err *e)
{
    char *path = path_join(dir, file), hex[HASH_HEX];
    int rc = 0;
    if (file_exists(path)) {
        rc = hash_file(path, hex, e);
        if (!rc) hash_add(h, hex, HASH_HEX - 1);
    }
    free(path);
    return rc;
}

int pipeline_hash(const struct pipeline *p, char hex[65], struct err *e)
{
    struct hash *h = hash_new();
    json_t *stages = pipeline_stages(p), *stage;
    int rc = 0;
    size_t i;
    json_array_foreach(stages, i, stage)
    {
        const char *dir = json_str_or(stage, "dir", "");
        if (!rc) rc = hash_part(h, dir, "model/model.safetensors", e);
        size_t k;
        json_t *evaluation;
        json_array_foreach(json_object_get(p->spec, "evaluations"), k, evaluation)
        {
            char *sub = path_join(dir, json_str_or(evaluation, "name", "eval"));
            if (!rc) rc = hash_part(h, sub, "results.json", e);
            free(sub);
        }
    }
    hash_end(h, hex);
    json_decref(stages);
    return rc;
}

int pipeline_finish(const struct pipeline *p, struct err *e)
{
    json_t *stages = pipeline_stages(p);
    char *page = path_join(p->root, "report.html"), hex[65];
    struct str story;
    str_init(&story, 0);
    int rc = 0;
    if (json_array_size(stages) > 0) {
        rc = report_write(p->root, json_str_or(p->spec, "title", "openr1 run"), stages, page, e);
        if (!rc) rc = report_story(stages, &story, e);
        if (!rc) rc = pipeline_hash(p, hex, e);
        if (!rc) printf("%s\nreport      %s\nfinal hash  %s\n", story.p, page, hex);
    }
    str_release(&story);
    json_decref(stages);
    free(page);
    return rc;
}
