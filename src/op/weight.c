/* weight.c: panels of a parameter, packed once after an update and then used by every product with it. */
#include <stdlib.h>

#include "base/check.h"
#include "op/op_int.h"

void weight_pack(struct weight *w)
{
    if (!w->panels) w->panels = alloc_floats(kern_panels_floats(w->rows, w->cols));
    matmul_pack_rows(w->panels, w->data, w->cols, w->rows, w->cols);
    w->panels_fresh = true;
}

void weight_unpack(struct weight *w)
{
    free(w->panels);
    w->panels = NULL;
    w->panels_fresh = false;
}
