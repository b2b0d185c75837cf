/* adamw.c: AdamW (Loshchilov & Hutter 2019), with moments of 32, 16 or 8 bits.
 *
 *   w <- w - lr wd w;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
 *   w <- w - (lr / (1 - b1^t)) m / (sqrt(v / (1 - b2^t)) + eps)
 *
 * The arithmetic is always that of float32: smaller moments are widened, used, and rounded again.
 */
#include "base/fmath.h"
#include "train/optim_int.h"

enum { PIECE = 2048 /* elements whose moments are widened at a time */ };
_Static_assert(OPTIM_CHUNK % PIECE == 0 && PIECE % MOMENT_BLOCK == 0, "whole blocks");

static void adamw(const struct update *u, const struct chunk *c, float *m, float *v)
{
    const struct optim_opts *o = u->opts;
    struct weight *w = update_weight(u, c->weight);
    struct kern_adamw a = {.w = w->data + c->at,
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
    adamw(u, c, m + c->at, v + c->at);
}

static void adamw_16(const struct update *u, const struct chunk *c)
{
    float x[2][PIECE];
    for (size_t done = 0; done < c->n; done += PIECE) {
        struct chunk piece = {c->weight, c->at + done, c->n - done < PIECE ? c->n - done : PIECE};
        uint16_t *state[2];
        for (int part = 0; part < 2; part++) {
            state[part] = (uint16_t *)update_state(u, c->weight, part) + piece.at;
            kern()->bf16_to_f32(x[part], state[part], piece.n);
        }
        adamw(u, &piece, x[0], x[1]);
        for (int part = 0; part < 2; part++) {
            struct moment_place p = {u->opts->seed, (uint32_t)u->step, (uint32_t)c->weight, (uint32_t)part,
                                     piece.at};
            moment16_store(&p, x[part], piece.n, state[part]);
        }
    }
}

static void adamw_8(const struct update *u, const struct chunk *c)
{
    float x[2][PIECE];
    for (size_t done = 0; done < c->n; done += PIECE) {
        struct chunk piece = {c->weight, c->at + done, c->n - done < PIECE ? c->n - done : PIECE};
        for (int k = 0; k < 2; k++)
            moment8_load(moment_map(k == 0), (uint8_t *)update_state(u, c->weight, 2 * k) + piece.at,
                         (float *)update_state(u, c->weight, 2 * k + 1) + piece.at / MOMENT_BLOCK, piece.n,
                         x[k]);
        adamw(u, &piece, x[0], x[1]);
        for (int k = 0; k < 2; k++)
            moment8_store(moment_map(k == 0), x[k], piece.n,
                          (uint8_t *)update_state(u, c->weight, 2 * k) + piece.at,
                          (float *)update_state(u, c->weight, 2 * k + 1) + piece.at / MOMENT_BLOCK);
    }
}

static void shape_blocks(const struct weight *w, int64_t shape[2])
{
    shape[0] = ((int64_t)w->rows * w->cols + MOMENT_BLOCK - 1) / MOMENT_BLOCK;
    shape[1] = 1;
}

/* Small ones, norms and biases among them, keep 32 bits, as in bitsandbytes. */
static bool is_large(const struct weight *w)
{
    return (int64_t)w->rows * w->cols >= 4096;
}

const struct optim_rule optim_adamw = {
    .name = "adamw",
    .also = "adamw_torch adamw_torch_fused adamw_torch_xla adamw_torch_npu_fused adamw_apex_fused adamw_hf "
            "paged_adamw paged_adamw_32bit",
    .help = "moments in float32: 8 bytes a parameter",
    .parts = {{"exp_avg", DT_F32, optim_shape_whole}, {"exp_avg_sq", DT_F32, optim_shape_whole}},
    .elements = adamw_32,
};

const struct optim_rule optim_adamw_bf16 = {
    .name = "adamw_bf16",
    .also = "adamw_anyprecision paged_adamw_bf16",
    .help = "AdamW, moments in bfloat16 with stochastic rounding: 4 bytes a parameter",
    .parts = {{"exp_avg", DT_BF16, optim_shape_whole}, {"exp_avg_sq", DT_BF16, optim_shape_whole}},
    .elements = adamw_16,
};

const struct optim_rule optim_adamw_8bit = {
    .name = "adamw_8bit",
    .also = "adamw_bnb_8bit adamw_torch_8bit paged_adamw_8bit",
    .help = "AdamW, moments in 8 bits by blocks of 256: 2 bytes a parameter",
    .parts = {{"exp_avg", DT_U8, optim_shape_whole},
              {"exp_avg_absmax", DT_F32, shape_blocks},
              {"exp_avg_sq", DT_U8, optim_shape_whole},
              {"exp_avg_sq_absmax", DT_F32, shape_blocks}},
    .elements = adamw_8,
    .takes = is_large,
};
