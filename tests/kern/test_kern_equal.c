/* Every slot of every table gives the bits of ref.c: odd sizes and strides, misaligned pointers, infinities,
 * NaN, denormals and negative zeros, and nothing written beyond the end. A NaN equals any NaN (kern.h).
 *
 * A check runs one slot on inputs that depend on the case's number alone, and leaves all it wrote in `out`.
 */
#include <inttypes.h>

#include "kern_case.h"

enum { OUT = 1 << 19 };

static const int SIZES[] = {0,  1,  2,  7,  8,  9,   15,  16,  17,  31,  32,  33,   47,   48,   63,
                            64, 65, 95, 96, 97, 127, 128, 129, 255, 256, 257, 1000, 1023, 1024, 1025};
enum { N_SIZES = sizeof SIZES / sizeof *SIZES, KINDS = 4, VECTOR_CASES = N_SIZES * KINDS };

static const float SPECIALS[] = {0,     -0.0F,  1e-40F, -1e-45F, INFINITY,  -INFINITY, NAN, 1.5e-38F,
                                 3e38F, -3e38F, 88.72F, -103.9F, -103.973F, -87.3366F, 1,   -1};
enum { N_SPECIALS = sizeof SPECIALS / sizeof *SPECIALS };

/* Inputs of one case. Kind 1 and 3 are not aligned; kind 2 and 3 hold special values among the others. */
struct inputs {
    int n, kind;
    uint32_t seed;
    float *made[12];
    int n_made;
};

static struct inputs inputs_of(int c)
{
    return (struct inputs){.n = SIZES[c % N_SIZES], .kind = c / N_SIZES % KINDS, .seed = (uint32_t)c};
}

static float *input(struct inputs *in, size_t n, float scale)
{
    float *x = alloc_floats(n + 4);
    in->made[in->n_made++] = x;
    if (in->kind & 1) x += 1 + in->n_made % 3;
    case_fill(x, n, scale, in->seed * 16 + (uint32_t)in->n_made);
    for (size_t i = 0; (in->kind & 2) && i < n; i++) {
        struct rng_at at = {in->seed, RNG_TEST, 1, (uint32_t)in->n_made, (uint32_t)i};
        uint64_t u = rng_u64(&at);
        if (u % 8 == 0) x[i] = SPECIALS[u / 8 % N_SPECIALS];
    }
    return x;
}

static void inputs_end(struct inputs *in)
{
    while (in->n_made) free(in->made[--in->n_made]);
}

/* ---- checks -------------------------------------------------------------------------------------------- */

static void check_elementwise(const struct kern *k, int c, float *out)
{
    struct inputs in = inputs_of(c);
    size_t n = (size_t)in.n, step = n + 3;
    float *a = input(&in, n, 30), *b = input(&in, n, 3);
    if (in.kind & 1) out++;
    k->add(out, a, b, n), out += step;
    memcpy(out, b, n * sizeof *b), k->axpy(out, 0.3F, a, n), out += step;
    k->scale(out, -1.7F, a, n), out += step;
    k->exp(out, a, n), out += step;
    k->exp(out, b, n), out += step;
    k->log(out, a, n), out += step;
    for (size_t i = 0; i < n; i++) out[i] = b[i] * b[i];
    k->log(out, out, n), out += step;
    *out++ = k->dot(a, b, n);
    double sum = k->sumsq(a, n);
    memcpy(out, &sum, sizeof sum);
    if (isnan(sum)) out[0] = out[1] = 0;
    inputs_end(&in);
}

static void check_rows(const struct kern *k, int c, float *out)
{
    struct inputs in = inputs_of(c);
    if (!in.n) return;
    size_t n = (size_t)in.n, step = n + 3;
    float *x = input(&in, n, 3), *w = input(&in, n, 2), *dy = input(&in, n, 1), *u = input(&in, n, 2);
    if (in.kind & 1) out++;
    out[0] = k->rmsnorm(out + 1, x, w, in.n, 1e-6F), out += step;
    float *dx = out, *dw = out + step;
    out += 2 * step;
    struct kern_norm row = {dy, x, w, in.n, 0.7F};
    for (int round = 0; round < 2; round++) k->rmsnorm_back(dx, dw, &row);
    k->rmsnorm_back(dx, NULL, &row);
    k->swiglu(out, x, u, n), out += step;
    k->swiglu_back(out, out + step, dy, x, u, n), out += 2 * step;
    memcpy(out, x, n / 2 * 2 * sizeof *x);
    k->rope(out, w, in.n / 2 * 2, c % 2 ? 1 : -1);
    inputs_end(&in);
}

static void check_gelu_and_softcap(const struct kern *k, int c, float *out)
{
    struct inputs in = inputs_of(c);
    size_t n = (size_t)in.n, step = n + 3;
    float *x = input(&in, n, 3), *u = input(&in, n, 2), *dy = input(&in, n, 1), cap = c % 2 ? 50 : 0.7F;
    if (in.kind & 1) out++;
    k->geglu(out, x, u, n), out += step;
    k->geglu_back(out, out + step, dy, x, u, n), out += 2 * step;
    k->softcap(out, x, cap, n);
    k->softcap_back(out + step, dy, out, cap, n);
    inputs_end(&in);
}

static void check_logits(const struct kern *k, int c, float *out)
{
    struct inputs in = inputs_of(c);
    size_t n = (size_t)in.n * (c % 3 == 0 ? 5 : 1), step = n + 3;
    if (!n) return;
    float *z = input(&in, n, 20);
    for (size_t i = 0; i < n; i++) {
        if (in.kind == 2 && !(z[i] < 1e30F)) z[i] = -INFINITY; /* forbidden tokens, and no NaN */
        if (c % 5 == 0) z[i] = floorf(z[i]);                   /* ties */
    }
    struct kern_logits r = {.z = z, .n = (int)n, .inv_t = c % 2 ? 1 : 1 / 0.7F, .prob = c % 7 ? out : NULL};
    if (in.kind & 1) r.prob = r.prob ? r.prob + 1 : NULL;
    k->logits(&r);
    out += step + 1;
    float results[] = {r.max, r.sum, r.lse, r.entropy, (float)r.argmax, r.bad};
    memcpy(out, results, sizeof results), out += 8;
    const int targets[] = {-1, 0, (int)n - 1, (int)n / 2, (int)n + 5};
    for (int t = 0; t < 5; t++, out += step) k->logits_back(out, &r, targets[t], 0.3F, t % 2 ? 0 : -0.2F);
    memcpy(out, z, n * sizeof *z);
    r.z = out;
    k->logits_back(out, &r, (int)n / 2, -1, 0.1F);
    inputs_end(&in);
}

static void check_adamw(const struct kern *k, int c, float *out)
{
    struct inputs in = inputs_of(c);
    size_t n = (size_t)in.n, step = n + 3;
    float *g = input(&in, n, 1), *old = input(&in, 3 * n, 1), *w = out + (in.kind & 1), *m = w + step,
          *v = m + step;
    memcpy(w, old, n * sizeof *w), memcpy(m, old + n, n * sizeof *w);
    for (size_t i = 0; i < n; i++) v[i] = fabsf(old[2 * n + i]);
    for (int t = 0; t < 3; t++)
        k->adamw(&(struct kern_adamw){w, m, v, g, n, 0.7F, 1e-3F, 0.9F, 0.999F, 1e-8F, 0.01F, 2e-3F, 3});
    inputs_end(&in);
}

static void check_halves(const struct kern *k, int c, float *out)
{
    enum { MOST = 1025 };
    struct inputs in = inputs_of(c);
    size_t n = (size_t)in.n, at = in.kind & 1;
    float *x = input(&in, n, c % 3 ? 1e-7F : 7e4F);
    uint16_t h[MOST + 1], f16[MOST + 2] = {0}, bf16[MOST + 2] = {0};
    for (size_t i = 0; i < n; i++) h[at + i] = (uint16_t)((size_t)c * MOST + i * 61);
    k->f16_to_f32(out + at, h + at, n), out += n + 3;
    k->bf16_to_f32(out + at, h + at, n), out += n + 3;
    k->f32_to_f16(f16 + at, x, n);
    k->f32_to_bf16(bf16 + at, x, n);
    for (size_t i = 0; i < MOST + 2; i++) *out++ = f16[i], *out++ = bf16[i];
    inputs_end(&in);
}

static void check_pack(const struct kern *k, int c, float *out)
{
    struct inputs in = inputs_of(c);
    int n = 1 + c * 7 % 150, kk = 1 + c * 13 % 70, ld = (c % 2 ? n : kk) + c % 5;
    float *b = input(&in, (size_t)ld * (size_t)(c % 2 ? kk : n), 1);
    (c % 2 ? k->pack_cols : k->pack_rows)(out + in.kind, b, ld, n, kk);
    inputs_end(&in);
}

/* Shapes that reach every tile, block and copy: rows, columns, K, stride of A beyond its width,
 * transposed. */
static const struct gemm_shape {
    int m, n, k, pad;
    bool transposed;
} SHAPES[] = {
    {1, 1, 1, 0, false},        {1, 64, 1, 0, true},      {1, 70, 300, 0, false},  {2, 33, 257, 1, false},
    {3, 48, 64, 0, false},      {4, 17, 33, 0, false},    {5, 16, 600, 3, false},  {6, 31, 256, 0, false},
    {7, 80, 70, 0, false},      {8, 65, 512, 0, false},   {9, 16, 5, 0, true},     {11, 40, 513, 0, false},
    {12, 32, 1024, 0, false},   {13, 15, 40, 2, true},    {17, 20, 530, 5, true},  {23, 49, 100, 0, false},
    {24, 16, 512, 512, false},  {25, 33, 37, 0, true},    {61, 16, 300, 0, true},  {97, 18, 600, 0, true},
    {100, 16, 520, 504, false}, {130, 35, 260, 0, false}, {3, 16, 2100, 0, false}, {70, 16, 2049, 0, false},
    {1, 16, 4, 0, true},        {2, 130, 7, 0, true},     {10, 16, 31, 0, true},   {60, 47, 2, 0, false},
};
enum { N_SHAPES = sizeof SHAPES / sizeof *SHAPES, GEMM_CASES = N_SHAPES * 4 };

static void check_gemm(const struct kern *k, int c, float *out)
{
    struct gemm_shape s = SHAPES[c / 4];
    struct inputs in = {.kind = c % 4 == 3 ? 3 : c % 2, .seed = (uint32_t)c};
    int ld = (s.transposed ? s.m : s.k) + s.pad, c_row = s.n + c % 4;
    float *a = input(&in, (size_t)ld * (size_t)(s.transposed ? s.k : s.m), 1);
    float *b = input(&in, (size_t)s.n * (size_t)s.k, 1), *panels = alloc_floats(kern_panels_floats(s.n, s.k));
    k->pack_rows(panels, b, s.k, s.n, s.k);
    case_fill(out, (size_t)s.m * (size_t)c_row, 1, 77);
    struct kern_gemm g = {
        s.m, s.n,   s.k,       a,       s.transposed ? 1 : ld, s.transposed ? ld : 1, panels,
        out, c_row, c % 4 > 1, KERN_F32};
    k->gemm(&g);
    free(panels);
    inputs_end(&in);
}

/* Random panels whose 16-bit numbers are finite. */
static void *random_panels(enum kern_form form, int n, int k)
{
    size_t bytes = kern_panels_bytes(form, n, k), group = (size_t)kern_forms[form].bytes;
    size_t halves = form >= KERN_Q8 ? (form == KERN_Q4_LEAST ? 64 : 32) : group;
    uint8_t *p = alloc_large(bytes);
    for (size_t i = 0; i < bytes; i++) {
        struct rng_at at = {4, RNG_TEST, (uint32_t)form, 0, (uint32_t)i};
        p[i] = (uint8_t)rng_u64(&at);
        if (i % group < halves && i % 2) p[i] &= 0xBF;
    }
    return p;
}

enum { FORM_CASES = (KERN_FORMS - 1) * N_SHAPES };

static void check_gemm_forms(const struct kern *k, int c, float *out)
{
    enum kern_form form = KERN_BF16 + (unsigned)c % (KERN_FORMS - 1);
    struct gemm_shape s = SHAPES[c / (KERN_FORMS - 1)];
    struct inputs in = {.kind = c % 2, .seed = (uint32_t)c};
    s.k = form >= KERN_Q8 ? (s.k + KERN_GROUP - 1) / KERN_GROUP * KERN_GROUP : s.k;
    int ld = (s.transposed ? s.m : s.k) + s.pad, c_row = s.n + c % 4;
    float *a = input(&in, (size_t)ld * (size_t)(s.transposed ? s.k : s.m), 1);
    void *panels = random_panels(form, s.n, s.k);
    case_fill(out, (size_t)s.m * (size_t)c_row, 1, 77);
    k->gemm(&(struct kern_gemm){s.m, s.n, s.k, a, s.transposed ? 1 : ld, s.transposed ? ld : 1, panels, out,
                                c_row, c % 4 > 1, form});
    free(panels);
    inputs_end(&in);
}

static const int HEADS[] = {1, 2, 5, 6, 8, 16, 20, 24, 32, 40, 48, 64, 72, 80, 96, 128, 192, 256};
enum { N_HEADS = sizeof HEADS / sizeof *HEADS, ATTN_CASES = N_HEADS * 12 };

/* Queries of a case and how many keys each has: all, a diagonal, one by one at random, or none for some. */
static int queries(int c, int valid[70])
{
    static const int counts[] = {1, 2, 3, 4, 7, 8, 33, 64, 70, 6, 5, 12};
    int nq = counts[c / N_HEADS];
    for (int i = 0; i < nq; i++) {
        struct rng_at at = {(uint64_t)c, RNG_TEST, 2, 0, (uint32_t)i};
        int random = (int)(rng_u64(&at) % (KERN_KEYS + 1));
        valid[i] = c % 4 == 0 ? KERN_KEYS : c % 4 == 1 ? i + 1 : c % 4 == 2 ? random : i % 3 ? random : 0;
        if (valid[i] > KERN_KEYS) valid[i] = KERN_KEYS;
    }
    return nq;
}

/* Windows of odd cases begin inside the block. */
static const int *windows(int c, const int *valid, int nq, int first[70])
{
    for (int i = 0; i < nq; i++) first[i] = valid[i] > 0 && c % 4 ? (valid[i] - 1) * (c % 4) / 4 : 0;
    return c % 2 ? first : NULL;
}

/* Widths of keys and values, and whether there is a window. */
struct widths {
    int hd, vd;
    bool window;
};

static void attn_case(const struct kern *k, int c, struct widths w, float *out)
{
    struct inputs in = {.kind = c % 5 == 4 ? 3 : c % 2, .seed = (uint32_t)c};
    int valid[70], first[70], nq = queries(c, valid), row = w.hd + c % 3;
    const int *from = w.window ? windows(c, valid, nq, first) : NULL;
    float cap = w.window && c % 3 ? 2.5F : 0;
    size_t block = (size_t)w.hd * KERN_KEYS, v_block = (size_t)w.vd * KERN_KEYS;
    float *q = input(&in, (size_t)nq * (size_t)row, 2), *kt = input(&in, 2 * block, 1),
          *v = input(&in, 2 * v_block, 1);
    float *m = out + in.kind, *l = m + nq + 1, *acc = l + nq + 1;
    for (int i = 0; i < nq; i++) m[i] = -INFINITY, l[i] = 0;
    memset(acc, 0, (size_t)nq * (size_t)w.vd * sizeof *acc);
    for (size_t b = 0; b < 2; b++)
        k->attn(&(struct kern_attn){nq, w.hd, w.vd, 0.3F, q, row, kt + b * block, v + b * v_block, valid, m,
                                    l, acc, from, cap});
    inputs_end(&in);
}

static void attn_back_case(const struct kern *k, int c, struct widths w, float *out)
{
    struct inputs in = {.kind = c % 5 == 4 ? 3 : c % 2, .seed = (uint32_t)c};
    int valid[70], first[70], nq = queries(c, valid), row = w.hd + c % 3, dout_row = w.vd + c % 2;
    const int *seen = w.window ? windows(c, valid, nq, first) : NULL;
    float cap = w.window && c % 3 ? 2.5F : 0;
    size_t block = (size_t)w.hd * KERN_KEYS, v_block = (size_t)w.vd * KERN_KEYS;
    float *q = input(&in, (size_t)nq * (size_t)row, 2), *dout = input(&in, (size_t)nq * (size_t)dout_row, 1);
    float *kt = input(&in, block, 1), *v = input(&in, v_block, 1), *stats = input(&in, 2 * (size_t)nq, 1);
    float lse[3 * 70], delta[3 * 70];
    int stat_row = 1 + c % 3;
    float *dk = out + in.kind, *dv = dk + block + 1, *dq = dv + v_block + 1;
    case_fill(dk, block + v_block + 1, 1, 5);
    case_fill(dq, (size_t)nq * (size_t)row, 1, 6);
    for (int i = 0; i < nq; i++) lse[i * stat_row] = stats[i] + 3, delta[i * stat_row] = stats[nq + i];
    k->attn_back(&(struct kern_attn_back){nq, w.hd, w.vd, 0.3F, q, dout, row, dout_row, kt, v, valid, lse,
                                          delta, stat_row, dq, dk, dv, seen, cap});
    inputs_end(&in);
}

static struct widths even(int c, bool window)
{
    return (struct widths){HEADS[c % N_HEADS], HEADS[c % N_HEADS], window};
}

static void check_attn(const struct kern *k, int c, float *out)
{
    attn_case(k, c, even(c, false), out);
}

static void check_attn_back(const struct kern *k, int c, float *out)
{
    attn_back_case(k, c, even(c, false), out);
}

static void check_attn_window(const struct kern *k, int c, float *out)
{
    attn_case(k, c, even(c, true), out);
}

static void check_attn_back_window(const struct kern *k, int c, float *out)
{
    attn_back_case(k, c, even(c, true), out);
}

static const struct widths UNEVEN[] = {{576, 512, false}, {192, 128, false}, {24, 16, false},
                                       {8, 40, false},    {5, 17, false},    {33, 9, false}};
enum { N_UNEVEN = sizeof UNEVEN / sizeof *UNEVEN, UNEVEN_CASES = N_UNEVEN * 12 };

static void check_attn_uneven(const struct kern *k, int c, float *out)
{
    attn_case(k, c / N_UNEVEN * N_HEADS + c % N_UNEVEN, UNEVEN[c % N_UNEVEN], out);
}

static void check_attn_back_uneven(const struct kern *k, int c, float *out)
{
    attn_back_case(k, c / N_UNEVEN * N_HEADS + c % N_UNEVEN, UNEVEN[c % N_UNEVEN], out);
}

static void check_key_rows(const struct kern *k, int c, float *out)
{
    struct inputs in = {.seed = (uint32_t)c};
    int n = HEADS[c];
    k->key_rows(out + c % 2, input(&in, (size_t)n * KERN_KEYS, 1), n);
    inputs_end(&in);
}

/* ---- the walk ------------------------------------------------------------------------------------------ */

typedef void (*check_fn)(const struct kern *k, int c, float *out);

static bool same(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* Bits of a check's results, of any NaN alike: FNV-1a. */
static uint64_t fingerprint(uint64_t h, const float *x)
{
    for (size_t i = 0; i < OUT; i++) {
        if (x[i] == 12345) continue;
        uint32_t u = 0x7FC00000U;
        if (!isnan(x[i])) memcpy(&u, &x[i], sizeof u);
        h = (h ^ u) * 0x100000001B3U;
    }
    return h;
}

/* bits: what ref gives on every machine and with every compiler. They change when a definition does, and then
 * every run recorded before replays differently. */
static void compare(check_fn check, int cases, uint64_t bits)
{
    uint64_t h = 0xCBF29CE484222325U;
    float *want = alloc_floats(OUT), *got = alloc_floats(OUT);
    const struct kern *k, *ref = NULL;
    for (int t = 0; (k = case_table(&t));)
        if (!strcmp(k->name, "ref")) ref = k;
    for (int c = 0; c < cases; c++) {
        for (size_t i = 0; i < OUT; i++) want[i] = 12345;
        check(ref, c, want);
        assert_true(want[OUT - 1] == 12345); /* it fits */
        h = fingerprint(h, want);
        for (int t = 0; (k = case_table(&t));) {
            if (k == ref) continue;
            for (size_t i = 0; i < OUT; i++) got[i] = 12345;
            check(k, c, got);
            for (size_t i = 0; i < OUT; i++)
                if (!same(got[i], want[i]))
                    fail_msg("%s, case %d, float %zu: %.9g, ref has %.9g", k->name, c, i, (double)got[i],
                             (double)want[i]);
        }
    }
    free(want), free(got);
    if (h != bits) fail_msg("ref gives 0x%016" PRIX64 ", expected 0x%016" PRIX64, h, bits);
}

static void elementwise_slots_and_sums(void **state)
{
    (void)state;
    compare(check_elementwise, VECTOR_CASES, 0x56D6C2ECD678406AU);
}

static void rows_of_a_layer(void **state)
{
    (void)state;
    compare(check_rows, VECTOR_CASES, 0x70230C0ECC4C75EDU);
}

static void gelu_and_softcap(void **state)
{
    (void)state;
    compare(check_gelu_and_softcap, VECTOR_CASES, 0xBF7E3196815F1808U);
}

static void logits(void **state)
{
    (void)state;
    compare(check_logits, VECTOR_CASES, 0x6451CF4A54A30BC8U);
}

static void adamw(void **state)
{
    (void)state;
    compare(check_adamw, VECTOR_CASES, 0x51E7B87D6190F25BU);
}

static void halves(void **state)
{
    (void)state;
    compare(check_halves, VECTOR_CASES, 0x16971DEC561B2CA5U);
}

static void packing(void **state)
{
    (void)state;
    compare(check_pack, 160, 0xC1FC5AD39016B557U);
}

static void products(void **state)
{
    (void)state;
    compare(check_gemm, GEMM_CASES, 0xC9E3B3042E8A4C0EU);
}

static void attention(void **state)
{
    (void)state;
    compare(check_attn, ATTN_CASES, 0xA109F83BAF7D7143U);
    compare(check_attn_uneven, UNEVEN_CASES, 0xA4FD30C0E92B1747U);
    compare(check_key_rows, N_HEADS, 0x82E13FFB6346BC51U);
}

static void products_with_narrow_panels(void **state)
{
    (void)state;
    compare(check_gemm_forms, FORM_CASES, 0x59B3411062FF8D59U);
}

static void attention_in_a_window(void **state)
{
    (void)state;
    compare(check_attn_window, ATTN_CASES, 0xE3C809636EDCD433U);
}

static void attention_backward(void **state)
{
    (void)state;
    compare(check_attn_back, ATTN_CASES, 0x0BD87588775CA99FU);
    compare(check_attn_back_uneven, UNEVEN_CASES, 0x997E738774160D04U);
}

static void attention_in_a_window_backward(void **state)
{
    (void)state;
    compare(check_attn_back_window, ATTN_CASES, 0x9B8D412EBC91FF07U);
}

/* All rows at once, and any run of rows and panels alone: op/ splits both over threads. */
static void a_product_does_not_depend_on_its_neighbours(void **state)
{
    (void)state;
    enum { M = 41, NN = 150, K = 530 };
    float *a = case_floats(M * K, 1, 1), *b = case_floats(NN * K, 1, 2), *whole = alloc_floats(M * NN);
    float *panels = alloc_floats(kern_panels_floats(NN, K)), *part = alloc_floats(M * NN);
    const struct kern *k;
    for (int t = 0; (k = case_table(&t));)
        for (int transposed = 0; transposed < 2; transposed++) {
            struct kern_gemm g = {M,     NN, K,     a,       transposed ? 1 : K, transposed ? M : 1, panels,
                                  whole, NN, false, KERN_F32};
            k->pack_rows(panels, b, K, NN, K);
            k->gemm(&g);
            for (int rows = 1; rows <= M; rows += rows < 14 ? 1 : 9)
                for (int cols = KERN_PANEL; cols <= NN + KERN_PANEL; cols += 3 * KERN_PANEL) {
                    for (int m = 0; m < M; m += rows)
                        for (int n = 0; n < NN; n += cols) {
                            struct kern_gemm p = g;
                            p.m = M - m < rows ? M - m : rows, p.n = NN - n < cols ? NN - n : cols;
                            p.a += m * g.a_row, p.c = part + m * NN + n;
                            p.panels = kern_panels_at(KERN_F32, panels, n, K);
                            k->gemm(&p);
                        }
                    assert_memory_equal(part, whole, M * NN * sizeof(float));
                }
        }
    free(a), free(b), free(whole), free(panels), free(part);
}

static void an_unknown_table_is_refused_with_those_that_work(void **state)
{
    (void)state;
    char msg[160];
    const struct kern *before = kern();
    assert_int_equal(kern_choose("mmx", msg, sizeof msg), -1);
    assert_non_null(strstr(msg, "mmx"));
    assert_non_null(strstr(msg, " ref"));
    assert_ptr_equal(kern(), before);
    assert_int_equal(kern_choose("ref", msg, sizeof msg), 0);
    assert_string_equal(kern()->name, "ref");
    assert_int_equal(kern_choose(NULL, msg, sizeof msg), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elementwise_slots_and_sums),
        cmocka_unit_test(rows_of_a_layer),
        cmocka_unit_test(gelu_and_softcap),
        cmocka_unit_test(logits),
        cmocka_unit_test(adamw),
        cmocka_unit_test(halves),
        cmocka_unit_test(packing),
        cmocka_unit_test(products),
        cmocka_unit_test(products_with_narrow_panels),
        cmocka_unit_test(attention),
        cmocka_unit_test(attention_in_a_window),
        cmocka_unit_test(attention_in_a_window_backward),
        cmocka_unit_test(attention_backward),
        cmocka_unit_test(a_product_does_not_depend_on_its_neighbours),
        cmocka_unit_test(an_unknown_table_is_refused_with_those_that_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
