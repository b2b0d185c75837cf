/* optim_int.h: what optimiser.c and the rules of adamw.c, adafactor.c and muon.c share.
 *
 * A rule is one const struct optim_rule and one row in optim_list.h: which arrays a weight's state has, and
 * how a gradient changes the weight. optimiser.c owns the memory of the state, clips, and writes and reads
 * it; it knows no rule.
 */
#ifndef TRAIN_OPTIM_INT_H
#define TRAIN_OPTIM_INT_H

#include "base/check.h"
#include "kern/kern.h"
#include "train/train.h"

enum {
    OPTIM_CHUNK = 16384, /* elements of a weight that a thread takes at a time */
    OPTIM_PIECE = 2048,  /* of 16 bits or fewer, which are widened at a time */
    OPTIM_PARTS = 4
};
_Static_assert(OPTIM_CHUNK % OPTIM_PIECE == 0, "whole pieces");

struct chunk { /* a run of elements of one weight */
    int weight;
    size_t at, n;
    float *w; /* their numbers, where a rule may change them */
};

typedef void (*change_piece)(void *ctx, const struct chunk *piece);

/* An array of a weight's state, zero at first; a shape of 0 by 0 is none. In files it is
 * "NAME.weight's name". */
struct optim_part {
    const char *name;
    enum dtype dtype; /* DT_F32, DT_BF16 or DT_U8 */
    void (*shape)(const struct weight *w, int64_t shape[2]);
};
void optim_shape_whole(const struct weight *w, int64_t shape[2]); /* the weight's own */

/* One step, as a rule sees it. */
struct update {
    struct optimiser *o;
    const struct optim_opts *opts;
    long step; /* from 1 */
    double lr;
    double g_scale; /* of every gradient: clipping */
    double c1, c2;  /* 1 - b1^step, 1 - b2^step */
    float *scratch; /* what the rule asked for */
};
struct weight *update_weight(const struct update *u, int weight);
/* Part number `part` of a weight's state. */
void *update_state(const struct update *u, int weight, int part);
/* The weight's own weight_decay: 0 for biases and norms. */
double update_decay(const struct update *u, int weight);
/* f changes the numbers of c; as round16_change, with the step's own random numbers. */
void update_numbers(const struct update *u, const struct chunk *c, change_piece f, void *ctx);

struct optim_rule {
    const char *name; /* of the key `optim` */
    const char *also; /* other names that mean it, transformers' among them, with blanks between */
    const char *help;
    struct optim_part parts[OPTIM_PARTS]; /* ends with a NULL name, or is full */
    /* One of the two. elements: on any thread, each chunk by itself, in update_numbers. whole: one weight
     * after the other, and it shares itself out over the threads. */
    void (*elements)(const struct update *u, const struct chunk *c);
    void (*whole)(const struct update *u, int weight);
    size_t (*scratch)(const struct weight *w); /* floats that `whole` needs; NULL: none */
    bool (*takes)(const struct weight *w);     /* NULL: every weight; what is not taken follows AdamW */
};
/* The rule of a name, or NULL and e, which lists what there is. */
const struct optim_rule *optim_rule_find(const char *name, struct err *e);
extern const struct optim_rule optim_adamw;

/* AdamW's step for a chunk that has its numbers, with its moments in float32 (adamw.c). */
void optim_adamw_chunk(const struct update *u, const struct chunk *c, float *m, float *v);

/* bfloat16 with stochastic rounding (round16.c). */
struct round16_place { /* what the random numbers are for */
    uint64_t seed;
    uint32_t purpose, step, sequence; /* base/rng.h */
    size_t at;                        /* first element's number in its array */
};
void round16(const struct round16_place *p, const float *from, size_t n, uint16_t *to);
/* f changes the numbers of c, a part of w, by pieces (their `w` is set). Those of a bf16 weight are float32
 * for as long, in pieces of OPTIM_PIECE at most, and then rounded stochastically: what moves them by less
 * than their last bit, a learning rate of 1e-6, moves them in the mean. place->at is not looked at. */
void round16_change(struct weight *w, const struct round16_place *place, const struct chunk *c,
                    change_piece f, void *ctx);

#endif
