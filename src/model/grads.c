/* grads.c: gradients of a model's weights, and where they lie.
 *
 * In one block in the order of the weights; so clearing them is one sweep. Where a step makes one recorded
 * pass, those of the layers can lie over activations instead ("overlaid"). Backward goes from the last layer
 * to the first, and when it comes to layer i, nothing is wanted any more of what the layers behind it kept.
 * So in step memory
 *
 *     forward:    activations of layer 0 | of layer 1 | ... | of the last one |
 *     backward:   ...   | gradients of layer 0 | ... | of the last one | what backward makes
 *
 * the gradients of layer i may begin where the activations of layer i end, and are cleared when backward
 * comes to it. A layer's activations being larger than its gradients, these take the memory of one layer
 * only. Where they begin, and where step memory goes on behind them, is learned from a plan of the largest
 * pass: in a smaller one every layer ends earlier. They are gone when the next pass begins.
 */
#include <string.h>

#include "base/check.h"
#include "base/machine.h"
#include "model/model_int.h"

/* Its place in the block: none where it lies elsewhere. */
static size_t grad_floats(const struct weight *w)
{
    return w->stored && !w->bf16 ? 0 : block_floats(w);
}

/* The layer that weight i belongs to, -1 if to none or to one behind the last. */
static int layer_of(const struct model *m, int i)
{
    const struct placed *p = &m->placed[i];
    return strchr(p->row->name, '*') && p->layer < m->config.layers ? p->layer : -1;
}

static void point(struct model *m, int i, float *at)
{
    struct weight *w = &m->weights[i];
    bool fixed = m->placed[i].row->kind == WEIGHT_BUFFER;
    w->grad = at && grad_floats(w) && !fixed ? at : NULL;
}

/* Of all layers, where they lie over activations or are going to. */
static size_t overlaid_floats(const struct model *m)
{
    return m->overlay.before ? m->overlay.before[m->config.layers] : 0;
}

void model_drop_grads(struct model *m)
{
    if (m->data)
        free(m->grad);
    else
        address_release(m->grad, m->n_grads * sizeof *m->grad);
    m->grad = NULL;
    free(m->overlay.before);
    m->overlay = (struct overlay){0};
}

void model_train(struct model *m, bool on)
{
    model_drop_grads(m);
    m->n_grads = 0;
    for (int i = 0; i < m->n_weights; i++) m->n_grads += grad_floats(&m->weights[i]);
    if (on && !m->lora)
        m->grad = m->data ? alloc_floats(m->n_grads) : address_reserve(m->n_grads * sizeof *m->grad);
    float *at = m->grad;
    for (int i = 0; i < m->n_weights; i++) {
        point(m, i, at);
        if (at) at += grad_floats(&m->weights[i]);
    }
    if (m->lora) lora_train(m->lora, on);
}

void model_freeze_further(struct model *m)
{
    for (int i = 0; i < m->n_weights; i++)
        if (m->placed[i].layer >= m->config.layers) m->weights[i].grad = NULL;
}

void model_clear_grad(struct model *m)
{
    float *grad = m->lora ? m->lora->grad : m->grad;
    CHECK(grad, "%s has no gradients", m->path);
    memset(grad, 0, (m->lora ? m->lora->n_floats : m->n_grads) * sizeof *grad);
}

void model_zero_grad(struct model *m)
{
    model_clear_grad(m);
    if (m->overlay.grads) memset(m->overlay.grads, 0, overlaid_floats(m) * sizeof *m->overlay.grads);
}

size_t model_grad_bytes(const struct model *m)
{
    if (m->lora) return m->lora->n_floats * sizeof *m->grad;
    return (m->overlay.grads ? m->n_grads : m->n_grads - overlaid_floats(m)) * sizeof *m->grad;
}

/* ---- overlaid ------------------------------------------------------------------------------------------ */

void model_overlay(struct model *m, bool on)
{
    struct overlay *o = &m->overlay;
    CHECK(!o->grads, "%s: gradients lie over activations already", m->path);
    free(o->before);
    *o = (struct overlay){0};
    if (!on || m->lora) return;
    o->before = alloc_zero((size_t)m->config.layers + 1, sizeof *o->before);
    for (int i = 0; i < m->n_weights; i++)
        if (layer_of(m, i) >= 0) o->before[layer_of(m, i) + 1] += grad_floats(&m->weights[i]);
    for (int i = 0; i < m->config.layers; i++) o->before[i + 1] += o->before[i];
}

void model_overlay_place(struct model *m, const struct arena *a)
{
    struct overlay *o = &m->overlay;
    if (!o->before) return;
    CHECK(o->begin && m->data, "%s: no pass was planned", m->path);
    free(m->grad);
    m->n_grads -= overlaid_floats(m);
    m->grad = alloc_floats(m->n_grads);
    o->grads = arena_at(a, o->begin);
    float *outer = m->grad, **next = alloc_zero((size_t)m->config.layers, sizeof *next);
    for (int i = 0; i < m->config.layers; i++) next[i] = o->grads + o->before[i];
    for (int i = 0; i < m->n_weights; i++) {
        float **at = layer_of(m, i) < 0 ? &outer : &next[layer_of(m, i)];
        point(m, i, *at);
        *at += grad_floats(&m->weights[i]);
    }
    free(next);
}

/* Backward has come to a layer. */
static void clear_layer(void *model, int layer)
{
    const struct overlay *o = &((const struct model *)model)->overlay;
    memset(o->grads + o->before[layer], 0, (o->before[layer + 1] - o->before[layer]) * sizeof *o->grads);
}

void overlay_layer(struct model *m, struct tape *t, int layer)
{
    struct overlay *o = &m->overlay;
    size_t end = arena_here(tape_arena(t)).used, before = o->before[layer] * sizeof *o->grads;
    if (!o->grads) { /* a plan */
        if (layer == 0) o->begin = 0;
        if (end > before && end - before > o->begin) o->begin = end - before;
    }
    CHECK(end <= o->begin + before, "layer %d ends at %zu, its gradients begin at %zu", layer, end,
          o->begin + before);
    tape_at_return(t, clear_layer, m, layer);
    if (layer < m->config.layers - 1) return;
    struct arena *a = tape_arena(t);
    size_t last = o->begin + o->before[layer + 1] * sizeof *o->grads;
    if (end < o->begin) {
        if (o->grads)
            arena_leave(a, o->begin - end);
        else
            arena_alloc(a, o->begin - end); /* memory is taken for the largest pass */
        end = o->begin;
    }
    if (end < last) arena_alloc(a, last - end);
}
