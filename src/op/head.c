/* head.c: output matrix, log-softmax, log-probability of a target and entropy, fused over pieces of the
 * logits.
 *
 *   z = x W^T, y = z / T, lse = log sum_v exp y_v, logp = y_target - lse, H = lse - sum_v p_v y_v
 *   dz_v = (1/T) (dlogp (1[v = target] - p_v) - dH p_v (log p_v + H));  dx += dz W;  dW += dz^T x
 *
 * and where the mean m = (1/V) sum_v y_v - lse of all log-probs is wanted, dz_v += (1/T) dm (1/V - p_v).
 *
 * Where a row has a set of tokens, y_v is -inf and dz_v 0 for all others.
 *
 * With the matrix's cap c, z is c tanh(z/c) wherever it is used, and dz gets the factor 1 - (z/c)^2.
 *
 * Forward goes by pieces of rows, since the sums over a row need all of it. Where dlogp, dH and dm are known
 * before, z becomes dz where it lies and is used at once: three products. Else the loss must be known first,
 * and backward works z out again: a fourth. It goes by pieces of the vocabulary: given lse and H each dz_v
 * stands alone, so W is read once for all rows.
 *
 * Nothing depends on the size of the pieces, nor on which of the two ways is gone: pieces of the vocabulary
 * end at multiples of KERN_K_BLOCK, so dx adds the same blocks; dW adds blocks of KERN_K_BLOCK rows, numbered
 * over the selected rows whose dlogp, dH or dm is not zero (the others add nothing and are left out before
 * anything is worked out).
 */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "op/op_int.h"

enum {
    HEAD_CAP_PIECE = 512, /* logits whose capped values are kept while their gradients take their place */
    HEAD_STRIP = 4096,    /* rows of W that are packed at a time */
    HEAD_ROWS_MAX = 256,
    HEAD_ROWS_MIN = 32,
    HEAD_FORWARD_FLOATS = 1 << 24, /* logits at a time, about */
    HEAD_KNOWN_FLOATS = 1 << 22,
    HEAD_KNOWN_COLUMNS = 1024, /* of them that dx and dW take at a time */
    HEAD_BACKWARD_FLOATS = 1 << 22,
    HEAD_COLUMNS_MAX = 4096,
    HEAD_ROW_COST = 24, /* steps for one logit of a row */
    HEAD_LANES = 8
};

struct head_run {
    struct tensor *x;
    struct weight *w;
    struct head_rows rows;
    float inv_t;
    struct tensor *logp, *entropy, *mean; /* mean: NULL if it is not wanted */
    struct head_known d;                  /* derivatives of the loss by these, once they are known */
    float *lse;                           /* [n] */
    int *argmax, *bad;
    /* the piece at hand: active[n_active] of the selected rows, columns of the logits from `first` on */
    int first, n_active;
    const int *active;
    float *z;
    int z_row;
    float *xs; /* gathered rows of x */
    float *dxs;
};

struct head_node {
    struct node node;
    struct head_run run;
};

static int clamp_int(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
}

static int round_down(int x, int to)
{
    return x / to * to;
}

/* ---- gathering rows ----------------------------------------------------------------------------------- */

struct head_gather {
    const struct tensor *x;
    const int *rows, *pick; /* row of x: rows[pick[i]], or rows[i] */
    float *out;
};

static void head_gather_range(void *ctx, struct range r)
{
    const struct head_gather *g = ctx;
    size_t cols = (size_t)g->x->cols;
    for (size_t i = r.from; i < r.to; i++) {
        int row = g->rows[g->pick ? g->pick[i] : (int)i];
        CHECK(row >= 0 && row < g->x->rows, "row %d of %d", row, g->x->rows);
        memcpy(g->out + i * cols, g->x->data + (size_t)row * cols, cols * sizeof(float));
    }
}

static void head_gather(const struct head_gather *g, int n)
{
    struct head_gather copy = *g;
    work_over((size_t)n, 1, (double)g->x->cols * 8, head_gather_range, &copy);
}

/* ---- logits ------------------------------------------------------------------------------------------- */

static void head_cap_tile(void *ctx, const struct kern_gemm *tile, int row, int col)
{
    const struct weight *w = ctx;
    (void)row, (void)col;
    for (int i = 0; i < tile->m; i++) {
        float *z = tile->c + i * tile->c_row;
        kern()->softcap(z, z, w->cap, (size_t)tile->n);
    }
}

/* z [n, V], rows z_row apart, = xs [n, D] W^T, capped if W says so. A W that would be packed for it is packed
 * in strips that are used while they lie in a cache. In a plan: what that takes. */
// NOLINTNEXTLINE(readability-non-const-parameter): written through the struct
static void head_logits(struct tape *t, const struct weight *w, const float *xs, int n, float *z, int z_row)
{
    bool planning = tape_planning(t);
    int strip = w->panels_fresh || w->panels_supposed || w->stored ? w->rows : HEAD_STRIP;
    for (int first = 0, rows; first < (planning ? 1 : w->rows); first += rows) {
        struct arena_mark mark = arena_here(tape_arena(t));
        rows = w->rows - first < strip ? w->rows - first : strip;
        struct factor f = factor_rows(t, w, first, rows);
        struct kern_gemm g = {.m = n, .n = rows, .k = w->cols, .a = xs, .a_row = w->cols, .a_col = 1};
        g.c = z + first, g.c_row = z_row;
        if (!planning) factor_product(&f, &g, w->cap > 0 ? head_cap_tile : NULL, (void *)w);
        arena_back(tape_arena(t), mark);
    }
}

/* ---- forward ------------------------------------------------------------------------------------------ */

/* In double, HEAD_LANES partial sums added in pairs. */
static double head_sum(const float *z, int n)
{
    double s[HEAD_LANES] = {0};
    for (int i = 0; i < n; i++) s[i % HEAD_LANES] += (double)z[i];
    for (int width = HEAD_LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++) s[i] += s[i + width];
    return s[0];
}

void op_head_keep(const struct head_set *s, float *z, int first, int n, float other)
{
    int low = 0, high = s->n;
    while (low < high) {
        int middle = (low + high) / 2;
        if (s->ids[middle] < first)
            low = middle + 1;
        else
            high = middle;
    }
    for (int v = 0; v < n; v++) {
        if (low < s->n && s->ids[low] == first + v)
            low++;
        else
            z[v] = other;
    }
}

static const struct head_set *head_set_of(const struct head_run *h, int at)
{
    return h->rows.sets && h->rows.sets[at].n ? &h->rows.sets[at] : NULL;
}

/* What is wanted of all logits z of selected row `at`. */
static void head_forward_row(const struct head_run *h, int at, float *z)
{
    int vocab = h->w->rows, target = h->rows.targets[at];
    CHECK(target >= 0 && target < vocab, "target %d of %d", target, vocab);
    const struct head_set *set = head_set_of(h, at);
    if (set) op_head_keep(set, z, 0, vocab, -INFINITY);
    CHECK(!set || z[target] > -INFINITY, "target %d is not in its set of %d", target, set->n);
    struct kern_logits l = {.z = z, .n = vocab, .inv_t = h->inv_t};
    kern()->logits(&l);
    h->logp->data[at] = l.z[target] * h->inv_t - l.lse;
    h->entropy->data[at] = l.entropy;
    if (h->mean) h->mean->data[at] = (float)(head_sum(l.z, vocab) * (double)h->inv_t / vocab - (double)l.lse);
    h->lse[at] = l.lse;
    h->argmax[at] = l.argmax;
    h->bad[at] = l.bad;
}

static void head_forward_rows(void *ctx, struct range r)
{
    const struct head_run *h = ctx;
    for (size_t i = r.from; i < r.to; i++) head_forward_row(h, h->active[i], h->z + i * (size_t)h->z_row);
}

/* ---- gradients of logits ------------------------------------------------------------------------------ */

static float head_derivative(const float *d, int at)
{
    return d ? d[at] : 0;
}

static bool head_moves(const struct head_run *h, int at)
{
    return head_derivative(h->d.logp, at) != 0 || head_derivative(h->d.entropy, at) != 0 ||
           head_derivative(h->d.mean, at) != 0;
}

/* n logits of selected row `at` into their gradients; target < n, or n if it is not among them. */
static void head_row_back(const struct head_run *h, int at, float *z, int n, int target)
{
    struct kern_logits l = {
        .z = z, .n = n, .inv_t = h->inv_t, .lse = h->lse[at], .entropy = h->entropy->data[at]};
    float g_mean = head_derivative(h->d.mean, at);
    kern()->logits_back(z, &l, target, head_derivative(h->d.logp, at) + g_mean,
                        head_derivative(h->d.entropy, at));
    if (g_mean == 0) return;
    float share = g_mean * h->inv_t / (float)h->w->rows;
    if (target < n) z[target] -= g_mean * h->inv_t;
    for (int i = 0; i < n; i++) z[i] += share;
}

/* The same with a cap, in pieces. */
static void head_row_back_capped(const struct head_run *h, int at, float *z, int n, int target)
{
    float capped[HEAD_CAP_PIECE];
    for (int i = 0, count; i < n; i += count, z += count) {
        count = n - i < HEAD_CAP_PIECE ? n - i : HEAD_CAP_PIECE;
        memcpy(capped, z, (size_t)count * sizeof *z);
        head_row_back(h, at, z, count, target >= i && target < i + count ? target - i : count);
        kern()->softcap_back(z, z, capped, h->w->cap, (size_t)count);
    }
}

/* n logits of selected row `at`, from column col on, capped if W says so, into their gradients. */
static void head_gradients(const struct head_run *h, int at, float *z, int n, int col)
{
    /* A target that is not among them is one that no column meets; -1 would mean that there is none. */
    int target = h->rows.targets[at] - col;
    if (target < 0 || target >= n) target = n;
    const struct head_set *set = head_set_of(h, at);
    (h->w->cap > 0 ? head_row_back_capped : head_row_back)(h, at, z, n, target);
    if (set) op_head_keep(set, z, col, n, 0);
}

/* ---- what they add to other gradients ------------------------------------------------------------------ */

/* Columns h->first..h->first+n-1 of the gradients at h->z, to the gathered rows' of x. */
static void head_backward_x(struct tape *t, struct head_run *h, int n)
{
    struct arena_mark mark = arena_here(tape_arena(t));
    struct factor w = factor_cols(t, h->w, h->first, n);
    struct kern_gemm g = {
        .m = h->n_active, .n = h->w->cols, .k = n, .a = h->z, .a_row = h->z_row, .a_col = 1};
    g.c = h->dxs, g.c_row = h->w->cols, g.accumulate = h->first > 0;
    if (!tape_planning(t)) factor_product(&w, &g, NULL, NULL);
    arena_back(tape_arena(t), mark);
}

/* And to W's; x_panels: the gathered rows of x, packed. */
static void head_backward_w(const struct head_run *h, const float *x_panels, int n)
{
    int d = h->w->cols;
    struct kern_gemm g = {.m = n, .n = d, .k = h->n_active, .a = h->z, .a_row = 1, .a_col = h->z_row};
    g.panels = x_panels, g.c = h->w->grad + (size_t)h->first * (size_t)d, g.c_row = d, g.accumulate = true;
    matmul_run(&g, NULL, NULL);
}

static void head_scatter_columns(void *ctx, struct range c)
{
    const struct head_run *h = ctx;
    size_t cols = (size_t)h->x->cols;
    for (int i = 0; i < h->n_active; i++) {
        float *to = h->x->grad + (size_t)h->rows.rows[h->active[i]] * cols + c.from;
        kern()->add(to, to, h->dxs + (size_t)i * cols + c.from, c.to - c.from);
    }
}

/* Add the gathered gradient to x's, in order: a row of x may be selected twice. */
static void head_scatter(struct head_run *h)
{
    work_over((size_t)h->x->cols, KERN_PANEL, (double)h->n_active * 8, head_scatter_columns, h);
}

/* ---- forward, and with it backward --------------------------------------------------------------------- */

struct head_pass {
    struct head_run h;
    int piece;     /* rows of x at a time */
    float *z;      /* [piece, V], rows h.z_row apart */
    float *panels; /* rows of x, packed; NULL: W wants no gradient */
};

static void head_gradient_rows(void *ctx, struct range r)
{
    const struct head_run *h = ctx;
    for (size_t i = r.from; i < r.to; i++)
        head_gradients(h, h->active[i], h->z + i * (size_t)h->z_row, h->w->rows, 0);
}

/* Backward of the rows at hand, whose logits lie at p->z. In a plan: what it takes. */
static void head_known_backward(struct tape *t, struct head_pass *p)
{
    struct head_run *h = &p->h;
    bool planning = tape_planning(t);
    int vocab = h->w->rows, d = h->w->cols;
    if (!planning) work_over((size_t)h->n_active, 1, (double)vocab * HEAD_ROW_COST, head_gradient_rows, h);
    if (!planning && p->panels) matmul_pack_cols(p->panels, h->xs, d, d, h->n_active);
    for (h->first = 0; h->first < (planning ? 1 : vocab); h->first += HEAD_KNOWN_COLUMNS) {
        int columns = vocab - h->first < HEAD_KNOWN_COLUMNS ? vocab - h->first : HEAD_KNOWN_COLUMNS;
        h->z = p->z + h->first;
        if (h->dxs) head_backward_x(t, h, columns);
        if (p->panels && !planning) head_backward_w(h, p->panels, columns);
    }
    if (h->dxs && !planning) head_scatter(h);
}

static void head_forward_piece(struct tape *t, struct head_pass *p, const int *active, int n)
{
    struct head_run *h = &p->h;
    h->active = active;
    h->n_active = n;
    h->z = p->z;
    head_gather(&(struct head_gather){h->x, h->rows.rows, active, h->xs}, n);
    head_logits(t, h->w, h->xs, n, h->z, h->z_row);
    work_over((size_t)n, 1, (double)h->w->rows * HEAD_ROW_COST, head_forward_rows, h);
}

/* The selected rows that have a derivative, in order, and then the others. Returns how many have. */
static int head_order(const struct head_run *h, int *order)
{
    int n = 0, moved = 0;
    for (int i = 0; i < h->rows.n; i++)
        if (head_moves(h, i)) order[n++] = i;
    moved = n;
    for (int i = 0; i < h->rows.n; i++)
        if (!head_moves(h, i)) order[n++] = i;
    return moved;
}

/* Memory for rows at a time: with backward whole blocks of dW's sums, without as many as forward likes. */
static void head_pass_open(struct tape *t, struct head_pass *p, bool backward)
{
    struct head_run *h = &p->h;
    int vocab = h->w->rows, d = h->w->cols;
    if (backward) {
        p->piece = clamp_int(round_down(HEAD_KNOWN_FLOATS / vocab, KERN_K_BLOCK), KERN_K_BLOCK, INT_MAX);
        h->z_row = vocab + KERN_PANEL; /* apart, so that no two rows' columns share a set of a cache */
    } else {
        p->piece = clamp_int(HEAD_FORWARD_FLOATS / vocab, HEAD_ROWS_MIN, HEAD_ROWS_MAX);
        h->z_row = vocab;
    }
    if (p->piece > h->rows.n) p->piece = h->rows.n;
    h->xs = tape_floats(t, (size_t)p->piece * (size_t)d);
    h->dxs = backward && h->x->wants_grad ? tape_floats(t, (size_t)p->piece * (size_t)d) : NULL;
    p->panels = backward && h->w->grad ? tape_floats(t, kern_panels_floats(d, p->piece)) : NULL;
    p->z = tape_floats(t, (size_t)p->piece * (size_t)h->z_row);
}

static void head_forward(struct tape *t, const struct head_run *run)
{
    struct head_pass p = {.h = *run};
    bool backward = run->rows.known && (run->x->wants_grad || run->w->grad);
    int n = run->rows.n, moved = 0, *order = arena_alloc(tape_arena(t), (size_t)n * sizeof *order);
    if (backward) p.h.d = *run->rows.known;
    head_pass_open(t, &p, backward);
    if (tape_planning(t)) {
        head_logits(t, run->w, NULL, p.piece, p.z, p.h.z_row);
        if (backward) head_known_backward(t, &p);
        return;
    }
    moved = head_order(&p.h, order);
    for (int from = 0, m; from < n; from += m) {
        int end = from < moved ? moved : n;
        m = end - from < p.piece ? end - from : p.piece;
        head_forward_piece(t, &p, order + from, m);
        if (from < moved) head_known_backward(t, &p);
    }
}

/* ---- backward ----------------------------------------------------------------------------------------- */

/* Turn a tile of logits into their gradients. */
static void head_backward_tile(void *ctx, const struct kern_gemm *tile, int row, int col)
{
    const struct head_run *h = ctx;
    if (h->w->cap > 0) head_cap_tile((void *)h->w, tile, row, col);
    for (int i = 0; i < tile->m; i++)
        head_gradients(h, h->active[row + i], tile->c + i * tile->c_row, tile->n, h->first + col);
}

/* Selected rows with a derivative; when planning, all may have one. */
static void head_backward_active(struct tape *t, struct head_run *h)
{
    int *active = arena_alloc(tape_arena(t), (size_t)h->rows.n * sizeof *active);
    h->active = active;
    h->n_active = tape_planning(t) ? 0 : head_order(h, active);
}

/* Columns h->first..h->first+n-1 of the logits, turned into their gradients. */
static void head_backward_z(struct tape *t, struct head_run *h, int n)
{
    struct arena_mark mark = arena_here(tape_arena(t));
    struct factor w = factor_rows(t, h->w, h->first, n);
    struct kern_gemm g = {.m = h->n_active, .n = n, .k = h->w->cols, .a = h->xs, .a_row = h->w->cols};
    g.a_col = 1, g.c = h->z, g.c_row = h->z_row;
    if (!tape_planning(t)) factor_product(&w, &g, head_backward_tile, h);
    arena_back(tape_arena(t), mark);
}

static void head_backward_run(struct tape *t, struct head_run *h)
{
    int n = h->rows.n, vocab = h->w->rows, d = h->w->cols;
    /* The piece follows from n, not from n_active, so that a plan knows it. */
    int piece = clamp_int(HEAD_BACKWARD_FLOATS / n, KERN_K_BLOCK, HEAD_COLUMNS_MAX);
    piece = round_down(piece, KERN_K_BLOCK);
    if (piece > vocab) piece = vocab;
    h->z_row = piece;
    h->xs = tape_floats(t, (size_t)n * (size_t)d);
    h->dxs = h->x->wants_grad ? tape_floats(t, (size_t)n * (size_t)d) : NULL;
    h->z = tape_floats(t, (size_t)n * (size_t)piece);
    float *x_panels = h->w->grad ? tape_floats(t, kern_panels_floats(d, n)) : NULL;
    bool planning = tape_planning(t);
    if (!planning) head_gather(&(struct head_gather){h->x, h->rows.rows, h->active, h->xs}, h->n_active);
    if (!planning && x_panels) matmul_pack_cols(x_panels, h->xs, d, d, h->n_active);
    for (h->first = 0; h->first < (planning ? 1 : vocab); h->first += piece) {
        int columns = vocab - h->first < piece ? vocab - h->first : piece;
        head_backward_z(t, h, columns);
        if (h->dxs) head_backward_x(t, h, columns);
        if (x_panels && !planning) head_backward_w(h, x_panels, columns);
    }
    if (h->dxs && !planning) head_scatter(h);
}

static void head_backward(struct tape *t, struct node *node)
{
    struct head_run *h = &((struct head_node *)node)->run;
    h->d = (struct head_known){h->logp->grad, h->entropy->grad, h->mean ? h->mean->grad : NULL};
    if (h->d.logp || h->d.entropy || h->d.mean) {
        tape_grad_zeroed(t, h->x);
        struct arena_mark mark = arena_here(tape_arena(t));
        head_backward_active(t, h);
        if (h->n_active || tape_planning(t)) head_backward_run(t, h);
        arena_back(tape_arena(t), mark);
    }
    tape_grad_drop(t, h->logp);
    tape_grad_drop(t, h->entropy);
    if (h->mean) tape_grad_drop(t, h->mean);
}

/* ---- the ops ------------------------------------------------------------------------------------------ */

struct head_out op_head_run(struct tape *t, struct tensor *x, struct weight *w, const struct head_rows *rows)
{
    CHECK(x->cols == w->cols, "%s [%d, %d] times x [%d, %d]", w->name, w->rows, w->cols, x->rows, x->cols);
    CHECK(!rows->sets || !rows->mean, "the mean over all %d tokens, of rows with sets", w->rows);
    CHECK(rows->n >= 1 && rows->temperature > 0, "%d rows at temperature %g", rows->n,
          (double)rows->temperature);
    struct head_run h = {.x = x, .w = w, .rows = *rows, .inv_t = 1 / rows->temperature};
    bool wants = !rows->known && (x->wants_grad || w->grad);
    h.logp = tape_result(t, rows->n, 1, wants);
    h.entropy = tape_result(t, rows->n, 1, wants);
    h.mean = rows->mean ? tape_result(t, rows->n, 1, wants) : NULL;
    h.lse = tape_floats(t, (size_t)rows->n);
    h.argmax = arena_alloc(tape_arena(t), (size_t)rows->n * sizeof(int));
    struct head_out out = {h.logp, h.entropy, h.mean, h.argmax, -1};
    if (rows->known && x->wants_grad) tape_grad_zeroed(t, x);
    struct arena_mark mark = arena_here(tape_arena(t));
    h.bad = arena_alloc(tape_arena(t), (size_t)rows->n * sizeof(int));
    head_forward(t, &h);
    for (int i = rows->n - 1; !tape_planning(t) && i >= 0; i--)
        if (h.bad[i]) out.bad_row = i;
    arena_back(tape_arena(t), mark);
    if (!tape_records(t, h.logp)) return out;
    struct head_node *n = tape_node(t, sizeof *n, NULL, head_backward);
    n->run = h;
    return out;
}

void op_logits_run(struct tape *t, struct tensor *x, struct weight *w, const int *rows, int n, float *out)
{
    CHECK(x->cols == w->cols, "%s [%d, %d] times x [%d, %d]", w->name, w->rows, w->cols, x->rows, x->cols);
    struct arena_mark mark = arena_here(tape_arena(t));
    float *xs = tape_floats(t, (size_t)n * (size_t)w->cols);
    if (!tape_planning(t)) head_gather(&(struct head_gather){x, rows, NULL, xs}, n);
    head_logits(t, w, xs, n, out, w->rows);
    arena_back(tape_arena(t), mark);
}

static struct tensor *head_case(struct tape *t, int c)
{
    /* Row 4 is selected twice; case 2 has more of the vocabulary than one contraction block, case 3 more than
     * a piece of capped logits; cases 5 and 6 have sets. */
    static const int vocab[] = {7, 7, 270, 520, 520, 270, 520}, width[] = {6, 6, 6, 2, 2, 6, 2};
    static const int select[] = {4, 0, 2, 4}, targets[] = {1, 6, 0, 3};
    static const int one[] = {1, 5, 6, 200, 269}, two[] = {6}, three[] = {2, 3, 4, 131, 132};
    static const struct head_set sets[] = {{one, 5}, {two, 1}, {NULL, 0}, {three, 5}};
    static const float temperature[] = {1, 0.7F, 1.5F, 1, 0.7F, 0.8F, 1};
    const struct head_rows rows = {.n = 4,
                                   .rows = select,
                                   .targets = targets,
                                   .temperature = temperature[c],
                                   .mean = c == 4,
                                   .sets = c >= 5 ? sets : NULL};
    struct tensor *x = op_case_input(t, 5, width[c], 1);
    struct weight *w = op_case_weight(t, vocab[c], width[c], 1);
    w->cap = c == 3 || c == 4 || c == 6 ? 3 : 0;
    struct head_out out = op_head_run(t, x, w, &rows);
    if (c == 4) return op_add_run(t, out.mean_logp, out.logp);
    return c == 0 ? out.logp : c == 1 ? out.entropy : op_add_run(t, out.entropy, out.logp);
}

const struct op op_head = {
    .name = "head",
    .formula = "logp = z_target / T - lse(z / T), entropy = lse - sum p z / T, mean = sum z / (V T) - lse, z "
               "= x W^T",
    .n_cases = 7,
    .build_case = head_case,
};
