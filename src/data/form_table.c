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

const struct data_form *data_form_of(const json_t *row, const struct form_opts *o, struct err *e)
{
    for (size_t i = 0; forms[i]; i++)
        if (forms[i]->fits(row, o)) return forms[i];

    struct str columns, known;
    str_init(&columns, 512);
    str_init(&known, 1024);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)row, key, value) str_addf(&columns, "%s%s", columns.len ? ", " : "", key);
    for (size_t i = 0; forms[i]; i++) str_addf(&known, "\n  %s: %s", forms[i]->name, forms[i]->help);
    err_set(e, "this row fits no dataset form; its columns: %s; the forms:%s",
            columns.len ? columns.p : "none", known.p);
    str_release(&columns);
    str_release(&known);
    return NULL;
}
