/* cmd_data_make.c: `openr1 data make NAME`: checked problems from a generator, as JSONL. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/cmd_lines.h"
#include "data/data.h"

static const struct opt make_options[] = {
    {.key = "name",
     .type = OPT_STR,
     .help = "which generator: chain, countdown, arithmetic",
     .flags = OPT_POSITIONAL | OPT_REQUIRED},
    {.key = "count",
     .type = OPT_INT,
     .help = "how many problems",
     .lo = 1,
     .hi = 1 << 28,
     .flags = OPT_REQUIRED},
    {.key = "seed", .type = OPT_INT, .fallback = "42", .help = "of all draws"},
    {.key = "split",
     .type = OPT_STR,
     .fallback = "train",
     .help = "which side: no problem is on both, whatever the seed",
     .choices = "train|test"},
    {.key = "distinct",
     .type = OPT_BOOL,
     .fallback = "false",
     .help = "no prompt twice: for held-out sets from few possible problems"},
    {.key = "params", .type = OPT_MAP, .help = "settings of the generator"},
    {.key = "out", .type = OPT_STR, .help = "file for the rows (default: standard output)"},
    {0}};
static const struct opt *const make_tables[] = {make_options, NULL};

/* Draws in vain, one after another, that show that hardly a new problem is left. */
enum { DRAWS_IN_VAIN = 10000 };

/* Has this row's prompt been made before? If not, now it has. */
static bool seen_before(json_t *seen, const json_t *row)
{
    char *prompt = json_dumps(json_object_get(row, "prompt"), JSON_ENCODE_ANY | JSON_COMPACT);
    bool known = json_object_get(seen, prompt) != NULL;
    if (!known) json_object_set_new(seen, prompt, json_true());
    free(prompt);
    return known;
}

static json_t *whole_row(const struct datagen *g, const struct rng_at *at, json_t *row)
{
    json_t *whole = json_object();
    json_object_set_new(whole, "id",
                        json_sprintf("%s-%s-%ld-%ld", g->name, at->step ? "test" : "train", (long)at->seed,
                                     (long)at->sequence));
    json_object_update(whole, row);
    json_decref(row);
    return whole;
}

static int make_rows(const struct datagen *g, struct conf *c, const json_t *params, struct lines *out,
                     struct err *e)
{
    bool held_out = strcmp(conf_str(c, "split"), "test") == 0;
    long count = conf_int(c, "count"), in_vain = 0;
    struct rng_at at = {.seed = (uint64_t)conf_int(c, "seed"), .purpose = RNG_DATA, .step = held_out};
    json_t *seen = conf_bool(c, "distinct") ? json_object() : NULL;
    int rc = 0;
    for (; !rc && out->n < count; at.sequence++) {
        json_t *row = g->make(&at, held_out, params, e);
        if (!row) {
            rc = -1;
        } else if (seen && seen_before(seen, row)) {
            json_decref(row);
            if (++in_vain >= DRAWS_IN_VAIN)
                rc = err_usage(e,
                               "with these settings %s has hardly more than %ld distinct problems on this "
                               "side, and %ld were asked for: ask for fewer, or widen the settings",
                               g->name, out->n, count);
        } else {
            in_vain = 0;
            rc = lines_put(out, whole_row(g, &at, row), e);
        }
    }
    json_decref(seen);
    return rc;
}

static int make_run(struct conf *c, struct err *e)
{
    const struct datagen *g = datagen_find(conf_str(c, "name"), e);
    const char *path = conf_str(c, "out");
    struct lines out;
    if (!g || lines_open(&out, path, e)) return -1;
    json_t *params = conf_map(c, "params");
    int rc = lines_close(&out, make_rows(g, c, params, &out, e), e);
    if (!rc && path) log_info("%ld rows of %s (%s) in %s", out.n, g->name, conf_str(c, "split"), path);
    json_decref(params);
    return rc;
}

const struct cmd cmd_data_make = {
    .name = "data make",
    .summary = "make checked problems with a generator",
    .details =
        "Writes rows {\"id\",\"prompt\",\"completion\",\"solution\",...}. The same seed, split and settings "
        "give "
        "the same rows.\nGenerators and their settings (--params):\n"
        "  chain       n_digits (6), worked (1: share of completions that show the steps), style (readable,\n"
        "              compact)\n"
        "  countdown   count (3), max (9), max_target (100), worked (1), tries (6), p_right (0.15), style\n"
        "              (chars, words)\n"
        "  arithmetic  n_terms (3), n_digits (2), max (numbers are 1 to max instead), answer (worked, "
        "number),\n"
        "              style (chat, text)\n\n"
        "  openr1 data make chain --count 1000 --seed 1 --params '{\"worked\": 0.7}' --out chain.jsonl",
    .tables = make_tables,
    .run = make_run,
};
