/* on_paper.c: the tensors of a checkpoint that is not there, by its config.json: for `inspect`, and to hold a
 * description to the published sizes of models that no test can load.
 */
#include <stdio.h>
#include <string.h>

#include "model/model_int.h"

struct listing {
    const struct model *m;
    void (*f)(void *ctx, const struct tensor_info *t);
    void *ctx;
};

static void tell(const struct listing *l, const char *name, enum dtype dtype, const int64_t *shape,
                 int n_dims)
{
    struct tensor_info t = {.name = (char *)name, .dtype = dtype, .n_dims = n_dims};
    memcpy(t.shape, shape, (size_t)n_dims * sizeof *shape);
    t.bytes = (uint64_t)shape_count(shape, n_dims) * (uint64_t)dtype_info(dtype)->bytes;
    l->f(l->ctx, &t);
}

enum dtype model_plain_dtype(const struct model *m)
{
    const char *name = json_str_or(m->config.raw, "dtype", json_str_or(m->config.raw, "torch_dtype", ""));
    return !strcmp(name, "bfloat16") ? DT_BF16 : !strcmp(name, "float16") ? DT_F16 : DT_F32;
}

static void tell_weight(const struct listing *l, int i, bool fp8)
{
    const struct weight *w = &l->m->weights[i];
    int64_t shape[2], scales[2];
    int n = model_weight_shape(l->m, i, shape);
    bool buffer = l->m->placed[i].row->kind == WEIGHT_BUFFER;
    if (!fp8 || !fp8_holds(l->m, i)) {
        tell(l, w->name, buffer ? DT_F32 : model_plain_dtype(l->m), shape, n);
        return;
    }
    char name[2 * ARCH_NAME_MAX];
    snprintf(name, sizeof name, "%s_scale_inv", w->name);
    fp8_scale_shape(shape, scales);
    tell(l, w->name, DT_F8_E4M3, shape, 2);
    tell(l, name, DT_F32, scales, 2);
}

static void tell_copies(const struct listing *l, int layer)
{
    const struct arch *a = l->m->config.arch;
    const char *const names[] = {a->copy_embed, a->copy_head};
    const int64_t shape[2] = {l->m->config.vocab, l->m->config.hidden};
    for (int k = 0; k < 2; k++) {
        if (!names[k]) continue;
        char *name = arch_name(names[k], layer, 0);
        tell(l, name, model_plain_dtype(l->m), shape, 2);
        free(name);
    }
}

void model_on_paper(const struct model *m, void (*f)(void *ctx, const struct tensor_info *t), void *ctx)
{
    struct listing l = {m, f, ctx};
    bool fp8 = config_is_fp8(json_object_get(m->config.raw, "quantization_config"));
    for (int i = 0; i < m->n_weights; i++) tell_weight(&l, i, fp8);
    for (int i = 0; i < m->config.mtp; i++) tell_copies(&l, m->config.layers + i);
}
