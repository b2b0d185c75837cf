/* sft_data.c: dataset rows become examples (ids with a loss mask), cut to max_length, and put into bins when
 * packing.
 *
 * Order as in TRL: encode, truncate, drop what has no trained token left, pack. What was cut and what was
 * dropped is counted and said; data in which nothing is trained is an error, not a silent loss of 0. Masks go
 * by position: an end-of-sequence token has loss even where the padding token has the same id. The first
 * token of a document, or of a piece of one, is never predicted.
 */
#include "train/sft_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fmath.h"

void examples_release(struct examples *x)
{
    free(x->ids);
    free(x->mask);
    free(x->list);
    free(x->first);
    free(x->docs);
    *x = (struct examples){0};
}

/* For one example more, of so many tokens. */
static void make_room(struct examples *x, size_t more)
{
    if ((size_t)x->n == x->cap_list) {
        CHECK(x->n < 1 << 30, "%d examples", x->n);
        x->cap_list = x->cap_list * 2 + 256;
        x->list = alloc_again(x->list, x->cap_list * sizeof *x->list);
    }
    if (x->n_ids + more <= x->cap) return;
    x->cap = x->cap * 2 + more + 4096;
    x->ids = alloc_again(x->ids, x->cap * sizeof *x->ids);
    x->mask = alloc_again(x->mask, x->cap * sizeof *x->mask);
}

/* The rows of the model that an example needs: up to the one that predicts its last trained token. */
static void measure(const struct examples *x, struct example *ex)
{
    const unsigned char *mask = x->mask + ex->at;
    ex->n_rows = ex->n_loss = 0;
    for (int p = 1; p < ex->n; p++)
        if (mask[p]) {
            ex->n_rows = p;
            ex->n_loss++;
        }
}

/* Does a token with loss end a sequence? ChatML ends a turn with the stop token and a newline, so the last
 * token alone would not tell. */
static bool trains_a_stop(const struct examples *x, const struct example *ex, const struct example_opts *o)
{
    for (size_t t = ex->at + 1; t < ex->at + (size_t)ex->n; t++)
        for (int i = 0; x->mask[t] && i < o->n_stops; i++)
            if (x->ids[t] == o->stops[i]) return true;
    return false;
}

/* Tokens from..from+n-1 of a row as an example; false if none of them has loss. */
static bool add_piece(struct examples *x, const struct sft_example *s, size_t from, size_t n, long row)
{
    make_room(x, n);
    struct example ex = {.at = x->n_ids, .n = (int)n, .row = row};
    for (size_t i = 0; i < n; i++) {
        x->ids[x->n_ids + i] = s->ids.p[from + i];
        x->mask[x->n_ids + i] = s->mask.p[from + i] != 0;
    }
    measure(x, &ex);
    if (ex.n_loss == 0) return false;
    x->n_ids += n;
    x->list[x->n++] = ex;
    x->n_loss += (size_t)ex.n_loss;
    if (ex.n > x->longest) x->longest = ex.n;
    return true;
}

/* The row in pieces of at most max_length; wrapped: cut where the row that is being filled is full. */
static bool add_pieces(struct examples *x, const struct sft_example *s, const struct example_opts *o,
                       long row)
{
    size_t n = s->ids.n, most = (size_t)o->max_length;
    bool wrapped = o->packing == PACK_WRAPPED, any = false;
    for (size_t from = 0, take; from < n; from += take) {
        size_t room = wrapped ? most - x->wrapped % most : most;
        take = n - from < room ? n - from : room;
        if (add_piece(x, s, from, take, row)) {
            any = true;
            x->list[x->n - 1].bin = (int)(x->wrapped / most);
        }
        x->wrapped += take;
        if (take < n - from) x->n_split += from == 0;
    }
    return any;
}

static void add_example(struct examples *x, const struct sft_example *s, const struct example_opts *o,
                        long row)
{
    size_t n = s->ids.n, skip = 0;
    int before = x->n;
    bool split = o->packing == PACK_BFD_SPLIT || o->packing == PACK_WRAPPED;
    x->n_seen++;
    if (!split && o->max_length > 0 && !o->prepared && n > (size_t)o->max_length) {
        if (o->keep_end) skip = n - (size_t)o->max_length;
        n = (size_t)o->max_length;
        x->n_truncated++;
    }
    if (!(split ? add_pieces(x, s, o, row) : add_piece(x, s, skip, n, row))) {
        x->n_dropped++;
        return;
    }
    bool ends = false;
    for (int i = before; i < x->n; i++) ends = ends || trains_a_stop(x, &x->list[i], o);
    x->n_ending += ends;
}

static int encode_row(struct examples *x, const json_t *row, long index, const struct example_opts *o,
                      struct err *e)
{
    struct sft_example s = {0};
    const struct data_form *form = data_form_of(row, &o->form, e);
    if (form && o->prepared && strcmp(form->name, "tokens") != 0) {
        err_usage(
            e,
            "dataset_kwargs has skip_prepare_dataset, so rows must be tokens (a column input_ids); this "
            "one is of the form %s",
            form->name);
        form = NULL;
    }
    int failed = form ? form->encode(row, &o->form, &s, e) : -1;
    if (!failed && s.ids.n != s.mask.n)
        failed = err_set(e, "%zu tokens but a mask of %zu", s.ids.n, s.mask.n);
    if (!failed && s.ids.n >= (size_t)1 << 30) failed = err_set(e, "%zu tokens in one row", s.ids.n);
    if (!failed) {
        bool plain = strcmp(form->name, "text") == 0 || json_is_string(json_object_get(row, "completion"));
        if (plain && o->eos >= 0 && s.ids.n && s.ids.p[s.ids.n - 1] == tokenizer_eos(o->form.tok))
            s.ids.p[s.ids.n - 1] = o->eos;
        add_example(x, &s, o, index);
    } else {
        row_wrap(&o->places[index], e);
    }
    ids_release(&s.ids);
    ids_release(&s.mask);
    return failed;
}

static void say_counts(const struct examples *x)
{
    log_info("data: %d examples, %zu tokens, %zu with loss, longest %d", x->n, x->n_ids, x->n_loss,
             x->longest);
    if (x->n_truncated)
        log_warn("%ld of %ld examples were cut to max_length (%.1f %%)", x->n_truncated, x->n_seen,
                 100.0 * (double)x->n_truncated / (double)x->n_seen);
    if (x->n_split)
        log_info("%ld of %ld examples are cut in pieces that do not see each other", x->n_split, x->n_seen);
    if (x->n_dropped)
        log_warn("%ld of %ld examples have no token with loss (cut off, or masked) and are left out",
                 x->n_dropped, x->n_seen);
    if (x->n_ending == 0)
        log_warn(
            "no example trains an end-of-sequence token: the model will not learn to stop. Look at the chat "
            "template, eos_token and the loss mask");
}

static void one_bin_each(struct examples *x)
{
    x->n_bins = x->n;
    for (int i = 0; i < x->n; i++) x->first[i] = x->docs[i] = i;
    x->first[x->n] = x->n;
}

/* Bins of examples laid end to end: those in which something is left, numbered anew. */
static int wrapped_bins(const struct examples *x, int *bins)
{
    int n = 0, last = -1;
    for (int i = 0; i < x->n; i++) {
        if (x->list[i].bin != last) n++;
        last = x->list[i].bin;
        bins[i] = n - 1;
    }
    return n;
}

static void pack(struct examples *x, const struct example_opts *o)
{
    int *lengths = alloc_zero((size_t)x->n, sizeof *lengths), *bins = alloc_zero((size_t)x->n, sizeof *bins);
    for (int i = 0; i < x->n; i++) lengths[i] = x->list[i].n;
    x->n_bins =
        o->packing == PACK_WRAPPED ? wrapped_bins(x, bins) : pack_bfd(lengths, x->n, o->max_length, bins);
    for (int i = 0; i < x->n; i++) {
        CHECK(bins[i] >= 0 && bins[i] < x->n_bins, "example %d of length %d in bin %d of %d", i, lengths[i],
              bins[i], x->n_bins);
        x->first[bins[i] + 1]++;
    }
    for (int b = 0; b < x->n_bins; b++) x->first[b + 1] += x->first[b];
    for (int i = 0; i < x->n; i++) x->docs[x->first[bins[i]]++] = i;
    for (int b = x->n_bins; b > 0; b--) x->first[b] = x->first[b - 1];
    x->first[0] = 0;
    log_info("packed into %d rows of at most %d tokens, %.1f %% full", x->n_bins, o->max_length,
             100.0 * (double)x->n_ids / ((double)x->n_bins * o->max_length));
    free(lengths);
    free(bins);
}

int examples_read(struct examples *x, json_t *rows, const struct example_opts *o, struct err *e)
{
    size_t n = json_array_size(rows), i;
    uint32_t *order = alloc_zero(n + 1, sizeof *order);
    int failed = n < (size_t)1 << 30 ? 0 : err_set(e, "%zu rows", n);
    for (i = 0; i < n; i++) order[i] = (uint32_t)i;
    struct rng_at at = {.seed = o->seed, .purpose = RNG_SHUFFLE, .sequence = UINT32_MAX};
    if (o->shuffle && !failed) rng_permutation(&at, order, (uint32_t)n);
    for (i = 0; i < n && !failed; i++)
        failed = encode_row(x, json_array_get(rows, order[i]), (long)order[i], o, e);
    free(order);
    if (failed) return -1;
    if (x->n == 0)
        return err_set(
            e,
            "none of the %ld rows has a token with loss: %ld were cut to max_length; look at max_length, "
            "completion_only_loss and assistant_only_loss",
            x->n_seen, x->n_truncated);
    say_counts(x);
    x->first = alloc_zero((size_t)x->n + 1, sizeof *x->first);
    x->docs = alloc_zero((size_t)x->n, sizeof *x->docs);
    if (o->packing != PACK_NONE)
        pack(x, o);
    else
        one_bin_each(x);
    return 0;
}

int examples_bin_rows(const struct examples *x, int bin)
{
    int total = 0;
    for (int i = x->first[bin]; i < x->first[bin + 1]; i++) total += x->list[x->docs[i]].n_rows;
    return total;
}

long examples_row(const struct examples *x, int from, int to, const uint32_t *order, int head)
{
    for (int i = from; i < to; i++) {
        int bin = order ? (int)order[i] : i;
        for (int k = x->first[bin]; k < x->first[bin + 1]; k++) {
            const struct example *ex = &x->list[x->docs[k]];
            if (head < ex->n_loss) return ex->row;
            head -= ex->n_loss;
        }
    }
    return -1;
}

void examples_add(const struct examples *x, int bin, struct micro *b)
{
    for (int i = x->first[bin]; i < x->first[bin + 1]; i++) {
        const struct example *ex = &x->list[x->docs[i]];
        const int *ids = x->ids + ex->at;
        const unsigned char *mask = x->mask + ex->at;
        int row = b->n_rows;
        int span = micro_span(b, ids, ex->n_rows, -1);
        micro_span_sequence(b, span, (uint32_t)x->docs[i]);
        if (b->widths) micro_span_noise(b, span, (float)(x->noise / fm_sqrt((double)ex->n)));
        for (int p = 1; p <= ex->n_rows; p++)
            if (mask[p]) micro_head(b, row + p - 1, ids[p]);
    }
}
