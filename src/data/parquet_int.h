/* parquet_int.h: a Parquet file on its way to rows: Thrift's numbers, what the footer says, a column's pages.
 *
 * The format: parquet-format/README.md, Encodings.md and src/main/thrift/parquet.thrift; how nested values
 * are cut into columns: Melnik et al. 2010, "Dremel", section 4.
 */
#ifndef DATA_PARQUET_INT_H
#define DATA_PARQUET_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"

/* ---- numbers ------------------------------------------------------------------------------------------ */

/* Of n bytes, least significant first. */
static inline uint64_t pq_little(const uint8_t *p, int n)
{
    uint64_t x = 0;
    for (int i = 0; i < n; i++) x |= (uint64_t)p[i] << (8 * i);
    return x;
}

/* In seven bits a byte, least significant first; moves *p. False: longer than `most` bytes, or cut off. */
static inline bool pq_varint(const uint8_t **p, const uint8_t *end, int most, uint64_t *x)
{
    *x = 0;
    for (int i = 0; i < most && *p < end; i++) {
        uint8_t byte = *(*p)++;
        *x |= (uint64_t)(byte & 127) << (7 * i);
        if (byte < 128) return true;
    }
    return false;
}

/* ---- Thrift's compact protocol (thrift_read.c) -------------------------------------------------------- */

enum { THRIFT_TRUE = 1, THRIFT_FALSE = 2, THRIFT_BINARY = 8, THRIFT_LIST = 9, THRIFT_STRUCT = 12 };

struct thrift_in {
    const uint8_t *p, *end;
    bool bad; /* what was read is no such thing; every further read gives 0 */
};
struct thrift_field {
    int id, type; /* zero before the first of a struct */
};
struct thrift_text {
    const uint8_t *p;
    size_t n;
};
/* The next field of a struct; false behind the last. Its value must be read, or skipped, before the next. */
bool thrift_next(struct thrift_in *t, struct thrift_field *f);
/* The value of a field that holds a whole number or a truth value; anything else is skipped and gives 0. */
int64_t thrift_int(struct thrift_in *t, const struct thrift_field *f);
struct thrift_text thrift_text(struct thrift_in *t);
/* Elements of a list of this type that begins here; 0 where it is of another type, and then it is skipped. */
size_t thrift_list(struct thrift_in *t, int type);
void thrift_skip(struct thrift_in *t, int type);
/* A struct whose fields are numbers: field k into out[k], for k below n; others are skipped. */
void thrift_numbers(struct thrift_in *t, int64_t *out, int n);

/* ---- the footer (parquet_meta.c) ---------------------------------------------------------------------- */

enum pq_type { PQ_BOOL, PQ_INT32, PQ_INT64, PQ_INT96, PQ_FLOAT, PQ_DOUBLE, PQ_BYTES, PQ_FIXED, PQ_GROUP };
enum { PQ_REQUIRED, PQ_OPTIONAL, PQ_REPEATED };
enum { PQ_MAP = 1, PQ_LIST = 3, PQ_DECIMAL = 5, PQ_UINT8 = 11, PQ_UINT64 = 14 }; /* converted types */
enum { PQ_NODES_MAX = 4096, PQ_DEPTH_MAX = 32 };

struct pq_node { /* of the schema, in depth-first order; node 0 is the root */
    const uint8_t *name;
    size_t n_name;
    enum pq_type type;
    int repetition, converted; /* converted -1: none */
    int width;                 /* PQ_FIXED: bytes of a value */
    int max_def, max_rep;      /* levels of a value that is there */
    int column;                /* the first leaf at or below it */
    int n_columns;             /* leaves at or below it */
    int end;                   /* the first node behind its subtree */
};
struct pq_chunk {
    uint64_t at, bytes, n_values;
    uint64_t expanded; /* bytes of its pages, as the footer says; not every writer counts them right */
    int codec;
};
struct pq_group {
    uint64_t n_rows;
    struct pq_chunk *chunks; /* [n_columns] */
};
struct pq_file {
    const char *path;
    struct file_map map;
    struct pq_node *nodes;
    int n_nodes, n_columns;
    int *leaves; /* [n_columns] nodes */
    struct pq_group *groups;
    size_t n_groups;
};
int pq_open(struct pq_file *f, const char *path, struct err *e);
void pq_close(struct pq_file *f);

/* ---- compression (parquet_codec.c) -------------------------------------------------------------------- */

enum { PQ_CODEC_NONE = 0 };
enum { PQ_PAGE_MAX = 1 << 30 }; /* bytes of a page, stored or expanded */

/* Is this codec read? */
int pq_codec_check(const struct pq_file *f, int codec, struct err *e);
/* Exactly n_out bytes from a page's n, by a codec that passed the check and is not PQ_CODEC_NONE. */
int pq_expand(int codec, const uint8_t *in, size_t n, uint8_t *out, size_t n_out, struct err *e);
/* -1, and a message: `what` (which says that it is not read), and a command that writes the file in a form
 * that is. */
int pq_unread(const struct pq_file *f, const char *what, struct err *e);
/* Exactly n_out bytes from a block of Snappy's raw format (snappy.c). */
bool snappy_expand(const uint8_t *in, size_t n, uint8_t *out, size_t n_out);

/* ---- a column chunk (parquet_page.c) ------------------------------------------------------------------ */

struct pq_value {
    union {
        int64_t whole;
        double real;
        const uint8_t *bytes;
    };
    uint32_t n; /* bytes */
};
struct pq_column {
    size_t n, n_values;      /* entries; those that are there */
    uint8_t *def, *rep;      /* levels of each entry */
    struct pq_value *values; /* of those that are there, in order */
    uint8_t **pages;         /* what values point to, where it is not in the file */
    size_t n_pages;
    size_t n_bytes;          /* of the pages */
    size_t at, value_at; /* how far a reader of it has come */
};
/* All entries of the chunk of leaf `column`, whose pages may take `room` bytes; message without the file's
 * name. */
int pq_column_read(struct pq_column *out, const struct pq_file *f, const struct pq_chunk *chunk, int column,
                   size_t room, struct err *e);
void pq_column_release(struct pq_column *c);

#endif
