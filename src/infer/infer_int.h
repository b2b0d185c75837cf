/* infer_int.h: the insides of the engine.
 *
 *   blocks.c    which KV blocks are whose: reference counts, promises, copy on write
 *   sampler.c   one logits row to one token and its log-probability      select.c  the kept set
 *   stop.c      stop ids, stop strings, text that grows
 *   lane.c      prompts and sequences: admission, start, end
 *   aside.c     rows whose activations are put aside
 *   pass.c      one forward pass: who is in it, draws, what becomes of them
 *   engine.c    memory, and runs of passes
 *   rehearse.c  what a run would use, from the lengths of its completions
 *   draft_*.c   drafters, one each: guesses at the next tokens     draft_list.h, draft_table.c  their rows
 *   speculation.c  the options that choose one
 */
#ifndef INFER_INFER_INT_H
#define INFER_INFER_INT_H

#include <string.h>

#include "base/rng.h"
#include "base/str.h"
#include "infer/infer.h"
#include "kern/kern.h"

/* ---- blocks.c ------------------------------------------------------------------------------------------ */

enum {
    BLOCK_START = 1, /* the name before a sequence's first block */
    AHEAD_MAX = 16   /* tokens behind a block on which what it holds may depend */
};
struct block {
    int refs;          /* tables that hold it */
    int before, after; /* in the list of free blocks */
    /* A name stands for the tokens of this block, all before it and `ahead` behind it; 0: none. */
    uint64_t name, name_before;
    bool known; /* can be found by name_before and tokens */
    bool used;  /* has been taken once: its memory is touched */
    int tokens[KERN_KEYS + AHEAD_MAX];
    int in_bucket; /* the next one */
};
struct blocks {
    int n, n_free, n_promised;
    int n_used;                /* taken once or more */
    struct block *block;       /* [n] */
    int first_free, last_free; /* taken from the front */
    int *buckets;              /* [n] */
    uint64_t last_name;
    int ahead; /* what a cache holds of a position depends on so many tokens behind it */
    /* Borrowed; where copies are made. NULL: only count (tests); a second one where there is one. */
    struct kv_cache *cache, *beside;
};
/* The blocks of one sequence: block[i] holds positions i*KERN_KEYS .. (i+1)*KERN_KEYS-1. */
struct table {
    int *block, n;
    int promised; /* blocks set aside that it has not taken yet */
};
void blocks_init(struct blocks *b, int n, struct kv_cache *cache);
void blocks_release(struct blocks *b);
size_t blocks_bytes(int n);
/* Blocks that hold n positions. */
int blocks_for(int n_positions);
/* Set n blocks aside for t; false, and nothing done, when so many are not to be had now. */
bool blocks_promise(struct blocks *b, struct table *t, int n);
/* Make position pos of t writable: take a promised block where the table ends, copy a shared one. */
void blocks_write(struct blocks *b, struct table *t, int pos);
/* Give the empty table t the blocks of `from`. */
void blocks_share(struct blocks *b, struct table *t, const struct table *from);
/* Give back everything, promises too. */
void blocks_drop(struct blocks *b, struct table *t);
/* Block i of t is full with these KERN_KEYS tokens, `ahead` more follow, and it will not be written to again.
 */
void blocks_know(struct blocks *b, const struct table *t, int i, const int *tokens);
/* If a block is known that continues t with these KERN_KEYS + ahead tokens, add it in place of a promised
 * one. */
bool blocks_reuse(struct blocks *b, struct table *t, const int *tokens);
/* No block is known any more. */
void blocks_forget(struct blocks *b);

/* ---- sampler.c, select.c ------------------------------------------------------------------------------- */

/* Candidates in order of id, side by side. */
struct candidates {
    int n;
    uint32_t *keys; /* order of the logits: a larger key is a larger logit */
    float *weights; /* exp(y - max y): probabilities up to a common factor */
    int *ids;
};
/* Order of a float as an unsigned number; -0 and +0 are equal, NaN has no place. */
static inline uint32_t select_key(float z)
{
    uint32_t bits;
    z += 0.0F; /* -0 becomes +0 */
    memcpy(&bits, &z, sizeof bits);
    return bits & 0x80000000U ? ~bits : bits | 0x80000000U;
}
struct select_bin {
    double sum;
    int n;
};
enum { SELECT_BINS = 2048 };
/* Of the candidates by (key descending, id ascending), keep the shortest prefix that has `count` members or a
 * sum of weights of at least `sum`; all of them if none does. bins: scratch [SELECT_BINS]. */
void select_prefix(struct candidates *c, struct select_bin *bins, int count, double sum);
/* Keep those with weight >= least. */
void select_least(struct candidates *c, float least);
/* The largest weight of each run of SELECT_PEAK; returns how many runs there are. */
enum { SELECT_PEAK = 64 };
int select_peaks(float *peaks, const float *weights, int n);
/* Sum of weights, in blocks of SELECT_BLOCK; blocks receives the block sums if not NULL. */
enum { SELECT_BLOCK = 256 };
double select_sum(const float *weights, int n, double *blocks);

struct sampler_scratch {
    float *penalised, *prob; /* [vocab] */
    struct candidates kept;  /* [vocab] */
    float *peaks;            /* [vocab / SELECT_PEAK + 1] */
    double *blocks;          /* [vocab / SELECT_BLOCK + 1] */
    struct select_bin *bins;
};
struct sampler {
    int vocab, n_threads;
    struct sampler_scratch *threads; /* [n_threads] */
};
void sampler_init(struct sampler *s, int vocab, int n_threads);
void sampler_release(struct sampler *s);
size_t sampler_bytes(int vocab, int n_threads);

struct draw {
    const float *z; /* [vocab] */
    const struct sampling *how;
    const int *prompt, *ids; /* what the repetition penalty sees */
    int n_prompt, n_ids;
    struct rng_at at;
    int *set; /* [SET_MAX]: the set is wanted; or NULL */
    /* results */
    int id, n_set; /* n_set 0: all tokens */
    float logp, entropy;
    bool bad; /* the logits hold NaN or +infinity, or nothing finite */
};
/* Thread-safe: scratch is that of pool_self(). */
void sampler_draw(struct sampler *s, struct draw *d);
/* The distribution that sampler_draw draws from when it is not greedy: candidates that are kept. Lies in the
 * scratch of the calling thread. NULL when the logits are bad. For tests. */
const struct candidates *sampler_kept(struct sampler *s, struct draw *d);

/* ---- stop.c -------------------------------------------------------------------------------------------- */

bool stop_is_id(const struct sampling *how, int id);
/* Is a stop string this special token? t may be NULL. */
bool stop_is_token(const struct sampling *how, const struct tokenizer *t, int id);
/* Where the first stop string begins of those that end at or behind text[from]; -1 if there is none. */
long stop_find(const struct sampling *how, const char *text, size_t n, size_t from);
void text_stream_clear(struct text_stream *s);

/* ---- lane.c -------------------------------------------------------------------------------------------- */

/* A prompt on its way into the cache, or there because completions of it have not started yet. */
struct prompt {
    int request;
    struct table table;
    int n_done;    /* positions that are in the cache */
    int n_started; /* completions that have been admitted */
    int n_waiting; /* of these, those without their first token */
    bool complete; /* n_done is all of it */
    int span;      /* of its piece in the pass at hand; -1: none */
};

/* One completion that is being made. */
struct sequence {
    int request, index;
    struct prompt *prompt; /* what it waits for; NULL once it has a first token */
    struct table table;
    struct completion *out; /* in the caller's group; out->ids holds the drafts too, behind its n tokens */
    int cap;                /* of out->ids, out->logps, out->entropies and out->set_ends */
    size_t sets_cap;        /* of out->set_ids */
    int n_drafts;
    int n_settled;             /* positions of which a drafter's keys and values are there to stay */
    struct text_stream stream; /* used when there are stop strings */
    bool ended;
    /* of the pass at hand */
    struct prompt *began; /* whose last row the first token came from; NULL: has had one */
    int row, n_taken;     /* first row, if not begun just now; tokens drawn and kept */
};                        /* Positions that are in the cache: of all tokens but the last. */
static inline int sequence_positions(const struct request *q, const struct sequence *s)
{
    return q->n_prompt + s->out->n - 1;
}

struct engine {
    struct model *model;
    struct engine_limits limits; /* as resolved */
    struct kv_cache *cache;
    struct blocks blocks;
    struct sampler sampler;
    struct arena arena;
    struct tape *tape;
    int *tables; /* memory of all tables */
    /* The first n_running (n_prompts) are in use, in the order of admission; the others are spare. */
    struct sequence *sequence_memory, **sequences; /* [max_running] */
    struct prompt *prompt_memory, **prompts;       /* [max_running + 1] */
    int n_running, n_prompts;
    /* the pass at hand */
    int *tokens;        /* [max_rows] */
    struct span *spans; /* [max_rows] */
    int n_rows, n_spans;
    int *aside; /* [max_rows] numbers of rows that are put aside, or -1 */
    bool some_aside;
    int most_rows; /* of all passes so far */
    /* Draws of one pass, [max_running * (1 + draft.n)]: each sequence's, and one more for each draft. */
    int *heads; /* rows whose logits are wanted */
    int n_heads, head_to_keep;
    struct entry *entries; /* who draws from which */
    struct draw *draws;
    int *sets; /* SET_MAX a draw; NULL: not kept */
    int n_entries;
    float *logits; /* [logits_rows, vocab] */
    int logits_rows;
    float *kept_logits;      /* [vocab]: of the last row of the prompt that has completions yet to start */
    struct tensor *hidden;   /* [n_rows, D], until the tape starts anew */
    struct kv_cache *beside; /* a draft model's, in the same blocks; or NULL */
    void *drafting;          /* what the drafter has made for itself */
};

/* Sequence s draws the token behind `drafts` of its drafts from the logits of heads[head]; head -1: from
 * kept_logits. */
struct entry {
    struct sequence *s;
    int head, drafts;
};

/* One call of engine_run. */
struct run {
    struct engine *e;
    const struct request *requests;
    int n;
    struct group *groups;
    const struct engine_hooks *hooks;
    int next;            /* first request with completions that have not been admitted */
    struct prompt *open; /* its prompt, or NULL if that has not been admitted either */
    struct engine_progress progress;
};

/* Checks of everything that the caller gives. */
int run_check(const struct run *r, struct err *e);
void run_groups(struct run *r); /* make empty groups */
/* Let in as many completions, in order, as there are places and blocks for. */
void run_admit(struct run *r);
/* Its prompt is complete: it can draw its first token. */
void sequence_start(struct run *r, struct sequence *s);
/* Free the slots of prompts that nobody needs any more. */
void run_drop_prompts(struct run *r);
/* Append what was drawn; ends the sequence when it must end. */
void sequence_take(struct run *r, struct sequence *s, const struct draw *d);
/* Free the slots of sequences that have ended. */
void run_drop_ended(struct run *r);
/* After a failure: everything is given back, groups are released. */
void run_abandon(struct run *r);

/* ---- aside.c ------------------------------------------------------------------------------------------- */

void aside_begin(struct run *r); /* once there are groups */
void aside_make_room(struct run *r);
/* The last n rows of the pass at hand are positions from.. of a completion, or (index -1) of its prompt. */
void aside_span(struct run *r, int request, int index, int from, int n);

/* ---- engine.c ------------------------------------------------------------------------------------------ */

/* Limits with all that they leave open. */
struct engine_limits limits_resolve(const struct model *m, const struct engine_limits *given);
/* On which what the cache holds of a position depends. */
int tokens_ahead(const struct engine_limits *l);
/* Memory for who runs and for the passes' lists, of the limits that e has. */
void engine_lists(struct engine *e);

/* ---- pass.c -------------------------------------------------------------------------------------------- */

void pass_build(struct run *r);
void pass_forward(struct run *r);
/* Tokens from the draws, of each sequence until one is not what was drafted. Fails on bad logits. */
int pass_take(struct run *r, struct err *err);
/* Draw for all entries, in their order (by head, -1 first): logits are head * the rows of x that e->heads
 * names. Results are in e->draws. */
struct drawing {
    struct tensor *x;
    struct weight *head;
    struct sampler *sampler;
};
void pass_draw(struct run *r, const struct drawing *from);
void pass_clear_draws(struct engine *e); /* no heads, no entries */

/* ---- drafters: draft_list.h, draft_table.c, draft_*.c -------------------------------------------------- */

/* A guess that the next pass verifies. Drafts are tokens behind those of a completion; the pass feeds them
 * too, and so has the logits of each next position, which draws its token with its own random number. While
 * the draw is the draft, the next draw counts: its row has seen just what it would have seen without drafts.
 * Hence a drafter can only change how many passes there are.
 *
 * In every function but check and bytes, limits are resolved. NULL: nothing to do. */
struct drafter {
    const char *name;
    int n;        /* how many, if the limits do not say */
    bool modules; /* runs modules of the model that predict further, one for each token; their caches are
                   * further layers of the engine's, and depend on as many tokens ahead */
    bool model;   /* runs limits.draft.model, whose cache is e->beside */
    int (*check)(struct model *m, const struct engine_limits *l, struct err *e);
    size_t (*bytes)(const struct model *m, const struct engine_limits *l); /* besides caches and steps */
    void (*start)(struct engine *e);
    void (*stop)(struct engine *e);
    /* What it does on the tape behind a pass of spans of `len` rows. */
    void (*plan)(struct tape *t, struct model *m, const struct engine_limits *l, int len);
    /* After the draws of a pass: the pieces of prompts in it (struct prompt: span). */
    void (*prompts)(struct run *r);
    /* After the pass: give running sequences drafts, draft_room at most. */
    void (*propose)(struct run *r);
};
/* Tokens that may be drafted for s: the last one that it can have is drawn, not drafted. 0: s has no token
 * yet, or needs no more. It never grows. */
int draft_room(const struct run *r, const struct sequence *s);
/* Rows whose logits are worked out at a time. */
int logits_rows(const struct model *m, const struct engine_limits *l);
/* For planning: `rows` rows in spans of `len`, of which nothing is ever read; in one piece, to be freed. */
struct batch *plan_batch(int rows, int len, struct kv_cache *shape);
bool weights_packed(struct model *m);

#endif
