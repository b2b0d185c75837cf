/* codes8.c: see codes8.h. The maps are worked out once, when they are first asked for. */
#include "base/codes8.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"

static float maps[2][256];

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void map_fill(float *map, bool is_signed)
{
    enum { DECADES = 7 };
    int n = 0;
    double decade = 1e-6;
    for (int i = 0; i < DECADES; i++, decade *= 10) {
        int parts = is_signed ? 1 << i : 2 << i;
        for (int k = 0; k < parts; k++) {
            double middle = decade * (0.1 + 0.9 * (k + 0.5) / parts);
            map[n++] = (float)middle;
            if (is_signed) map[n++] = (float)-middle;
        }
    }
    map[n++] = 0;
    map[n++] = 1;
    CHECK(n == 256, "%d codes", n);
    qsort(map, 256, sizeof *map, compare_floats);
}

static void maps_fill(void)
{
    map_fill(maps[0], false);
    map_fill(maps[1], true);
}

const float *codes8_map(bool is_signed)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, maps_fill);
    return maps[is_signed];
}

uint8_t codes8_nearest(const float *map, float x)
{
    int low = 0;
    for (int step = 128; step > 0; step /= 2) low += map[low + step] <= x ? step : 0;
    if (low == 255) return 255;
    return (uint8_t)(x - map[low] <= map[low + 1] - x ? low : low + 1);
}
