/* workers.h: a pool of processes that answer JSON lines: one request a line in, one answer a line out.
 *
 * Each worker runs the same program. Request i goes to worker i mod n, and a worker has one request at a
 * time, so that even a program with a memory sees the same requests in the same order in every run with as
 * many workers. A worker that dies or does not answer in time is killed with all it started and begun
 * anew, and the request is asked once more; the second failure is an error. What it writes to standard
 * error is shown with its name in front, so many lines and no more. A signal to stop does not end a round: a
 * training step that was begun is finished.
 */
#ifndef REWARD_WORKERS_H
#define REWARD_WORKERS_H

#include <jansson.h>

#include "base/err.h"

struct workers_opts {
    const char *name;        /* in messages */
    const char *const *argv; /* looked for in PATH; NULL at the end; copied */
    int n;                   /* processes, 1 to WORKERS_MAX */
    double limit_s;          /* for one answer, the start of the process included */
};
enum { WORKERS_MAX = 64, WORKERS_ANSWER_MAX = 256 << 20 };

struct workers;
struct workers *workers_new(const struct workers_opts *o);
/* Ask n requests (texts without line ends); answers[i] is a new reference. On failure none is kept. */
int workers_ask(struct workers *w, char *const *requests, int n, json_t **answers, struct err *e);
/* Ask one process one thing, which may take limit_s: is it there at all? */
int workers_ready(struct workers *w, char *request, double limit_s, struct err *e);
/* Standard input is closed, which asks a program to end; what has not ended after 2 s is killed. */
void workers_free(struct workers *w);

#endif
