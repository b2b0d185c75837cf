/* muon.c: Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"), as
 * torch.optim has it but in float32; the matrices of the layers follow it, everything else AdamW.
 *
 *   m <- m + (1 - mu)(g - m);   u = g + mu (m - g)   (Nesterov; else u = m)
 *   O = the orthogonal matrix nearest to u, roughly: X = u / |u|, five times X <- a X + (b A + c A A) X,
 *       A = X X^T, on the lesser side
 *   w <- w - lr wd w - lr s O
 * s is 0.2 sqrt(max(rows, cols)), by which an update has the size of AdamW's and its learning rates serve
 * (Liu et al. 2025, "Muon is scalable for LLM training"), or sqrt(max(1, rows / cols)), the original.
 */
#include <string.h>

#include "base/fmath.h"
#include "base/pool.h"
#include "op/op.h"
#include "train/optim_int.h"

enum { RUN = 1 << 14 /* elements that a thread takes at a time */, STEPS = 5 };
static const float a = 3.4445F, b = -4.7750F, c = 2.0315F;

/* Arrays of n elements, shared out over the threads. */
struct mix {
    const struct update *u;
    int weight;
    struct weight *w;
    float *m, *x;
    const float *y;
    size_t n;
    float by_x, by_y; /* x <- by_x x + by_y y */
};

static size_t run_end(const struct mix *s, int item)
{
    size_t end = (size_t)item * RUN + RUN;
    return end < s->n ? end : s->n;
}

static void over(struct mix *s, void (*f)(void *ctx, int item))
{
    pool_for((int)((s->n + RUN - 1) / RUN), f, s);
}

static void momentum(void *ctx, int item)
{
    const struct mix *s = ctx;
    const struct muon_opts *o = &s->u->opts->muon;
    float mu = (float)o->momentum, scale = (float)s->u->g_scale;
    for (size_t i = (size_t)item * RUN; i < run_end(s, item); i++) {
        float g = s->w->grad[i] * scale;
        s->m[i] = s->m[i] + (1 - mu) * (g - s->m[i]);
        s->x[i] = o->nesterov ? g + mu * (s->m[i] - g) : s->m[i];
    }
}

static void mix(void *ctx, int item)
{
    const struct mix *s = ctx;
    for (size_t i = (size_t)item * RUN; i < run_end(s, item); i++)
        s->x[i] = s->by_x * s->x[i] + s->by_y * s->y[i];
}

static void apply_piece(void *ctx, const struct chunk *p)
{
    const struct mix *s = ctx;
    for (size_t i = 0; i < p->n; i++) p->w[i] = p->w[i] * s->by_x - s->by_y * s->x[p->at + i];
}

static void apply(void *ctx, int item)
{
    struct mix *s = ctx;
    struct chunk run = {.weight = s->weight, .at = (size_t)item * RUN};
    run.n = run_end(s, item) - run.at;
    update_numbers(s->u, &run, apply_piece, s);
}

/* The matrices of the iteration, X [n, k] with n <= k. */
struct orthogonal {
    int n, k;
    float *x, *y;    /* [n, k] */
    float *gram, *p; /* [n, n]: A; b A + c A A */
    float *panels;
};

// NOLINTNEXTLINE(readability-non-const-parameter): written through the struct
static void product(const struct orthogonal *s, const float *left, int k, int n, float *out)
{
    struct kern_gemm g = {.m = s->n,
                          .n = n,
                          .k = k,
                          .a = left,
                          .a_row = k,
                          .a_col = 1,
                          .panels = s->panels,
                          .c = out,
                          .c_row = n};
    matmul_run(&g, NULL, NULL);
}

static void orthogonalise(struct orthogonal *s)
{
    size_t small = (size_t)s->n * (size_t)s->n, large = (size_t)s->n * (size_t)s->k;
    double norm = fm_sqrt(kern()->sumsq(s->x, large));
    struct mix scale = {.x = s->x, .y = s->x, .n = large, .by_x = (float)(1 / (norm > 1e-7 ? norm : 1e-7))};
    over(&scale, mix);
    for (int i = 0; i < STEPS; i++) {
        matmul_pack_rows(s->panels, s->x, s->k, s->n, s->k);
        product(s, s->x, s->k, s->n, s->gram);
        matmul_pack_rows(s->panels, s->gram, s->n, s->n, s->n); /* A is its own transpose */
        product(s, s->gram, s->n, s->n, s->p);
        struct mix poly = {.x = s->p, .y = s->gram, .n = small, .by_x = c, .by_y = b};
        over(&poly, mix);
        matmul_pack_cols(s->panels, s->x, s->k, s->k, s->n);
        product(s, s->p, s->n, s->k, s->y);
        struct mix next = {.x = s->x, .y = s->y, .n = large, .by_x = a, .by_y = 1};
        over(&next, mix);
    }
}

static void transpose(const float *x, int rows, int cols, float *y)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++)
            y[(size_t)j * (size_t)rows + (size_t)i] = x[(size_t)i * (size_t)cols + (size_t)j];
}

static size_t panels_floats(int n, int k)
{
    size_t by_rows = kern_panels_floats(n, k), square = kern_panels_floats(n, n),
           by_cols = kern_panels_floats(k, n);
    size_t most = by_rows > square ? by_rows : square;
    return most > by_cols ? most : by_cols;
}

static double size_factor(const struct muon_opts *o, const struct weight *w)
{
    double rows = w->rows, cols = w->cols;
    if (o->match_rms) return 0.2 * fm_sqrt(rows > cols ? rows : cols);
    return rows > cols ? fm_sqrt(rows / cols) : 1;
}

static void muon(const struct update *u, int weight)
{
    struct weight *w = update_weight(u, weight);
    bool tall = w->rows > w->cols;
    struct orthogonal s = {.n = tall ? w->cols : w->rows, .k = tall ? w->rows : w->cols};
    size_t large = (size_t)s.n * (size_t)s.k, small = (size_t)s.n * (size_t)s.n;
    s.x = u->scratch;
    s.y = s.x + large;
    s.gram = s.y + large;
    s.p = s.gram + small;
    s.panels = s.p + small;
    struct mix step = {.u = u, .weight = weight, .w = w, .m = update_state(u, weight, 0)};
    step.x = tall ? s.y : s.x;
    step.n = large;
    over(&step, momentum);
    if (tall) transpose(s.y, w->rows, w->cols, s.x);
    orthogonalise(&s);
    if (tall) transpose(s.x, w->cols, w->rows, s.y);
    step.by_x = (float)(1 - u->lr * update_decay(u, weight));
    step.by_y = (float)(u->lr * size_factor(&u->opts->muon, w));
    over(&step, apply);
}

static size_t scratch(const struct weight *w)
{
    int n = w->rows < w->cols ? w->rows : w->cols, k = w->rows < w->cols ? w->cols : w->rows;
    return 2 * (size_t)n * (size_t)k + 2 * (size_t)n * (size_t)n + panels_floats(n, k);
}

static bool is_of_a_layer(const struct weight *w)
{
    return w->rows > 1 && strstr(w->name, ".layers.");
}

const struct optim_rule optim_muon = {
    .name = "muon",
    .also = "",
    .help = "matrices of the layers by orthogonalised momentum (4 bytes a parameter), the rest by AdamW",
    .parts = {{"momentum_buffer", DT_F32, optim_shape_whole}},
    .whole = muon,
    .scratch = scratch,
    .takes = is_of_a_layer,
};
