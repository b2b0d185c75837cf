/* parquet_page.c: the pages of a column chunk: levels and values.
 *
 *   page v1   header  codec(  repetition levels  definition levels  values )
 *   page v2   header  repetition levels  definition levels  codec( values )
 *
 * Levels, and places in a dictionary, are in the hybrid of runs and packed bits of Encodings.md; values plain
 * or as places in the chunk's dictionary page.
 * Text stays where it was read, in the file or the expanded page.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "data/parquet_int.h"

enum { DATA_PAGE = 0, DICTIONARY_PAGE = 2, DATA_PAGE_V2 = 3 };
enum { PLAIN = 0, PLAIN_DICTIONARY = 2, RLE = 3, RLE_DICTIONARY = 8 };

struct bytes {
    const uint8_t *p, *end;
};

static size_t left(const struct bytes *b)
{
    return (size_t)(b->end - b->p);
}

/* ---- runs and packed bits ----------------------------------------------------------------------------- */

struct hybrid {
    struct bytes in;
    int width;    /* bits of a number */
    uint64_t run; /* numbers left in this run */
    bool packed;  /* else all of them are `value` */
    uint32_t value;
    uint64_t bits; /* of a packed run, read ahead: n_bits of them */
    int n_bits;
};

static bool run_begin(struct hybrid *h)
{
    uint64_t head;
    int bytes = (h->width + 7) / 8;
    if (!pq_varint(&h->in.p, h->in.end, 6, &head)) return false;
    h->packed = head & 1;
    h->run = h->packed ? (head >> 1) * 8 : head >> 1;
    h->n_bits = 0;
    h->bits = 0;
    if (h->packed) return true;
    if (left(&h->in) < (size_t)bytes) return false;
    h->value = (uint32_t)pq_little(h->in.p, bytes);
    h->in.p += bytes;
    return true;
}

static bool hybrid_next(struct hybrid *h, uint32_t *out)
{
    while (h->run == 0)
        if (!run_begin(h)) return false;
    h->run--;
    if (!h->packed) {
        *out = h->value;
        return true;
    }
    for (; h->n_bits < h->width; h->n_bits += 8) {
        if (left(&h->in) == 0) return false;
        h->bits |= (uint64_t)*h->in.p++ << h->n_bits;
    }
    *out = (uint32_t)(h->bits & (((uint64_t)1 << h->width) - 1));
    h->bits >>= h->width;
    h->n_bits -= h->width;
    return true;
}

/* ---- the chunk as it is read -------------------------------------------------------------------------- */

struct chunk {
    const struct pq_file *f;
    const struct pq_node *leaf;
    int codec;
    struct pq_column *out;
    size_t n_max; /* entries of the chunk */
    size_t room;  /* bytes that its pages may take */
    struct pq_value *dictionary;
    size_t n_dictionary;
};

struct page {
    int64_t kind, expanded, stored;
    int64_t v1[6], dictionary[4], v2[8];
};

/* PageHeader: 1 type, 2 and 3 sizes, 5 DataPageHeader, 7 DictionaryPageHeader, 8 DataPageHeaderV2 */
static int page_read(struct page *p, struct bytes *in, struct err *e)
{
    struct thrift_in t = {.p = in->p, .end = in->end};
    struct thrift_field f = {0};
    *p = (struct page){.kind = -1, .v2 = {[7] = 1}};
    while (thrift_next(&t, &f)) {
        if (f.id == 5 && f.type == THRIFT_STRUCT)
            thrift_numbers(&t, p->v1, 6);
        else if (f.id == 7 && f.type == THRIFT_STRUCT)
            thrift_numbers(&t, p->dictionary, 4);
        else if (f.id == 8 && f.type == THRIFT_STRUCT)
            thrift_numbers(&t, p->v2, 8);
        else if (f.id == 1)
            p->kind = thrift_int(&t, &f);
        else if (f.id == 2)
            p->expanded = thrift_int(&t, &f);
        else if (f.id == 3)
            p->stored = thrift_int(&t, &f);
        else
            thrift_skip(&t, f.type);
    }
    in->p = t.p;
    if (t.bad || p->stored < 0 || (uint64_t)p->stored > left(in) || p->stored > PQ_PAGE_MAX ||
        p->expanded < 0 || p->expanded > PQ_PAGE_MAX)
        return err_set(e, "a page of %lld bytes (%lld expanded) where %zu are left; up to %d are read",
                       (long long)p->stored, (long long)p->expanded, left(in), PQ_PAGE_MAX);
    return 0;
}

/* The bytes of a page, expanded; memory for them is the column's. */
static int expand(struct chunk *c, struct bytes in, size_t n_out, struct bytes *out, struct err *e)
{
    *out = in;
    if (c->codec == PQ_CODEC_NONE) return 0;
    if (n_out > c->room - c->out->n_bytes)
        return err_set(e, "pages of more than %.3g GB, which this machine has no memory for",
                       (double)c->room / 1e9);
    uint8_t *bytes = alloc_try(n_out + 1);
    if (!bytes) return err_set(e, "no memory for a page of %zu bytes", n_out);
    c->out->pages = alloc_again(c->out->pages, (c->out->n_pages + 1) * sizeof *c->out->pages);
    c->out->pages[c->out->n_pages++] = bytes;
    c->out->n_bytes += n_out;
    *out = (struct bytes){bytes, bytes + n_out};
    return pq_expand(c->codec, in.p, left(&in), bytes, n_out, e);
}

/* ---- values ------------------------------------------------------------------------------------------- */

static bool plain_value(const struct pq_node *leaf, struct bytes *in, struct pq_value *v)
{
    static const int sizes[] = {
        [PQ_INT32] = 4, [PQ_INT64] = 8, [PQ_INT96] = 12, [PQ_FLOAT] = 4, [PQ_DOUBLE] = 8};
    size_t n = leaf->type == PQ_FIXED   ? (size_t)leaf->width
               : leaf->type == PQ_BYTES ? 4
                                        : (size_t)sizes[leaf->type];
    float single;
    if (left(in) < n) return false;
    const uint8_t *p = in->p;
    in->p += n;
    *v = (struct pq_value){.whole = 0, .n = (uint32_t)n};
    switch (leaf->type) {
    case PQ_INT32: v->whole = (int32_t)pq_little(p, 4); break;
    case PQ_INT64: v->whole = (int64_t)pq_little(p, 8); break;
    case PQ_FLOAT: memcpy(&single, p, 4), v->real = (double)single; break;
    case PQ_DOUBLE: memcpy(&v->real, p, 8); break;
    case PQ_BYTES:
        v->n = (uint32_t)pq_little(p, 4);
        v->bytes = in->p;
        if (v->n > left(in)) return false;
        in->p += v->n;
        break;
    default: v->bytes = p;
    }
    return true;
}

static bool plain_values(const struct chunk *c, struct bytes *in, struct pq_value *out, size_t n)
{
    if (c->leaf->type == PQ_BOOL) {
        if (left(in) < (n + 7) / 8) return false;
        for (size_t i = 0; i < n; i++) out[i].whole = in->p[i / 8] >> (i % 8) & 1;
        return true;
    }
    for (size_t i = 0; i < n; i++)
        if (!plain_value(c->leaf, in, &out[i])) return false;
    return true;
}

/* Truth values as runs, behind their length. */
static bool truth_runs(struct bytes *in, struct pq_value *out, size_t n)
{
    if (left(in) < 4) return false;
    struct hybrid h = {.in = {in->p + 4, in->end}, .width = 1};
    uint32_t x;
    for (size_t i = 0; i < n; i++) {
        if (!hybrid_next(&h, &x)) return false;
        out[i].whole = x;
    }
    return true;
}

static bool dictionary_values(const struct chunk *c, struct bytes *in, struct pq_value *out, size_t n)
{
    if (n == 0) return true;
    if (left(in) < 1 || *in->p > 32) return false;
    struct hybrid h = {.in = {in->p + 1, in->end}, .width = *in->p};
    uint32_t at;
    for (size_t i = 0; i < n; i++) {
        if (!hybrid_next(&h, &at) || at >= c->n_dictionary) return false;
        out[i] = c->dictionary[at];
    }
    return true;
}

static int values_read(struct chunk *c, struct bytes in, int64_t encoding, size_t n, struct err *e)
{
    struct pq_value *out = c->out->values + c->out->n_values;
    bool whole;
    if (encoding == PLAIN)
        whole = plain_values(c, &in, out, n);
    else if (encoding == PLAIN_DICTIONARY || encoding == RLE_DICTIONARY)
        whole = dictionary_values(c, &in, out, n);
    else if (encoding == RLE && c->leaf->type == PQ_BOOL)
        whole = truth_runs(&in, out, n);
    else {
        char what[128];
        snprintf(what, sizeof what, "values in encoding %lld, which is not read (plain and dictionary are)",
                 (long long)encoding);
        return pq_unread(c->f, what, e);
    }
    if (!whole) return err_set(e, "a page ends before its values do");
    c->out->n_values += n;
    return 0;
}

/* ---- pages -------------------------------------------------------------------------------------------- */

static int bit_width(int max)
{
    int n = 0;
    for (; max >> n; n++) continue;
    return n;
}

/* n levels up to max into out. */
static int levels_read(struct bytes in, int max, uint8_t *out, size_t n, struct err *e)
{
    struct hybrid h = {.in = in, .width = bit_width(max)};
    uint32_t x;
    for (size_t i = 0; i < n; i++) {
        if (!hybrid_next(&h, &x) || x > (uint32_t)max) return err_set(e, "levels that are none");
        out[i] = (uint8_t)x;
    }
    return 0;
}

/* Levels of a page v1: behind their length. */
static int levels_take(struct bytes *in, int max, uint8_t *out, size_t n, struct err *e)
{
    if (max == 0) {
        memset(out, 0, n);
        return 0;
    }
    uint64_t bytes = left(in) < 4 ? UINT64_MAX : pq_little(in->p, 4);
    if (left(in) < 4 || bytes > left(in) - 4) return err_set(e, "a page ends before its levels do");
    struct bytes own = {in->p + 4, in->p + 4 + bytes};
    in->p = own.end;
    return levels_read(own, max, out, n, e);
}

static size_t count_there(const struct chunk *c, size_t from, size_t n)
{
    size_t there = 0;
    for (size_t i = from; i < from + n; i++) there += c->out->def[i] == c->leaf->max_def;
    return there;
}

static int data_page(struct chunk *c, const struct page *p, struct bytes in, struct err *e)
{
    struct pq_column *o = c->out;
    size_t n = (size_t)p->v1[1];
    struct bytes body;
    if (p->v1[3] != RLE && c->leaf->max_def > 0) return err_set(e, "levels in encoding %d", (int)p->v1[3]);
    if (expand(c, in, (size_t)p->expanded, &body, e)) return -1;
    if (levels_take(&body, c->leaf->max_rep, o->rep + o->n, n, e)) return -1;
    if (levels_take(&body, c->leaf->max_def, o->def + o->n, n, e)) return -1;
    if (values_read(c, body, p->v1[2], count_there(c, o->n, n), e)) return -1;
    o->n += n;
    return 0;
}

/* DataPageHeaderV2: 1 num_values, 4 encoding, 5 and 6 bytes of the levels, 7 is the rest compressed? */
static int data_page_v2(struct chunk *c, const struct page *p, struct bytes in, struct err *e)
{
    struct pq_column *o = c->out;
    size_t n = (size_t)p->v2[1], room = left(&in);
    uint64_t def = (uint64_t)p->v2[5], rep = (uint64_t)p->v2[6];
    if (def > room || rep > room - def || def + rep > (uint64_t)p->expanded)
        return err_set(e, "levels of %llu and %llu bytes in a page of %zu", (unsigned long long)def,
                       (unsigned long long)rep, room);
    struct bytes reps = {in.p, in.p + rep}, defs = {in.p + rep, in.p + rep + def}, body = {defs.end, in.end};
    if (levels_read(reps, c->leaf->max_rep, o->rep + o->n, c->leaf->max_rep ? n : 0, e)) return -1;
    if (levels_read(defs, c->leaf->max_def, o->def + o->n, c->leaf->max_def ? n : 0, e)) return -1;
    if (!c->leaf->max_rep) memset(o->rep + o->n, 0, n);
    if (!c->leaf->max_def) memset(o->def + o->n, 0, n);
    if (p->v2[7] && left(&body) && expand(c, body, (size_t)p->expanded - (size_t)(def + rep), &body, e))
        return -1;
    if (values_read(c, body, p->v2[4], count_there(c, o->n, n), e)) return -1;
    o->n += n;
    return 0;
}

static int dictionary_page(struct chunk *c, const struct page *p, struct bytes in, struct err *e)
{
    int64_t n = p->dictionary[1];
    struct bytes body;
    if (c->dictionary || n < 0 || n > PQ_PAGE_MAX)
        return err_set(e, "a dictionary of %lld values", (long long)n);
    if (expand(c, in, (size_t)p->expanded, &body, e)) return -1;
    if ((uint64_t)n > left(&body) * 8) return err_set(e, "a dictionary that is cut off");
    c->dictionary = alloc_try((size_t)(n + 1) * sizeof *c->dictionary);
    if (!c->dictionary) return err_set(e, "no memory for a dictionary of %lld values", (long long)n);
    c->n_dictionary = (size_t)n;
    return plain_values(c, &body, c->dictionary, (size_t)n) ? 0 : err_set(e, "a dictionary that is cut off");
}

static int page_take(struct chunk *c, struct bytes *in, struct err *e)
{
    struct page p;
    if (page_read(&p, in, e)) return -1;
    struct bytes own = {in->p, in->p + p.stored};
    in->p = own.end;
    if (p.kind == DICTIONARY_PAGE) return dictionary_page(c, &p, own, e);
    if (p.kind != DATA_PAGE && p.kind != DATA_PAGE_V2) return 0; /* an index: nothing to read in it */
    int64_t n = p.kind == DATA_PAGE ? p.v1[1] : p.v2[1];
    if (n < 0 || (uint64_t)n > c->n_max - c->out->n)
        return err_set(e, "a page of %lld values where %zu are left", (long long)n, c->n_max - c->out->n);
    return p.kind == DATA_PAGE ? data_page(c, &p, own, e) : data_page_v2(c, &p, own, e);
}

int pq_column_read(struct pq_column *out, const struct pq_file *f, const struct pq_chunk *chunk, int column,
                   size_t room, struct err *e)
{
    struct chunk c = {.f = f, .codec = chunk->codec, .out = out, .room = room};
    struct bytes in = {f->map.p + chunk->at, f->map.p + chunk->at + chunk->bytes};
    c.leaf = &f->nodes[f->leaves[column]];
    c.n_max = (size_t)chunk->n_values;
    *out = (struct pq_column){0};
    if (pq_codec_check(f, c.codec, e)) return -1;
    out->def = alloc_try(c.n_max + 1);
    out->rep = alloc_try(c.n_max + 1);
    out->values = alloc_try((c.n_max + 1) * sizeof *out->values);
    int failed = 0;
    if (!out->def || !out->rep || !out->values) failed = err_set(e, "no memory for %zu values", c.n_max);
    while (!failed && out->n < c.n_max && left(&in)) failed = page_take(&c, &in, e);
    if (!failed && out->n < c.n_max) failed = err_set(e, "%zu values, %zu were expected", out->n, c.n_max);
    free(c.dictionary);
    return failed;
}

void pq_column_release(struct pq_column *c)
{
    for (size_t i = 0; i < c->n_pages; i++) free(c->pages[i]);
    free(c->pages);
    free(c->def);
    free(c->rep);
    free(c->values);
    *c = (struct pq_column){0};
}
