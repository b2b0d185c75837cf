/* moments.c: an optimiser's moments in 16 and 8 bits (optim_int.h).
 *
 * The dynamic map of 8 bits spends its codes on seven decades, as many halvings of precision from one to the
 * next: decade i (10^(i-6)) is cut into 2^i (signed, on either side of 0) or 2^(i+1) equal parts of [0.1, 1],
 * whose middles are the values; 0 and 1 complete it.
 */
#include <pthread.h>
#include <stdlib.h>

#include "base/fmath.h"
#include "base/rng.h"
#include "train/optim_int.h"

void moment16_store(const struct moment_place *p, const float *from, size_t n, uint16_t *to)
{
    for (size_t i = 0; i < n; i += 8) {
        uint32_t random[4];
        struct rng_at at = {p->seed, RNG_ROUND, p->step, 2 * p->weight + p->part,
                            (uint32_t)((p->at + i) / 8)};
        rng_words(&at, random);
        for (size_t k = 0; k < 8 && i + k < n; k++) {
            union {
                float f;
                uint32_t u;
            } x = {from[i + k]};
            /* What is cut off, plus a number below 1 of it, carries into the last bit. Moments are finite. */
            x.u += k % 2 ? random[k / 2] >> 16 : random[k / 2] & 0xffff;
            to[i + k] = (uint16_t)(x.u >> 16);
        }
    }
}

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

const struct moment_map *moment_map(bool is_signed)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, maps_fill);
    return &maps[is_signed];
}

void moment8_load(const struct moment_map *map, const uint8_t *codes, const float *absmax, size_t n,
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

void moment8_store(const struct moment_map *map, const float *from, size_t n, uint8_t *codes, float *absmax)
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
