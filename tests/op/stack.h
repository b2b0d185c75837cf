/* stack.h: a small model in the shape of Llama, made of the ops, for tests of what ops do together. */
#ifndef TESTS_OP_STACK_H
#define TESTS_OP_STACK_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/rng.h"
#include "kern/kern.h"
#include "op/op.h"

enum { STACK_LAYER_WEIGHTS = 10, STACK_LAYERS_MAX = 32, STACK_HALF_MAX = 64 };

struct stack_shape {
    int layers, d, heads, kv, hd, inter, vocab;
};

struct stack_layer {
    struct weight norm1, q, k, v, o, norm2, gate, up, down, v_bias;
};

struct stack {
    struct stack_shape s;
    struct weight embed, norm;
    struct stack_layer layer[STACK_LAYERS_MAX];
    double inv_freq[STACK_HALF_MAX];
    struct rope rope;
    int n_weights;
    struct weight *weights[STACK_LAYERS_MAX * STACK_LAYER_WEIGHTS + 2];
    /* the batch at hand and the layer a checkpoint runs */
    const struct batch *batch;
    struct stack_step {
        struct stack *m;
        int layer;
    } steps[STACK_LAYERS_MAX];
};

static inline void stack_weight(struct stack *m, struct weight *w, int rows, int cols)
{
    size_t n = (size_t)rows * (size_t)cols;
    *w = (struct weight){.name = "w", .rows = rows, .cols = cols};
    w->data = alloc_floats(n);
    w->grad = alloc_floats(n);
    rng_normal(&(struct rng_at){.seed = 7, .purpose = RNG_INIT, .step = (uint32_t)m->n_weights}, w->data, n,
               rows == 1 ? 1 : 0, rows == 1 ? 0.1F : 1 / sqrtf((float)cols));
    m->weights[m->n_weights++] = w;
}

static inline struct stack *stack_new(const struct stack_shape *s)
{
    struct stack *m = alloc_zero(1, sizeof *m);
    m->s = *s;
    stack_weight(m, &m->embed, s->vocab, s->d);
    for (int i = 0; i < s->layers; i++) {
        struct stack_layer *l = &m->layer[i];
        stack_weight(m, &l->norm1, 1, s->d);
        stack_weight(m, &l->q, s->heads * s->hd, s->d);
        stack_weight(m, &l->k, s->kv * s->hd, s->d);
        stack_weight(m, &l->v, s->kv * s->hd, s->d);
        stack_weight(m, &l->v_bias, 1, s->kv * s->hd);
        stack_weight(m, &l->o, s->d, s->heads * s->hd);
        stack_weight(m, &l->norm2, 1, s->d);
        stack_weight(m, &l->gate, s->inter, s->d);
        stack_weight(m, &l->up, s->inter, s->d);
        stack_weight(m, &l->down, s->d, s->inter);
        m->steps[i] = (struct stack_step){m, i};
    }
    stack_weight(m, &m->norm, 1, s->d);
    for (int i = 0; i < s->hd / 2; i++) m->inv_freq[i] = (double)powf(10000, -2.0F * (float)i / (float)s->hd);
    m->rope = (struct rope){.hd = s->hd, .inv_freq = m->inv_freq, .attn_factor = 1};
    return m;
}

static inline void stack_free(struct stack *m)
{
    for (int i = 0; i < m->n_weights; i++) {
        weight_unpack(m->weights[i]);
        free(m->weights[i]->data);
        free(m->weights[i]->grad);
    }
    free(m);
}

static inline void stack_pack(struct stack *m)
{
    for (int i = 0; i < m->n_weights; i++)
        if (m->weights[i]->rows > 1) weight_pack(m->weights[i]);
}

static inline void stack_zero(struct stack *m)
{
    for (int i = 0; i < m->n_weights; i++) {
        struct weight *w = m->weights[i];
        memset(w->grad, 0, (size_t)w->rows * (size_t)w->cols * sizeof(float));
    }
}

static inline struct tensor *stack_block(struct tape *t, struct tensor *x, void *ctx)
{
    const struct stack_step *at = ctx;
    struct stack *m = at->m;
    struct stack_layer *l = &m->layer[at->layer];
    struct attn a = {.n_heads = m->s.heads, .n_kv = m->s.kv, .hd = m->s.hd, .vd = m->s.hd};
    a.layer = at->layer;
    a.scale = 1 / sqrtf((float)m->s.hd);
    struct tensor *h = op_rmsnorm_fleeting(t, x, &l->norm1, 1e-5F);
    struct tensor *q = op_linear_run(t, h, &l->q, NULL), *k = op_linear_run(t, h, &l->k, NULL);
    struct tensor *v = op_linear_run(t, h, &l->v, &l->v_bias);
    q = op_rope_run(t, q, m->batch, &m->rope);
    k = op_rope_run(t, k, m->batch, &m->rope);
    struct tensor *o = op_attention_run(t, (struct tensor *[3]){q, k, v}, m->batch, &a);
    x = op_add_run(t, x, op_linear_run(t, o, &l->o, NULL));
    h = op_rmsnorm_fleeting(t, x, &l->norm2, 1e-5F);
    struct tensor *g = op_linear_run(t, h, &l->gate, NULL), *u = op_linear_run(t, h, &l->up, NULL);
    return op_add_run(t, x, op_linear_run(t, op_swiglu_run(t, g, u), &l->down, NULL));
}

static inline struct tensor *stack_forward(struct tape *t, struct stack *m, const struct batch *b,
                                           bool checkpoint)
{
    m->batch = b;
    struct tensor *x = op_embed_run(t, &m->embed, b->tokens, b->n_rows);
    for (int i = 0; i < m->s.layers; i++)
        x = checkpoint ? tape_checkpoint(t, stack_block, x, &m->steps[i]) : stack_block(t, x, &m->steps[i]);
    return op_rmsnorm_run(t, x, &m->norm, 1e-5F);
}

/* Log-probability of every next token, and its gradient with weights that differ from row to row. The tape
 * must have been started, recording. */
static inline struct head_out stack_step(struct tape *t, struct stack *m, const struct batch *b,
                                         const struct head_rows *rows, bool checkpoint)
{
    struct tensor *x = stack_forward(t, m, b, checkpoint);
    struct head_out out = op_head_run(t, x, &m->embed, rows);
    float *g = tape_seed(t, out.logp), *e = tape_seed(t, out.entropy);
    for (int i = 0; !tape_planning(t) && i < rows->n; i++) {
        g[i] = -1.0F / (float)(i % 7 + 1);
        e[i] = (float)(i % 3) * 0.01F;
    }
    tape_backward(t);
    return out;
}

/* Tokens, and rows 0..n-2 with the next token as target. */
static inline void stack_tokens(int *tokens, int n, int vocab)
{
    for (int i = 0; i < n; i++)
        tokens[i] =
            (int)rng_below(&(struct rng_at){.purpose = RNG_TEST, .position = (uint32_t)i}, (uint32_t)vocab);
}

#endif
