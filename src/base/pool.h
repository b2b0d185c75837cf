/* pool.h: the one thread pool.
 *
 * pool_for(n, f, ctx) calls f(ctx, i) once for each i in 0..n-1, on all threads, and returns when all are
 * done. Which thread runs which item is not fixed; so an item writes only what no other item writes, and
 * every sum is formed inside one item, in a fixed order. Then results do not depend on the number of threads.
 * Calls must not nest. Waking is cheap (threads spin for some microseconds before they sleep), because the
 * small models of the demo issue thousands of short loops a second.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

enum { POOL_THREADS_MAX = 1024 };

typedef void (*pool_fn)(void *ctx, int item);

void pool_start(int threads); /* 0: one per available CPU, or OPENR1_THREADS; call once, before pool_for */
void pool_stop(void);
int pool_threads(void);
void pool_for(int n, pool_fn f, void *ctx);
/* Index of the calling thread in 0..pool_threads()-1, for scratch buffers. */
int pool_self(void);

#endif
