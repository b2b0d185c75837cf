/* cmd_int.h: what several commands share. */
#ifndef CMD_CMD_INT_H
#define CMD_CMD_INT_H

#include <jansson.h>

#include "cmd/cmd.h"

struct train_hooks;

/* ---- cmd_exec.c ---------------------------------------------------------------------------------------- */

enum { CMD_TABLES_MAX = 16 };

/* By its whole name ("sft", "data make"); NULL if there is none. */
const struct cmd *cmd_find(const char *name);
/* The command's option tables and the ones that all commands share; returns how many. */
int cmd_tables(const struct cmd *cmd, const struct opt *tables[CMD_TABLES_MAX]);
/* Parse what follows the command's name. */
struct conf *cmd_configure(const struct cmd *cmd, int argc, char **argv, struct err *e);
/* Run it, with the notes about keys that have no effect before and about unread keys after. */
int cmd_execute(const struct cmd *cmd, struct conf *c, struct err *e);

/* Run the algorithm of this name (train.h); what it gives goes to standard output. */
int cmd_algo(const char *name, const struct train_hooks *hooks, struct conf *c, struct err *e);

/* ---- cmd_report.c -------------------------------------------------------------------------------------- */

/* dir/report.html of the run in dir. */
int cmd_report_run(const char *dir, struct err *e);

/* ---- pipeline.c ---------------------------------------------------------------------------------------- */

/* A pipeline file, read and checked:
 *   title, root (folder of the run), seed, evaluations: [{name, config?, args?}],
 *   defaults: {COMMAND: {key: value}},
 *   stages: [{name, label?, command?, config?, args?: {key: value}, model?, evaluate?, transcript?}]
 * A stage with a command runs `openr1 COMMAND --config CONFIG --KEY VALUE ...`; one with `evaluate` is then
 * scored by each evaluation, on `model` or else ROOT/NAME/model, into ROOT/NAME/EVALUATION. */
struct pipeline {
    json_t *spec;
    char *folder; /* of the pipeline file: configs are looked for here */
    const char *root;
    long seed;
    bool verbose; /* show what the stages say, not only their progress */
};
int pipeline_open(struct pipeline *p, const char *path, struct err *e);
void pipeline_release(struct pipeline *p);
/* The recipe file of a stage or evaluation as an object (new reference), empty when it has none. */
json_t *pipeline_recipe(const struct pipeline *p, const json_t *stage, struct err *e);

/* Whether the pipeline's seed goes to the stage: its command has one, and the stage does not set its own. */
bool pipeline_seeds(const struct pipeline *p, const json_t *stage);

/* pipeline_stamp.c */
struct stage_look {
    char key[65]; /* of all that decides the stage's result */
    bool valid;   /* it was finished with this key, and all it made is there, unchanged */
};
/* Removes the output_dir of a stage that was made from something else. */
int stage_look(const struct pipeline *p, const json_t *stage, struct stage_look *look, struct err *e);
int stage_begin(const struct pipeline *p, const json_t *stage, const struct stage_look *look, struct err *e);
int stage_end(const struct pipeline *p, const json_t *stage, const struct stage_look *look, struct err *e);

/* Run what is not done yet: a stage that was finished and whose command, recipe, arguments and input files
 * are unchanged is kept; one that was interrupted resumes by itself. */
int pipeline_run(struct pipeline *p, struct err *e);
/* The stages as report.h wants them: trained and evaluated ones, in order. New reference. */
json_t *pipeline_stages(const struct pipeline *p);
/* SHA-256 over the weights of every trained stage and every evaluation's results: equal runs, equal hash. */
int pipeline_hash(const struct pipeline *p, char hex[65], struct err *e);

/* The end of a run: writes ROOT/report.html and prints the story, where the report lies, and the final hash.
 * */
int pipeline_finish(const struct pipeline *p, struct err *e);

#endif
