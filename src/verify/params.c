/* params.c: the parameters of a verdict under Math-Verify's names. */
#include <string.h>

#include "verify/verify.h"

struct verify_params verify_defaults(enum extract_mode mode)
{
    bool open_r1 = mode == EXTRACT_LATEX;
    return (struct verify_params){
        .mode = mode,
        .latex = true,
        .expr = true,
        .choice = true,
        .float_rounding = 6,
        .numeric_precision = 15,
        .strict = true,
        .allow_set_relation_comp = !open_r1,
        .try_extract_without_anchor = true,
        .exact_irrationals = open_r1,
    };
}

static int read_int(const json_t *o, const char *key, int lo, int hi, int *out, struct err *e)
{
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v)) return 0;
    if (!json_is_integer(v) || json_integer_value(v) < lo || json_integer_value(v) > hi)
        return err_set(e, "params: \"%s\" must be a whole number from %d to %d", key, lo, hi);
    *out = (int)json_integer_value(v);
    return 0;
}

static int read_bool(const json_t *o, const char *key, bool *out, struct err *e)
{
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v)) return 0;
    if (!json_is_boolean(v)) return err_set(e, "params: \"%s\" must be true or false", key);
    *out = json_is_true(v);
    return 0;
}

static int read_types(const json_t *types, struct verify_params *p, struct err *e)
{
    size_t i;
    const json_t *v;
    if (!types || json_is_null(types)) return 0;
    if (!json_is_array(types))
        return err_set(e, "params: \"match_types\" must be a list of latex, expr, string");
    p->latex = p->expr = p->choice = false;
    json_array_foreach(types, i, v)
    {
        const char *s = json_is_string(v) ? json_string_value(v) : "";
        if (strcmp(s, "latex") == 0)
            p->latex = true;
        else if (strcmp(s, "expr") == 0)
            p->expr = true;
        else if (strcmp(s, "string") == 0)
            p->choice = p->expr = true;
        else
            return err_set(e, "params: \"match_types\" holds \"%.40s\", not latex, expr or string", s);
    }
    return 0;
}

int verify_params_read(const json_t *o, struct verify_params *p, struct err *e)
{
    if (!o || json_is_null(o)) return 0;
    if (!json_is_object(o)) return err_set(e, "\"params\" must be an object");
    const char *mode = json_string_value(json_object_get(o, "mode"));
    const char *extraction = json_string_value(json_object_get(o, "extraction_mode"));
    if (mode && (strcmp(mode, "latex") == 0 || strcmp(mode, "any") == 0))
        *p = verify_defaults(mode[0] == 'l' ? EXTRACT_LATEX : EXTRACT_ANY);
    if (extraction) p->first_match = strcmp(extraction, "first_match") == 0;
    if (read_types(json_object_get(o, "match_types"), p, e)) return -1;
    if (read_int(o, "float_rounding", 0, 1000, &p->float_rounding, e)) return -1;
    if (read_int(o, "numeric_precision", 1, 1000, &p->numeric_precision, e)) return -1;
    if (read_int(o, "boxed_match_priority", -1, 1000, &p->boxed_match_priority, e)) return -1;
    if (read_bool(o, "strict", &p->strict, e)) return -1;
    if (read_bool(o, "allow_set_relation_comp", &p->allow_set_relation_comp, e)) return -1;
    return read_bool(o, "try_extract_without_anchor", &p->try_extract_without_anchor, e);
}
