/* sft_int.h: the data of supervised fine-tuning (sft_data.c), for sft.c and its tests. */
#ifndef TRAIN_SFT_INT_H
#define TRAIN_SFT_INT_H

#include "train/train_int.h"

struct example {
    size_t at;          /* first token in examples.ids */
    int n;              /* tokens */
    int n_rows, n_loss; /* rows of the model it needs; tokens with loss */
    long row;           /* of the dataset */
};
struct examples {
    int *ids;            /* [n_ids] all examples */
    unsigned char *mask; /* [n_ids] 1: has loss */
    size_t n_ids, cap, n_loss;
    struct example *list; /* [n] */
    int n, longest;
    long n_seen, n_truncated, n_dropped, n_ending; /* n_ending: train a stop token at the end */
    int n_bins;                                    /* rows as batches count them */
    int *first, *docs;                             /* bin b holds examples docs[first[b] .. first[b+1]-1] */
    double noise; /* on embeddings: times sqrt(tokens of the example); 0: none */
};
struct example_opts {
    struct form_opts form;
    int max_length; /* 0: no limit */
    bool keep_end, packing, shuffle;
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
