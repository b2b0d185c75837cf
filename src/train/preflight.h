/* preflight.h: a look at a GRPO run before its first step: can it learn here, does thinking pay, how long
 * will it take?
 *
 * Some prompts are sampled from the starting weights and scored: as they are, and, where the chat template or
 * the prompts speak of <think>, once with the thought begun and once with an empty one. One group is passed
 * forward and backward for the time of it, and its gradient dropped. All random numbers are of a purpose of
 * their own, so that the training bits are those of a run without the look.
 */
#ifndef TRAIN_PREFLIGHT_H
#define TRAIN_PREFLIGHT_H

#include "train/grpo_int.h"

enum preflight_mode { LOOK_PLAIN, LOOK_FORCED, LOOK_FORBIDDEN, LOOK_MODES };

struct look { /* at one mode; n 0: there was none */
    int n, group;
    struct tally tally;
    double reward, reward_std;       /* NaN: nothing could be judged */
    bool all_equal, all_zero;        /* every reward that was given; of rewards there is at least one */
    double seconds, tokens, score_s; /* of generation; tokens of completions; of scoring */
};
struct preflight_result {
    struct look looks[LOOK_MODES];
    double gain,
        gain_error;        /* pass@1 with the thought forced minus forbidden, over prompts; NaN: not known */
    double step_s, end_s;  /* predicted: an optimiser step with its share of sampling; the whole run */
    double generation;     /* share of that which is sampling */
    double planned_bytes;  /* every completion at its full length */
    double expected_bytes; /* lengths and rewards as they are here */
    double trained_bytes;  /* the same once a group is trained; above it where none here would be */
    double peak_bytes;     /* so far */
    long steps;
    int max_tokens;            /* max_completion_length */
    bool mask_cut;             /* mask_truncated_completions */
    char why_none[REASON_MAX]; /* what the first reward says of the first completion */
};

/* preflight.c */
void preflight_read(struct grpo *g);
/* learner.begin */
int preflight_run(void *self, struct trainer *t, struct str *out, struct err *e);
/* Of a run that goes on: the memory that the look in its folder, if there is one, expected. */
void preflight_recall(struct grpo *g);

/* preflight_show.c. The sentence: whether reinforcement learning can teach here, and what to change if not.
 * Returns true when it can. */
bool preflight_verdict(const struct preflight_result *p, struct str *out);
/* Of bytes: as things stand, once a group is trained, and at most. */
void preflight_memory(double expected, double trained, double most, struct str *out);
void preflight_table(const struct preflight_result *p, struct str *out);
json_t *preflight_json(const struct preflight_result *p);

#endif
