/* protobuf.c: fields of one message in Protocol Buffers' wire format, one after the other.
 *
 * A field is a number (tag >> 3) and a kind (tag & 7): 0 a varint of at most ten bytes, 1 eight bytes, 2 a
 * length and so many bytes, 5 four bytes. Groups (3, 4) went out of use before SentencePiece was written.
 */
#include <string.h>

#include "text/text_int.h"

static int varint(struct pb *m, uint64_t *out, struct err *e)
{
    *out = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        if (m->p == m->end) return err_set(e, "ends in the middle of a number");
        unsigned char byte = *m->p++;
        *out |= shift < 64 ? (uint64_t)(byte & 0x7F) << shift : 0;
        if (byte < 0x80) return 0;
    }
    return err_set(e, "a number of more than ten bytes");
}

static int fixed(struct pb *m, size_t n, uint64_t *out, struct err *e)
{
    if ((size_t)(m->end - m->p) < n) return err_set(e, "ends in the middle of a field");
    *out = 0;
    for (size_t i = 0; i < n; i++) *out |= (uint64_t)m->p[i] << (8 * i);
    m->p += n;
    return 0;
}

int pb_next(struct pb *m, struct pb_field *f, struct err *e)
{
    uint64_t tag;
    if (m->p == m->end) return 0;
    if (varint(m, &tag, e)) return -1;
    *f = (struct pb_field){.number = tag >> 3 > INT32_MAX ? 0 : (int)(tag >> 3), .kind = (int)(tag & 7)};
    if (f->number < 1) return err_set(e, "a field with the number %llu", (unsigned long long)(tag >> 3));
    int failed = -1;
    switch (f->kind) {
    case PB_VARINT: failed = varint(m, &f->value, e); break;
    case PB_FIXED64: failed = fixed(m, 8, &f->value, e); break;
    case PB_FIXED32: failed = fixed(m, 4, &f->value, e); break;
    case PB_BYTES:
        failed = varint(m, &f->value, e);
        if (!failed && f->value > (uint64_t)(m->end - m->p))
            failed = err_set(e, "field %d of %llu bytes; %zu are left", f->number,
                             (unsigned long long)f->value, (size_t)(m->end - m->p));
        if (failed) break;
        f->in = (struct pb){m->p, m->p + f->value};
        m->p += f->value;
        break;
    default: failed = err_set(e, "field %d of kind %d; 0, 1, 2 or 5 expected", f->number, f->kind);
    }
    return failed ? -1 : 1;
}

float pb_float(const struct pb_field *f)
{
    uint32_t bits = (uint32_t)f->value;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
