/* data.h: datasets: rows in, examples out; packing; generators of checked problems.
 */
#ifndef DATA_DATA_H
#define DATA_DATA_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"
#include "base/str.h"
#include "text/text.h"

/* ---- rows -------------------------------------------------------------------------------------------- */

/* All rows of a dataset: a JSONL file, a JSON list of objects, a Parquet file, or a folder of one kind (all
 * files, or those of the named split when there are such), or the name of a hub's dataset that was pulled
 * (net/hub.h). Rows are objects. */
struct row_place { /* where a row came from */
    const char *file;
    long line; /* of a JSONL file, from 1; -k - 1: entry k of a JSON list or a Parquet file */
};
struct dataset {
    json_t *rows;             /* array, owned */
    struct row_place *places; /* of each row */
    char *path, **files;      /* what places point to */
    size_t n_files;
};
/* Put FILE:LINE in front of e's message. Returns -1. */
int row_wrap(const struct row_place *p, struct err *e);
int dataset_open(struct dataset *d, const char *path, const char *split, struct err *e);
/* Does the folder hold files of this split by their name? */
bool dataset_has_split(const char *path, const char *split);
void dataset_release(struct dataset *d);

/* The rows of a Parquet file, objects, behind those of `rows`; parquet_rows.c says what becomes what. */
int parquet_rows(const char *path, json_t *rows, struct err *e);

/* ---- rows of one or several datasets (mix.c) --------------------------------------------------------- */

struct row_list {
    json_t *rows;             /* array of objects, owned */
    struct row_place *places; /* of each; row_wrap puts it in front of an error */
};
void row_list_release(struct row_list *l);
struct row_list row_list_slice(const struct row_list *l, size_t from, size_t to);
enum { PARTS_MAX = 32 };
struct rows {
    json_t *rows; /* as in row_list */
    struct row_place *places;
    json_t *held_out; /* likewise; or NULL */
    struct row_place *held_places;
    char *paths[PARTS_MAX + 1];
    struct dataset sets[PARTS_MAX + 1]; /* own the names that places point to */
    int n_paths;
};
void rows_release(struct rows *r);
struct dataset_name {
    const char *id, *config, *split; /* config, a folder of it, and split: or NULL */
};
/* Where it lies; caller frees. NULL and e. */
char *dataset_path(const struct dataset_name *d, struct err *e);
/* All rows of a dataset, which becomes one of r's sets. */
int rows_load(struct rows *r, const struct dataset_name *from, struct row_list *out, struct err *e);
/* {datasets: [{id, config, split, columns, weight}], seed, test_split_size}: r's rows, and held_out if there
 * is a test_split_size. */
int rows_mix(struct rows *r, const json_t *mixture, struct err *e);
/* TRL's [{path, name, data_dir, data_files, split, columns, fraction}], and its test_split_size or NULL: the
 * same. */
int rows_join(struct rows *r, const json_t *list, const json_t *held, struct err *e);

/* ---- forms (one file, one row each: form_text.c, form_messages.c, ...) -----------------------
 */

/* What SFT trains on: ids with a mask (1: the token has loss). Caller releases both. */
struct sft_example {
    struct ids ids;
    struct ids mask;
};
struct form_opts {
    const struct tokenizer *tok;
    const char *text_field; /* "text" */
    int completion_only;    /* -1: as the form's default; 0, 1 */
    bool assistant_only;
    const char *system_prompt; /* or NULL; put in front when a conversation has no system message */
    const char *prompt_column; /* or NULL */
    const int64_t *now;        /* as in struct chat */
};
struct data_form {
    const char *name, *help;
    bool (*fits)(const json_t *row, const struct form_opts *o);
    int (*encode)(const json_t *row, const struct form_opts *o, struct sft_example *out, struct err *e);
    const char *sample; /* a row, as JSON text, for docs and tests */
};
const struct data_form *const *data_form_all(void);
/* The form of a row, or NULL and e that lists the forms and the row's columns. */
const struct data_form *data_form_of(const json_t *row, const struct form_opts *o, struct err *e);

/* The prompt of a row for generation, as ids: "prompt" (string or messages), or prompt_column, or
 * "messages", or GSM8K's "question". Strings go in as they are unless the tokenizer has a chat template
 * and `apply_chat` is set; then they are one user message. Special tokens as the tokenizer adds them. */
struct prompt_opts {
    const struct tokenizer *tok;
    const char *prompt_column;
    const char *system_prompt; /* or NULL; makes a string one user message, as apply_chat does */
    bool apply_chat;           /* conversations always use the template */
    const int64_t *now;        /* as in struct chat */
};
/* The same prompt as TRL hands it to reward functions: a string or a message list. New reference, NULL and
 * e. */
json_t *prompt_json(const json_t *row, const struct prompt_opts *o, struct err *e);
int prompt_encode(const json_t *row, const struct prompt_opts *o, struct ids *out, struct err *e);

/* ---- packing ----------------------------------------------------------------------------------------- */

/* Best-fit decreasing, as TRL's "bfd": bins[i] = bin of example i for lengths[i] <= max_length; -1 for
 * empty ones. Ties go to the earlier example and the older bin. Returns the number of bins. */
int pack_bfd(const int *lengths, int n, int max_length, int *bins);

/* ---- what a row says (row_text.c) --------------------------------------------------------------------- */

/* The column's text, messages joined by newlines, into out (cleared first); column NULL: the first of the
 * usual ones that is there. 1, and out stays empty: null, or there is no such column; -1: something else. */
int row_text(const json_t *row, const char *column, struct str *out, struct err *e);
/* The same for the rows of a dataset one after the other: a row without text is counted, one of another type
 * is an error that names its place. */
struct row_texts {
    const char *column;
    long rows, without;
    struct row_place first; /* of those without */
};
int row_texts_next(struct row_texts *t, const json_t *row, const struct row_place *place, struct str *out,
                   struct err *e);
/* Behind the last one: an error when none had text; says how many had none, and what `becomes` of them. */
int row_texts_end(const struct row_texts *t, const char *becomes, struct err *e);

/* ---- copies: of a benchmark (contaminate.c), of an earlier text (dedup.c) ------------------------------ */

/* Runs of n words of a benchmark's texts, without regard to case and white space. */
struct run_set;
struct run_set *run_set_new(int n_words);
void run_set_free(struct run_set *s);
void run_set_add(struct run_set *s, const char *text, size_t n);
/* Does the text share a run with them? shared (or NULL) receives the first, as the text has it. Not from two
 * threads at once. */
bool run_set_meets(struct run_set *s, const char *text, size_t n, struct str *shared);

struct dedup_opts {
    int shingle;      /* words of the runs whose sets are compared */
    double threshold; /* least Jaccard similarity of copies; 1: the same words only */
};
/* of[i]: the earlier text that text i repeats, -1: none. */
void dedup(const char *const *texts, size_t n, const struct dedup_opts *o, long *of);

/* ---- generators (one file, one row each: gen_chain.c, gen_countdown.c, gen_arithmetic.c) -------------
 */

/* A generator makes problem `index` of a split as a row {"prompt","completion"?,"solution",...}; the same
 * (seed, split, index, params) give the same row. Train and held-out splits must not meet: the generator
 * decides by a hash of the problem, not by luck. */
struct datagen {
    const char *name, *help;
    /* params: {"key": value} with the generator's own settings; NULL: defaults. New reference. */
    json_t *(*make)(const struct rng_at *at, bool held_out, const json_t *params, struct err *e);
    const char *params_help;
};
const struct datagen *const *datagen_all(void);
const struct datagen *datagen_find(const char *name, struct err *e);

#endif
