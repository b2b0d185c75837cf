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
    size_t n = w->stored && !w->bf16 ? 0 : (size_t)w->rows * (size_t)w->cols;
    return (n + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

/* The layer that weight i belongs to, -1 if to none or to one behind the last. */
static int layer_of(const struct model *m, int i)
{
    const struct placed *p = &m->placed[i];
    return strchr(p->row->name, '*') && p->layer < m->config.layers ? p->layer : -1;
}

/* Floats of the gradients of a layer; of -1: of all that is in none. */
static size_t layer_floats(const struct model *m, int layer)
{
    size_t n = 0;
    for (int i = 0; i < m->n_weights; i++)
        if (layer_of(m, i) == layer) n += grad_floats(&m->weights[i]);
    return n;
}

static void point(struct model *m, int i, float *at)
{
    struct weight *w = &m->weights[i];
    bool fixed = m->placed[i].row->kind == WEIGHT_BUFFER;
    w->grad = at && grad_floats(w) && !fixed ? at : NULL;
}

/* Those of a layer side by side. */
static void point_layer(struct model *m, int layer, float *at)
{
    for (int i = 0; i < m->n_weights; i++) {
        if (layer_of(m, i) != layer) continue;
        point(m, i, at);
        at += grad_floats(&m->weights[i]);
    }
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
    const struct overlay *o = &m->overlay;
    if (o->grads) memset(o->grads, 0, o->before[m->config.layers] * sizeof *o->grads);
}

size_t model_grad_bytes(const struct model *m)
{
    if (m->lora) return m->lora->n_floats * sizeof *m->grad;
    return (m->overlay.before ? layer_floats(m, -1) : m->n_grads) * sizeof *m->grad;
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
    for (int i = 0; i < m->config.layers; i++) o->before[i + 1] = o->before[i] + layer_floats(m, i);
}

void model_overlay_place(struct model *m, const struct arena *a)
{
    struct overlay *o = &m->overlay;
    if (!o->before) return;
    CHECK(o->begin && m->data, "%s: no pass was planned", m->path);
    free(m->grad);
    m->n_grads = layer_floats(m, -1);
    m->grad = alloc_floats(m->n_grads);
    point_layer(m, -1, m->grad);
    o->grads = arena_at(a, o->begin);
    for (int layer = 0; layer < m->config.layers; layer++) point_layer(m, layer, o->grads + o->before[layer]);
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
