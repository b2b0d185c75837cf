/* reference.c: the model that the KL is taken to. It stays the starting model, or follows the policy: mixed
 * with it every ref_model_sync_steps (TR-DPO, arXiv 2404.09656, by TRL's keys), or replaced by it every
 * ref_refresh_steps (DeepSeek-R1: 400).
 *
 * A sync comes after the update of its step; the log-probs of a window that is already there stay as they
 * were taken. A reference that has moved lies in the checkpoint, in a folder of its own.
 */
#include "train/grpo_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "train/optim_int.h"

#define FOLDER "reference"

int reference_read(struct reference *r, struct conf *c, struct err *e)
{
    bool sync = conf_bool(c, "sync_ref_model"), refresh = conf_is_set(c, "ref_refresh_steps");
    *r = (struct reference){0};
    if (!sync && !refresh) return 0;
    if (sync && refresh)
        return err_usage(e,
                         "sync_ref_model mixes the reference and ref_refresh_steps replaces it; give one of "
                         "them");
    if (conf_real(c, "beta") == 0)
        return err_usage(e,
                         "%s is set, but beta is 0: there is no reference model; set beta, or leave it out",
                         sync ? "sync_ref_model" : "ref_refresh_steps");
    r->every = conf_int(c, sync ? "ref_model_sync_steps" : "ref_refresh_steps");
    r->share = sync ? conf_real(c, "ref_model_mixup_alpha") : 1;
    r->seed = (uint64_t)conf_int(c, "seed");
    return 0;
}

struct mixed {
    const struct weight *from;
    double share;
};

static void mix_piece(void *ctx, const struct chunk *p)
{
    const struct mixed *m = ctx;
    float wide[OPTIM_PIECE];
    const float *x = m->from->data16 ? wide : m->from->data + p->at;
    if (m->from->data16) kern()->bf16_to_f32(wide, m->from->data16 + p->at, p->n);
    for (size_t i = 0; i < p->n; i++)
        p->w[i] = (float)(m->share * (double)x[i] + (1 - m->share) * (double)p->w[i]);
}

/* What is bfloat16 is rounded stochastically, so that a small share counts too. */
void reference_sync(const struct reference *r, struct model *ref, struct model *policy, long step)
{
    if (r->every == 0 || step % r->every != 0) return;
    for (int i = 0; i < model_n_weights(ref); i++) {
        struct weight *to = model_weight(ref, i);
        struct mixed m = {model_weight(policy, i), r->share};
        struct round16_place place = {.seed = r->seed, .purpose = RNG_ROUND_REFERENCE};
        place.step = (uint32_t)step;
        place.sequence = (uint32_t)i;
        struct chunk whole = {.weight = i, .n = (size_t)to->rows * (size_t)to->cols};
        round16_change(to, &place, &whole, mix_piece, &m);
        weight_changed(to);
    }
}

static bool has_moved(const struct reference *r, long step)
{
    return r->every > 0 && step >= r->every;
}

int reference_save(const struct reference *r, struct model *ref, const char *dir, long step, struct err *e)
{
    if (!has_moved(r, step)) return 0;
    char *path = path_join(dir, FOLDER);
    int failed = model_save(ref, path, model_dtype(ref), NULL, e);
    free(path);
    return failed;
}

int reference_load(const struct reference *r, struct model *ref, const char *dir, long step, struct err *e)
{
    if (!has_moved(r, step)) return 0;
    char *path = path_join(dir, FOLDER);
    int failed = checkpoint_read_weights(ref, path, e);
    free(path);
    return failed;
}
