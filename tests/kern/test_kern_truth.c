/* Every slot of every table against a straightforward computation in double precision. */
#include "kern_case.h"

static void near(const struct kern *k, const char *what, double got, double want, double tolerance)
{
    if (fabs(got - want) <= tolerance) return;
    fail_msg("%s of %s: got %.9g, want %.9g, tolerance %.2g", what, k->name, got, want, tolerance);
}

/* Distance in units of the last place of a float near want. */
static double ulps(float got, double want)
{
    if (got == (float)want) return 0;
    int e;
    frexp(want, &e);
    return fabs((double)got - want) / ldexp(1, e - 24 > -149 ? e - 24 : -149);
}

static double worst(void (*f)(float *, const float *, size_t), double (*truth)(double), const float range[2])
{
    enum { BATCH = 1 << 16 };
    static float x[BATCH], y[BATCH];
    double most = 0;
    for (uint32_t round = 0; round < 4; round++) {
        case_fill(x, BATCH, 1, round);
        for (int i = 0; i < BATCH; i++) x[i] = range[0] + (range[1] - range[0]) * (0.5F * x[i] + 0.5F);
        f(y, x, BATCH);
        for (int i = 0; i < BATCH; i++) {
            double u = ulps(y[i], truth((double)x[i]));
            if (!(u <= most)) most = u;
        }
    }
    return most;
}

static void exp_and_log_are_within_two_ulps(void **state)
{
    (void)state;
    static const float exps[][2] = {{-1, 1}, {-20, 20}, {-87, 88.72F}, {-104.5F, -86}};
    static const float logs[][2] = {{0.5F, 2}, {1e-3F, 100}, {0, 1e-38F}, {1, 3e38F}, {0.99F, 1.01F}};
    const struct kern *k;
    for (int i = 0; (k = case_table(&i));) {
        for (int r = 0; r < 4; r++) near(k, "exp's error", worst(k->exp, exp, exps[r]), 0, 1.5);
        for (int r = 0; r < 5; r++) near(k, "log's error", worst(k->log, log, logs[r]), 0, 1.5);
    }
}

static void exp_and_log_keep_the_limits(void **state)
{
    (void)state;
    const float x[8] = {-INFINITY, INFINITY, NAN, 0, -0.0F, -200, 200, 89.5F};
    float y[8];
    const struct kern *k;
    for (int i = 0; (k = case_table(&i));) {
        k->exp(y, x, 8);
        assert_true(y[0] == 0 && y[1] == INFINITY && isnan(y[2]) && y[3] == 1 && y[4] == 1);
        assert_true(y[5] == 0 && y[6] == INFINITY && y[7] == INFINITY);
        k->log(y, x, 8);
        assert_true(isnan(y[0]) && y[1] == INFINITY && isnan(y[2]) && y[3] == -INFINITY && y[4] == -INFINITY);
        assert_true(isnan(y[5]));
    }
}

static void gemm_case(const struct kern *k, int m, int n, int kk, bool transposed, bool accumulate)
{
    size_t mn = (size_t)m * (size_t)n, nk = (size_t)n * (size_t)kk, packed = kern_panels_floats(n, kk);
    float *a = case_floats((size_t)m * (size_t)kk, 1, 1), *b = case_floats(nk, 1, 2),
          *cols = alloc_floats(nk);
    float *c = case_floats(mn, 1, 3), *old = case_floats(mn, 1, 3);
    float *panels = case_floats(packed, 1, 4), *again = case_floats(packed, 1, 5);
    k->pack_rows(panels, b, kk, n, kk);
    struct kern_gemm g = {m, n, kk,         a,       transposed ? 1 : kk, transposed ? m : 1, panels,
                          c, n, accumulate, KERN_F32};
    k->gemm(&g);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = accumulate ? (double)old[i * n + j] : 0;
            for (int t = 0; t < kk; t++) sum += (double)a[i * g.a_row + t * g.a_col] * (double)b[j * kk + t];
            near(k, "gemm", (double)c[i * n + j], sum, 2e-5);
        }
    for (int j = 0; j < n; j++)
        for (int t = 0; t < kk; t++) cols[t * n + j] = b[j * kk + t];
    k->pack_cols(again, cols, n, n, kk);
    assert_memory_equal(again, panels, packed * sizeof(float));
    free(a), free(b), free(c), free(old), free(panels), free(cols), free(again);
}

static void gemm_is_a_matrix_product(void **state)
{
    (void)state;
    const struct kern *k;
    for (int i = 0; (k = case_table(&i));) {
        gemm_case(k, 7, 37, 300, false, false);
        gemm_case(k, 13, 50, 530, true, true);
        gemm_case(k, 1, 17, 64, false, true);
    }
}

enum { N = 77 };

static void vectors_norms_and_gates(void **state)
{
    (void)state;
    float *x = case_floats(N, 2, 1), *w = case_floats(N, 1, 2), *dy = case_floats(N, 1, 3), y[N], dx[N],
          dw[N];
    const struct kern *k;
    for (int i = 0; (k = case_table(&i));) {
        double ss = 0, dot = 0, s = 0;
        for (int j = 0; j < N; j++) {
            double xj = (double)x[j], wj = (double)w[j];
            ss += xj * xj, dot += xj * wj, s += (double)dy[j] * wj * xj;
        }
        near(k, "sumsq", k->sumsq(x, N), ss, 1e-12);
        near(k, "dot", (double)k->dot(x, w, N), dot, 1e-5);
        double r = 1 / sqrt(ss / N + 1e-5), c = r * r * r / N * s;
        near(k, "r of rmsnorm", (double)k->rmsnorm(y, x, w, N, 1e-5F), r, 1e-6);
        for (int j = 0; j < N; j++) dx[j] = 2, dw[j] = 3;
        k->rmsnorm_back(dx, dw, &(struct kern_norm){dy, x, w, N, (float)r});
        for (int j = 0; j < N; j++) {
            double xj = (double)x[j], wj = (double)w[j], dyj = (double)dy[j];
            near(k, "rmsnorm", (double)y[j], xj * r * wj, 1e-6);
            near(k, "dx of rmsnorm", (double)dx[j], 2 + r * dyj * wj - c * xj, 1e-6);
            near(k, "dw of rmsnorm", (double)dw[j], 3 + dyj * xj * r, 1e-6);
        }
        k->rmsnorm_back(dx, NULL, &(struct kern_norm){dy, x, w, N, (float)r});
        k->swiglu(y, x, w, N);
        for (int j = 0; j < N; j++) dx[j] = 2, dw[j] = 3;
        k->swiglu_back(dx, dw, dy, x, w, N);
        for (int j = 0; j < N; j++) {
            double g = (double)x[j], u = (double)w[j], dyj = (double)dy[j], sig = 1 / (1 + exp(-g));
            near(k, "swiglu", (double)y[j], g * sig * u, 1e-6);
            near(k, "dg of swiglu", (double)dx[j], 2 + dyj * u * sig * (1 + g * (1 - sig)), 1e-6);
            near(k, "du of swiglu", (double)dw[j], 3 + dyj * g * sig, 1e-6);
        }
    }
    free(x), free(w), free(dy);
}

static void gelu_and_softcap_follow_tanh(void **state)
{
    (void)state;
    float *x = case_floats(N, 4, 1), *w = case_floats(N, 1, 2), *dy = case_floats(N, 1, 3), y[N], dx[N],
          dw[N];
    const struct kern *k;
    for (int i = 0; (k = case_table(&i));) {
        k->geglu(y, x, w, N);
        for (int j = 0; j < N; j++) dx[j] = 2, dw[j] = 3;
        k->geglu_back(dx, dw, dy, x, w, N);
        for (int j = 0; j < N; j++) {
            double g = (double)x[j], u = (double)w[j], dyj = (double)dy[j], c = sqrt(2 / 3.14159265358979);
            double t = tanh(c * (g + 0.044715 * g * g * g)), gelu = 0.5 * g * (1 + t);
            double slope = 0.5 * (1 + t) + 0.5 * g * (1 - t * t) * c * (1 + 3 * 0.044715 * g * g);
            near(k, "geglu", (double)y[j], gelu * u, 1e-6);
            near(k, "dg of geglu", (double)dx[j], 2 + dyj * u * slope, 1e-6);
            near(k, "du of geglu", (double)dw[j], 3 + dyj * gelu, 1e-6);
        }
        for (float cap = 0.5F; cap < 100; cap *= 7) {
            k->softcap(y, x, cap, N);
            k->softcap_back(dx, dy, y, cap, N);
            for (int j = 0; j < N; j++) {
                double t = tanh((double)x[j] / (double)cap);
                near(k, "softcap", (double)y[j], (double)cap * t, 4e-7);
                near(k, "softcap_back", (double)dx[j], (double)dy[j] * (1 - t * t), 1e-6);
            }
        }
    }
    free(x), free(w), free(dy);
}

static void rope_rotates_and_rotates_back(void **state)
{
    (void)state;
    enum { HD = 20 };
    float cs[HD], x[HD], old[HD];
    const struct kern *k;
    for (int i = 0; (k = case_table(&i));) {
        case_fill(x, HD, 1, 5);
        memcpy(old, x, sizeof x);
        for (int j = 0; j < HD / 2; j++) cs[2 * j] = (float)cos(j + 1.0), cs[2 * j + 1] = (float)sin(j + 1.0);
        k->rope(x, cs, HD, 1);
        for (int j = 0; j < HD / 2; j++) {
            double a = (double)old[j], b = (double)old[j + HD / 2];
            near(k, "rope", (double)x[j], a * cos(j + 1.0) - b * sin(j + 1.0), 1e-6);
            near(k, "rope", (double)x[j + HD / 2], b * cos(j + 1.0) + a * sin(j + 1.0), 1e-6);
        }
        k->rope(x, cs, HD, -1);
        for (int j = 0; j < HD; j++) near(k, "rope back", (double)x[j], (double)old[j], 1e-6);
    }
}

/* ---- attention ---------------------------------------------------------------------------------------- */

enum { HD = 24, NQ = 5, BLOCKS = 3, KEYS = BLOCKS * KERN_KEYS, BLOCK = HD * KERN_KEYS };

struct attention {
    float q[NQ * HD], dout[NQ * HD], kt[BLOCKS * BLOCK], v[BLOCKS * BLOCK];
    int from[NQ], len[NQ]; /* keys from..len-1 count */
    double cap;            /* of the scores; 0: none */
    double p[NQ][KEYS], o[NQ][HD], lse[NQ];
};

static const double SCALE = 0.25;

static double key(const struct attention *a, int j, int d)
{
    return (double)a->kt[j / KERN_KEYS * BLOCK + d * KERN_KEYS + j % KERN_KEYS];
}

static double value(const struct attention *a, int j, int d)
{
    return (double)a->v[j * HD + d];
}

static double score(const struct attention *a, int i, int j)
{
    double s = 0;
    for (int d = 0; d < HD; d++) s += (double)a->q[i * HD + d] * key(a, j, d);
    return a->cap > 0 ? a->cap * tanh(SCALE * s / a->cap) : SCALE * s;
}

/* window 0: all keys. */
static void attention_truth(struct attention *a, int window, double cap)
{
    static const int len[NQ] = {1, 32, 50, 80, 96};
    memcpy(a->len, len, sizeof len);
    for (int i = 0; i < NQ; i++) a->from[i] = window && len[i] > window ? len[i] - window : 0;
    a->cap = cap;
    case_fill(a->q, NQ * HD, 2, 1), case_fill(a->dout, NQ * HD, 1, 2);
    case_fill(a->kt, BLOCKS * BLOCK, 2, 3), case_fill(a->v, BLOCKS * BLOCK, 1, 4);
    for (int i = 0; i < NQ; i++) {
        double sum = 0;
        for (int j = a->from[i]; j < len[i]; j++) sum += a->p[i][j] = exp(score(a, i, j));
        a->lse[i] = log(sum);
        for (int j = a->from[i]; j < len[i]; j++) {
            a->p[i][j] /= sum;
            for (int d = 0; d < HD; d++) a->o[i][d] += a->p[i][j] * value(a, j, d);
        }
    }
}

static void valid_keys(const struct attention *a, int block, int first[NQ], int valid[NQ])
{
    for (int i = 0; i < NQ; i++) {
        int n = a->len[i] - block * KERN_KEYS, from = a->from[i] - block * KERN_KEYS;
        valid[i] = n < 0 ? 0 : n > KERN_KEYS ? KERN_KEYS : n;
        first[i] = from < 0 ? 0 : from;
        if (first[i] >= valid[i]) first[i] = valid[i] = 0;
    }
}

static const struct {
    int window;
    double cap;
} SIGHTS[] = {{0, 0}, {20, 0}, {45, 0.9}};
enum { N_SIGHTS = sizeof SIGHTS / sizeof *SIGHTS };

static void attention_case(int c)
{
    struct attention *a = alloc_zero(1, sizeof *a);
    attention_truth(a, SIGHTS[c].window, SIGHTS[c].cap);
    const struct kern *k;
    for (int t = 0; (k = case_table(&t));) {
        float m[NQ], l[NQ] = {0}, acc[NQ * HD] = {0};
        int valid[NQ], first[NQ];
        for (int i = 0; i < NQ; i++) m[i] = -INFINITY;
        for (int b = 0; b < BLOCKS; b++) {
            valid_keys(a, b, first, valid);
            k->attn(&(struct kern_attn){NQ, HD, HD, (float)SCALE, a->q, HD, a->kt + b * BLOCK,
                                        a->v + b * BLOCK, valid, m, l, acc, first, (float)a->cap});
        }
        for (int i = 0; i < NQ; i++) {
            near(k, "lse", (double)m[i] + log((double)l[i]), a->lse[i], 1e-5);
            for (int d = 0; d < HD; d++) near(k, "attn", (double)(acc[i * HD + d] / l[i]), a->o[i][d], 1e-5);
        }
    }
    free(a);
}

static void attention_is_softmax_over_the_keys_that_count(void **state)
{
    (void)state;
    for (int c = 0; c < N_SIGHTS; c++) attention_case(c);
}

static void attention_gradient_case(int c)
{
    struct attention *a = alloc_zero(1, sizeof *a);
    attention_truth(a, SIGHTS[c].window, SIGHTS[c].cap);
    float lse[NQ], delta[NQ];
    double ddelta[NQ] = {0};
    for (int i = 0; i < NQ; i++) {
        for (int d = 0; d < HD; d++) ddelta[i] += (double)a->dout[i * HD + d] * a->o[i][d];
        lse[i] = (float)a->lse[i], delta[i] = (float)ddelta[i];
    }
    const struct kern *k;
    for (int t = 0; (k = case_table(&t));) {
        float dq[NQ * HD] = {0}, dk[BLOCKS * BLOCK] = {0}, dv[BLOCKS * BLOCK] = {0};
        int valid[NQ], first[NQ];
        for (int b = 0; b < BLOCKS; b++) {
            valid_keys(a, b, first, valid);
            k->attn_back(&(struct kern_attn_back){NQ, HD, HD, (float)SCALE, a->q, a->dout, HD, HD,
                                                  a->kt + b * BLOCK, a->v + b * BLOCK, valid, lse, delta, 1,
                                                  dq, dk + b * BLOCK, dv + b * BLOCK, first, (float)a->cap});
        }
        double tq[NQ * HD] = {0}, tk[KEYS * HD] = {0}, tv[KEYS * HD] = {0};
        for (int i = 0; i < NQ; i++)
            for (int j = a->from[i]; j < a->len[i]; j++) {
                double dp = 0, th = a->cap > 0 ? score(a, i, j) / a->cap : 0;
                for (int d = 0; d < HD; d++) dp += (double)a->dout[i * HD + d] * value(a, j, d);
                double ds = a->p[i][j] * (dp - ddelta[i]) * (1 - th * th) * SCALE;
                for (int d = 0; d < HD; d++) {
                    tq[i * HD + d] += ds * key(a, j, d);
                    tk[j * HD + d] += ds * (double)a->q[i * HD + d];
                    tv[j * HD + d] += a->p[i][j] * (double)a->dout[i * HD + d];
                }
            }
        for (int i = 0; i < NQ * HD; i++) near(k, "dq", (double)dq[i], tq[i], 1e-5);
        for (int i = 0; i < KEYS * HD; i++) {
            near(k, "dk", (double)dk[i], tk[i], 1e-5);
            near(k, "dv", (double)dv[i], tv[i], 1e-5);
        }
    }
    free(a);
}

static void attention_gradients_follow_from_the_formula(void **state)
{
    (void)state;
    for (int c = 0; c < N_SIGHTS; c++) attention_gradient_case(c);
}

/* ---- logits, optimiser, half precision ---------------------------------------------------------------- */

static void logits_and_their_gradient(void **state)
{
    (void)state;
    enum { V = 3001, TARGET = 1234, ABSENT = 7 };
    const float inv_t = 1 / 0.7F;
    float *z = case_floats(V, 8, 9), *prob = alloc_floats(V), *dz = alloc_floats(V);
    z[ABSENT] = -INFINITY;
    z[100] = z[200] = 9;
    double sum = 0, ent = 0;
    for (int i = 0; i < V; i++) sum += exp((double)z[i] * (double)inv_t);
    double lse = log(sum);
    for (int i = 0; i < V; i++) {
        double lp = (double)z[i] * (double)inv_t - lse;
        if (i != ABSENT) ent -= exp(lp) * lp;
    }
    const struct kern *k;
    for (int t = 0; (k = case_table(&t));) {
        struct kern_logits r = {.z = z, .n = V, .inv_t = inv_t, .prob = prob};
        k->logits(&r);
        assert_false(r.bad);
        assert_int_equal(r.argmax, 100);
        near(k, "max", (double)r.max, 9 * (double)inv_t, 1e-6);
        near(k, "lse", (double)r.lse, lse, 1e-6);
        near(k, "entropy", (double)r.entropy, ent, 2e-6);
        for (int i = 0; i < V; i++)
            near(k, "prob", (double)(prob[i] / r.sum), exp((double)z[i] * (double)inv_t - lse), 1e-7);
        for (int with = 0; with < 2; with++) {
            k->logits_back(dz, &r, with ? TARGET : -1, 0.5F, 0.25F);
            for (int i = 0; i < V; i++) {
                double lp = (double)z[i] * (double)inv_t - lse, p = exp(lp);
                double want = i == ABSENT ? 0 : -0.25 * p * (lp + ent);
                if (with) want += 0.5 * ((i == TARGET) - p);
                near(k, "dz", (double)dz[i], (double)inv_t * want, 1e-6);
            }
        }
    }
    free(z), free(prob), free(dz);
}

static void logits_that_are_no_distribution_are_told(void **state)
{
    (void)state;
    const struct kern *k;
    for (int t = 0; (k = case_table(&t));)
        for (int kind = 0; kind < 3; kind++) {
            float z[40];
            case_fill(z, 40, 1, 1);
            if (kind < 2) z[33] = kind ? INFINITY : NAN;
            for (int i = 0; kind == 2 && i < 40; i++) z[i] = -INFINITY;
            struct kern_logits r = {.z = z, .n = 40, .inv_t = 1};
            k->logits(&r);
            assert_true(r.bad);
        }
}

static void adamw_is_the_published_step(void **state)
{
    (void)state;
    float w[N], m[N], v[N], g[N];
    const struct kern *k;
    for (int t = 0; (k = case_table(&t));) {
        case_fill(w, N, 1, 1), case_fill(m, N, 0.1F, 2), case_fill(v, N, 0.1F, 3), case_fill(g, N, 1, 4);
        double tw[N], tm[N], tv[N];
        for (int i = 0; i < N; i++) {
            v[i] = fabsf(v[i]);
            double gi = 0.5 * (double)g[i];
            tm[i] = 0.9 * (double)m[i] + 0.1 * gi, tv[i] = 0.99 * (double)v[i] + 0.01 * gi * gi;
            tw[i] = (double)w[i] * (1 - 1e-3 * 0.1) - 1e-3 / 0.5 * tm[i] / (sqrt(tv[i]) * 2 + 1e-8);
        }
        k->adamw(&(struct kern_adamw){w, m, v, g, N, 0.5F, 1e-3F, 0.9F, 0.99F, 1e-8F, 0.1F, 1e-3F / 0.5F, 2});
        for (int i = 0; i < N; i++) {
            near(k, "m", (double)m[i], tm[i], 1e-7);
            near(k, "v", (double)v[i], tv[i], 1e-7);
            near(k, "w", (double)w[i], tw[i], 1e-6);
        }
    }
}

/* The value of a half, or (with = 8 exponent bits, 7 of fraction) of a bfloat16. */
static double small_value(uint16_t h, int fraction, int bias)
{
    int e = (h & 0x7FFF) >> fraction, f = h & ((1 << fraction) - 1), top = (0x7FFF >> fraction);
    double x = e == top ? (f ? (double)NAN : (double)INFINITY)
                        : ldexp(e ? f + (1 << fraction) : f, (e ? e : 1) - bias - fraction);
    return h & 0x8000 ? -x : x;
}

static void check_small(const struct kern *k, int fraction, int bias)
{
    enum { ALL = 1 << 16 };
    static uint16_t h[ALL], back[ALL];
    static float x[ALL];
    void (*up)(float *, const uint16_t *, size_t) = fraction == 10 ? k->f16_to_f32 : k->bf16_to_f32;
    void (*down)(uint16_t *, const float *, size_t) = fraction == 10 ? k->f32_to_f16 : k->f32_to_bf16;
    for (int i = 0; i < ALL; i++) h[i] = (uint16_t)i;
    up(x, h, ALL);
    down(back, x, ALL);
    for (int i = 0; i < ALL; i++) {
        double want = small_value(h[i], fraction, bias);
        assert_true((double)x[i] == want || (isnan(x[i]) && isnan(want)));
        if (!isnan(want)) assert_int_equal(back[i], h[i]);
    }
    /* Between two neighbours the nearer; in the middle the even one. */
    int last = (0x7FFF >> fraction << fraction) - 1;
    for (int i = 0; i < last; i++) {
        double lo = small_value((uint16_t)i, fraction, bias),
               hi = small_value((uint16_t)(i + 1), fraction, bias);
        float mid = (float)(0.5 * (lo + hi)),
              probe[4] = {mid, nextafterf(mid, 0), nextafterf(mid, INFINITY), -mid};
        uint16_t got[4];
        down(got, probe, 4);
        int even = i & 1 ? i + 1 : i;
        assert_int_equal(got[0], even);
        assert_int_equal(got[1], i);
        assert_int_equal(got[2], i + 1);
        assert_int_equal(got[3], even | 0x8000);
    }
    float odd[4] = {NAN, -NAN, 3e38F, -INFINITY};
    uint16_t got[4];
    down(got, odd, 4);
    assert_true(isnan(small_value(got[0], fraction, bias)) && isnan(small_value(got[1], fraction, bias)));
    if (fraction == 10) assert_true(isinf(small_value(got[2], fraction, bias)));
    assert_true(small_value(got[3], fraction, bias) == (double)-INFINITY);
}

static void half_and_bfloat_round_to_nearest_even(void **state)
{
    (void)state;
    const struct kern *k;
    for (int t = 0; (k = case_table(&t));) {
        check_small(k, 10, 15);
        check_small(k, 7, 127);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_and_log_are_within_two_ulps),
        cmocka_unit_test(exp_and_log_keep_the_limits),
        cmocka_unit_test(gemm_is_a_matrix_product),
        cmocka_unit_test(vectors_norms_and_gates),
        cmocka_unit_test(gelu_and_softcap_follow_tanh),
        cmocka_unit_test(rope_rotates_and_rotates_back),
        cmocka_unit_test(attention_is_softmax_over_the_keys_that_count),
        cmocka_unit_test(attention_gradients_follow_from_the_formula),
        cmocka_unit_test(logits_and_their_gradient),
        cmocka_unit_test(logits_that_are_no_distribution_are_told),
        cmocka_unit_test(adamw_is_the_published_step),
        cmocka_unit_test(half_and_bfloat_round_to_nearest_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
