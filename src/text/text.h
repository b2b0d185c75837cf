/* text.h: tokenizers and chat templates.
 *
 * A tokenizer is a pipeline read from tokenizer.json (or built from another form): added tokens are cut out,
 * the text is normalised (Unicode forms, replacements), pre-tokenised (regular expressions by PCRE2), each
 * piece is merged (BPE) or cut into the likeliest tokens (Unigram), and the template adds special tokens.
 * Equal to Hugging Face `tokenizers`, id for id. Input bytes may be anything: invalid UTF-8 is replaced by
 * U+FFFD first, as Python would with errors="replace".
 */
#ifndef TEXT_TEXT_H
#define TEXT_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct tokenizer;

struct ids {
    int *p;
    size_t n, cap;
};
void ids_release(struct ids *v);
void ids_push(struct ids *v, int id);

/* dir holds tokenizer.json, or vocab.json with merges.txt (GPT-2, Qwen2: see tokenizer_load.c), or
 * tokenizer.model (of SentencePiece or tiktoken: spm_model.c, tiktoken.c), and perhaps
 * tokenizer_config.json, special_tokens_map.json, chat_template.jinja. An element of tokenizer.json that is
 * not supported is an error that names it. */
struct tokenizer *tokenizer_load(const char *dir, struct err *e);
bool tokenizer_present(const char *dir); /* is one of these files there? */
/* From the bytes of a SentencePiece model or a tiktoken file alone. */
struct tokenizer *tokenizer_from_model(const char *bytes, size_t n, struct err *e);
/* From the bytes of a tokenizer.json alone: no bos, eos, pad or chat template. */
struct tokenizer *tokenizer_from_json(const char *bytes, size_t n, struct err *e);
/* From a vocabulary in memory (GGUF, llama2.c): see the fields. */
#define SPM      "spm"
#define SPM_BARE "spm-bare"
struct vocab {
    const char *model; /* "gpt2" byte-level BPE, or "spm" with scores */
    /* GGUF's tokenizer.ggml.pre: "smollm", "qwen2", "llama-bpe", "gpt-2", "default"; of spm SPM_BARE if no
     * space is put in front */
    const char *pre;
    int n;
    const char *const *tokens;
    const size_t *lengths; /* NULL: NUL-terminated */
    const float *scores;   /* spm only */
    const int *types;      /* GGUF token_type, or NULL */
    int n_merges;
    const char *const *merges; /* "a b" */
    int bos, eos, pad, unk;    /* -1: none */
    bool add_bos, add_eos;
    const char *chat_template; /* or NULL */
};
struct tokenizer *tokenizer_from_vocab(const struct vocab *v, struct err *e);
/* The other way. Texts are borrowed from t, a NULL among the tokens is an id that has none; pre is the first
 * of a family's names. Release v also after a failure: a tokenizer that cannot be said so. */
int tokenizer_to_vocab(const struct tokenizer *t, struct vocab *v, struct err *e);
void vocab_release(struct vocab *v);
/* One token a character of `alphabet` (UTF-8), plus specials; ids in order, specials first, and last the
 * pieces of characters that have several bytes. Of the specials, names like <|end|>, and <unk>, <pad>, <s>,
 * </s>, <bos>, <eos>, are special (skipped in decoding, found as bos, eos and pad by their names); others,
 * such as <think>, are added tokens that decode to their text. Where none is named so, pad is eos. Bytes of
 * other characters are <unk> if that is among the specials; else encoding them is an error. */
struct tokenizer *tokenizer_chars(const char *alphabet, const char *const *specials, int n_specials,
                                  struct err *e);
void tokenizer_free(struct tokenizer *t);
/* tokenizer.json, tokenizer_config.json, special_tokens_map.json, such that Hugging Face's library loads
 * them and gives the same ids. */
int tokenizer_save(const struct tokenizer *t, const char *dir, struct err *e);

int tokenizer_size(const struct tokenizer *t);                  /* largest id + 1 */
int tokenizer_id(const struct tokenizer *t, const char *token); /* -1 if absent */
const char *tokenizer_token(const struct tokenizer *t, int id); /* as in tokenizer.json; NULL if absent */
bool tokenizer_is_special(const struct tokenizer *t, int id);
int tokenizer_bos(const struct tokenizer *t); /* -1: none */
int tokenizer_eos(const struct tokenizer *t);
int tokenizer_pad(const struct tokenizer *t);

enum tok_flag {
    TOK_SPECIAL = 1 /* add bos/eos as the template says */,
    TOK_PLAIN = 2 /* added tokens are text */
};
/* Appends to out. Thread-safe on one tokenizer. Fails when the text has more than 2^30 bytes or a piece
 * that the pre-tokenizer does not cut more than 2^26, when a character has no token in a vocabulary of
 * characters that has no "<unk>" either, and when a regular expression of the tokenizer passes its match
 * limit. */
int tokenizer_encode(const struct tokenizer *t, const char *text, size_t n, int flags, struct ids *out,
                     struct err *e);
/* Appends the text of ids; unknown ids are skipped. skip_special leaves special tokens out. */
void tokenizer_decode(const struct tokenizer *t, const int *ids, size_t n, bool skip_special,
                      struct str *out);
/* Incremental: bytes held back until they form whole UTF-8 characters. Start with all zero. The pieces
 * together are the text of tokenizer_decode, but that a run of <0xNN> tokens that is not UTF-8 as a whole
 * still gives the characters that are in it. Decoders that look at the joined text (a Replace after Fuse,
 * say) give all of it at the end. */
struct tok_stream {
    char held[8];
    int n_held;
    int n_stripped;
    bool any, started;
    struct ids late; /* ids for the end, of tokenizer `of` */
    const struct tokenizer *of;
};
void tok_stream_push(struct tok_stream *s, const struct tokenizer *t, int id, bool skip_special,
                     struct str *out);
/* Incomplete bytes come out as U+FFFD. out NULL: what is held is dropped. */
void tok_stream_end(struct tok_stream *s, struct str *out);

/* Chat templates: Jinja, rendered byte for byte as transformers' apply_chat_template does. */

/* The Jinja source, or NULL. */
const char *tokenizer_template(const struct tokenizer *t);
/* Parsed once; one that is not Jinja is an error at rendering, so that the model can be used without it. */
void tokenizer_set_template(struct tokenizer *t, const char *jinja);

/* What a template is given. Null members of a message are left out, and a message with
 * "reasoning_content", "thinking" or "reasoning" has them all, as in transformers. */
struct chat {
    const json_t *messages;  /* a list of at least one {"role","content",...} */
    const json_t *tools;     /* a list of function schemas, or NULL */
    const json_t *variables; /* an object: everything else, "documents" too; or NULL */
    bool add_generation_prompt;
    const int64_t *now; /* seconds since 1970 for strftime_now, as UTC; NULL: SOURCE_DATE_EPOCH, or now */
};
/* Bytes of the text that stand within {% generation %} ... {% endgeneration %}: what the assistant said. */
struct text_span {
    size_t from, to;
};
struct spans {
    struct text_span *p;
    size_t n, cap;
};
void spans_release(struct spans *s);
void spans_push(struct spans *s, struct text_span span);

struct template;
/* NULL and e: not UTF-8, not Jinja, or larger than what jinja.h allows. */
struct template *template_parse(const char *jinja, size_t n, struct err *e);
void template_free(struct template *t);
/* Appends to out, and to spans (may be NULL). Fails with Python's message where Python raises: exactly
 * that of raise_exception, else with the line in front; and when a limit on steps, depth, memory or text
 * is passed. out is then as before. Thread-safe on one template. */
int template_render(const struct template *t, const struct chat *c, struct str *out, struct spans *spans,
                    struct err *e);
/* The same with the tokenizer's template and its special tokens (bos_token, ...) as variables. */
int chat_render(const struct tokenizer *t, const struct chat *c, struct str *out, struct spans *spans,
                struct err *e);

#endif
