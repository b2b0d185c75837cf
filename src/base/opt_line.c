/* opt_line.c: the command line.
 *
 *   --key value   --key=value   --flag [true|false]   --no_flag   --list a b,c   --map.inner.key value
 *   --  ends the options; other words fill the positional options in table order; there may be no more
 *
 * The word after an option is its value even if it begins with a dash (answers such as -5 are values), unless
 * it is itself "--" and a known option. A list takes words until the next one that begins with "--". Given
 * twice, the last one holds, as everywhere on command lines. An option that means nothing here, and is no
 * flag and no number where it does, takes what is behind it, none, one or several words, up to the next one
 * that begins with "--": whether it is a list there is not known.
 */
#include "base/opt_int.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct line {
    struct conf *conf;
    char **argv;
    int argc, at;
    bool *on_line; /* by entry: an option took its value from an option word */
};

/* The entry that "--word" names, with its value after '=' and its path after a dot; NULL if unknown. */
struct named {
    struct opt_entry *entry;
    const char *path, *value;
    bool negated;
};

static struct named named_by(struct conf *c, const char *word)
{
    struct named n = {0};
    const char *key = word + 2;
    size_t len = strcspn(key, "=");
    if (key[len]) n.value = key + len + 1;
    n.entry = opt_find(c, key, len);
    if (n.entry) return n;
    const char *dot = memchr(key, '.', len);
    if (dot) {
        n.entry = opt_find(c, key, (size_t)(dot - key));
        n.path = dot + 1;
        return n;
    }
    if (len > 3 && (str_starts(key, "no_") || str_starts(key, "no-"))) {
        struct opt_entry *entry = opt_find(c, key + 3, len - 3);
        if (entry && (entry->opt->type == OPT_BOOL || entry->opt->flags & OPT_NOTED))
            n.entry = entry, n.negated = true;
    }
    return n;
}

static bool is_option(struct conf *c, const char *word)
{
    if (!str_starts(word, "--")) return false;
    return !word[2] || strcmp(word, "--config") == 0 || named_by(c, word).entry;
}

static const char *next_value(struct line *l)
{
    if (l->at + 1 >= l->argc || is_option(l->conf, l->argv[l->at + 1])) return NULL;
    return l->argv[++l->at];
}

static int put_checked(struct opt_entry *entry, json_t *v, const char *where, struct err *e)
{
    if (opt_check(entry->opt, v, where, e)) {
        json_decref(v);
        return -1;
    }
    opt_put(entry, v, FROM_LINE);
    return 0;
}

/* Words up to the next option, each of which may itself hold several items. */
static int list_take(struct line *l, const struct named *n, const char *where, struct err *e)
{
    json_t *all = json_array();
    const char *word = n->value ? n->value : next_value(l);
    if (!word) {
        json_decref(all);
        return err_usage(e, "%s needs one value or more", where);
    }
    while (word) {
        json_t *some = NULL;
        if (opt_from_word(n->entry->opt, word, where, &some, e)) {
            json_decref(all);
            return -1;
        }
        json_array_extend(all, some);
        json_decref(some);
        word = NULL;
        if (n->value || l->at + 1 >= l->argc) break;
        const char *ahead = l->argv[l->at + 1];
        if (!str_starts(ahead, "--")) word = l->argv[++l->at];
    }
    return put_checked(n->entry, all, where, e);
}

static int noted_take(struct line *l, const struct named *n, const char *where, struct err *e)
{
    json_t *words = json_array(), *one;
    const char *word = n->value;
    bool ahead = !word && l->at + 1 < l->argc && !str_starts(l->argv[l->at + 1], "--");
    if (ahead) word = l->argv[++l->at];
    while (word && json_array_append_new(words, json_string(word)) == 0) {
        ahead = !n->value && l->at + 1 < l->argc && !str_starts(l->argv[l->at + 1], "--");
        word = ahead ? l->argv[++l->at] : NULL;
    }
    if (word) {
        json_decref(words);
        return err_usage(e, "%s: the value is not UTF-8 text", where);
    }
    size_t count = json_array_size(words);
    one = count == 0 ? json_true() : count == 1 ? json_incref(json_array_get(words, 0)) : json_incref(words);
    json_decref(words);
    opt_put(n->entry, one, FROM_LINE);
    return 0;
}

static int path_take(const struct named *n, const char *value, const char *where, struct err *e)
{
    char *path = alloc_strn(n->path, strcspn(n->path, "="));
    json_t *v = NULL;
    int rc = 0;
    if (*value == '{' || *value == '[' || *value == '"') {
        v = json_loads(value, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
        if (!v) rc = err_usage(e, "%s: \"%.200s\" is not JSON", where, value);
    } else {
        v = opt_scalar(value);
        if (!v) rc = err_usage(e, "%s: \"%.200s\" is not UTF-8 text or a finite number", where, value);
    }
    if (!rc) rc = opt_put_path(n->entry, path, v, FROM_LINE, where, e);
    free(path);
    return rc;
}

static int option_take(struct line *l, struct err *e)
{
    const char *word = l->argv[l->at];
    struct named n = named_by(l->conf, word);
    char *where = alloc_strn(word, strcspn(word, "="));
    int rc = -1;
    if (!n.entry) {
        opt_unknown(l->conf, "", "--", where + 2, e);
        goto out;
    }
    l->on_line[n.entry - l->conf->entries] = true;
    const struct opt *o = n.entry->opt;
    bool truth;
    if (opt_takes_any(o) && !n.path) {
        rc = noted_take(l, &n, where, e);
        goto out;
    }
    if (o->type == OPT_LIST && !n.path) {
        rc = list_take(l, &n, where, e);
        goto out;
    }
    if (o->type == OPT_BOOL && !n.path && !n.value) {
        bool has_word = l->at + 1 < l->argc && opt_is_bool_word(l->argv[l->at + 1], &truth);
        if (!has_word || n.negated)
            truth = true;
        else
            l->at++;
        opt_put(n.entry, json_boolean(truth != n.negated), FROM_LINE);
        rc = 0;
        goto out;
    }
    if (n.negated) {
        err_usage(e, "%s takes no value", where);
        goto out;
    }
    const char *value = n.value ? n.value : next_value(l);
    json_t *v;
    if (!value)
        err_usage(e, "%s needs a value", where);
    else if (n.path)
        rc = path_take(&n, value, where, e);
    else if (opt_from_word(o, value, where, &v, e) == 0)
        rc = put_checked(n.entry, v, where, e);
out:
    free(where);
    return rc;
}

static struct opt_entry *positional_next(struct line *l)
{
    struct opt_entry *best = NULL;
    for (size_t i = 0; i < l->conf->n; i++) {
        struct opt_entry *entry = &l->conf->entries[i];
        if ((entry->opt->flags & OPT_POSITIONAL) && !l->on_line[i] && (!best || entry->order < best->order))
            best = entry;
    }
    return best;
}

static int words_place(struct line *l, struct err *e)
{
    struct conf *c = l->conf;
    size_t at = 0;
    for (struct opt_entry *p; at < c->n_words && (p = positional_next(l)); at++) {
        json_t *v, *all = p->opt->type == OPT_LIST ? json_array() : NULL;
        l->on_line[p - c->entries] = true;
        do {
            if (opt_from_word(p->opt, c->words[at], p->opt->key, &v, e)) {
                json_decref(all);
                return -1;
            }
            if (!all) break;
            json_array_extend(all, v);
            json_decref(v);
        } while (at + 1 < c->n_words && ++at);
        if (put_checked(p, all ? all : v, p->opt->key, e)) return -1;
    }
    if (at == c->n_words) return 0;
    return err_usage(e, "\"%.200s\" is a word too many: a key begins with --, as in --learning_rate 2e-6",
                     c->words[at]);
}

int opt_read_line(struct conf *c, int argc, char **argv, struct err *e)
{
    struct line l = {.conf = c, .argv = argv, .argc = argc};
    l.on_line = alloc_zero(c->n, sizeof *l.on_line);
    c->words = alloc_zero((size_t)argc, sizeof *c->words);
    bool own_config = opt_find(c, "config", 6), options = true;
    int rc = 0;
    for (; !rc && l.at < argc; l.at++) {
        const char *word = argv[l.at];
        if (options && strcmp(word, "--") == 0) {
            options = false;
        } else if (options && !own_config && str_starts(word, "--config=")) {
            continue;
        } else if (options && !own_config && strcmp(word, "--config") == 0) {
            l.at++;
        } else if (options && str_starts(word, "--")) {
            rc = option_take(&l, e);
        } else if (options && word[0] == '-' && isalpha((unsigned char)word[1])) {
            rc = err_usage(e, "%s is not an option; options begin with two dashes", word);
        } else {
            c->words[c->n_words++] = alloc_str(word);
        }
    }
    if (!rc) rc = words_place(&l, e);
    free(l.on_line);
    return rc;
}
