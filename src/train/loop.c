/* loop.c: the steps of a run.
 *
 * step: gradient (the algorithm's), clip and update (optimiser.c), record (hash chain), console, checkpoint.
 * A signal is obeyed at the next safe point: the step under way is dropped, the state before it is a
 * checkpoint, and the run goes on from there when it is started again. A gradient that is not finite stops
 * the run the same way, with the step and the weight named: nothing was changed by it.
 *
 * After the first step no numeric buffer is allocated: weights, gradients, moments and the arena of a step
 * are there before it. What comes and goes is the text of a record and of completions.
 */
#include "train/train_int.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

double trainer_epoch(const struct trainer *t)
{
    long whole = t->step / t->steps_per_epoch, micro = t->step % t->steps_per_epoch * t->accumulation;
    return (double)whole + (double)micro / (double)t->micro_per_epoch;
}

static void step_out_init(struct step_out *o)
{
    *o = (struct step_out){.metrics = json_object(), .hashes = json_object(), .timings = json_object()};
}

static void step_out_release(struct step_out *o)
{
    json_decref(o->metrics);
    json_decref(o->hashes);
    json_decref(o->timings);
}

static int stopped(struct trainer *t, struct err *e)
{
    int signal = stop_signal();
    if (checkpoint_save(t, e)) return -1;
    if (run_status_write(t->dir, RUN_STOPPED, t->config_hash, t->step, e)) return -1;
    return err_kind_set(e, ERR_STOPPED,
                        "%s: step %ld of %ld is safe in %s/checkpoint-%ld; run the same command again "
                        "to go on",
                        signal == SIGINT ? "interrupted" : "stopped by a signal", t->step, t->total_steps,
                        t->dir, t->step);
}

/* Put in front of the error which step it met, and where the same command will go on. */
static int told(struct trainer *t, long step, struct err *e)
{
    char *newest = checkpoint_newest(t->dir);
    if (newest)
        err_wrap(e, "step %ld (the same command goes on from %s, which is whole)", step, newest);
    else
        err_wrap(e, "step %ld (no checkpoint yet: the same command begins anew)", step);
    free(newest);
    return -1;
}

/* The algorithm failed or the gradient is bad: keep the last good state, then let the error go up. */
static int broken(struct trainer *t, struct err *e)
{
    struct err ignored;
    if (e->kind == ERR_STOPPED) return stopped(t, e);
    checkpoint_save(t, &ignored); /* where it cannot be written, an older one is what is left */
    return told(t, t->step + 1, e);
}

static json_t *all_metrics(struct trainer *t, const struct step_out *out, double norm, double lr)
{
    json_t *m = json_object();
    json_object_set_new(m, "loss", number_json(out->loss));
    json_object_set_new(m, "grad_norm", number_json(norm));
    json_object_set_new(m, "learning_rate", number_json(lr));
    json_object_update(m, out->metrics);
    json_object_set_new(m, "num_tokens", json_integer((json_int_t)t->num_tokens));
    json_object_set_new(m, "epoch", number_json(trainer_epoch(t)));
    return m;
}

static int record(struct trainer *t, struct step_out *out, json_t *metrics, struct err *e)
{
    if (t->step % t->hash_every == 0 || t->step == t->total_steps) {
        model_hash(t->model, t->last_hash);
        json_object_set_new(out->hashes, "weights", json_string(t->last_hash));
    }
    return runlog_step(t->log, t->step, metrics, out->hashes, out->timings, e);
}

static bool save_due(const struct trainer *t)
{
    return t->save_every > 0 && (t->step % t->save_every == 0 || t->step == t->total_steps);
}

static int after_update(struct trainer *t, struct step_out *out, json_t *metrics, struct err *e)
{
    if (record(t, out, metrics, e)) return -1;
    console_collect(t, metrics);
    if (console_due(t)) {
        console_line(t);
        if (t->learner->show) t->learner->show(t->self, t);
    }
    return save_due(t) ? checkpoint_save(t, e) : 0;
}

static int one_step(struct trainer *t, struct step_out *out, struct err *e)
{
    const char *bad;
    double from = clock_s(), lr = t->schedule.lr * schedule_at(&t->schedule, t->step);
    if (t->learner->step(t->self, t, out, e)) return broken(t, e);
    double norm = optimiser_step(t->opt, lr, &bad);
    if (bad) {
        err_set(e,
                "the gradient of %s is not finite; a lower learning_rate or max_grad_norm, or a look at this "
                "step's "
                "data, is what helps",
                bad);
        return broken(t, e);
    }
    moe_end_step(&t->moe, out->metrics);
    t->step++;
    t->steps_here++;
    t->loss_sum += out->loss;
    t->last_hash[0] = 0;
    json_object_set_new(out->timings, "step_time", number_json(clock_s() - from));
    json_t *metrics = all_metrics(t, out, norm, lr);
    json_decref(t->last_metrics);
    t->last_metrics = metrics;
    return after_update(t, out, metrics, e) ? told(t, t->step, e) : 0;
}

int trainer_run(struct trainer *t, struct err *e)
{
    int failed = 0;
    stop_install();
    progress_start(&t->bar, t->learner->name, t->total_steps);
    progress_update(&t->bar, t->step, NULL);
    while (t->step < t->total_steps && !failed) {
        if (stop_signal()) {
            failed = stopped(t, e);
            break;
        }
        struct step_out out;
        step_out_init(&out);
        failed = one_step(t, &out, e);
        if (!failed) progress_update(&t->bar, t->step, out.note);
        step_out_release(&out);
    }
    progress_end(&t->bar);
    return failed;
}
