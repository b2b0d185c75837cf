/* snappy.c: blocks of Snappy's raw format (snappy/format_description.txt): the length in seven bits a byte,
 * then elements, each with a tag: bytes as they are, or a piece that was there before.
 */
#include <string.h>

#include "data/parquet_int.h"

struct block {
    const uint8_t *p, *end; /* what is left to read */
    uint8_t *out;
    size_t at, n_out;
};

/* A number of so many bytes, least significant first. */
static bool little(struct block *b, int bytes, size_t *x)
{
    if (b->end - b->p < bytes) return false;
    *x = (size_t)pq_little(b->p, bytes);
    b->p += bytes;
    return true;
}

static bool literal(struct block *b, uint8_t tag)
{
    size_t n = tag >> 2;
    if (n >= 60 && !little(b, (int)n - 59, &n)) return false;
    n++;
    if (n > (size_t)(b->end - b->p) || n > b->n_out - b->at) return false;
    memcpy(b->out + b->at, b->p, n);
    b->p += n;
    b->at += n;
    return true;
}

/* Byte by byte: a piece may reach into what it is making. */
static bool copy(struct block *b, size_t n, size_t back)
{
    if (back == 0 || back > b->at || n > b->n_out - b->at) return false;
    for (; n > 0; n--, b->at++) b->out[b->at] = b->out[b->at - back];
    return true;
}

static bool element(struct block *b)
{
    uint8_t tag = *b->p++;
    size_t back, n = (size_t)(tag >> 2) + 1;
    switch (tag & 3) {
    case 0: return literal(b, tag);
    case 1:
        if (!little(b, 1, &back)) return false;
        return copy(b, (size_t)(tag >> 2 & 7) + 4, back | (size_t)(tag >> 5) << 8);
    case 2: return little(b, 2, &back) && copy(b, n, back);
    default: return little(b, 4, &back) && copy(b, n, back);
    }
}

// NOLINTNEXTLINE(readability-non-const-parameter): written through the struct
bool snappy_expand(const uint8_t *in, size_t n, uint8_t *out, size_t n_out)
{
    struct block b = {.p = in, .end = in + n, .out = out, .n_out = n_out};
    uint64_t told;
    if (!pq_varint(&b.p, b.end, 5, &told) || told != n_out) return false;
    while (b.p < b.end)
        if (!element(&b)) return false;
    return b.at == n_out;
}
