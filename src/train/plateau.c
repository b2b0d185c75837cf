/* plateau.c: a learning rate that falls where the evaluations' metric has stopped getting better.
 *
 *   better   min: x < best (1 - threshold) or x < best - threshold; max: x > best (1 + threshold) or
 *            x > best + threshold (threshold_mode rel or abs). At first best is as bad as can be.
 *   falls    after more than `patience` evaluations in a row that were not better; those of the `cooldown`
 *            after a fall do not count. To max(rate factor, min_lr), unless that is less than eps away.
 *
 * Settings, defaults and arithmetic are those of torch.optim.lr_scheduler.ReduceLROnPlateau, which
 * transformers steps once an evaluation; tests/golden/optim/plateau.json holds its rates. There mode is min
 * whatever the metric; here it follows greater_is_better.
 */
#include "train/train.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"

static int read_word(const json_t *kwargs, const char *key, const char *const words[2], int fallback,
                     bool *is_second, struct err *e)
{
    const char *word;
    if (json_get_str_or(kwargs, key, words[fallback], &word, e)) return -1;
    *is_second = strcmp(word, words[1]) == 0;
    if (*is_second || strcmp(word, words[0]) == 0) return 0;
    return err_usage(e, "%s is '%s'; expected %s or %s", key, word, words[0], words[1]);
}

static int read_numbers(struct plateau *p, const json_t *kwargs, struct err *e)
{
    if (json_get_real_or(kwargs, "factor", 0.1, &p->factor, e)) return -1;
    if (json_get_int_or(kwargs, "patience", 10, &p->patience, e)) return -1;
    if (json_get_real_or(kwargs, "threshold", 1e-4, &p->threshold, e)) return -1;
    if (json_get_int_or(kwargs, "cooldown", 0, &p->cooldown, e)) return -1;
    if (json_get_real_or(kwargs, "min_lr", 0, &p->min_lr, e)) return -1;
    if (json_get_real_or(kwargs, "eps", 1e-8, &p->eps, e)) return -1;
    if (!(p->factor >= 0 && p->factor < 1))
        return err_usage(e, "factor is %g; it must be from 0 to below 1", p->factor);
    if (p->patience < 0 || p->cooldown < 0)
        return err_usage(e, "patience is %ld and cooldown %ld; both count evaluations, from 0 on",
                         p->patience, p->cooldown);
    if (!(p->threshold >= 0) || !(p->min_lr >= 0) || !(p->eps >= 0))
        return err_usage(e, "threshold is %g, min_lr %g and eps %g; none may be below 0", p->threshold,
                         p->min_lr, p->eps);
    return 0;
}

static double worst(const struct plateau *p)
{
    return p->greater ? -INFINITY : INFINITY;
}

int plateau_init(struct plateau *p, double lr, bool greater, const json_t *kwargs, struct err *e)
{
    static const char *const modes[] = {"min", "max"}, *const thresholds[] = {"rel", "abs"};
    *p = (struct plateau){.on = true, .lr = lr};
    if (read_word(kwargs, "mode", modes, greater, &p->greater, e) ||
        read_word(kwargs, "threshold_mode", thresholds, 0, &p->absolute, e) || read_numbers(p, kwargs, e))
        return err_wrap(e, "lr_scheduler_kwargs");
    p->best = worst(p);
    return 0;
}

static bool better(const struct plateau *p, double x)
{
    double sign = p->greater ? 1.0 : -1.0;
    double bar = p->absolute ? p->best + sign * p->threshold : p->best * (1.0 + sign * p->threshold);
    return p->greater ? x > bar : x < bar;
}

static bool fall(struct plateau *p)
{
    double lower = p->lr * p->factor;
    if (lower < p->min_lr) lower = p->min_lr;
    if (!(p->lr - lower > p->eps)) return false;
    p->lr = lower;
    return true;
}

bool plateau_see(struct plateau *p, double x)
{
    bool good = better(p, x), fallen = false;
    if (good) p->best = x;
    p->bad = good ? 0 : p->bad + 1;
    if (p->cooling > 0) {
        p->cooling--;
        p->bad = 0;
    }
    if (p->bad > p->patience) {
        fallen = fall(p);
        p->cooling = p->cooldown;
        p->bad = 0;
    }
    return fallen;
}

json_t *plateau_state(const struct plateau *p)
{
    json_t *best = isfinite(p->best) ? json_real(p->best) : json_null();
    json_t *state = json_pack("{s:f, s:o, s:I, s:I}", "learning_rate", p->lr, "best", best, "num_bad_epochs",
                              (json_int_t)p->bad, "cooldown_counter", (json_int_t)p->cooling);
    CHECK(state, "rate %g, best %g", p->lr, p->best);
    return state;
}

int plateau_resume(struct plateau *p, const json_t *state, struct err *e)
{
    if (json_get_real_or(state, "learning_rate", p->lr, &p->lr, e)) return -1;
    if (json_get_real_or(state, "best", worst(p), &p->best, e)) return -1;
    if (json_get_int_or(state, "num_bad_epochs", 0, &p->bad, e)) return -1;
    if (json_get_int_or(state, "cooldown_counter", 0, &p->cooling, e)) return -1;
    if (p->lr >= 0 && p->bad >= 0 && p->cooling >= 0) return 0;
    return err_set(e, "learning_rate %g, num_bad_epochs %ld, cooldown_counter %ld: none can be below 0",
                   p->lr, p->bad, p->cooling);
}
