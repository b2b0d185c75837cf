/* kern.h: numeric slots on raw pointers.
 *
 * ref.c fills every slot in plain C and is the definition: for the same inputs every other implementation
 * gives the same bits. Slots are single-threaded; op/ splits work over threads along outputs only.
 *
 * Rules that make the bits portable (all files of this room are compiled with -ffp-contract=off):
 *  - fused multiply-add is explicit (fmaf / vector FMA), never left to the compiler;
 *  - a product over K (matmul) runs in order over k in blocks of KERN_K_BLOCK: acc = 0; acc = fma(a, b, acc)
 *    over the block; then c = c + acc (the first block of a non-accumulating product stores acc itself).
 *    Vector lanes run over outputs, so their width does not matter;
 *  - where lanes must run over the summed index there are always KERN_LANES, four vectors of AVX2 so that
 *    additions overlap: lane i takes elements i, i+32, ...; lanes combine by halves (0+16, 1+17, ...; then
 *    0+8, ...; down to 0+1);
 *  - exp and log are the polynomials of kern_int.h; max is exact in any order, and of two zeros the positive;
 *    no denormal flushing.
 * NaN: max passes over a NaN, but every sum that met one is NaN, and that is what callers check. The sign and
 * payload of a NaN are the one thing that may differ between instruction sets.
 */
#ifndef KERN_KERN_H
#define KERN_KERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KERN_K_BLOCK = 256,   /* contraction block of a matrix product */
    KERN_PANEL = 16,      /* outputs in a packed panel */
    KERN_KEYS = 32,       /* keys in an attention block */
    KERN_ATTN_MAX = 1536, /* widths of key and value together */
    KERN_LANES = 32,      /* partial sums of a reduction */
    KERN_LOGITS = 1024    /* logits summed in float; the blocks are added in double */
};

/* A panel holds KERN_PANEL outputs side by side for every k: line k is 16 numbers. Panels of a matrix follow
 * each other; outputs beyond the last are zeros. A form says how the numbers are kept; all of them are
 * float32 numbers in fewer bits, and a product has the bits that KERN_F32 panels of those numbers give.
 *   KERN_F32, KERN_BF16, KERN_F16   a line is 16 numbers of the type
 *   KERN_Q8        32 lines are a group: 16 halves d; then 16 bytes q, signed, for each line: q d
 *   KERN_Q4        a group: 16 halves d; then 8 x 16 words of 16 bits, line 4 w + i of the group in bits
 *                  4 i .. 4 i + 3 of the words of w: q d - 8 d, which is exact, and +0 for q = 8
 *   KERN_Q4_LEAST  a group: 16 halves d, 16 halves m, words as before: q d + m, rounded once
 * With groups K is a multiple of KERN_GROUP. */
enum { KERN_GROUP = 32 };
enum kern_form { KERN_F32, KERN_BF16, KERN_F16, KERN_Q8, KERN_Q4, KERN_Q4_LEAST, KERN_FORMS };
struct kern_form_info {
    const char *name;
    int lines, bytes; /* of a group; or one line and its bytes */
};
extern const struct kern_form_info kern_forms[KERN_FORMS];

/* Bytes of k lines of a panel; k is a multiple of `lines`. */
static inline size_t kern_lines_bytes(enum kern_form form, int k)
{
    return (size_t)(k / kern_forms[form].lines) * (size_t)kern_forms[form].bytes;
}

/* C[M,N] = A[M,K] * B (+ C if accumulate). A's element (m,k) is a[m*a_row + k*a_col]: a_col = 1 for a
 * row-major A, a_row = 1 for a transposed one. B[k,n] is number n % 16 of line k of panel n / 16. C's element
 * (m,n) is c[m*c_row + n]; only n < N is written. */
struct kern_gemm {
    int m, n, k;
    const float *a;
    ptrdiff_t a_row, a_col;
    const void *panels;
    float *c;
    ptrdiff_t c_row;
    bool accumulate;
    enum kern_form form;
};

/* One block of up to KERN_KEYS keys against nq query rows of one head group (flash attention, Dao et al.
 * 2022). Keys lie transposed and padded: kt[d*KERN_KEYS + j], d < hd; values v[j*vd + d], d < vd. valid[i]
 * keys (0..KERN_KEYS) count for query i; the others are as if absent. State per query: running max m[i]
 * (start -inf), sum l[i] (start 0), acc[i*vd + d] (start 0). For each i with valid[i] > 0:
 * s_j = scale * sum_d q_d k_jd (in order over d); m' = max(m, max_j s_j); c = exp(m - m');
 * p_j = exp(s_j - m'); l = l*c + sum_j p_j (one lane each); acc_d = acc_d*c, then fma(p_j, v_jd) in order.
 * With cap > 0 the score is cap * tanh(s_j / cap) (Gemma 2). With first, keys below first[i] < valid[i] lie
 * before the query's window: their s_j is -inf, so their p_j is 0, which is multiplied like any other. */
struct kern_attn {
    int nq, hd, vd;
    float scale;
    const float *q; /* [nq, hd], row stride q_row */
    ptrdiff_t q_row;
    const float *kt, *v;
    const int *valid;
    float *m, *l, *acc;
    const int *first; /* NULL: all 0 */
    float cap;
};

/* Backward of one block. lse[i * stat_row] = m + log l of the forward for query i; delta[i * stat_row] =
 * sum_d do_id * o_id.
 *   p_j = exp(s_j - lse); dv_j += p_j do; dp_j = do . v_j; ds_j = p_j (dp_j - delta) * scale;
 *   dq += ds_j k_j; dk_j += ds_j q.   dk is [KERN_KEYS, hd] row-major (not transposed), dv [KERN_KEYS, vd].
 * hd + vd is at most KERN_ATTN_MAX.
 * With cap > 0: ds_j = (p_j (dp_j - delta) * (1 - (s_j / cap)^2)) * scale. Below first[i]: p_j = 0. */
struct kern_attn_back {
    int nq, hd, vd;
    float scale;
    const float *q, *dout;
    ptrdiff_t q_row, dout_row;
    const float *kt, *v;
    const int *valid;
    const float *lse, *delta;
    ptrdiff_t stat_row;
    float *dq; /* [nq, hd], row stride q_row */
    float *dk, *dv;
    const int *first;
    float cap;
};

/* One row of logits z[0..n): y = z * inv_t, inv_t > 0. out: max, lse = max + log(sum exp(y - max)), entropy
 * H = lse - sum p y, argmax of z (lowest index on ties), bad = no distribution: some z is NaN or +inf, or all
 * are -inf. A single -inf is a token that cannot be chosen: it adds nothing to any of them. prob, if not
 * NULL, receives exp(y - max) unnormalised, and sum their total. */
struct kern_logits {
    const float *z;
    int n;
    float inv_t;
    float *prob;
    float max, sum, lse, entropy;
    int argmax;
    bool bad;
};

/* Decoupled AdamW (Loshchilov & Hutter 2019), torch's order of operations:
 *   w -= lr*wd*w; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; w -= (lr/c1) * m / (sqrt(v)/sqrt(c2) + eps)
 * with c1 = 1 - b1^t, c2 = 1 - b2^t; g is first multiplied by g_scale (gradient clipping). */
struct kern_adamw {
    float *w, *m, *v;
    const float *g;
    size_t n;
    float g_scale, lr, b1, b2, eps, wd, step_size, inv_sqrt_c2; /* step_size = lr / c1 */
};

/* One row of a norm, for its backward: dy, x and the weight w, each [n]; r is what the forward returned. */
struct kern_norm {
    const float *dy, *x, *w;
    int n;
    float r;
};

struct kern {
    const char *name;
    bool (*usable)(void); /* does this CPU have what the slots need */

    /* B given as [N,K] row-major with row stride ld (a weight as it is stored): y = x W^T. */
    void (*pack_rows)(float *panels, const float *b, ptrdiff_t ld, int n, int k);
    /* B given as [K,N] row-major. */
    void (*pack_cols)(float *panels, const float *b, ptrdiff_t ld, int n, int k);
    void (*gemm)(const struct kern_gemm *g);

    void (*add)(float *y, const float *a, const float *b, size_t n);
    void (*axpy)(float *y, float a, const float *x, size_t n); /* y = fma(a, x, y) */
    void (*scale)(float *y, float a, const float *x, size_t n);
    float (*dot)(const float *a, const float *b, size_t n); /* KERN_LANES lanes */
    double (*sumsq)(const float *x, size_t n);              /* KERN_LANES double lanes */
    void (*exp)(float *y, const float *x, size_t n);
    void (*log)(float *y, const float *x, size_t n);

    /* One row: r = 1/sqrt(sum x^2 / n + eps); y = (x*r) * w. Returns r. */
    float (*rmsnorm)(float *y, const float *x, const float *w, int n, float eps);
    /* dx += r*(dy*w) - x * (r^3/n) * sum(dy*w*x); dw += dy * (x*r). dw may be NULL. */
    void (*rmsnorm_back)(float *dx, float *dw, const struct kern_norm *row);
    /* y = silu(g) * u, silu(g) = g / (1 + exp(-g)). */
    void (*swiglu)(float *y, const float *g, const float *u, size_t n);
    void (*swiglu_back)(float *dg, float *du, const float *dy, const float *g, const float *u,
                        size_t n); /* += */
    /* y = gelu(g) * u, gelu(g) = g / (1 + exp(-z)), z = 2 sqrt(2/pi) (g + 0.044715 g^3): the usual
     * approximation g (1 + tanh(z / 2)) / 2 (Hendrycks & Gimpel 2016). */
    void (*geglu)(float *y, const float *g, const float *u, size_t n);
    void (*geglu_back)(float *dg, float *du, const float *dy, const float *g, const float *u,
                       size_t n); /* += */
    /* y = cap * tanh(x / cap); y may be x. */
    void (*softcap)(float *y, const float *x, float cap, size_t n);
    /* dx = dy * (1 - (y / cap)^2); dx may be dy. */
    void (*softcap_back)(float *dx, const float *dy, const float *y, float cap, size_t n);
    /* One head in place, halves rotated (x_i, x_{i+hd/2}); cs[2i] = cos, cs[2i+1] = sin for i < hd/2;
     * sign -1 rotates backward (the gradient). */
    void (*rope)(float *x, const float *cs, int hd, float sign);

    /* Keys of a block as rows: y[j*n + d] = kt[d*KERN_KEYS + j], d < n. */
    void (*key_rows)(float *y, const float *kt, int n);
    void (*attn)(const struct kern_attn *a);
    void (*attn_back)(const struct kern_attn_back *a);

    void (*logits)(struct kern_logits *r);
    /* dz_v = inv_t * ( g_logp * (1[v = target] - p_v) - g_ent * p_v * (log p_v + H) ), p_v = exp(z inv_t -
     * lse); target -1: as if g_logp were 0; target >= n: 1[] is 0 throughout. dz may be z. */
    void (*logits_back)(float *dz, const struct kern_logits *r, int target, float g_logp, float g_ent);

    void (*adamw)(const struct kern_adamw *a);
    void (*f16_to_f32)(float *y, const uint16_t *x, size_t n);
    void (*bf16_to_f32)(float *y, const uint16_t *x, size_t n);
    void (*f32_to_f16)(uint16_t *y, const float *x, size_t n); /* round to nearest even */
    void (*f32_to_bf16)(uint16_t *y, const float *x, size_t n);
};

/* The best table this CPU can run, or the one that OPENR1_ISA names (ref, avx2, avx512, neon). Chosen at the
 * first call; an unknown or unusable name is an error that lists the usable ones. */
int kern_choose(const char *name_or_null, char *msg, size_t msg_size);
const struct kern *kern(void);
/* All tables that were built, NULL at the end; for tests and `bench`. */
const struct kern *const *kern_tables(void);

static inline size_t kern_panels_floats(int n, int k)
{
    return (size_t)((n + KERN_PANEL - 1) / KERN_PANEL) * KERN_PANEL * (size_t)k;
}
static inline size_t kern_panels_bytes(enum kern_form form, int n, int k)
{
    return (size_t)((n + KERN_PANEL - 1) / KERN_PANEL) * kern_lines_bytes(form, k);
}
/* Panels of k lines from output n on, a multiple of KERN_PANEL. */
static inline const void *kern_panels_at(enum kern_form form, const void *panels, int n, int k)
{
    return (const char *)panels + kern_panels_bytes(form, n, k);
}

#endif
