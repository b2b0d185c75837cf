/* block.c: the forward pass. There is no other.
 *
 *   x = embed[token]
 *   per layer:  x = x + O Attn(rope(Q h), rope(K h), V h),  h = norm(x)
 *               x = x + Down(silu(Gate h) * Up h),          h = norm(x)
 *   result:     norm(x)
 *
 * Which weights there are is the description's business (model_int.h), and with some of them come further
 * steps: norms of each head of Q h and K h, a norm of what is added to x, or other parts: latent attention, a
 * mixture of experts. The batch says where each row
 * stands, what it attends to and whether keys and values go through a cache, so training, scoring, prefill
 * and decoding are this one course of ops and give the same bits.
 */
#include <string.h>

#include "base/fmath.h"
#include "model/model_int.h"

/* The linear layers of these slots. */
static void linears(struct tape *t, struct tensor *x, const struct block_ctx *c, const enum arch_slot *slots,
                    int n, struct tensor **y)
{
    const struct layer *l = &c->model->layers[c->layer];
    struct linear_of of[MATMULS_MOST];
    for (int i = 0; i < n; i++)
        of[i] = (struct linear_of){l->w[slots[i]], l->w[slots[i] + 1]}; /* its bias has the next slot */
    op_linears_run(t, x, of, n, c->batch, y);
}

static struct tensor *linear(struct tape *t, struct tensor *x, const struct block_ctx *c, enum arch_slot slot)
{
    struct tensor *y;
    linears(t, x, c, &slot, 1, &y);
    return y;
}

/* x where the description has no such norm. */
static struct tensor *norm(struct tape *t, struct tensor *x, const struct model *m, struct weight *w)
{
    return w ? op_rmsnorm_run(t, x, w, m->config.rms_eps) : x;
}

/* What linear layers (and experts) read. */
static struct tensor *norm_in(struct tape *t, struct tensor *x, const struct model *m, struct weight *w)
{
    return op_rmsnorm_fleeting(t, x, w, m->config.rms_eps);
}

/* Latent attention (DeepSeek-AI 2024, "DeepSeek-V2"): c = norm(A h) stands for the keys and values of all
 * heads, k_h = (K_h c, turned part), v_h = V_h c. Scores and mixing are done on c itself, with K_h brought to
 * the queries and V_h to the result:
 *   q_h.k_h = (q_h K_h).c + turned parts,   sum p v_h = V_h (sum p c)
 * In training too, so that a token decoded from a cache of c has the bits of the whole forward. Against
 * expanded keys and values, a pair of positions costs kv_rank rather than head_dim; nothing is expanded. */
static struct tensor *latent_attention(struct tape *t, struct tensor *h, const struct block_ctx *c)
{
    const struct model_config *f = &c->model->config;
    const struct layer *l = &c->model->layers[c->layer];
    const float eps = 1e-6F; /* whatever rms_norm_eps is */
    struct tensor *q = linear(t, h, c, f->q_rank ? SLOT_Q_A : SLOT_Q), *qkv[3] = {0};
    if (f->q_rank) q = linear(t, op_rmsnorm_fleeting(t, q, l->w[SLOT_Q_A_NORM], eps), c, SLOT_Q_B);
    struct tensor *kv = linear(t, h, c, SLOT_KV_A);
    struct tensor *latent = op_slice_run(t, kv, 1, 0, f->kv_rank);
    latent = op_rmsnorm_run(t, latent, l->w[SLOT_KV_A_NORM], eps);
    struct tensor *turned = op_slice_run(t, kv, 1, f->kv_rank, f->rope_dim);
    qkv[1] = op_join_run(t, latent, op_rope_run(t, turned, c->batch, l->rope), 1);
    struct headwise keys = {.w = l->w[SLOT_KV_B], .heads = f->heads, .n = f->nope_dim}, values = keys;
    struct tensor *plain = op_headwise_run(t, q, &keys);
    turned = op_slice_run(t, q, f->heads, f->nope_dim, f->rope_dim);
    qkv[0] = op_join_run(t, plain, op_rope_run(t, turned, c->batch, l->rope), f->heads);
    values.first = f->nope_dim, values.n = f->value_dim, values.across = true;
    struct tensor *y = op_attention_run(t, qkv, c->batch, &l->attn);
    return linear(t, op_headwise_run(t, y, &values), c, SLOT_O);
}

static struct tensor *attention(struct tape *t, struct tensor *x, const struct block_ctx *c)
{
    struct model *m = c->model;
    const struct layer *l = &m->layers[c->layer];
    struct tensor *h = norm_in(t, x, m, l->w[SLOT_ATTN_NORM]);
    if (l->w[SLOT_KV_A]) return latent_attention(t, h, c);
    static const enum arch_slot slots[] = {SLOT_Q, SLOT_K, SLOT_V};
    struct tensor *qkv[3];
    linears(t, h, c, slots, 3, qkv);
    qkv[0] = norm(t, qkv[0], m, l->w[SLOT_Q_NORM]);
    qkv[1] = norm(t, qkv[1], m, l->w[SLOT_K_NORM]);
    if (l->rope) {
        qkv[0] = op_rope_run(t, qkv[0], c->batch, l->rope);
        qkv[1] = op_rope_run(t, qkv[1], c->batch, l->rope);
    }
    struct tensor *y = linear(t, op_attention_run(t, qkv, c->batch, &l->attn), c, SLOT_O);
    return norm(t, y, m, l->w[SLOT_ATTN_POST_NORM]);
}

static struct tensor *gated(struct tape *t, struct tensor *h, const struct block_ctx *c, enum arch_slot gate,
                            enum arch_slot up, enum arch_slot down)
{
    struct tensor *g[2];
    linears(t, h, c, (const enum arch_slot[]){gate, up}, 2, g);
    struct tensor *y = (c->model->config.arch->gelu ? op_geglu_run : op_swiglu_run)(t, g[0], g[1]);
    return linear(t, y, c, down);
}

/* What the batch's record wants to know of a routing; the balance loss is tied to y. */
static struct tensor *note_routing(struct tape *t, struct tensor *y, struct tensor *z,
                                   const struct routing *r, const struct block_ctx *c)
{
    struct moe_record *record = c->batch->moe;
    size_t n = (size_t)r->n_experts, slots = (size_t)y->rows * (size_t)r->gates->cols;
    struct tensor *loss = op_balance_run(t, z, c->batch, &c->model->route);
    if (!tape_planning(t)) {
        int64_t *load = record->load + (size_t)c->layer * n;
        memset(load, 0, n * sizeof *load);
        for (size_t i = 0; i < slots; i++) load[r->experts[i]]++;
        record->loss[c->layer] = 0;
        for (int i = 0; i < loss->rows; i++) record->loss[c->layer] += (double)loss->data[i];
    }
    return record->factor != 0 ? op_balance_tie(t, y, loss, record->factor) : y;
}

static struct tensor *mixture(struct tape *t, struct tensor *h, const struct block_ctx *c)
{
    struct model *m = c->model;
    const struct layer *l = &m->layers[c->layer];
    size_t n = (size_t)m->config.experts;
    struct experts e = {(int)n, l->expert_weights, l->expert_weights + n, l->expert_weights + 2 * n};
    struct tensor *z = op_linear_of_batch(t, h, l->w[SLOT_ROUTER], NULL, c->batch);
    struct routing r = op_route_run(t, z, l->w[SLOT_ROUTER_BIAS], &m->route);
    struct tensor *y = op_experts_run(t, h, &r, &e);
    if (l->w[SLOT_SHARED_GATE])
        y = op_add_run(t, y, gated(t, h, c, SLOT_SHARED_GATE, SLOT_SHARED_UP, SLOT_SHARED_DOWN));
    return c->batch->moe ? note_routing(t, y, z, &r, c) : y;
}

static struct tensor *mlp(struct tape *t, struct tensor *x, const struct block_ctx *c)
{
    struct model *m = c->model;
    const struct layer *l = &m->layers[c->layer];
    struct tensor *h = norm_in(t, x, m, l->w[SLOT_MLP_NORM]);
    struct tensor *y = l->w[SLOT_ROUTER] ? mixture(t, h, c) : gated(t, h, c, SLOT_GATE, SLOT_UP, SLOT_DOWN);
    return norm(t, y, m, l->w[SLOT_MLP_POST_NORM]);
}

static struct tensor *block(struct tape *t, struct tensor *x, void *ctx)
{
    x = op_add_run(t, x, attention(t, x, ctx));
    return op_add_run(t, x, mlp(t, x, ctx));
}

/* x through layer i. When nothing is recorded the checkpoint frees at once what the layer made. */
static struct tensor *run_layer(struct model *m, struct tape *t, struct tensor *x, struct block_ctx c,
                                bool checkpoint)
{
    struct block_ctx *kept = arena_alloc(tape_arena(t), sizeof *kept);
    if (tape_planning(t)) kept = &m->plan[c.layer];
    *kept = c;
    bool whole = tape_recording(t) && !checkpoint;
    return whole ? block(t, x, kept) : tape_checkpoint(t, block, x, kept);
}

struct tensor *model_forward(struct model *m, struct tape *t, const struct batch *b, bool checkpoint)
{
    CHECK(m->data || tape_planning(t), "%s has no weights", m->path);
    if (b->aside) tape_aside_begin(t, b->aside);
    struct tensor *x = op_embed_run(t, m->outer[SLOT_EMBED], b->tokens, b->n_rows);
    if (m->config.arch->scaled_embedding) x = op_scale_run(t, x, (float)fm_sqrt(m->config.hidden));
    if (b->noise) x = op_noise_run(t, x, b);
    for (int i = 0; i < m->config.layers; i++) {
        x = run_layer(m, t, x, (struct block_ctx){m, b, i}, checkpoint);
        if (m->overlay.before && tape_recording(t)) overlay_layer(m, t, i);
    }
    x = norm(t, x, m, m->outer[SLOT_FINAL_NORM]);
    if (b->aside) tape_aside_end(t);
    return x;
}

struct activations *model_activations(struct model *m)
{
    if (m->config.experts) return NULL;
    static const struct span span = {0, 1, 0, -1, NULL};
    static const int token;
    struct arena arena;
    arena_init_plan(&arena);
    struct tape *t = tape_new(&arena);
    struct aside to = {.of = activations_new(), .n = 1};
    tape_start(t, false);
    model_forward(m, t,
                  &(struct batch){.n_rows = 1, .tokens = &token, .n_spans = 1, .spans = &span, .aside = &to},
                  true);
    tape_free(t);
    arena_release(&arena);
    return to.of;
}

struct tensor *model_forward_further(struct model *m, struct tape *t, const struct further *f,
                                     bool checkpoint)
{
    CHECK(f->k >= 0 && f->k < m->config.mtp, "module %d of %d", f->k, m->config.mtp);
    struct block_ctx c = {m, f->batch, m->config.layers + f->k};
    const struct layer *l = &m->layers[c.layer];
    struct tensor *e = op_embed_run(t, m->outer[SLOT_EMBED], f->next, f->batch->n_rows);
    e = norm(t, e, m, l->w[SLOT_MTP_EMBED_NORM]);
    struct tensor *h = norm(t, f->hidden, m, l->w[SLOT_MTP_HIDDEN_NORM]);
    struct tensor *x = linear(t, op_join_run(t, e, h, 1), &c, SLOT_MTP_JOIN);
    return norm(t, run_layer(m, t, x, c, checkpoint), m, l->w[SLOT_MTP_FINAL_NORM]);
}
