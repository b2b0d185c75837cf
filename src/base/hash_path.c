/* hash_path.c: folders are walked in bytewise order of names, their depth bounded. */
#include "base/hash_path.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/str.h"

#define DEPTH_MAX 16

struct walk {
    struct hash *h;
    json_t *files;
};

static int walk_folder(const struct walk *w, const char *path, const char *shown, int depth, struct err *e);

static bool is_run(const char *path)
{
    char *state = path_join(path, RUN_STATE);
    bool there = file_exists(state);
    free(state);
    return there;
}

/* One name of a folder: its line, or what is below it. */
static int walk_name(const struct walk *w, const char *path, const char *shown, int depth, // NOLINT
                     struct err *e)
{
    char hex[HASH_HEX];
    struct str line;
    if (file_is_dir(path)) return is_run(path) ? 0 : walk_folder(w, path, shown, depth, e);
    if (hash_file(path, hex, e)) return -1;
    str_init(&line, 0);
    str_addf(&line, "%s  %s\n", hex, shown);
    hash_add(w->h, line.p, line.len);
    str_release(&line);
    if (w->files) json_object_set_new(w->files, shown, json_string(hex));
    return 0;
}

static int walk_folder(const struct walk *w, const char *path, const char *shown, int depth, // NOLINT
                       struct err *e)
{
    char **names;
    size_t n;
    if (depth == 0) return err_set(e, "%s: folders nest deeper than %d", path, DEPTH_MAX);
    int rc = dir_list(path, &names, &n, e);
    for (size_t i = 0; i < n; i++) {
        char *below = path_join(path, names[i]), *name = path_join(shown, names[i]);
        if (!rc) rc = walk_name(w, below, name, depth - 1, e);
        free(below);
        free(name);
        free(names[i]);
    }
    free(names);
    return rc;
}

int hash_path(const char *path, char hex[HASH_HEX], json_t *files, struct err *e)
{
    if (!file_is_dir(path)) return hash_file(path, hex, e);
    struct walk w = {.h = hash_new(), .files = files};
    int rc = walk_folder(&w, path, "", DEPTH_MAX, e);
    hash_end(w.h, hex);
    return rc;
}
