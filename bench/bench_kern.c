/* bench_kern.c: every slot of every table, one thread, against the machine's limit: products and attention against
 * fused multiply-adds, the rest against memory read (small vectors live in the caches and may exceed it).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "bench.h"
#include "kern/kern.h"

/* One measurement: buffers, sizes, and the slot to call. */
struct job {
    const struct kern *k;
    int m, n, kk, hd;
    size_t len;
    bool transposed;
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
        j->m,    j->n,    j->kk, j->x[0], j->transposed ? 1 : j->kk, j->transposed ? j->m : 1,
        j->x[1], j->x[2], j->n,  false};
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
    double t = bench_best(do_gemm, &j, false);
    if (thin)
        bench_line(what, "GB/s", 4.0 * (double)b / t, bench_read_bytes());
    else
        bench_line(what, "GFLOP/s", 2.0 * s->m * s->n * s->k / t, bench_fma_flops());
    for (int i = 0; i < 3; i++) free(j.x[i]);
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
    double bytes = 8.0 * (double)size, copy = bytes / bench_best(do_copy, &j, false);
    snprintf(what, sizeof what, "pack_rows %dx%d (share of memcpy)", n, kk);
    bench_line(what, "GB/s", bytes / bench_best(do_pack_rows, &j, false), copy);
    snprintf(what, sizeof what, "pack_cols %dx%d (share of memcpy)", kk, n);
    bench_line(what, "GB/s", bytes / bench_best(do_pack_cols, &j, false), copy);
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
    j.attn = (struct kern_attn){nq, hd, 0.1F, x, hd, p, p + block, valid, state, state + 64, x + q};
    j.back = (struct kern_attn_back){
        nq,    hd,          0.1F,        x,         x + q,         hd,           hd, p, p + block,
        valid, state + 128, state + 192, x + 2 * q, p + 2 * block, p + 3 * block};
    snprintf(what, sizeof what, "attn hd %d, %d queries%s", hd, nq, diagonal ? ", diagonal" : "");
    bench_line(what, "GFLOP/s", 4 * pairs * hd / bench_best(do_attn, &j, false), bench_fma_flops());
    if (nq > 8) {
        snprintf(what, sizeof what, "attn_back hd %d, %d queries%s", hd, nq, diagonal ? ", diagonal" : "");
        bench_line(what, "GFLOP/s", 10 * pairs * hd / bench_best(do_attn_back, &j, false), bench_fma_flops());
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

static volatile double sink;

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
        j->k->rmsnorm_back(j->x[0] + i, j->x[4], j->x[1] + i, j->x[2] + i, j->x[3], 576, 1e-3F);
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
    char what[96];
    struct job j = {.k = k, .len = len};
    for (int i = 0; i < 5; i++) j.x[i] = floats(len);
    snprintf(what, sizeof what, "%s: vectors of %zu KiB", k->name, len * sizeof(float) / 1024);
    bench_head(what);
    for (size_t i = 0; i < sizeof VECTORS / sizeof *VECTORS; i++) {
        for (int b = 0; b < 5; b++) fill(j.x[b], len);
        double s = bench_best(VECTORS[i].run, &j, false);
        bench_line(VECTORS[i].name, "GB/s", VECTORS[i].bytes * (double)len / s, bench_read_bytes());
    }
    for (int i = 0; i < 5; i++) free(j.x[i]);
}

static void table_lines(const struct kern *k)
{
    char what[96];
    snprintf(what, sizeof what, "%s: products (share of %.1f GFLOP/s and %.1f GB/s)", k->name,
             bench_fma_flops() * 1e-9, bench_read_bytes() * 1e-9);
    bench_head(what);
    for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES; i++) gemm_line(k, &SHAPES[i], false);
    for (size_t i = 0; i < sizeof THIN / sizeof *THIN; i++) gemm_line(k, &THIN[i], true);
    pack_lines(k, 1536, 576);
    pack_lines(k, 192, 64);
    snprintf(what, sizeof what, "%s: attention, one block of keys", k->name);
    bench_head(what);
    for (int hd = 16; hd <= 128; hd *= 2) {
        attn_lines(k, 64, hd, false);
        attn_lines(k, 32, hd, true);
        attn_lines(k, 3, hd, false);
    }
    vector_lines(k, 48 * 576);
    vector_lines(k, 1 << 24);
}

static void kern_run(void)
{
    for (const struct kern *const *t = kern_tables(); *t; t++)
        if ((*t)->usable() && strcmp((*t)->name, "ref")) table_lines(*t);
}

const struct bench bench_kern = {
    .name = "kern",
    .help = "every kernel slot against the machine's limit",
    .run = kern_run,
};
