/* data_int.h: what the files of this room share. */
#ifndef DATA_DATA_INT_H
#define DATA_DATA_INT_H

#include "data/data.h"

/* ---- conversation.c: message lists --------------------------------------------------------------------- */

/* True for a non-empty array of objects with a "role" (or, in the legacy shape, a "from"). */
bool conversation_is(const json_t *v);
/* A new list: legacy from/value turned into role/content, the system prompt put in front if there is
 * none. */
json_t *conversation_new(const json_t *messages, const char *system_prompt);
/* The conversation with what else its row gives to the template: "tools" (a list, or one as a JSON string)
 * and "chat_template_kwargs", as in TRL. conversation_done when it has been rendered, after a failure too. */
int conversation_chat(const json_t *row, const json_t *messages, struct chat *out, struct err *e);
void conversation_done(struct chat *chat);
/* Render with the chat template and encode (the template writes its own special tokens); out is empty
 * before. mask (may be NULL): 1 for the tokens that the assistant says, 0 elsewhere; -1 and e when there
 * are none. */
int conversation_encode(const struct tokenizer *tok, const struct chat *chat, struct ids *out,
                        struct ids *mask, struct err *e);

/* ---- pair.c: a prompt and its completion --------------------------------------------------------------- */

/* Both strings, or both message lists; row as for conversation_chat. */
int pair_encode(const json_t *row, const json_t *prompt, const json_t *completion, const struct form_opts *o,
                struct sft_example *out, struct err *e);
/* Text with the end-of-sequence token behind it unless it ends so already or the tokenizer has none. */
void text_with_eos(const struct tokenizer *tok, const json_t *text, struct str *out);
/* Set all n entries of mask to value. */
void mask_fill(struct ids *mask, size_t n, int value);

/* ---- words.c: texts as words --------------------------------------------------------------------------- */

struct word_at {
    uint64_t hash;
    size_t from, to; /* bytes of the text */
};
struct word_list {
    struct word_at *list;
    size_t n, cap;
};
void word_list_read(struct word_list *w, const char *text, size_t n); /* replaces what w held */
void word_list_release(struct word_list *w);
/* Hash of words at..at+n-1 in order. */
uint64_t word_list_run(const struct word_list *w, size_t at, size_t n);
uint64_t word_mix(uint64_t x);

/* ---- gen_common.c: generators -------------------------------------------------------------------------- */

/* A generator draws problems until one falls on the wanted side; attempt k draws at positions from
 * k * GEN_PLACES on. That all attempts miss has a probability below 10^-280. */
#define GEN_ATTEMPTS 10000
#define GEN_PLACES   4096
/* One problem in sixteen is held out, by a hash of its text: the same whatever the seed. */
bool gen_held_out(const char *problem);
/* Uniform in 0..n-1; moves on to the next position. */
uint32_t gen_below(struct rng_at *at, uint32_t n);
/* True with probability p; moves on. */
bool gen_chance(struct rng_at *at, double p);
/* Every key of params must be in `known` (NULL at the end). */
int gen_params_check(const json_t *params, const char *const *known, const char *generator, struct err *e);
struct gen_setting {
    const char *key;
    long fallback, lo, hi;
};
int gen_int(const json_t *params, struct gen_setting s, long *out, struct err *e);
int gen_share(const json_t *params, const char *key, double fallback, double *out, struct err *e);

#endif
