/* scores.c: scores of experts from logits, and the choice among them, for balance.c and for route.c, which
 * has the formulas.
 */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "op/op_int.h"

/* ---- scores ------------------------------------------------------------------------------------------- */

void route_scores(float *s, const float *z, int n, enum route_score kind)
{
    float top = z[0], sum = 0;
    for (int e = 1; e < n; e++) top = z[e] > top ? z[e] : top;
    for (int e = 0; e < n; e++) s[e] = kind == ROUTE_SOFTMAX ? z[e] - top : -z[e];
    kern()->exp(s, s, (size_t)n);
    for (int e = 0; e < n; e++) sum += s[e];
    for (int e = 0; e < n; e++) s[e] = kind == ROUTE_SOFTMAX ? s[e] / sum : 1 / (1 + s[e]);
}

void route_scores_back(float *dz, const float *ds, const float *s, int n, enum route_score kind)
{
    float mean = 0;
    for (int e = 0; e < n; e++) mean = fmaf(ds[e], s[e], mean);
    for (int e = 0; e < n; e++)
        dz[e] += kind == ROUTE_SOFTMAX ? s[e] * (ds[e] - mean) : ds[e] * s[e] * (1 - s[e]);
}

/* ---- choice ------------------------------------------------------------------------------------------- */

/* Take the largest of c that may still be taken, the first of equals; a NaN is as good as any. */
static int take_largest(const float *c, bool *open, int n)
{
    int best = -1;
    for (int i = 0; i < n; i++)
        if (open[i] && (best < 0 || c[i] > c[best])) best = i;
    CHECK(best >= 0, "nothing is left to choose of %d", n);
    open[best] = false;
    return best;
}

/* open[e]: expert e lies in one of the best groups. */
static void open_groups(const struct route *how, const float *c, bool *open)
{
    float value[ROUTE_EXPERTS_MAX];
    bool free_group[ROUTE_EXPERTS_MAX];
    int size = how->n_experts / how->n_groups;
    for (int g = 0; g < how->n_groups; g++) {
        value[g] = 0;
        memset(open, true, (size_t)size);
        for (int i = 0; i < how->group_best; i++)
            value[g] += c[g * size + take_largest(c + g * size, open, size)];
        free_group[g] = true;
    }
    memset(open, false, (size_t)how->n_experts);
    for (int i = 0; i < how->top_groups; i++)
        memset(open + take_largest(value, free_group, how->n_groups) * size, true, (size_t)size);
}

void route_choose(const struct route *how, const float *c, int *experts)
{
    bool open[ROUTE_EXPERTS_MAX];
    memset(open, true, sizeof open);
    if (how->n_groups > 1) open_groups(how, c, open);
    for (int j = 0; j < how->top_k; j++) {
        int e = take_largest(c, open, how->n_experts), at = j;
        for (; at > 0 && experts[at - 1] > e; at--) experts[at] = experts[at - 1];
        experts[at] = e;
    }
}
