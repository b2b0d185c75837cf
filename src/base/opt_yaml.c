/* opt_yaml.c: the YAML file of a recipe, one mapping of options.
 *
 * libyaml's events become options as they come; only maps are built as trees. Refused, because a recipe has
 * no need of them and each is a way to surprise: a second document, anchors and aliases, tags, merge keys,
 * keys that are not plain words, duplicate keys, nesting beyond OPT_DEPTH_MAX, files beyond FILE_MAX bytes.
 */
#include "base/opt_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"

#define FILE_MAX  ((size_t)4 << 20)
#define WHERE_MAX 1024

struct reader {
    struct conf *conf;
    const char *path;
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    bool has_event;
    struct err *e;
};

static int line_of(const struct reader *r)
{
    return (int)r->event.start_mark.line + 1;
}

static int next_event(struct reader *r)
{
    if (r->has_event) yaml_event_delete(&r->event);
    r->has_event = false;
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        const yaml_parser_t *p = &r->parser;
        bool in_bytes = p->error == YAML_READER_ERROR;
        size_t line = p->problem_mark.line + 1, from = p->context_mark.line + 1;
        char begun[48] = "";
        if (p->context && from < line) snprintf(begun, sizeof begun, " that begins on line %zu", from);
        return err_usage(r->e, "%s:%zu: %s%s%s%s", r->path, in_bytes ? 1 : line,
                         p->problem ? p->problem : "not YAML", p->context ? " " : "",
                         p->context ? p->context : "", begun);
    }
    r->has_event = true;
    const yaml_event_t *ev = &r->event;
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (ev->type == YAML_SCALAR_EVENT) anchor = ev->data.scalar.anchor, tag = ev->data.scalar.tag;
    if (ev->type == YAML_SEQUENCE_START_EVENT)
        anchor = ev->data.sequence_start.anchor, tag = ev->data.sequence_start.tag;
    if (ev->type == YAML_MAPPING_START_EVENT)
        anchor = ev->data.mapping_start.anchor, tag = ev->data.mapping_start.tag;
    if (anchor || ev->type == YAML_ALIAS_EVENT)
        return err_usage(r->e, "%s:%d: anchors and aliases are not supported; write the value out", r->path,
                         line_of(r));
    if (tag)
        return err_usage(r->e, "%s:%d: tags such as %s are not supported", r->path, line_of(r),
                         (const char *)tag);
    if (ev->type == YAML_SCALAR_EVENT &&
        strlen((const char *)ev->data.scalar.value) != ev->data.scalar.length)
        return err_usage(r->e, "%s:%d: text that holds a zero byte", r->path, line_of(r));
    return 0;
}

static const char *scalar_text(const struct reader *r)
{
    return (const char *)r->event.data.scalar.value;
}

static bool scalar_plain(const struct reader *r)
{
    return r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static json_t *scalar_value(struct reader *r)
{
    json_t *v = scalar_plain(r) ? opt_scalar(scalar_text(r)) : json_string(scalar_text(r));
    if (!v) err_usage(r->e, "%s:%d: \"%.200s\" is not a finite number", r->path, line_of(r), scalar_text(r));
    return v;
}

static json_t *node_read(struct reader *r, int depth);

static json_t *list_read(struct reader *r, int depth)
{
    json_t *list = json_array();
    while (next_event(r) == 0) {
        if (r->event.type == YAML_SEQUENCE_END_EVENT) return list;
        json_t *v = node_read(r, depth + 1);
        if (!v) break;
        json_array_append_new(list, v);
    }
    json_decref(list);
    return NULL;
}

static json_t *map_read(struct reader *r, int depth)
{
    json_t *map = json_object();
    char *key = NULL;
    while (next_event(r) == 0) {
        if (r->event.type == YAML_MAPPING_END_EVENT) return map;
        if (r->event.type != YAML_SCALAR_EVENT || strcmp(scalar_text(r), "<<") == 0) {
            err_usage(r->e, "%s:%d: a key must be a plain word", r->path, line_of(r));
            break;
        }
        if (json_object_get(map, scalar_text(r))) {
            err_usage(r->e, "%s:%d: key \"%s\" is there twice", r->path, line_of(r), scalar_text(r));
            break;
        }
        key = alloc_str(scalar_text(r));
        json_t *v = next_event(r) == 0 ? node_read(r, depth + 1) : NULL;
        if (!v) break;
        json_object_set_new(map, key, v);
        free(key);
        key = NULL;
    }
    free(key);
    json_decref(map);
    return NULL;
}

/* The node that the current event begins, as JSON; NULL and e on failure. Depth is bounded. */
static json_t *node_read(struct reader *r, int depth) // NOLINT(misc-no-recursion)
{
    if (depth > OPT_DEPTH_MAX) {
        err_usage(r->e, "%s:%d: nested deeper than %d", r->path, line_of(r), OPT_DEPTH_MAX);
        return NULL;
    }
    if (r->event.type == YAML_SCALAR_EVENT) return scalar_value(r);
    if (r->event.type == YAML_SEQUENCE_START_EVENT) return list_read(r, depth);
    return map_read(r, depth);
}

/* A map in a list, as its JSON text. */
static json_t *map_text(struct reader *r)
{
    json_t *map = map_read(r, 2);
    char *text = map ? json_text(map) : NULL;
    json_t *out = text ? json_string(text) : NULL;
    free(text);
    json_decref(map);
    return out;
}

/* The node that the current event begins is of a kind that is not expected. Where what follows is no YAML
 * (a bracket is not closed, say), that is the reason, and in e already. */
static bool is_whole(struct reader *r)
{
    json_t *node = node_read(r, 1);
    bool whole = node;
    json_decref(node);
    return whole;
}

/* A list of strings: each item as it is written. */
static int strings_read(struct reader *r, const struct opt *o, const char *where, json_t **out)
{
    *out = json_array();
    for (;;) {
        if (next_event(r)) break;
        if (r->event.type == YAML_SEQUENCE_END_EVENT) return 0;
        if (o->flags & OPT_OF_MAPS && r->event.type == YAML_MAPPING_START_EVENT) {
            json_t *item = map_text(r);
            if (!item) break;
            json_array_append_new(*out, item);
            continue;
        }
        if (r->event.type != YAML_SCALAR_EVENT) {
            if (is_whole(r))
                err_usage(r->e, "%s: item %zu is a list or a map, text is expected", where,
                          json_array_size(*out) + 1);
            break;
        }
        json_array_append_new(*out, json_string(scalar_text(r)));
    }
    json_decref(*out);
    *out = NULL;
    return -1;
}

static int value_read(struct reader *r, const struct opt *o, const char *where, json_t **out)
{
    const char *kind = r->event.type == YAML_SEQUENCE_START_EVENT ? "a list" : "a map";
    *out = NULL;
    if (opt_takes_any(o)) return (*out = node_read(r, 1)) ? 0 : -1;
    if (r->event.type == YAML_SCALAR_EVENT) {
        const char *text = scalar_text(r);
        bool null = scalar_plain(r) && (!*text || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0);
        return null ? 0 : opt_from_word(o, text, where, out, r->e);
    }
    if (o->type == OPT_LIST && r->event.type == YAML_SEQUENCE_START_EVENT)
        return strings_read(r, o, where, out);
    if (o->type == OPT_MAP && r->event.type == YAML_MAPPING_START_EVENT)
        return (*out = map_read(r, 1)) ? 0 : -1;
    if (!is_whole(r)) return -1;
    return err_usage(r->e, "%s: %s was given, which this option does not take", where, kind);
}

static bool is_key(const struct opt *o, const char *text)
{
    for (size_t i = 0;; i++) {
        if ((text[i] == '-' ? '_' : text[i]) != o->key[i]) return false;
        if (!text[i]) return true;
    }
}

/* Key and alias may both stand in a file, as in one that transformers wrote, if they say the same. */
static int whole_put(struct opt_entry *entry, json_t *value_stolen, const char *key, int line,
                     const char *where, struct err *e)
{
    bool by_alias = !is_key(entry->opt, key);
    bool same = entry->value == value_stolen || json_equal(entry->value, value_stolen);
    if (entry->file_line && !(same && entry->by_alias != by_alias)) {
        json_decref(value_stolen);
        return err_usage(e, "%s: was set on line %d already", where, entry->file_line);
    }
    opt_put(entry, value_stolen, FROM_FILE);
    entry->file_line = line;
    entry->by_alias = by_alias;
    return 0;
}

/* One "key: value"; the current event is the key. */
static int pair_read(struct reader *r)
{
    if (r->event.type != YAML_SCALAR_EVENT)
        return err_usage(r->e, "%s:%d: a key must be a plain word", r->path, line_of(r));
    char where[WHERE_MAX];
    int line = line_of(r), rc = -1;
    char *key = alloc_str(scalar_text(r));
    size_t len = strlen(key);
    const char *dot = strchr(key, '.');
    struct opt_entry *entry = opt_find(r->conf, key, len);
    if (!entry && dot) entry = opt_find(r->conf, key, (size_t)(dot - key));
    bool whole = entry && opt_find(r->conf, key, len) == entry;
    if (!entry) {
        snprintf(where, sizeof where, "%s:%d: ", r->path, line);
        opt_unknown(r->conf, where, "", key, r->e);
        goto out;
    }
    snprintf(where, sizeof where, "%s:%d: %s", r->path, line, key);
    json_t *v;
    if (next_event(r)) goto out;
    if (!whole) {
        v = node_read(r, 1);
        if (v) rc = opt_put_path(entry, dot + 1, v, FROM_FILE, where, r->e);
        goto out;
    }
    if (value_read(r, entry->opt, where, &v)) goto out;
    if (opt_check(entry->opt, v, where, r->e)) {
        json_decref(v);
        goto out;
    }
    rc = whole_put(entry, v, key, line, where, r->e);
out:
    free(key);
    return rc;
}

/* Up to the event that begins the document's value; *empty when there is none. */
static int document_open(struct reader *r, bool *empty)
{
    do { /* the start of the stream, and the start of the document if there is one */
        if (next_event(r)) return -1;
        *empty = r->event.type == YAML_STREAM_END_EVENT;
        if (*empty) return 0;
    } while (r->event.type == YAML_STREAM_START_EVENT || r->event.type == YAML_DOCUMENT_START_EVENT);
    *empty = r->event.type == YAML_SCALAR_EVENT && !*scalar_text(r);
    if (!*empty && r->event.type != YAML_MAPPING_START_EVENT)
        return err_usage(r->e, "%s:%d: %s (key: value) is expected", r->path, line_of(r),
                         r->conf ? "a mapping of options" : "a mapping");
    return 0;
}

static int document_close(struct reader *r)
{
    while (r->event.type != YAML_STREAM_END_EVENT) {
        if (next_event(r)) return -1;
        if (r->event.type != YAML_DOCUMENT_END_EVENT && r->event.type != YAML_STREAM_END_EVENT)
            return err_usage(r->e, "%s:%d: a second document; one is expected", r->path, line_of(r));
    }
    return 0;
}

static int options_read(struct reader *r)
{
    bool empty;
    if (document_open(r, &empty)) return -1;
    while (!empty) {
        if (next_event(r)) return -1;
        if (r->event.type == YAML_MAPPING_END_EVENT) break;
        if (pair_read(r)) return -1;
    }
    return document_close(r);
}

static int tree_read(struct reader *r, json_t **out)
{
    bool empty;
    if (document_open(r, &empty)) return -1;
    *out = empty ? json_object() : map_read(r, 1);
    return *out ? document_close(r) : -1;
}

/* Into the options of c, or, if c is NULL, as a tree. */
static int file_parse(const char *path, struct conf *c, json_t **tree, struct err *e)
{
    struct err own = {0};
    struct reader r = {.conf = c, .path = path, .e = &own};
    char *bytes;
    size_t n;
    CHECK(c || tree, "nowhere to put %s", path);
    int rc = file_read(path, FILE_MAX, &bytes, &n, &own);
    if (!rc) {
        CHECK(yaml_parser_initialize(&r.parser), "libyaml has no memory");
        yaml_parser_set_input_string(&r.parser, (const unsigned char *)bytes, n);
        rc = c ? options_read(&r) : tree_read(&r, tree);
        if (r.has_event) yaml_event_delete(&r.event);
        yaml_parser_delete(&r.parser);
        free(bytes);
    }
    if (rc) err_usage(e, "%s", own.msg);
    return rc;
}

int opt_read_yaml(struct conf *c, const char *path, struct err *e)
{
    return file_parse(path, c, NULL, e);
}

json_t *yaml_read_file(const char *path, struct err *e)
{
    json_t *tree = NULL;
    if (!file_parse(path, NULL, &tree, e)) return tree;
    json_decref(tree);
    return NULL;
}
