/* reward_int.h: what the rewards share. */
#ifndef REWARD_REWARD_INT_H
#define REWARD_REWARD_INT_H

#include <stddef.h>

#include "reward/reward.h"

/* The expected answer of a row as text: column "solution", else "answer", a string or a number; NULL if there
 * is none. `number` holds the text of a number. */
const char *row_solution(const json_t *row, char number[32]);

/* What a completion says once its reasoning is over: behind the last </think>, inside the last <answer>
 * block if there is one, blanks at both ends left out. False while a <think> is open. */
struct said {
    const char *p;
    size_t n;
};
bool said_last(const char *text, struct said *out);

/* Fill the result; returns nothing worth having, so that a reward may end with it. */
void reward_give(struct reward_result *out, double value, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void reward_unjudged(struct reward_result *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
