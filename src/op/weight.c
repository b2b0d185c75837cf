/* weight.c: a parameter's numbers: read by rows, or packed once after an update for every product with it. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/pool.h"
#include "op/op_int.h"

void weight_rows(const struct weight *w, int row, int n, float *out)
{
    CHECK(row >= 0 && n >= 0 && row <= w->rows - n, "rows %d+%d of %s, which has %d", row, n, w->name,
          w->rows);
    size_t cols = (size_t)w->cols;
    if (w->stored)
        w->stored->tile(w->stored, row, n, 0, w->cols, out);
    else
        memcpy(out, w->data + (size_t)row * cols, (size_t)n * cols * sizeof *out);
}

void weight_set_rows(struct weight *w, int row, int n, const float *x)
{
    enum { RUN = 1024 };
    uint16_t run[RUN];
    CHECK(row >= 0 && n >= 0 && row <= w->rows - n && (w->data || w->data16),
          "rows %d+%d of %s, which has %d", row, n, w->name, w->rows);
    size_t at = (size_t)row * (size_t)w->cols, count = (size_t)n * (size_t)w->cols;
    if (w->data16)
        kern()->f32_to_bf16(w->data16 + at, x, count);
    else if (!w->bf16)
        memcpy(w->data + at, x, count * sizeof *x);
    for (size_t i = 0; i < count && w->bf16 && w->data; i += RUN) {
        size_t part = count - i < RUN ? count - i : RUN;
        kern()->f32_to_bf16(run, x + i, part);
        kern()->bf16_to_f32(w->data + at + i, run, part);
    }
}

/* ---- a stored weight ----------------------------------------------------------------------------------- */

struct stored_pack {
    const struct weight *w;
    atomic_int
        bad; /* the first row of a panel with a number that is not finite, or how many rows there are */
};

static bool all_finite(const float *x, size_t n)
{
    const uint32_t exponent = 0x7F800000; /* all ones where a number is not finite */
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bad |= (bits & exponent) == exponent;
    }
    return !bad;
}

static bool pack_tile(const struct weight *w, int row, int n, void *panel)
{
    size_t count = (size_t)n * (size_t)w->cols;
    float *rows = alloc_or_die(count * sizeof *rows);
    w->stored->tile(w->stored, row, n, 0, w->cols, rows);
    kern()->pack_rows(panel, rows, w->cols, n, w->cols);
    bool good = all_finite(rows, count);
    free(rows);
    return good;
}

static void pack_panels(void *ctx, struct range r)
{
    struct stored_pack *p = ctx;
    const struct weight *w = p->w;
    for (size_t row = r.from; row < r.to; row += KERN_PANEL) {
        int n = r.to - row < KERN_PANEL ? (int)(r.to - row) : KERN_PANEL;
        void *panel = (char *)w->panels + kern_panels_bytes(w->form, (int)row, w->cols);
        bool good = w->stored->pack ? w->stored->pack(w->stored, (int)row, n, panel)
                                    : pack_tile(w, (int)row, n, panel);
        int bad = atomic_load(&p->bad);
        while (!good && (int)row < bad && !atomic_compare_exchange_weak(&p->bad, &bad, (int)row)) continue;
    }
}

static int first_bad_row(const struct weight *w, int row)
{
    float *x = alloc_or_die((size_t)w->cols * sizeof *x);
    for (; row < w->rows; row++) {
        weight_rows(w, row, 1, x);
        if (!all_finite(x, (size_t)w->cols)) break;
    }
    free(x);
    return row;
}

enum { PACK_COST = 16 }; /* steps to decode and move one number */

static int pack_stored(struct weight *w)
{
    struct stored_pack p = {.w = w};
    atomic_init(&p.bad, w->rows);
    work_over((size_t)w->rows, KERN_PANEL, (double)w->cols * PACK_COST, pack_panels, &p);
    int bad = atomic_load(&p.bad);
    if (bad == w->rows) return -1;
    weight_unpack(w);
    return first_bad_row(w, bad);
}

/* ---- panels -------------------------------------------------------------------------------------------- */

size_t weight_pack_bytes(const struct weight *w)
{
    return kern_panels_bytes(w->stored ? w->stored->form : KERN_F32, w->rows, w->cols);
}

bool weight_packs(const struct weight *w)
{
    return !w->stored || w->bf16;
}

int weight_pack(struct weight *w)
{
    w->form = w->stored ? w->stored->form : KERN_F32;
    if (!w->panels) w->panels = alloc_large(weight_pack_bytes(w));
    w->panels_fresh = true;
    if (w->stored) return pack_stored(w);
    matmul_pack_rows(w->panels, w->data, w->cols, w->rows, w->cols);
    return -1;
}

void weight_changed(struct weight *w)
{
    w->panels_fresh = false;
    w->changes++;
}

bool weight_learns(const struct weight *w)
{
    const struct adapter *a = weight_adapter(w);
    return w->grad || (a && (a->a->grad || a->b->grad || (a->magnitude && a->magnitude->grad)));
}

void weight_unpack(struct weight *w)
{
    if (!w->panels_lent) free(w->panels);
    w->panels = NULL;
    w->panels_fresh = w->panels_lent = false;
}
