/* attn_body.h: one block of keys of flash attention, forward and backward, over any lanes_X.h.
 *
 * Lanes run over keys for the scores (K lies transposed) and over the head for everything else. Queries go in
 * tiles of ATTN_ROWS. Every step works on all KERN_KEYS keys of the block, present or not, wherever an
 * absent key touches only its own lane; the sums over keys stop at the last key that all queries of a tile
 * have, and go on for each query alone. So the diagonal of a causal mask costs little more than a full block
 * and needs no path of its own. Backward transposes K and V once per call, so that its products have the
 * same two shapes.
 */
#include "base/check.h"
#include "kern/body.h"

enum {
    ATTN_BACK_ROWS = 32, /* queries whose probabilities are kept at a time */
    ATTN_BACK_KEYS = 4,  /* keys in a tile of dk or dv */
    ATTN_HD_MAX = 512
};
_Static_assert(2 * KERN_KEYS * (ATTN_HD_MAX + ATTN_BACK_ROWS) <= KERN_SCRATCH, "scratch for K, V, P and dS");

/* ---- scores -------------------------------------------------------------------------------------------- */

/* s[i][j] = scale * sum_d q[i][d] kt[d][j]. */
struct scores {
    const float *q, *kt;
    ptrdiff_t q_row;
    int hd;
    float scale, *s;
};

INLINE void scores_tile(const struct scores *t, int from, const int rows)
{
    const float *q = t->q + from * t->q_row, *kt = t->kt;
    float *s = t->s + from * KERN_KEYS;
    vf acc[ATTN_ROWS * LANE_VECS];
    UNROLL for (int i = 0; i < rows * LANE_VECS; i++) acc[i] = vf_set(0);
    for (int d = 0; d < t->hd; d++, q++, kt += KERN_KEYS) {
        vf k[LANE_VECS];
        UNROLL for (int v = 0; v < LANE_VECS; v++) k[v] = vf_load(kt + v * LANES);
        UNROLL for (int i = 0; i < rows; i++)
        {
            vf x = vf_set(q[i * t->q_row]);
            UNROLL for (int v = 0; v < LANE_VECS; v++) acc[i * LANE_VECS + v] =
                vf_fma(x, k[v], acc[i * LANE_VECS + v]);
        }
    }
    UNROLL for (int i = 0; i < rows * LANE_VECS; i++)
        vf_store(s + i * LANES, vf_mul(vf_set(t->scale), acc[i]));
}

/* Constant rows for a tile; what is above ATTN_ROWS never comes and is not compiled. */
#define ATTN_CASE(r, call)                                                                                   \
    case r:                                                                                                  \
        if (r <= ATTN_ROWS) call;                                                                            \
        break;
#define ATTN_CASES(rows, call)                                                                               \
    switch (rows) {                                                                                          \
        ATTN_CASE(1, call(1))                                                                                \
        ATTN_CASE(2, call(2))                                                                                \
        ATTN_CASE(3, call(3))                                                                                \
        ATTN_CASE(4, call(4))                                                                                \
        ATTN_CASE(5, call(5))                                                                                \
        ATTN_CASE(6, call(6))                                                                                \
    }

static void scores_some(const struct scores *t, int from, int rows)
{
#define SCORES_TILE(r) scores_tile(t, from, r)
    ATTN_CASES(rows, SCORES_TILE)
#undef SCORES_TILE
}

/* ---- sums over keys ------------------------------------------------------------------------------------ */

/* y[i][d] = y[i][d] * c[i] (or without c) + sum_{from <= j < to} p[i][j] x[j][d]. */
struct mix {
    float *y;
    ptrdiff_t y_row;
    const float *p, *x, *c;
    int hd, from, to;
};

INLINE void mix_tile(const struct mix *t, int d, const int rows, const int vecs, const bool whole)
{
    const size_t count = whole ? LANES : (size_t)(t->hd - d);
    vf acc[ATTN_ROWS * 8];
    float *y = t->y + d;
    UNROLL for (int i = 0; i < rows * vecs; i++) acc[i] =
        get(y + i / vecs * t->y_row + i % vecs * LANES, count);
    if (t->c) {
        UNROLL for (int i = 0; i < rows * vecs; i++) acc[i] = vf_mul(acc[i], vf_set(t->c[i / vecs]));
    }
    const float *p = t->p + t->from, *x = t->x + (ptrdiff_t)t->from * t->hd + d;
    for (int j = t->from; j < t->to; j++, p++, x += t->hd) {
        vf xv[8];
        UNROLL for (int v = 0; v < vecs; v++) xv[v] = get(x + v * LANES, count);
        UNROLL for (int i = 0; i < rows; i++)
        {
            vf pv = vf_set(p[i * KERN_KEYS]);
            UNROLL for (int v = 0; v < vecs; v++) acc[i * vecs + v] = vf_fma(pv, xv[v], acc[i * vecs + v]);
        }
    }
    UNROLL for (int i = 0; i < rows * vecs; i++)
        put(y + i / vecs * t->y_row + i % vecs * LANES, acc[i], count);
}

INLINE void mix_rows(const struct mix *t, const int rows)
{
    int d = 0;
    for (; d + ATTN_VECS * LANES <= t->hd; d += ATTN_VECS * LANES) mix_tile(t, d, rows, ATTN_VECS, true);
    for (; d + 2 * LANES <= t->hd; d += 2 * LANES) mix_tile(t, d, rows, 2, true);
    for (; d + LANES <= t->hd; d += LANES) mix_tile(t, d, rows, 1, true);
    if (d < t->hd) mix_tile(t, d, rows, 1, false);
}

static void mix_some(const struct mix *t, int rows)
{
#define MIX_ROWS(r) mix_rows(t, r)
    ATTN_CASES(rows, MIX_ROWS)
#undef MIX_ROWS
}

/* A tile of queries: together over the keys that all have, then each alone over the rest. */
static void mix_valid(struct mix t, const int *valid, int rows)
{
    t.to = KERN_KEYS;
    for (int i = 0; i < rows; i++) t.to = valid[i] < t.to ? valid[i] : t.to;
    if (t.to || t.c) mix_some(&t, rows);
    t.from = t.to, t.c = NULL;
    for (int i = 0; i < rows; i++, t.y += t.y_row, t.p += KERN_KEYS) {
        t.to = valid[i];
        if (t.to > t.from) mix_some(&t, 1);
    }
}

/* ---- forward ------------------------------------------------------------------------------------------- */

/* Scores to exponentials; new maximum and sum. Returns by what the old sums shrink. */
INLINE float softmax_row(float *s, int valid, float *m, float *l)
{
    vf x[LANE_VECS], top = vf_set(*m);
    UNROLL for (int v = 0; v < LANE_VECS; v++)
    {
        x[v] = vf_first(valid - v * LANES, vf_load(s + v * LANES), vf_set(-INFINITY));
        top = vf_max(x[v], top);
    }
    float old = *m, new = vf_max_across(top) + 0.0F;
    UNROLL for (int v = 0; v < LANE_VECS; v++)
    {
        x[v] = vf_first(valid - v * LANES, vf_exp(vf_sub(x[v], vf_set(new))), vf_set(0));
        vf_store(s + v * LANES, x[v]);
    }
    float c = new == old ? 1.0F : kern_exp1(old - new);
    *m = new;
    *l = *l * c + lanes_sum(x);
    return c;
}

static void body_attn(const struct kern_attn *a)
{
    float s[ATTN_ROWS * KERN_KEYS], c[ATTN_ROWS];
    for (int from = 0, rows; from < a->nq; from += rows) {
        rows = a->nq - from < ATTN_ROWS ? a->nq - from : ATTN_ROWS;
        struct scores t = {a->q + from * a->q_row, a->kt, a->q_row, a->hd, a->scale, s};
        scores_some(&t, 0, rows);
        for (int i = 0; i < rows; i++) {
            int valid = a->valid[from + i];
            c[i] = valid ? softmax_row(s + i * KERN_KEYS, valid, a->m + from + i, a->l + from + i) : 1.0F;
        }
        float *acc = a->acc + (ptrdiff_t)from * a->hd;
        mix_valid((struct mix){acc, a->hd, s, a->v, c, a->hd, 0, 0}, a->valid + from, rows);
    }
}

/* ---- backward ------------------------------------------------------------------------------------------ */

INLINE void transpose_square(float *to, int to_row, const float *from, int from_row)
{
    vf x[LANES];
    UNROLL for (int i = 0; i < LANES; i++) x[i] = vf_load(from + i * from_row);
    vf_transpose(x);
    UNROLL for (int i = 0; i < LANES; i++) vf_store(to + i * to_row, x[i]);
}

/* k[j][d] and vt[d][j] from kt[d][j] and v[j][d]. */
static void transpose_keys(const struct kern_attn_back *a, float *k, float *vt)
{
    int whole = a->hd / LANES * LANES;
    for (int d = 0; d < whole; d += LANES)
        for (int j = 0; j < KERN_KEYS; j += LANES) {
            transpose_square(k + j * a->hd + d, a->hd, a->kt + d * KERN_KEYS + j, KERN_KEYS);
            transpose_square(vt + d * KERN_KEYS + j, KERN_KEYS, a->v + j * a->hd + d, a->hd);
        }
    for (int d = whole; d < a->hd; d++)
        for (int j = 0; j < KERN_KEYS; j++) {
            k[j * a->hd + d] = a->kt[d * KERN_KEYS + j];
            vt[d * KERN_KEYS + j] = a->v[j * a->hd + d];
        }
}

/* y[j][d] += sum_i p[i][j] x[i][d], queries i from..to-1 in order, keys j of a tile. */
struct spread {
    float *y;
    const float *p, *x;
    ptrdiff_t x_row;
    int hd, from, to;
};

INLINE void spread_tile(const struct spread *t, int d, const int keys, const int vecs, const bool whole)
{
    const size_t count = whole ? LANES : (size_t)(t->hd - d);
    vf acc[ATTN_BACK_KEYS * 4];
    float *y = t->y + d;
    UNROLL for (int j = 0; j < keys * vecs; j++) acc[j] =
        get(y + (ptrdiff_t)(j / vecs) * t->hd + j % vecs * LANES, count);
    const float *p = t->p + t->from * KERN_KEYS, *x = t->x + t->from * t->x_row + d;
    for (int i = t->from; i < t->to; i++, p += KERN_KEYS, x += t->x_row) {
        vf xv[4];
        UNROLL for (int v = 0; v < vecs; v++) xv[v] = get(x + v * LANES, count);
        UNROLL for (int j = 0; j < keys; j++)
        {
            vf pv = vf_set(p[j]);
            UNROLL for (int v = 0; v < vecs; v++) acc[j * vecs + v] = vf_fma(pv, xv[v], acc[j * vecs + v]);
        }
    }
    UNROLL for (int j = 0; j < keys * vecs; j++)
        put(y + (ptrdiff_t)(j / vecs) * t->hd + j % vecs * LANES, acc[j], count);
}

INLINE void spread_keys(const struct spread *t, const int keys)
{
    int d = 0;
    for (; d + SPREAD_VECS * LANES <= t->hd; d += SPREAD_VECS * LANES)
        spread_tile(t, d, keys, SPREAD_VECS, true);
    for (; d + LANES <= t->hd; d += LANES) spread_tile(t, d, keys, 1, true);
    if (d < t->hd) spread_tile(t, d, keys, 1, false);
}

static void spread_four(const struct spread *t)
{
    spread_keys(t, ATTN_BACK_KEYS);
}

static void spread_one(const struct spread *t)
{
    spread_keys(t, 1);
}

/* How far from i on the queries have all keys of the tile at j (2), none (0), or some (1: one query). */
static int spread_run(const int *valid, int n, int i, int j, int *kind)
{
    *kind = valid[i] >= j + ATTN_BACK_KEYS ? 2 : valid[i] > j;
    int end = i + 1;
    if (*kind == 2)
        while (end < n && valid[end] >= j + ATTN_BACK_KEYS) end++;
    else if (*kind == 0)
        while (end < n && valid[end] <= j) end++;
    return end;
}

/* dv and dk of all keys from n queries. */
static void spread_all(struct spread t, const int *valid, int n)
{
    const struct spread base = t;
    for (int j = 0; j < KERN_KEYS; j += ATTN_BACK_KEYS) {
        int kind;
        for (t.from = 0; t.from < n; t.from = t.to) {
            t.to = spread_run(valid, n, t.from, j, &kind);
            for (int key = j; kind == 1 && key < valid[t.from]; key++) {
                t.y = base.y + (ptrdiff_t)key * t.hd, t.p = base.p + key;
                spread_one(&t);
            }
            if (kind != 2) continue;
            t.y = base.y + (ptrdiff_t)j * t.hd, t.p = base.p + j;
            spread_four(&t);
        }
    }
}

/* Scores to probabilities, and products of dout with V to score gradients. */
INLINE void softmax_back_row(float *s, float *ds, float lse, float delta, float scale)
{
    UNROLL for (int v = 0; v < LANE_VECS; v++)
    {
        vf p = vf_exp(vf_sub(vf_load(s + v * LANES), vf_set(lse)));
        vf g = vf_mul(p, vf_sub(vf_load(ds + v * LANES), vf_set(delta)));
        vf_store(s + v * LANES, p);
        vf_store(ds + v * LANES, vf_mul(g, vf_set(scale)));
    }
}

struct attn_scratch {
    float *k, *vt, *p, *ds;
};

/* Queries from..from+n-1. */
static void attn_back_rows(const struct kern_attn_back *a, const struct attn_scratch *w, int from, int n)
{
    const float *q = a->q + from * a->q_row, *dout = a->dout + from * a->dout_row;
    const int *valid = a->valid + from;
    float *dq = a->dq + from * a->q_row;
    struct scores s = {q, a->kt, a->q_row, a->hd, a->scale, w->p};
    struct scores dp = {dout, w->vt, a->dout_row, a->hd, 1.0F, w->ds};
    for (int i = 0, rows; i < n; i += rows) {
        rows = n - i < ATTN_ROWS ? n - i : ATTN_ROWS;
        scores_some(&s, i, rows);
        scores_some(&dp, i, rows);
        for (int r = i; r < i + rows; r++)
            softmax_back_row(w->p + r * KERN_KEYS, w->ds + r * KERN_KEYS, a->lse[from + r],
                             a->delta[from + r], a->scale);
        struct mix m = {dq + i * a->q_row, a->q_row, w->ds + i * KERN_KEYS, w->k, NULL, a->hd, 0, 0};
        mix_valid(m, valid + i, rows);
    }
    spread_all((struct spread){a->dv, w->p, dout, a->dout_row, a->hd, 0, 0}, valid, n);
    spread_all((struct spread){a->dk, w->ds, q, a->q_row, a->hd, 0, 0}, valid, n);
}

static void body_attn_back(const struct kern_attn_back *a)
{
    CHECK(a->hd <= ATTN_HD_MAX, "head of %d, at most %d", a->hd, ATTN_HD_MAX);
    struct attn_scratch w = {.k = kern_scratch()};
    w.vt = w.k + KERN_KEYS * a->hd;
    w.p = w.vt + KERN_KEYS * a->hd;
    w.ds = w.p + KERN_KEYS * ATTN_BACK_ROWS;
    transpose_keys(a, w.k, w.vt);
    for (int from = 0; from < a->nq; from += ATTN_BACK_ROWS)
        attn_back_rows(a, &w, from, a->nq - from < ATTN_BACK_ROWS ? a->nq - from : ATTN_BACK_ROWS);
}
