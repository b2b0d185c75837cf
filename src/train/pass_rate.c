/* pass_rate.c: how often a model solves each prompt, and which prompts it solves now and then.
 *
 * As Open-R1's compute_pass_rate.py: of each row num_generations completions are sampled and scored; its pass
 * rate is the mean of their rewards (weighted sums; a completion that nothing judged is left out). Of what is
 * in output_dir, rows.jsonl holds every row, in order, with the columns pass_rate_generations,
 * pass_rate_rewards and pass_rate, and filtered.jsonl those with pass_rate_min < pass_rate < pass_rate_max.
 *
 * Completion k of prompt i draws with sequence number i G + k, so that what is sampled depends on no batch.
 * The same command goes on behind the last row that is whole.
 */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/hash_path.h"
#include "base/json.h"
#include "train/grpo_int.h"

struct sift {
    struct grpo g;
    struct trainer t;
    struct rollouts now;
    char *all_path, *kept_path, *state_path;
    double min, max;
    long done, kept, low, high, unjudged; /* prompts */
};

static const struct learner pass_rate_learner = {.name = "pass_rate", .options = pass_rate_options};

/* ---- what there is from before ------------------------------------------------------------------------ */

/* Of all that decides what is sampled. */
static json_t *identity(struct sift *s, struct err *e)
{
    char hex[HASH_HEX];
    run_config_hash(s->t.conf, hex);
    json_t *o = json_pack("{s:s}", "config", hex), *inputs = json_array();
    int failed = model_places_hash(conf_str(s->t.conf, "model_name_or_path"), hex, e);
    if (!failed) json_array_append_new(inputs, json_string(hex));
    for (int i = 0; i < s->g.rows.n_paths && !failed; i++) {
        failed = hash_path(s->g.rows.paths[i], hex, NULL, e);
        json_array_append_new(inputs, json_string(hex));
    }
    json_object_set_new(o, "inputs", inputs);
    if (!failed) return o;
    json_decref(o);
    return NULL;
}

/* Rows that an earlier process wrote, without the last one if a kill cut it short. */
static int read_done(struct sift *s, struct err *e)
{
    char *bytes;
    size_t n, whole = 0;
    s->done = 0;
    if (!file_exists(s->all_path)) return 0;
    if (file_read(s->all_path, SIZE_MAX / 2, &bytes, &n, e)) return -1;
    for (size_t i = 0; i < n; i++)
        if (bytes[i] == '\n') s->done++, whole = i + 1;
    int failed = whole < n ? file_write(s->all_path, bytes, whole, e) : 0;
    free(bytes);
    if (!failed && s->done > s->g.prompts.n)
        failed = err_set(e, "%s: %ld rows, the dataset has %d prompts", s->all_path, s->done, s->g.prompts.n);
    if (!failed && s->done) log_info("%s: goes on behind row %ld", s->all_path, s->done);
    return failed;
}

/* Rows of the same identity are gone on from, whatever the keys say: anew they would be the same. */
static int begin(struct sift *s, struct err *e)
{
    json_t *own = identity(s, e), *there = NULL;
    int failed = own ? file_mkdirs(s->t.dir, e) : -1;
    if (!failed) failed = trainer_lock(&s->t, e);
    bool rows = file_exists(s->all_path);
    if (!failed && rows && file_exists(s->state_path)) {
        there = json_read_file(s->state_path, e);
        failed = there ? 0 : -1;
    }
    bool same = rows && json_equal(own, there);
    if (!failed && rows && !same && !conf_bool(s->t.conf, "overwrite_output_dir"))
        failed =
            err_usage(e,
                      "%s holds rows of another configuration, model or dataset; give another output_dir, "
                      "or overwrite_output_dir: true",
                      s->t.dir);
    if (!failed && rows && !same) failed = file_remove_tree(s->all_path, e);
    if (!failed && !same) failed = json_write_file(own, s->state_path, e);
    json_decref(own);
    json_decref(there);
    return failed ? -1 : read_done(s, e);
}

/* ---- rows --------------------------------------------------------------------------------------------- */

static json_t *rated_row(const struct sift *s, int slot)
{
    const struct rollouts *r = &s->now;
    const struct prompt *p = &s->g.prompts.list[r->prompts[slot]];
    json_t *row = json_copy(json_array_get(s->g.rows.rows, (size_t)p->row));
    json_t *texts = json_array(), *rewards = json_array();
    for (int i = slot * r->group; i < (slot + 1) * r->group; i++) {
        json_array_append_new(texts, json_string(rollouts_at(r, i)->text));
        json_array_append_new(rewards, number_json(r->totals[i]));
    }
    json_object_set_new(row, "pass_rate_generations", texts);
    json_object_set_new(row, "pass_rate_rewards", rewards);
    double rate = nan_stats(r->totals + (size_t)slot * (size_t)r->group, r->group, 1).mean;
    json_object_set_new(row, "pass_rate", number_json(rate));
    return row;
}

/* The next n prompts, sampled, scored and written. */
static int rate(struct sift *s, int n, struct err *e)
{
    struct rollouts *r = &s->now;
    int *slots = alloc_zero((size_t)n, sizeof *slots);
    for (int i = 0; i < n; i++) r->prompts[i] = (int)s->done + i, slots[i] = i;
    struct sample_call call = {.rows = s->g.rows.rows,
                               .prompts = &s->g.prompts,
                               .to = r,
                               .slots = slots,
                               .n_slots = n,
                               .seed = s->t.seed,
                               .first_sequence = (uint32_t)s->done * (uint32_t)r->group,
                               .what = "sampling"};
    struct str text;
    str_init(&text, 0);
    r->groups = n;
    int failed = grpo_sample(&s->g, &call, e) || scorer_advantages(&s->g.scorer, r, e);
    for (int i = 0; i < n && !failed; i++) {
        json_t *row = rated_row(s, i);
        char *line = json_text(row);
        str_addf(&text, "%s\n", line);
        free(line);
        json_decref(row);
    }
    if (!failed && text.full) failed = err_set(e, "%d rows of more than 1 GB: lower prompts_per_step", n);
    if (!failed) failed = file_append(s->all_path, text.p, text.len, e);
    if (!failed) s->done += n;
    str_release(&text);
    rollouts_clear(r);
    free(slots);
    return failed ? -1 : 0;
}

static int rate_all(struct sift *s, struct err *e)
{
    int most = s->g.layout.groups, total = s->g.prompts.n, failed = 0;
    stop_install();
    rollouts_init(&s->now, most, s->g.layout.group, s->g.scorer.n);
    progress_start(&s->t.bar, "pass rates", total);
    while (s->done < total && !failed) {
        s->t.step = s->done;
        failed = stop_signal() ? err_kind_set(e, ERR_STOPPED, "stopped")
                               : rate(s, total - s->done < most ? (int)(total - s->done) : most, e);
    }
    progress_end(&s->t.bar);
    s->now.groups = most;
    rollouts_release(&s->now);
    if (!failed || e->kind != ERR_STOPPED) return failed;
    return err_kind_set(e, ERR_STOPPED,
                        "stopped: %ld of %d rows are in %s; run the same command again to go on", s->done,
                        total, s->all_path);
}

/* ---- what is kept ------------------------------------------------------------------------------------- */

static bool is_kept(struct sift *s, const json_t *row)
{
    const json_t *value = json_object_get(row, "pass_rate");
    double x = json_number_value(value);
    bool kept = json_is_number(value) && x > s->min && x < s->max;
    s->unjudged += !json_is_number(value);
    s->low += json_is_number(value) && x <= s->min;
    s->high += json_is_number(value) && x >= s->max;
    s->kept += kept;
    return kept;
}

static int keep(struct sift *s, struct err *e)
{
    struct jsonl in;
    struct file_out out;
    json_t *row;
    int more = 1, failed = jsonl_open(&in, s->all_path, e);
    if (failed) return -1;
    failed = file_out_open(&out, s->kept_path, e);
    while (!failed && (more = jsonl_next(&in, &row, e)) == 1) {
        if (is_kept(s, row))
            failed = file_out_write(&out, in.buf, in.n, e) || file_out_write(&out, "\n", 1, e);
        json_decref(row);
    }
    jsonl_close(&in);
    if (failed || more < 0) {
        file_out_abort(&out);
        return -1;
    }
    return file_out_commit(&out, e);
}

static void tell(const struct sift *s, struct str *out)
{
    json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "filtered", s->kept_path, "rows",
                          (json_int_t)s->done, "kept", (json_int_t)s->kept, "too_low", (json_int_t)s->low,
                          "too_high", (json_int_t)s->high, "not_judged", (json_int_t)s->unjudged);
    char *text = json_text(o);
    str_addf(out, "%s\n", text);
    free(text);
    json_decref(o);
    log_info(
        "pass rate between %g and %g: %ld of %ld rows (%ld too low, %ld too high, %ld not judged), in %s",
        s->min, s->max, s->kept, s->done, s->low, s->high, s->unjudged, s->kept_path);
    if (s->kept == 0)
        log_warn(
            "no row is left: a model that solves all of them, or none, says nothing about their difficulty");
}

/* ---- set-up ------------------------------------------------------------------------------------------- */

/* Open-R1's names for the part of the dataset. */
static int read_part(struct sift *s, struct err *e)
{
    struct conf *c = s->t.conf;
    s->min = conf_real(c, "pass_rate_min");
    s->max = conf_real(c, "pass_rate_max");
    if (!(s->min < s->max))
        return err_usage(e, "pass_rate_min %g is not below pass_rate_max %g", s->min, s->max);
    const char *split = conf_str(c, "dataset_split");
    return split && *split ? conf_set(c, "dataset_train_split", split, e) : 0;
}

/* Only prompts of rows first <= row < behind; the others stay where places point to. */
static int cut_part(struct sift *s, struct err *e)
{
    struct conf *c = s->t.conf;
    struct prompts *p = &s->g.prompts;
    long first = conf_is_set(c, "dataset_start_index") ? conf_int(c, "dataset_start_index") : 0;
    long behind = conf_is_set(c, "dataset_end_index") ? conf_int(c, "dataset_end_index") : LONG_MAX;
    int n = 0;
    for (int i = 0; i < p->n; i++)
        if (p->list[i].row >= first && p->list[i].row < behind) p->list[n++] = p->list[i];
    p->n = n;
    return n > 0 ? 0 : err_usage(e, "no prompt between dataset_start_index %ld and dataset_end_index", first);
}

static int pass_rate_go(struct sift *s, struct str *out, struct err *e)
{
    s->all_path = path_join(s->t.dir, "rows.jsonl");
    s->kept_path = path_join(s->t.dir, "filtered.jsonl");
    s->state_path = path_join(s->t.dir, "rows.json");
    if (cut_part(s, e) || begin(s, e) || rate_all(s, e) || keep(s, e)) return -1;
    tell(s, out);
    return 0;
}

static int pass_rate_run(struct conf *c, const struct train_hooks *hooks, struct str *out, struct err *e)
{
    struct sift s = {.t = {.learner = &pass_rate_learner, .self = &s, .conf = c}};
    s.g.t = &s.t;
    s.g.samples_only = true;
    int failed = read_part(&s, e) || scorer_read(&s.g.scorer, c, e);
    if (!failed) failed = trainer_open(&s.t, c, hooks, e) || grpo_set_up(&s.g, e);
    if (!failed) failed = pass_rate_go(&s, out, e);
    grpo_release(&s.g);
    trainer_release(&s.t);
    free(s.all_path);
    free(s.kept_path);
    free(s.state_path);
    return failed ? -1 : 0;
}

const struct algo algo_pass_rate = {
    .name = "pass_rate",
    .help = "pass rates of prompts under a model",
    .options = pass_rate_options,
    .run = pass_rate_run,
};
