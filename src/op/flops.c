/* flops.c: the kernels that do nearly all arithmetic, called and counted.
 *
 * The ops reach the slots gemm, attn and attn_back by the functions of this file and by nothing else. A call
 * is counted on the thread that makes it, as what its vectors work out: whole panels of columns, scores with
 * all keys of a block (also where an instruction set leaves some of them out), sums over the keys that a
 * query has. That is a sum over elements of results, however they are cut into calls; so the count depends
 * neither on threads nor on the instruction set.
 */
#include "base/pool.h"
#include "op/op_int.h"

static struct {
    _Alignas(64) struct flops done; /* a line of its own for what a thread writes */
} threads[POOL_THREADS_MAX];

static uint64_t flops_of(int rows, int cols, int sums)
{
    return 2 * (uint64_t)rows * (uint64_t)cols * (uint64_t)sums;
}

/* Pairs of a query and a key that it has. */
static int pairs(const int *valid, int nq)
{
    int n = 0;
    for (int i = 0; i < nq; i++) n += valid[i];
    return n;
}

void counted_gemm(const struct kern_gemm *g)
{
    int cols = (g->n + KERN_PANEL - 1) / KERN_PANEL * KERN_PANEL;
    threads[pool_self()].done.products += flops_of(g->m, cols, g->k);
    kern()->gemm(g);
}

void counted_attn(const struct kern_attn *a)
{
    threads[pool_self()].done.attention +=
        flops_of(a->nq, KERN_KEYS, a->hd) + flops_of(pairs(a->valid, a->nq), a->vd, 1);
    kern()->attn(a);
}

void counted_attn_back(const struct kern_attn_back *a)
{
    threads[pool_self()].done.attention_back += flops_of(a->nq, KERN_KEYS, a->hd + a->vd) +
                                                flops_of(pairs(a->valid, a->nq), 2 * a->hd + a->vd, 1);
    kern()->attn_back(a);
}

struct flops flops_done(void)
{
    struct flops sum = {0};
    for (int i = 0; i < POOL_THREADS_MAX; i++) {
        sum.products += threads[i].done.products;
        sum.attention += threads[i].done.attention;
        sum.attention_back += threads[i].done.attention_back;
    }
    return sum;
}
