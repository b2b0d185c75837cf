/* bf16.c: a model whose numbers are bfloat16's and may learn all the same: half the memory of float32.
 *
 * Matrices lie in one block of 16-bit numbers, row by row, and are read as one would be that stayed in a file
 * of that type (stored.c): products give the same bits as with the same numbers in float32. Norms and biases
 * are read by many ops, so they stay float32 in memory, with the values that bfloat16 has: a folder of
 * BF16 tensors keeps all of it exactly. A router's correction is float32, as it is in published files.
 *
 * Where numbers change is where they are rounded: to the nearest when they are read or drawn
 * (weight_set_rows), stochastically by the optimiser.
 */
#include "model/model_int.h"

enum { ALIGN_NUMBERS = 32 };

void bf16_mark(struct model *m)
{
    m->bf16 = true;
    m->stored = alloc_zero((size_t)m->n_weights, sizeof *m->stored);
    for (int i = 0; i < m->n_weights; i++) {
        struct weight *w = &m->weights[i];
        enum arch_kind kind = m->placed[i].row->kind;
        w->bf16 = kind != WEIGHT_BUFFER;
        if (kind != WEIGHT_MATRIX) continue;
        stored_in_memory(&m->stored[i], DT_BF16, w->cols);
        w->stored = &m->stored[i].face;
    }
}

void model_suppose_bf16(struct model *m, bool on)
{
    CHECK(!m->file && !m->held && !m->data16 && on != m->bf16, "%s: bfloat16 supposed: %d", m->path, on);
    if (on) {
        bf16_mark(m);
        return;
    }
    for (int i = 0; i < m->n_weights; i++) {
        m->weights[i].bf16 = false;
        m->weights[i].stored = NULL;
    }
    free(m->stored);
    m->stored = NULL;
    m->bf16 = false;
}

size_t bf16_point(struct model *m, uint16_t *block)
{
    size_t at = 0;
    for (int i = 0; i < m->n_weights; i++) {
        struct weight *w = &m->weights[i];
        if (!w->stored || !w->bf16) continue;
        if (block) {
            w->data16 = block + at;
            m->stored[i].p = (const uint8_t *)w->data16;
        }
        size_t n = (size_t)w->rows * (size_t)w->cols;
        at += (n + ALIGN_NUMBERS - 1) / ALIGN_NUMBERS * ALIGN_NUMBERS;
    }
    return at;
}
