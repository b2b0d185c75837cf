/* verify.h: is this answer the same as the gold answer? With a reason, within bounds, without a model.
 *
 * Numbers are compared as exact rationals: integers, decimals, fractions, percent,
 * thousands separators, currency, LaTeX \frac, \boxed. Where the numbers do not decide, text is compared
 * after normalisation. "Could not be judged" (no parseable gold) is a verdict of its own, never "wrong".
 */
#ifndef VERIFY_VERIFY_H
#define VERIFY_VERIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum verdict { VERDICT_WRONG, VERDICT_CORRECT, VERDICT_UNDECIDED };

enum extract_mode {
    EXTRACT_ANY,  /* boxed, else an anchored answer, else the last number (gold, lenient evaluation) */
    EXTRACT_LATEX /* only \boxed{...} or a $...$ behind an answer anchor: what Open-R1's accuracy reward
                     accepts */
};

struct verify_params {
    enum extract_mode mode;
    bool raw; /* the answer is the whole string; extract nothing */
};

/* What a verdict rests on; fixed-size, cut with "..." when longer. */
struct receipt {
    enum verdict verdict;
    char gold[256], answer[256]; /* what was extracted and parsed; empty if nothing */
    char reason[256];            /* one line: the rule that decided and why */
};
void verify_math(const char *gold, const char *answer, const struct verify_params *p, struct receipt *out);

/* Find the answer in a text. False when there is none. The rule that matched is named in `rule` (static
 * text). */
bool extract_answer(const char *text, enum extract_mode mode, char *out, size_t size, const char **rule);

/* The last number written out in a text ("1,200.50", "-3"), without commas and idle zeros: equal numbers have
 * equal spellings. Nothing is evaluated. False when there is none, or none that fits. */
bool last_number(const char *text, char *out, size_t size);

/* Evaluate an arithmetic expression of integers with + - * / and parentheses exactly, as countdown needs it.
 * Collects the numbers used (up to max). False with a reason when it is not such an expression. */
struct arith {
    long long num, den; /* value as a reduced fraction, den > 0 */
    long long used[32];
    int n_used;
    char reason[160];
};
bool arith_eval(const char *expr, struct arith *out);

#endif
