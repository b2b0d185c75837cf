/* row_text.c: what a row says, for looking at data: a column, or the first of those that usually hold it. */
#include "data/data.h"

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"

static void add_text(const json_t *v, struct str *out)
{
    size_t i;
    json_t *m;
    if (json_is_string(v)) str_add(out, json_string_value(v), json_string_length(v));
    json_array_foreach((json_t *)v, i, m)
    {
        const json_t *content = json_object_get(m, "content");
        if (!content) content = json_object_get(m, "value");
        if (out->len) str_puts(out, "\n");
        add_text(json_is_string(content) ? content : NULL, out);
    }
}

int row_text(const json_t *row, const char *column, struct str *out, struct err *e)
{
    static const char *const usual[] = {"problem",          "prompt", "question", "Question",
                                        "question_content", "text",   "messages", "conversations"};
    const json_t *v = column ? json_object_get(row, column) : NULL;
    const char *name = column;
    str_clear(out);
    for (size_t i = 0; i < sizeof usual / sizeof *usual && !column && (!v || json_is_null(v)); i++)
        v = json_object_get(row, name = usual[i]);
    if (!v || json_is_null(v)) return 1;
    if (!json_is_string(v) && !json_is_array(v))
        return err_set(e, "column %s is %s; text or messages are wanted", name, json_kind(v));
    add_text(v, out);
    return out->full ? err_set(e, "more than %zu bytes of text", out->max) : 0;
}

int row_texts_next(struct row_texts *t, const json_t *row, const struct row_place *place, struct str *out,
                   struct err *e)
{
    int rc = row_text(row, t->column, out, e);
    if (rc < 0) return row_wrap(place, e);
    if (rc && !t->without++) t->first = *place;
    t->rows++;
    return 0;
}

int row_texts_end(const struct row_texts *t, const char *becomes, struct err *e)
{
    if (t->without == 0) return 0;
    if (t->without < t->rows) {
        log_info("%ld of %ld rows have no text in column %s (the first: %s, %s %ld) and %s", t->without,
                 t->rows, t->column ? t->column : "problem, prompt, question, text or messages",
                 t->first.file, t->first.line > 0 ? "line" : "entry",
                 t->first.line > 0 ? t->first.line : -t->first.line - 1, becomes);
        return 0;
    }
    if (t->column) return err_set(e, "%s: no row has text in column %s", t->first.file, t->column);
    return err_set(
        e, "%s: none of the usual columns holds text (problem, prompt, question, text, messages): name one",
        t->first.file);
}
