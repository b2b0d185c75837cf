/* cmd_run.c: `openr1 run PIPELINE.yaml`: a recipe of several stages, then its report. */
#include "cmd/cmd_int.h"

static int run_run(struct conf *c, struct err *e)
{
    struct pipeline p;
    int rc = pipeline_open(&p, conf_str(c, "pipeline"), e);
    p.verbose = conf_bool(c, "verbose");
    if (!rc && conf_given(c, "seed")) {
        p.seed = conf_int(c, "seed");
        json_object_set_new(p.spec, "seed", json_integer(p.seed));
    }
    if (!rc) rc = pipeline_run(&p, e);
    if (!rc) rc = pipeline_finish(&p, e);
    pipeline_release(&p);
    return rc;
}

static const struct opt run_options[] = {{.key = "pipeline",
                                          .type = OPT_STR,
                                          .flags = OPT_REQUIRED | OPT_POSITIONAL,
                                          .help = "the pipeline file (YAML)"},
                                         {.key = "seed",
                                          .type = OPT_INT,
                                          .help = "instead of the pipeline's own seed",
                                          .lo = 0,
                                          .hi = 4294967295.0},
                                         {.key = "verbose",
                                          .type = OPT_BOOL,
                                          .fallback = "false",
                                          .help = "show what the stages say, not only their progress"},
                                         {0}};
static const struct opt *const run_tables[] = {run_options, NULL};

const struct cmd cmd_run = {
    .name = "run",
    .summary = "a recipe of several stages; finished stages are kept, the rest resumes",
    .details = "Runs the stages of a pipeline file in order, evaluates those that ask for it, writes\n"
               "ROOT/report.html and prints the table, the curves and the final hash.\n\n"
               "  openr1 run recipes/tiny-chain/pipeline.yaml",
    .tables = run_tables,
    .run = run_run};
