/* adamw_8bit.c: AdamW whose moments are kept in 8 bits by blocks of 256 with one factor each (Dettmers et al.
 * 2022, "8-bit Optimizers via Block-wise Quantization"): a code stands for a number of the dynamic map times
 * the block's largest absolute value. The arithmetic is that of float32.
 *
 * The map spends its codes on seven decades, twice as many on each as on the one below: decade i, up to
 * 10^(i-6), is cut into 2^i (signed, on either side of 0) or 2^(i+1) equal parts of [0.1, 1], whose middles
 * are the values; 0 and 1 complete it.
 */
#include <pthread.h>
#include <stdlib.h>

#include "train/optim_int.h"

enum { MOMENT_BLOCK = 256 };
_Static_assert(OPTIM_PIECE % MOMENT_BLOCK == 0, "whole blocks");

struct moment_map {
    float value[256]; /* ascending, the last is 1 */
};
static struct moment_map maps[2];

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void map_fill(struct moment_map *map, bool is_signed)
{
    enum { DECADES = 7 };
    int n = 0;
    double decade = 1e-6;
    for (int i = 0; i < DECADES; i++, decade *= 10) {
        int parts = is_signed ? 1 << i : 2 << i;
        for (int k = 0; k < parts; k++) {
            double middle = decade * (0.1 + 0.9 * (k + 0.5) / parts);
            map->value[n++] = (float)middle;
            if (is_signed) map->value[n++] = (float)-middle;
        }
    }
    map->value[n++] = 0;
    map->value[n++] = 1;
    CHECK(n == 256, "%d codes", n);
    qsort(map->value, 256, sizeof *map->value, compare_floats);
}

static void maps_fill(void)
{
    map_fill(&maps[0], false);
    map_fill(&maps[1], true);
}

static const struct moment_map *moment_map(bool is_signed)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, maps_fill);
    return &maps[is_signed];
}

static void moment8_load(const struct moment_map *map, const uint8_t *codes, const float *absmax, size_t n,
                         float *to)
{
    for (size_t i = 0; i < n; i++) to[i] = map->value[codes[i]] * absmax[i / MOMENT_BLOCK];
}

/* The code nearest to x in [-1, 1]; of two as near, the lower. */
static uint8_t nearest(const struct moment_map *map, float x)
{
    int low = 0;
    for (int step = 128; step > 0; step /= 2) low += map->value[low + step] <= x ? step : 0;
    if (low == 255) return 255;
    return (uint8_t)(x - map->value[low] <= map->value[low + 1] - x ? low : low + 1);
}

static void moment8_store(const struct moment_map *map, const float *from, size_t n, uint8_t *codes,
                          float *absmax)
{
    for (size_t at = 0; at < n; at += MOMENT_BLOCK) {
        size_t end = at + MOMENT_BLOCK < n ? at + MOMENT_BLOCK : n;
        float max = 0;
        for (size_t i = at; i < end; i++) {
            float size = from[i] < 0 ? -from[i] : from[i];
            if (size > max) max = size;
        }
        absmax[at / MOMENT_BLOCK] = max;
        for (size_t i = at; i < end; i++) codes[i] = nearest(map, max > 0 ? from[i] / max : 0);
    }
}

static void adamw_8(const struct update *u, const struct chunk *c)
{
    float x[2][OPTIM_PIECE];
    for (size_t done = 0; done < c->n; done += OPTIM_PIECE) {
        struct chunk piece = {c->weight, c->at + done, c->n - done < OPTIM_PIECE ? c->n - done : OPTIM_PIECE};
        for (int k = 0; k < 2; k++)
            moment8_load(moment_map(k == 0), (uint8_t *)update_state(u, c->weight, 2 * k) + piece.at,
                         (float *)update_state(u, c->weight, 2 * k + 1) + piece.at / MOMENT_BLOCK, piece.n,
                         x[k]);
        optim_adamw_chunk(u, &piece, x[0], x[1]);
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
