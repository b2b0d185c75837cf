/* reward_int.h: what the rewards share. */
#ifndef REWARD_REWARD_INT_H
#define REWARD_REWARD_INT_H

#include <stddef.h>

#include "reward/reward.h"

/* The expected answer of a row as text: column "solution", else "answer", a string or a number; NULL if
 * there is none. `number` holds the text of a number. */
const char *row_solution(const json_t *row, char number[32]);

/* What a completion says once its reasoning is over: behind the last </think>, inside the last <answer>
 * block if there is one, blanks at both ends left out. False while a <think> is open. */
struct said {
    const char *p;
    size_t n;
};
bool said_last(const char *text, struct said *out);
/* The same for a reward: one that was never finished is given 0. */
bool said_read(const struct reward_input *in, struct said *said, struct reward_result *out);

/* Fill the result; returns nothing worth having, so that a reward may end with it. */
void reward_give(struct reward_result *out, double value, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void reward_unjudged(struct reward_result *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* For a row in which none of the columns (NULL at the end) is what is wanted: says whether they are missing
 * or what stands in the first that is there. null is missing. */
void reward_no_column(struct reward_result *out, const json_t *row, const char *const *columns,
                      const char *wanted);
/* The same for the columns of row_solution. */
void reward_no_solution(struct reward_result *out, const json_t *row);

/* A line of the explanation: what was found, what goes into the formula, the formula. Nothing, where none is
 * wanted. */
void reward_step(const struct reward_input *in, const char *label, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The last line of it. */
void reward_end(const struct reward_input *in, const struct reward_result *out);
/* A mark that is looked for, and the line of the text on which it stands; p NULL: it is missing. */
void reward_mark(const struct reward_input *in, const char *label, const char *p, const char *mark);

/* A parameter of a reward's table, as given under either name, or its default. */
double param_number(const json_t *params, const struct reward_param *table, const char *name);
bool param_flag(const json_t *params, const struct reward_param *table, const char *name);
const char *param_text(const json_t *params, const struct reward_param *table, const char *name);
const json_t *param_json(const json_t *params, const struct reward_param *table, const char *name);
/* {"compat": "open-r1"}: Open-R1's numbers with its faults. */
bool param_compat(const json_t *params);

/* ---- reward_text.c: Unicode, as Python sees it ------------------------------------------------------- */

/* Code point at p[0..n), its bytes in *length; U+FFFD for bytes that are none. */
int text_code_point(const char *p, size_t n, size_t *length);
/* Python's str.isspace. */
bool text_space(int c);

/* The words of a text, each word by a number: equal words have equal numbers. */
struct words {
    int *id;
    size_t n;
};
enum words_cut {
    WORDS_BLANKS, /* lower case, cut at blanks: Python's text.lower().split() */
    WORDS_CHINESE /* the longest frequent words, else single characters */
};
void words_read(struct words *w, const char *text, enum words_cut how);
void words_release(struct words *w);

/* ---- reward_correct.c: is the answer right? What accuracy, length and cosine ask alike --------------- */

enum correct { CORRECT_NO, CORRECT_YES, CORRECT_UNKNOWN, CORRECT_ASSUMED };
/* Fills the reason. With {"compat":"open-r1"} as Open-R1's length and cosine: the gold must be LaTeX, one
 * that is not makes every answer right (CORRECT_ASSUMED), and the sides are swapped. */
enum correct correct_of(const struct reward_input *in, bool swapped, struct reward_result *out);
extern const char correct_mode_help[];
#define CORRECT_PARAMS                                                                                       \
    {                                                                                                        \
        .name = "mode", .type = PARAM_TEXT, .text = "latex", .choices = "latex|any",                         \
        .help = correct_mode_help                                                                            \
    }

#endif
