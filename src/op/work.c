/* work.c: how much of a loop one thread takes at a time, and plain passes over large arrays.
 *
 * Waking the pool costs about a microsecond, a few thousand steps of a vector unit; so a piece is at least
 * WORK_GRAIN steps, and there are a few pieces per thread so that a slow thread does not hold up the rest.
 */
#include <string.h>

#include "base/pool.h"
#include "op/op_int.h"

enum { WORK_GRAIN = 1 << 16, WORK_PER_THREAD = 4 };

int work_items(double work, int max)
{
    int threads = pool_threads();
    if (threads == 1) return 1;
    double n = work / WORK_GRAIN;
    if (n > WORK_PER_THREAD * threads) n = WORK_PER_THREAD * threads;
    if (n > max) n = max;
    return n < 1 ? 1 : (int)n;
}

struct range work_range(size_t total, size_t align, int i, int n)
{
    size_t units = (total + align - 1) / align;
    size_t from = units * (size_t)i / (size_t)n * align, to = units * (size_t)(i + 1) / (size_t)n * align;
    return (struct range){from < total ? from : total, to < total ? to : total};
}

struct work_over {
    size_t total, align;
    int n;
    void (*f)(void *, struct range);
    void *ctx;
};

static void over_item(void *ctx, int i)
{
    struct work_over *w = ctx;
    w->f(w->ctx, work_range(w->total, w->align, i, w->n));
}

void work_over(size_t total, size_t align, double cost, void (*f)(void *ctx, struct range r), void *ctx)
{
    if (!total) return;
    size_t units = (total + align - 1) / align;
    int n = work_items((double)total * cost, units < 1 << 20 ? (int)units : 1 << 20);
    struct work_over w = {total, align, n, f, ctx};
    pool_for(n, over_item, &w);
}

struct work_arrays {
    float *y;
    const float *a, *b;
};

static void add_range(void *ctx, struct range r)
{
    struct work_arrays *w = ctx;
    kern()->add(w->y + r.from, w->a + r.from, w->b + r.from, r.to - r.from);
}

static void zero_range(void *ctx, struct range r)
{
    struct work_arrays *w = ctx;
    memset(w->y + r.from, 0, (r.to - r.from) * sizeof(float));
}

static void copy_range(void *ctx, struct range r)
{
    struct work_arrays *w = ctx;
    memcpy(w->y + r.from, w->a + r.from, (r.to - r.from) * sizeof(float));
}

enum { ARRAY_ALIGN = 64 }; /* floats: a piece ends at the end of a cache line */

void work_add(float *y, const float *a, const float *b, size_t n)
{
    work_over(n, ARRAY_ALIGN, 1, add_range, &(struct work_arrays){y, a, b});
}

void work_zero(float *y, size_t n)
{
    work_over(n, ARRAY_ALIGN, 0.5, zero_range, &(struct work_arrays){y, NULL, NULL});
}

void work_copy(float *y, const float *x, size_t n)
{
    work_over(n, ARRAY_ALIGN, 1, copy_range, &(struct work_arrays){y, x, NULL});
}
