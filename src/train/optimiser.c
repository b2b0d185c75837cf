/* optimiser.c: AdamW (Loshchilov & Hutter 2019) with clipping by the global norm.
 *
 *   norm = sqrt(sum over weights of sum g^2), in double;  g <- g min(1, max_grad_norm / (norm + 1e-6))
 *   w <- w - lr wd w;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
 *   w <- w - (lr / (1 - b1^t)) m / (sqrt(v / (1 - b2^t)) + eps)
 * Weight decay spares biases and norms. The weights are cut into chunks of a fixed size; the pool runs over
 * chunks, each sum is formed inside one chunk and the chunks' sums are added in order, so the result is the
 * same on any number of threads. A gradient that is not finite changes nothing and is reported by the
 * weight's name.
 */
#include "train/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fmath.h"
#include "base/pool.h"
#include "kern/kern.h"

enum { CHUNK = 16384, STEP_MAX = 1 << 24 /* steps that a float can count exactly */ };

struct chunk {
    int weight;        /* index in the model */
    size_t at, offset; /* first element in the weight; in the moments */
    size_t n;
};

struct optimiser {
    struct model *model;
    struct adamw_opts opts;
    long step;
    size_t n_floats;
    float *m, *v;    /* [n_floats] */
    size_t *offsets; /* [n_weights] where a weight's moments begin */
    struct chunk *chunks;
    int n_chunks;
    double *sums;     /* [n_chunks] */
    double lr, scale; /* of the step under way */
};

static size_t weight_floats(const struct weight *w)
{
    return (size_t)w->rows * (size_t)w->cols;
}

static bool decays(const struct weight *w)
{
    size_t n = strlen(w->name);
    return !strstr(w->name, "norm") && !(n >= 5 && strcmp(w->name + n - 5, ".bias") == 0);
}

/* Trainable weights are those with a gradient; the others get neither moments nor chunks. */
static int cut(struct optimiser *o, struct chunk *out)
{
    size_t offset = 0;
    int n = 0;
    for (int i = 0; i < model_n_weights(o->model); i++) {
        const struct weight *w = model_weight(o->model, i);
        size_t total = w->grad ? weight_floats(w) : 0;
        o->offsets[i] = offset;
        for (size_t at = 0; at < total; at += CHUNK, n++) {
            size_t size = total - at < CHUNK ? total - at : CHUNK;
            if (out) out[n] = (struct chunk){i, at, offset + at, size};
        }
        offset += total;
    }
    o->n_floats = offset;
    return n;
}

struct optimiser *optimiser_new(struct model *m, const struct adamw_opts *opts)
{
    struct optimiser *o = alloc_zero(1, sizeof *o);
    o->model = m;
    o->opts = *opts;
    o->offsets = alloc_zero((size_t)model_n_weights(m), sizeof *o->offsets);
    o->n_chunks = cut(o, NULL);
    CHECK(o->n_chunks > 0, "no weight has a gradient: model_train first");
    o->chunks = alloc_zero((size_t)o->n_chunks, sizeof *o->chunks);
    o->sums = alloc_zero((size_t)o->n_chunks, sizeof *o->sums);
    cut(o, o->chunks);
    o->m = alloc_floats(o->n_floats);
    o->v = alloc_floats(o->n_floats);
    return o;
}

void optimiser_free(struct optimiser *o)
{
    if (!o) return;
    free(o->offsets);
    free(o->chunks);
    free(o->sums);
    free(o->m);
    free(o->v);
    free(o);
}

static void sum_chunk(void *ctx, int item)
{
    struct optimiser *o = ctx;
    const struct chunk *c = &o->chunks[item];
    o->sums[item] = kern()->sumsq(model_weight(o->model, c->weight)->grad + c->at, c->n);
}

/* The norm over all weights; *bad is the first weight whose sum is not finite. */
static double global_norm(struct optimiser *o, const char **bad)
{
    pool_for(o->n_chunks, sum_chunk, o);
    double total = 0;
    for (int i = 0; i < o->n_chunks;) {
        int weight = o->chunks[i].weight;
        double sum = 0;
        for (; i < o->n_chunks && o->chunks[i].weight == weight; i++) sum += o->sums[i];
        if (!isfinite(sum) && !*bad) *bad = model_weight(o->model, weight)->name;
        total += sum;
    }
    return fm_sqrt(total);
}

static double int_power(double base, long exponent)
{
    double result = 1;
    for (; exponent > 0; exponent /= 2, base *= base)
        if (exponent % 2) result *= base;
    return result;
}

static void update_chunk(void *ctx, int item)
{
    struct optimiser *o = ctx;
    const struct chunk *c = &o->chunks[item];
    struct weight *w = model_weight(o->model, c->weight);
    double c1 = 1 - int_power(o->opts.b1, o->step), c2 = 1 - int_power(o->opts.b2, o->step);
    struct kern_adamw a = {.w = w->data + c->at,
                           .m = o->m + c->offset,
                           .v = o->v + c->offset,
                           .g = w->grad + c->at,
                           .n = c->n,
                           .g_scale = (float)o->scale,
                           .lr = (float)o->lr,
                           .b1 = (float)o->opts.b1,
                           .b2 = (float)o->opts.b2,
                           .eps = (float)o->opts.eps,
                           .wd = decays(w) ? (float)o->opts.weight_decay : 0,
                           .step_size = (float)(o->lr / c1),
                           .inv_sqrt_c2 = (float)(1 / fm_sqrt(c2))};
    kern()->adamw(&a);
}

double optimiser_step(struct optimiser *o, double lr, const char **bad)
{
    *bad = NULL;
    double norm = global_norm(o, bad);
    if (*bad) return norm;
    double max = o->opts.max_grad_norm, scale = max / (norm + 1e-6);
    o->step++;
    CHECK(o->step < STEP_MAX, "step %ld", o->step);
    o->lr = lr;
    o->scale = max > 0 && scale < 1 ? scale : 1;
    pool_for(o->n_chunks, update_chunk, o);
    for (int i = 0; i < model_n_weights(o->model); i++)
        if (model_weight(o->model, i)->grad) model_weight(o->model, i)->panels_fresh = false;
    return norm;
}

/* ---- the moments as a file: "exp_avg.NAME", "exp_avg_sq.NAME" and "step" ----------------------------------
 */

static const char *const prefixes[2] = {"exp_avg", "exp_avg_sq"};

static char *moment_name(int which, const char *weight)
{
    size_t size = strlen(prefixes[which]) + strlen(weight) + 2;
    char *name = alloc_or_die(size);
    snprintf(name, size, "%s.%s", prefixes[which], weight);
    return name;
}

int optimiser_save(const struct optimiser *o, const char *path, struct err *e)
{
    int n_weights = model_n_weights(o->model), n = 0;
    float step = (float)o->step;
    struct safetensors_entry *list = alloc_zero((size_t)n_weights * 2 + 1, sizeof *list);
    for (int which = 0; which < 2; which++)
        for (int i = 0; i < n_weights; i++) {
            const struct weight *w = model_weight(o->model, i);
            if (!w->grad) continue;
            list[n++] = (struct safetensors_entry){.name = moment_name(which, w->name),
                                                   .dtype = DT_F32,
                                                   .n_dims = 2,
                                                   .shape = {w->rows, w->cols},
                                                   .data = (which ? o->v : o->m) + o->offsets[i]};
        }
    list[n] =
        (struct safetensors_entry){.name = "step", .dtype = DT_F32, .n_dims = 1, .shape = {1}, .data = &step};
    int status = safetensors_write(path, list, n + 1, e);
    for (int i = 0; i < n; i++) free((char *)list[i].name);
    free(list);
    return status;
}

struct wanted {
    const char *name;
    int rows, cols;
    float *out;
};

static int load_one(struct tensor_file *f, const char *path, const struct wanted *x, struct err *e)
{
    const struct tensor_info *t = tensor_file_find(f, x->name);
    if (!t) return err_set(e, "%s: no tensor '%s'; the checkpoint belongs to another model", path, x->name);
    int64_t total = 1;
    for (int d = 0; d < t->n_dims; d++) total *= t->shape[d];
    int64_t last = t->n_dims ? t->shape[t->n_dims - 1] : 1;
    if (last != x->cols || total != (int64_t)x->rows * x->cols)
        return err_set(e, "%s: tensor '%s' holds %lld numbers in rows of %lld, expected %d rows of %d", path,
                       x->name, (long long)total, (long long)last, x->rows, x->cols);
    return tensor_file_rows(f, t, 0, x->rows, x->out, e);
}

int optimiser_load(struct optimiser *o, const char *path, struct err *e)
{
    float step = 0;
    struct tensor_file *f = tensor_file_open(path, e);
    if (!f) return -1;
    int status = load_one(f, path, &(struct wanted){"step", 1, 1, &step}, e);
    for (int which = 0; which < 2 && status == 0; which++)
        for (int i = 0; i < model_n_weights(o->model) && status == 0; i++) {
            const struct weight *w = model_weight(o->model, i);
            if (!w->grad) continue;
            char *name = moment_name(which, w->name);
            struct wanted x = {name, w->rows, w->cols, (which ? o->v : o->m) + o->offsets[i]};
            status = load_one(f, path, &x, e);
            free(name);
        }
    if (status == 0 && !(step >= 0 && step < STEP_MAX))
        status = err_set(e, "%s: step is %g, expected 0 to %d", path, (double)step, STEP_MAX);
    if (status == 0) o->step = (long)step;
    tensor_file_close(f);
    return status;
}
