/* bench_kern.c: every slot of every table on one thread, beside what one thread can do.
 *
 * Products and attention are held against fused multiply-adds in registers, the rest against memory read
 * (vectors that live in the caches may exceed it). Both limits are measured in the same run just before.
 * Time is the thread's own processor time, best of several short runs: a busy machine tells the truth too.
 */
#include "bench.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "kern/kern.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int rounds;

/* Seconds of f(ctx) at best. */
static double best_s(void (*f)(void *ctx), void *ctx)
{
    double best = 0;
    for (int round = 0; round < rounds; round++) {
        int n = 1;
        double s;
        for (;; n *= 2) {
            double start = cpu_s();
            for (int i = 0; i < n; i++) f(ctx);
            s = cpu_s() - start;
            if (s > 5e-3) break;
        }
        if (!round || s / n < best) best = s / n;
    }
    return best;
}

/* ---- limits of one thread ------------------------------------------------------------------------------ */

enum { STEPS = 100000, CHAINS = 12 };

/* Twelve independent chains in registers: enough to cover the latency on two units. FMA(n) is the instruction
 * on operand n; x and y are operands 12 and 13. */
#define FMA_LOOP(type, make, in)                                                                             \
    type x = make(0.999F), y = make(0.001F), a = make(1), b = a, c = a, d = a, e = a, f = a, g = a, h = a,   \
         i = a, j = a, k = a, l = a;                                                                         \
    for (int s = 0; s < STEPS; s++)                                                                          \
    __asm__ volatile(FMA(0) FMA(1) FMA(2) FMA(3) FMA(4) FMA(5) FMA(6) FMA(7) FMA(8) FMA(9) FMA(10) FMA(11)   \
                     : "+" in(a), "+" in(b), "+" in(c), "+" in(d), "+" in(e), "+" in(f), "+" in(g),          \
                       "+" in(h), "+" in(i), "+" in(j), "+" in(k), "+" in(l)                                 \
                     : in(x), in(y))

#if defined(__x86_64__)
#define FMA(n) "vfmadd231ps %12, %13, %" #n "\n\t"
__attribute__((target("avx2,fma"))) static void fma_avx2(void *ctx)
{
    (void)ctx;
    FMA_LOOP(__m256, _mm256_set1_ps, "x");
}

__attribute__((target("avx512f"))) static void fma_avx512(void *ctx)
{
    (void)ctx;
    FMA_LOOP(__m512, _mm512_set1_ps, "v");
}
#elif defined(__aarch64__)
#define FMA(n) "fmla %" #n ".4s, %12.4s, %13.4s\n\t"
static void fma_neon(void *ctx)
{
    (void)ctx;
    FMA_LOOP(float32x4_t, vdupq_n_f32, "w");
}
#endif

static double fma_rate(void (*f)(void *), int lanes)
{
    return 2.0 * STEPS * CHAINS * lanes / best_s(f, NULL);
}

static double fma_limit(void)
{
    double best = 0;
#if defined(__x86_64__)
    double avx2 = __builtin_cpu_supports("fma") ? fma_rate(fma_avx2, 8) : 0;
    double avx512 = __builtin_cpu_supports("avx512f") ? fma_rate(fma_avx512, 16) : 0;
    best = avx2 > avx512 ? avx2 : avx512;
#elif defined(__aarch64__)
    best = fma_rate(fma_neon, 4);
#endif
    return best;
}

enum { READ_FLOATS = 1 << 25 /* 128 MiB: beyond the caches */ };
typedef float lane16 __attribute__((vector_size(64)));
static volatile double sink;

static void read_all(void *ctx)
{
    const lane16 *x = ctx;
    lane16 s[2] = {{0}, {0}};
    for (size_t i = 0; i < READ_FLOATS / 16; i += 2) s[0] += x[i], s[1] += x[i + 1];
    lane16 t = s[0] + s[1];
    sink = (double)t[0];
}

static double read_limit(void)
{
    float *x = alloc_floats(READ_FLOATS);
    for (size_t i = 0; i < READ_FLOATS; i++) x[i] = 1;
    double rate = 4.0 * READ_FLOATS / best_s(read_all, x);
    free(x);
    return rate;
}

static double max_flops, max_bytes;

static void tell_flops(const char *what, double rate)
{
    bench_line(what, "GFLOP/s", rate, max_flops);
}

/* One measurement: buffers, sizes, and the slot to call. */
struct job {
    const struct kern *k;
    int m, n, kk, hd;
    size_t len;
    bool transposed;
    enum kern_form form;
    float *x[5];
    struct kern_attn attn;
    struct kern_attn_back back;
};

static void fill(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = (float)((int)((i * 2654435761U) >> 20 & 1023) - 512) * 1e-3F;
}

static float *floats(size_t n)
{
    float *x = alloc_floats(n);
    fill(x, n);
    return x;
}

/* ---- products ------------------------------------------------------------------------------------------ */

static const struct shape {
    const char *what;
    int m, n, k;
    bool transposed;
} SHAPES[] = {
    {"layer, forward", 1024, 1536, 576, false},     {"layer, forward", 1024, 576, 1536, false},
    {"gradient of weights", 576, 1536, 1024, true}, {"gradient of weights", 64, 192, 10000, true},
    {"small model", 10000, 192, 64, false},         {"small model", 64, 192, 192, false},
    {"power of two", 1024, 1024, 1024, false},      {"one tile of op/", 128, 224, 576, false},
    {"output head", 256, 8192, 576, false},
};
static const struct shape THIN[] = {
    {"decode", 1, 49152, 576, false}, {"decode", 1, 1536, 576, false},  {"decode", 1, 192, 64, false},
    {"decode", 2, 49152, 576, false}, {"decode", 4, 49152, 576, false}, {"decode", 8, 49152, 576, false},
};

static void do_gemm(void *ctx)
{
    struct job *j = ctx;
    struct kern_gemm g = {
        j->m,    j->n, j->kk, j->x[0], j->transposed ? 1 : j->kk, j->transposed ? j->m : 1, j->x[1],
        j->x[2], j->n, false, j->form};
    j->k->gemm(&g);
}

static void gemm_line(const struct kern *k, const struct shape *s, bool thin)
{
    char what[96];
    snprintf(what, sizeof what, "gemm %s %dx%dx%d%s", s->what, s->m, s->n, s->k, s->transposed ? " T" : "");
    struct job j = {.k = k, .m = s->m, .n = s->n, .kk = s->k, .transposed = s->transposed};
    size_t b = kern_panels_floats(s->n, s->k);
    j.x[0] = floats((size_t)s->m * (size_t)s->k), j.x[1] = floats(b);
    j.x[2] = floats((size_t)s->m * (size_t)s->n);
    double t = best_s(do_gemm, &j);
    if (thin)
        bench_line(what, "GB/s", 4.0 * (double)b / t, max_bytes);
    else
        tell_flops(what, 2.0 * s->m * s->n * s->k / t);
    for (int i = 0; i < 3; i++) free(j.x[i]);
}

/* Panels of zeros; GB/s of the panels' own bytes. */
static void narrow_lines(const struct kern *k)
{
    static const int rows[] = {1, 4, 8, 12, 32};
    for (enum kern_form form = KERN_F32; form < KERN_FORMS; form++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            char what[96];
            struct job j = {.k = k, .m = rows[i], .n = 49152, .kk = 576, .form = form};
            size_t bytes = kern_panels_bytes(form, j.n, j.kk);
            j.x[0] = floats((size_t)j.m * (size_t)j.kk), j.x[1] = alloc_floats(bytes / sizeof(float));
            j.x[2] = floats((size_t)j.m * (size_t)j.n);
            double t = best_s(do_gemm, &j);
            snprintf(what, sizeof what, "gemm %s panels, %dx%dx%d: %.0f GFLOP/s", kern_forms[form].name, j.m,
                     j.n, j.kk, 2e-9 * j.m * j.n * j.kk / t);
            bench_line(what, "GB/s", (double)bytes / t, max_bytes);
            for (int b = 0; b < 3; b++) free(j.x[b]);
        }
}

static void do_pack_rows(void *ctx)
{
    struct job *j = ctx;
    j->k->pack_rows(j->x[1], j->x[0], j->kk, j->n, j->kk);
}

static void do_pack_cols(void *ctx)
{
    struct job *j = ctx;
    j->k->pack_cols(j->x[1], j->x[0], j->n, j->n, j->kk);
}

static void do_copy(void *ctx)
{
    struct job *j = ctx;
    memcpy(j->x[1], j->x[0], (size_t)j->n * (size_t)j->kk * sizeof(float));
}

static void pack_lines(const struct kern *k, int n, int kk)
{
    char what[96];
    struct job j = {.k = k, .n = n, .kk = kk};
    size_t size = kern_panels_floats(n, kk);
    j.x[0] = floats(size), j.x[1] = floats(size);
    double bytes = 8.0 * (double)size, copy = bytes / best_s(do_copy, &j);
    snprintf(what, sizeof what, "pack_rows %dx%d (share of memcpy)", n, kk);
    bench_line(what, "GB/s", bytes / best_s(do_pack_rows, &j), copy);
    snprintf(what, sizeof what, "pack_cols %dx%d (share of memcpy)", kk, n);
    bench_line(what, "GB/s", bytes / best_s(do_pack_cols, &j), copy);
    free(j.x[0]), free(j.x[1]);
}

/* ---- attention ----------------------------------------------------------------------------------------- */

static void do_attn(void *ctx)
{
    struct job *j = ctx;
    for (int i = 0; i < j->attn.nq; i++) j->attn.m[i] = -1;
    j->k->attn(&j->attn);
}

static void do_attn_back(void *ctx)
{
    struct job *j = ctx;
    j->k->attn_back(&j->back);
}

static void attn_lines(const struct kern *k, int nq, int hd, bool diagonal)
{
    char what[96];
    int valid[64];
    double pairs = 0;
    for (int i = 0; i < nq; i++) {
        valid[i] = diagonal && i + 1 < KERN_KEYS ? i + 1 : KERN_KEYS;
        pairs += valid[i];
    }
    size_t q = (size_t)nq * (size_t)hd, block = (size_t)hd * KERN_KEYS;
    struct job j = {.k = k};
    float *x = floats(4 * q + 4 * block + 512), *p = x + 4 * q, *state = p + 4 * block;
    j.attn =
        (struct kern_attn){nq, hd, hd, 0.1F, x, hd, p, p + block, valid, state, state + 64, x + q, NULL, 0};
    j.back = (struct kern_attn_back){nq,
                                     hd,
                                     hd,
                                     0.1F,
                                     x,
                                     x + q,
                                     hd,
                                     hd,
                                     p,
                                     p + block,
                                     valid,
                                     state + 128,
                                     state + 192,
                                     1,
                                     x + 2 * q,
                                     p + 2 * block,
                                     p + 3 * block,
                                     NULL,
                                     0};
    snprintf(what, sizeof what, "attn hd %d, %d queries%s", hd, nq, diagonal ? ", diagonal" : "");
    tell_flops(what, 4 * pairs * hd / best_s(do_attn, &j));
    if (nq > 8) {
        snprintf(what, sizeof what, "attn_back hd %d, %d queries%s", hd, nq, diagonal ? ", diagonal" : "");
        tell_flops(what, 10 * pairs * hd / best_s(do_attn_back, &j));
    }
    free(x);
}

/* ---- vectors ------------------------------------------------------------------------------------------- */

static void do_add(void *ctx)
{
    struct job *j = ctx;
    j->k->add(j->x[0], j->x[1], j->x[2], j->len);
}

static void do_axpy(void *ctx)
{
    struct job *j = ctx;
    j->k->axpy(j->x[0], 1e-3F, j->x[1], j->len);
}

static void do_scale(void *ctx)
{
    struct job *j = ctx;
    j->k->scale(j->x[0], 0.5F, j->x[1], j->len);
}

static void do_dot(void *ctx)
{
    struct job *j = ctx;
    sink = (double)j->k->dot(j->x[0], j->x[1], j->len);
}

static void do_sumsq(void *ctx)
{
    struct job *j = ctx;
    sink = j->k->sumsq(j->x[0], j->len);
}

static void do_exp(void *ctx)
{
    struct job *j = ctx;
    j->k->exp(j->x[0], j->x[1], j->len);
}

static void do_log(void *ctx)
{
    struct job *j = ctx;
    j->k->log(j->x[0], j->x[1], j->len);
}

static void do_rmsnorm(void *ctx)
{
    struct job *j = ctx;
    for (size_t i = 0; i + 576 <= j->len; i += 576)
        j->k->rmsnorm(j->x[0] + i, j->x[1] + i, j->x[2], 576, 1e-5F);
}

static void do_rmsnorm_back(void *ctx)
{
    struct job *j = ctx;
    for (size_t i = 0; i + 576 <= j->len; i += 576)
        j->k->rmsnorm_back(
            j->x[0] + i, j->x[4],
            &(struct kern_norm){.dy = j->x[1] + i, .x = j->x[2] + i, .w = j->x[3], .n = 576, .r = 1e-3F});
}

static void do_swiglu(void *ctx)
{
    struct job *j = ctx;
    j->k->swiglu(j->x[0], j->x[1], j->x[2], j->len);
}

static void do_swiglu_back(void *ctx)
{
    struct job *j = ctx;
    j->k->swiglu_back(j->x[0], j->x[1], j->x[2], j->x[3], j->x[4], j->len);
}

static void do_geglu(void *ctx)
{
    struct job *j = ctx;
    j->k->geglu(j->x[0], j->x[1], j->x[2], j->len);
}

static void do_geglu_back(void *ctx)
{
    struct job *j = ctx;
    j->k->geglu_back(j->x[0], j->x[1], j->x[2], j->x[3], j->x[4], j->len);
}

static void do_softcap(void *ctx)
{
    struct job *j = ctx;
    j->k->softcap(j->x[0], j->x[1], 30, j->len);
}

static void do_softcap_back(void *ctx)
{
    struct job *j = ctx;
    j->k->softcap_back(j->x[0], j->x[1], j->x[2], 30, j->len);
}

static void do_rope(void *ctx)
{
    struct job *j = ctx;
    for (size_t i = 0; i < j->len; i += 64) j->k->rope(j->x[0] + i, j->x[1], 64, 1);
}

static void do_logits(void *ctx)
{
    struct job *j = ctx;
    j->k->logits(&(struct kern_logits){.z = j->x[1], .n = (int)j->len, .inv_t = 1});
}

static void do_logits_back(void *ctx)
{
    struct job *j = ctx;
    struct kern_logits r = {.z = j->x[1], .n = (int)j->len, .inv_t = 1, .lse = 11, .entropy = 10};
    j->k->logits_back(j->x[0], &r, 5, 0.5F, 0.1F);
}

static void do_adamw(void *ctx)
{
    struct job *j = ctx;
    j->k->adamw(&(struct kern_adamw){j->x[0], j->x[1], j->x[2], j->x[3], j->len, 1, 1e-6F, 0.9F, 0.999F,
                                     1e-8F, 0.01F, 1e-6F, 1});
}

static void do_f16_to_f32(void *ctx)
{
    struct job *j = ctx;
    j->k->f16_to_f32(j->x[0], (const uint16_t *)j->x[1], j->len);
}

static void do_bf16_to_f32(void *ctx)
{
    struct job *j = ctx;
    j->k->bf16_to_f32(j->x[0], (const uint16_t *)j->x[1], j->len);
}

static void do_f32_to_f16(void *ctx)
{
    struct job *j = ctx;
    j->k->f32_to_f16((uint16_t *)j->x[0], j->x[1], j->len);
}

static void do_f32_to_bf16(void *ctx)
{
    struct job *j = ctx;
    j->k->f32_to_bf16((uint16_t *)j->x[0], j->x[1], j->len);
}

static const struct vector_slot {
    const char *name;
    void (*run)(void *);
    int bytes; /* moved per element */
} VECTORS[] = {
    {"add", do_add, 12},
    {"axpy", do_axpy, 12},
    {"scale", do_scale, 8},
    {"dot", do_dot, 8},
    {"sumsq", do_sumsq, 4},
    {"exp", do_exp, 8},
    {"log", do_log, 8},
    {"rmsnorm, rows of 576", do_rmsnorm, 8},
    {"rmsnorm_back, rows of 576", do_rmsnorm_back, 16},
    {"swiglu", do_swiglu, 12},
    {"swiglu_back", do_swiglu_back, 28},
    {"geglu", do_geglu, 12},
    {"geglu_back", do_geglu_back, 28},
    {"softcap", do_softcap, 8},
    {"softcap_back", do_softcap_back, 12},
    {"rope, heads of 64", do_rope, 8},
    {"logits", do_logits, 8},
    {"logits_back", do_logits_back, 8},
    {"adamw", do_adamw, 28},
    {"f16_to_f32", do_f16_to_f32, 6},
    {"bf16_to_f32", do_bf16_to_f32, 6},
    {"f32_to_f16", do_f32_to_f16, 6},
    {"f32_to_bf16", do_f32_to_bf16, 6},
};

/* len: 48 rows of 576 stay in the second-level cache, 64 MiB do not stay in any. */
static void vector_lines(const struct kern *k, size_t len)
{
    struct job j = {.k = k, .len = len};
    for (int i = 0; i < 5; i++) j.x[i] = floats(len);
    for (size_t i = 0; i < sizeof VECTORS / sizeof *VECTORS; i++) {
        for (int b = 0; b < 5; b++) fill(j.x[b], len);
        double s = best_s(VECTORS[i].run, &j);
        bench_line(VECTORS[i].name, "GB/s", VECTORS[i].bytes * (double)len / s, max_bytes);
    }
    for (int i = 0; i < 5; i++) free(j.x[i]);
}

static void table_run(const struct kern *k)
{
    char title[64];
    snprintf(title, sizeof title, "%s: products", k->name);
    bench_title(title);
    for (size_t s = 0; s < sizeof SHAPES / sizeof *SHAPES; s++) gemm_line(k, &SHAPES[s], false);
    for (size_t s = 0; s < sizeof THIN / sizeof *THIN; s++) gemm_line(k, &THIN[s], true);
    narrow_lines(k);
    pack_lines(k, 1536, 576);
    pack_lines(k, 192, 64);
    snprintf(title, sizeof title, "%s: attention, one block of keys", k->name);
    bench_title(title);
    for (int hd = 16; hd <= 128; hd *= 2) {
        attn_lines(k, 64, hd, false);
        attn_lines(k, 32, hd, true);
        attn_lines(k, 3, hd, false);
    }
    snprintf(title, sizeof title, "%s: vectors of 108 KiB", k->name);
    bench_title(title);
    vector_lines(k, 48 * 576);
    snprintf(title, sizeof title, "%s: vectors of 64 MiB", k->name);
    bench_title(title);
    vector_lines(k, 1 << 24);
}

static void kern_run(int repeats)
{
    rounds = repeats;
    max_flops = fma_limit(), max_bytes = read_limit();
    bench_title("One thread's limits");
    bench_line("fused multiply-adds in registers", "GFLOP/s", max_flops, 0);
    bench_line("memory read", "GB/s", max_bytes, 0);
    for (const struct kern *const *t = kern_tables(); *t; t++)
        if ((*t)->usable() && strcmp((*t)->name, "ref")) table_run(*t);
}

const struct bench bench_kern = {
    .name = "kern",
    .help = "every kernel slot against what one thread can do",
    .run = kern_run,
};
