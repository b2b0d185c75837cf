/* vec_body.h: the slots that go along vectors and rows, over any lanes_X.h.
 *
 * Formulas stand in ref.c; here a step does up to LANES elements, and EACH runs it over whole vectors and
 * once more over the rest. Reductions keep LANE_VECS vectors of partial sums, whose ends are masked, not
 * padded: a sum with zero could turn -0 into 0.
 */
#include "kern/body.h"

/* The statement for i = 0, c, 2c, ... below n, where it does c elements: LANES of them, at the end fewer. */
#define EACH(n, statement)                                                                                   \
    do {                                                                                                     \
        size_t i = 0, left = (n) % LANES;                                                                    \
        for (const size_t c = LANES; i + c <= (n); i += c) statement;                                        \
        for (const size_t c = left; i < (n); i += c) statement;                                              \
    } while (0)

static void body_add(float *y, const float *a, const float *b, size_t n)
{
    EACH(n, put(y + i, vf_add(get(a + i, c), get(b + i, c)), c));
}

static void body_axpy(float *y, float a, const float *x, size_t n)
{
    EACH(n, put(y + i, vf_fma(vf_set(a), get(x + i, c), get(y + i, c)), c));
}

static void body_scale(float *y, float a, const float *x, size_t n)
{
    EACH(n, put(y + i, vf_mul(vf_set(a), get(x + i, c)), c));
}

static void body_exp(float *y, const float *x, size_t n)
{
    EACH(n, put(y + i, vf_exp(get(x + i, c)), c));
}

static void body_log(float *y, const float *x, size_t n)
{
    EACH(n, put(y + i, vf_log(get(x + i, c)), c));
}

/* ---- reductions ---------------------------------------------------------------------------------------- */

/* Elements of the vector v of a group of KERN_LANES that starts at i: LANES, fewer, or none. */
INLINE int lanes_left(size_t i, int v, size_t n)
{
    size_t from = i + (size_t)v * LANES;
    return from >= n ? 0 : n - from < LANES ? (int)(n - from) : LANES;
}

static float body_dot(const float *a, const float *b, size_t n)
{
    vf s[LANE_VECS];
    UNROLL for (int v = 0; v < LANE_VECS; v++) s[v] = vf_set(0);
    size_t i = 0;
    for (; i + KERN_LANES <= n; i += KERN_LANES) {
        UNROLL for (int v = 0; v < LANE_VECS; v++) s[v] =
            vf_fma(vf_load(a + i + v * LANES), vf_load(b + i + v * LANES), s[v]);
    }
    UNROLL for (int v = 0; v < LANE_VECS; v++)
    {
        size_t c = (size_t)lanes_left(i, v, n), at = i + (size_t)v * LANES;
        if (c) s[v] = vf_first((int)c, vf_fma(get(a + at, c), get(b + at, c), s[v]), s[v]);
    }
    return lanes_sum(s);
}

static double body_sumsq(const float *x, size_t n)
{
    vd s[LANE_VECS * DOUBLES];
    UNROLL for (int v = 0; v < LANE_VECS * DOUBLES; v++) s[v] = vd_zero();
    size_t i = 0;
    for (; i + KERN_LANES <= n; i += KERN_LANES) {
        UNROLL for (int v = 0; v < LANE_VECS; v++) vd_add_square(s + v * DOUBLES, vf_load(x + i + v * LANES));
    }
    double sum[KERN_LANES];
    UNROLL for (int v = 0; v < LANE_VECS * DOUBLES; v++) vd_store(sum + v * (LANES / DOUBLES), s[v]);
    for (; i < n; i++) sum[i % KERN_LANES] = fma((double)x[i], (double)x[i], sum[i % KERN_LANES]);
    for (int w = KERN_LANES / 2; w; w /= 2)
        for (int j = 0; j < w; j++) sum[j] += sum[j + w];
    return sum[0];
}

/* ---- rows of a layer ----------------------------------------------------------------------------------- */

static float body_rmsnorm(float *y, const float *x, const float *w, int n, float eps)
{
    float r = 1.0F / sqrtf(body_dot(x, x, (size_t)n) / (float)n + eps);
    EACH((size_t)n, put(y + i, vf_mul(vf_mul(get(x + i, c), vf_set(r)), get(w + i, c)), c));
    return r;
}

INLINE vf rmsnorm_term(vf s, const float *dy, const float *w, const float *x, size_t c)
{
    return vf_fma(vf_mul(get(dy, c), get(w, c)), get(x, c), s);
}

/* sum dy*w*x in KERN_LANES lanes. */
static float rmsnorm_sum(const float *dy, const float *w, const float *x, size_t n)
{
    vf s[LANE_VECS];
    UNROLL for (int v = 0; v < LANE_VECS; v++) s[v] = vf_set(0);
    size_t i = 0;
    for (; i + KERN_LANES <= n; i += KERN_LANES) {
        UNROLL for (int v = 0; v < LANE_VECS; v++)
        {
            size_t at = i + (size_t)v * LANES;
            s[v] = rmsnorm_term(s[v], dy + at, w + at, x + at, LANES);
        }
    }
    UNROLL for (int v = 0; v < LANE_VECS; v++)
    {
        size_t c = (size_t)lanes_left(i, v, n), at = i + (size_t)v * LANES;
        if (c) s[v] = vf_first((int)c, rmsnorm_term(s[v], dy + at, w + at, x + at, c), s[v]);
    }
    return lanes_sum(s);
}

static void body_rmsnorm_back(float *dx, float *dw, const struct kern_norm *row)
{
    const float *dy = row->dy, *x = row->x, *w = row->w, r = row->r;
    const size_t count = (size_t)row->n;
    vf k = vf_set(((r * r) * r) / (float)row->n * rmsnorm_sum(dy, w, x, count)), rv = vf_set(r);
    EACH(count, put(dx + i,
                    vf_add(get(dx + i, c),
                           vf_fms(rv, vf_mul(get(dy + i, c), get(w + i, c)), vf_mul(k, get(x + i, c)))),
                    c));
    if (!dw) return;
    EACH(count, put(dw + i, vf_fma(get(dy + i, c), vf_mul(get(x + i, c), rv), get(dw + i, c)), c));
}

INLINE vf swiglu_step(vf g, vf u)
{
    return vf_mul(vf_div(g, vf_add(vf_set(1), vf_exp(vf_neg(g)))), u);
}

static void body_swiglu(float *y, const float *g, const float *u, size_t n)
{
    EACH(n, put(y + i, swiglu_step(get(g + i, c), get(u + i, c)), c));
}

struct gate_back {
    float *dg, *du;
    const float *dy, *g, *u;
};

INLINE void swiglu_back_step(const struct gate_back *b, size_t i, size_t c)
{
    vf one = vf_set(1), g = get(b->g + i, c), dy = get(b->dy + i, c);
    vf s = vf_div(one, vf_add(one, vf_exp(vf_neg(g))));
    vf silu = vf_mul(g, s), slope = vf_fma(silu, vf_sub(one, s), s);
    put(b->dg + i, vf_fma(vf_mul(dy, get(b->u + i, c)), slope, get(b->dg + i, c)), c);
    put(b->du + i, vf_fma(dy, silu, get(b->du + i, c)), c);
}

// NOLINTNEXTLINE(readability-non-const-parameter): written through the struct
static void body_swiglu_back(float *dg, float *du, const float *dy, const float *g, const float *u, size_t n)
{
    const struct gate_back b = {dg, du, dy, g, u};
    EACH(n, swiglu_back_step(&b, i, c));
}

INLINE vf gelu_z(vf g)
{
    return vf_mul(g, vf_fma(vf_set(GELU_A), vf_mul(g, g), vf_set(GELU_B)));
}

INLINE vf geglu_step(vf g, vf u)
{
    return vf_mul(vf_div(g, vf_add(vf_set(1), vf_exp(vf_neg(gelu_z(g))))), u);
}

static void body_geglu(float *y, const float *g, const float *u, size_t n)
{
    EACH(n, put(y + i, geglu_step(get(g + i, c), get(u + i, c)), c));
}

INLINE void geglu_back_step(const struct gate_back *b, size_t i, size_t c)
{
    vf one = vf_set(1), g = get(b->g + i, c), dy = get(b->dy + i, c);
    vf s = vf_div(one, vf_add(one, vf_exp(vf_neg(gelu_z(g)))));
    vf gelu = vf_mul(g, s), dz = vf_fma(vf_set(3.0F * GELU_A), vf_mul(g, g), vf_set(GELU_B));
    vf slope = vf_fma(vf_mul(gelu, vf_sub(one, s)), dz, s);
    put(b->dg + i, vf_fma(vf_mul(dy, get(b->u + i, c)), slope, get(b->dg + i, c)), c);
    put(b->du + i, vf_fma(dy, gelu, get(b->du + i, c)), c);
}

// NOLINTNEXTLINE(readability-non-const-parameter): written through the struct
static void body_geglu_back(float *dg, float *du, const float *dy, const float *g, const float *u, size_t n)
{
    const struct gate_back b = {dg, du, dy, g, u};
    EACH(n, geglu_back_step(&b, i, c));
}

static void body_softcap(float *y, const float *x, float cap, size_t n)
{
    EACH(n, put(y + i, vf_softcap(get(x + i, c), cap), c));
}

static void body_softcap_back(float *dx, const float *dy, const float *y, float cap, size_t n)
{
    EACH(n, put(dx + i, vf_mul(get(dy + i, c), vf_softcap_slope(get(y + i, c), cap)), c));
}

static void body_rope(float *x, const float *cs, int hd, float sign)
{
    int i = 0, half = hd / 2;
    for (; i + LANES <= half; i += LANES) {
        vf a = vf_load(x + i), b = vf_load(x + half + i), c, s;
        vf_unpair(cs + 2 * i, &c, &s);
        s = vf_mul(vf_set(sign), s);
        vf_store(x + i, vf_fms(a, c, vf_mul(b, s)));
        vf_store(x + half + i, vf_fma(b, c, vf_mul(a, s)));
    }
    for (; i < half; i++) {
        float a = x[i], b = x[half + i], c = cs[2 * i], s = sign * cs[2 * i + 1];
        x[i] = fmaf(a, c, -(b * s));
        x[half + i] = fmaf(b, c, a * s);
    }
}

/* ---- logits -------------------------------------------------------------------------------------------- */

/* Largest of n numbers, passing over NaN. */
static float row_max(const float *z, size_t n)
{
    vf m[4] = {vf_set(-INFINITY), vf_set(-INFINITY), vf_set(-INFINITY), vf_set(-INFINITY)};
    size_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        UNROLL for (int v = 0; v < 4; v++) m[v] = vf_max(vf_load(z + i + v * LANES), m[v]);
    }
    float max = vf_max_across(vf_max(vf_max(m[0], m[1]), vf_max(m[2], m[3])));
    for (; i < n; i++) max = z[i] > max ? z[i] : max;
    return max;
}

/* Largest logit and its first place: the block that holds it is found on the way and looked through again. */
static float logits_max(const float *z, size_t n, int *argmax)
{
    float max = -INFINITY;
    size_t in = 0;
    for (size_t from = 0; from < n; from += KERN_LOGITS) {
        float m = row_max(z + from, n - from < KERN_LOGITS ? n - from : KERN_LOGITS);
        if (m > max) max = m, in = from;
    }
    size_t i = in;
    while (i < n && z[i] != max) i++;
    *argmax = max == -INFINITY ? 0 : (int)i;
    return max;
}

struct logits_scale {
    vf inv_t, shift;
};

/* exp(y) to prob and into the sums s and t. */
INLINE void logits_step(const struct kern_logits *r, const struct logits_scale *k, size_t i, size_t c, vf *s,
                        vf *t)
{
    vf y = vf_exp_floor(vf_sub(vf_mul(get(r->z + i, c), k->inv_t), k->shift)), p = vf_exp(y);
    if (r->prob) put(r->prob + i, p, c);
    vf s_new = vf_add(*s, p), t_new = vf_fma(p, y, *t);
    *s = c == LANES ? s_new : vf_first((int)c, s_new, *s);
    *t = c == LANES ? t_new : vf_first((int)c, t_new, *t);
}

static void body_logits(struct kern_logits *r)
{
    size_t n = (size_t)r->n;
    r->max = logits_max(r->z, n, &r->argmax) * r->inv_t + 0.0F;
    const struct logits_scale k = {vf_set(r->inv_t), vf_set(r->max)};
    double sum = 0, mean = 0;
    for (size_t i = 0, end; i < n; i = end) {
        end = n - i < KERN_LOGITS ? n : i + KERN_LOGITS;
        vf s[LANE_VECS], t[LANE_VECS];
        UNROLL for (int v = 0; v < LANE_VECS; v++) s[v] = t[v] = vf_set(0);
        for (; i + KERN_LANES <= end; i += KERN_LANES) {
            UNROLL for (int v = 0; v < LANE_VECS; v++)
                logits_step(r, &k, i + (size_t)v * LANES, LANES, &s[v], &t[v]);
        }
        UNROLL for (int v = 0; v < LANE_VECS; v++)
        {
            size_t c = (size_t)lanes_left(i, v, end);
            if (c) logits_step(r, &k, i + (size_t)v * LANES, c, &s[v], &t[v]);
        }
        sum += (double)lanes_sum(s);
        mean += (double)lanes_sum(t);
    }
    kern_logits_end(r, sum, mean);
}

struct logits_back {
    vf inv_t, lse, entropy, minus_logp, g_ent;
};

INLINE void logits_back_step(float *dz, const float *z, const struct logits_back *k, size_t c)
{
    vf lp = vf_exp_floor(vf_sub(vf_mul(get(z, c), k->inv_t), k->lse)), p = vf_exp(lp);
    vf d = vf_fma(k->minus_logp, p, vf_set(0));
    d = vf_fma(vf_neg(vf_mul(k->g_ent, p)), vf_add(lp, k->entropy), d);
    put(dz, vf_mul(k->inv_t, d), c);
}

static void body_logits_back(float *dz, const struct kern_logits *r, int target, float g_logp, float g_ent)
{
    bool chosen = target >= 0 && target < r->n;
    float z = chosen ? r->z[target] : 0; /* before dz, which may be z, is written */
    if (target < 0) g_logp = 0.0F;
    const struct logits_back k = {vf_set(r->inv_t), vf_set(r->lse), vf_set(r->entropy), vf_set(-g_logp),
                                  vf_set(g_ent)};
    EACH((size_t)r->n, logits_back_step(dz + i, r->z + i, &k, c));
    if (chosen) dz[target] = kern_logits_back1(r, z, g_logp, g_ent, true);
}

/* ---- optimiser, half precision ------------------------------------------------------------------------- */

struct adamw {
    vf g_scale, decay, b1, b2, rest1, rest2, inv_sqrt_c2, eps, step;
};

INLINE void adamw_step(const struct kern_adamw *a, const struct adamw *k, size_t i, size_t c)
{
    vf g = vf_mul(get(a->g + i, c), k->g_scale), w = get(a->w + i, c);
    w = vf_fma(k->decay, w, w);
    vf m = vf_fma(k->b1, get(a->m + i, c), vf_mul(k->rest1, g));
    vf v = vf_fma(k->b2, get(a->v + i, c), vf_mul(vf_mul(k->rest2, g), g));
    put(a->m + i, m, c);
    put(a->v + i, v, c);
    vf denom = vf_fma(vf_sqrt(v), k->inv_sqrt_c2, k->eps);
    put(a->w + i, vf_fma(k->step, vf_div(m, denom), w), c);
}

static void body_adamw(const struct kern_adamw *a)
{
    const struct adamw k = {.g_scale = vf_set(a->g_scale),
                            .decay = vf_set(-(a->lr * a->wd)),
                            .b1 = vf_set(a->b1),
                            .b2 = vf_set(a->b2),
                            .rest1 = vf_set(1.0F - a->b1),
                            .rest2 = vf_set(1.0F - a->b2),
                            .inv_sqrt_c2 = vf_set(a->inv_sqrt_c2),
                            .eps = vf_set(a->eps),
                            .step = vf_set(-a->step_size)};
    EACH(a->n, adamw_step(a, &k, i, c));
}

static void body_f16_to_f32(float *y, const uint16_t *x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) vf_store(y + i, vf_from_half(x + i));
    for (; i < n; i++) y[i] = kern_half_to_float(x[i]);
}

static void body_f32_to_f16(uint16_t *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) vf_to_half(y + i, vf_load(x + i));
    for (; i < n; i++) y[i] = kern_float_to_half(x[i]);
}

/* Whole-number work that the compiler vectorises by itself. */
static void body_bf16_to_f32(float *y, const uint16_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = bits_to_float((uint32_t)x[i] << 16);
}

static void body_f32_to_bf16(uint16_t *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = kern_float_to_bfloat(x[i]);
}
