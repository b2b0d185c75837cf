/* form_tokens.c: rows that are tokens already: "input_ids", with "labels" or masks.
 *
 * labels hold at each place the token itself, or -100 where it has no loss; else completion_mask (unless
 * completion_only_loss is false) and assistant_masks say with 1 what has loss; with none of them every token
 * has. Nothing is put in front of the ids or behind them.
 */
#include "data/data_int.h"

enum { NO_LOSS = -100 };

static bool tokens_fits(const json_t *row, const struct form_opts *o)
{
    (void)o;
    return json_is_array(json_object_get(row, "input_ids"));
}

/* The list in a column, of as many integers as there are ids. */
static int column_check(const json_t *row, const char *column, size_t n, struct err *e)
{
    const json_t *list = json_object_get(row, column), *each;
    size_t i;
    if (!json_is_array(list)) return err_set(e, "column %s must be a list of integers", column);
    if (json_array_size(list) != n)
        return err_set(e, "column %s has %zu entries, input_ids has %zu", column, json_array_size(list), n);
    json_array_foreach((json_t *)list, i, each)
    {
        if (!json_is_integer(each)) return err_set(e, "%s[%zu] is not an integer", column, i);
    }
    return 0;
}

static json_int_t entry(const json_t *row, const char *column, size_t i)
{
    return json_integer_value(json_array_get(json_object_get(row, column), i));
}

static int ids_read(const json_t *row, const struct form_opts *o, struct ids *out, struct err *e)
{
    size_t n = json_array_size(json_object_get(row, "input_ids"));
    int vocab = tokenizer_size(o->tok);
    if (column_check(row, "input_ids", n, e)) return -1;
    for (size_t i = 0; i < n; i++) {
        json_int_t id = entry(row, "input_ids", i);
        if (id < 0 || id >= vocab)
            return err_set(e, "input_ids[%zu] is %lld; the tokenizer has ids 0 to %d: was another one used?",
                           i, (long long)id, vocab - 1);
        ids_push(out, (int)id);
    }
    return 0;
}

static int labels_read(const json_t *row, struct sft_example *x, struct err *e)
{
    if (column_check(row, "labels", x->ids.n, e)) return -1;
    for (size_t i = 0; i < x->ids.n; i++) {
        json_int_t label = entry(row, "labels", i);
        if (label != NO_LOSS && label != x->ids.p[i])
            return err_set(e, "labels[%zu] is %lld; it must be input_ids[%zu], %d, or %d for no loss", i,
                           (long long)label, i, x->ids.p[i], NO_LOSS);
        x->mask.p[i] = label != NO_LOSS;
    }
    return 0;
}

static int mask_read(const json_t *row, const char *column, struct ids *mask, struct err *e)
{
    if (column_check(row, column, mask->n, e)) return -1;
    for (size_t i = 0; i < mask->n; i++)
        if (!entry(row, column, i)) mask->p[i] = 0;
    return 0;
}

static int tokens_encode(const json_t *row, const struct form_opts *o, struct sft_example *out, struct err *e)
{
    bool assistant = json_object_get(row, "assistant_masks"), pair = json_object_get(row, "completion_mask");
    if (ids_read(row, o, &out->ids, e)) return -1;
    mask_fill(&out->mask, out->ids.n, 1);
    if (json_object_get(row, "labels")) return labels_read(row, out, e);
    if (o->assistant_only && !assistant)
        return err_usage(e, "assistant_only_loss needs a column assistant_masks beside input_ids");
    if (o->completion_only == 1 && !pair)
        return err_usage(e, "completion_only_loss needs a column completion_mask beside input_ids");
    if (pair && o->completion_only != 0 && mask_read(row, "completion_mask", &out->mask, e)) return -1;
    return assistant ? mask_read(row, "assistant_masks", &out->mask, e) : 0;
}

const struct data_form form_tokens = {
    .name = "tokens",
    .help =
        "column \"input_ids\", with \"labels\" (-100: no loss), \"completion_mask\" or \"assistant_masks\"",
    .fits = tokens_fits,
    .encode = tokens_encode,
    .sample = "{\"input_ids\":[1,2,1],\"completion_mask\":[0,0,1]}",
};
