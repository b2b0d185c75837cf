/* trainer.c: a run from its configuration to its saved model; the steps themselves are loop.c's.
 *
 * Order of a start: check the options, load the model, let the algorithm read its data, plan the memory,
 * then look at output_dir: go on with an unfinished run of the same configuration, say that a finished one
 * is done, refuse to mix two configurations, or begin. Nothing in output_dir is touched before all that has
 * passed.
 */
#include "train/train_int.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "base/machine.h"
#include "base/records.h"
#include "base/version.h"
#include "text/text.h"

/* ---- opening --------------------------------------------------------------------------------------- */

/* How the weights are held, and when layers are checkpointed. */
static int settings_read(struct trainer *t, struct err *e)
{
    struct conf *c = t->conf;
    struct settings *s = &t->settings;
    bool bf16 = strcmp(conf_str(c, "weights_dtype"), "bfloat16") == 0;
    s->model = conf_bool(c, "from_scratch") ? MODEL_RANDOM : 0;
    if (peft_flags(c, &s->model, e)) return -1;
    if (bf16 && (conf_bool(c, "load_in_4bit") || conf_bool(c, "load_in_8bit")))
        return err_usage(e, "weights_dtype bfloat16 with load_in_4bit or load_in_8bit, which hold the base's "
                            "matrices in fewer bits: give one of them");
    if (bf16) s->model |= MODEL_BF16;
    if (bf16 && !conf_given(c, "save_dtype") && conf_set(c, "save_dtype", "bfloat16", e)) return -1;
    if (conf_is_set(c, "gradient_checkpointing"))
        s->checkpoints = conf_bool(c, "gradient_checkpointing") ? ALWAYS : NEVER;
    return 0;
}

int trainer_open(struct trainer *t, struct conf *c, const struct train_hooks *hooks, struct err *e)
{
    t->conf = c;
    t->hooks = hooks;
    if (train_check_init(c, e) || optim_from_conf(&t->settings.optim, c, e)) return -1;
    t->dir = conf_str(c, "output_dir");
    if (!*t->dir) return err_usage(e, "output_dir is empty; give the folder of the run");
    t->dry = conf_bool(c, "dry_run") || (hooks && hooks->plan_only);
    if (!t->dry && file_place_check(t->dir, e)) return err_wrap(e, "output_dir");
    if (!t->dry && inputs_apart(t, NULL, e)) return -1;
    t->seed = (uint64_t)conf_int(c, "seed");
    t->data_seed = conf_is_set(c, "data_seed") ? (uint64_t)conf_int(c, "data_seed") : t->seed;
    long micro_steps = conf_int(c, "gradient_accumulation_steps") * conf_int(c, "num_processes");
    if (micro_steps > 1 << 24)
        return err_usage(e, "gradient_accumulation_steps x num_processes: %ld micro-steps in a step",
                         micro_steps);
    t->accumulation = (int)micro_steps;
    t->hash_every = conf_int(c, "hash_every");
    t->save_limit = conf_is_set(c, "save_total_limit") ? (int)conf_int(c, "save_total_limit") : 0;
    t->max_micro = t->accumulation;
    if (settings_read(t, e)) return -1;
    int flags = t->settings.model | (t->dry ? MODEL_NO_WEIGHTS : 0);
    t->model = model_load(conf_str(c, "model_name_or_path"), flags, t->seed, e);
    if (!t->model || chat_set_template(t, e) || chat_pin_time(t, e) || peft_open(t, e)) return -1;
    if (moe_open(&t->moe, t->model, c, e)) return -1;
    model_train(t->model, true);
    return 0;
}

void trainer_release(struct trainer *t)
{
    runlog_close(t->log);
    optimiser_free(t->opt);
    grad_tree_release(&t->tree);
    moe_release(&t->moe);
    tape_free(t->tape);
    arena_release(&t->arena);
    model_free(t->model);
    json_decref(t->last_metrics);
    step_out_release(&t->pending);
    if (t->lock > 0) close(t->lock);
}

/* ---- steps and the plan ---------------------------------------------------------------------------- */

long trainer_steps(double value, long total)
{
    if (value >= 1) return (long)value;
    return -(long)floor(-value * (double)total);
}

/* Shares of all steps are below 1; above, half a step is none. */
static int check_steps(struct conf *c, struct err *e)
{
    static const char *const keys[] = {"logging_steps", "save_steps", "eval_steps", "warmup_steps"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        double value = conf_is_set(c, keys[i]) ? conf_real(c, keys[i]) : 0;
        if (value > 1 && value != floor(value))
            return err_usage(e,
                             "%s is %g: from 1 on it must be a whole number of steps; below 1 it is a share "
                             "of all steps",
                             keys[i], value);
    }
    return 0;
}

int trainer_count_steps(struct trainer *t, struct err *e)
{
    struct conf *c = t->conf;
    long max_steps = conf_int(c, "max_steps");
    double epochs = conf_real(c, "num_train_epochs");
    if (check_steps(c, e)) return -1;
    CHECK(t->steps_per_epoch > 0, "an epoch of %ld steps", t->steps_per_epoch);
    t->total_steps = max_steps > 0 ? max_steps : -(long)floor(-epochs * (double)t->steps_per_epoch);
    if (t->total_steps < 1)
        return err_usage(e, "nothing to do: num_train_epochs %g and max_steps %ld", epochs, max_steps);
    const char *logging = conf_str(c, "logging_strategy"), *saving = conf_str(c, "save_strategy");
    t->log_every = strcmp(logging, "no") == 0 ? 0
                   : strcmp(logging, "epoch") == 0
                       ? t->steps_per_epoch
                       : trainer_steps(conf_real(c, "logging_steps"), t->total_steps);
    t->save_every = strcmp(saving, "no") == 0 || strcmp(saving, "best") == 0 ? 0
                    : strcmp(saving, "epoch") == 0
                        ? t->steps_per_epoch
                        : trainer_steps(conf_real(c, "save_steps"), t->total_steps);
    if (evaluation_read(t, e)) return -1;
    double warmup = conf_real(c, "warmup_steps"), ratio = conf_real(c, "warmup_ratio");
    json_t *kwargs = conf_map(c, "lr_scheduler_kwargs");
    t->schedule.lr = conf_real(c, "learning_rate");
    t->schedule.greater = t->evaluation.greater;
    t->schedule.total = t->total_steps;
    t->schedule.warmup = trainer_steps(warmup > 0 ? warmup : ratio, t->total_steps);
    int failed = schedule_init(&t->schedule, conf_str(c, "lr_scheduler_type"), kwargs, e);
    json_decref(kwargs);
    return failed;
}

static void say_lines(const char *text)
{
    for (size_t n; *text; text += n + (text[n] == '\n')) {
        n = strcspn(text, "\n");
        log_info("%.*s", (int)n, text);
    }
}

static int check_plan(struct trainer *t, struct err *e)
{
    size_t limit = plan_limit(t->conf), total = plan_total(&t->plan);
    if (total <= limit) return 0;
    struct str others;
    str_init(&others, 4096);
    if (!t->plan.n_others) trainer_plan_others(t);
    plan_others_text(&t->plan, limit, &others);
    const struct plan_other *least = others.len ? NULL : plan_least(&t->plan);
    if (least)
        str_addf(&others, "; other settings alone do not make it fit: the least is %.3g GB, with %s",
                 (double)least->bytes / 1e9, least->settings);
    err_usage(e,
              "this run plans %.3g GB and %.3g GB may be used (max_memory_gb). What helps: a smaller "
              "per_device_train_batch_size, fewer prompts_per_step or num_generations, shorter sequences "
              "(max_length, max_completion_length), a smaller model, use_peft: true%s%s",
              (double)total / 1e9, (double)limit / 1e9, others.len && !least ? ", or\n" : "", others.p);
    str_release(&others);
    return -1;
}

/* Where nothing is run, no key can be blamed for not having been used. */
static void touch_keys(struct trainer *t)
{
    const struct opt *const tables[] = {t->learner->options, train_options, model_options};
    for (int i = 0; i < 3; i++)
        for (const struct opt *o = tables[i]; o->key; o++) conf_is_set(t->conf, o->key);
}

static void plan_out(struct trainer *t, struct str *out)
{
    size_t limit = plan_limit(t->conf);
    trainer_plan_others(t);
    if (t->hooks && t->hooks->plan_json) {
        json_t *o = plan_json(&t->plan, limit);
        json_object_set_new(o, "algorithm", json_string(t->learner->name));
        json_object_set_new(o, "steps", json_integer(t->total_steps));
        json_object_set_new(o, "steps_per_epoch", json_integer(t->steps_per_epoch));
        char *text = json_text(o);
        str_addf(out, "%s\n", text);
        free(text);
        json_decref(o);
        return;
    }
    struct str others;
    str_init(&others, 4096);
    plan_text(&t->plan, limit, out);
    plan_others_text(&t->plan, plan_total(&t->plan), &others);
    if (others.len) str_addf(out, "with other settings\n%s", others.p);
    str_addf(out, "steps: %ld (%ld an epoch)\n", t->total_steps, t->steps_per_epoch);
    str_release(&others);
}

static int dry_end(struct trainer *t, struct str *out, struct err *e)
{
    touch_keys(t);
    if (!t->hooks || !t->hooks->plan_only) {
        conf_yaml(t->conf, out);
        str_puts(out, "\n");
    }
    plan_out(t, out);
    return check_plan(t, e);
}

/* ---- starting -------------------------------------------------------------------------------------- */

static bool model_is_there(const char *dir)
{
    char *path = path_join(dir, "model");
    bool there = file_is_dir(path);
    free(path);
    return there;
}

/* An earlier run that came no further than the look before its first step leaves nothing to lose. */
static bool holds_nothing(const struct trainer *t)
{
    char *log = path_join(t->dir, "metrics.jsonl"), *newest = checkpoint_newest(t->dir);
    bool nothing = file_size(log) <= 0 && !newest && !model_is_there(t->dir);
    free(log);
    free(newest);
    return nothing;
}

static int no_such_checkpoint(const char *dir, const char *asked, struct err *e)
{
    struct str names;
    str_init(&names, 1024);
    checkpoint_names(dir, &names);
    err_usage(e, "resume_from_checkpoint: %s %s; in %s there %s%s", asked,
              file_exists(asked) ? "is no checkpoint of a run (no resume.json)" : "does not exist", dir,
              names.len ? "are: " : "is none", names.p);
    str_release(&names);
    return -1;
}

/* The user says where to go on: at a checkpoint, or (true) at the newest. */
static int decide_asked(struct trainer *t, const char *asked, const char *changed, char **from, struct err *e)
{
    bool newest = strcmp(asked, "true") == 0;
    if (!newest && !checkpoint_is(asked)) return no_such_checkpoint(t->dir, asked, e);
    *from = newest ? checkpoint_newest(t->dir) : alloc_str(asked);
    if (!*from) return err_usage(e, "resume_from_checkpoint: %s holds no checkpoint", t->dir);
    if (*changed) log_warn("resuming with another configuration or other inputs; changed: %s", changed);
    return 0;
}

/* A run that was finished, whose result has been taken away since. */
static int decide_remake(struct trainer *t, char **from, struct err *e)
{
    *from = checkpoint_newest(t->dir);
    if (!*from)
        return err_set(
            e,
            "%s: this run was finished at step %ld, but its model/ is gone and no checkpoint is left "
            "to make it from; overwrite_output_dir: true trains it again, to the same bits",
            t->dir, t->before.step);
    log_warn("%s: this run was finished, but its model/ is gone: it is made again from %s", t->dir, *from);
    return 0;
}

/* What is asked for, given what is there; changed: keys and inputs that are not those of the run there. */
static int choose(struct trainer *t, const char *changed, char **from, struct err *e)
{
    const char *asked = conf_str(t->conf, "resume_from_checkpoint");
    enum run_status status = *changed ? RUN_OTHER : t->before.status;
    if (asked && *asked && strcmp(asked, "false") != 0) return decide_asked(t, asked, changed, from, e);
    if (conf_bool(t->conf, "overwrite_output_dir") && !run_goes_on(status)) return 0;
    if (status == RUN_FINISHED) return model_is_there(t->dir) ? 1 : decide_remake(t, from, e);
    if (status == RUN_OTHER && holds_nothing(t)) {
        log_info("%s: holds no step of the earlier run (changed since: %s), so this one begins in its place",
                 t->dir, changed);
        return 0;
    }
    if (status == RUN_OTHER)
        return err_usage(
            e,
            "%s holds a run with another configuration or other inputs (changed: %s); give another "
            "output_dir, or overwrite_output_dir: true to start anew, or "
            "resume_from_checkpoint: true to go on regardless",
            t->dir, changed);
    *from = checkpoint_newest(t->dir);
    if (status != RUN_NONE || !*from) return 0;
    free(*from);
    *from = NULL;
    return err_usage(e,
                     "%s holds checkpoints of a run that is not known here (no run_state.json); give another "
                     "output_dir, resume_from_checkpoint, or overwrite_output_dir: true to remove them",
                     t->dir);
}

/* The checkpoint to go on from (free() it) into *from, NULL: begin. Returns 1 when there is nothing left to
 * do. */
static int decide(struct trainer *t, const struct rows *data, char **from, struct err *e)
{
    struct run_state *before = &t->before;
    struct str changed;
    *from = NULL;
    if (run_state_read(t->dir, t->config_hash, before, e) && !conf_bool(t->conf, "overwrite_output_dir"))
        return -1;
    str_init(&changed, 1024);
    if (before->status == RUN_OTHER) run_config_diff(t->dir, t->conf, &changed);
    int decided = before->status == RUN_NONE ? 0 : inputs_changed(t, data, &changed, e);
    if (!decided) decided = choose(t, changed.p, from, e);
    str_release(&changed);
    return decided;
}

/* Two processes in one folder would spoil each other's files. The lock goes with the process, however it
 * ends. */
int trainer_lock(struct trainer *t, struct err *e)
{
    char *path = path_join(t->dir, ".lock");
    t->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    int failed = t->lock < 0 ? err_errno(e, "%s", path) : 0;
    if (!failed && flock(t->lock, LOCK_EX | LOCK_NB))
        failed = err_set(e, "%s: another process is at work in this folder", t->dir);
    free(path);
    return failed;
}

/* The newest step's numbers, from its record. */
static int take_last(struct trainer *t, struct err *e)
{
    struct records r;
    if (t->step == 0) return 0;
    if (records_read(&r, t->dir, e)) return -1;
    if (r.n) t->last_metrics = record_metrics(&r.list[r.n - 1]);
    records_release(&r);
    return 0;
}

static int open_log(struct trainer *t, bool resumed, const struct rows *data, struct err *e)
{
    char head[HASH_HEX];
    struct str yaml;
    long recorded = t->pending.metrics ? t->step - 1 : t->step;
    t->log = runlog_open(t->dir, resumed ? recorded : -1, e);
    if (!t->log) return -1;
    runlog_head(t->log, head);
    if (resumed && strcmp(head, t->resumed_head) != 0)
        return err_kind_set(
            e, ERR_MISMATCH,
            "%s/metrics.jsonl up to step %ld is not the log that the checkpoint belongs to (hash %s, "
            "expected %s); restore it, or begin anew with overwrite_output_dir: true",
            t->dir, t->step, head, t->resumed_head);
    if (resumed && take_last(t, e)) return -1;
    str_init(&yaml, 0);
    conf_yaml(t->conf, &yaml);
    int failed = runlog_config(t->log, yaml.p, e);
    str_release(&yaml);
    if (!failed) failed = inputs_note(t, data, e);
    if (!failed) failed = runlog_note(t->log, "algorithm", json_string(t->learner->name), e);
    if (!failed) failed = runlog_note(t->log, "start_weights", json_string(t->start_hash), e);
    if (!failed) failed = runlog_note(t->log, "seed", json_integer((json_int_t)t->seed), e);
    if (!failed) failed = runlog_note(t->log, "start_time", json_string(t->start_time), e);
    if (!failed && conf_str(t->conf, "run_name"))
        failed = runlog_note(t->log, "run_name", json_string(conf_str(t->conf, "run_name")), e);
    return failed;
}

static int take_memory(struct trainer *t, struct err *e)
{
    t->opt = optimiser_new(t->model, &t->settings.optim, e);
    if (!t->opt) return -1;
    grad_tree_init(&t->tree, t->model, t->max_micro);
    /* One chunk as large as the largest step: later steps take no more. Pages are the system's until
     * touched. */
    arena_init(&t->arena, plan_limit(t->conf));
    arena_alloc(&t->arena, t->step_bytes + t->step_bytes / 8);
    arena_reset(&t->arena);
    model_overlay_place(t->model, &t->arena);
    t->arena.peak = 0; /* from here on that of steps */
    t->tape = tape_new(&t->arena);
    return 0;
}

/* What would be taken for a part of the run that begins. */
static int clear_folder(struct trainer *t, struct err *e)
{
    char *look = path_join(t->dir, "preflight.json");
    int failed = checkpoint_prune(t->dir, 0, -1, e);
    if (!failed && t->before.status == RUN_OTHER) failed = file_remove_tree(look, e);
    free(look);
    return failed;
}

/* 0: go on; 1: finished before. */
static int start(struct trainer *t, const struct rows *data, struct err *e)
{
    char *from = NULL;
    run_config_hash(t->conf, t->config_hash);
    if (inputs_apart(t, data, e)) return -1;
    int decided = decide(t, data, &from, e);
    if (decided) return decided;
    model_hash(t->model, t->start_hash);
    int failed = file_mkdirs(t->dir, e);
    if (!failed) failed = trainer_lock(t, e);
    if (!failed) failed = run_sweep(t->dir, e);
    if (!failed) failed = take_memory(t, e);
    if (!failed && from) {
        failed = checkpoint_load(t, from, e);
        if (!failed) failed = checkpoint_cut(t->dir, t->step, e);
        if (!failed && t->save_limit > 0)
            failed = checkpoint_prune(t->dir, t->save_limit, t->evaluation.best_step, e);
        if (!failed) log_info("resumed from %s at step %ld of %ld", from, t->step, t->total_steps);
    } else if (!failed) {
        failed = clear_folder(t, e);
        if (t->evaluation.on_start) step_out_init(&t->pending);
    }
    struct run_state running = {.status = RUN_UNFINISHED, .step = t->step};
    if (!failed) failed = run_state_write(t->dir, &running, t->config_hash, e);
    if (!failed) failed = open_log(t, from, data, e);
    free(from);
    return failed ? -1 : 0;
}

/* ---- the end --------------------------------------------------------------------------------------- */

static char *card(struct trainer *t, const struct rows *data)
{
    struct str yaml;
    if (!t->hooks || !t->hooks->card) return NULL;
    const char *name = conf_str(t->conf, "run_name");
    json_t *facts = json_object(), *datasets = json_array();
    str_init(&yaml, 0);
    conf_yaml(t->conf, &yaml);
    for (int i = 0; i < data->n_paths; i++) json_array_append_new(datasets, json_string(data->paths[i]));
    json_object_set_new(facts, "name", json_string(name ? name : path_base(t->dir)));
    bool adapter = model_is_adapted(t->model);
    json_object_set_new(facts, "adapter", json_boolean(adapter));
    json_object_set_new(
        facts, "base_model",
        json_string(adapter ? model_lora(t->model)->base : conf_str(t->conf, "model_name_or_path")));
    json_object_set_new(facts, "algorithm", json_string(t->learner->name));
    json_object_set_new(facts, "datasets", datasets);
    json_object_set_new(facts, "config", json_string(yaml.p));
    json_object_set_new(facts, "commit", json_string(openr1_commit));
    json_object_set_new(facts, "hash", json_string(t->last_hash));
    if (t->last_metrics) json_object_set(facts, "metrics", t->last_metrics);
    char *text = t->hooks->card(facts);
    json_decref(facts);
    str_release(&yaml);
    return text;
}

/* Give `key` of a JSON file in dir this value, if the file is there. */
static int patch_json(const char *dir, const char *file, const char *key, json_t *value_stolen, struct err *e)
{
    int failed = 0;
    char *path = path_join(dir, file);
    if (file_exists(path)) {
        json_t *o = json_read_file(path, e);
        failed = o ? 0 : -1;
        if (o) {
            json_object_set(o, key, value_stolen);
            failed = json_write_file(o, path, e);
        }
        json_decref(o);
    }
    json_decref(value_stolen);
    free(path);
    return failed;
}

/* eos_token: the saved model ends with this token from now on. */
static int patch_eos(struct trainer *t, const char *dir, struct err *e)
{
    const char *eos = conf_str(t->conf, "eos_token");
    if (!eos || !*eos) return 0;
    int id = tokenizer_id(model_tokenizer(t->model), eos);
    if (patch_json(dir, "generation_config.json", "eos_token_id", json_integer(id), e)) return -1;
    if (patch_json(dir, "config.json", "eos_token_id", json_integer(id), e)) return -1;
    return patch_json(dir, "tokenizer_config.json", "eos_token", json_string(eos), e);
}

static int save_model(struct trainer *t, const struct rows *data, struct err *e)
{
    char *path = path_join(t->dir, "model"), *fresh = path_join(t->dir, "model.new"), *text = card(t, data);
    char *old = path_join(t->dir, "model.old");
    int failed = 0;
    if (file_exists(fresh)) failed = file_remove_tree(fresh, e);
    if (!failed) failed = model_save_trained(t->model, fresh, conf_str(t->conf, "save_dtype"), text, e);
    if (!failed) failed = patch_eos(t, fresh, e);
    if (!failed && file_exists(old)) failed = file_remove_tree(old, e);
    if (!failed && file_exists(path)) failed = file_rename(path, old, e);
    if (!failed) failed = file_rename(fresh, path, e);
    if (failed) file_remove_tree(fresh, NULL);
    if (!failed && file_exists(old)) failed = file_remove_tree(old, e);
    if (!failed) failed = runlog_output(t->log, "model", path, e);
    free(path);
    free(fresh);
    free(old);
    free(text);
    return failed ? -1 : 0;
}

static int take_best(struct trainer *t, struct err *e)
{
    const struct evaluation *v = &t->evaluation;
    if (!v->load_best || v->best_step < 0) return 0;
    log_info("the best model is that of step %ld (%s %.6g)", v->best_step, v->metric, v->best);
    return v->best_step == t->step ? 0 : checkpoint_weights(t, v->best_step, e);
}

/* The one JSON object about the run that goes to standard output. */
static void add_summary(const struct trainer *t, const struct run_state *s, struct str *out)
{
    json_t *summary = json_pack("{s:s, s:I, s:s, s:s}", "output_dir", t->dir, "global_step",
                                (json_int_t)s->step, "weights", s->weights, "log_head", s->log_head);
    CHECK(summary, "summary of %s", t->dir);
    char *text = json_text(summary);
    str_addf(out, "%s\n", text);
    free(text);
    json_decref(summary);
}

static void say_memory(const struct trainer *t)
{
    const struct plan *p = &t->plan;
    char files[80] = "", expected[64] = "";
    if (plan_files(p))
        snprintf(files, sizeof files, ", %.3g GB of it pages of files, which the system may drop",
                 (double)plan_files(p) / 1e9);
    if (t->expected)
        snprintf(expected, sizeof expected, "%.3g GB expected at the lengths sampled, ",
                 (double)t->expected / 1e9);
    log_info("memory: a peak of %.3g GB; %s%.3g GB planned%s%s", (double)memory_peak() / 1e9, expected,
             (double)plan_resident(p) / 1e9, t->expected ? " at most" : "", files);
}

static int finish(struct trainer *t, const struct rows *data, struct str *out, struct err *e)
{
    struct run_state done = {.status = RUN_FINISHED, .step = t->step};
    if (take_best(t, e)) return -1;
    if (!t->last_hash[0]) model_hash(t->model, t->last_hash);
    memcpy(done.weights, t->last_hash, HASH_HEX);
    runlog_head(t->log, done.log_head);
    if (save_model(t, data, e) || trainer_state_write(t, t->dir, e)) return -1;
    if (runlog_note(t->log, "steps", json_integer((json_int_t)t->step), e)) return -1;
    if (runlog_note(t->log, "weights", json_string(t->last_hash), e)) return -1;
    if (runlog_note(t->log, "log_head", json_string(done.log_head), e)) return -1;
    struct err later = {0};
    if (t->hooks && t->hooks->finished && t->hooks->finished(t->dir, &later))
        log_warn("the run is finished, but: %s", later.msg);
    if (run_state_write(t->dir, &done, t->config_hash, e)) return -1; /* last: a kill before it goes on */
    double seconds = clock_s() - t->started_s, steps = (double)(t->steps_here > 0 ? t->steps_here : 1);
    log_info("{'train_runtime': %.1f, 'train_steps_per_second': %.3f, 'train_loss': %.4g}", seconds,
             (double)t->steps_here / (seconds > 0 ? seconds : 1), t->loss_sum / steps);
    say_memory(t);
    add_summary(t, &done, out);
    return 0;
}

static int check_eos(struct trainer *t, struct err *e)
{
    const char *eos = conf_str(t->conf, "eos_token");
    if (!eos || !*eos || tokenizer_id(model_tokenizer(t->model), eos) >= 0) return 0;
    return err_usage(e, "eos_token '%s' is not in the tokenizer's vocabulary", eos);
}

/* What the algorithm does before the first step. 1: that was all. */
static int begin(struct trainer *t, struct str *out, struct err *e)
{
    if (t->step > 0 || !t->learner->begin) return 0;
    stop_install();
    int status = t->learner->begin(t->self, t, out, e);
    if (status) touch_keys(t);
    return status;
}

int trainer_go(struct trainer *t, const struct rows *data, struct str *out, struct err *e)
{
    struct str text;
    CHECK(t->total_steps > 0, "steps were not counted");
    if (check_eos(t, e)) return -1;
    if (t->dry) return dry_end(t, out, e);
    str_init(&text, 1 << 16);
    plan_text(&t->plan, plan_limit(t->conf), &text);
    say_lines(text.p);
    str_release(&text);
    if (check_plan(t, e)) return -1;
    t->started_s = clock_s();
    int started = start(t, data, e);
    if (started < 0) return -1;
    if (started > 0) {
        touch_keys(t);
        log_info("%s: this run is finished; overwrite_output_dir: true would start it anew", t->dir);
        add_summary(t, &t->before, out);
        return 0;
    }
    int begun = begin(t, out, e);
    if (begun) return begun < 0 ? -1 : 0;
    if (trainer_run(t, e)) return -1;
    if (!t->steps_here) touch_keys(t);
    return t->ended ? 0 : finish(t, data, out, e);
}
