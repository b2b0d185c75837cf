/* opt.c: the joined table, the order of precedence, and access by key.
 *
 * Entries are sorted by key for binary search. Where two tables have a row of the same key the first one wins
 * (so a command's own table, put first, can give another default), and both must be of one type. Reading
 * marks an entry; what the user set and nobody read is told by conf_unread.
 */
#include "base/opt.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/opt_int.h"

#define FOLDED_MAX 256

static int entry_compare(const void *a, const void *b)
{
    const struct opt_entry *x = a, *y = b;
    int d = strcmp(x->opt->key, y->opt->key);
    return d ? d : x->order - y->order;
}

static int key_compare(const void *key, const void *entry)
{
    return strcmp(key, ((const struct opt_entry *)entry)->opt->key);
}

struct opt_entry *opt_find(struct conf *c, const char *key, size_t len)
{
    char folded[FOLDED_MAX];
    if (!len || len >= sizeof folded) return NULL;
    for (size_t i = 0; i < len; i++) folded[i] = key[i] == '-' ? '_' : key[i];
    folded[len] = 0;
    struct opt_entry *entry = bsearch(folded, c->entries, c->n, sizeof *c->entries, key_compare);
    for (size_t i = 0; !entry && i < c->n; i++)
        if (c->entries[i].opt->alias && strcmp(c->entries[i].opt->alias, folded) == 0) entry = &c->entries[i];
    return entry;
}

int opt_unknown(struct conf *c, const char *where, const char *dashes, const char *key, struct err *e)
{
    const char **names = alloc_zero(c->n + 1, sizeof *names);
    for (size_t i = 0; i < c->n; i++) names[i] = c->entries[i].opt->key;
    const char *near = err_nearest(key, names, c->n);
    if (near)
        err_usage(e, "%sunknown option %s%.200s: did you mean %s%s?", where, dashes, key, dashes, near);
    else
        err_usage(e, "%sunknown option %s%.200s; --help lists those there are", where, dashes, key);
    free(names);
    return -1;
}

void opt_put(struct opt_entry *entry, json_t *value_stolen, enum opt_origin origin)
{
    json_decref(entry->value);
    free(entry->items);
    entry->items = NULL;
    entry->value = value_stolen;
    entry->origin = origin;
}

static void table_check(const struct opt *o)
{
    CHECK(o->help && *o->help, "option %s has no help", o->key);
    for (const char *p = o->key; *p; p++)
        CHECK(islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '_', "option name %s",
              o->key);
}

static void entries_fill(struct conf *c, const struct opt *const *tables, int n_tables)
{
    size_t total = 0;
    for (int t = 0; t < n_tables; t++)
        for (const struct opt *o = tables[t]; o->key; o++) total++;
    c->entries = alloc_zero(total, sizeof *c->entries);
    for (int t = 0; t < n_tables; t++) {
        for (const struct opt *o = tables[t]; o->key; o++) {
            table_check(o);
            c->entries[c->n] = (struct opt_entry){.opt = o, .order = (int)c->n};
            c->n++;
        }
    }
    qsort(c->entries, c->n, sizeof *c->entries, entry_compare);
    size_t kept = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (kept && strcmp(c->entries[kept - 1].opt->key, c->entries[i].opt->key) == 0) {
            CHECK(c->entries[kept - 1].opt->type == c->entries[i].opt->type, "option %s has two types",
                  c->entries[i].opt->key);
            continue;
        }
        c->entries[kept++] = c->entries[i];
    }
    c->n = kept;
}

static void defaults_fill(struct conf *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct opt *o = c->entries[i].opt;
        json_t *v = NULL;
        struct err e = {0};
        int rc = o->fallback ? opt_from_word(o, o->fallback, o->key, &v, &e) : 0;
        CHECK(rc == 0 && opt_check(o, v, o->key, &e) == 0, "default of an option: %s", e.msg);
        opt_put(&c->entries[i], v, FROM_TABLE);
    }
}

/* The value of --config, and -h or --help anywhere before a lone "--". -1: --config without a file. */
static int line_scan(struct conf *c, int argc, char **argv, const char **config, struct err *e)
{
    *config = NULL;
    for (int i = 0; i < argc && strcmp(argv[i], "--"); i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) c->help_wanted = true;
        bool apart = strcmp(argv[i], "--config") == 0;
        if (!apart && !str_starts(argv[i], "--config=")) continue;
        if (*config) return err_usage(e, "--config is given twice");
        *config = apart ? (i + 1 < argc ? argv[++i] : "") : argv[i] + strlen("--config=");
        if (!**config) return err_usage(e, "--config needs the name of a YAML file");
    }
    return 0;
}

struct conf *conf_new(const struct opt *const *tables, int n_tables, int argc, char **argv, struct err *e)
{
    struct conf *c = alloc_zero(1, sizeof *c);
    const char *config;
    entries_fill(c, tables, n_tables);
    defaults_fill(c);
    int rc = line_scan(c, argc, argv, &config, e);
    if (c->help_wanted) return c;
    /* A table may have its own "config", such as the config of a dataset: then there is no YAML file. */
    if (opt_find(c, "config", 6)) config = NULL;
    if (!rc && config) rc = opt_read_yaml(c, config, e);
    if (!rc) rc = opt_read_line(c, argc, argv, e);
    for (size_t i = 0; !rc && i < c->n; i++) {
        const struct opt *o = c->entries[i].opt;
        if ((o->flags & OPT_REQUIRED) && !c->entries[i].value)
            rc = err_usage(e, "--%s is needed: %s", o->key, o->help);
    }
    if (!rc) return c;
    conf_free(c);
    return NULL;
}

void conf_free(struct conf *c)
{
    if (!c) return;
    for (size_t i = 0; i < c->n; i++) opt_put(&c->entries[i], NULL, FROM_TABLE);
    for (size_t i = 0; i < c->n_words; i++) free(c->words[i]);
    free(c->words);
    free(c->entries);
    free(c);
}

bool conf_help_wanted(const struct conf *c)
{
    return c->help_wanted;
}

static struct opt_entry *entry_of(struct conf *c, const char *key)
{
    struct opt_entry *entry = opt_find(c, key, strlen(key));
    CHECK(entry, "no table of this command has an option %s", key);
    return entry;
}

static const json_t *value_of(struct conf *c, const char *key, enum opt_type type)
{
    struct opt_entry *entry = entry_of(c, key);
    CHECK(entry->opt->type == type || (type == OPT_REAL && entry->opt->type == OPT_INT),
          "option %s is of type %d, read as %d", key, (int)entry->opt->type, (int)type);
    CHECK(!(entry->opt->flags & OPT_NOTED), "option %s is noted, not read", key);
    entry->read = true;
    return entry->value;
}

bool conf_is_set(struct conf *c, const char *key)
{
    struct opt_entry *entry = entry_of(c, key);
    entry->read = true;
    return entry->value;
}

bool conf_given(struct conf *c, const char *key)
{
    return entry_of(c, key)->origin != FROM_TABLE;
}

bool conf_knows(struct conf *c, const char *key)
{
    const struct opt_entry *entry = opt_find(c, key, strlen(key));
    return entry && !(entry->opt->flags & OPT_NOTED);
}

bool conf_bool(struct conf *c, const char *key)
{
    return json_is_true(value_of(c, key, OPT_BOOL));
}

long conf_int(struct conf *c, const char *key)
{
    const json_t *v = value_of(c, key, OPT_INT);
    CHECK(v, "option %s is unset and was read as a number", key);
    return (long)json_integer_value(v);
}

double conf_real(struct conf *c, const char *key)
{
    const json_t *v = value_of(c, key, OPT_REAL);
    CHECK(v, "option %s is unset and was read as a number", key);
    return json_number_value(v);
}

const char *conf_str(struct conf *c, const char *key)
{
    return json_string_value(value_of(c, key, OPT_STR));
}

size_t conf_list(struct conf *c, const char *key, const char *const **items)
{
    const json_t *v = value_of(c, key, OPT_LIST);
    struct opt_entry *entry = entry_of(c, key);
    size_t n = json_array_size(v);
    if (!entry->items) {
        entry->items = alloc_zero(n + 1, sizeof *entry->items);
        for (size_t i = 0; i < n; i++) entry->items[i] = json_string_value(json_array_get(v, i));
    }
    *items = entry->items;
    return n;
}

json_t *conf_map(struct conf *c, const char *key)
{
    const json_t *v = value_of(c, key, OPT_MAP);
    return v ? json_deep_copy(v) : NULL;
}

int conf_set(struct conf *c, const char *key, const char *value, struct err *e)
{
    struct opt_entry *entry = entry_of(c, key);
    json_t *v;
    if (opt_from_word(entry->opt, value, key, &v, e)) return -1;
    if (opt_check(entry->opt, v, key, e)) {
        json_decref(v);
        return -1;
    }
    opt_put(entry, v, FROM_LINE);
    return 0;
}

