/* weight.c: a parameter's numbers: read by rows, or packed once after an update for every product with it. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
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

void weight_pack(struct weight *w)
{
    CHECK(!w->stored, "%s is a stored weight, which has no panels", w->name);
    if (!w->panels) w->panels = alloc_floats(kern_panels_floats(w->rows, w->cols));
    matmul_pack_rows(w->panels, w->data, w->cols, w->rows, w->cols);
    w->panels_fresh = true;
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
    free(w->panels);
    w->panels = NULL;
    w->panels_fresh = false;
}
