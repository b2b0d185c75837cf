/* grpo_int.h: the parts of GRPO: layout of a step (grpo_layout.c), generation and scoring (rollout.c), the
 * learner (grpo.c), what is shown and warned of (grpo_show.c).
 *
 * A window is one generation batch: `groups` prompts with G completions each, in order. It feeds `slices`
 * optimiser steps, `iterations` times over: step k of a window trains on slice k mod slices.
 */
#ifndef TRAIN_GRPO_INT_H
#define TRAIN_GRPO_INT_H

#include "infer/infer.h"
#include "reward/reward.h"
#include "train/train_int.h"

enum { FUNCS_MAX = 16, STOP_STRINGS_MAX = 16 };

/* ---- grpo_layout.c --------------------------------------------------------------------------------- */

struct grpo_layout {
    int group;         /* G: completions a prompt */
    int micro;         /* completions of a micro-step (per_device_train_batch_size) */
    int micro_steps;   /* of an optimiser step */
    int step_groups;   /* prompts of an optimiser step */
    int slices;        /* optimiser steps that one window feeds in one pass */
    int iterations;    /* passes over a window */
    int groups;        /* prompts of a window: step_groups x slices */
    long window_steps; /* slices x iterations */
    int micro_groups;  /* prompts of a microbatch, as the machine computes it */
};
int grpo_layout_read(struct grpo_layout *l, struct trainer *t, struct err *e);
void grpo_layout_say(const struct grpo_layout *l, long n_prompts);

/* ---- rollout.c ------------------------------------------------------------------------------------- */

struct prompt {
    long row; /* of the dataset */
    size_t at;
    int n;
};
struct prompts {
    int *ids;
    size_t n_ids, cap;
    struct prompt *list; /* [n] */
    int n, longest;
    struct prompt_opts opts;
};
int prompts_read(struct prompts *p, const struct row_list *list, struct trainer *t, struct err *e);
void prompts_release(struct prompts *p);

struct rollouts { /* completions of some prompts: a window, or what is looked at beside it */
    long window;  /* number of the window; -1: none */
    int groups, group, n_funcs;
    int *prompts;                /* [groups] index in struct prompts */
    struct group *out;           /* [groups] */
    double *rewards;             /* [groups*group*n_funcs] NaN: None */
    char *reasons;               /* [groups*group*n_funcs][REASON_MAX] */
    double *totals, *advantages; /* [groups*group] */
    double **ref;                /* [groups*group] reference log-probs, or NULL each */
    struct advantage_out stats;
    int sampled, rounds; /* groups sampled for this window in all; rounds of further prompts */
    double extra_tokens; /* of groups that made room for others */
    double generate_s, score_s;
};
enum { REASON_MAX = 320 };
void rollouts_init(struct rollouts *r, int n_groups, int group, int n_funcs);
void rollouts_release(struct rollouts *r);
void rollouts_clear(struct rollouts *r); /* forget the window */
int rollouts_save(const struct rollouts *r, const char *path, struct err *e);
int rollouts_load(struct rollouts *r, const char *path, int n_prompts, struct err *e);
/* Reference log-probs of completion i; made at the first call. */
double *rollouts_ref(struct rollouts *r, int i);
/* Completion i of the window. */
const struct completion *rollouts_at(const struct rollouts *r, int i);
void rollouts_hash(const struct rollouts *r, int first, int n, char ids[HASH_HEX], char rewards[HASH_HEX]);
/* TRL's metrics of completions that were just made. */
struct scorer;
void rollouts_metrics(const struct rollouts *r, const struct scorer *s, json_t *metrics);

/* Can nothing be learned from the group, every completion having got the same? Reward by reward where each
 * is normalised for itself. */
bool rollouts_flat(const struct rollouts *r, const struct scorer *s, int slot);
struct tally {             /* of completions that are scored, with their advantages */
    double pass_1, pass_k; /* share of completions that pass; of groups in which one does */
    double varied, cut;    /* share of groups that are not flat; of completions that were cut off */
    double length;         /* mean, in tokens */
};
struct tally rollouts_tally(const struct rollouts *r, const struct scorer *s);

/* ---- grpo_sample.c: completions from the weights as they are, scored ---------------------------------- */

struct sample_call {
    const json_t *rows;
    const struct prompts *prompts;
    struct rollouts *to; /* prompts[slot] says which prompt; completions and rewards are filled in */
    const int *slots;    /* groups to fill [n_slots] */
    int n_slots;
    uint64_t seed;
    uint32_t step, first_sequence; /* completion k of group s draws with first_sequence + s * group + k */
    const char *what;              /* for the progress bar */
    bool aside;                    /* activations of groups of the window's first step */
    const struct ids *behind; /* put behind each prompt, and its text in front of the completion's; or NULL */
    const char *behind_text;
};
struct grpo;
int grpo_sample(struct grpo *g, const struct sample_call *c, struct err *e);

/* ---- scorer.c: the rewards of a run ------------------------------------------------------------------ */

struct sight;
struct scorer {
    struct reward_use *funcs[FUNCS_MAX];
    json_t *params[FUNCS_MAX];
    double weights[FUNCS_MAX];
    int n;
    const char *scale;
    bool normalize_then_sum;
    double pass; /* a completion passes when the first reward gives at least this */
    long step;   /* at which is scored, for programs that ask (trainer_state) */
    struct sight *sight;
    bool said_nan[FUNCS_MAX];
};
int scorer_read(struct scorer *s, struct conf *c, struct err *e);
void scorer_release(struct scorer *s);
/* Rewards of the groups of a call; then, when all groups are scored, what they make together. */
int scorer_run(struct scorer *s, const struct sample_call *c, struct err *e);
int scorer_advantages(const struct scorer *s, struct rollouts *r, struct err *e);
bool scorer_passes(const struct scorer *s, const struct rollouts *r, int i); /* completion i */
bool scorer_is_program(const struct scorer *s, int k); /* of the user */
const char *scorer_metric(const struct scorer *s, int k);
const char *scorer_name(const struct scorer *s, int k);

/* ---- course.c: which prompts come next --------------------------------------------------------------- */

struct course_key {
    double key;
    uint32_t prompt;
};
struct course {
    int n;             /* prompts */
    int window_groups; /* prompts of a window */
    bool shuffled, by_pass_rate;
    bool streams; /* windows take as many prompts as they need */
    uint64_t seed;
    uint32_t *order; /* [n] of the epoch or window at hand */
    long epoch, next;
    double *prior, *passed, *seen; /* [n], by pass rate */
    double prior_weight;           /* completions that the prior counts for */
    struct course_key *keys;
};
int course_open(struct course *c, const struct rows *data, const struct prompts *p, struct trainer *t,
                struct err *e);
void course_release(struct course *c);
void course_begin(struct course *c, long window);
int course_next(struct course *c); /* index of a prompt; -1: this window has had them all */
void course_note(struct course *c, int prompt, int passed, int n); /* of n completions */
double course_rate(const struct course *c, int prompt);
void course_save(const struct course *c, json_t *state);
int course_load(struct course *c, const json_t *state, struct err *e);

/* ---- reference.c: the model that the KL is taken to, and how it follows the policy ------------------ */

struct reference {
    long every;   /* optimiser steps between two syncs; 0: it stays the starting model */
    double share; /* of the policy in the new reference; 1: replaced */
    uint64_t seed;
};
int reference_read(struct reference *r, struct conf *c, struct err *e);
/* After step `step`: where a sync is due, ref = share policy + (1 - share) ref. */
void reference_sync(const struct reference *r, struct model *ref, struct model *policy, long step);
/* Its weights in a checkpoint's folder, where they are no longer the starting model's. */
int reference_save(const struct reference *r, struct model *ref, const char *dir, long step, struct err *e);
int reference_load(const struct reference *r, struct model *ref, const char *dir, long step, struct err *e);

/* ---- grpo.c ---------------------------------------------------------------------------------------- */

struct grpo_watch { /* warnings are given once each */
    int windows, zero_windows, flat_windows, cut_windows, low_steps;
    double first_entropy;
    bool said_zero, said_flat, said_cut, said_all_cut, said_none, said_unscored, said_loss, said_sample;
    bool said_entropy, said_kl;
};
struct grpo_sums { /* of one optimiser step */
    struct policy_out out;
    double gap_sum, gap_max, compared; /* between sampler and trainer */
    int trained, taken; /* groups that were passed with gradient, of these without a forward pass */
};
struct preflight {        /* preflight.h */
    int n;                /* prompts to look at; 0: no look */
    bool only;            /* and nothing after it */
    bool thinks;          /* there are <think> tags: thinking is forced and forbidden too */
    struct ids behind[3]; /* put behind the prompt, by mode */
    const char *behind_text[3];
    int longest; /* tokens of the longest of them */
};
struct grpo {
    struct trainer *t;
    struct rows rows;
    struct prompts prompts;
    struct grpo_layout layout;
    struct scorer scorer;
    struct policy_opts policy;
    struct entropy_control control;
    struct sampling sampling;
    bool keeps_sets; /* some tokens cannot be drawn: their sets come with the completions */
    struct engine_limits limits;
    struct engine *engine;
    struct model *ref; /* NULL: beta is 0 */
    struct reference reference;
    struct rollouts now;
    struct activations *store; /* what sampling puts aside for training; NULL: nothing */
    bool compared;             /* in this run the sampler's results were worked out again, and were equal */
    struct micro micro;
    bool mask_truncated;
    bool samples_only; /* nothing is trained: pass_rate.c */
    struct course course;
    int rounds; /* dynamic_sampling_rounds; 0: no dynamic sampling */
    struct preflight preflight;
    struct prompts held_out; /* evaluation; n 0: none */
    int eval_group;          /* num_generations_eval */
    /* of one optimiser step: completions in order */
    int first_group;
    int *lengths;                                              /* [step_groups*G] */
    size_t *starts;                                            /* [step_groups*G + 1] first tokens */
    double *weights, *entropy_weights;                         /* [step_groups*G] */
    double *old, *refs, *grad, *grad_entropy;                  /* [tokens of a microbatch] */
    double *step_mask, *step_logp, *step_entropy, *step_keep;  /* [tokens of a step]; keep: of high entropy */
    const char *stop_strings[STOP_STRINGS_MAX];
    int stop_ids[64];
    int *active, n_active; /* groups of the microbatch at hand [micro_groups] */
    struct grpo_sums sums;
    struct grpo_watch watch;
    struct {
        bool on, unique; /* log_completions, log_unique_prompts */
        int most;        /* rows of the table */
    } shown;
    size_t expected_trained; /* t->expected once a group has been trained */
};

/* grpo_pass.c: the forward and backward passes of one optimiser step. */
/* One group more into the microbatch: the prompt is one span, each completion one that shares it. */
void grpo_lay_group(struct grpo *g, const struct prompt *p, const struct completion *c, int n);
int grpo_pass(struct grpo *g, int first_group, bool fresh, struct err *e); /* fills g->sums */
/* Are the loss's derivatives known before every pass of this run? Once the layout and the adapter are. */
bool grpo_known(const struct grpo *g);
/* Is the group's part of the gradient exactly 0? Then no pass is made of it. */
bool grpo_is_idle(const struct grpo *g, const struct rollouts *r, int group);
/* Log-probs of the window under the reference model. */
int grpo_reference(struct grpo *g, struct err *e);

/* grpo_window.c: window w into g->now, and its metrics. */
int grpo_window(struct grpo *g, long w, struct err *e);
void grpo_window_metrics(const struct grpo *g, json_t *metrics);
/* grpo_evaluate.c: rewards on held-out prompts. */
int grpo_evaluate(void *self, struct trainer *t, struct evaluation_out *out, struct err *e);

/* grpo_setup.c: options, data, engine, buffers and the plan, once the model is there. */
int grpo_set_up(struct grpo *g, struct err *e);
void grpo_release(struct grpo *g);

/* grpo_plan.c: memory, every completion at its full length (learner.plan); and, lengths and rewards being as
 * in `seen`, into t->expected, and into g->expected_trained should a group be trained where none was in
 * `seen`. t->total_steps is known. */
extern const char plan_sampling[]; /* a row */
struct engine_limits grpo_engine_limits(const struct grpo *g);
void grpo_plan(void *self, struct trainer *t);
void grpo_expect(struct grpo *g, const struct rollouts *seen);
void grpo_expect_trained(struct grpo *g); /* after a step's passes: has one been? */

/* grpo_show.c */
void grpo_warn(struct grpo *g);       /* after a window was made */
void grpo_warn_drift(struct grpo *g); /* after a step's passes */
void grpo_warn_end(struct grpo *g);   /* after the last step's update */
void grpo_explain_loss(struct grpo *g, double loss);
void grpo_show_read(struct grpo *g, struct conf *c);
void grpo_show(void *self, struct trainer *t); /* g->now: a table, and files */

#endif
