/* run_folder.c: what a run makes in its folder, and what a kill can leave of that.
 */
#include "train/train_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash_path.h"

#define CHECKPOINT "checkpoint-"

bool run_owns(const char *name, size_t n)
{
    static const char *const names[] = {"config.yaml",   "manifest.json", "metrics.jsonl",
                                        "timings.jsonl", RUN_STATE,       "trainer_state.json",
                                        "model",         "model.new",     "model.old",
                                        "completions",   "tensorboard",   "preflight.json",
                                        "report.html"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0) return true;
    return n > strlen(CHECKPOINT) && memcmp(name, CHECKPOINT, strlen(CHECKPOINT)) == 0;
}

static bool in_folder(const char *name)
{
    size_t n = file_leftover(name);
    bool half = str_ends(name, ".new") || str_ends(name, ".old") || str_ends(name, ".partial");
    if (n) return run_owns(name, n);
    return half && (str_starts(name, CHECKPOINT) || str_starts(name, "model."));
}

static bool in_completions(const char *name)
{
    return file_leftover(name) && str_starts(name, "completions_");
}

static int sweep(const char *dir, bool (*is_left)(const char *name), struct err *e)
{
    char **names;
    size_t n;
    if (!file_is_dir(dir)) return 0;
    int rc = dir_list(dir, &names, &n, e);
    for (size_t i = 0; i < n; i++) {
        char *path = path_join(dir, names[i]);
        if (!rc && is_left(names[i])) rc = file_remove_tree(path, e);
        free(path);
        free(names[i]);
    }
    free(names);
    return rc;
}

int run_sweep(const char *dir, struct err *e)
{
    char *completions = path_join(dir, "completions");
    int rc = sweep(dir, in_folder, e);
    if (!rc) rc = sweep(completions, in_completions, e);
    free(completions);
    return rc;
}
