/* adamw_8bit.c: AdamW whose moments are kept in 8 bits by blocks of 256 with one factor each (Dettmers et al.
 * 2022, "8-bit Optimizers via Block-wise Quantization"): a code stands for a number of the dynamic map times
 * the block's largest absolute value (base/codes8.h). The arithmetic is that of float32.
 */
#include "base/codes8.h"
#include "train/optim_int.h"

enum { MOMENT_BLOCK = 256 };
_Static_assert(OPTIM_PIECE % MOMENT_BLOCK == 0, "whole blocks");

static void moment8_load(const float *map, const uint8_t *codes, const float *absmax, size_t n, float *to)
{
    for (size_t i = 0; i < n; i++) to[i] = map[codes[i]] * absmax[i / MOMENT_BLOCK];
}

static void moment8_store(const float *map, const float *from, size_t n, uint8_t *codes, float *absmax)
{
    for (size_t at = 0; at < n; at += MOMENT_BLOCK) {
        size_t end = at + MOMENT_BLOCK < n ? at + MOMENT_BLOCK : n;
        float max = 0;
        for (size_t i = at; i < end; i++) {
            float size = from[i] < 0 ? -from[i] : from[i];
            if (size > max) max = size;
        }
        absmax[at / MOMENT_BLOCK] = max;
        for (size_t i = at; i < end; i++) codes[i] = codes8_nearest(map, max > 0 ? from[i] / max : 0);
    }
}

static void adamw_8(const struct update *u, const struct chunk *c)
{
    float x[2][OPTIM_PIECE];
    for (size_t done = 0; done < c->n; done += OPTIM_PIECE) {
        struct chunk piece = {c->weight, c->at + done, c->n - done < OPTIM_PIECE ? c->n - done : OPTIM_PIECE,
                              c->w + done};
        for (int k = 0; k < 2; k++)
            moment8_load(codes8_map(k == 0), (uint8_t *)update_state(u, c->weight, 2 * k) + piece.at,
                         (float *)update_state(u, c->weight, 2 * k + 1) + piece.at / MOMENT_BLOCK, piece.n,
                         x[k]);
        optim_adamw_chunk(u, &piece, x[0], x[1]);
        for (int k = 0; k < 2; k++)
            moment8_store(codes8_map(k == 0), x[k], piece.n,
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
