/* tfevents.h: TensorBoard's event file, scalars only. */
#ifndef BASE_TFEVENTS_H
#define BASE_TFEVENTS_H

#include <jansson.h>

#include "base/err.h"

struct tfevents {
    int fd; /* -1: closed */
    char *path;
};

/* last_step < 0: a new file; else keep the events up to that step and go on behind them. */
int tfevents_open(struct tfevents *t, const char *path, long last_step, struct err *e);
/* One event with every number of the object, under the tags that Hugging Face's trainer uses: "eval_x" is
 * "eval/x", "x" is "train/x". Other values are left out. */
int tfevents_scalars(struct tfevents *t, long step, double wall_time_s, const json_t *metrics, struct err *e);
void tfevents_close(struct tfevents *t);

#endif
