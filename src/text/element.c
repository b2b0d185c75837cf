/* element.c: what all elements of tokenizer.json have in common: a "type" that names a row of a table. */
#include <string.h>

#include "base/json.h"
#include "text/text_int.h"
#include "text/unicode.h"

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

int element_char(const json_t *o, const char *key, uint32_t *cp, struct err *e)
{
    const json_t *v = json_object_get(o, key);
    size_t n = json_string_length(v);
    const char *p = json_string_value(v);
    if (!p || !n || (size_t)utf8_length(p, n) != n)
        return err_set(e, "%s: \"%s\" must be one character", element_type(o), key);
    int step;
    *cp = utf8_at(p, &step);
    return 0;
}

/* Files of before 2024 say add_prefix_space instead. */
int prepend_scheme(const json_t *o, enum prepend *out, struct err *e)
{
    static const char *const names[] = {"always", "first", "never"};
    bool add;
    if (json_get_bool_or(o, "add_prefix_space", true, &add, e)) return -1;
    const char *name = json_str_or(o, "prepend_scheme", add ? "always" : "never");
    for (int i = 0; i < 3; i++)
        if (!strcmp(name, names[i])) {
            *out = (enum prepend)i;
            return 0;
        }
    return err_set(e, "%s: prepend_scheme \"%s\"; always, first or never expected", element_type(o), name);
}

#define SEQUENCE_DEPTH 16

static int sequence_at(struct tokenizer *t, const json_t *o, const char *list, element_load load, int depth,
                       struct err *e)
{
    if (!o || json_is_null(o)) return 0;
    if (strcmp(element_type(o), "Sequence")) return load(t, o, e);
    if (depth == SEQUENCE_DEPTH) return err_set(e, "%s: Sequences more than %d deep", list, SEQUENCE_DEPTH);
    size_t i;
    const json_t *part;
    json_array_foreach(json_object_get(o, list), i, part)
    {
        if (sequence_at(t, part, list, load, depth + 1, e)) return -1;
    }
    return 0;
}

int element_sequence(struct tokenizer *t, const json_t *o, const char *list, element_load load, struct err *e)
{
    return sequence_at(t, o, list, load, 0, e);
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
