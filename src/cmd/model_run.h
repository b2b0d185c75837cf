/* model_run.h: what commands that run a model share: opening it, lists of token ids from a file, and a pass
 * whose memory is planned before it runs.
 */
#ifndef CMD_MODEL_RUN_H
#define CMD_MODEL_RUN_H

#include <stdbool.h>

#include "base/opt.h"
#include "model/model.h"

/* load_in_place, for commands that only run the model. */
extern const struct opt model_run_options[];
/* The model that the key `model` names, as load_in_place says. */
struct model *model_open(struct conf *c, struct err *e);

struct token_lists {
    int n;
    int **ids;    /* [n] */
    int *lengths; /* [n], each at least 1 */
    bool nested;  /* the file held a list of lists, not one list */
};
/* A JSON list of token ids below `vocab`, or a list of such lists. */
int token_lists_read(struct token_lists *l, const char *path, int vocab, struct err *e);
void token_lists_release(struct token_lists *l);

/* Run f on a plan, fail if the machine lacks that memory, then run it on real memory. On a plan f must not
 * touch data. */
typedef void (*model_pass)(struct tape *t, void *ctx);
int model_pass_run(model_pass f, void *ctx, bool record, struct err *e);

#endif
