/* narrow.c: which stored types have panels as narrow as themselves (kern.h), and how rows become panels.
 *
 * Bits only change place: the q of a quantised block go to lines of 16 outputs, its halves to the head of a
 * group. Blocks are those of gguf_quants.c. Q5_0's q are signed bytes when 16 has been taken off, as Q8_0's
 * are to begin with.
 */
#include <string.h>

#include "kern/kern.h"
#include "model/model_int.h"

enum { HALF_SPECIAL = 0x7C00, BFLOAT_SPECIAL = 0x7F80, HALVES = KERN_PANEL * sizeof(uint16_t) };

/* Where one row of a matrix goes in a panel: output j of k lines. */
struct narrow_row {
    const uint8_t *p;
    char *panel;
    int j, k;
};

static bool is_special(uint16_t x, uint16_t special)
{
    return (x & special) == special;
}

/* 16 bits of a row to output j of each line; false: a number is NaN or infinite. */
static bool move_16(const struct narrow_row *r, uint16_t special)
{
    bool good = true;
    for (int k = 0; k < r->k; k++) {
        uint16_t x;
        memcpy(&x, r->p + (size_t)k * sizeof x, sizeof x);
        good &= !is_special(x, special);
        memcpy(r->panel + (size_t)(k * KERN_PANEL + r->j) * sizeof x, &x, sizeof x);
    }
    return good;
}

static bool bf16_row(const struct narrow_row *r)
{
    return move_16(r, BFLOAT_SPECIAL);
}

static bool f16_row(const struct narrow_row *r)
{
    return move_16(r, HALF_SPECIAL);
}

/* The n halves that a block begins with, to output j of the n runs of halves at `head`. */
static bool move_halves(const uint8_t *block, int n, char *head, int j)
{
    bool good = true;
    for (int i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, block + (size_t)i * sizeof h, sizeof h);
        good &= !is_special(h, HALF_SPECIAL);
        memcpy(head + (size_t)(i * KERN_PANEL + j) * sizeof h, &h, sizeof h);
    }
    return good;
}

static bool q8_0_row(const struct narrow_row *r)
{
    bool good = true;
    const uint8_t *p = r->p;
    char *to = r->panel;
    for (int k = 0; k < r->k; k += KERN_GROUP, p += 34, to += HALVES + KERN_GROUP * KERN_PANEL) {
        good &= move_halves(p, 1, to, r->j);
        for (int i = 0; i < KERN_GROUP; i++) to[(int)HALVES + i * KERN_PANEL + r->j] = (char)p[2 + i];
    }
    return good;
}

static bool q5_0_row(const struct narrow_row *r)
{
    bool good = true;
    const uint8_t *p = r->p;
    char *to = r->panel;
    for (int k = 0; k < r->k; k += KERN_GROUP, p += 22, to += HALVES + KERN_GROUP * KERN_PANEL) {
        good &= move_halves(p, 1, to, r->j);
        for (int i = 0; i < KERN_GROUP; i++)
            to[(int)HALVES + i * KERN_PANEL + r->j] = (char)(five_bits(p + 2, p + 6, i) - 16);
    }
    return good;
}

/* The low nibbles of four bytes, the first the lowest. */
static uint16_t join_nibbles(uint32_t x)
{
    x &= 0x0F0F0F0FU;
    x = (x | x >> 4) & 0x00FF00FFU;
    return (uint16_t)(x | x >> 8);
}

/* Blocks of `halves` halves and 32 nibbles, element i in the low nibble of byte i, i + 16 in the high one. */
static bool move_nibbles(const struct narrow_row *r, int halves)
{
    bool good = true;
    const uint8_t *p = r->p;
    char *to = r->panel;
    for (int k = 0; k < r->k; k += KERN_GROUP, p += 2 * halves + 16) {
        good &= move_halves(p, halves, to, r->j);
        to += halves * (int)HALVES;
        for (int w = 0; w < 8; w++, to += KERN_PANEL * sizeof(uint16_t)) {
            uint32_t bytes = 0;
            for (int i = 3; i >= 0; i--) bytes = bytes << 8 | p[2 * halves + w % 4 * 4 + i];
            uint16_t word = join_nibbles(w < 4 ? bytes : bytes >> 4);
            memcpy(to + (size_t)r->j * sizeof word, &word, sizeof word);
        }
    }
    return good;
}

static bool q4_0_row(const struct narrow_row *r)
{
    return move_nibbles(r, 1);
}

static bool q4_1_row(const struct narrow_row *r)
{
    return move_nibbles(r, 2);
}

static const struct narrow {
    enum dtype dtype;
    enum kern_form form;
    bool (*row)(const struct narrow_row *r);
} narrows[] = {
    {DT_BF16, KERN_BF16, bf16_row}, {DT_F16, KERN_F16, f16_row},  {DT_Q8_0, KERN_Q8, q8_0_row},
    {DT_Q5_0, KERN_Q8, q5_0_row},   {DT_Q4_0, KERN_Q4, q4_0_row}, {DT_Q4_1, KERN_Q4_LEAST, q4_1_row},
};

static const struct narrow *narrow_find(enum dtype t)
{
    for (size_t i = 0; i < sizeof narrows / sizeof *narrows; i++)
        if (narrows[i].dtype == t) return &narrows[i];
    return NULL;
}

size_t dtype_panels_bytes(enum dtype t, int64_t rows, int64_t cols)
{
    const struct narrow *n = narrow_find(t);
    int64_t panels = (rows + KERN_PANEL - 1) / KERN_PANEL;
    return (size_t)panels * kern_lines_bytes(n ? n->form : KERN_F32, (int)cols);
}

/* So many columns at a time that what is written stays in the first-level cache. */
static bool narrow_pack(const struct stored *face, int row, int n, void *panel)
{
    const struct stored_tensor *s = (const struct stored_tensor *)face;
    bool good = true;
    if (n < KERN_PANEL) memset(panel, 0, kern_lines_bytes(face->form, s->cols));
    for (int k = 0; k < s->cols; k += STORED_COLS) {
        size_t at = (size_t)(k / s->dtype->block) * (size_t)s->dtype->bytes;
        char *to = (char *)panel + kern_lines_bytes(face->form, k);
        for (int j = 0; j < n; j++) {
            struct narrow_row r = {stored_row(s, row + j) + at, to, j, s->cols - k};
            if (r.k > STORED_COLS) r.k = STORED_COLS;
            good &= s->narrow->row(&r);
        }
    }
    return good;
}

void narrow_init(struct stored_tensor *s, enum dtype t)
{
    s->narrow = narrow_find(t);
    if (!s->narrow || s->scales.p) return;
    s->face.form = s->narrow->form;
    s->face.pack = narrow_pack;
}
