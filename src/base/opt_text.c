/* opt_text.c: the option table and its values as text for people and for files.
 *
 * The resolved config must read back to the same values, here and in PyYAML: text that could be taken for
 * something else is quoted; reals keep all their digits and always have a dot and a signed exponent (PyYAML
 * takes 2e-05 for text). Noted options appear only if the user gave them.
 */
#include "base/opt_int.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/str.h"

#define HELP_WIDTH  100
#define HELP_INDENT 28

/* Shortest digits that read back to the same double. */
static void real_put(struct str *out, double x)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    size_t mantissa = strcspn(text, "e");
    str_add(out, text, mantissa);
    if (!memchr(text, '.', mantissa)) str_puts(out, ".0");
    str_puts(out, text + mantissa);
}

static bool plain_is_safe(const char *text)
{
    if (!isalpha((unsigned char)*text) && *text != '/' && *text != '_') return false;
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("_-./+", *p)) return false;
    json_t *guess = opt_scalar(text);
    bool safe = json_is_string(guess);
    json_decref(guess);
    return safe && strcasecmp(text, "y") != 0 && strcasecmp(text, "n") != 0;
}

/* In double quotes; what YAML takes for a line break or forbids is escaped. */
static void quoted_put(struct str *out, const char *text)
{
    str_puts(out, "\"");
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        size_t step = (size_t)utf8_length((const char *)p, strlen((const char *)p));
        unsigned c = step == 2 ? (p[0] & 31U) << 6 | (p[1] & 63U) : p[0];
        if (step == 3) c = (p[0] & 15U) << 12 | (p[1] & 63U) << 6 | (p[2] & 63U);
        if (*p == '"' || *p == '\\')
            str_addf(out, "\\%c", *p);
        else if (*p == '\n')
            str_puts(out, "\\n");
        else if (*p == '\t')
            str_puts(out, "\\t");
        else if (step <= 3 && (c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 ||
                               c == 0xFEFF || c >= 0xFFFE))
            str_addf(out, "\\u%04X", c);
        else
            str_add(out, (const char *)p, step ? step : 1);
        p += step ? step : 1;
    }
    str_puts(out, "\"");
}

static void scalar_put(struct str *out, const json_t *v)
{
    if (json_is_string(v) && plain_is_safe(json_string_value(v)))
        str_puts(out, json_string_value(v));
    else if (json_is_string(v))
        quoted_put(out, json_string_value(v));
    else if (json_is_integer(v))
        str_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_real(v))
        real_put(out, json_real_value(v));
    else
        str_puts(out, json_is_true(v) ? "true" : json_is_false(v) ? "false" : "null");
}

static void key_put(struct str *out, const char *key)
{
    if (plain_is_safe(key))
        str_puts(out, key);
    else
        quoted_put(out, key);
    str_puts(out, ":");
}

/* What follows "key:" or "-": a scalar on the same line, or a block one step further in. */
static void node_put(struct str *out, const json_t *v, int indent) // NOLINT(misc-no-recursion)
{
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_array(v) && json_array_size(v)) {
        json_array_foreach(v, i, item)
        {
            str_addf(out, "\n%*s-", indent, "");
            node_put(out, item, indent + 2);
        }
    } else if (json_is_object(v) && json_object_size(v)) {
        json_object_foreach((json_t *)v, key, item)
        {
            str_addf(out, "\n%*s", indent, "");
            key_put(out, key);
            node_put(out, item, indent + 2);
        }
    } else if (json_is_array(v) || json_is_object(v)) {
        str_puts(out, json_is_array(v) ? " []" : " {}");
    } else {
        str_puts(out, " ");
        scalar_put(out, v);
    }
}

void conf_yaml(struct conf *c, struct str *out)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct opt_entry *entry = &c->entries[i];
        if ((entry->opt->flags & OPT_NOTED) && entry->origin == FROM_TABLE) continue;
        str_addf(out, "%s:", entry->opt->key);
        node_put(out, entry->value, 2);
        str_puts(out, "\n");
    }
}

/* What was set is what would have held anyway: a resolved config given back is full of such. */
static bool is_fallback(const struct opt_entry *entry)
{
    json_t *fallback = NULL;
    if (entry->opt->fallback && opt_from_word(entry->opt, entry->opt->fallback, "", &fallback, NULL))
        return false;
    bool equal = entry->value && fallback ? json_equal(entry->value, fallback) : entry->value == fallback;
    json_decref(fallback);
    return equal;
}

static void keys_put(struct str *out, const char *front, struct conf *c, bool noted)
{
    bool any = false;
    for (size_t i = 0; i < c->n; i++) {
        const struct opt_entry *entry = &c->entries[i];
        if (entry->origin == FROM_TABLE || noted != !!(entry->opt->flags & OPT_NOTED)) continue;
        if (!noted && (entry->read || is_fallback(entry))) continue;
        str_addf(out, "%s%s", any ? ", " : front, entry->opt->key);
        any = true;
    }
}

void conf_noted(struct conf *c, struct str *out)
{
    keys_put(out, "accepted without effect: ", c, true);
}

void conf_unread(struct conf *c, struct str *out)
{
    keys_put(out, "set but not used by this command: ", c, false);
}

/* Words of `text` from column `at` on, broken at HELP_WIDTH and indented. */
static void wrapped_put(struct str *out, const char *text, int at, int indent)
{
    while (*text) {
        int n = (int)strcspn(text, " ");
        if (at > indent && at + 1 + n > HELP_WIDTH) {
            str_addf(out, "\n%*s", indent, "");
            at = indent;
        } else if (at > indent) {
            str_puts(out, " ");
            at++;
        }
        str_add(out, text, (size_t)n);
        at += n;
        text += n;
        text += strspn(text, " ");
    }
    str_puts(out, "\n");
}

static void row_put(struct str *out, const struct opt *o)
{
    static const char *const words[] = {"", " N", " X", " TEXT", " A,B", " JSON"};
    struct str left, right;
    str_init(&left, 0);
    str_init(&right, 0);
    str_addf(&left, "  --%s%s", o->key, words[o->type]);
    str_puts(&right, o->help);
    if (o->alias) str_addf(&right, " (also --%s)", o->alias);
    if (o->choices) {
        str_puts(&right, " (one of ");
        for (const char *p = o->choices; *p; p++)
            if (*p == '|')
                str_puts(&right, ", ");
            else
                str_add(&right, p, 1);
        str_puts(&right, ")");
    }
    char lo[OPT_NUMBER], hi[OPT_NUMBER];
    if (o->lo != o->hi) str_addf(&right, " (%s to %s)", opt_number(lo, o->lo), opt_number(hi, o->hi));
    if (o->flags & OPT_REQUIRED) str_puts(&right, " (needed)");
    if (o->flags & OPT_POSITIONAL) str_puts(&right, " (may stand without its name)");
    if (o->fallback && *o->fallback) str_addf(&right, " [%s]", o->fallback);
    str_add(out, left.p, left.len);
    if (left.len + 2 > HELP_INDENT)
        str_addf(out, "\n%*s", HELP_INDENT, "");
    else
        str_addf(out, "%*s", HELP_INDENT - (int)left.len, "");
    wrapped_put(out, right.p, HELP_INDENT, HELP_INDENT);
    str_release(&left);
    str_release(&right);
}

static bool in_earlier(const struct opt *const *tables, int n_earlier, const char *key)
{
    for (int t = 0; t < n_earlier; t++)
        for (const struct opt *o = tables[t]; o->key; o++)
            if (strcmp(o->key, key) == 0) return true;
    return false;
}

void opt_help(const struct opt *const *tables, int n_tables, struct str *out)
{
    struct str noted;
    str_init(&noted, 0);
    for (int t = 0; t < n_tables; t++) {
        for (const struct opt *o = tables[t]; o->key; o++) {
            if (in_earlier(tables, t, o->key)) continue;
            if (o->flags & OPT_NOTED)
                str_addf(&noted, "%s%s%s%s", noted.len ? ", " : "", o->key, o->alias ? ", " : "",
                         o->alias ? o->alias : "");
            else
                row_put(out, o);
        }
    }
    if (noted.len) {
        str_puts(out, "\nAccepted without effect here:\n  ");
        wrapped_put(out, noted.p, 2, 2);
    }
    str_release(&noted);
}
