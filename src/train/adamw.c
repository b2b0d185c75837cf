/* adamw.c: AdamW (Loshchilov & Hutter 2019), and the step that its forms with smaller moments share.
 *
 *   w <- w - lr wd w;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
 *   w <- w - (lr / (1 - b1^t)) m / (sqrt(v / (1 - b2^t)) + eps)
 */
#include "base/fmath.h"
#include "train/optim_int.h"

// NOLINTNEXTLINE(readability-non-const-parameter): written through the struct
void optim_adamw_chunk(const struct update *u, const struct chunk *c, float *m, float *v)
{
    const struct optim_opts *o = u->opts;
    const struct weight *w = update_weight(u, c->weight);
    struct kern_adamw a = {.w = c->w,
                           .m = m,
                           .v = v,
                           .g = w->grad + c->at,
                           .n = c->n,
                           .g_scale = (float)u->g_scale,
                           .lr = (float)u->lr,
                           .b1 = (float)o->b1,
                           .b2 = (float)o->b2,
                           .eps = (float)o->eps,
                           .wd = (float)update_decay(u, c->weight),
                           .step_size = (float)(u->lr / u->c1),
                           .inv_sqrt_c2 = (float)(1 / fm_sqrt(u->c2))};
    kern()->adamw(&a);
}

static void adamw_32(const struct update *u, const struct chunk *c)
{
    float *m = update_state(u, c->weight, 0), *v = update_state(u, c->weight, 1);
    optim_adamw_chunk(u, c, m + c->at, v + c->at);
}

const struct optim_rule optim_adamw = {
    .name = "adamw",
    .also = "adamw_torch adamw_torch_fused adamw_torch_xla adamw_torch_npu_fused adamw_apex_fused adamw_hf "
            "paged_adamw paged_adamw_32bit",
    .help = "moments in float32: 8 bytes a parameter",
    .parts = {{"exp_avg", DT_F32, optim_shape_whole}, {"exp_avg_sq", DT_F32, optim_shape_whole}},
    .elements = adamw_32,
};
