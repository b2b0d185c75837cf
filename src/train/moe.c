/* moe.c: training a mixture of experts evenly.
 *
 *   loss += router_aux_loss_coef * (mean over sequences of the balance losses of all routers; balance.c)
 *   after each update: correction_e += moe_bias_update_speed * sign(mean load - load_e), per router, with the
 *   loads of all rows of the step (DeepSeek-AI 2024, "DeepSeek-V3 technical report", 2.1.2)
 *
 * Both are off unless they are asked for. A span counts as a sequence.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "train/train_int.h"

int moe_open(struct moe_train *x, struct model *m, struct conf *c, struct err *e)
{
    const struct model_config *config = model_config(m);
    *x = (struct moe_train){.model = m, .layers = config->layers + config->mtp};
    x->coef = conf_is_set(c, "router_aux_loss_coef") ? conf_real(c, "router_aux_loss_coef") : 0;
    x->speed = conf_real(c, "moe_bias_update_speed");
    if (x->coef == 0 && x->speed == 0) return 0;
    if (!config->experts)
        return err_usage(e, "%s is set, but the model is not a mixture of experts: leave it out",
                         x->coef != 0 ? "router_aux_loss_coef" : "moe_bias_update_speed");
    size_t n = (size_t)x->layers * (size_t)config->experts;
    x->record.loss = alloc_zero((size_t)x->layers, sizeof *x->record.loss);
    x->record.load = alloc_zero(n, sizeof *x->record.load);
    x->step_load = alloc_zero(n, sizeof *x->step_load);
    return 0;
}

void moe_release(struct moe_train *x)
{
    free(x->record.loss);
    free(x->record.load);
    free(x->step_load);
}

struct moe_record *moe_record(struct moe_train *x)
{
    return x->step_load ? &x->record : NULL;
}

static size_t n_loads(const struct moe_train *x)
{
    return (size_t)x->layers * (size_t)model_config(x->model)->experts;
}

void moe_begin_step(struct moe_train *x)
{
    x->loss = 0;
    if (x->step_load) memset(x->step_load, 0, n_loads(x) * sizeof *x->step_load);
}

void moe_begin_micro(struct moe_train *x, int n_spans, long n_micro)
{
    if (!x->step_load) return;
    x->record.factor = (float)(x->coef / ((double)n_spans * (double)n_micro));
    for (int i = 0; i < x->layers; i++) x->record.loss[i] = 0;
    memset(x->record.load, 0, n_loads(x) * sizeof *x->record.load);
}

void moe_end_micro(struct moe_train *x)
{
    if (!x->step_load) return;
    for (int i = 0; i < x->layers; i++) x->loss += (double)x->record.factor * x->record.loss[i];
    for (size_t i = 0; i < n_loads(x); i++) x->step_load[i] += x->record.load[i];
}

void moe_end_step(struct moe_train *x, json_t *metrics)
{
    if (!x->step_load) return;
    if (x->speed != 0) model_balance(x->model, x->step_load, (float)x->speed);
    if (x->coef != 0) json_object_set_new(metrics, "aux_loss", number_json(x->loss / x->coef));
}
