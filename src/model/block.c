/* block.c: the forward pass. There is no other.
 *
 *   x = embed[token]
 *   per layer:  x = x + O Attn(rope(Q h), rope(K h), V h),  h = norm(x)
 *               x = x + Down(silu(Gate h) * Up h),          h = norm(x)
 *   result:     norm(x)
 *
 * Which weights there are is the description's business (model_int.h), and with some of them come further
 * steps: norms of each head of Q h and K h, a norm of what is added to x. The batch says where each row
 * stands, what it attends to and whether keys and values go through a cache, so training, scoring, prefill
 * and decoding are this one course of ops and give the same bits.
 */
#include "base/fmath.h"
#include "model/model_int.h"

static struct tensor *linear(struct tape *t, struct tensor *x, const struct layer *l, enum arch_slot slot)
{
    return op_linear_run(t, x, l->w[slot], l->w[slot + 1]); /* a matrix's bias has the next slot */
}

/* x where the description has no such norm. */
static struct tensor *norm(struct tape *t, struct tensor *x, const struct model *m, struct weight *w)
{
    return w ? op_rmsnorm_run(t, x, w, m->config.rms_eps) : x;
}

static struct tensor *attention(struct tape *t, struct tensor *x, const struct block_ctx *c)
{
    struct model *m = c->model;
    const struct layer *l = &m->layers[c->layer];
    struct tensor *h = norm(t, x, m, l->w[SLOT_ATTN_NORM]);
    struct tensor
        *qkv[3]; /* one statement each: the order of the nodes is the order of the gradient's sums */
    qkv[0] = linear(t, h, l, SLOT_Q);
    qkv[1] = linear(t, h, l, SLOT_K);
    qkv[2] = linear(t, h, l, SLOT_V);
    qkv[0] = norm(t, qkv[0], m, l->w[SLOT_Q_NORM]);
    qkv[1] = norm(t, qkv[1], m, l->w[SLOT_K_NORM]);
    if (l->rope) {
        qkv[0] = op_rope_run(t, qkv[0], c->batch, l->rope);
        qkv[1] = op_rope_run(t, qkv[1], c->batch, l->rope);
    }
    struct tensor *y = linear(t, op_attention_run(t, qkv, c->batch, &l->attn), l, SLOT_O);
    return norm(t, y, m, l->w[SLOT_ATTN_POST_NORM]);
}

static struct tensor *mlp(struct tape *t, struct tensor *x, const struct block_ctx *c)
{
    struct model *m = c->model;
    const struct layer *l = &m->layers[c->layer];
    struct tensor *h = norm(t, x, m, l->w[SLOT_MLP_NORM]);
    struct tensor *gate = linear(t, h, l, SLOT_GATE), *up = linear(t, h, l, SLOT_UP);
    struct tensor *gated = (m->config.arch->gelu ? op_geglu_run : op_swiglu_run)(t, gate, up);
    return norm(t, linear(t, gated, l, SLOT_DOWN), m, l->w[SLOT_MLP_POST_NORM]);
}

static struct tensor *block(struct tape *t, struct tensor *x, void *ctx)
{
    x = op_add_run(t, x, attention(t, x, ctx));
    return op_add_run(t, x, mlp(t, x, ctx));
}

struct tensor *model_forward(struct model *m, struct tape *t, const struct batch *b, bool checkpoint)
{
    CHECK(m->data || tape_planning(t), "%s has no weights", m->path);
    struct tensor *x = op_embed_run(t, m->outer[SLOT_EMBED], b->tokens, b->n_rows);
    if (m->config.arch->scaled_embedding) x = op_scale_run(t, x, (float)fm_sqrt(m->config.hidden));
    for (int i = 0; i < m->config.layers; i++) {
        struct block_ctx *c = arena_alloc(tape_arena(t), sizeof *c);
        if (tape_planning(t)) c = &m->plan[i];
        *c = (struct block_ctx){m, b, i};
        /* When nothing is recorded the checkpoint frees at once what the layer made. */
        bool whole = tape_recording(t) && !checkpoint;
        x = whole ? block(t, x, c) : tape_checkpoint(t, block, x, c);
    }
    return norm(t, x, m, m->outer[SLOT_FINAL_NORM]);
}
