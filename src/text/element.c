/* element.c: what all elements of tokenizer.json have in common: a "type" that names a row of a table. */
#include <string.h>

#include "base/json.h"
#include "text/text_int.h"

const char *element_type(const json_t *o)
{
    return json_str_or(o, "type", "");
}

int element_unknown(struct err *e, const char *where, const json_t *o, const void *rows, size_t stride)
{
    struct str known;
    str_init(&known, 1024);
    for (const char *row = rows;; row += stride) {
        const char *name;
        memcpy(&name, row, sizeof name);
        if (!name) break;
        str_addf(&known, "%s%s", known.len ? ", " : "", name);
    }
    err_set(e, "%s: type \"%s\" is not supported; supported: %s", where, element_type(o), known.p);
    str_release(&known);
    return -1;
}

struct regex *element_pattern(const json_t *o, const char *where, struct err *e)
{
    const json_t *p = json_object_get(o, "pattern");
    const json_t *re = json_object_get(p, "Regex"), *literal = json_object_get(p, "String");
    const json_t *text = re ? re : literal;
    if (!json_is_string(text)) {
        err_set(e, "%s: \"pattern\" must be {\"Regex\": text} or {\"String\": text}", where);
        return NULL;
    }
    const char *s = json_string_value(text);
    size_t n = json_string_length(text);
    struct regex *r = re ? regex_new(s, n, e) : regex_new_literal(s, n, e);
    if (!r) err_wrap(e, "%s", where);
    return r;
}
