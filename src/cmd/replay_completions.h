/* replay_completions.h: a run's files of completions against those that a replay made. */
#ifndef CMD_REPLAY_COMPLETIONS_H
#define CMD_REPLAY_COMPLETIONS_H

#include "base/err.h"

/* Files of steps from .. to in RUN/completions must hold what SCRATCH/completions does, byte for byte; they
 * need not be there. A difference is ERR_MISMATCH: the file, the completion and the key where the two part.
 * *n receives how many files were held against each other. */
int replay_completions(const char *run, const char *scratch, long from, long to, long *n, struct err *e);

#endif
