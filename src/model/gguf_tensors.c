/* gguf_tensors.c: a model's weights as the tensors of a GGUF file: what is in which, what order, what type.
 *
 * A matrix is a tensor, but for three kinds:
 *   rotary   where the architecture asks for it, the rows of each head of q and k interleave RoPE's pairs
 *            (stored.c)
 *   experts  a layer's lie one after another in three tensors [experts, rows, cols]: gate, up and down
 *   kv_b     of latent attention is two: attn_k_b [heads, kv_rank, nope_dim], in which each head's rows for
 *            keys are turned over, and attn_v_b [heads, value_dim, kv_rank]; so llama.cpp since April 2025
 *
 * Norms, biases and routers are float32. Other matrices follow the format asked for; q4_k_m mixes as
 * llama.cpp's does: Q6_K for the output matrix, and for the values and the down projections of the first and
 * last eighth of the layers and every third between, Q4_K for the rest. Rows that a type's blocks do not
 * divide take a simpler type.
 */
#include <string.h>

#include "model/model_int.h"

/* ---- types --------------------------------------------------------------------------------------------- */

/* The layers whose values and down projections are worth more bits. */
static bool wants_bits(int layer, int layers)
{
    int eighth = layers / 8;
    return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
}

/* The type itself, or a simpler one whose blocks divide the rows. */
static enum dtype fitting(enum dtype type, int cols)
{
    if (cols % dtype_info(type)->block == 0) return type;
    if (type == DT_Q4_K) return fitting(DT_Q5_0, cols);
    if (type == DT_Q6_K) return fitting(DT_Q8_0, cols);
    return DT_F16;
}

/* For a matrix whose rows in the file have so many columns. */
static enum dtype type_of(const struct model *m, int i, const struct gguf_format *f, int cols)
{
    const struct placed *p = &m->placed[i];
    const struct weight *w = &m->weights[i];
    enum arch_slot slot = p->row->slot;
    if (p->row->kind != WEIGHT_MATRIX || slot == SLOT_ROUTER) return DT_F32;
    if (f->how == GGUF_KEEP) return p->dtype == DT_F16 || p->dtype == DT_BF16 ? p->dtype : DT_F32;
    bool often = slot == SLOT_V || slot == SLOT_KV_B || slot == SLOT_DOWN || slot == SLOT_EXPERT_DOWN ||
                 slot == SLOT_SHARED_DOWN;
    bool more =
        f->how == GGUF_MIX && (often ? wants_bits(p->layer, m->config.layers) : w == m->outer[SLOT_HEAD]);
    return fitting(more ? DT_Q6_K : f->type, cols);
}

/* ---- rows that are not simply the weight's ------------------------------------------------------------- */

/* The row of the weight that stands in row `row` of a file which interleaves the pairs of each head: the
 * inverse of rotary_row. */
static int rotary_row_back(int row, int head_dim)
{
    int in_head = row % head_dim;
    return row - in_head + in_head % 2 * (head_dim / 2) + in_head / 2;
}

static void rotary_rows(const struct tensor_source *s, int row, int n, float *x)
{
    int cols = s->weight->cols;
    if (s->weight->rows == 1) /* a bias's elements count as rows of one */
        for (int i = 0; i < cols; i++) x[i] = s->weight->data[rotary_row_back(i, s->head_dim)];
    else
        for (int i = 0; i < n; i++)
            weight_rows(s->weight, rotary_row_back(row + i, s->head_dim), 1, x + (size_t)i * (size_t)cols);
}

static void expert_rows(const struct tensor_source *s, int row, int n, float *x)
{
    int rows = s->weight->rows;
    for (int run; n > 0; row += run, n -= run, x += (size_t)run * (size_t)s->weight->cols) {
        run = n < rows - row % rows ? n : rows - row % rows;
        weight_rows(s->experts[row / rows], row % rows, run, x);
    }
}

/* Row c of head h has column c of the head's rows for keys. */
static void key_rows(const struct tensor_source *s, int row, int n, float *x)
{
    int rank = s->weight->cols, stride = s->n_keys + s->n_values;
    float *w = alloc_floats((size_t)rank);
    for (int run; n > 0; row += run, n -= run, x += (size_t)run * (size_t)s->n_keys) {
        int head = row / rank, col = row % rank;
        run = n < rank - col ? n : rank - col;
        for (int j = 0; j < s->n_keys; j++) {
            weight_rows(s->weight, head * stride + j, 1, w);
            for (int i = 0; i < run; i++) x[(size_t)i * (size_t)s->n_keys + (size_t)j] = w[col + i];
        }
    }
    free(w);
}

static void value_rows(const struct tensor_source *s, int row, int n, float *x)
{
    for (int i = 0; i < n; i++) {
        int head = (row + i) / s->n_values, at = (row + i) % s->n_values;
        weight_rows(s->weight, head * (s->n_keys + s->n_values) + s->n_keys + at, 1,
                    x + (size_t)i * (size_t)s->weight->cols);
    }
}

/* ---- tensors ------------------------------------------------------------------------------------------- */

static struct tensor_out plain_tensor(const struct model *m, int i, const struct gguf_format *f)
{
    const struct weight *w = &m->weights[i];
    const struct placed *p = &m->placed[i];
    struct tensor_out t = {.name = arch_name(p->row->gguf, p->layer, p->expert)};
    t.n_dims = model_weight_shape(m, i, t.shape);
    t.dtype = type_of(m, i, f, w->cols);
    t.source = (struct tensor_source){.n = (size_t)w->rows * (size_t)w->cols, .weight = w};
    t.source.plus_one = w->plus_one;
    if (!m->config.arch->gguf_permuted || !p->row->rotary) return t;
    t.source.rows = rotary_rows;
    t.source.head_dim = m->config.head_dim;
    return t;
}

/* All experts' matrices like this one, which is the first expert's. */
static struct tensor_out expert_tensor(const struct model *m, int i, const struct gguf_format *f)
{
    const struct placed *p = &m->placed[i];
    int n = m->config.experts;
    struct tensor_out t = plain_tensor(m, i, f);
    t.source.experts = m->layers[p->layer].expert_weights + (p->row->slot - SLOT_EXPERT_GATE) * n;
    t.source.rows = expert_rows;
    t.source.n *= (size_t)n;
    t.n_dims = 3;
    t.shape[2] = t.shape[1], t.shape[1] = t.shape[0], t.shape[0] = n;
    for (int k = 0; k < n && f->how == GGUF_KEEP; k++)
        if (m->placed[t.source.experts[k] - m->weights].dtype != p->dtype) t.dtype = DT_F32;
    return t;
}

static struct tensor_out latent_tensor(const struct model *m, int i, const struct gguf_format *f, bool keys)
{
    const struct model_config *c = &m->config;
    const struct weight *w = &m->weights[i];
    int rows = keys ? c->kv_rank : c->value_dim, cols = keys ? c->nope_dim : c->kv_rank;
    struct tensor_out t = {.name = arch_name(keys ? GGUF_KEYS : GGUF_VALUES, m->placed[i].layer, 0),
                           .dtype = type_of(m, i, f, cols),
                           .n_dims = 3,
                           .shape = {c->heads, rows, cols}};
    t.source =
        (struct tensor_source){.weight = w, .cols = cols, .n_keys = c->nope_dim, .n_values = c->value_dim};
    t.source.n = (size_t)c->heads * (size_t)rows * (size_t)cols;
    t.source.rows = keys ? key_rows : value_rows;
    return t;
}

struct tensor_out *gguf_tensors(const struct model *m, const struct gguf_format *f, int *n)
{
    /* room for kv_b as two, and one more for the caller's own */
    struct tensor_out *t = alloc_zero((size_t)m->n_weights + (size_t)m->config.layers + 1, sizeof *t);
    *n = 0;
    for (int i = 0; i < m->n_weights; i++) {
        const struct placed *p = &m->placed[i];
        bool expert = strchr(p->row->name, '#') != NULL;
        if (p->layer >= m->config.layers || p->expert > 0) continue;
        if (p->row->slot == SLOT_KV_B) {
            t[(*n)++] = latent_tensor(m, i, f, true);
            t[(*n)++] = latent_tensor(m, i, f, false);
        } else {
            t[(*n)++] = (expert ? expert_tensor : plain_tensor)(m, i, f);
        }
    }
    return t;
}
