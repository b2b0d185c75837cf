/* parquet_meta.c: what the footer of a Parquet file says: the schema as a tree, and where each column of each
 * group of rows lies. Nothing in it is believed before it fits the file.
 *
 *   file   "PAR1"  column chunks  FileMetaData  u32 length of it  "PAR1"
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "data/parquet_int.h"

static const char MAGIC[] = "PAR1";
enum { TAIL = 8 }; /* length and magic */

/* ---- schema ------------------------------------------------------------------------------------------- */

struct builder {
    struct pq_file *f;
    struct thrift_in *in;
    size_t left; /* elements of the list that were not read yet */
};

/* SchemaElement: 1 type, 2 type_length, 3 repetition, 4 name, 5 num_children, 6 converted type, 10 logical */
static struct pq_node element_read(struct thrift_in *t, int64_t *n_children)
{
    struct pq_node node = {.type = PQ_GROUP, .converted = -1};
    struct thrift_field f = {0};
    *n_children = 0;
    while (thrift_next(t, &f)) {
        if (f.id == 4 && f.type == THRIFT_BINARY) {
            struct thrift_text name = thrift_text(t);
            node.name = name.p;
            node.n_name = name.n;
            continue;
        }
        if (f.id < 1 || f.id > 6) {
            thrift_skip(t, f.type);
            continue;
        }
        int64_t x = thrift_int(t, &f);
        if (x < 0 || x > 1 << 20) t->bad = true;
        if (f.id == 1) node.type = x < PQ_GROUP ? (enum pq_type)x : PQ_GROUP;
        if (f.id == 2) node.width = (int)x;
        if (f.id == 3) node.repetition = (int)x;
        if (f.id == 5) *n_children = x;
        if (f.id == 6) node.converted = (int)x;
    }
    if (*n_children > 0) node.type = PQ_GROUP;
    return node;
}

static int node_read(struct builder *b, int parent, int depth, struct err *e) // NOLINT(misc-no-recursion)
{
    struct pq_file *f = b->f;
    int64_t n_children;
    if (b->left == 0 || depth > PQ_DEPTH_MAX) return err_set(e, "the schema is no tree of depth %d", depth);
    b->left--;
    int me = f->n_nodes++;
    struct pq_node *node = &f->nodes[me];
    *node = element_read(b->in, &n_children);
    if (b->in->bad) return err_set(e, "the schema cannot be read");
    if (parent >= 0) {
        node->max_def = f->nodes[parent].max_def + (node->repetition != PQ_REQUIRED);
        node->max_rep = f->nodes[parent].max_rep + (node->repetition == PQ_REPEATED);
    }
    node->column = f->n_columns;
    if (node->type != PQ_GROUP) f->leaves[f->n_columns++] = me;
    for (int64_t i = 0; i < n_children; i++)
        if (node_read(b, me, depth + 1, e)) return -1;
    node->end = f->n_nodes;
    node->n_columns = f->n_columns - node->column;
    if (node->n_columns == 0)
        return err_set(e, "the schema's group '%.*s' is empty", (int)(node->n_name < 99 ? node->n_name : 99),
                       (const char *)node->name);
    return 0;
}

static int schema_read(struct pq_file *f, struct thrift_in *t, struct err *e)
{
    size_t n = thrift_list(t, THRIFT_STRUCT);
    if (f->nodes || n < 2 || n > PQ_NODES_MAX)
        return err_set(e, "a schema of %zu elements; 2 to %d are read", n, PQ_NODES_MAX);
    struct builder b = {.f = f, .in = t, .left = n};
    f->nodes = alloc_zero(n, sizeof *f->nodes);
    f->leaves = alloc_zero(n, sizeof *f->leaves);
    if (node_read(&b, -1, 0, e)) return -1;
    return b.left == 0 ? 0 : err_set(e, "the schema holds %zu elements that belong to no group", b.left);
}

/* ---- groups of rows ----------------------------------------------------------------------------------- */

/* ColumnMetaData: 4 codec, 5 num_values, 6 and 7 bytes expanded and stored, 9 first data page, 11 dictionary
 * page */
static void chunk_read(struct thrift_in *t, struct pq_chunk *c)
{
    struct thrift_field f = {0};
    int64_t x[12] = {0};
    while (thrift_next(t, &f)) {
        if (f.id == 3 && f.type == THRIFT_STRUCT)
            thrift_numbers(t, x, 12);
        else
            thrift_skip(t, f.type);
    }
    bool has_dictionary = x[11] > 0 && x[11] < x[9];
    *c = (struct pq_chunk){.at = (uint64_t)(has_dictionary ? x[11] : x[9]),
                           .bytes = (uint64_t)x[7],
                           .n_values = (uint64_t)x[5],
                           .expanded = (uint64_t)(x[6] > 0 ? x[6] : 0),
                           .codec = (int)x[4]};
}

static int group_read(struct pq_file *f, struct thrift_in *t, struct pq_group *g, struct err *e)
{
    struct thrift_field field = {0};
    while (thrift_next(t, &field)) {
        if (field.id == 3) {
            g->n_rows = (uint64_t)thrift_int(t, &field);
            continue;
        }
        if (field.id != 1 || field.type != THRIFT_LIST) {
            thrift_skip(t, field.type);
            continue;
        }
        size_t n = thrift_list(t, THRIFT_STRUCT);
        if (g->chunks || n != (size_t)f->n_columns)
            return err_set(e, "a group of rows has %zu columns, the schema %d", n, f->n_columns);
        g->chunks = alloc_zero(n, sizeof *g->chunks);
        for (size_t i = 0; i < n; i++) chunk_read(t, &g->chunks[i]);
    }
    if (!g->chunks) return err_set(e, "a group of rows has no columns");
    for (int i = 0; i < f->n_columns; i++) {
        const struct pq_chunk *c = &g->chunks[i];
        if (c->at > f->map.n || c->bytes > f->map.n - c->at || c->n_values > (uint64_t)1 << 31)
            return err_set(
                e,
                "a column is said to have %llu values in %llu bytes at %llu; the file has %zu bytes: "
                "was it cut off?",
                (unsigned long long)c->n_values, (unsigned long long)c->bytes, (unsigned long long)c->at,
                f->map.n);
    }
    return 0;
}

static int groups_read(struct pq_file *f, struct thrift_in *t, struct err *e)
{
    size_t n = thrift_list(t, THRIFT_STRUCT);
    if (!f->nodes || f->groups) return err_set(e, "groups of rows without a schema");
    f->groups = alloc_zero(n + 1, sizeof *f->groups);
    for (f->n_groups = 0; f->n_groups < n && !t->bad;)
        if (group_read(f, t, &f->groups[f->n_groups++], e)) return -1;
    return 0;
}

/* FileMetaData: 2 schema, 4 row_groups */
static int meta_read(struct pq_file *f, struct thrift_in *t, struct err *e)
{
    struct thrift_field field = {0};
    while (thrift_next(t, &field)) {
        int failed = 0;
        if (field.id == 2 && field.type == THRIFT_LIST)
            failed = schema_read(f, t, e);
        else if (field.id == 4 && field.type == THRIFT_LIST)
            failed = groups_read(f, t, e);
        else
            thrift_skip(t, field.type);
        if (failed) return -1;
    }
    if (t->bad || !f->nodes) return err_set(e, "its footer cannot be read");
    return 0;
}

/* ---- the file ----------------------------------------------------------------------------------------- */

static int footer_find(const struct pq_file *f, struct thrift_in *t, struct err *e)
{
    const uint8_t *p = f->map.p;
    size_t n = f->map.n;
    if (n < TAIL + 4 || memcmp(p, MAGIC, 4) != 0)
        return err_set(e, "no Parquet file: it begins with other bytes than PAR1");
    if (memcmp(p + n - 4, "PARE", 4) == 0) return err_set(e, "an encrypted Parquet file, which is not read");
    if (memcmp(p + n - 4, MAGIC, 4) != 0)
        return err_set(e, "a Parquet file without its end (PAR1): it is cut off; fetch it again");
    const uint8_t *q = p + n - TAIL;
    size_t length = (size_t)pq_little(q, 4);
    if (length > n - TAIL - 4) return err_set(e, "a footer of %zu bytes in a file of %zu", length, n);
    *t = (struct thrift_in){.p = q - length, .end = q};
    return 0;
}

int pq_open(struct pq_file *f, const char *path, struct err *e)
{
    struct thrift_in t;
    *f = (struct pq_file){.path = path};
    if (file_map_open(&f->map, path, e)) return -1;
    if (footer_find(f, &t, e) == 0 && meta_read(f, &t, e) == 0) return 0;
    pq_close(f);
    return err_wrap(e, "%s", path);
}

void pq_close(struct pq_file *f)
{
    for (size_t i = 0; i < f->n_groups; i++) free(f->groups[i].chunks);
    free(f->groups);
    free(f->nodes);
    free(f->leaves);
    if (f->map.p) file_map_close(&f->map);
    *f = (struct pq_file){0};
}
