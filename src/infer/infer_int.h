/* infer_int.h: the insides of the engine.
 *
 *   blocks.c    which KV blocks are whose: reference counts, promises, copy on write
 *   sampler.c   one logits row to one token and its log-probability      select.c  the kept set
 *   stop.c      stop ids, stop strings, text that grows
 *   lane.c      prompts and sequences: admission, start, end
 *   engine.c    the forward passes
 */
#ifndef INFER_INFER_INT_H
#define INFER_INFER_INT_H

#include <string.h>

#include "base/rng.h"
#include "base/str.h"
#include "infer/infer.h"
#include "kern/kern.h"

/* ---- blocks.c ------------------------------------------------------------------------------------------ */

struct block {
    int refs;          /* tables that hold it */
    int before, after; /* in the list of free blocks */
    /* A name stands for the tokens of this block and all before it; 0: none. */
    uint64_t name, name_before;
    bool known; /* can be found by name_before and tokens */
    int tokens[KERN_KEYS];
    int in_bucket; /* the next one */
};
enum { BLOCK_START = 1 }; /* the name before a sequence's first block */
struct blocks {
    int n, n_free, n_promised;
    struct block *block;       /* [n] */
    int first_free, last_free; /* taken from the front */
    int *buckets;              /* [n] */
    uint64_t last_name;
    struct kv_cache *cache; /* borrowed; where copies are made. NULL: only count (tests) */
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
/* Block i of t is full with these KERN_KEYS tokens, and will not be written to again. */
void blocks_know(struct blocks *b, const struct table *t, int i, const int *tokens);
/* If a block is known that continues t with these KERN_KEYS tokens, add it in place of a promised one. */
bool blocks_reuse(struct blocks *b, struct table *t, const int *tokens);
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
    /* results */
    int id;
    float logp;
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
};

/* One completion that is being made. */
struct sequence {
    int request, index;
    struct prompt *prompt; /* what it waits for; NULL once it has a first token */
    struct table table;
    int n_pos;                 /* positions that are in the cache */
    struct completion *out;    /* in the caller's group */
    int cap;                   /* of out->ids and out->logps */
    struct text_stream stream; /* used when there are stop strings */
    bool ended;
};

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
    int *heads; /* [max_running] rows whose logits are wanted */
    int n_heads, head_to_keep;
    struct entry *entries; /* [max_running] who draws from which */
    struct draw *draws;    /* [max_running] */
    int n_entries;
    float *logits; /* [logits_rows, vocab] */
    int logits_rows;
    float *kept_logits; /* [vocab]: of the last row of the prompt that has completions yet to start */
};

/* Sequence s draws its next token from the logits of heads[head]; head -1: from kept_logits. */
struct entry {
    struct sequence *s;
    int head;
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

#endif
