/* inputs.c: what a run is made from: its model, its datasets, and rewards that are files of the user's.
 *
 * Their hashes go into the manifest when the run begins. When it is given again they are looked at again: a
 * dataset that has changed since makes another run, though no key says so.
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
enum { INPUTS_MAX = PARTS_MAX + 2 + 64 };
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

static int read_inputs(struct inputs *x, struct trainer *t, const struct rows *data, struct err *e)
{
    const char *const *funcs, *model = conf_str(t->conf, "model_name_or_path");
    char name[32];
    *x = (struct inputs){0};
    int failed = add(x, "model", model, model_resolve(model, e));
    for (int i = 0; i < data->n_paths && !failed; i++) {
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
