/* optimiser.c: clipping by the global norm, then the rule's step for every weight.
 *
 *   norm = sqrt(sum over weights of sum g^2), in double;  g <- g min(1, max_grad_norm / (norm + 1e-6))
 *
 * The weights are cut into chunks of a fixed size; the pool runs over chunks, each sum is formed inside one
 * chunk and the chunks' sums are added in order, so the result is the same on any number of threads. A
 * gradient that is not finite changes nothing and is reported by the weight's name.
 *
 * The state of all weights is one block, in memory or (paged) in a file without a name, whose pages the
 * system writes out when it needs the room.
 */
#include "train/optim_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/fmath.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/str.h"

enum { STEP_MAX = 1 << 24 /* steps that a float can count exactly */, ALIGN = 64 };

struct place {                     /* of a weight's state */
    const struct optim_rule *rule; /* NULL: the weight is frozen */
    size_t parts[OPTIM_PARTS];     /* offsets of bytes */
};

struct optimiser {
    struct model *model;
    struct optim_opts opts;
    const struct optim_rule *rule;
    long step;
    struct place *places; /* [n_weights] */
    uint8_t *state;
    size_t n_bytes;
    bool paged;
    struct chunk *chunks;
    int n_chunks;
    double *sums; /* [n_chunks] */
    struct update update;
};

/* ---- rules --------------------------------------------------------------------------------------------- */

#define RULE(name) extern const struct optim_rule optim_##name;
#include "train/optim_list.h"
#undef RULE

static const struct optim_rule *const rules[] = {
#define RULE(name) &optim_##name,
#include "train/optim_list.h"
#undef RULE
};
enum { N_RULES = sizeof rules / sizeof *rules };

static bool has_word(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = words; n && (p = strstr(p, word)); p += n)
        if ((p == words || p[-1] == ' ') && (p[n] == ' ' || !p[n])) return true;
    return false;
}

const struct optim_rule *optim_rule_find(const char *name, struct err *e)
{
    for (int i = 0; i < N_RULES; i++)
        if (strcmp(name, rules[i]->name) == 0 || has_word(rules[i]->also, name)) return rules[i];
    struct str list;
    str_init(&list, 0);
    for (int i = 0; i < N_RULES; i++)
        str_addf(&list, "\n  %s (%s)%s%s", rules[i]->name, rules[i]->help, *rules[i]->also ? "; also " : "",
                 rules[i]->also);
    err_usage(e, "optim is '%s'; there are:%s", name, list.p);
    str_release(&list);
    return NULL;
}

/* The one that weight w follows. */
static const struct optim_rule *rule_for(const struct optim_rule *rule, const struct weight *w)
{
    if (!w->grad) return NULL;
    return rule->takes && !rule->takes(w) ? &optim_adamw : rule;
}

void optim_shape_whole(const struct weight *w, int64_t shape[2])
{
    shape[0] = w->rows;
    shape[1] = w->cols;
}

static size_t part_floats(const struct optim_part *p, const struct weight *w)
{
    int64_t shape[2];
    p->shape(w, shape);
    return (size_t)shape[0] * (size_t)shape[1];
}

static size_t part_bytes(const struct optim_part *p, const struct weight *w)
{
    size_t size = p->dtype == DT_F32 ? 4 : p->dtype == DT_BF16 ? 2 : 1;
    return (part_floats(p, w) * size + ALIGN - 1) / ALIGN * ALIGN;
}

static int n_parts(const struct optim_rule *r)
{
    int n = 0;
    while (r && n < OPTIM_PARTS && r->parts[n].name) n++;
    return n;
}

/* ---- what a rule asks for ------------------------------------------------------------------------------ */

struct weight *update_weight(const struct update *u, int weight)
{
    return model_weight(u->o->model, weight);
}

void *update_state(const struct update *u, int weight, int part)
{
    return u->o->state + u->o->places[weight].parts[part];
}

double update_decay(const struct update *u, int weight)
{
    const char *name = update_weight(u, weight)->name;
    size_t n = strlen(name);
    bool spared = strstr(name, "norm") || (n >= 5 && strcmp(name + n - 5, ".bias") == 0);
    return spared ? 0 : u->opts->weight_decay;
}

void update_numbers(const struct update *u, const struct chunk *c, change_piece f, void *ctx)
{
    struct round16_place place = {.seed = u->opts->seed, .purpose = RNG_ROUND_WEIGHT};
    place.step = (uint32_t)u->step;
    place.sequence = (uint32_t)c->weight;
    round16_change(update_weight(u, c->weight), &place, c, f, ctx);
}

/* ---- memory -------------------------------------------------------------------------------------------- */

/* Floats of scratch that the largest weight needs. */
static size_t scratch_floats(struct model *m, const struct optim_rule *rule)
{
    size_t most = 0;
    for (int i = 0; i < model_n_weights(m); i++) {
        const struct weight *w = model_weight(m, i);
        const struct optim_rule *r = rule_for(rule, w);
        size_t n = r && r->scratch ? r->scratch(w) : 0;
        if (n > most) most = n;
    }
    return most;
}

/* Bytes of all state; places are filled when there are any. */
static size_t lay_out(struct model *m, const struct optim_rule *rule, struct place *places)
{
    size_t total = 0;
    for (int i = 0; i < model_n_weights(m); i++) {
        const struct weight *w = model_weight(m, i);
        struct place p = {.rule = rule_for(rule, w)};
        for (int k = 0; k < n_parts(p.rule); k++) {
            p.parts[k] = total;
            total += part_bytes(&p.rule->parts[k], w);
        }
        if (places) places[i] = p;
    }
    return total;
}

struct optim_bytes optimiser_bytes(struct model *m, const struct optim_opts *o)
{
    struct err e;
    const struct optim_rule *rule = optim_rule_find(o->name, &e);
    if (!rule) return (struct optim_bytes){0};
    size_t state = lay_out(m, rule, NULL), scratch = scratch_floats(m, rule) * sizeof(float);
    return o->paged_in ? (struct optim_bytes){scratch, state} : (struct optim_bytes){state + scratch, 0};
}

static int cut(struct optimiser *o, struct chunk *out)
{
    int n = 0;
    for (int i = 0; i < model_n_weights(o->model); i++) {
        const struct weight *w = model_weight(o->model, i);
        size_t total = w->grad ? (size_t)w->rows * (size_t)w->cols : 0;
        for (size_t at = 0; at < total; at += OPTIM_CHUNK, n++)
            if (out)
                out[n] = (struct chunk){i, at, total - at < OPTIM_CHUNK ? total - at : OPTIM_CHUNK, NULL};
    }
    return n;
}

struct optimiser *optimiser_new(struct model *m, const struct optim_opts *opts, struct err *e)
{
    const struct optim_rule *rule = optim_rule_find(opts->name, e);
    if (!rule) return NULL;
    struct optimiser *o = alloc_zero(1, sizeof *o);
    *o = (struct optimiser){.model = m, .opts = *opts, .rule = rule, .paged = opts->paged_in};
    o->places = alloc_zero((size_t)model_n_weights(m), sizeof *o->places);
    o->n_bytes = lay_out(m, rule, o->places);
    o->n_chunks = cut(o, NULL);
    CHECK(o->n_chunks > 0, "no weight has a gradient: model_train first");
    o->chunks = alloc_zero((size_t)o->n_chunks, sizeof *o->chunks);
    o->sums = alloc_zero((size_t)o->n_chunks, sizeof *o->sums);
    cut(o, o->chunks);
    size_t scratch = scratch_floats(m, rule);
    o->update = (struct update){.o = o, .opts = &o->opts, .scratch = scratch ? alloc_floats(scratch) : NULL};
    if (!o->paged) {
        o->state = alloc_floats(o->n_bytes / sizeof(float));
    } else if (!(o->state = file_memory(opts->paged_in, o->n_bytes, e))) {
        optimiser_free(o);
        return NULL;
    }
    return o;
}

void optimiser_free(struct optimiser *o)
{
    if (!o) return;
    if (o->paged)
        file_memory_free(o->state, o->n_bytes);
    else
        free(o->state);
    free(o->places);
    free(o->chunks);
    free(o->sums);
    free(o->update.scratch);
    free(o);
}

/* ---- a step -------------------------------------------------------------------------------------------- */

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

static void update_piece(void *ctx, const struct chunk *piece)
{
    const struct optimiser *o = ctx;
    o->places[piece->weight].rule->elements(&o->update, piece);
}

static void update_chunk(void *ctx, int item)
{
    struct optimiser *o = ctx;
    const struct chunk *c = &o->chunks[item];
    if (o->places[c->weight].rule->elements) update_numbers(&o->update, c, update_piece, o);
}

double optimiser_step(struct optimiser *o, double lr, const char **bad)
{
    *bad = NULL;
    double norm = global_norm(o, bad);
    if (*bad) return norm;
    double max = o->opts.max_grad_norm, scale = max / (norm + 1e-6);
    o->step++;
    CHECK(o->step < STEP_MAX, "step %ld", o->step);
    struct update *u = &o->update;
    u->step = o->step;
    u->lr = lr;
    u->g_scale = max > 0 && scale < 1 ? scale : 1;
    u->c1 = 1 - int_power(o->opts.b1, o->step);
    u->c2 = 1 - int_power(o->opts.b2, o->step);
    pool_for(o->n_chunks, update_chunk, o);
    for (int i = 0; i < model_n_weights(o->model); i++) {
        const struct optim_rule *rule = o->places[i].rule;
        if (rule && rule->whole) rule->whole(u, i);
        if (rule) weight_changed(model_weight(o->model, i));
    }
    return norm;
}

/* ---- the state as a file: every part under its own name and the weight's, and "step" ------------------ */

static char *part_name(const struct optim_part *p, const struct weight *w)
{
    size_t size = strlen(p->name) + strlen(w->name) + 2;
    char *name = alloc_or_die(size);
    snprintf(name, size, "%s.%s", p->name, w->name);
    return name;
}

/* f for every part of every weight, until one fails. */
struct part_at {
    const struct optim_part *part;
    const struct weight *w;
    uint8_t *p;
    char *name;
};
static int each_part(const struct optimiser *o, int (*f)(void *ctx, const struct part_at *x, struct err *e),
                     void *ctx, struct err *e)
{
    for (int i = 0; i < model_n_weights(o->model); i++)
        for (int k = 0; k < n_parts(o->places[i].rule); k++) {
            struct part_at x = {.part = &o->places[i].rule->parts[k], .w = model_weight(o->model, i)};
            if (part_floats(x.part, x.w) == 0) continue;
            x.p = o->state + o->places[i].parts[k];
            x.name = part_name(x.part, x.w);
            int failed = f(ctx, &x, e);
            free(x.name);
            if (failed) return -1;
        }
    return 0;
}

struct saving {
    struct safetensors_entry *list;
    int n;
};

static int save_part(void *ctx, const struct part_at *x, struct err *e)
{
    (void)e;
    struct saving *s = ctx;
    struct safetensors_entry *t = &s->list[s->n++];
    *t = (struct safetensors_entry){.name = alloc_str(x->name), .dtype = x->part->dtype, .n_dims = 2};
    x->part->shape(x->w, t->shape);
    t->bytes = x->p;
    return 0;
}

int optimiser_save(const struct optimiser *o, const char *path, struct err *e)
{
    float step = (float)o->step;
    struct saving s = {.list =
                           alloc_zero((size_t)model_n_weights(o->model) * OPTIM_PARTS + 1, sizeof *s.list)};
    each_part(o, save_part, &s, e);
    s.list[s.n] =
        (struct safetensors_entry){.name = "step", .dtype = DT_F32, .n_dims = 1, .shape = {1}, .data = &step};
    int status = safetensors_write(path, s.list, s.n + 1, e);
    for (int i = 0; i < s.n; i++) free((char *)s.list[i].name);
    free(s.list);
    return status;
}

struct loading {
    struct tensor_file *file;
    const char *path;
};

static int load_part(void *ctx, const struct part_at *x, struct err *e)
{
    const struct loading *l = ctx;
    const struct tensor_info *t = tensor_file_find(l->file, x->name);
    int64_t shape[2];
    x->part->shape(x->w, shape);
    if (!t)
        return err_set(e, "%s: no tensor '%s'; the checkpoint belongs to another model or another optim",
                       l->path, x->name);
    if (t->dtype != x->part->dtype || t->n_dims != 2 || t->shape[0] != shape[0] || t->shape[1] != shape[1])
        return err_set(
            e,
            "%s: tensor '%s' is %s with %d dimensions, %lld numbers; expected %s [%lld, %lld]: the "
            "checkpoint belongs to another model or another optim",
            l->path, x->name, dtype_name(t->dtype), t->n_dims, (long long)tensor_info_count(t),
            dtype_name(x->part->dtype), (long long)shape[0], (long long)shape[1]);
    memcpy(x->p, tensor_file_bytes(l->file, t), t->bytes);
    return 0;
}

static int load_step(struct loading *l, long *step, struct err *e)
{
    float x = -1;
    const struct tensor_info *t = tensor_file_find(l->file, "step");
    if (!t || t->dtype != DT_F32 || tensor_info_count(t) != 1)
        return err_set(e, "%s: no tensor 'step' with one F32", l->path);
    if (tensor_file_rows(l->file, t, 0, 1, &x, e)) return -1;
    if (!(x >= 0 && x < STEP_MAX))
        return err_set(e, "%s: step is %g, expected 0 to %d", l->path, (double)x, STEP_MAX);
    *step = (long)x;
    return 0;
}

int optimiser_load(struct optimiser *o, const char *path, struct err *e)
{
    long step = 0;
    struct loading l = {tensor_file_open(path, e), path};
    if (!l.file) return -1;
    int status = each_part(o, load_part, &l, e);
    if (status == 0) status = load_step(&l, &step, e);
    if (status == 0) o->step = step;
    tensor_file_close(l.file);
    return status;
}
