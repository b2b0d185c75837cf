/* row_text.c: what a row says, for looking at data: a column, or the first of those that usually hold it. */
#include "data/data.h"

#include "base/check.h"

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
    str_clear(out);
    for (size_t i = 0; i < sizeof usual / sizeof *usual && !column && !v; i++)
        v = json_object_get(row, usual[i]);
    if (!json_is_string(v) && !json_is_array(v))
        return column ? err_set(e, "column %s must hold text or messages", column)
                      : err_set(e, "none of the usual columns holds text (problem, prompt, question, text, "
                                   "messages): name one");
    add_text(v, out);
    return out->full ? err_set(e, "more than %zu bytes of text", out->max) : 0;
}
