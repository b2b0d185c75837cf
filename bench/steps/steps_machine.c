/* steps_machine.c: the machine's limits: fused multiply-adds a second, and bytes a second from memory.
 *
 * Arithmetic: 12 independent accumulators of the widest vectors on every thread, nothing but registers: more
 * than latency times ports, so that both ports are busy. Two operations a multiply-add. Memory: the sum over
 * an array that no cache holds, each thread its own part, as a matrix-vector product reads weights. Best of
 * the repeats: these are limits.
 */
#include "steps.h"

#include <stdint.h>

#include "base/check.h"
#include "base/pool.h"

#if defined(__AVX512F__)
enum { WIDTH = 16 };
#elif defined(__AVX__)
enum { WIDTH = 8 };
#else
enum { WIDTH = 4 };
#endif
typedef float vec __attribute__((vector_size(WIDTH * sizeof(float))));

enum { CHAINS = 12, ROUNDS = 20000000, PART_FLOATS = 1 << 26, PARTS = 16 };

static float *memory;
static volatile float sink[64]; /* what keeps the compiler from leaving the work out */

static vec splat(float x)
{
    vec v;
    for (int i = 0; i < WIDTH; i++) v[i] = x;
    return v;
}

static void multiply_add(void *ctx, int item)
{
    (void)ctx;
    vec acc[CHAINS], a = splat(0.999f + 1e-6f * (float)item), b = splat(1e-3f);
    for (int c = 0; c < CHAINS; c++) acc[c] = splat((float)c);
    for (int r = 0; r < ROUNDS / 4; r++) {
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++) acc[c] = acc[c] * a + b;
    }
    for (int c = 1; c < CHAINS; c++) acc[0] += acc[c];
    for (int i = 0; i < WIDTH; i++) sink[i] = acc[0][i];
}

static void read_part(void *ctx, int item)
{
    (void)ctx;
    const vec *p = (const vec *)(const void *)(memory + (size_t)item * (PART_FLOATS / PARTS));
    size_t n = PART_FLOATS / PARTS / WIDTH;
    vec s[8];
    for (int c = 0; c < 8; c++) s[c] = splat(0);
    for (size_t i = 0; i + 8 <= n; i += 8) {
#pragma GCC unroll 8
        for (int c = 0; c < 8; c++) s[c] += p[i + (size_t)c];
    }
    for (int c = 1; c < 8; c++) s[0] += s[c];
    for (int i = 0; i < WIDTH; i++) sink[i] = s[0][i];
}

/* Best seconds of calling f for `items` items. */
static double best_s(pool_fn f, int items, int repeats)
{
    double best = 0;
    for (int r = 0; r < repeats; r++) {
        double start = steps_clock();
        pool_for(items, f, NULL);
        double took = steps_clock() - start;
        if (r == 0 || took < best) best = took;
    }
    return best;
}

static const char *machine_work(int i)
{
    return i == 0 ? "fused multiply-adds" : "memory, read";
}

static int machine_run(int i, int repeats, struct err *e)
{
    (void)e;
    pool_start(steps_threads());
    if (i == 0) {
        int items = pool_threads() * 4;
        double flops = 2.0 * WIDTH * CHAINS * (ROUNDS / 4) * items;
        double rate = flops / best_s(multiply_add, items, repeats * 2) / 1e9;
        steps_tell(&(struct steps_row){"rate", rate, "GFLOP/s", rate, 0});
    } else {
        memory = alloc_floats(PART_FLOATS);
        for (size_t k = 0; k < PART_FLOATS; k += 512) memory[k] = 1; /* real pages, not the zero page */
        double rate = sizeof(float) * (double)PART_FLOATS / best_s(read_part, PARTS, repeats * 4) / 1e9;
        steps_tell(&(struct steps_row){"rate", rate, "GB/s", 0, rate});
        free(memory);
    }
    pool_stop();
    return 0;
}

const struct steps steps_machine = {
    .name = "machine",
    .help = "fused multiply-adds and memory reads a second, all threads",
    .n_works = 2,
    .work = machine_work,
    .run = machine_run,
};
