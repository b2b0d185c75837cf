/* thrift_read.c: structs of Thrift's compact protocol, of which Parquet's headers are made.
 *
 * Before each field a byte: step from the last field's number << 4 | type, or 0 and the number itself; whole
 * numbers are zigzag in seven bits a byte; a list begins with its length << 4 | type; 0 ends a struct
 * (thrift/doc/specs/thrift-compact-protocol.md). What is not known is skipped, nested to a fixed depth.
 */
#include "data/parquet_int.h"

enum { BYTE = 3, I16 = 4, I32 = 5, I64 = 6, DOUBLE = 7, SET = 10, MAP = 11, DEPTH_MAX = 32 };

static uint64_t varint(struct thrift_in *t)
{
    uint64_t x;
    if (!t->bad && pq_varint(&t->p, t->end, 10, &x)) return x;
    t->bad = true;
    return 0;
}

static int64_t zigzag(struct thrift_in *t)
{
    uint64_t x = varint(t);
    return (int64_t)(x >> 1) ^ -(int64_t)(x & 1);
}

static void advance(struct thrift_in *t, uint64_t n)
{
    if (t->bad || n > (uint64_t)(t->end - t->p))
        t->bad = true;
    else
        t->p += n;
}

bool thrift_next(struct thrift_in *t, struct thrift_field *f)
{
    if (t->bad || t->p == t->end) {
        t->bad = true;
        return false;
    }
    uint8_t byte = *t->p++;
    if (byte == 0) return false;
    f->type = byte & 15;
    f->id = byte >> 4 ? f->id + (byte >> 4) : (int16_t)zigzag(t);
    return !t->bad;
}

int64_t thrift_int(struct thrift_in *t, const struct thrift_field *f)
{
    if (f->type == THRIFT_TRUE || f->type == THRIFT_FALSE) return f->type == THRIFT_TRUE;
    if (f->type == I16 || f->type == I32 || f->type == I64) return zigzag(t);
    thrift_skip(t, f->type);
    return 0;
}

struct thrift_text thrift_text(struct thrift_in *t)
{
    struct thrift_text out = {t->p, varint(t)};
    out.p = t->p;
    advance(t, out.n);
    return t->bad ? (struct thrift_text){t->p, 0} : out;
}

/* An element is a byte at least, so that a length beyond the bytes that are left is a lie. */
static size_t list_head(struct thrift_in *t, int *type)
{
    if (t->bad || t->p == t->end) {
        t->bad = true;
        return 0;
    }
    uint8_t byte = *t->p++;
    uint64_t n = byte >> 4 == 15 ? varint(t) : byte >> 4;
    *type = byte & 15;
    if (n > (uint64_t)(t->end - t->p)) t->bad = true;
    return t->bad ? 0 : (size_t)n;
}

static void skip(struct thrift_in *t, int type, bool in_list, int depth);

static void skip_list(struct thrift_in *t, int depth) // NOLINT(misc-no-recursion)
{
    int type = 0;
    for (size_t n = list_head(t, &type); n > 0 && !t->bad; n--) skip(t, type, true, depth);
}

static void skip_map(struct thrift_in *t, int depth) // NOLINT(misc-no-recursion)
{
    uint64_t n = varint(t);
    if (n == 0 || t->bad) return;
    const uint8_t *types = t->p;
    advance(t, 1);
    for (; n > 0 && !t->bad; n--) {
        skip(t, *types >> 4, true, depth);
        skip(t, *types & 15, true, depth);
    }
}

static void skip_struct(struct thrift_in *t, int depth) // NOLINT(misc-no-recursion)
{
    struct thrift_field f = {0};
    while (thrift_next(t, &f)) skip(t, f.type, false, depth);
}

static void skip(struct thrift_in *t, int type, bool in_list, int depth) // NOLINT(misc-no-recursion)
{
    if (depth > DEPTH_MAX) t->bad = true;
    if (t->bad) return;
    switch (type) {
    case THRIFT_TRUE:
    case THRIFT_FALSE: advance(t, in_list); break;
    case BYTE: advance(t, 1); break;
    case I16:
    case I32:
    case I64: varint(t); break;
    case DOUBLE: advance(t, 8); break;
    case THRIFT_BINARY: advance(t, varint(t)); break;
    case THRIFT_LIST:
    case SET: skip_list(t, depth + 1); break;
    case MAP: skip_map(t, depth + 1); break;
    case THRIFT_STRUCT: skip_struct(t, depth + 1); break;
    default: t->bad = true;
    }
}

void thrift_skip(struct thrift_in *t, int type)
{
    skip(t, type, false, 0);
}

size_t thrift_list(struct thrift_in *t, int type)
{
    int have = 0;
    size_t n = list_head(t, &have);
    if (have == type) return n;
    for (; n > 0 && !t->bad; n--) skip(t, have, true, 0);
    return 0;
}

void thrift_numbers(struct thrift_in *t, int64_t *out, int n)
{
    struct thrift_field f = {0};
    while (thrift_next(t, &f)) {
        if (f.id >= 0 && f.id < n)
            out[f.id] = thrift_int(t, &f);
        else
            thrift_skip(t, f.type);
    }
}
