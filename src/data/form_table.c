/* form_table.c: all dataset forms, from form_list.h; and which one a row has.
 *
 * The first form that fits wins. A row with "prompt" and "completion" is a pair even when it has other
 * columns too, as in TRL.
 */
#include "data/data_int.h"

#define FORM(name) extern const struct data_form form_##name;
#include "data/form_list.h"
#undef FORM

static const struct data_form *const forms[] = {
#define FORM(name) &form_##name,
#include "data/form_list.h"
#undef FORM
    NULL};

const struct data_form *const *data_form_all(void)
{
    return forms;
}

static const char *kind_of(const json_t *v)
{
    static const char *const kinds[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",  [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null"};
    return json_is_array(v) && json_array_size(v) == 0 ? "an empty list" : kinds[json_typeof(v)];
}

/* A column that holds neither text nor messages; false if it does, or is not there. */
static bool column_flaw(const json_t *row, const char *column, bool text, struct str *out)
{
    const json_t *v = json_object_get(row, column), *m;
    size_t i;
    if (!v || conversation_is(v) || (text && json_is_string(v))) return false;
    json_array_foreach((json_t *)v, i, m)
    {
        if (json_is_string(json_object_get(m, "role")) || json_is_string(json_object_get(m, "from")))
            continue;
        str_addf(out, ": %s[%zu] %s", column, i, json_is_object(m) ? "has no role" : "is not an object");
        return true;
    }
    str_addf(out, ": %s holds %s, not %s", column, kind_of(v),
             text ? "text or a list of {role, content}" : "a list of {role, content}");
    return true;
}

/* What keeps a row from the form that its columns hint at; empty if nothing does. */
static void flaw_find(const json_t *row, const struct form_opts *o, struct str *out)
{
    const char *field = o->text_field ? o->text_field : "text";
    if (column_flaw(row, "messages", false, out) || column_flaw(row, "conversations", false, out)) return;
    if (column_flaw(row, "prompt", true, out) || column_flaw(row, "completion", true, out)) return;
    const json_t *prompt = json_object_get(row, "prompt"), *completion = json_object_get(row, "completion");
    if (prompt && completion)
        str_puts(out, ": prompt and completion must both be text or both be messages");
    else if (prompt || completion)
        str_addf(out, ": it has a %s, but %s is missing", prompt ? "prompt" : "completion",
                 prompt ? "completion" : "prompt");
    else if (json_object_get(row, field))
        str_addf(out, ": %s holds %s, not text", field, kind_of(json_object_get(row, field)));
}

const struct data_form *data_form_of(const json_t *row, const struct form_opts *o, struct err *e)
{
    for (size_t i = 0; forms[i]; i++)
        if (forms[i]->fits(row, o)) return forms[i];

    struct str columns, known, flaw;
    str_init(&flaw, 512);
    str_init(&columns, 512);
    str_init(&known, 1024);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)row, key, value) str_addf(&columns, "%s%s", columns.len ? ", " : "", key);
    for (size_t i = 0; forms[i]; i++) str_addf(&known, "\n  %s: %s", forms[i]->name, forms[i]->help);
    flaw_find(row, o, &flaw);
    err_set(e, "this row fits no dataset form%s; its columns: %s; the forms:%s", flaw.p,
            columns.len ? columns.p : "none", known.p);
    str_release(&flaw);
    str_release(&columns);
    str_release(&known);
    return NULL;
}
