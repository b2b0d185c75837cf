/* ref.c: every slot in plain C: the definition of the bits.
 *
 * Written to be read, not to be fast: one statement per rounding, in the order that the rules of kern.h fix.
 * The other instruction sets (lanes_*.h under the bodies of gemm_body.h, attn_body.h and vec_body.h) must
 * give the same bits, and tests/kern walks every slot to see that they do.
 */
#include "kern/kern_int.h"

static float lanes_sum(float s[KERN_LANES])
{
    for (int w = KERN_LANES / 2; w; w /= 2)
        for (int i = 0; i < w; i++) s[i] += s[i + w];
    return s[0];
}

static void ref_pack_rows(float *panels, const float *b, ptrdiff_t ld, int n, int k)
{
    for (int p = 0; p < n; p += KERN_PANEL)
        for (int i = 0; i < k; i++)
            for (int j = 0; j < KERN_PANEL; j++) *panels++ = p + j < n ? b[(p + j) * ld + i] : 0.0F;
}

static void ref_pack_cols(float *panels, const float *b, ptrdiff_t ld, int n, int k)
{
    for (int p = 0; p < n; p += KERN_PANEL)
        for (int i = 0; i < k; i++)
            for (int j = 0; j < KERN_PANEL; j++) *panels++ = p + j < n ? b[i * ld + p + j] : 0.0F;
}

static void ref_gemm(const struct kern_gemm *g)
{
    for (int m = 0; m < g->m; m++) {
        for (int n = 0; n < g->n; n += KERN_PANEL) {
            const void *panel = kern_panels_at(g->form, g->panels, n, g->k);
            int width = g->n - n < KERN_PANEL ? g->n - n : KERN_PANEL;
            float *c = g->c + m * g->c_row + n;
            for (int k0 = 0; k0 < g->k; k0 += KERN_K_BLOCK) {
                int k1 = k0 + KERN_K_BLOCK < g->k ? k0 + KERN_K_BLOCK : g->k;
                float acc[KERN_PANEL] = {0};
                for (int k = k0; k < k1; k++) {
                    float a = g->a[m * g->a_row + k * g->a_col];
                    for (int j = 0; j < KERN_PANEL; j++)
                        acc[j] = fmaf(a, kern_panel_number(g->form, panel, k, j), acc[j]);
                }
                for (int j = 0; j < width; j++) c[j] = k0 || g->accumulate ? c[j] + acc[j] : acc[j];
            }
        }
    }
}

static void ref_add(float *y, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

static void ref_axpy(float *y, float a, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = fmaf(a, x[i], y[i]);
}

static void ref_scale(float *y, float a, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = a * x[i];
}

static float ref_dot(const float *a, const float *b, size_t n)
{
    float s[KERN_LANES] = {0};
    for (size_t i = 0; i < n; i++) s[i % KERN_LANES] = fmaf(a[i], b[i], s[i % KERN_LANES]);
    return lanes_sum(s);
}

static double ref_sumsq(const float *x, size_t n)
{
    double s[KERN_LANES] = {0};
    for (size_t i = 0; i < n; i++) s[i % KERN_LANES] = fma((double)x[i], (double)x[i], s[i % KERN_LANES]);
    for (int w = KERN_LANES / 2; w; w /= 2)
        for (int i = 0; i < w; i++) s[i] += s[i + w];
    return s[0];
}

static void ref_exp(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = kern_exp1(x[i]);
}

static void ref_log(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = kern_log1(x[i]);
}

static float ref_rmsnorm(float *y, const float *x, const float *w, int n, float eps)
{
    float r = 1.0F / sqrtf(ref_dot(x, x, (size_t)n) / (float)n + eps);
    for (int i = 0; i < n; i++) y[i] = (x[i] * r) * w[i];
    return r;
}

static void ref_rmsnorm_back(float *dx, float *dw, const struct kern_norm *row)
{
    const float *dy = row->dy, *x = row->x, *w = row->w, r = row->r;
    const int n = row->n;
    float s[KERN_LANES] = {0};
    for (int i = 0; i < n; i++) s[i % KERN_LANES] = fmaf(dy[i] * w[i], x[i], s[i % KERN_LANES]);
    float c = ((r * r) * r) / (float)n * lanes_sum(s);
    for (int i = 0; i < n; i++) dx[i] = dx[i] + fmaf(r, dy[i] * w[i], -(c * x[i]));
    if (!dw) return;
    for (int i = 0; i < n; i++) dw[i] = fmaf(dy[i], x[i] * r, dw[i]);
}

static void ref_swiglu(float *y, const float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = g[i] / (1.0F + kern_exp1(-g[i])) * u[i];
}

static void ref_swiglu_back(float *dg, float *du, const float *dy, const float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float s = 1.0F / (1.0F + kern_exp1(-g[i]));
        float silu = g[i] * s;
        float slope = fmaf(silu, 1.0F - s, s);
        dg[i] = fmaf(dy[i] * u[i], slope, dg[i]);
        du[i] = fmaf(dy[i], silu, du[i]);
    }
}

static float gelu_z(float g)
{
    return g * fmaf(GELU_A, g * g, GELU_B);
}

static void ref_geglu(float *y, const float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = g[i] / (1.0F + kern_exp1(-gelu_z(g[i]))) * u[i];
}

static void ref_geglu_back(float *dg, float *du, const float *dy, const float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float s = 1.0F / (1.0F + kern_exp1(-gelu_z(g[i])));
        float gelu = g[i] * s, dz = fmaf(3.0F * GELU_A, g[i] * g[i], GELU_B);
        float slope = fmaf(gelu * (1.0F - s), dz, s);
        dg[i] = fmaf(dy[i] * u[i], slope, dg[i]);
        du[i] = fmaf(dy[i], gelu, du[i]);
    }
}

static void ref_softcap(float *y, const float *x, float cap, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = kern_softcap1(x[i], cap);
}

static void ref_softcap_back(float *dx, const float *dy, const float *y, float cap, size_t n)
{
    for (size_t i = 0; i < n; i++) dx[i] = dy[i] * kern_softcap_slope1(y[i], cap);
}

static void ref_rope(float *x, const float *cs, int hd, float sign)
{
    for (int i = 0; i < hd / 2; i++) {
        float a = x[i], b = x[i + hd / 2], c = cs[2 * i], s = sign * cs[2 * i + 1];
        x[i] = fmaf(a, c, -(b * s));
        x[i + hd / 2] = fmaf(b, c, a * s);
    }
}

static void ref_key_rows(float *y, const float *kt, int n)
{
    for (int j = 0; j < KERN_KEYS; j++)
        for (int d = 0; d < n; d++) y[j * n + d] = kt[d * KERN_KEYS + j];
}

static void ref_scores(float *s, const float *q, const float *kt, int hd, int valid, float scale)
{
    for (int j = 0; j < valid; j++) {
        float acc = 0;
        for (int d = 0; d < hd; d++) acc = fmaf(q[d], kt[d * KERN_KEYS + j], acc);
        s[j] = scale * acc;
    }
}

static void ref_cap_scores(float *s, int valid, float cap)
{
    for (int j = 0; cap > 0 && j < valid; j++) s[j] = kern_softcap1(s[j], cap);
}

static void ref_attn(const struct kern_attn *a)
{
    for (int i = 0; i < a->nq; i++) {
        int valid = a->valid[i];
        if (!valid) continue;
        float s[KERN_KEYS], p[KERN_LANES] = {0}, m = a->m[i], *acc = a->acc + (ptrdiff_t)i * a->vd;
        ref_scores(s, a->q + i * a->q_row, a->kt, a->hd, valid, a->scale);
        ref_cap_scores(s, valid, a->cap);
        for (int j = 0; a->first && j < a->first[i]; j++) s[j] = -INFINITY;
        for (int j = 0; j < valid; j++) m = s[j] > m ? s[j] : m;
        m += 0.0F; /* of two zeros the positive one, whichever came first */
        for (int j = 0; j < valid; j++) s[j] = p[j] = kern_exp1(s[j] - m);
        float c = kern_exp1(a->m[i] - m);
        a->m[i] = m;
        a->l[i] = a->l[i] * c + lanes_sum(p);
        for (int d = 0; d < a->vd; d++) {
            float sum = acc[d] * c;
            for (int j = 0; j < valid; j++) sum = fmaf(s[j], a->v[j * a->vd + d], sum);
            acc[d] = sum;
        }
    }
}

static void ref_attn_back(const struct kern_attn_back *a)
{
    for (int i = 0; i < a->nq; i++) {
        const float *q = a->q + i * a->q_row, *dout = a->dout + i * a->dout_row;
        float s[KERN_KEYS], *dq = a->dq + i * a->q_row;
        ref_scores(s, q, a->kt, a->hd, a->valid[i], a->scale);
        ref_cap_scores(s, a->valid[i], a->cap);
        for (int j = 0; j < a->valid[i]; j++) {
            float p = a->first && j < a->first[i] ? 0.0F : kern_exp1(s[j] - a->lse[i * a->stat_row]), dp = 0;
            float *dk = a->dk + j * a->hd, *dv = a->dv + j * a->vd;
            for (int d = 0; d < a->vd; d++) dp = fmaf(dout[d], a->v[j * a->vd + d], dp);
            float g = p * (dp - a->delta[i * a->stat_row]);
            if (a->cap > 0) g *= kern_softcap_slope1(s[j], a->cap);
            float ds = g * a->scale;
            for (int d = 0; d < a->vd; d++) dv[d] = fmaf(p, dout[d], dv[d]);
            for (int d = 0; d < a->hd; d++) {
                dq[d] = fmaf(ds, a->kt[d * KERN_KEYS + j], dq[d]);
                dk[d] = fmaf(ds, q[d], dk[d]);
            }
        }
    }
}

static void ref_logits(struct kern_logits *r)
{
    float z_max = -INFINITY;
    r->argmax = 0;
    for (int i = 0; i < r->n; i++) {
        if (!(r->z[i] > z_max)) continue;
        z_max = r->z[i];
        r->argmax = i;
    }
    r->max = z_max * r->inv_t + 0.0F;
    double sum = 0, mean = 0;
    for (int from = 0; from < r->n; from += KERN_LOGITS) {
        float s[KERN_LANES] = {0}, t[KERN_LANES] = {0};
        for (int i = from; i < r->n && i < from + KERN_LOGITS; i++) {
            float y = kern_exp_floor(r->z[i] * r->inv_t - r->max), p = kern_exp1(y);
            s[i % KERN_LANES] += p;
            t[i % KERN_LANES] = fmaf(p, y, t[i % KERN_LANES]);
            if (r->prob) r->prob[i] = p;
        }
        sum += (double)lanes_sum(s);
        mean += (double)lanes_sum(t);
    }
    kern_logits_end(r, sum, mean);
}

static void ref_logits_back(float *dz, const struct kern_logits *r, int target, float g_logp, float g_ent)
{
    if (target < 0) g_logp = 0.0F;
    for (int i = 0; i < r->n; i++) dz[i] = kern_logits_back1(r, r->z[i], g_logp, g_ent, i == target);
}

static void ref_adamw(const struct kern_adamw *a)
{
    for (size_t i = 0; i < a->n; i++) {
        float g = a->g[i] * a->g_scale, w = a->w[i];
        w = fmaf(-(a->lr * a->wd), w, w);
        a->m[i] = fmaf(a->b1, a->m[i], (1.0F - a->b1) * g);
        a->v[i] = fmaf(a->b2, a->v[i], ((1.0F - a->b2) * g) * g);
        float denom = fmaf(sqrtf(a->v[i]), a->inv_sqrt_c2, a->eps);
        a->w[i] = fmaf(-a->step_size, a->m[i] / denom, w);
    }
}

static void ref_f16_to_f32(float *y, const uint16_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = kern_half_to_float(x[i]);
}

static void ref_bf16_to_f32(float *y, const uint16_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = bits_to_float((uint32_t)x[i] << 16);
}

static void ref_f32_to_f16(uint16_t *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = kern_float_to_half(x[i]);
}

static void ref_f32_to_bf16(uint16_t *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = kern_float_to_bfloat(x[i]);
}

const struct kern kern_ref = {
    .name = "ref",
    .usable = kern_ref_usable,
    .pack_rows = ref_pack_rows,
    .pack_cols = ref_pack_cols,
    .gemm = ref_gemm,
    .add = ref_add,
    .axpy = ref_axpy,
    .scale = ref_scale,
    .dot = ref_dot,
    .sumsq = ref_sumsq,
    .exp = ref_exp,
    .log = ref_log,
    .rmsnorm = ref_rmsnorm,
    .rmsnorm_back = ref_rmsnorm_back,
    .swiglu = ref_swiglu,
    .swiglu_back = ref_swiglu_back,
    .geglu = ref_geglu,
    .geglu_back = ref_geglu_back,
    .softcap = ref_softcap,
    .softcap_back = ref_softcap_back,
    .rope = ref_rope,
    .key_rows = ref_key_rows,
    .attn = ref_attn,
    .attn_back = ref_attn_back,
    .logits = ref_logits,
    .logits_back = ref_logits_back,
    .adamw = ref_adamw,
    .f16_to_f32 = ref_f16_to_f32,
    .bf16_to_f32 = ref_bf16_to_f32,
    .f32_to_f16 = ref_f32_to_f16,
    .f32_to_bf16 = ref_f32_to_bf16,
};
