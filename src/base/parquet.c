/* parquet.c: one row group, one page a column, plain values, not compressed.
 *
 *   file      "PAR1"  column chunk...  FileMetaData  u32 length of it  "PAR1"
 *   chunk     PageHeader  u32 length  definition levels (RLE, one bit: is it there?)  the values that are
 *   values    INT64, DOUBLE: 8 bytes little endian     BYTE_ARRAY: u32 length, bytes
 *
 * The two headers are structs of Thrift's compact protocol: before each field a byte, step from the last
 * field's number << 4 | type; whole numbers zigzag; 0 at the end. Numbers of fields and of the enumerations:
 * parquet-format/src/main/thrift/parquet.thrift; encodings: Encodings.md beside it.
 */
#include "base/parquet.h"

#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/str.h"
#include "base/wire.h"

enum { THRIFT_I32 = 5, THRIFT_I64 = 6, THRIFT_BINARY = 8, THRIFT_LIST = 9, THRIFT_STRUCT = 12 };
enum { TYPE_INT64 = 2, TYPE_DOUBLE = 5, TYPE_BYTE_ARRAY = 6 };
enum { OPTIONAL = 1, UTF8 = 0, UNCOMPRESSED = 0, PLAIN = 0, RLE = 3, DATA_PAGE = 0 };
enum { COLUMNS_MAX = 256, FILE_BYTES_MAX = 1 << 30 }; /* a page counts its bytes in 32 bits */

/* ---- Thrift's compact protocol ------------------------------------------------------------------------- */

struct thrift {
    struct str *out;
    int last; /* number of the field before, in this struct */
};

static void field(struct thrift *t, int number, int type)
{
    wire_little(t->out, (uint64_t)((number - t->last) << 4 | type), 1); /* steps here are 1 to 15 */
    t->last = number;
}

static void zigzag(struct str *out, int64_t x)
{
    wire_varint(out, (uint64_t)x << 1 ^ (x < 0 ? UINT64_MAX : 0));
}

static void put_int(struct thrift *t, int number, int type, int64_t x)
{
    field(t, number, type);
    zigzag(t->out, x);
}

static void text(struct str *out, const char *s)
{
    wire_varint(out, strlen(s));
    str_puts(out, s);
}

static void list(struct thrift *t, int number, int type, size_t n)
{
    field(t, number, THRIFT_LIST);
    wire_little(t->out, (n < 15 ? n << 4 : 0xF0) | (unsigned)type, 1);
    if (n >= 15) wire_varint(t->out, n);
}

static void stop(struct thrift *t)
{
    wire_little(t->out, 0, 1);
}

/* ---- columns ------------------------------------------------------------------------------------------- */

struct column {
    const char *name;
    int type;
    size_t at, bytes; /* of its chunk in the file */
};
struct table {
    const json_t *rows;
    struct column columns[COLUMNS_MAX];
    size_t n_columns;
};

static const json_t *cell(const struct table *t, size_t row, const struct column *c)
{
    const json_t *v = json_object_get(json_array_get(t->rows, row), c->name);
    return json_is_null(v) ? NULL : v;
}

static int column_type(const struct table *t, struct column *c, struct err *e)
{
    bool strings = false, reals = false, whole = false;
    for (size_t i = 0; i < json_array_size(t->rows); i++) {
        const json_t *v = cell(t, i, c);
        if (!v) continue;
        strings = strings || json_is_string(v);
        reals = reals || json_is_real(v);
        whole = whole || json_is_integer(v);
        if ((!json_is_string(v) && !json_is_number(v)) || (strings && (reals || whole)))
            return err_set(e, "table: row %zu, column %s: neither all numbers nor all text", i, c->name);
    }
    c->type = strings ? TYPE_BYTE_ARRAY : whole && !reals ? TYPE_INT64 : TYPE_DOUBLE;
    return 0;
}

static int table_read(struct table *t, const json_t *rows, struct err *e)
{
    const char *key;
    json_t *v;
    *t = (struct table){.rows = rows};
    json_object_foreach(json_array_get(rows, 0), key, v)
    {
        if (t->n_columns == COLUMNS_MAX) return err_set(e, "table: more than %d columns", COLUMNS_MAX);
        t->columns[t->n_columns] = (struct column){.name = key};
        if (column_type(t, &t->columns[t->n_columns++], e)) return -1;
    }
    return 0;
}

/* Runs of "there" and "not there": the length << 1, then the level in a byte. */
static void add_levels(const struct table *t, const struct column *c, struct str *page)
{
    struct str levels;
    size_t n = json_array_size(t->rows);
    str_init(&levels, 0);
    for (size_t i = 0, end; i < n; i = end) {
        bool there = cell(t, i, c);
        for (end = i; end < n && (cell(t, end, c) != NULL) == there;) end++;
        wire_varint(&levels, (end - i) << 1);
        wire_little(&levels, there, 1);
    }
    wire_little(page, levels.len, 4);
    str_add(page, levels.p, levels.len);
    str_release(&levels);
}

static void add_values(const struct table *t, const struct column *c, struct str *page)
{
    for (size_t i = 0; i < json_array_size(t->rows); i++) {
        const json_t *v = cell(t, i, c);
        if (!v) continue;
        if (c->type == TYPE_INT64) wire_little(page, (uint64_t)json_integer_value(v), 8);
        if (c->type == TYPE_DOUBLE) wire_double(page, json_number_value(v));
        if (c->type != TYPE_BYTE_ARRAY) continue;
        wire_little(page, json_string_length(v), 4);
        str_add(page, json_string_value(v), json_string_length(v));
    }
}

static void add_chunk(const struct table *t, struct column *c, struct str *file)
{
    struct str page;
    struct thrift header = {.out = file}, data = {.out = file};
    str_init(&page, FILE_BYTES_MAX);
    add_levels(t, c, &page);
    add_values(t, c, &page);
    c->at = file->len;
    put_int(&header, 1, THRIFT_I32, DATA_PAGE);
    put_int(&header, 2, THRIFT_I32, (int64_t)page.len);
    put_int(&header, 3, THRIFT_I32, (int64_t)page.len);
    field(&header, 5, THRIFT_STRUCT);
    put_int(&data, 1, THRIFT_I32, (int64_t)json_array_size(t->rows));
    put_int(&data, 2, THRIFT_I32, PLAIN);
    put_int(&data, 3, THRIFT_I32, RLE); /* of definition levels */
    put_int(&data, 4, THRIFT_I32, RLE); /* of repetition levels, of which there are none */
    stop(&data);
    stop(&header);
    str_add(file, page.p, page.len);
    if (page.full) file->full = true;
    c->bytes = file->len - c->at;
    str_release(&page);
}

/* ---- metadata ------------------------------------------------------------------------------------------ */

static void add_schema(const struct table *t, struct thrift *meta)
{
    struct thrift root = {.out = meta->out};
    list(meta, 2, THRIFT_STRUCT, t->n_columns + 1);
    field(&root, 4, THRIFT_BINARY);
    text(root.out, "schema");
    put_int(&root, 5, THRIFT_I32, (int64_t)t->n_columns);
    stop(&root);
    for (size_t i = 0; i < t->n_columns; i++) {
        const struct column *c = &t->columns[i];
        struct thrift x = {.out = meta->out};
        put_int(&x, 1, THRIFT_I32, c->type);
        put_int(&x, 3, THRIFT_I32, OPTIONAL);
        field(&x, 4, THRIFT_BINARY);
        text(x.out, c->name);
        if (c->type == TYPE_BYTE_ARRAY) put_int(&x, 6, THRIFT_I32, UTF8);
        stop(&x);
    }
}

static void add_column(const struct table *t, const struct column *c, struct str *out)
{
    struct thrift chunk = {.out = out}, x = {.out = out};
    put_int(&chunk, 2, THRIFT_I64, (int64_t)c->at);
    field(&chunk, 3, THRIFT_STRUCT);
    put_int(&x, 1, THRIFT_I32, c->type);
    list(&x, 2, THRIFT_I32, 2);
    zigzag(out, PLAIN);
    zigzag(out, RLE);
    list(&x, 3, THRIFT_BINARY, 1);
    text(out, c->name);
    put_int(&x, 4, THRIFT_I32, UNCOMPRESSED);
    put_int(&x, 5, THRIFT_I64, (int64_t)json_array_size(t->rows));
    put_int(&x, 6, THRIFT_I64, (int64_t)c->bytes);
    put_int(&x, 7, THRIFT_I64, (int64_t)c->bytes);
    put_int(&x, 9, THRIFT_I64, (int64_t)c->at);
    stop(&x);
    stop(&chunk);
}

static void add_metadata(const struct table *t, struct str *out)
{
    struct thrift meta = {.out = out}, group = {.out = out};
    int64_t rows = (int64_t)json_array_size(t->rows), bytes = 0;
    put_int(&meta, 1, THRIFT_I32, 1); /* version of the format */
    add_schema(t, &meta);
    put_int(&meta, 3, THRIFT_I64, rows);
    list(&meta, 4, THRIFT_STRUCT, 1);
    list(&group, 1, THRIFT_STRUCT, t->n_columns);
    for (size_t i = 0; i < t->n_columns; i++) {
        add_column(t, &t->columns[i], out);
        bytes += (int64_t)t->columns[i].bytes;
    }
    put_int(&group, 2, THRIFT_I64, bytes);
    put_int(&group, 3, THRIFT_I64, rows);
    stop(&group);
    field(&meta, 6, THRIFT_BINARY);
    text(out, "openr1");
    stop(&meta);
}

int parquet_write(const json_t *rows, const char *path, struct err *e)
{
    struct table t;
    struct str file;
    if (table_read(&t, rows, e)) return err_wrap(e, "%s", path);
    str_init(&file, FILE_BYTES_MAX);
    str_puts(&file, "PAR1");
    for (size_t i = 0; i < t.n_columns; i++) add_chunk(&t, &t.columns[i], &file);
    size_t from = file.len;
    add_metadata(&t, &file);
    wire_little(&file, file.len - from, 4);
    str_puts(&file, "PAR1");
    int rc = file.full ? err_set(e, "%s: more than %d bytes", path, FILE_BYTES_MAX)
                       : file_write(path, file.p, file.len, e);
    str_release(&file);
    return rc;
}
