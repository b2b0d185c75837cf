/* form_text.c: plain text; every token has loss.
 *
 * The end-of-sequence token is put behind the text unless it is there already, so that a model learns to stop
 * (TRL does the same). The column's name is dataset_text_field.
 */
#include "base/check.h"
#include "data/data_int.h"

static const char *text_field(const struct form_opts *o)
{
    return o->text_field ? o->text_field : "text";
}

static bool text_fits(const json_t *row, const struct form_opts *o)
{
    return json_is_string(json_object_get(row, text_field(o)));
}

static int text_encode(const json_t *row, const struct form_opts *o, struct sft_example *out, struct err *e)
{
    if (o->completion_only == 1)
        return err_usage(
            e, "completion_only_loss needs rows with prompt and completion; this one is plain text");
    if (o->assistant_only)
        return err_usage(e, "assistant_only_loss needs conversations; this row is plain text");
    struct str text;
    str_init(&text, 0);
    text_with_eos(o->tok, json_object_get(row, text_field(o)), &text);
    int rc = tokenizer_encode(o->tok, text.p, text.len, TOK_SPECIAL, &out->ids, e);
    str_release(&text);
    if (rc) return -1;
    mask_fill(&out->mask, out->ids.n, 1);
    return 0;
}

const struct data_form form_text = {
    .name = "text",
    .help = "column \"text\" (or dataset_text_field): plain text, loss on every token",
    .fits = text_fits,
    .encode = text_encode,
    .sample = "{\"text\":\"7\"}",
};
