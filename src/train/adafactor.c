/* adafactor.c: Adafactor (Shazeer & Stern 2018) as transformers runs it for optim "adafactor": no first
 * moment, the schedule's learning rate, neither relative steps nor scaling by the weight's size.
 *
 *   b = 1 - t^-0.8;   R <- b R + (1 - b) mean over columns of (g^2 + 1e-30);   C likewise over rows
 *   u = g / sqrt(R C / mean R);   a norm or bias keeps the whole average of g^2 instead
 *   u <- u / max(1, rms(u));   w <- w - lr wd w - lr u
 *
 * A matrix needs two numbers for every row and column. Sums run along rows, or down columns, in order, so
 * they are the same on any number of threads.
 */
#include "base/fmath.h"
#include "base/pool.h"
#include "train/optim_int.h"

enum { ROWS = 32, COLS = 256 /* of the matrix that a thread takes at a time */ };
static const double epsilon = 1e-30, decay_rate = -0.8;

struct matrix {
    const struct update *u;
    int weight;
    struct weight *w;
    float *row, *col; /* the state */
    double keep;      /* b */
    double row_mean;  /* of the state */
    double shrink;    /* what u is divided by, as a factor; times the learning rate */
    double wd;
    double *sums; /* [rows] of u^2 */
};

static void row_state(void *ctx, int item)
{
    const struct matrix *x = ctx;
    int cols = x->w->cols, end = item * ROWS + ROWS < x->w->rows ? item * ROWS + ROWS : x->w->rows;
    for (int i = item * ROWS; i < end; i++) {
        double sum = kern()->sumsq(x->w->grad + (size_t)i * (size_t)cols, (size_t)cols);
        double mean = sum * x->u->g_scale * x->u->g_scale / cols + epsilon;
        x->row[i] = (float)(x->keep * (double)x->row[i] + (1 - x->keep) * mean);
    }
}

static void col_state(void *ctx, int item)
{
    const struct matrix *x = ctx;
    int from = item * COLS, n = x->w->cols - from < COLS ? x->w->cols - from : COLS;
    double sums[COLS] = {0};
    for (int i = 0; i < x->w->rows; i++) {
        const float *g = x->w->grad + (size_t)i * (size_t)x->w->cols + from;
        for (int j = 0; j < n; j++) sums[j] += (double)g[j] * (double)g[j];
    }
    for (int j = 0; j < n; j++) {
        double mean = sums[j] * x->u->g_scale * x->u->g_scale / x->w->rows + epsilon;
        x->col[from + j] = (float)(x->keep * (double)x->col[from + j] + (1 - x->keep) * mean);
    }
}

/* What g of element (i, j) is multiplied by to give u is by_row * by_col[j]. */
static float by_row(const struct matrix *x, int i)
{
    return (float)(x->u->g_scale / fm_sqrt((double)x->row[i] / x->row_mean));
}

static void sum_updates(void *ctx, int item)
{
    const struct matrix *x = ctx;
    int cols = x->w->cols, end = item * ROWS + ROWS < x->w->rows ? item * ROWS + ROWS : x->w->rows;
    for (int i = item * ROWS; i < end; i++) {
        const float *g = x->w->grad + (size_t)i * (size_t)cols;
        float r = by_row(x, i);
        x->sums[i] = 0;
        for (int j = 0; j < cols; j++) {
            float u = r * x->u->scratch[j] * g[j];
            x->sums[i] += (double)u * (double)u;
        }
    }
}

struct row {
    const struct matrix *x;
    size_t at; /* of its first element */
    float r;
};

static void apply_piece(void *ctx, const struct chunk *p)
{
    const struct row *row = ctx;
    const struct matrix *x = row->x;
    const float *g = x->w->grad + p->at, *by_col = x->u->scratch + (p->at - row->at);
    float shrink = (float)x->shrink, decay = (float)(x->wd * x->u->lr);
    for (size_t j = 0; j < p->n; j++) {
        float u = row->r * by_col[j] * g[j];
        p->w[j] = p->w[j] - decay * p->w[j] - shrink * u;
    }
}

static void apply(void *ctx, int item)
{
    const struct matrix *x = ctx;
    int end = item * ROWS + ROWS < x->w->rows ? item * ROWS + ROWS : x->w->rows;
    for (int i = item * ROWS; i < end; i++) {
        size_t cols = (size_t)x->w->cols, at = (size_t)i * cols;
        struct row row = {x, at, by_row(x, i)};
        update_numbers(x->u, &(struct chunk){.weight = x->weight, .at = at, .n = cols}, apply_piece, &row);
    }
}

/* lr / max(1, rms) from the sum of n squares. */
static double shrink(double sum, size_t n, double lr)
{
    double rms = fm_sqrt(sum / (double)n);
    return rms > 1 ? lr / rms : lr;
}

static void factored(struct matrix *x)
{
    struct weight *w = x->w;
    int row_items = (w->rows + ROWS - 1) / ROWS;
    pool_for(row_items, row_state, x);
    pool_for((w->cols + COLS - 1) / COLS, col_state, x);
    double sum = 0;
    for (int i = 0; i < w->rows; i++) sum += (double)x->row[i];
    x->row_mean = sum / w->rows;
    for (int j = 0; j < w->cols; j++) x->u->scratch[j] = (float)(1 / fm_sqrt((double)x->col[j]));
    pool_for(row_items, sum_updates, x);
    sum = 0;
    for (int i = 0; i < w->rows; i++) sum += x->sums[i];
    x->shrink = shrink(sum, (size_t)w->rows * (size_t)w->cols, x->u->lr);
    pool_for(row_items, apply, x);
}

struct vector {
    const struct matrix *x;
    const float *v;
    double step;
};

static void apply_vector(void *ctx, const struct chunk *p)
{
    const struct vector *s = ctx;
    const struct update *u = s->x->u;
    for (size_t j = 0; j < p->n; j++) {
        double g = (double)s->x->w->grad[p->at + j] * u->g_scale, now = (double)p->w[j];
        p->w[j] = (float)(now - s->x->wd * u->lr * now - s->step * g / fm_sqrt((double)s->v[p->at + j]));
    }
}

/* A norm or a bias; v is the average of g^2. */
static void unfactored(struct matrix *x, float *v)
{
    const struct weight *w = x->w;
    double sum = 0;
    for (int j = 0; j < w->cols; j++) {
        double g = (double)w->grad[j] * x->u->g_scale;
        v[j] = (float)(x->keep * (double)v[j] + (1 - x->keep) * (g * g + epsilon));
        sum += g * g / (double)v[j];
    }
    struct chunk whole = {.weight = x->weight, .n = (size_t)w->cols};
    struct vector s = {x, v, shrink(sum, whole.n, x->u->lr)};
    update_numbers(x->u, &whole, apply_vector, &s);
}

static void adafactor(const struct update *u, int weight)
{
    struct matrix x = {.u = u, .weight = weight, .w = update_weight(u, weight)};
    x.wd = update_decay(u, weight);
    x.keep = 1 - fm_pow((double)u->step, decay_rate);
    x.row = update_state(u, weight, 0);
    x.col = update_state(u, weight, 1);
    x.sums = (double *)(u->scratch + (x.w->cols + 1) / 2 * 2);
    if (x.w->rows > 1)
        factored(&x);
    else
        unfactored(&x, update_state(u, weight, 2));
}

static void shape_rows(const struct weight *w, int64_t shape[2])
{
    shape[0] = w->rows > 1 ? w->rows : 0;
    shape[1] = w->rows > 1;
}

static void shape_cols(const struct weight *w, int64_t shape[2])
{
    shape[0] = w->rows > 1;
    shape[1] = w->rows > 1 ? w->cols : 0;
}

static void shape_vector(const struct weight *w, int64_t shape[2])
{
    shape[0] = w->rows == 1;
    shape[1] = w->rows == 1 ? w->cols : 0;
}

/* A factor for every column, then a double for every row. */
static size_t scratch(const struct weight *w)
{
    return (size_t)w->cols + 1 + 2 * (size_t)w->rows;
}

const struct optim_rule optim_adafactor = {
    .name = "adafactor",
    .also = "",
    .help = "a number for each row and column of a matrix, no moments",
    .parts = {{"exp_avg_sq_row", DT_F32, shape_rows},
              {"exp_avg_sq_col", DT_F32, shape_cols},
              {"exp_avg_sq", DT_F32, shape_vector}},
    .whole = adafactor,
    .scratch = scratch,
};
