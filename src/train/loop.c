/* loop.c: the steps of a run.
 *
 * step: gradient (the algorithm's), clip and update (optimiser.c), evaluation where it is due (evaluation.c),
 * record (hash chain), console, checkpoint. A signal is obeyed at the next safe point: the step under way is
 * dropped, the state before it is a checkpoint, and the run goes on from there when it is started again. A
 * gradient that is not finite stops the run the same way, with the step and the weight named: nothing was
 * changed by it. A signal during an evaluation drops only that: the checkpoint keeps the record that it was
 * to complete.
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

void step_out_init(struct step_out *o)
{
    *o = (struct step_out){.metrics = json_object(), .hashes = json_object(), .timings = json_object()};
}

void step_out_release(struct step_out *o)
{
    json_decref(o->metrics);
    json_decref(o->hashes);
    json_decref(o->timings);
    *o = (struct step_out){0};
}

static int stopped(struct trainer *t, struct err *e)
{
    int signal = stop_signal();
    if (checkpoint_save(t, e)) return -1;
    struct run_state state = {.status = RUN_STOPPED, .step = t->step};
    if (run_state_write(t->dir, &state, t->config_hash, e)) return -1;
    return err_kind_set(e, ERR_STOPPED,
                        "%s: step %ld of %ld is safe in %s/checkpoint-%ld; run the same command again "
                        "to go on",
                        signal == SIGINT ? "interrupted" : "stopped by a signal", t->step, t->total_steps,
                        t->dir, t->step);
}

/* Put in front of the error which step it met, and where the same command will go on. A reward that was
 * corrected is another input, which the command must be told to take. */
static int told(struct trainer *t, long step, struct err *e)
{
    char *newest = checkpoint_newest(t->dir);
    if (newest && t->reward_failed)
        err_wrap(
            e,
            "step %ld (correct the reward; the same command with --resume_from_checkpoint true then goes "
            "on from %s, which is whole)",
            step, newest);
    else if (newest)
        err_wrap(e, "step %ld (the same command goes on from %s, which is whole)", step, newest);
    else
        err_wrap(e, "step %ld (no checkpoint yet: the same command begins anew)", step);
    free(newest);
    return -1;
}

/* Step `step` failed or met a bad number: keep the last good state, then let the error go up. */
static int broken(struct trainer *t, long step, struct err *e)
{
    struct err ignored;
    if (e->kind == ERR_STOPPED) return stopped(t, e);
    checkpoint_save(t, &ignored); /* where it cannot be written, an older one is what is left */
    return told(t, step, e);
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

static int record(struct trainer *t, struct step_out *out, struct err *e)
{
    if (t->step % t->hash_every == 0 || t->step == t->total_steps) {
        model_hash(t->model, t->last_hash);
        json_object_set_new(out->hashes, "weights", json_string(t->last_hash));
    }
    if (runlog_step(t->log, t->step, out->metrics, out->hashes, out->timings, e)) return -1;
    const struct train_hooks *hooks = t->hooks;
    if (hooks && hooks->recorded) t->ended = !hooks->recorded(hooks->ctx, t->step, out->metrics, out->hashes);
    return 0;
}

static bool save_due(const struct trainer *t)
{
    const struct evaluation *v = &t->evaluation;
    if (v->keep_best && v->best_step == t->step) return true;
    return t->save_every > 0 && t->step > 0 && (t->step % t->save_every == 0 || t->step == t->total_steps);
}

/* What is left to do once the weights are those of t->step: evaluate, write the record, tell, save. */
static int settle(struct trainer *t, struct err *e)
{
    struct step_out *out = &t->pending;
    bool evaluate = evaluation_due(t);
    if (evaluate && evaluation_run(t, out->metrics, out->timings, e)) return broken(t, t->step, e);
    if (record(t, out, e)) return told(t, t->step, e);
    console_collect(t, out->metrics);
    console_collect(t, out->timings);
    bool line = t->step > 0 && console_due(t, t->step), last = t->step == t->total_steps;
    if (line) console_line(t);
    if ((line || last) && t->learner->show) t->learner->show(t->self, t);
    if (evaluate) console_evaluation(out->metrics, out->timings);
    json_decref(t->last_metrics);
    t->last_metrics = json_incref(out->metrics);
    step_out_release(out);
    return save_due(t) && checkpoint_save(t, e) ? told(t, t->step, e) : 0;
}

static int update(struct trainer *t, struct step_out *out, double lr, double *norm, struct err *e)
{
    const char *bad;
    if (t->learner->step(t->self, t, out, e)) return -1;
    *norm = optimiser_step(t->opt, lr, &bad);
    if (!bad) return 0;
    return err_set(e,
                   "the gradient of %s is not finite; a lower learning_rate or max_grad_norm, or a look at "
                   "this step's data, is what helps",
                   bad);
}

static int one_step(struct trainer *t, struct err *e)
{
    struct step_out out;
    double from = clock_s(), lr = schedule_lr(&t->schedule, t->step), norm;
    step_out_init(&out);
    if (update(t, &out, lr, &norm, e)) {
        step_out_release(&out);
        return broken(t, t->step + 1, e);
    }
    moe_end_step(&t->moe, out.metrics);
    t->step++;
    if (t->learner->updated) t->learner->updated(t->self, t, out.metrics);
    t->steps_here++;
    t->loss_sum += out.loss;
    t->last_hash[0] = 0;
    json_object_set_new(out.timings, "step_time", number_json(clock_s() - from));
    json_t *metrics = all_metrics(t, &out, norm, lr);
    json_decref(out.metrics);
    out.metrics = metrics;
    t->pending = out;
    progress_update(&t->bar, t->step, out.note);
    return settle(t, e);
}

int trainer_run(struct trainer *t, struct err *e)
{
    int failed = 0;
    stop_install();
    progress_start(&t->bar, t->learner->name, t->total_steps);
    progress_update(&t->bar, t->step, NULL);
    if (t->pending.metrics) failed = settle(t, e);
    while (t->step < t->total_steps && !failed && !t->ended)
        failed = stop_signal() ? stopped(t, e) : one_step(t, e);
    progress_end(&t->bar);
    return failed;
}
