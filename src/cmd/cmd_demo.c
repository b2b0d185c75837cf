/* cmd_demo.c: `openr1 demo`: the story of R1 from nothing, in minutes.
 *
 * The recipes are those of recipes/tiny-chain/, carried in the program; they are written beside the run, so
 * that a reader can look at them, change one, and run that stage alone or all again with `openr1 run`.
 */
#include "cmd/cmd_int.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/embed.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

/* Write the embedded files under recipes/NAME/ to FOLDER. */
static int unpack_recipe(const char *name, const char *folder, struct err *e)
{
    struct str prefix;
    str_init(&prefix, 0);
    str_addf(&prefix, "recipes/%s/", name);
    int rc = file_mkdirs(folder, e), found = 0;
    for (const struct embedded *f = embedded_files; !rc && f->path; f++) {
        if (!str_starts(f->path, prefix.p)) continue;
        char *path = path_join(folder, f->path + prefix.len);
        rc = file_write(path, f->bytes, f->n, e);
        free(path);
        found++;
    }
    if (!rc && !found) rc = err_usage(e, "no demo named %s", name);
    str_release(&prefix);
    return rc;
}

static int demo_run(struct conf *c, struct err *e)
{
    const char *directory = conf_str(c, "directory"), *recipe = conf_str(c, "recipe");
    if (file_mkdirs(directory, e)) return -1;
    if (chdir(directory)) return err_errno(e, "cannot work in %s", directory);
    struct str folder;
    str_init(&folder, 0);
    str_addf(&folder, "runs/%s/recipes", recipe);
    double start_s = clock_s();
    struct pipeline p = {0};
    char *path = path_join(folder.p, "pipeline.yaml");
    int rc = unpack_recipe(recipe, folder.p, e);
    if (!rc) rc = pipeline_open(&p, path, e);
    if (!rc) {
        p.verbose = conf_bool(c, "verbose");
        p.seed = conf_int(c, "seed");
        json_object_set_new(p.spec, "seed", json_integer(p.seed));
        log_info("%s", json_string_value(json_object_get(p.spec, "title")));
        log_info("recipes: %s   seed: %ld", folder.p, p.seed);
        rc = pipeline_run(&p, e);
    }
    if (!rc) rc = pipeline_finish(&p, e);
    if (!rc) log_info("done in %.0f s", clock_s() - start_s);
    pipeline_release(&p);
    str_release(&folder);
    free(path);
    return rc;
}

static const struct opt demo_options[] = {{.key = "seed",
                                           .type = OPT_INT,
                                           .fallback = "1",
                                           .help = "seed of everything",
                                           .lo = 0,
                                           .hi = 4294967295.0},
                                          {.key = "directory",
                                           .type = OPT_STR,
                                           .fallback = ".",
                                           .help = "folder to work in; the run goes to runs/ in it"},
                                          {.key = "recipe",
                                           .type = OPT_STR,
                                           .fallback = "tiny-chain",
                                           .help = "which story",
                                           .choices = "tiny-chain|tiny-countdown|tiny-smoke"},
                                          {.key = "verbose",
                                           .type = OPT_BOOL,
                                           .fallback = "false",
                                           .help = "show what the stages say, not only their progress"},
                                          {0}};
static const struct opt *const demo_tables[] = {demo_options, NULL};

const struct cmd cmd_demo = {
    .name = "demo",
    .summary = "the story of R1 in minutes: base, R1-Zero, control, cold start, GRPO, distillation",
    .details =
        "Makes data, trains a small base model that could show its working but almost never does, and then\n"
        "lets reinforcement learning find out that thinking pays. No network, two cores, a few minutes.\n\n"
        "  openr1 demo\n  openr1 demo --seed 2 --directory /tmp/second",
    .tables = demo_tables,
    .run = demo_run};
