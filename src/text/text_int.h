/* text_int.h: what the files of this room share.
 *
 * Encoding runs through a list of stages, each a row of its file's table: cut added tokens (added.c),
 * normalise (normalizers.c), pre-tokenise (pretokenize.c), look up (subword.c), add bos and eos (post.c).
 * Decoding reads one string of bytes per id, prepared when the tokenizer is loaded (decode.c).
 */
#ifndef TEXT_TEXT_INT_H
#define TEXT_TEXT_INT_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "text/text.h"

#define TEXT_MAX     ((size_t)1 << 30) /* bytes in one text */
#define ID_MAX       (1 << 21)         /* ids are below this: arrays are as long as the largest id */
#define STAGES_MAX   16
#define NO_ID        (-1)
#define ADDED_BYTES  4096              /* longest added token */
#define LEXEME_BYTES ((size_t)1 << 20) /* longest token */
#define AFFIX_BYTES  64                /* of BPE's subword prefix and suffix together */

/* ---- lexicon.c: strings with ids ----------------------------------------------------------------------- */

struct lexeme {
    uint32_t off, len; /* off UINT32_MAX: no string has this id */
};
struct lexicon {
    char *blob; /* each string is followed by a NUL */
    size_t used, cap;
    struct lexeme *at;
    int n, n_cap, count; /* largest id + 1; allocated; present */
    int32_t *slots;      /* open addressing, linear probing: id + 1, or 0 */
    uint32_t n_slots;
};
void lexicon_init(struct lexicon *l);
void lexicon_release(struct lexicon *l);
/* -1 and e when the id is out of range or the string or the id is there already. */
int lexicon_add(struct lexicon *l, int id, const char *p, size_t n, struct err *e);
/* The string may be there: then it is found under this id, which must be the larger. */
int lexicon_add_again(struct lexicon *l, int id, const char *p, size_t n, struct err *e);
int lexicon_find(const struct lexicon *l, const char *p, size_t n); /* NO_ID if absent */
/* NULL if absent. */
const char *lexicon_text(const struct lexicon *l, int id, size_t *n);
uint64_t text_hash(const char *p, size_t n);

/* ---- bytemap.c: GPT-2's printable characters for bytes ------------------------------------------------- */

int bytemap_char(unsigned char byte, char out[4]); /* UTF-8 of the character; returns its length */
/* Bytes of a token written in these characters: their number, or -1 if a character is not one of them.
 * out has room for n bytes. */
long bytemap_bytes(const char *token, size_t n, char *out);
void bytemap_text(const char *p, size_t n, struct str *out); /* each byte as its character */

/* ---- base64.c ------------------------------------------------------------------------------------------ */

/* NULL: not base64. Caller frees. */
unsigned char *base64_decode(const char *text, size_t n, size_t *used);
char *base64_encode(const unsigned char *bytes, size_t n);

/* ---- regex.c: PCRE2 with Oniguruma's meaning ----------------------------------------------------------- */

struct regex;
struct regex_scratch;
struct regex *regex_new(const char *pattern, size_t n, struct err *e);
struct regex *regex_new_literal(const char *text, size_t n, struct err *e);
void regex_free(struct regex *r);
struct regex_scratch *regex_scratch_new(void);
void regex_scratch_free(struct regex_scratch *s);
struct match {
    size_t from, to;
    bool any; /* false before the first */
};
/* The next match in p[0..n) from m->to on (first call: m zeroed); 1, 0 for none, -1 and e when a match limit
 * is passed. Empty matches behave as in Oniguruma's find_iter. */
int regex_next(const struct regex *r, struct regex_scratch *s, const char *p, size_t n, struct match *m,
               struct err *e);

/* ---- scan.c: known expressions as hand-written scanners ------------------------------------------------ */

/* End of the piece that starts at p (p < end); valid UTF-8. */
typedef const char *(*scan_fn)(const char *p, const char *end);
scan_fn scan_find(const char *pattern); /* NULL: not a known one */
extern const char scan_gpt2[], scan_qwen2[], scan_llama3[];

/* ---- protobuf.c ---------------------------------------------------------------------------------------- */

struct pb { /* a message, or what is left of it */
    const unsigned char *p, *end;
};
enum pb_kind { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };
struct pb_field {
    int number, kind;
    uint64_t value;
    struct pb in; /* of PB_BYTES */
};
int pb_next(struct pb *m, struct pb_field *f, struct err *e); /* 1; 0: the end; -1: e */
float pb_float(const struct pb_field *f);

/* ---- bpe.c --------------------------------------------------------------------------------------------- */

struct pair_slot {
    uint64_t pair; /* left id << 32 | right id; UINT64_MAX: empty */
    uint32_t rank;
    int32_t id;
};
struct bpe_merge {
    int32_t left, right, id;
    uint32_t rank;
};
/* Key of tokenizer_config.json, with which tokenizers of characters ask for that: "error". */
#define UNKNOWN_BYTES "unknown_bytes"

struct bpe {
    const struct lexicon *lex; /* the tokenizer's */
    struct lexicon raw;        /* byte-level with ignore_merges: bytes of each token */
    bool byte_level, byte_fallback, fuse_unk, ignore_merges;
    const char *prefix, *suffix; /* of a symbol that is not the first, or is the last, of its piece */
    size_t n_prefix, n_suffix;
    int unk;
    bool strict; /* byte-level: a byte without a token is an error; else it is left out, as in the library */
    int byte_id[256]; /* byte-level: id of the byte's character; otherwise of <0xNN>; NO_ID: none */
    struct bpe_merge *merges;
    int n_merges, merges_cap;
    struct pair_slot *slots;
    uint32_t mask;
};
struct enc;
struct tokenizer;
void bpe_init(struct bpe *b, const struct lexicon *lex);
void bpe_release(struct bpe *b);
int bpe_merge_add(struct bpe *b, int left, int right, int id, uint32_t rank, struct err *e);
int bpe_ready(struct bpe *b, struct err *e); /* after vocabulary, merges and byte_level are set */
int bpe_encode(struct enc *x, const char *p, size_t n);
void byte_tokens(const struct lexicon *lex, int id[256]); /* of <0x00> .. <0xFF>; NO_ID: none */

/* ---- unigram.c ----------------------------------------------------------------------------------------- */

struct uni_node;
struct unigram {
    struct uni_node *node;
    int n_node, node_cap;
    double *score;  /* by id */
    bool *reserved; /* by id: never found in a text */
    int n, unk;
    double unk_score;
    bool byte_fallback;
    bool single; /* sums are float */
    int byte_id[256];
};
void unigram_init(struct unigram *u);
void unigram_release(struct unigram *u);
/* Scores of all tokens of t->lex; reserved may be NULL. */
int unigram_scores(struct tokenizer *t, const double *score, const bool *reserved, struct err *e);

/* ---- subword.c ----------------------------------------------------------------------------------------- */

struct subword_type {
    const char *name;
    int (*load)(struct tokenizer *t, const json_t *model, struct err *e);  /* vocabulary and merges */
    int (*ready)(struct tokenizer *t, const json_t *model, struct err *e); /* options, when all is read */
    /* Ids of one piece onto x->out. Fails on a character without a token (see text.h). */
    int (*encode)(struct enc *x, const char *p, size_t n);
    void (*save)(const struct tokenizer *t, json_t *model);
};
extern const struct subword_type subword_bpe, subword_unigram, subword_wordlevel;
const struct subword_type *subword_find(const json_t *o, struct err *e); /* NULL and e: no such type */
int piece_encode(struct enc *x, const char *p, size_t n);
void ids_append(struct ids *out, const int32_t *p, size_t n);

/* ---- added.c ------------------------------------------------------------------------------------------- */

struct added_token {
    const char *text;
    size_t n;
    int id;
    bool special, lstrip, rstrip, single_word, normalized;
    char *shown; /* what it decodes to; set by tokenizer_finish */
    size_t n_shown;
    bool skipped; /* left out with skip_special */
};
struct trie_node {
    int child, sibling; /* 0: none (node 0 is the root) */
    int token;          /* index of the added token that ends here, or -1 */
    unsigned char byte;
};
struct trie {
    struct trie_node *node;
    int n, cap;
    bool first[256];
};
struct added {
    struct lexicon index; /* text -> place in p */
    struct added_token *p;
    int n, cap;
    struct trie raw, normal; /* matched in the raw and in the normalised text */
};
void added_init(struct added *a);
void added_release(struct added *a);
/* A copy of *t goes in, or replaces the entry with the same text. */
int added_put(struct added *a, const struct added_token *t, struct err *e);
void added_settle(struct added *a); /* when all are in: sets `text` of each */
const struct added_token *added_find(const struct added *a, const char *text, size_t n);
/* Calls `text` for what lies between tokens of the trie and pushes the tokens' ids onto x->out. */
int added_cut(const struct added *a, const struct trie *tr, struct enc *x, const char *p, size_t n,
              int (*text)(struct enc *x, const char *p, size_t n));
void trie_put(struct trie *tr, const char *text, size_t n, int token);

/* White space around: where it starts that ends at p, and where it ends that starts at p. */
const char *spaces_before(const char *start, const char *p);
const char *spaces_after(const char *p, const char *end);

/* ---- normalizers.c, forms.c, charsmap.c ---------------------------------------------------------------- */

struct charsmap;
struct charsmap *charsmap_new(const char *base64, size_t n, struct err *e);
void charsmap_free(struct charsmap *m);
/* SentencePiece's own way (longest), or Hugging Face's. */
void charsmap_run(const struct charsmap *m, bool longest, const char *p, size_t n, struct str *out);
enum norm_form { FORM_C, FORM_D, FORM_KC, FORM_KD };
bool form_run(enum norm_form form, const char *p, size_t n,
              struct str *out); /* false: as it was, nothing written */

struct norm_type;
struct norm_stage {
    const struct norm_type *type;
    char *content; /* what to prepend, or to put for a match */
    size_t n;
    struct regex *re;
    struct charsmap *map;
    bool left, right; /* Strip: which ends; Precompiled: left means the longest key */
};
struct norm_type {
    const char *name;
    int (*load)(struct norm_stage *s, const json_t *o, struct err *e); /* may be NULL */
    /* 1: the result is in out (empty before); 0: nothing changes; -1: e. */
    int (*run)(const struct norm_stage *s, struct enc *x, const char *p, size_t n, struct str *out);
};
int normalizers_load(struct tokenizer *t, const json_t *o, struct err *e);
void norm_stage_release(struct norm_stage *s);
/* Result in *q, *m: the input itself or one of x's buffers. */
int normalize(struct enc *x, const char *p, size_t n, const char **q, size_t *m);

/* ---- pretokenize.c ------------------------------------------------------------------------------------- */

enum split_behavior { SPLIT_REMOVED, SPLIT_ISOLATED, SPLIT_PREVIOUS, SPLIT_NEXT, SPLIT_CONTIGUOUS };
enum prepend { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER };
struct pre_type;
struct pre_stage {
    const struct pre_type *type;
    struct regex *re;
    scan_fn scan;
    enum split_behavior behavior;
    bool invert;
    bool (*is)(const struct pre_stage *s, uint32_t cp); /* pre_class.c */
    uint32_t delimiter;
    long length;
    bool prefix_space, map; /* ByteLevel */
    enum prepend prepend;   /* Metaspace */
    char mark[4];
    size_t n_mark;
    bool cut;
};
struct pre_type {
    const char *name;
    int (*load)(struct pre_stage *s, const json_t *o, struct err *e); /* may be NULL */
    /* Calls pre_run with stage + 1 for each piece. */
    int (*run)(struct enc *x, int stage, const char *p, size_t n);
};
int pretokenizers_load(struct tokenizer *t, const json_t *o, struct err *e);
/* The last stage is ByteLevel, and from now on leaves bytes to the model; false: it is not. */
bool pretokenizers_give_bytes(struct tokenizer *t);
void pre_stage_release(struct pre_stage *s);
int pre_run(struct enc *x, int stage, const char *p, size_t n);

/* Ranges, matching or not, come in order and cover the text; what is held waits for a neighbour to join. */
struct splitter {
    struct enc *x;
    int next;
    enum split_behavior behavior;
    const char *held;
    size_t n_held;
    bool held_match, any;
};
int split_range(struct splitter *s, const char *p, size_t n, bool match);
int split_flush(struct splitter *s);

/* Rows of the table. */
int scan_run(struct enc *x, int stage, const char *p, size_t n);
int behavior_load(struct pre_stage *s, const json_t *o, const char *fallback, struct err *e);
int class_run(struct enc *x, int stage, const char *p, size_t n);
int digits_load(struct pre_stage *s, const json_t *o, struct err *e);
int punctuation_load(struct pre_stage *s, const json_t *o, struct err *e);
int whitespace_split_load(struct pre_stage *s, const json_t *o, struct err *e);
int char_delimiter_load(struct pre_stage *s, const json_t *o, struct err *e);
int whitespace_run(struct enc *x, int stage, const char *p, size_t n);
int fixed_length_load(struct pre_stage *s, const json_t *o, struct err *e);
int fixed_length_run(struct enc *x, int stage, const char *p, size_t n);
int pre_bytes_load(struct pre_stage *s, const json_t *o, struct err *e);
int pre_bytes_run(struct enc *x, int stage, const char *p, size_t n);
int pre_marks_load(struct pre_stage *s, const json_t *o, struct err *e);
int pre_marks_run(struct enc *x, int stage, const char *p, size_t n);

/* ---- post.c -------------------------------------------------------------------------------------------- */

int post_load(struct tokenizer *t, const json_t *o, struct err *e);

/* ---- decode.c, decode_steps.c -------------------------------------------------------------------------- */

enum step_kind {
    STEP_ONE,   /* maps each string by itself */
    STEP_FIRST, /* and asks whether it is the first */
    STEP_LAST,  /* or the last */
    STEP_BYTES,
    STEP_BYTE_LEVEL,
    STEP_FUSE
};
struct decode_type;
struct decode_step {
    const struct decode_type *type;
    struct regex *re;
    char *text; /* what to look for, or to put */
    long start, stop;
    enum prepend prepend;
};
struct decode_one { /* a string */
    const char *p;
    size_t n;
    bool edge; /* it is the first, or the last, as the kind of step asks */
    struct regex_scratch *scratch;
};
struct decode_type {
    const char *name;
    enum step_kind kind;
    int (*load)(struct decode_step *s, const json_t *o, struct err *e); /* may be NULL */
    /* 1: the result is in out (empty before); 0: nothing changes; -1: e. */
    int (*one)(const struct decode_step *s, const struct decode_one *in, struct str *out, struct err *e);
};
struct decoder {
    struct decode_step step[STAGES_MAX];
    int n_steps;
    struct lexeme *at;   /* bytes of each id */
    struct lexeme *head; /* of an id that comes first, or NULL: the same */
    char *blob;
    size_t used, cap;
    bool *byte; /* <0xNN> tokens of a byte fallback, or NULL */
    int n;
    bool stepwise;   /* steps have not been applied to the bytes */
    bool join_space; /* no decoder: tokens stand apart */
    int strip_left;  /* so many strip_char at most are taken off the front */
    char strip_char;
};
int decoder_load(struct tokenizer *t, const json_t *o, struct err *e);
void decoder_release(struct decoder *d);
void utf8_add(struct str *out, const char *p, size_t n); /* with U+FFFD for what is not UTF-8 */

struct decode_list { /* strings side by side */
    struct str text;
    size_t *end, n, cap;
};
void decode_list_init(struct decode_list *l);
void decode_list_release(struct decode_list *l);
void decode_list_add(struct decode_list *l, const char *p, size_t n);
int decode_step_load(struct tokenizer *t, const json_t *o, struct err *e);
void decode_step_release(struct decode_step *s);
bool decode_step_strips_front(const struct decode_step *s); /* one ASCII character off the front, no more */
void decode_steps(const struct decoder *d, struct decode_list *list, struct str *out); /* list is used up */
int byte_token(const char *p, size_t n); /* NN of <0xNN>, or -1 */

/* ---- tokenizer.c --------------------------------------------------------------------------------------- */

struct tokenizer {
    struct lexicon lex; /* the model's vocabulary, as written in tokenizer.json */
    struct added added;
    int *added_of; /* id -> index in added, or -1 */
    int size;
    struct norm_stage norm[STAGES_MAX];
    struct pre_stage pre[STAGES_MAX];
    int n_norm, n_pre;
    const struct subword_type *subword;
    struct bpe bpe;
    struct unigram unigram;
    int word_unk;
    struct ids prefix, suffix; /* what the template puts around a text */
    struct decoder dec;
    int bos, eos, pad;
    bool from_json;            /* tokenizer.json was read */
    bool nul_hidden;           /* while it is: see there */
    json_t *parts;             /* tokenizer.json without added tokens, vocabulary and merges, for saving */
    json_t *config;            /* tokenizer_config.json, or an empty object */
    char *chat;                /* the template's source, or NULL */
    struct template *template; /* or NULL: template_error says why */
    char *template_error;
    pthread_mutex_t lock; /* guards idle */
    struct enc *idle;     /* encoders not in use */
};

/* One running encode: where ids go, and scratch that the next encode uses again. */
struct piece_entry;
struct uni_cell;
struct enc {
    const struct tokenizer *t;
    struct ids *out;
    struct err *e;
    struct str clean, norm[2], room[STAGES_MAX][2]; /* room: pre_rewrite.c; p is NULL before the first use */
    const char *text;                               /* where the text starts */
    size_t head; /* what normalisers have made of a text's first character, in bytes from its start */
    const char *first, *first_end; /* the same, wherever a piece has been moved to */
    struct regex_scratch *regex;
    struct piece_entry *cache;
    int32_t *work; /* bpe.c */
    size_t work_cap;
    struct uni_cell *cells; /* unigram.c */
    size_t cells_cap;
    struct enc *next;
};

/* An empty tokenizer. A reader fills lex, bpe's merges and added, and sets parts; then tokenizer_finish
 * builds the stages from parts and everything that is looked up. On failure the caller frees t. */
struct tokenizer *tokenizer_blank(void);
int tokenizer_finish(struct tokenizer *t, struct err *e);
int tokenizer_find(const struct tokenizer *t, const char *p, size_t n); /* added or in the vocabulary */
/* Adds the token under the id its text has in the vocabulary, or as a new one; or changes its flags. */
int tokenizer_add(struct tokenizer *t, const struct added_token *a, struct err *e);
int tokenizer_add_special(struct tokenizer *t, const char *text, size_t n, struct err *e);
/* "a b" or two texts: both, and their joining, must be in the vocabulary. */
int tokenizer_merge(struct tokenizer *t, const char *left, size_t n, const char *right, size_t m,
                    struct err *e);
int tokenizer_merge_line(struct tokenizer *t, const char *line, size_t n, struct err *e);
int added_from_json(struct tokenizer *t, const json_t *o, struct err *e); /* content and flags */
/* The post-processor that puts bos in front and eos behind (texts; NULL: none). New reference. */
json_t *template_part(const struct tokenizer *t, const char *bos, const char *eos);

/* ---- readers ------------------------------------------------------------------------------------------- */

int read_tokenizer_json(struct tokenizer *t, const char *path, struct err *e);
int vocab_from_json(struct tokenizer *t, const json_t *vocab, struct err *e); /* {token: id} */
int vocab_add_json(struct tokenizer *t, int id, const json_t *token, struct err *e);
json_t *vocab_json(const struct tokenizer *t);
json_t *token_json(const struct tokenizer *t, int id);
/* The token with NUL in the place of stand-ins, in a block that the caller frees; NULL: it has none. */
char *nul_back(const struct tokenizer *t, const char *p, size_t *n);
/* tokenizer_config.json and its companions in dir; before tokenizer_finish. */
int config_read(struct tokenizer *t, const char *dir, struct err *e);
int config_apply(struct tokenizer *t, struct err *e);
/* {"bos_token": text, ...}: what chat templates call them. New reference. */
json_t *config_special_tokens(const struct tokenizer *t);
/* The bytes of a SentencePiece model or a tiktoken file; before config_apply. */
int spm_read(struct tokenizer *t, const char *bytes, size_t n, struct err *e);
int tiktoken_read(struct tokenizer *t, const char *bytes, size_t n, struct err *e);
/* Of tokenizer_vocab.c: all tokens of v; and with merges from scores and the parts of SentencePiece's BPE. */
enum vocab_type {
    VOCAB_NORMAL = 1,
    VOCAB_UNKNOWN,
    VOCAB_CONTROL,
    VOCAB_USER_DEFINED,
    VOCAB_UNUSED,
    VOCAB_BYTE
};
int vocab_tokens(struct tokenizer *t, const struct vocab *v, struct err *e);
int vocab_spm(struct tokenizer *t, const struct vocab *v, struct err *e);
/* tokenizer.json without vocabulary, merges and added tokens, by the GGUF name of the pre-tokenizer
 * ("gpt-2", "qwen2", "llama-bpe", "smollm", ...), SPM or SPM_BARE. New reference; NULL and e if unknown. */
json_t *preset_parts(const char *name, struct err *e);
/* The name whose normalizer and pre-tokenizer these parts have, or NULL. */
const char *preset_name(const json_t *parts);

/* An element whose type no row has: says so, with the names that rows have. rows: first member is the name.
 * */
int element_unknown(struct err *e, const char *where, const json_t *o, const void *rows, size_t stride);
const char *element_type(const json_t *o); /* "" if it has none */
typedef int (*element_load)(struct tokenizer *t, const json_t *o, struct err *e);
/* o itself, or the members of a Sequence, whose list is called `list`, and of Sequences in it. */
int element_sequence(struct tokenizer *t, const json_t *o, const char *list, element_load load,
                     struct err *e);
int element_char(const json_t *o, const char *key, uint32_t *cp,
                 struct err *e); /* a string of one character */
int prepend_scheme(const json_t *o, enum prepend *out, struct err *e);
/* The "pattern" of an element: {"Regex": text} or {"String": text}. */
struct regex *element_pattern(const json_t *o, const char *where, struct err *e);

#endif
