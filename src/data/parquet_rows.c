/* parquet_rows.c: the rows of a Parquet file as JSON objects, group of rows by group of rows.
 *
 * A value of a nested column comes with two levels: how deep the path to it is there, and at which repeated
 * node of the path it goes on. Reading a row walks the schema; the first leaf below a node tells whether the
 * node is there and whether its list goes on, and each leaf moves on by one entry where its path ends.
 *
 * A list (or a map, a list of {key, value}) becomes a list, a group an object. What JSON cannot hold becomes
 * null, and that is said once a column: bytes that are no text, decimals, 96-bit times, numbers that are not
 * finite. Days and times are the whole numbers that they are stored as.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "base/machine.h"
#include "data/data_int.h"
#include "data/parquet_int.h"

struct assembly {
    const struct pq_file *f;
    struct pq_column *columns; /* [f->n_columns] of the group at hand */
    bool *said;                /* [f->n_columns] */
    size_t room;               /* bytes of memory for pages and for the text of values */
    bool bad;                  /* levels that belong to no row */
};

enum { NAME_MAX_BYTES = 256 }; /* of a column's name in messages */

static bool is_list(const struct pq_node *node)
{
    return node->type == PQ_GROUP && (node->converted == PQ_LIST || node->converted == PQ_MAP);
}

/* ---- values ------------------------------------------------------------------------------------------- */

/* As other tools write it: the names on the way to the leaf. */
static const char *column_name(const struct pq_file *f, int column, char name[static NAME_MAX_BYTES])
{
    int leaf = f->leaves[column];
    size_t n = 0;
    for (int i = 1; i <= leaf; i++) {
        const struct pq_node *node = &f->nodes[i];
        if (node->end <= leaf || n + node->n_name + 2 > NAME_MAX_BYTES) continue;
        if (n) name[n++] = '.';
        if (node->n_name) memcpy(name + n, node->name, node->n_name); /* a nameless one has no text at all */
        n += node->n_name;
    }
    name[n] = 0;
    return name;
}

static json_t *unsayable(struct assembly *a, const struct pq_node *leaf)
{
    char name[NAME_MAX_BYTES];
    if (!a->said[leaf->column])
        log_warn(
            "%s: column %s holds values that JSON has no form for (bytes that are no text, decimals, NaN); "
            "they are read as null",
            a->f->path, column_name(a->f, leaf->column, name));
    a->said[leaf->column] = true;
    return json_null();
}

static json_t *value_json(struct assembly *a, const struct pq_node *leaf, const struct pq_value *v)
{
    json_t *out = NULL;
    bool natural = leaf->converted >= PQ_UINT8 && leaf->converted <= PQ_UINT64;
    if (leaf->converted == PQ_DECIMAL) return unsayable(a, leaf);
    switch (leaf->type) {
    case PQ_BOOL: return json_boolean(v->whole);
    case PQ_INT32: return json_integer(natural ? (json_int_t)(uint32_t)v->whole : (json_int_t)v->whole);
    case PQ_INT64:
        if (!natural || v->whole >= 0) return json_integer((json_int_t)v->whole);
        return json_real((double)(uint64_t)v->whole);
    case PQ_FLOAT:
    case PQ_DOUBLE: out = isfinite(v->real) ? json_real(v->real) : NULL; break;
    case PQ_BYTES: out = json_stringn((const char *)v->bytes, v->n); break;
    default: break;
    }
    return out ? out : unsayable(a, leaf);
}

/* ---- rows --------------------------------------------------------------------------------------------- */

/* The level at which the next entry below this node stands; -1: there is none. */
static int next_level(const struct assembly *a, const struct pq_node *node, bool repetition)
{
    const struct pq_column *c = &a->columns[node->column];
    if (c->at >= c->n) return -1;
    return repetition ? c->rep[c->at] : c->def[c->at];
}

/* The path ends above: one entry of each leaf says so. */
static void pass_by(struct assembly *a, const struct pq_node *node)
{
    for (int i = node->column; i < node->column + node->n_columns; i++) {
        struct pq_column *c = &a->columns[i];
        if (c->at >= c->n || c->def[c->at] == a->f->nodes[a->f->leaves[i]].max_def)
            a->bad = true;
        else
            c->at++;
    }
}

static json_t *leaf_read(struct assembly *a, const struct pq_node *leaf)
{
    struct pq_column *c = &a->columns[leaf->column];
    if (c->at >= c->n || c->value_at >= c->n_values || c->def[c->at] != leaf->max_def) {
        a->bad = true;
        return json_null();
    }
    c->at++;
    return value_json(a, leaf, &c->values[c->value_at++]);
}

static json_t *node_read(struct assembly *a, int at);

static json_t *group_read(struct assembly *a, int at) // NOLINT(misc-no-recursion)
{
    json_t *out = json_object();
    const struct pq_node *nodes = a->f->nodes;
    for (int child = at + 1; child < nodes[at].end && !a->bad; child = nodes[child].end) {
        json_t *value = node_read(a, child);
        if (json_object_setn_new(out, (const char *)nodes[child].name, nodes[child].n_name, value))
            a->bad = true;
    }
    return out;
}

/* What a repeated node holds at one place: the group inside a list is only a wrapping, unless it has several
 * fields or is named as the lists of old were. */
static json_t *element_read(struct assembly *a, int at, bool listed) // NOLINT(misc-no-recursion)
{
    const struct pq_node *node = &a->f->nodes[at];
    if (node->type != PQ_GROUP) return leaf_read(a, node);
    bool one = a->f->nodes[at + 1].end == node->end;
    bool own = node->n_name == 5 && memcmp(node->name, "array", 5) == 0;
    return listed && one && !own ? node_read(a, at + 1) : group_read(a, at);
}

static json_t *list_read(struct assembly *a, int at, bool listed) // NOLINT(misc-no-recursion)
{
    const struct pq_node *node = &a->f->nodes[at];
    json_t *out = json_array();
    if (next_level(a, node, false) < node->max_def) {
        pass_by(a, node);
        return out;
    }
    do json_array_append_new(out, element_read(a, at, listed));
    while (!a->bad && next_level(a, node, true) == node->max_rep);
    return out;
}

static json_t *node_read(struct assembly *a, int at) // NOLINT(misc-no-recursion)
{
    const struct pq_node *node = &a->f->nodes[at];
    if (node->repetition == PQ_REPEATED) return list_read(a, at, false);
    if (node->repetition == PQ_OPTIONAL && next_level(a, node, false) < node->max_def) {
        pass_by(a, node);
        return json_null();
    }
    if (node->type != PQ_GROUP) return leaf_read(a, node);
    const struct pq_node *inner = &a->f->nodes[at + 1];
    if (is_list(node) && inner->repetition == PQ_REPEATED && inner->end == node->end)
        return list_read(a, at + 1, true);
    return group_read(a, at);
}

/* ---- groups of rows ----------------------------------------------------------------------------------- */

/* Of a column's text as JSON: a dictionary's one long text may stand in any number of rows. */
static uint64_t text_bytes(const struct pq_node *leaf, const struct pq_column *c)
{
    uint64_t n = 0;
    for (size_t i = 0; leaf->type == PQ_BYTES && i < c->n_values; i++) n += c->values[i].n;
    return n;
}

static int group_columns(struct assembly *a, const struct pq_group *g, struct err *e)
{
    const struct pq_file *f = a->f;
    for (int i = 0; i < f->n_columns; i++) {
        struct pq_column *c = &a->columns[i];
        int failed = pq_column_read(c, f, &g->chunks[i], i, a->room, e);
        a->room -= c->n_bytes;
        uint64_t text = failed ? 0 : text_bytes(&f->nodes[f->leaves[i]], c);
        if (text > a->room)
            failed = err_set(e, "its text takes %.3g GB of memory, %.3g are left to this program",
                             (double)text / 1e9, (double)a->room / 1e9);
        if (failed) {
            char name[NAME_MAX_BYTES];
            return err_wrap(e, "column %s", column_name(f, i, name));
        }
        a->room -= text;
    }
    return 0;
}

static int group_rows(struct assembly *a, const struct pq_group *g, json_t *rows, struct err *e)
{
    const struct pq_file *f = a->f;
    int failed = group_columns(a, g, e);
    for (uint64_t r = 0; r < g->n_rows && !failed && !a->bad; r++)
        json_array_append_new(rows, group_read(a, 0));
    for (int i = 0; i < f->n_columns && !failed && !a->bad; i++) a->bad = a->columns[i].at != a->columns[i].n;
    for (int i = 0; i < f->n_columns; i++) {
        a->room += a->columns[i].n_bytes;
        pq_column_release(&a->columns[i]);
    }
    if (failed) return -1;
    return a->bad ? err_set(e, "its columns do not make whole rows") : 0;
}

/* Rows are held in memory, each value as JSON: what is left of it for pages, and for text in values. */
static int room_find(const struct pq_file *f, size_t *room, struct err *e)
{
    enum { VALUE_BYTES = 48 };
    double values = 0, bytes = 0, all = (double)memory_allowed();
    for (size_t k = 0; k < f->n_groups; k++) {
        for (int i = 0; i < f->n_columns; i++) {
            const struct pq_chunk *c = &f->groups[k].chunks[i];
            values += (double)c->n_values * VALUE_BYTES;
            bytes += (double)(c->expanded > c->bytes ? c->expanded : c->bytes);
        }
    }
    if (values + bytes > all)
        return err_set(e, "its rows take %.3g GB of memory at least, this program may use %.3g",
                       (values + bytes) / 1e9, all / 1e9);
    *room = (size_t)(all - values);
    return 0;
}

int parquet_rows(const char *path, json_t *rows, struct err *e)
{
    struct pq_file f;
    if (pq_open(&f, path, e)) return -1;
    struct assembly a = {.f = &f};
    a.columns = alloc_zero((size_t)f.n_columns, sizeof *a.columns);
    a.said = alloc_zero((size_t)f.n_columns, sizeof *a.said);
    int failed = room_find(&f, &a.room, e);
    for (size_t k = 0; k < f.n_groups && !failed; k++) {
        failed = group_rows(&a, &f.groups[k], rows, e);
        if (failed) err_wrap(e, "row group %zu", k);
    }
    free(a.columns);
    free(a.said);
    pq_close(&f);
    return failed ? err_wrap(e, "%s", path) : 0;
}
