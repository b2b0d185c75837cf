/* evaluation.c: evaluation on held-out rows while training: when, and what goes by its metric: which
 * checkpoint is the best so far, and the learning rate of reduce_lr_on_plateau.
 *
 * The learner evaluates (train_int.h); its metrics go into the record of the step whose weights they belong
 * to, record 0 for those before the first step, and times into timings. An evaluation reads the weights and
 * draws from no generator, so that but for that learning rate a run with it and one without it end in the
 * same weights.
 */
#include "train/train_int.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"

static bool by(struct conf *c, const char *strategy)
{
    return strcmp(conf_str(c, "eval_strategy"), strategy) == 0;
}

bool evaluation_wanted(struct conf *c)
{
    return by(c, "steps") || by(c, "epoch") || conf_bool(c, "do_eval") || conf_bool(c, "eval_on_start");
}

/* metric_for_best_model and what goes by it; without an evaluation nothing could be compared. */
static int read_metric(struct trainer *t, struct err *e)
{
    struct conf *c = t->conf;
    struct evaluation *v = &t->evaluation;
    const char *metric = conf_str(c, "metric_for_best_model");
    bool save_best = strcmp(conf_str(c, "save_strategy"), "best") == 0, asked = metric && *metric;
    bool rate = schedule_by_metric(conf_str(c, "lr_scheduler_type"));
    v->load_best = conf_bool(c, "load_best_model_at_end");
    v->best_step = -1;
    if (!asked) metric = "loss";
    v->greater =
        conf_is_set(c, "greater_is_better") ? conf_bool(c, "greater_is_better") : !str_ends(metric, "loss");
    v->keep_best = v->load_best || save_best;
    if (!v->keep_best && !rate) return 0;
    if (!by(c, "steps") && !by(c, "epoch"))
        return err_usage(e, "%s needs evaluations to compare: give eval_strategy",
                         v->load_best ? "load_best_model_at_end"
                         : save_best  ? "save_strategy best"
                                      : "lr_scheduler_type reduce_lr_on_plateau");
    if (!asked && !t->learner->eval_loss)
        return err_usage(e,
                         "the evaluation of %s has no loss to compare by: give metric_for_best_model, for "
                         "instance eval_reward",
                         t->learner->name);
    if (strlen(metric) + sizeof "eval_" > sizeof v->metric)
        return err_usage(e, "metric_for_best_model: '%s' is no metric", metric);
    snprintf(v->metric, sizeof v->metric, "%s%s", str_starts(metric, "eval_") ? "" : "eval_", metric);
    return 0;
}

int evaluation_read(struct trainer *t, struct err *e)
{
    struct conf *c = t->conf;
    struct evaluation *v = &t->evaluation;
    conf_is_set(c, "per_device_eval_batch_size"); /* recipes set it where they evaluate nothing */
    double steps = conf_is_set(c, "eval_steps") ? conf_real(c, "eval_steps") : conf_real(c, "logging_steps");
    v->by_epoch = by(c, "epoch");
    v->every = v->by_epoch ? t->steps_per_epoch : by(c, "steps") ? trainer_steps(steps, t->total_steps) : 0;
    v->delay = conf_real(c, "eval_delay");
    v->on_start = conf_bool(c, "eval_on_start");
    v->at_end = conf_bool(c, "do_eval");
    if (evaluation_wanted(c) && !t->learner->evaluate)
        return err_usage(e, "eval_strategy, do_eval and eval_on_start: %s has no evaluation while training",
                         t->learner->name);
    if (by(c, "steps") && v->every < 1)
        return err_usage(e, "eval_strategy is steps, but eval_steps (or logging_steps) is 0");
    return read_metric(t, e);
}

bool evaluation_due(const struct trainer *t)
{
    const struct evaluation *v = &t->evaluation;
    if (t->step == 0) return v->on_start;
    bool last = t->step == t->total_steps;
    if (last && v->at_end) return true;
    if (v->every == 0 || (v->by_epoch ? trainer_epoch(t) : (double)t->step) < v->delay) return false;
    return last || t->step % v->every == 0;
}

int evaluation_watch(struct trainer *t, long done, long total, struct err *e)
{
    char note[64];
    snprintf(note, sizeof note, "evaluating %ld/%ld", done, total);
    progress_update(&t->bar, t->step, note);
    return stop_signal() ? err_kind_set(e, ERR_STOPPED, "stopped") : 0;
}

/* As in transformers, an evaluation before the first step says nothing about a rate. */
static void set_rate(struct trainer *t, double x)
{
    struct plateau *p = &t->schedule.plateau;
    double before = p->lr;
    if (p->on && t->step > 0 && plateau_see(p, x))
        log_info("step %ld: %s is no longer getting better (best %.6g): the learning rate falls from %.6g to "
                 "%.6g",
                 t->step, t->evaluation.metric, p->best, before, p->lr);
}

static int compare(struct trainer *t, const json_t *metrics, struct err *e)
{
    struct evaluation *v = &t->evaluation;
    const json_t *value = json_object_get(metrics, v->metric);
    if (!v->metric[0]) return 0;
    if (!json_is_number(value)) {
        struct str names;
        const char *key;
        json_t *each;
        str_init(&names, 4096);
        json_object_foreach((json_t *)metrics, key, each)
        {
            if (str_starts(key, "eval_")) str_addf(&names, "%s%s", names.len ? ", " : "", key);
        }
        err_usage(e, "metric_for_best_model: this evaluation gave no number %s; it gave %s", v->metric,
                  names.p);
        str_release(&names);
        return -1;
    }
    double x = json_number_value(value);
    set_rate(t, x);
    if (!v->keep_best) return 0;
    if (v->best_step >= 0 && (v->greater ? x <= v->best : x >= v->best)) return 0;
    v->best = x;
    v->best_step = t->step;
    return 0;
}

int evaluation_run(struct trainer *t, json_t *metrics, json_t *timings, struct err *e)
{
    struct evaluation_out out = {.metrics = json_object()};
    double from = clock_s();
    int failed = t->learner->evaluate(t->self, t, &out, e);
    double seconds = clock_s() - from;
    if (!failed) {
        CHECK(out.samples > 0 && out.batches > 0, "%ld samples, %ld batches", out.samples, out.batches);
        json_object_update(metrics, out.metrics);
        json_object_set_new(metrics, "epoch", number_json(trainer_epoch(t)));
        json_object_set_new(timings, "eval_runtime", number_json(seconds));
        json_object_set_new(timings, "eval_samples_per_second", number_json((double)out.samples / seconds));
        json_object_set_new(timings, "eval_steps_per_second", number_json((double)out.batches / seconds));
        failed = compare(t, metrics, e);
    } else if (e->kind != ERR_STOPPED) {
        err_wrap(e, "evaluation");
    }
    json_decref(out.metrics);
    return failed;
}
