/* schedule.c: the multiplier on the learning rate, or the rate of plateau.c.
 *
 * With s optimiser steps done, W warmup steps and T steps in all, warmup is s / max(1, W) while s < W, and
 * after it, with p = (s - W) / max(1, T - W): linear                    (T - s) / max(1, T - W), not below 0
 *   cosine                    (1 + cos(2 pi n p)) / 2,  n = num_cycles = 1/2
 *   cosine_with_restarts      (1 + cos(pi (n p mod 1))) / 2,  0 from p = 1 on
 *   polynomial                ((lr - lr_end) (1 - p)^power + lr_end) / lr
 *   inverse_sqrt              1 / sqrt((s + t - W) / t),  t = timescale
 *   cosine_with_min_lr        cosine, squeezed into [min_lr_rate, 1]
 *   warmup_stable_decay       a ramp up, 1, a ramp down; ramps linear, cosine or 1-sqrt
 * The names, defaults and corner cases are those of Hugging Face transformers' optimization.py, against whose
 * output tests/golden/optim/schedules.json compares every type. The first step of a warmup has rate 0.
 */
#include "train/train.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/json.h"
#include "base/log.h"

static const double PI = 3.14159265358979323846;

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double warmup_or(const struct schedule *s, double done, double after)
{
    return done < (double)s->warmup ? done / larger(1.0, (double)s->warmup) : after;
}

static double progress(const struct schedule *s, double done)
{
    return (done - (double)s->warmup) / larger(1.0, (double)(s->total - s->warmup));
}

static double at_constant(const struct schedule *s, double done)
{
    (void)s;
    (void)done;
    return 1.0;
}

static double at_constant_with_warmup(const struct schedule *s, double done)
{
    return warmup_or(s, done, 1.0);
}

static double at_linear(const struct schedule *s, double done)
{
    double left = ((double)s->total - done) / larger(1.0, (double)(s->total - s->warmup));
    return warmup_or(s, done, larger(0.0, left));
}

static double cosine(double turns)
{
    return 0.5 * (1.0 + fm_cos(PI * turns));
}

static double at_cosine(const struct schedule *s, double done)
{
    return warmup_or(s, done, larger(0.0, cosine(s->num_cycles * 2.0 * progress(s, done))));
}

static double at_restarts(const struct schedule *s, double done)
{
    double p = progress(s, done), x = s->num_cycles * p;
    return warmup_or(s, done, p >= 1.0 ? 0.0 : larger(0.0, cosine(x - floor(x))));
}

static double at_polynomial(const struct schedule *s, double done)
{
    if (done < (double)s->warmup) return warmup_or(s, done, 0);
    double left = 1.0 - (done - (double)s->warmup) / (double)(s->total - s->warmup);
    if (!(left > 0) || done > (double)s->total) return s->lr_end / s->lr;
    double curve = s->power == 1.0 ? left : fm_pow(left, s->power);
    return ((s->lr - s->lr_end) * curve + s->lr_end) / s->lr;
}

static double at_inverse_sqrt(const struct schedule *s, double done)
{
    double shift = s->timescale - (double)s->warmup;
    return warmup_or(s, done, 1.0 / fm_sqrt((done + shift) / s->timescale));
}

static double squeezed(const struct schedule *s, double factor)
{
    return larger(0.0, factor * (1.0 - s->min_lr_rate) + s->min_lr_rate);
}

static double at_cosine_min(const struct schedule *s, double done)
{
    return warmup_or(s, done, squeezed(s, cosine(s->num_cycles * 2.0 * progress(s, done))));
}

static double at_cosine_warm_min(const struct schedule *s, double done)
{
    double warmup = (double)s->warmup;
    if (done < warmup) {
        if (s->warmup_lr_rate < 0) return (done + 1.0) / larger(1.0, warmup);
        return s->warmup_lr_rate + (1.0 - s->warmup_lr_rate) * done / larger(1.0, warmup - 1.0);
    }
    double p = (done - warmup + 1.0) / larger(1.0, (double)s->total - warmup);
    return squeezed(s, cosine(s->num_cycles * 2.0 * p));
}

static double at_stable(const struct schedule *s, double done)
{
    double decay_from = (double)(s->warmup + s->stable);
    if (done < (double)s->warmup) {
        double p = done / larger(1.0, (double)s->warmup), f = p;
        if (strcmp(s->warmup_type, "cosine") == 0) f = 1.0 - cosine(p);
        if (strcmp(s->warmup_type, "1-sqrt") == 0) f = 1.0 - fm_sqrt(1.0 - p);
        return squeezed(s, f);
    }
    if (done < decay_from) return 1.0;
    if (done >= decay_from + (double)s->decay) return s->min_lr_rate;
    double p = (done - decay_from) / larger(1.0, (double)s->decay), f = 1.0 - p;
    if (strcmp(s->decay_type, "cosine") == 0) f = cosine(s->num_cycles * 2.0 * p);
    if (strcmp(s->decay_type, "1-sqrt") == 0) f = 1.0 - fm_sqrt(p);
    return squeezed(s, f);
}

/* keys: what lr_scheduler_kwargs may hold for this type. */
static const struct kind {
    const char *name, *keys;
    double cycles;
    double (*at)(const struct schedule *s, double done);
} kinds[] = {
    {"constant", "", 0, at_constant},
    {"constant_with_warmup", "", 0, at_constant_with_warmup},
    {"linear", "", 0, at_linear},
    {"cosine", "num_cycles", 0.5, at_cosine},
    {"cosine_with_restarts", "num_cycles", 1.0, at_restarts},
    {"polynomial", "lr_end power", 0, at_polynomial},
    {"inverse_sqrt", "timescale", 0, at_inverse_sqrt},
    {"cosine_with_min_lr", "num_cycles min_lr min_lr_rate", 0.5, at_cosine_min},
    {"cosine_warmup_with_min_lr", "num_cycles min_lr min_lr_rate warmup_lr_rate", 0.5, at_cosine_warm_min},
    {"warmup_stable_decay", "num_cycles num_decay_steps num_stable_steps warmup_type decay_type min_lr_ratio",
     0.5, at_stable},
    {"reduce_lr_on_plateau", "mode factor patience threshold threshold_mode cooldown min_lr eps", 0, NULL},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static const struct kind *kind_find(const char *type, struct err *e)
{
    const char *names[N_KINDS];
    for (int i = 0; i < N_KINDS; i++) {
        if (strcmp(type, kinds[i].name) == 0) return &kinds[i];
        names[i] = kinds[i].name;
    }
    err_unknown(e, "lr_scheduler_type", type, names, N_KINDS);
    return NULL;
}

static bool word_in(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = strstr(words, word); p; p = strstr(p + 1, word))
        if ((p == words || p[-1] == ' ') && (p[n] == 0 || p[n] == ' ')) return true;
    return false;
}

static int check_keys(const struct kind *k, const json_t *kwargs, struct err *e)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)kwargs, key, value)
    {
        if (!word_in(k->keys, key))
            return err_usage(
                e, "lr_scheduler_kwargs: '%s' means nothing to lr_scheduler_type '%s' (it takes: %s)", key,
                k->name, k->keys[0] ? k->keys : "nothing");
    }
    return 0;
}

static int read_ramp(const json_t *kwargs, const char *key, const char *fallback, const char **out,
                     struct err *e)
{
    static const char *const ramps[] = {"linear", "cosine", "1-sqrt"};
    const char *name = json_str_or(kwargs, key, fallback);
    for (int i = 0; i < 3; i++)
        if (strcmp(name, ramps[i]) == 0) {
            *out = ramps[i];
            return 0;
        }
    return err_usage(e, "lr_scheduler_kwargs: %s is '%s'; expected linear, cosine or 1-sqrt", key, name);
}

static int read_stable(struct schedule *s, const json_t *kwargs, struct err *e)
{
    if (json_get_int_or(kwargs, "num_decay_steps", -1, &s->decay, e)) return -1;
    if (s->decay < 0)
        return err_usage(
            e, "lr_scheduler_type warmup_stable_decay needs lr_scheduler_kwargs: {num_decay_steps: N}");
    if (json_get_int_or(kwargs, "num_stable_steps", s->total - s->warmup - s->decay, &s->stable, e))
        return -1;
    if (json_get_real_or(kwargs, "min_lr_ratio", 0, &s->min_lr_rate, e)) return -1;
    if (read_ramp(kwargs, "warmup_type", "linear", &s->warmup_type, e)) return -1;
    return read_ramp(kwargs, "decay_type", "cosine", &s->decay_type, e);
}

static int read_min(struct schedule *s, const json_t *kwargs, struct err *e)
{
    bool rate = json_object_get(kwargs, "min_lr_rate"), absolute = json_object_get(kwargs, "min_lr");
    if (rate == absolute)
        return err_usage(
            e, "lr_scheduler_type %s needs lr_scheduler_kwargs with one of min_lr_rate and min_lr, found %s",
            s->type, rate ? "both" : "neither");
    if (json_get_real_or(kwargs, rate ? "min_lr_rate" : "min_lr", 0, &s->min_lr_rate, e)) return -1;
    if (absolute) s->min_lr_rate = s->lr > 0 ? s->min_lr_rate / s->lr : 0;
    return json_get_real_or(kwargs, "warmup_lr_rate", -1, &s->warmup_lr_rate, e);
}

bool schedule_by_metric(const char *type)
{
    const struct kind *k = kind_find(type, NULL);
    return k && !k->at;
}

static int fill(struct schedule *s, const char *type, const json_t *kwargs, struct err *e)
{
    const struct kind *k = kind_find(type, e);
    if (!k) return -1;
    struct schedule given = *s;
    *s = (struct schedule){.type = k->name, .at = k->at, .warmup = given.warmup, .total = given.total};
    s->lr = given.lr;
    s->greater = given.greater;
    if (check_keys(k, kwargs, e)) return -1;
    if (s->warmup > 0 && (k->at == at_constant || !k->at))
        log_info("lr_scheduler_type %s has no warmup: warmup_steps and warmup_ratio change nothing", k->name);
    if (!k->at) return plateau_init(&s->plateau, s->lr, s->greater, kwargs, e);
    if (json_get_real_or(kwargs, "num_cycles", k->cycles, &s->num_cycles, e)) return -1;
    if (json_get_real_or(kwargs, "power", 1.0, &s->power, e)) return -1;
    if (json_get_real_or(kwargs, "lr_end", 1e-7, &s->lr_end, e)) return -1;
    if (json_get_real_or(kwargs, "timescale", s->warmup > 0 ? (double)s->warmup : 10000.0, &s->timescale, e))
        return -1;
    if (k->at == at_polynomial && !(s->lr > s->lr_end))
        return err_usage(e, "lr_scheduler_type polynomial: learning_rate %g must exceed lr_end %g", s->lr,
                         s->lr_end);
    if (k->at == at_inverse_sqrt && !(s->timescale > 0))
        return err_usage(e, "lr_scheduler_kwargs: timescale is %g; it must be above 0", s->timescale);
    if (k->at == at_stable && read_stable(s, kwargs, e)) return -1;
    if (k->at == at_cosine_min || k->at == at_cosine_warm_min) return read_min(s, kwargs, e);
    return 0;
}

int schedule_init(struct schedule *s, const char *type, const json_t *kwargs, struct err *e)
{
    if (fill(s, type, kwargs, e) == 0) return 0;
    if (e) e->kind = ERR_USAGE; /* also where JSON's own words say what is wrong */
    return -1;
}

double schedule_lr(const struct schedule *s, long done)
{
    return s->at ? s->lr * s->at(s, (double)done) : s->plateau.lr;
}
