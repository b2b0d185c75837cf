/* lora_merge.c: an adapted model as one without adapters, to be saved.
 *
 * Its matrices are views: rows of W + s B A (times m / length with a magnitude) are worked out as they are
 * asked for, from whatever form W has, so that a model of any size is merged in a few megabytes.
 */
#include <string.h>

#include "model/model_int.h"

static void view_tile(const struct stored *face, int row, int n, int col, int cols, float *out)
{
    const struct merged_view *v = (const struct merged_view *)face;
    if (cols == v->w->cols) {
        weight_adapted_rows(v->w, row, n, out);
        return;
    }
    float *whole = alloc_floats((size_t)v->w->cols);
    for (int i = 0; i < n; i++) {
        weight_adapted_rows(v->w, row + i, 1, whole);
        memcpy(out + (size_t)i * (size_t)cols, whole + col, (size_t)cols * sizeof *out);
    }
    free(whole);
}

/* Weight i of the merged model is what `from` comes to. */
static void show(struct model *merged, int i, const struct weight *from)
{
    if (merged->placed[i].row->kind != WEIGHT_MATRIX) return;
    merged->views[i] = (struct merged_view){{.tile = view_tile}, from};
    merged->weights[i].stored = &merged->views[i].face;
}

struct model *model_merged(struct model *m)
{
    bool parted = m->config.tied && m->outer[SLOT_HEAD] != m->outer[SLOT_EMBED];
    struct model *c = model_shape(m);
    if (parted) {
        c->config.tied = false;
        json_object_set_new(c->config.raw, "tie_word_embeddings", json_false());
    }
    model_layout(c);
    c->tokenizer = m->tokenizer;
    c->views = alloc_zero((size_t)c->n_weights, sizeof *c->views);
    const struct weight **from = alloc_zero((size_t)c->n_weights, sizeof *from);
    for (int i = 0, j = 0; i < c->n_weights; i++) {
        bool same = j < m->n_weights && c->placed[i].row == m->placed[j].row;
        CHECK(same || c->placed[i].row->slot == SLOT_HEAD, "%s is not in %s", c->weights[i].name, m->path);
        c->placed[i].dtype = m->placed[same ? j : 0].dtype;
        from[i] = same ? *weight_slot(m, j) : m->outer[SLOT_HEAD];
        show(c, i, from[i]);
        j += same;
    }
    int failed = model_allocate(c, NULL); /* norms and biases */
    CHECK(!failed, "%s: no memory to merge", m->path);
    for (int i = 0; i < c->n_weights; i++)
        if (!c->weights[i].stored) weight_rows(from[i], 0, c->weights[i].rows, c->weights[i].data);
    free(from);
    return c;
}
