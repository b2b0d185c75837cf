/* infer.h: the engine: prompts in, completions out. Above this line only train/ knows a tensor.
 *
 * Continuous batching over a paged KV cache: a prompt is computed once for its whole group, its blocks are
 * shared by reference count, and finished sequences make room for waiting ones at once. A completion depends
 * only on the model, its prompt, its parameters and its key (seed, step, sequence): not on its neighbours,
 * the batch size or the number of threads.
 */
#ifndef INFER_INFER_H
#define INFER_INFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/opt.h"
#include "base/str.h"
#include "model/model.h"
#include "text/text.h"

struct sampling {
    float temperature;        /* 0: greedy */
    int top_k;                /* 0: off */
    float top_p;              /* 1: off */
    float min_p;              /* 0: off */
    float repetition_penalty; /* 1: off; over prompt and completion, as Hugging Face */
    int max_new_tokens;
    const int *stop_ids; /* end-of-sequence ids; the stopping id is kept as the last token */
    int n_stop_ids;
    /* Generation ends when the text contains one; kept in ids, cut from text. One that is a special token by
     * itself ("<|im_end|>") acts as a stop id. */
    const char *const *stop_strings;
    int n_stop_strings;
};
void sampling_default(struct sampling *s); /* temperature 1, all else off, 256 tokens */
/* What is out of range, with the field's name. */
int sampling_check(const struct sampling *s, struct err *e);

/* The text of a completion while it grows: for streaming, and for the engine's search for stop strings. */
struct text_stream {
    struct tok_stream tok;
    struct str text;
    bool stopped;   /* a stop string was found and cut off, with what came after it */
    size_t certain; /* bytes of text that can be shown: the rest may become a stop string */
};
void text_stream_init(struct text_stream *s);
void text_stream_release(struct text_stream *s);
/* Add the text of one token. */
void text_stream_push(struct text_stream *s, const struct tokenizer *t, const struct sampling *how, int id);
/* No more tokens: all of the text is certain. */
void text_stream_end(struct text_stream *s);

enum finish { FINISH_STOP, FINISH_LENGTH };

enum { SET_MAX = 4096 }; /* a larger set of tokens counts as all of them */
struct completion {
    int *ids;
    float
        *logps; /* log-prob of each id under softmax(z / T) (T = 1 when greedy), as the trainer computes it */
    float *entropies; /* of that softmax, where each id was drawn; equal to the trainer's too */
    int n;
    /* Where sets are kept: token t was drawn from set_ids[set_ends[t - 1]] .. set_ids[set_ends[t] - 1]
     * (ascending; none: all tokens), and logps and entropies are those of the softmax over that set alone.
     * Else NULL. */
    int *set_ids;
    size_t *set_ends; /* [n] */
    enum finish finish;
    char *text; /* decoded, special tokens left out; NUL-terminated, and may hold NUL */
    size_t n_text;
};
struct group { /* completions of one prompt */
    struct completion *c;
    int n;
    int *aside, n_prompt, n_new; /* aside.c */
};
void group_release(struct group *g);
/* Numbers of rows that were put aside (op.h: activations): of the prompt (i -1), or of completion i, all
 * tokens but the last. NULL: there was no room for the whole group, or nobody asked. */
const int *group_aside(const struct group *g, int i);
/* The group's rows are free for others. */
void group_give_back(struct group *g, struct activations *from);

struct request {
    const int *prompt;
    int n_prompt;
    int n; /* completions wanted */
    struct sampling sampling;
    uint64_t seed;
    uint32_t step, first_sequence; /* completion i draws with sequence = first_sequence + i */
    bool aside; /* put activations aside where the hooks say; its prompt is then worked out whole */
};

/* Speculative decoding: a drafter guesses tokens, and the next pass works out all of them at once and keeps
 * those that would have been drawn anyway. Completions are the same to the last bit; only the number of
 * passes changes. At most max_rows / (1 + n) sequences are then decoded together. */
struct drafter; /* draft_list.h */
struct speculation {
    const struct drafter *by; /* NULL: none */
    int n;                    /* tokens guessed at a time; 0: what the drafter is good for */
    struct model *model;      /* for the drafter that asks a smaller model; borrowed */
};
/* By name: "lookup", "mtp", "draft"; an error lists what there is. */
const struct drafter *drafter_find(const char *name, struct err *e);
/* Options speculate, draft_model, num_draft_tokens, and what they say; a draft model that they name is
 * s->model, to be freed with model_free behind the engine, also after a failure. */
extern const struct opt speculation_options[];
int speculation_read(struct conf *c, struct speculation *s, struct err *e);

struct engine_limits {
    int max_running; /* sequences decoded together; at most max_rows are */
    int max_rows;    /* rows of one forward pass (prefill is cut into pieces that fit) */
    int n_blocks;    /* KV blocks; 0: enough for max_running sequences of max_tokens */
    int max_tokens;  /* longest prompt + completion */
    size_t kv_bytes; /* with n_blocks 0, as many as fit into this, if it is less; 0: no such bound */
    /* Keep what is in the KV cache from one engine_run to the next, for prompts that begin as others did
     * (turns of a conversation). Then engine_reset must be called when the weights have changed. Within one
     * run prompts share their common beginnings always. */
    bool keep_prompts;
    /* Keep the sets that top_k, top_p and min_p left to draw from (struct completion). */
    bool keep_sets;
    struct speculation draft;
};
struct engine;
/* Takes all the memory it will ever need, but for results. Weights are packed (model_pack) unless they are
 * packed and fresh already; engine_run packs again when they have changed. Memory is for the number of
 * threads that the pool has now. */
struct engine *engine_new(struct model *m, const struct engine_limits *limits, struct err *e);
void engine_free(struct engine *e);
size_t engine_bytes(const struct model *m, const struct engine_limits *limits); /* for the memory plan */
struct engine_use {
    int rows;     /* of one pass, at most */
    int n_blocks; /* of the KV cache, that were ever taken */
};
struct engine_use engine_used(const struct engine *e); /* by all runs so far */
/* Of engine_bytes, what is taken but never touched, so that no page stands behind it, where runs use no more
 * than this. */
size_t engine_untouched(const struct model *m, const struct engine_limits *limits,
                        const struct engine_use *use);
/* Weights changed: forget all cached prompts. */
void engine_reset(struct engine *e);

struct engine_progress {
    long tokens, done_sequences, total_sequences, running;
    long prompt_tokens, prompt_reused; /* positions of prompts worked out, and found in the cache */
    /* A turn is one sequence's share of a pass: one token, and one more for each draft that is accepted. */
    long turns, drafted, accepted;
};
/* "4.36 tokens a pass, 68% of drafts accepted", or "" where nothing was drafted. */
void speculation_note(const struct engine_progress *p, char *note, size_t size);
/* Called after each forward pass; return true to stop early (then engine_run fails with ERR_STOPPED). A
 * completion whose text is there is done: it can be read, and a group of such released. */
typedef bool (*engine_watch)(void *ctx, const struct engine_progress *p);
/* Called on each new token, in a fixed order within a pass; for streaming. NULL: none. */
typedef void (*engine_token)(void *ctx, int request, int index, int id);
struct engine_hooks {
    engine_watch watch;
    engine_token token;
    void *ctx;
    struct activations *aside; /* of this model; NULL: nothing is put aside */
};
/* Run all requests to the end; groups[i] belongs to requests[i]; release each. Requests enter in order: a
 * completion is let in when a place is free and the KV blocks of its worst case can be set aside, so that
 * what runs never has to give way. A request that does not fit (prompt + max_new_tokens > max_tokens) is an
 * error before anything runs. After a failure all groups are empty; logits that hold NaN or infinity are
 * one, naming request, completion and position. */
int engine_run(struct engine *e, const struct request *requests, int n, struct group *groups,
               const struct engine_hooks *hooks, struct err *err);
/* What an engine with these limits, which engine_bytes accepts, would use for these requests if their
 * completions were so many tokens long (one behind the other, request by request): who is let in when, and
 * takes which blocks, without a model and without memory for its work. Drafts are left out. */
struct engine_use engine_rehearse(const struct model *m, const struct engine_limits *limits,
                                  const struct request *requests, int n, const int *lengths);

#endif
