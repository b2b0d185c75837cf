/* inputs.c: what a run is made from: its model, its datasets, a chat template beside them, and rewards that
 * are files of the user's.
 *
 * Their hashes go into the manifest when the run begins. When it is given again they are looked at again: a
 * dataset that has changed since makes another run, though no key says so. What a run writes may lie inside
 * one of them, but must not replace it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/hash_path.h"
#include "base/json.h"
#include "net/hub.h"
#include "train/train_int.h"

struct input {
    char name[32];
    char *given, *path; /* as the configuration has it, a hub's name perhaps; where it lies */
};
enum { INPUTS_MAX = PARTS_MAX + 4 + 64 };
struct inputs {
    struct input list[INPUTS_MAX];
    int n;
};

static int add(struct inputs *x, const char *name, const char *given, char *path_stolen)
{
    if (!path_stolen) return -1;
    CHECK(x->n < INPUTS_MAX, "%d inputs", x->n);
    struct input *i = &x->list[x->n++];
    snprintf(i->name, sizeof i->name, "%s", name);
    i->given = alloc_str(given);
    i->path = path_stolen;
    return 0;
}

/* FILE.py:FUNCTION or a program; a name of ours or a Python module's is no file. */
static void add_reward(struct inputs *x, int number, const char *text)
{
    char name[32], *file = alloc_strn(text, strcspn(text, ":"));
    snprintf(name, sizeof name, "reward_%d", number);
    if (strchr(file, '/') && file_exists(file) && x->n < INPUTS_MAX)
        add(x, name, file, file);
    else
        free(file);
}

/* The model; an adapter's base beside it, which hardly is what model_name_or_path says. */
static int add_model(struct inputs *x, struct trainer *t, struct err *e)
{
    const char *model = conf_str(t->conf, "model_name_or_path");
    const char *base = t->model && model_is_adapted(t->model) ? model_lora(t->model)->base : model;
    if (add(x, "model", model, model_resolve(model, e))) return -1;
    return strcmp(base, model) == 0 ? 0 : add(x, "base_model", base, model_resolve(base, e));
}

static int add_template(struct inputs *x, struct trainer *t, struct err *e)
{
    char *path;
    if (chat_template_place(t->conf, &path, e)) return -1;
    return path ? add(x, "chat_template", conf_str(t->conf, "chat_template_path"), path) : 0;
}

static int read_inputs(struct inputs *x, struct trainer *t, const struct rows *data, struct err *e)
{
    const char *const *funcs;
    char name[32];
    *x = (struct inputs){0};
    int failed = add_model(x, t, e) || add_template(x, t, e);
    for (int i = 0; data && i < data->n_paths && !failed; i++) {
        snprintf(name, sizeof name, i ? "dataset_%d" : "dataset", i + 1);
        failed = add(x, name, data->paths[i], hub_resolve(HUB_DATASET, data->paths[i], e));
    }
    size_t n = conf_knows(t->conf, "reward_funcs") ? conf_list(t->conf, "reward_funcs", &funcs) : 0;
    for (size_t i = 0; i < n && !failed; i++) add_reward(x, (int)i + 1, funcs[i]);
    return failed;
}

static void release(struct inputs *x)
{
    for (int i = 0; i < x->n; i++) {
        free(x->list[i].given);
        free(x->list[i].path);
    }
}

int inputs_note(struct trainer *t, const struct rows *data, struct err *e)
{
    struct inputs x;
    int failed = read_inputs(&x, t, data, e);
    for (int i = 0; i < x.n && !failed; i++)
        failed = runlog_input(t->log, x.list[i].name, x.list[i].given, x.list[i].path, e);
    release(&x);
    return failed;
}

int inputs_changed(struct trainer *t, const struct rows *data, struct str *names, struct err *e)
{
    struct inputs x;
    char *path = path_join(t->dir, "manifest.json"), hex[HASH_HEX];
    json_t *manifest = file_exists(path) ? json_read_file(path, NULL) : NULL;
    int failed = read_inputs(&x, t, data, e);
    for (int i = 0; i < x.n && !failed; i++) {
        const json_t *old = json_object_get(json_object_get(manifest, "inputs"), x.list[i].name);
        if (!old) continue;
        failed = hash_path(x.list[i].path, hex, NULL, e);
        if (!failed && strcmp(hex, json_str_or(old, "sha256", "")) != 0)
            str_addf(names, "%sthe content of %s", names->len ? ", " : "", x.list[i].given);
    }
    json_decref(manifest);
    release(&x);
    free(path);
    return failed;
}

/* ---- apart from what the run writes -------------------------------------------------------------------- */

static int input_apart(const struct input *x, const char *dir, struct err *e)
{
    char *in = realpath(x->path, NULL), *out = realpath(dir, NULL);
    size_t n = out ? strlen(out) : 0;
    int rc = 0;
    if (in && out && strcmp(in, out) == 0)
        rc = err_usage(e,
                       "output_dir %s is %s itself, which the run is made from and would write over; give "
                       "another folder (one inside it, such as %s/run, will do)",
                       dir, x->given, dir);
    else if (in && out && strncmp(in, out, n) == 0 && in[n] == '/' &&
             run_owns(in + n + 1, strcspn(in + n + 1, "/")))
        rc = err_usage(e,
                       "%s, which the run is made from, lies where output_dir %s has what the run writes: it "
                       "would be replaced. Give another output_dir",
                       x->given, dir);
    free(in);
    free(out);
    return rc;
}

int inputs_apart(struct trainer *t, const struct rows *data, struct err *e)
{
    struct inputs x;
    int failed = read_inputs(&x, t, data, e);
    for (int i = 0; i < x.n && !failed; i++) failed = input_apart(&x.list[i], t->dir, e);
    release(&x);
    return failed;
}
