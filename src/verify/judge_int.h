/* judge_int.h: what judge.c and communicate.c share. */
#ifndef VERIFY_JUDGE_INT_H
#define VERIFY_JUDGE_INT_H

#include "verify/verify.h"

/* How a run ended; CODE_PASSED when by itself with status 0. */
enum code_verdict code_verdict_of(const struct sandbox_result *r);
/* The last bytes of standard error, valid UTF-8. */
void code_note(struct code_outcome *o, const struct sandbox_result *r);
/* A score printed first on standard output: 0 to 1, or to 100. False, and 0, when there is none. */
bool code_score(const struct sandbox_result *r, double *score);
/* One test of a task with a manager. As code_try. */
int code_communicate(const struct code_task *t, const struct code_program *p, const struct code_test *test,
                     struct code_outcome *o, struct err *e);

#endif
