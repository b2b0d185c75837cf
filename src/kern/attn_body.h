/* attn_body.h: one block of keys of flash attention, forward and backward, over any lanes_X.h.
 *
 * Lanes run over keys for the scores (K lies transposed) and over the head for everything else. Every step
 * works on all keys of the block, present or not, wherever an absent key touches only its own lane. Sums over
 * keys go in tiles of queries: first the keys that all of them have, then, asking each query, those that some
 * have. So the diagonal of a causal mask needs no path of its own. Backward transposes K and V once per call,
 * so that its products have the same shapes.
 */
#include "base/check.h"
#include "kern/body.h"

enum {
    ATTN_BATCH = 24,     /* queries whose scores are kept at a time, forward */
    ATTN_BACK_ROWS = 32, /* and backward */
    ATTN_BACK_KEYS = 4   /* keys in a tile of dk or dv */
};
_Static_assert(KERN_KEYS *(KERN_ATTN_MAX + 2 * ATTN_BACK_ROWS) <= KERN_SCRATCH, "scratch for K, V, P and dS");
_Static_assert(ATTN_BATCH % SCORE_ROWS == 0 && ATTN_BATCH % MIX_ROWS == 0, "whole tiles");
_Static_assert(MIX_FEW *MIX_FEW_VECS <= MIX_ROWS * MIX_VECS && MIX_VECS <= MIX_FEW_VECS, "sums of a tile");

/* Constant rows for a tile; what is above `most` never comes and is not compiled. */
#define ROWS_CASE(r, most, call)                                                                             \
    case r:                                                                                                  \
        if (r <= most) call(r);                                                                              \
        break;
#define ROWS_CASES(rows, most, call)                                                                         \
    switch (rows) {                                                                                          \
        ROWS_CASE(1, most, call)                                                                             \
        ROWS_CASE(2, most, call)                                                                             \
        ROWS_CASE(3, most, call)                                                                             \
        ROWS_CASE(4, most, call)                                                                             \
        ROWS_CASE(5, most, call)                                                                             \
        ROWS_CASE(6, most, call)                                                                             \
    }

/* ---- scores -------------------------------------------------------------------------------------------- */

/* s[i][j] = scale * sum_d q[i][d] kt[d][j] for n queries. */
struct scores {
    const float *q, *kt;
    ptrdiff_t q_row;
    int hd;
    float scale, *s;
    const int *valid;
};

/* Queries are reached from the first of each three, as rows of A in gemm_body.h. */
struct scores_run {
    const float *q[(SCORE_ROWS + 2) / 3], *kt;
    ptrdiff_t q_row;
    vf acc[SCORE_ROWS * LANE_VECS];
};

/* The next numbers of the head, so many of them. */
INLINE void scores_step(struct scores_run *r, const int rows, const int vecs, const int lines)
{
    const int bases = (rows + 2) / 3;
    UNROLL for (int i = 0; i < bases; i++) stays(r->q[i]);
    stays(r->q_row);
    UNROLL for (int line = 0; line < lines; line++, r->kt += KERN_KEYS)
    {
        vf k[LANE_VECS];
        UNROLL for (int v = 0; v < vecs; v++) k[v] = vf_load(r->kt + v * LANES);
        UNROLL for (int i = 0; i < rows; i++)
        {
            vf x = vf_set(r->q[i / 3][i % 3 * r->q_row + line]);
            UNROLL for (int v = 0; v < vecs; v++) r->acc[i * vecs + v] =
                vf_fma(x, k[v], r->acc[i * vecs + v]);
        }
    }
    UNROLL for (int i = 0; i < bases; i++) r->q[i] += lines;
}

/* rows queries against the vecs vectors of keys that begin with key `key`. */
INLINE void scores_tile(const struct scores *t, int from, int key, const int rows, const int vecs)
{
    const int bases = (rows + 2) / 3;
    float *s = t->s + from * KERN_KEYS + key;
    struct scores_run r = {.kt = t->kt + key, .q_row = t->q_row};
    UNROLL for (int i = 0; i < bases; i++) r.q[i] = t->q + (from + 3 * i) * t->q_row;
    UNROLL for (int i = 0; i < rows * vecs; i++) r.acc[i] = vf_set(0);
    int d = 0;
    ROLL for (; d + LINES <= t->hd; d += LINES) scores_step(&r, rows, vecs, LINES);
    ROLL for (; d < t->hd; d++) scores_step(&r, rows, vecs, 1);
    UNROLL for (int i = 0; i < rows * vecs; i++)
        vf_store(s + i / vecs * KERN_KEYS + i % vecs * LANES, vf_mul(vf_set(t->scale), r.acc[i]));
}

/* All keys for few queries, some or half as many; vecs is no constant. */
INLINE void scores_some(const struct scores *t, int from, int key, const int rows, int vecs)
{
    if (rows <= SCORE_FEW && vecs == LANE_VECS)
        scores_tile(t, from, key, rows, LANE_VECS);
    else if (rows <= SCORE_FEW && vecs == LANE_VECS / 2)
        scores_tile(t, from, key, rows, LANE_VECS / 2);
    else if (vecs == SCORE_VECS)
        scores_tile(t, from, key, rows, SCORE_VECS);
    else
        scores_tile(t, from, key, rows, SCORE_VECS / 2);
}

static void scores_all(const struct scores *t, int n)
{
    for (int i = 0, rows; i < n; i += rows) {
        rows = n - i < SCORE_ROWS ? n - i : SCORE_ROWS;
        int most = 0;
        for (int r = i; r < i + rows; r++) most = t->valid[r] > most ? t->valid[r] : most;
        for (int key = 0, vecs; key < most; key += vecs * LANES) {
            vecs = rows <= SCORE_FEW ? LANE_VECS : SCORE_VECS;
            if (most - key <= vecs / 2 * LANES) vecs /= 2;
#define SCORES_TILE(r) scores_some(t, i, key, r, vecs)
            ROWS_CASES(rows, SCORE_ROWS, SCORES_TILE)
        }
#undef SCORES_TILE
    }
}

/* ---- sums over keys ------------------------------------------------------------------------------------ */

/* y[i][d] = y[i][d] * c[i] (or without c) + sum_{j < valid[i]} p[i][j] x[j][d] for n queries. */
struct mix {
    float *y;
    ptrdiff_t y_row;
    const float *p, *x, *c;
    const int *valid;
    int hd;
    int all, most; /* keys that all queries of the tile have, that one has */
};

struct mix_run {
    vf acc[MIX_ROWS * MIX_VECS];
    const float *p, *x; /* at the next key */
    size_t count;       /* of a vector's numbers; a constant */
};

enum { ALL_HAVE = -1 };

/* The next keys, so many of them, which all queries have; or this one key, which some have. */
INLINE void mix_step(struct mix_run *r, const struct mix *t, const int rows, const int vecs, const int lines,
                     const int key)
{
    UNROLL for (int line = 0; line < lines; line++, r->x += t->hd)
    {
        vf xv[MIX_FEW_VECS];
        UNROLL for (int v = 0; v < vecs; v++) xv[v] = get(r->x + v * LANES, r->count);
        UNROLL for (int i = 0; i < rows; i++)
        {
            if (key != ALL_HAVE && key >= t->valid[i]) continue;
            vf pv = vf_set(r->p[i * KERN_KEYS + line]);
            UNROLL for (int v = 0; v < vecs; v++) vf_fma_to(r->acc[i * vecs + v], pv, xv[v]);
        }
    }
    r->p += lines;
}

INLINE void mix_tile(const struct mix *t, int d, const int rows, const int vecs, const bool whole)
{
    struct mix_run r = {.p = t->p, .x = t->x + d, .count = whole ? LANES : (size_t)(t->hd - d)};
    float *y = t->y + d;
    UNROLL for (int i = 0; i < rows * vecs; i++) r.acc[i] =
        get(y + i / vecs * t->y_row + i % vecs * LANES, r.count);
    if (t->c) {
        UNROLL for (int i = 0; i < rows * vecs; i++) r.acc[i] = vf_mul(r.acc[i], vf_set(t->c[i / vecs]));
    }
    int j = 0;
    ROLL for (; j + LINES <= t->all; j += LINES) mix_step(&r, t, rows, vecs, LINES, ALL_HAVE);
    ROLL for (; j < t->all; j++) mix_step(&r, t, rows, vecs, 1, ALL_HAVE);
    for (; j < t->most; j++) mix_step(&r, t, rows, vecs, 1, j);
    UNROLL for (int i = 0; i < rows * vecs; i++)
        put(y + i / vecs * t->y_row + i % vecs * LANES, r.acc[i], r.count);
}

INLINE void mix_rows(const struct mix *t, const int rows)
{
    int d = 0;
    if (rows <= MIX_FEW)
        for (; d + MIX_FEW_VECS * LANES <= t->hd; d += MIX_FEW_VECS * LANES)
            mix_tile(t, d, rows, MIX_FEW_VECS, true);
    for (; d + MIX_VECS * LANES <= t->hd; d += MIX_VECS * LANES) mix_tile(t, d, rows, MIX_VECS, true);
    for (; d + LANES <= t->hd; d += LANES) mix_tile(t, d, rows, 1, true);
    if (d < t->hd) mix_tile(t, d, rows, 1, false);
}

static void mix_all(struct mix t, int n)
{
    for (int i = 0, rows; i < n; i += rows) {
        rows = n - i < MIX_ROWS ? n - i : MIX_ROWS;
        t.all = KERN_KEYS, t.most = 0;
        for (int r = 0; r < rows; r++) {
            t.all = t.valid[r] < t.all ? t.valid[r] : t.all;
            t.most = t.valid[r] > t.most ? t.valid[r] : t.most;
        }
#define MIX(r) mix_rows(&t, r)
        ROWS_CASES(rows, MIX_ROWS, MIX)
#undef MIX
        t.y += rows * t.y_row, t.p += rows * KERN_KEYS, t.valid += rows;
        t.c = t.c ? t.c + rows : NULL;
    }
}

/* ---- forward ------------------------------------------------------------------------------------------- */

/* Vectors of keys that hold one that counts. */
INLINE int key_vecs(int valid)
{
    return (valid + LANES - 1) / LANES;
}

INLINE float scores_max(const float *s, int valid, float m)
{
    vf top = vf_set(m);
    for (int v = 0; v < key_vecs(valid); v++)
        top = vf_max(vf_first(valid - v * LANES, vf_load(s + v * LANES), vf_set(-INFINITY)), top);
    return vf_max_across(top) + 0.0F;
}

INLINE void scores_exp(float *s, int valid, float m)
{
    for (int v = 0; v < key_vecs(valid); v++)
        vf_store(s + v * LANES, vf_exp(vf_sub(vf_load(s + v * LANES), vf_set(m))));
}

INLINE float scores_sum(const float *s, int valid)
{
    vf x[LANE_VECS];
    UNROLL for (int v = 0; v < LANE_VECS; v++) x[v] =
        vf_first(valid - v * LANES, vf_load(s + v * LANES), vf_set(0));
    return lanes_sum(x);
}

/* Scores of n queries to exponentials, new maxima and sums; c: by what the old sums shrink. Each step goes
 * over all queries before the next begins, so that the queries' chains overlap. */
static void softmax_all(float *s, float *c, const int *valid, float *m, float *l, int n)
{
    for (int i = 0; i < n; i++) {
        float top = scores_max(s + i * KERN_KEYS, valid[i], m[i]);
        c[i] = valid[i] && top != m[i] ? m[i] - top : 0.0F;
        if (valid[i]) m[i] = top;
    }
    for (int i = 0; i < n; i++) scores_exp(s + i * KERN_KEYS, valid[i], m[i]);
    for (int i = 0; i < n; i += LANES) {
        size_t count = n - i < LANES ? (size_t)(n - i) : LANES;
        put(c + i, vf_exp(get(c + i, count)), count);
    }
    for (int i = 0; i < n; i++)
        if (valid[i]) l[i] = l[i] * c[i] + scores_sum(s + i * KERN_KEYS, valid[i]);
}

/* Scores of n queries through cap * tanh(s / cap); those of keys before the window to -inf. */
static void scores_cap(float *s, const int *valid, float cap, int n)
{
    for (int i = 0; i < n; i++)
        for (int v = 0; v < key_vecs(valid[i]); v++) {
            float *at = s + i * KERN_KEYS + v * LANES;
            vf_store(at, vf_softcap(vf_load(at), cap));
        }
}

static void scores_hide(float *s, const int *first, int n)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < first[i]; j++) s[i * KERN_KEYS + j] = -INFINITY;
}

static void body_attn(const struct kern_attn *a)
{
    float s[ATTN_BATCH * KERN_KEYS], c[ATTN_BATCH];
    for (int from = 0, n; from < a->nq; from += n) {
        n = a->nq - from < ATTN_BATCH ? a->nq - from : ATTN_BATCH;
        const int *valid = a->valid + from;
        scores_all(&(struct scores){a->q + from * a->q_row, a->kt, a->q_row, a->hd, a->scale, s, valid}, n);
        if (a->cap > 0) scores_cap(s, valid, a->cap, n);
        if (a->first) scores_hide(s, a->first + from, n);
        softmax_all(s, c, valid, a->m + from, a->l + from, n);
        float *acc = a->acc + (ptrdiff_t)from * a->vd;
        mix_all((struct mix){acc, a->vd, s, a->v, c, valid, a->vd, 0, 0}, n);
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

/* y[j][d] = kt[d][j] for d < n: whole squares of lanes, then the rest. */
static void body_key_rows(float *y, const float *kt, int n)
{
    int whole = n / LANES * LANES;
    for (int d = 0; d < whole; d += LANES)
        for (int j = 0; j < KERN_KEYS; j += LANES)
            transpose_square(y + j * n + d, n, kt + d * KERN_KEYS + j, KERN_KEYS);
    for (int d = whole; d < n; d++)
        for (int j = 0; j < KERN_KEYS; j++) y[j * n + d] = kt[d * KERN_KEYS + j];
}

/* The way back: vt[d][j] = v[j][d]. */
static void values_transpose(float *vt, const float *v, int n)
{
    int whole = n / LANES * LANES;
    for (int d = 0; d < whole; d += LANES)
        for (int j = 0; j < KERN_KEYS; j += LANES)
            transpose_square(vt + d * KERN_KEYS + j, KERN_KEYS, v + j * n + d, n);
    for (int d = whole; d < n; d++)
        for (int j = 0; j < KERN_KEYS; j++) vt[d * KERN_KEYS + j] = v[j * n + d];
}

/* y[j][d] += sum_i p[i][j] x[i][d] over the queries i that have key j, in order. */
struct spread {
    float *y;
    const float *p, *x;
    ptrdiff_t x_row;
    const int *valid;
    int hd;
    int key, from, to; /* the tile's first key; queries */
};

struct spread_run {
    vf acc[ATTN_BACK_KEYS * SPREAD_VECS];
    const float *p, *x; /* at the next query */
    size_t count;       /* of a vector's numbers; a constant */
};

/* The next queries, so many of them; valid, if not NULL: how many keys of the block the one has. */
INLINE void spread_step(struct spread_run *r, const struct spread *t, const int *valid, const int vecs,
                        const int lines)
{
    UNROLL for (int line = 0; line < lines; line++, r->x += t->x_row)
    {
        vf xv[SPREAD_VECS];
        UNROLL for (int v = 0; v < vecs; v++) xv[v] = get(r->x + v * LANES, r->count);
        UNROLL for (int j = 0; j < ATTN_BACK_KEYS; j++)
        {
            if (valid && *valid <= t->key + j) continue;
            vf pv = vf_set(r->p[line * KERN_KEYS + j]);
            UNROLL for (int v = 0; v < vecs; v++) vf_fma_to(r->acc[j * vecs + v], pv, xv[v]);
        }
    }
    r->p += lines * KERN_KEYS;
}

/* some: a query may have a part of the tile's keys. */
INLINE void spread_tile(const struct spread *t, int d, const int vecs, const bool whole, const bool some)
{
    struct spread_run r = {.p = t->p + t->from * KERN_KEYS + t->key,
                           .x = t->x + t->from * t->x_row + d,
                           .count = whole ? LANES : (size_t)(t->hd - d)};
    float *y = t->y + t->key * t->hd + d;
    const int sums = ATTN_BACK_KEYS * vecs;
    UNROLL for (int j = 0; j < sums; j++) r.acc[j] = get(y + j / vecs * t->hd + j % vecs * LANES, r.count);
    int i = t->from;
    if (!some) {
        ROLL for (; i + LINES <= t->to; i += LINES) spread_step(&r, t, NULL, vecs, LINES);
    }
    for (; i < t->to; i++) spread_step(&r, t, some ? t->valid + i : NULL, vecs, 1);
    UNROLL for (int j = 0; j < sums; j++) put(y + j / vecs * t->hd + j % vecs * LANES, r.acc[j], r.count);
}

INLINE void spread_head(const struct spread *t, const bool some)
{
    int d = 0;
    for (; d + SPREAD_VECS * LANES <= t->hd; d += SPREAD_VECS * LANES)
        spread_tile(t, d, SPREAD_VECS, true, some);
    for (; d + LANES <= t->hd; d += LANES) spread_tile(t, d, 1, true, some);
    if (d < t->hd) spread_tile(t, d, 1, false, some);
}

/* Of the tile's keys a query has all, some or none. */
enum spread_kind { SPREAD_ALL, SPREAD_SOME, SPREAD_NONE };

INLINE enum spread_kind spread_kind(const struct spread *t, int i)
{
    int n = t->valid[i] - t->key;
    return n >= ATTN_BACK_KEYS ? SPREAD_ALL : n > 0 ? SPREAD_SOME : SPREAD_NONE;
}

/* From n queries to all keys. */
static void spread_all(struct spread t, int n)
{
    for (t.key = 0; t.key < KERN_KEYS; t.key += ATTN_BACK_KEYS)
        for (t.from = 0; t.from < n; t.from = t.to) {
            enum spread_kind kind = spread_kind(&t, t.from);
            for (t.to = t.from + 1; t.to < n && spread_kind(&t, t.to) == kind;) t.to++;
            if (kind == SPREAD_ALL)
                spread_head(&t, false);
            else if (kind == SPREAD_SOME)
                spread_head(&t, true);
        }
}

/* Scores of query i to probabilities, and products of dout with V to score gradients. */
INLINE void softmax_back_row(const struct kern_attn_back *a, int i, float *s, float *ds)
{
    int first = a->first ? a->first[i] : 0;
    UNROLL for (int v = 0; v < LANE_VECS; v++)
    {
        vf x = vf_load(s + v * LANES), p = vf_exp(vf_sub(x, vf_set(a->lse[i * a->stat_row])));
        if (first > 0) p = vf_first(first - v * LANES, vf_set(0), p);
        vf g = vf_mul(p, vf_sub(vf_load(ds + v * LANES), vf_set(a->delta[i * a->stat_row])));
        if (a->cap > 0) g = vf_mul(g, vf_softcap_slope(x, a->cap));
        vf_store(s + v * LANES, p);
        vf_store(ds + v * LANES, vf_mul(g, vf_set(a->scale)));
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
    scores_all(&(struct scores){q, a->kt, a->q_row, a->hd, a->scale, w->p, valid}, n);
    scores_all(&(struct scores){dout, w->vt, a->dout_row, a->vd, 1.0F, w->ds, valid}, n);
    if (a->cap > 0) scores_cap(w->p, valid, a->cap, n);
    for (int i = 0; i < n; i++) softmax_back_row(a, from + i, w->p + i * KERN_KEYS, w->ds + i * KERN_KEYS);
    float *dq = a->dq + from * a->q_row;
    mix_all((struct mix){dq, a->q_row, w->ds, w->k, NULL, valid, a->hd, 0, 0}, n);
    spread_all((struct spread){a->dv, w->p, dout, a->dout_row, valid, a->vd, 0, 0, 0}, n);
    spread_all((struct spread){a->dk, w->ds, q, a->q_row, valid, a->hd, 0, 0, 0}, n);
}

static void body_attn_back(const struct kern_attn_back *a)
{
    CHECK(a->hd + a->vd <= KERN_ATTN_MAX, "keys of %d and values of %d, at most %d together", a->hd, a->vd,
          KERN_ATTN_MAX);
    struct attn_scratch w = {.k = kern_scratch()};
    w.vt = w.k + KERN_KEYS * a->hd;
    w.p = w.vt + KERN_KEYS * a->vd;
    w.ds = w.p + KERN_KEYS * ATTN_BACK_ROWS;
    body_key_rows(w.k, a->kt, a->hd);
    values_transpose(w.vt, a->v, a->vd);
    for (int from = 0; from < a->nq; from += ATTN_BACK_ROWS)
        attn_back_rows(a, &w, from, a->nq - from < ATTN_BACK_ROWS ? a->nq - from : ATTN_BACK_ROWS);
}
