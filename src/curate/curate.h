/* curate.h: from what a model sampled to what a model is trained on. */
#ifndef CURATE_CURATE_H
#define CURATE_CURATE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "reward/reward.h"

/* ---- reject.c: rejection sampling --------------------------------------------------------------------- */

enum keep {
    KEEP_FIRST,   /* the first that passes */
    KEEP_ALL,     /* all that pass, equal texts once */
    KEEP_SHORTEST /* the shortest ones that pass, in tokens if known, else in bytes */
};
struct reject_opts {
    struct reward_use *reward;
    const json_t *params; /* of the reward, or NULL */
    double min;           /* least reward that passes */
    enum keep keep;
    int max_per_prompt;                        /* 0: no bound; KEEP_FIRST means 1 */
    bool keep_truncated;                       /* completions that ended at the length limit, too */
    const char *prompt_column, *system_prompt; /* or NULL; as in prompt_encode */
    bool apply_chat; /* a prompt string becomes one user message, as it was for sampling */
};
struct reject_counts {
    long prompts, prompts_kept, completions, truncated, unjudged, passed, kept;
};
/* Score the completions ([string or {"text","ids"?,"finish_reason"?}]) sampled for a dataset row, and
 * append what is kept to `out` as prompt/completion rows: the row's other columns go along, its own
 * completion does not. A conversation as prompt gets a conversation as completion. */
int reject_row(const json_t *row, const json_t *completions, const struct reject_opts *o, json_t *out,
               struct reject_counts *counts, struct err *e);

/* Rows by their "id", or by their place (0, 1, ...) where they have none, as `generate` numbers them. */
json_t *rows_by_id(const json_t *rows, struct err *e); /* new reference; NULL when an id stands twice */
/* Borrowed; NULL when there is none. */
const json_t *row_with_id(const json_t *index, const json_t *id);

#endif
