/* model.c: a model in memory: its weights by the description's table, gradients, copies, hash.
 *
 * All numbers of a model lie in one block, each weight at a multiple of 16 floats, so that copying them is a
 * single sweep; of gradients see grads.c. Weights that stay in their file
 * have no place in either; matrices of 16 bits (bf16.c) have a block of their own, and gradients.
 */
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/hash.h"
#include "base/machine.h"
#include "base/pool.h"
#include "model/model_int.h"
#include "text/text.h"

enum { PANELS_ALIGN = 64 };

/* ---- layout -------------------------------------------------------------------------------------------- */

char *arch_name(const char *pattern, int layer, int expert)
{
    char name[ARCH_NAME_MAX];
    int n = 0;
    for (const char *p = pattern; *p; p++) {
        size_t left = sizeof name - (size_t)n;
        n += *p == '*'   ? snprintf(name + n, left, "%d", layer)
             : *p == '#' ? snprintf(name + n, left, "%d", expert)
                         : snprintf(name + n, left, "%c", *p);
        CHECK(n < (int)sizeof name, "name %s", pattern);
    }
    return alloc_str(name);
}

struct weight **weight_slot(struct model *m, int i)
{
    const struct placed *p = &m->placed[i];
    struct layer *l = &m->layers[p->layer];
    int expert = (p->row->slot - SLOT_EXPERT_GATE) * m->config.experts + p->expert;
    return strchr(p->row->name, '#')   ? &l->expert_weights[expert]
           : strchr(p->row->name, '*') ? &l->w[p->row->slot]
                                       : &m->outer[p->row->slot];
}

static void add_weight(struct model *m, const struct arch_weight *row, int layer, int expert)
{
    struct weight *w = &m->weights[m->n_weights];
    *w = (struct weight){.name = arch_name(row->name, layer, expert),
                         .rows = config_size(&m->config, row->shape[0]),
                         .cols = config_size(&m->config, row->shape[1]),
                         .plus_one = row->kind == WEIGHT_NORM_LESS_ONE};
    w->changes = 1;
    m->placed[m->n_weights++] = (struct placed){row, layer, expert, DT_F32};
    *weight_slot(m, m->n_weights - 1) = w;
}

/* The rows of a layer from row to end; those of experts once for each, expert by expert. Without a model they
 * are only counted. */
static int layer_rows(struct model *m, const struct model_config *c, const struct arch_weight *row,
                      const struct arch_weight *end, int layer)
{
    int count = 0;
    while (row < end) {
        const struct arch_weight *next = row + 1;
        while (strchr(row->name, '#') && next < end && strchr(next->name, '#')) next++;
        for (int i = 0; i < (strchr(row->name, '#') ? c->experts : 1); i++)
            for (const struct arch_weight *r = row; r < next; r++) {
                if (!config_has(c, r, layer)) continue;
                if (m) add_weight(m, r, layer, i);
                count++;
            }
        row = next;
    }
    return count;
}

static int all_rows(struct model *m, const struct model_config *c)
{
    int count = 0;
    for (const struct arch_weight *row = c->arch->weights; row->name;) {
        const struct arch_weight *end = row;
        while (end->name && strchr(end->name, '*')) end++;
        int layers = end > row ? config_all_layers(c) : 1;
        if (end == row) end++;
        for (int layer = 0; layer < layers; layer++) count += layer_rows(m, c, row, end, layer);
        row = end;
    }
    return count;
}

static void set_up_ropes(struct model *m)
{
    const struct model_config *c = &m->config;
    int dim = c->rope_dim;
    double *local = alloc_zero((size_t)dim, sizeof *local), *own = local + dim / 2;
    m->inv_freq = local;
    m->rope = (struct rope){.hd = dim, .inv_freq = own, .interleaved = c->interleaved};
    m->rope.attn_factor = rope_frequencies(c->rope_theta, c->rope_scaling, dim, own);
    m->local_rope = m->rope;
    if (c->local_theta > 0) {
        m->local_rope.inv_freq = local;
        m->local_rope.attn_factor = rope_frequencies(c->local_theta, NULL, dim, local);
    }
}

static void set_up_layers(struct model *m)
{
    const struct model_config *c = &m->config;
    double scale = 1 / fm_sqrt(c->query_scalar > 0 ? c->query_scalar : c->head_dim);
    if (c->arch->score_mscale) scale *= rope_score_factor(c->rope_scaling);
    for (int i = 0; i < config_all_layers(c); i++) {
        struct layer *l = &m->layers[i];
        bool slides = i < c->layers && config_slides(c, i);
        l->rope = !config_turns(c, i) ? NULL : slides ? &m->local_rope : &m->rope;
        l->attn = (struct attn){.n_heads = c->heads,
                                .n_kv = c->kv_rank ? 1 : c->kv_heads,
                                .hd = c->kv_rank ? c->kv_rank + c->rope_dim : c->head_dim,
                                .vd = c->kv_rank ? c->kv_rank : c->head_dim,
                                .layer = i,
                                .scale = (float)scale,
                                .window = slides ? c->window : 0,
                                .cap = c->score_cap};
    }
    m->route =
        (struct route){c->experts,          c->top_k,           c->arch->score, c->groups, c->top_groups,
                       c->arch->group_best, c->normalise_gates, c->gate_scale};
    model_head(m)->cap = c->logit_cap;
}

void model_layout(struct model *m)
{
    const struct model_config *c = &m->config;
    size_t n = (size_t)all_rows(NULL, c), layers = (size_t)config_all_layers(c), experts = (size_t)c->experts;
    m->weights = alloc_zero(n, sizeof *m->weights);
    m->placed = alloc_zero(n, sizeof *m->placed);
    m->layers = alloc_zero(layers, sizeof *m->layers);
    m->plan = alloc_zero(layers, sizeof *m->plan);
    m->expert_weights = experts ? alloc_zero(layers * 3 * experts, sizeof *m->expert_weights) : NULL;
    for (size_t i = 0; i < layers && experts; i++)
        m->layers[i].expert_weights = m->expert_weights + i * 3 * experts;
    all_rows(m, c);
    CHECK((size_t)m->n_weights == n, "%zu weights counted, %d laid out", n, m->n_weights);
    if (c->tied) m->outer[SLOT_HEAD] = m->outer[SLOT_EMBED];
    set_up_ropes(m);
    set_up_layers(m);
}

/* ---- numbers ------------------------------------------------------------------------------------------- */

/* Its place in the block: none where it lies elsewhere. */
static size_t weight_floats(const struct weight *w)
{
    return w->stored ? 0 : block_floats(w);
}

static void point_weights(struct model *m, float *block)
{
    size_t at = 0;
    for (int i = 0; i < m->n_weights; i++) {
        struct weight *w = &m->weights[i];
        size_t n = weight_floats(w);
        w->data = block && n ? block + at : NULL;
        at += n;
    }
    CHECK(at == m->n_floats, "%zu floats laid out, %zu counted", at, m->n_floats);
}

static size_t count_floats(const struct model *m)
{
    size_t n = 0;
    for (int i = 0; i < m->n_weights; i++) n += weight_floats(&m->weights[i]);
    return n;
}

int model_allocate(struct model *m, struct err *e)
{
    m->n_floats = count_floats(m);
    m->n_16 = bf16_point(m, NULL);
    double need = (double)m->n_floats * sizeof(float) + (double)m->n_16 * sizeof *m->data16,
           have = (double)memory_allowed();
    if (need > have)
        return err_set(e, "%s: the weights of this model take %.1f GB as %s; this machine has %.1f GB",
                       m->path, need / 1e9, model_dtype(m), have / 1e9);
    m->data = alloc_floats_try(m->n_floats);
    m->data16 = m->n_16 ? alloc_large_try(m->n_16 * sizeof *m->data16) : NULL;
    if (!m->data || (m->n_16 && !m->data16))
        return err_set(e, "%s: no memory for its weights: %.1f GB were wanted", m->path, need / 1e9);
    point_weights(m, m->data);
    bf16_point(m, m->data16);
    return 0;
}

struct draw {
    struct stored_draw from;
    struct weight *w;
};

static void draw_row(void *ctx, int row)
{
    const struct draw *d = ctx;
    int cols = d->from.cols;
    float *apart = d->w->data ? NULL : alloc_floats((size_t)cols);
    float *to = apart ? apart : d->w->data + (size_t)row * (size_t)cols;
    d->from.face.tile(&d->from.face, row, 1, 0, cols, to);
    if (apart) weight_set_rows(d->w, row, 1, apart);
    free(apart);
}

/* Row r of weight i comes from (seed, RNG_INIT, step i, sequence r). */
void model_draw(struct model *m, uint64_t seed)
{
    for (int i = 0; i < m->n_weights; i++) {
        struct weight *w = &m->weights[i];
        enum arch_kind kind = m->placed[i].row->kind;
        size_t n = (size_t)w->rows * (size_t)w->cols;
        for (size_t j = 0; j < n && kind != WEIGHT_MATRIX; j++) w->data[j] = kind == WEIGHT_NORM ? 1 : 0;
        if (kind != WEIGHT_MATRIX || !weight_packs(w)) continue;
        struct draw draw = {.w = w};
        stored_draw_init(&draw.from, m, i, seed);
        pool_for(w->rows, draw_row, &draw);
    }
}

bool model_multiplies(const struct model *m, int i)
{
    if (i >= m->n_weights) {
        const struct lora_weight *p = &m->lora->placed[i - m->n_weights];
        return p->part == LORA_WHOLE ? model_multiplies(m, p->base) : p->part != LORA_MAGNITUDE;
    }
    const struct arch_weight *row = m->placed[i].row;
    return row->kind == WEIGHT_MATRIX && (row->slot != SLOT_EMBED || m->config.tied);
}

int model_place_panels(struct model *m, bool stored, struct err *e)
{
    size_t bytes = 0;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < m->n_weights; i++) {
            struct weight *w = &m->weights[i];
            if (!model_multiplies(m, i) || !(stored || weight_packs(w))) continue;
            if (round) w->panels = m->panels + bytes, w->panels_lent = true;
            bytes += (weight_pack_bytes(w) + PANELS_ALIGN - 1) / PANELS_ALIGN * PANELS_ALIGN;
        }
        if (round) break;
        m->panels = alloc_large_try(bytes);
        if (!m->panels)
            return err_set(e, "%s: no memory for its packed weights: %.1f GB were wanted", m->path,
                           (double)bytes / 1e9);
        bytes = 0;
    }
    return 0;
}

void model_pack(struct model *m)
{
    struct err e;
    if (!m->panels && model_place_panels(m, false, &e)) memory_is_out(m->n_floats * sizeof(float));
    for (int i = 0; i < model_n_weights(m); i++) {
        struct weight *w = model_weight(m, i);
        bool as_it_was = model_is_fixed(m, i) && w->panels_fresh;
        if (model_multiplies(m, i) && weight_packs(w) && !as_it_was) weight_pack(w);
    }
}

void model_suppose_packed(struct model *m, bool packed)
{
    for (int i = 0; i < model_n_weights(m); i++) {
        struct weight *w = model_weight(m, i);
        w->panels_supposed = packed && model_multiplies(m, i) && weight_packs(w);
    }
}

size_t model_pack_bytes(const struct model *m)
{
    size_t bytes = 0;
    for (int i = 0; i < model_n_weights(m); i++) {
        const struct weight *w = model_weight((struct model *)m, i);
        if (model_multiplies(m, i) && weight_packs(w) && !w->panels) bytes += weight_pack_bytes(w);
    }
    return bytes;
}

void model_unpack(struct model *m)
{
    for (int i = 0; i < model_n_weights(m); i++) weight_unpack(model_weight(m, i));
    free(m->panels);
    m->panels = NULL;
}

/* Bytes at..at+n-1 of the float32 that a stored weight stands for; at is a multiple of four, as is n. */
static void hash_floats(const void *ctx, size_t at, size_t n, void *out)
{
    const struct weight *w = ctx;
    size_t cols = (size_t)w->cols, from = at / sizeof(float), left = n / sizeof(float);
    if (w->data16) {
        kern()->bf16_to_f32(out, w->data16 + from, left);
        return;
    }
    float *row = alloc_or_die(cols * sizeof *row), *y = out;
    for (size_t skip = from % cols; left; skip = 0, from += cols) {
        size_t part = left < cols - skip ? left : cols - skip;
        weight_rows(w, (int)(from / cols), 1, row);
        memcpy(y, row + skip, part * sizeof *y);
        y += part, left -= part;
    }
    free(row);
}

/* A sweep over all weights must not have all of their file in memory. */
static void forget_stored(const struct model *m, const struct weight *w)
{
    if (!m->file || m->file->borrowed || !w->stored) return;
    const struct stored_tensor *s = &m->stored[w - m->weights];
    if (w->stored == &s->face) stored_forget(s);
}

static void hash_weights(const struct model *m, const struct weight *list, int count, char hex[65])
{
    struct hash *h = hash_new();
    for (const struct weight *w = list; w < list + count; w++) {
        char bytes[HASH_HEX], head[ARCH_NAME_MAX + 128];
        size_t n = (size_t)w->rows * (size_t)w->cols * sizeof *w->data;
        if (w->stored)
            hash_array_by(hash_floats, w, n, bytes);
        else
            hash_array(w->data, n, bytes);
        forget_stored(m, w);
        int length = snprintf(head, sizeof head, "%s %d %d %s\n", w->name, w->rows, w->cols, bytes);
        hash_add(h, head, (size_t)length);
    }
    hash_end(h, hex);
}

void model_hash(const struct model *m, char hex[65])
{
    struct lora *l = m->lora;
    CHECK(m->data, "%s has no weights", m->path);
    if (!l) {
        hash_weights(m, m->weights, m->n_weights, hex);
        return;
    }
    if (!l->base_hash[0]) hash_weights(m, m->weights, m->n_weights, l->base_hash);
    char own[HASH_HEX];
    hash_weights(m, l->weights, l->n, own);
    struct hash *h = hash_new();
    hash_add(h, l->base_hash, HASH_HEX - 1);
    hash_add(h, own, HASH_HEX - 1);
    hash_end(h, hex);
}

/* ---- life ---------------------------------------------------------------------------------------------- */

struct model *model_shape(const struct model *m)
{
    struct model *c = alloc_zero(1, sizeof *c);
    config_copy(&c->config, &m->config);
    c->path = alloc_str(m->path);
    c->generation = m->generation ? json_deep_copy(m->generation) : NULL;
    c->n_eos = m->n_eos;
    c->eos = alloc_zero((size_t)m->n_eos + 1, sizeof *c->eos);
    memcpy(c->eos, m->eos, (size_t)m->n_eos * sizeof *c->eos);
    return c;
}

struct model *model_copy(const struct model *m)
{
    CHECK(!m->lora, "%s: a copy of a model with adapters, which can be switched off", m->path);
    struct model *c = model_shape(m);
    model_layout(c);
    memcpy(c->placed, m->placed, (size_t)m->n_weights * sizeof *c->placed);
    c->n_floats = m->n_floats;
    c->n_16 = m->n_16;
    if (m->bf16) bf16_mark(c);
    if (m->file) {
        c->file = m->file;
        c->file->users++;
        c->stored = alloc_zero((size_t)m->n_weights, sizeof *c->stored);
        memcpy(c->stored, m->stored, (size_t)m->n_weights * sizeof *c->stored);
        for (int i = 0; i < m->n_weights; i++)
            if (m->weights[i].stored) c->weights[i].stored = &c->stored[i].face;
    }
    CHECK(!m->draws, "%s: a copy of weights that are drawn", m->path);
    if (m->data) {
        c->data = alloc_floats(c->n_floats);
        memcpy(c->data, m->data, c->n_floats * sizeof *c->data);
        point_weights(c, c->data);
    }
    if (m->n_16) {
        c->data16 = alloc_large(c->n_16 * sizeof *c->data16);
        memcpy(c->data16, m->data16, c->n_16 * sizeof *c->data16);
        bf16_point(c, c->data16);
    }
    return c;
}

void model_free(struct model *m)
{
    if (!m) return;
    model_unpack(m);
    lora_free(m->lora);
    for (int i = 0; i < m->n_weights; i++) free((char *)m->weights[i].name);
    free(m->weights);
    free(m->placed);
    free(m->layers);
    free(m->plan);
    free(m->expert_weights);
    free(m->inv_freq);
    model_drop_grads(m);
    free(m->data);
    free(m->data16);
    free(m->stored);
    free(m->draws);
    tensor_file_close(m->file);
    free(m->eos);
    free(m->path);
    json_decref(m->generation);
    if (m->tokenizer && !m->views) tokenizer_free(m->tokenizer);
    free(m->views);
    held_release(m);
    config_release(&m->config);
    free(m);
}

/* ---- what others ask ----------------------------------------------------------------------------------- */

const struct model_config *model_config(const struct model *m)
{
    return &m->config;
}

struct tokenizer *model_tokenizer(struct model *m)
{
    return m->tokenizer;
}

int model_eos(const struct model *m, const int **ids)
{
    *ids = m->eos;
    return m->n_eos;
}

int model_n_weights(const struct model *m)
{
    return m->n_weights + (m->lora ? m->lora->n : 0);
}

struct weight *model_weight(struct model *m, int i)
{
    CHECK(i >= 0 && i < model_n_weights(m), "weight %d of %d", i, model_n_weights(m));
    return i < m->n_weights ? &m->weights[i] : &m->lora->weights[i - m->n_weights];
}

static bool is_matrix(const struct model *m, int i)
{
    if (i < m->n_weights) return m->placed[i].row->kind == WEIGHT_MATRIX;
    const struct lora_weight *p = &m->lora->placed[i - m->n_weights];
    return p->part == LORA_WHOLE ? is_matrix(m, p->base) : p->part != LORA_MAGNITUDE;
}

int model_weight_shape(const struct model *m, int i, int64_t shape[2])
{
    const struct weight *w = model_weight((struct model *)m, i);
    bool matrix = is_matrix(m, i);
    shape[0] = matrix ? w->rows : w->cols;
    shape[1] = matrix ? w->cols : 0;
    return matrix ? 2 : 1;
}

struct weight *model_find(struct model *m, const char *hf_name)
{
    for (int i = 0; i < model_n_weights(m); i++)
        if (!strcmp(model_weight(m, i)->name, hf_name)) return model_weight(m, i);
    return NULL;
}

int64_t model_n_params(const struct model *m)
{
    int64_t n = 0;
    for (int i = 0; i < m->n_weights; i++) n += (int64_t)m->weights[i].rows * m->weights[i].cols;
    for (int i = 0; m->lora && i < m->lora->n; i++)
        n += (int64_t)m->lora->weights[i].rows * m->lora->weights[i].cols;
    return n;
}

int64_t model_n_active(const struct model *m)
{
    int64_t n = 0;
    for (int i = 0; i < m->n_weights; i++) {
        const struct placed *p = &m->placed[i];
        bool met = p->layer < m->config.layers && (!strchr(p->row->name, '#') || p->expert < m->config.top_k);
        if (met) n += (int64_t)m->weights[i].rows * m->weights[i].cols;
    }
    return n;
}

int64_t model_n_trained(const struct model *m)
{
    int64_t n = 0;
    for (int i = 0; i < model_n_weights(m); i++) {
        const struct weight *w = model_weight((struct model *)m, i);
        if (w->grad) n += (int64_t)w->rows * w->cols;
    }
    return n;
}

bool model_stays_in_file(const struct model *m, int i, int flags)
{
    return is_matrix(m, i) && (flags & MODEL_IN_PLACE || model_holds(flags));
}

size_t model_bytes(const struct model *m, int flags)
{
    size_t bytes = m->lora ? m->lora->n_floats * sizeof(float) : 0;
    for (int i = 0; i < m->n_weights; i++) {
        const struct weight *w = &m->weights[i];
        size_t n = (size_t)w->rows * (size_t)w->cols;
        bool narrow = flags & MODEL_BF16 && is_matrix(m, i);
        bytes += model_stays_in_file(m, i, flags) ? held_bytes(m, i, flags)
                                                  : n * (narrow ? sizeof *w->data16 : sizeof *w->data);
    }
    return bytes;
}

const char *model_dtype(const struct model *m)
{
    return m->bf16 ? "bfloat16" : "float32";
}

size_t model_mapped_bytes(const struct model *m, int flags)
{
    size_t bytes = 0;
    for (int i = 0; i < m->n_weights; i++) {
        const struct dtype_info *d = dtype_info(m->placed[i].dtype);
        size_t n = (size_t)m->weights[i].rows * (size_t)m->weights[i].cols;
        if (model_stays_in_file(m, i, flags) && model_multiplies(m, i) && !held_bytes(m, i, flags))
            bytes += n / (size_t)d->block * (size_t)d->bytes;
    }
    return bytes;
}

struct kv_cache model_cache_shape(const struct model *m, int n_blocks)
{
    const struct attn *a = &m->layers[0].attn;
    return (struct kv_cache){.n_layers = m->config.layers,
                             .n_kv = a->n_kv,
                             .width = m->config.kv_rank ? a->hd : a->hd + a->vd,
                             .n_blocks = n_blocks};
}

void model_balance(struct model *m, const int64_t *load, float speed)
{
    int n = m->config.experts;
    for (int layer = 0; layer < config_all_layers(&m->config); layer++, load += n) {
        struct weight *bias = m->layers[layer].w[SLOT_ROUTER_BIAS];
        int64_t total = 0;
        for (int e = 0; e < n; e++) total += load[e];
        for (int e = 0; bias && e < n; e++) {
            int64_t over = load[e] * n - total;
            if (over != 0) bias->data[e] += over > 0 ? -speed : speed;
        }
    }
}

struct weight *model_head(struct model *m)
{
    return m->outer[SLOT_HEAD];
}
