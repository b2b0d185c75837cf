/* sft_int.h: the data of supervised fine-tuning (sft_data.c), for sft.c and its tests. */
#ifndef TRAIN_SFT_INT_H
#define TRAIN_SFT_INT_H

#include "train/train_int.h"

struct example {        /* a row, or a piece of one */
    size_t at;          /* first token in examples.ids */
    int n;              /* tokens */
    int bin;            /* packing wrapped: the row of max_length tokens that it lies in */
    int n_rows, n_loss; /* rows of the model it needs; tokens with loss */
    long row;           /* of the dataset */
};
struct examples {
    int *ids;            /* [n_ids] all examples */
    unsigned char *mask; /* [n_ids] 1: has loss */
    size_t n_ids, cap, n_loss;
    struct example *list; /* [n] */
    int n, longest;
    size_t cap_list, wrapped; /* wrapped: tokens of all pieces so far */
    long n_seen, n_truncated, n_split, n_dropped;
    long n_ending;     /* train a stop token at the end */
    int n_bins;        /* rows as batches count them */
    int *first, *docs; /* bin b holds examples docs[first[b] .. first[b+1]-1] */
    double noise;      /* on embeddings: times sqrt(tokens of the example); 0: none */
};
/* How rows are put together: one each; or several in each of at most max_length tokens, where a row that is
 * longer is cut off, cut in pieces, or all rows are laid end to end and cut. No strategy lets documents, or
 * pieces of one, see each other; a piece begins at position 0. */
enum packing { PACK_NONE, PACK_BFD, PACK_BFD_SPLIT, PACK_WRAPPED };
struct example_opts {
    struct form_opts form;
    const struct row_place *places; /* of the rows, for messages */
    int max_length;                 /* 0: no limit */
    enum packing packing;
    bool keep_end, shuffle;
    bool prepared; /* dataset_kwargs.skip_prepare_dataset: rows are tokens, and taken as they are */
    uint64_t seed;
    int eos; /* eos_token's id, put where forms add the tokenizer's own; -1: none */
    const int *stops;
    int n_stops;
};
int examples_read(struct examples *x, json_t *rows, const struct example_opts *o, struct err *e);
void examples_release(struct examples *x);
/* The dataset row of prediction `head` among those of bins order[from..to-1] (order NULL: from..to-1). */
long examples_row(const struct examples *x, int from, int to, const uint32_t *order, int head);
int examples_bin_rows(const struct examples *x, int bin);
/* Append a bin's examples, with noise on them if b has it. */
void examples_add(const struct examples *x, int bin, struct micro *b);

#endif
