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
/* model, ids, out: what a command from token ids to a safetensors file is asked with. */
extern const struct opt token_lists_options[];
/* f on the model (freed afterwards; NULL has failed already), the lists of the key `ids` and the path of
 * `out`. The file of ids holds a JSON list of token ids below the vocabulary's size, or a list of lists. */
typedef int (*token_lists_use)(struct model *m, const struct token_lists *l, const char *out, struct err *e);
int token_lists_run(struct conf *c, struct model *m, token_lists_use f, struct err *e);

/* Run f on a plan, fail if the machine lacks that memory, then run it on real memory. On a plan f must not
 * touch data. */
typedef void (*model_pass)(struct tape *t, void *ctx);
int model_pass_run(model_pass f, void *ctx, bool record, struct err *e);

#endif
