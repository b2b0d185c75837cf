/* opt_value.c: text becomes a value of the option's type, or a message that says what was expected.
 *
 * Scalars inside maps follow YAML's core schema, with yes/no/on/off as booleans because recipes written for
 * PyYAML count on it; numbers such as 1e-6, which PyYAML takes for text, are numbers. Options of a known type
 * never guess: "no" stays text where text is wanted.
 */
#include "base/opt_int.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/json.h"

static const char *const type_words[] = {"true or false", "an integer", "a number",
                                         "text",          "a list",     "a map (JSON object)"};

static bool is_null_word(const char *text)
{
    return !*text || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0;
}

bool opt_takes_any(const struct opt *o)
{
    return o->flags & OPT_NOTED && o->type != OPT_BOOL && o->type != OPT_INT && o->type != OPT_REAL;
}

bool opt_is_bool_word(const char *text, bool *value)
{
    static const char *const words[] = {"false", "no", "off", "0", "true", "yes", "on", "1"};
    for (size_t i = 0; i < 8; i++) {
        if (strcasecmp(text, words[i])) continue;
        *value = i >= 4;
        return true;
    }
    return false;
}

/* [-+]? digits with at most one dot, [eE][-+]?digits: no hexadecimal, no "inf". */
static bool is_number(const char *p, bool *whole)
{
    *whole = true;
    if (*p == '-' || *p == '+') p++;
    size_t before = strspn(p, "0123456789"), after = 0;
    p += before;
    if (*p == '.') {
        *whole = false;
        after = strspn(++p, "0123456789");
        p += after;
    }
    if (before + after == 0) return false;
    if (*p == 'e' || *p == 'E') {
        *whole = false;
        p++;
        if (*p == '-' || *p == '+') p++;
        size_t n = strspn(p, "0123456789");
        if (!n) return false;
        p += n;
    }
    return !*p;
}

static json_t *number_from(const char *text)
{
    bool whole;
    if (!is_number(text, &whole)) return NULL;
    if (whole) {
        errno = 0;
        long long i = strtoll(text, NULL, 10);
        if (!errno) return json_integer(i);
    }
    return json_real(strtod(text, NULL)); /* NULL when not finite */
}

json_t *opt_scalar(const char *text)
{
    bool truth, whole;
    if (is_null_word(text)) return json_null();
    if (is_number(text, &whole)) return number_from(text);
    if (opt_is_bool_word(text, &truth)) return json_boolean(truth);
    return json_string(text);
}

static int wrong_word(const struct opt *o, const char *text, const char *where, struct err *e)
{
    return err_usage(e, "%s: \"%.200s\" was given, %s is expected", where, text, type_words[o->type]);
}

static int number_word(const struct opt *o, const char *text, const char *where, json_t **out, struct err *e)
{
    json_t *v = number_from(text);
    if (!v) return wrong_word(o, text, where, e);
    double x = json_number_value(v);
    if (o->type == OPT_REAL && json_is_integer(v)) {
        json_decref(v);
        v = json_real(x);
    } else if (o->type == OPT_INT && json_is_real(v)) {
        json_decref(v);
        if (x != floor(x) || fabs(x) >= 0x1p53) return wrong_word(o, text, where, e);
        v = json_integer((json_int_t)x);
    }
    *out = v;
    return 0;
}

static int json_word(const struct opt *o, const char *text, const char *where, json_t **out, struct err *e)
{
    struct err inner;
    json_t *v = json_read_bytes(text, strlen(text), where, &inner);
    if (!v) return err_usage(e, "%s (%s is expected)", inner.msg, type_words[o->type]);
    if (o->type == OPT_MAP ? !json_is_object(v) : !json_is_array(v)) {
        json_decref(v);
        return wrong_word(o, text, where, e);
    }
    *out = v;
    return 0;
}

/* "[...]" as JSON, whose items become text; else the parts between commas. */
static int list_word(const struct opt *o, const char *text, const char *where, json_t **out, struct err *e)
{
    json_t *list = json_array();
    if (*text == '[') {
        json_t *raw = NULL;
        if (json_word(o, text, where, &raw, e)) {
            json_decref(list);
            return -1;
        }
        size_t i;
        json_t *item;
        json_array_foreach(raw, i, item)
        {
            char *shown = json_is_string(item) ? alloc_str(json_string_value(item)) : json_text(item);
            json_array_append_new(list, json_string(shown));
            free(shown);
        }
        json_decref(raw);
    } else {
        while (*text) {
            size_t n = strcspn(text, ",");
            json_array_append_new(list, json_stringn(text, n));
            text += n;
            if (*text == ',') text++;
        }
    }
    *out = list;
    return 0;
}

/* The text as one of the choices is written, whatever its case: Python writes True, and so do its recipes. */
static json_t *choice_word(const struct opt *o, const char *text)
{
    size_t n = strlen(text);
    for (const char *p = o->choices ? o->choices : ""; *p; p += strspn(p, "|")) {
        size_t len = strcspn(p, "|");
        if (len == n && strncasecmp(p, text, n) == 0) return json_stringn(p, n);
        p += len;
    }
    return json_string(text);
}

int opt_from_word(const struct opt *o, const char *text, const char *where, json_t **out, struct err *e)
{
    bool truth;
    *out = NULL;
    size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        int step = utf8_length(text + i, n - i);
        if (!step) return err_usage(e, "%s: the value is not UTF-8 text", where);
        i += (size_t)step;
    }
    if (o->type != OPT_STR && o->type != OPT_LIST && is_null_word(text)) return 0;
    switch (o->type) {
    case OPT_BOOL:
        if (!opt_is_bool_word(text, &truth)) return wrong_word(o, text, where, e);
        *out = json_boolean(truth);
        return 0;
    case OPT_INT:
    case OPT_REAL: return number_word(o, text, where, out, e);
    case OPT_STR: *out = choice_word(o, text); return 0;
    case OPT_LIST: return list_word(o, text, where, out, e);
    case OPT_MAP: return json_word(o, text, where, out, e);
    }
    return -1;
}

int opt_put_path(struct opt_entry *entry, const char *path, json_t *value_stolen, enum opt_origin origin,
                 const char *where, struct err *e)
{
    int rc = -1;
    if (entry->opt->type != OPT_MAP && !(entry->opt->flags & OPT_NOTED)) {
        err_usage(e, "%s: %s is not a map", where, entry->opt->key);
        goto out;
    }
    json_t *map = json_is_object(entry->value) ? json_deep_copy(entry->value) : json_object();
    json_t *at = map;
    for (int depth = 0; at; depth++) {
        size_t n = strcspn(path, ".");
        if (n == 0 || depth == OPT_DEPTH_MAX) {
            err_usage(e, "%s: the path has an empty part or more than %d parts", where, OPT_DEPTH_MAX);
            break;
        }
        char *part = alloc_strn(path, n);
        json_t *next = json_object_get(at, part);
        if (!path[n]) {
            rc = json_object_set(at, part, value_stolen);
            CHECK(rc == 0, "setting %s", path);
            at = NULL;
        } else if (next && !json_is_object(next)) {
            err_usage(e, "%s: \"%s\" holds a value, so nothing can be put below it", where, part);
            at = NULL;
        } else {
            if (!next) json_object_set_new(at, part, json_object());
            at = json_object_get(at, part);
        }
        free(part);
        path += n + 1;
    }
    if (rc)
        json_decref(map);
    else
        opt_put(entry, map, origin);
out:
    json_decref(value_stolen);
    return rc;
}

static bool is_choice(const char *choices, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = choices; *p;) {
        size_t len = strcspn(p, "|");
        if (len == n && memcmp(p, word, n) == 0) return true;
        p += len;
        if (*p) p++;
    }
    return false;
}

static int choice_check(const struct opt *o, const char *word, const char *where, struct err *e)
{
    if (!o->choices || is_choice(o->choices, word)) return 0;
    return err_usage(e, "%s: \"%.200s\" was given, one of %s is expected", where, word, o->choices);
}

const char *opt_number(char text[OPT_NUMBER], double x)
{
    snprintf(text, OPT_NUMBER, x == floor(x) && fabs(x) < 1e16 ? "%.0f" : "%.10g", x);
    return text;
}

int opt_check(const struct opt *o, const json_t *value, const char *where, struct err *e)
{
    if (o->flags & OPT_NOTED) return 0;
    if (!value) {
        if (!o->fallback || o->type == OPT_LIST || o->type == OPT_MAP || o->flags & OPT_NULLABLE) return 0;
        return err_usage(e, "%s: cannot be empty; leave it out for the default, %s", where, o->fallback);
    }
    if (json_is_number(value) && o->lo != o->hi) {
        char given[OPT_NUMBER], lo[OPT_NUMBER], hi[OPT_NUMBER];
        double x = json_number_value(value);
        if (!(x >= o->lo && x <= o->hi))
            return err_usage(e, "%s: %s was given, a value from %s to %s is expected", where,
                             opt_number(given, x), opt_number(lo, o->lo), opt_number(hi, o->hi));
    }
    if (json_is_string(value)) return choice_check(o, json_string_value(value), where, e);
    size_t i;
    const json_t *item;
    if (o->type == OPT_LIST) json_array_foreach(value, i, item)
        {
            if (choice_check(o, json_string_value(item), where, e)) return -1;
        }
    return 0;
}
