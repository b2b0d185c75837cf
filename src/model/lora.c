/* lora.c: adapters in a model: their weights, which matrices they change, and switching them off.
 *
 * All numbers of adapters lie in one block, as the model's do, and their gradients in another. A module that
 * is trained as a whole has a copy, which stands in the slot of the original while adapters are on. So the
 * same memory is two models: the one that learns and the one it began as.
 */
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/str.h"
#include "kern/kern.h"
#include "model/model_int.h"

#define PREFIX "base_model.model."

bool lora_fits(const struct model *m, int i)
{
    const struct placed *p = &m->placed[i];
    return p->row->kind == WEIGHT_MATRIX && p->row->slot != SLOT_EMBED && p->row->slot != SLOT_HEAD &&
           p->layer < m->config.layers;
}

void lora_module(const struct model *m, int i, char *out)
{
    const char *name = m->weights[i].name, *dot = strrchr(name, '.');
    snprintf(out, ARCH_NAME_MAX, "%.*s", (int)(dot ? dot - name : (ptrdiff_t)strlen(name)), name);
}

/* ---- layout -------------------------------------------------------------------------------------------- */

static const struct arch_weight *head_row(const struct model *m)
{
    const struct arch_weight *row = m->config.arch->weights;
    while (row->slot != SLOT_HEAD) row++;
    return row;
}

static void head_module(const struct model *m, char *out)
{
    const char *name = head_row(m)->name;
    snprintf(out, ARCH_NAME_MAX, "%.*s", (int)strcspn(name, "."), name);
}

/* The slot in which a copy stands. */
static struct weight **place_of(struct model *m, const struct weight *copy, int base)
{
    bool head = !strcmp(copy->name + strlen(PREFIX), head_row(m)->name);
    return head ? &m->outer[SLOT_HEAD] : weight_slot(m, base);
}

static struct weight *add(struct lora *l, struct lora_weight what, const char *stem, int rows, int cols)
{
    static const char *const ends[] = {".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector", ""};
    struct weight *w = &l->weights[l->n];
    struct str name;
    str_init(&name, 0);
    str_addf(&name, PREFIX "%s%s", stem, ends[what.part]);
    *w = (struct weight){.name = alloc_str(name.p), .rows = rows, .cols = cols, .changes = 1};
    str_release(&name);
    l->placed[l->n++] = what;
    l->n_floats += block_floats(w);
    return w;
}

static void add_adapter(struct model *m, int i, int rank)
{
    char module[ARCH_NAME_MAX];
    struct lora *l = m->lora;
    struct weight *w = &m->weights[i];
    struct adapter *a = &l->adapters[l->n_adapters];
    lora_module(m, i, module);
    *a = (struct adapter){.scale = (float)lora_config_scale(&l->config, module),
                          .dropout = (float)l->config.dropout,
                          .module = (uint32_t)l->n_adapters++};
    a->a = add(l, (struct lora_weight){i, LORA_A}, module, rank, w->cols);
    a->b = add(l, (struct lora_weight){i, LORA_B}, module, w->rows, rank);
    if (l->config.dora) a->magnitude = add(l, (struct lora_weight){i, LORA_MAGNITUDE}, module, 1, w->rows);
    w->adapter = a;
}

static void add_copy(struct model *m, int i, const char *name)
{
    const struct weight *w = &m->weights[i];
    struct weight *copy = add(m->lora, (struct lora_weight){i, LORA_WHOLE}, name, w->rows, w->cols);
    copy->plus_one = w->plus_one;
    copy->cap = w->cap;
}

static void point(struct lora *l, float *block, bool grad)
{
    for (int i = 0; i < l->n; i++) {
        *(grad ? &l->weights[i].grad : &l->weights[i].data) = block;
        if (block) block += block_floats(&l->weights[i]);
    }
}

static void take_memory(struct model *m)
{
    struct lora *l = m->lora;
    size_t lengths = 0;
    l->data = alloc_floats(l->n_floats);
    point(l, l->data, false);
    for (int i = 0; i < l->n; i++)
        if (l->placed[i].part == LORA_MAGNITUDE) lengths += (size_t)l->weights[i].cols;
    l->norms = lengths ? alloc_floats(lengths) : NULL;
    float *at = l->norms;
    for (int i = 0; i < l->n_adapters && l->norms; i++) {
        l->adapters[i].norms = at;
        at += l->adapters[i].magnitude->cols;
    }
    for (int i = 0; i < l->n && m->data; i++)           /* without weights it is for a plan */
        if (l->placed[i].part == LORA_WHOLE && m->data) /* a model on paper has no numbers */
            weight_rows(&m->weights[l->placed[i].base], 0, l->weights[i].rows, l->weights[i].data);
}

void lora_layout(struct model *m, const struct lora_mark *marks, bool head)
{
    struct lora *l = m->lora;
    size_t adapters = 0, most = 1;
    for (int i = 0; i < m->n_weights; i++) {
        adapters += marks[i].rank > 0;
        most += (marks[i].rank > 0 ? 3 : 0) + (marks[i].whole ? 1 : 0);
    }
    l->weights = alloc_zero(most, sizeof *l->weights);
    l->placed = alloc_zero(most, sizeof *l->placed);
    l->adapters = alloc_zero(adapters + 1, sizeof *l->adapters);
    for (int i = 0; i < m->n_weights; i++) {
        if (marks[i].rank > 0) add_adapter(m, i, marks[i].rank);
        if (marks[i].whole) add_copy(m, i, m->weights[i].name);
    }
    if (head) add_copy(m, (int)(model_head(m) - m->weights), head_row(m)->name);
    take_memory(m);
    model_adapters(m, true);
}

void model_adapters(struct model *m, bool on)
{
    struct lora *l = m->lora;
    if (!l) return;
    l->on = on;
    for (int i = 0; i < l->n_adapters; i++) l->adapters[i].on = on;
    for (int i = 0; i < l->n; i++) {
        if (l->placed[i].part != LORA_WHOLE) continue;
        struct weight **slot = place_of(m, &l->weights[i], l->placed[i].base);
        *slot = on ? &l->weights[i] : &m->weights[l->placed[i].base];
    }
}

void lora_train(struct lora *l, bool on)
{
    free(l->grad);
    l->grad = on ? alloc_floats(l->n_floats) : NULL;
    point(l, l->grad, true);
}

void lora_free(struct lora *l)
{
    if (!l) return;
    for (int i = 0; i < l->n; i++) {
        weight_unpack(&l->weights[i]);
        free((char *)l->weights[i].name);
    }
    free(l->weights);
    free(l->placed);
    free(l->adapters);
    free(l->data);
    free(l->grad);
    free(l->norms);
    free(l->first);
    lora_config_release(&l->config);
    free(l);
}

bool model_is_adapted(const struct model *m)
{
    return m->lora;
}

const struct lora_config *model_lora(const struct model *m)
{
    CHECK(m->lora, "%s has no adapters", m->path);
    return &m->lora->config;
}

size_t model_reference_bytes(const struct model *m)
{
    return m->lora->first ? m->lora->n_floats * sizeof(float) : 0;
}

void model_as_reference(struct model *m, bool on)
{
    struct lora *l = m->lora;
    CHECK(l, "%s has no adapters", m->path);
    if (!l->first) {
        model_adapters(m, !on);
        return;
    }
    float *other = l->first;
    l->first = l->data;
    l->data = other;
    point(l, l->data, false);
    for (int i = 0; i < l->n; i++) weight_changed(&l->weights[i]);
}

bool model_is_fixed(const struct model *m, int i)
{
    return m->lora && i < m->n_weights;
}

/* ---- new adapters -------------------------------------------------------------------------------------- */

struct draw {
    struct weight *a;
    uint64_t seed;
    uint32_t number;
};

/* Kaiming's uniform with a = sqrt(5), as torch.nn.Linear begins: within +-1/sqrt(in). */
static void draw_row(void *ctx, int row)
{
    const struct draw *d = ctx;
    struct rng_at at = {.seed = d->seed, .purpose = RNG_INIT, .step = d->number, .sequence = (uint32_t)row};
    double bound = 1 / fm_sqrt(d->a->cols);
    for (int c = 0; c < d->a->cols; c++) {
        at.position = (uint32_t)c;
        d->a->data[(size_t)row * (size_t)d->a->cols + (size_t)c] = (float)((2 * rng_double(&at) - 1) * bound);
    }
}

struct lengths {
    const struct weight *w;
    float *out;
};

static void length_of_row(void *ctx, int row)
{
    const struct lengths *l = ctx;
    float *x = alloc_floats((size_t)l->w->cols);
    weight_rows(l->w, row, 1, x);
    l->out[row] = (float)fm_sqrt(kern()->sumsq(x, (size_t)l->w->cols));
    free(x);
}

/* Numbers that change nothing: B is 0, and a magnitude the length that the row has. */
static void draw_all(struct model *m, uint64_t seed)
{
    struct lora *l = m->lora;
    for (int i = 0; i < l->n; i++) {
        struct weight *w = &l->weights[i];
        struct weight *base = &m->weights[l->placed[i].base];
        if (l->placed[i].part == LORA_A)
            pool_for(w->rows, draw_row, &(struct draw){w, seed, (uint32_t)(m->n_weights + i)});
        if (l->placed[i].part == LORA_B)
            memset(w->data, 0, (size_t)w->rows * (size_t)w->cols * sizeof(float));
        if (l->placed[i].part == LORA_MAGNITUDE && m->data)
            pool_for(base->rows, length_of_row, &(struct lengths){base, w->data});
    }
}

/* The last parts of the names of modules that may have adapters. */
static void list_modules(const struct model *m, struct str *out)
{
    char module[ARCH_NAME_MAX];
    const char *name;
    json_t *set = json_object(), *v;
    for (int i = 0; i < m->n_weights; i++) {
        if (!lora_fits(m, i)) continue;
        lora_module(m, i, module);
        json_object_set_new(set, strrchr(module, '.') + 1, json_true());
    }
    json_object_foreach(set, name, v) str_addf(out, "%s%s", out->len ? ", " : "", name);
    json_decref(set);
}

/* Is it the name of a module that no adapter fits: norms, embeddings, the output head? */
static bool is_elsewhere(const struct model *m, const char *name)
{
    char module[ARCH_NAME_MAX];
    head_module(m, module);
    bool found = lora_names_module(name, module);
    for (int i = 0; i < m->n_weights && !found; i++) {
        lora_module(m, i, module);
        found = lora_names_module(name, module);
    }
    return found;
}

static int unknown(const struct model *m, const char *what, const char *name, struct err *e)
{
    struct str list;
    if (str_starts(what, "target") && is_elsewhere(m, name))
        return err_usage(
            e,
            "%s '%.100s': adapters are built for matrices of the layers alone; train this module "
            "whole: lora_modules_to_save: [%.100s] (modules_to_save)",
            what, name, name);
    str_init(&list, 1024);
    list_modules(m, &list);
    int result = err_usage(e, "%s '%.100s': a %s model has no such module; there are %s%s", what, name,
                           m->config.arch->model_type, list.p,
                           strcmp(what, "module to save") ? "" : ", norms, embed_tokens, lm_head");
    str_release(&list);
    return result;
}

/* Without targets: q_proj and v_proj, as PEFT has it for most architectures. */
static int default_targets(const struct model *m, struct lora_config *c, struct err *e)
{
    if (c->targets) return 0;
    if (m->layers[0].w[SLOT_Q] && m->layers[0].w[SLOT_V]) {
        c->targets = json_pack("[s,s]", "q_proj", "v_proj");
        return 0;
    }
    struct str list;
    str_init(&list, 1024);
    list_modules(m, &list);
    int result = err_usage(e, "target modules must be named for a %s model; there are %s, or all-linear",
                           m->config.arch->model_type, list.p);
    str_release(&list);
    return result;
}

/* Every item of a list must have meant something. */
static int check_used(const struct model *m, const char *what, const json_t *list, const bool *used,
                      struct err *e)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!used[i]) return unknown(m, what, json_string_value(json_array_get(list, i)), e);
    return 0;
}

/* marks, and whether a tied output matrix is saved. */
static int mark(struct model *m, struct lora_mark *marks, bool *head, struct err *e)
{
    const struct lora_config *c = &m->lora->config;
    char module[ARCH_NAME_MAX];
    struct lora_targets *t = lora_targets_new(c, e);
    if (!t) return -1;
    bool *used = alloc_zero(json_array_size(c->targets) + 1, sizeof *used), any = false;
    for (int i = 0; i < m->n_weights; i++) {
        lora_module(m, i, module);
        if (m->placed[i].row->kind != WEIGHT_BUFFER && m->placed[i].layer < m->config.layers &&
            lora_saves(c, module))
            marks[i].whole = true;
        else if (lora_fits(m, i) && lora_targets_match(t, module, used))
            marks[i].rank = lora_config_rank(c, module), any = true;
    }
    head_module(m, module);
    *head = m->config.tied && lora_saves(c, module);
    int result = check_used(m, "target module", c->targets, used, e);
    if (!result && !any) result = unknown(m, "target modules", json_string_value(c->targets), e);
    free(used);
    lora_targets_free(t);
    return result;
}

static int check_saved(struct model *m, const struct lora_mark *marks, bool head, struct err *e)
{
    const json_t *list = m->lora->config.saved;
    for (size_t k = 0; k < json_array_size(list); k++) {
        struct lora_config one = {.saved = json_pack("[O]", json_array_get(list, k))};
        char module[ARCH_NAME_MAX];
        bool found = head && lora_saves(&one, "lm_head");
        for (int i = 0; i < m->n_weights && !found; i++) {
            lora_module(m, i, module);
            found = marks[i].whole && lora_saves(&one, module);
        }
        json_decref(one.saved);
        if (!found) return unknown(m, "module to save", json_string_value(json_array_get(list, k)), e);
    }
    return 0;
}

/* all-linear as PEFT writes it: every module by its whole name. */
static void name_all(struct model *m)
{
    struct lora *l = m->lora;
    const char *text = json_string_value(l->config.targets);
    char module[ARCH_NAME_MAX];
    if (!text || strcmp(text, "all-linear")) return;
    json_decref(l->config.targets);
    l->config.targets = json_array();
    for (int i = 0; i < l->n; i++) {
        if (l->placed[i].part != LORA_A) continue;
        lora_module(m, l->placed[i].base, module);
        json_array_append_new(l->config.targets, json_string(module));
    }
}

int model_adapt(struct model *m, struct lora_config *c, uint64_t seed, struct err *e)
{
    CHECK(!m->lora && !m->grad, "%s has adapters, or is being trained", m->path);
    m->lora = alloc_zero(1, sizeof *m->lora);
    m->lora->config = *c;
    *c = (struct lora_config){0};
    c = &m->lora->config;
    struct lora_mark *marks = alloc_zero((size_t)m->n_weights, sizeof *marks);
    bool head = false;
    int failed = lora_config_check(c, "LoRA", e) || default_targets(m, c, e) || mark(m, marks, &head, e) ||
                 check_saved(m, marks, head, e);
    if (!failed) {
        lora_layout(m, marks, head);
        if (m->data) draw_all(m, seed);
        name_all(m);
    }
    free(marks);
    return failed ? -1 : 0;
}
