/* cmd_eval.c: `openr1 eval`: score a model on tasks.
 *
 * Writes OUT/results.json and OUT/samples.jsonl and prints the table. results.json holds nothing that
 * depends on the clock or on where files lie, so equal models under equal options give equal bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/cmd_lines.h"
#include "cmd/model_run.h"
#include "eval/eval.h"

static const struct opt eval_options[] = {
    {.key = "model",
     .type = OPT_STR,
     .help = "folder in Hugging Face layout, .gguf file, or llama2.c .bin",
     .flags = OPT_REQUIRED,
     .alias = "model_name_or_path"},
    {.key = "tasks", .type = OPT_LIST, .help = "chain, countdown, arithmetic, gsm8k", .flags = OPT_REQUIRED},
    {.key = "dataset_name",
     .type = OPT_STR,
     .help = "JSONL file or folder of items (default: the task's own)"},
    {.key = "split", .type = OPT_STR, .help = "part of the dataset (default: test)"},
    {.key = "limit",
     .type = OPT_INT,
     .fallback = "0",
     .help = "only so many items; 0: all",
     .lo = 0,
     .hi = 1 << 30},
    {.key = "num_samples",
     .type = OPT_INT,
     .fallback = "1",
     .help = "samples of each item",
     .lo = 1,
     .hi = 4096},
    {.key = "temperature",
     .type = OPT_REAL,
     .help = "0 is greedy; unset: 0 for one sample, 0.6 for several (as R1 was evaluated)",
     .lo = 0,
     .hi = 1e4},
    {.key = "top_p",
     .type = OPT_REAL,
     .fallback = "1.0",
     .help = "nucleus sampling; 1 is off",
     .lo = 0,
     .hi = 1},
    {.key = "top_k", .type = OPT_INT, .fallback = "0", .help = "0 is off", .lo = 0, .hi = 1 << 30},
    {.key = "max_new_tokens",
     .type = OPT_INT,
     .fallback = "512",
     .help = "longest completion",
     .lo = 1,
     .hi = 1 << 24,
     .alias = "max_completion_length"},
    {.key = "seed", .type = OPT_INT, .fallback = "42", .help = "of all draws"},
    {.key = "batch_size",
     .type = OPT_INT,
     .fallback = "64",
     .help = "completions worked on together; changes speed and memory only",
     .lo = 1,
     .hi = 1 << 16},
    {.key = "system_prompt", .type = OPT_STR, .help = "put in front when a conversation has none"},
    {.key = "apply_chat_template",
     .type = OPT_BOOL,
     .fallback = "false",
     .help = "make a prompt string one user message; conversations always use the template"},
    {.key = "params", .type = OPT_MAP, .help = "settings of the task"},
    {.key = "out", .type = OPT_STR, .help = "folder for results.json and samples.jsonl"},
    {0}};
static const struct opt *const eval_tables[] = {eval_options, speculation_options, model_run_options, NULL};

/* As asked for; else greedy, or for several samples DeepSeek-R1's 0.6 (its report of 2025, section 3). */
static double temperature_of(struct conf *c)
{
    if (conf_is_set(c, "temperature")) return conf_real(c, "temperature");
    return conf_int(c, "num_samples") > 1 ? 0.6 : 0;
}

static int options_read(struct conf *c, struct model *m, struct eval_opts *o, struct err *e)
{
    struct sampling *s = &o->sampling;
    sampling_default(s);
    s->temperature = (float)temperature_of(c);
    s->top_p = (float)conf_real(c, "top_p");
    s->top_k = (int)conf_int(c, "top_k");
    s->max_new_tokens = (int)conf_int(c, "max_new_tokens");
    s->n_stop_ids = model_eos(m, &s->stop_ids);
    o->dataset = conf_str(c, "dataset_name");
    o->split = conf_str(c, "split");
    o->limit = (int)conf_int(c, "limit");
    o->num_samples = (int)conf_int(c, "num_samples");
    o->seed = (uint64_t)conf_int(c, "seed");
    o->max_running = (int)conf_int(c, "batch_size");
    o->kv_bytes = (size_t)sysconf(_SC_AVPHYS_PAGES) / 2 * (size_t)sysconf(_SC_PAGESIZE);
    o->system_prompt = conf_str(c, "system_prompt");
    o->apply_chat = conf_bool(c, "apply_chat_template");
    if (o->num_samples > 1 && s->temperature == 0)
        return err_usage(e, "%d samples at temperature 0 would all be the same; set --temperature",
                         o->num_samples);
    return speculation_read(c, &o->draft, e);
}

/* What the numbers rest on, beside the weights: the settings, no paths. */
static json_t *settings_json(struct conf *c, const struct eval_opts *o)
{
    json_t *out = json_object();
    json_object_set_new(out, "num_samples", json_integer(o->num_samples));
    json_object_set_new(out, "limit", json_integer(o->limit));
    json_object_set_new(out, "temperature", json_real(temperature_of(c)));
    json_object_set_new(out, "top_p", json_real(conf_real(c, "top_p")));
    json_object_set_new(out, "top_k", json_integer(o->sampling.top_k));
    json_object_set_new(out, "max_new_tokens", json_integer(o->sampling.max_new_tokens));
    json_object_set_new(out, "seed", json_integer((json_int_t)o->seed));
    if (o->system_prompt) json_object_set_new(out, "system_prompt", json_string(o->system_prompt));
    if (o->params) json_object_set(out, "params", (json_t *)o->params);
    return out;
}

static int results_write(const char *dir, const json_t *results, struct err *e)
{
    char *path = path_join(dir, "results.json");
    int rc = json_write_file(results, path, e);
    free(path);
    return rc;
}

/* Run one task: its result into results, its samples into the file (if there is one). */
static int task_run(struct model *m, const char *name, const struct eval_opts *o, json_t *results,
                    struct lines *samples, struct err *e)
{
    const struct task *t = task_find(name, e);
    struct eval_out out = {0};
    int rc = t ? eval_task(m, t, o, &out, e) : -1;
    size_t i;
    json_t *sample;
    json_array_foreach(out.samples, i, sample)
    {
        json_t *whole = json_pack("{s:s}", "task", name);
        json_object_update(whole, sample);
        if (!rc && samples)
            rc = lines_put(samples, whole, e);
        else
            json_decref(whole);
    }
    if (!rc) json_object_set(results, name, out.result);
    json_decref(out.result);
    json_decref(out.samples);
    return rc;
}

static int tasks_run(struct conf *c, struct model *m, const struct eval_opts *o, json_t *results,
                     struct err *e)
{
    const char *dir = conf_str(c, "out"), *const * names;
    char *path = dir ? path_join(dir, "samples.jsonl") : NULL;
    struct lines samples;
    size_t n = conf_list(c, "tasks", &names);
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) rc = task_find(names[i], e) ? 0 : -1;
    if (!rc && dir) rc = lines_open(&samples, path, e);
    if (!rc) {
        for (size_t i = 0; i < n && !rc; i++)
            rc = task_run(m, names[i], o, results, dir ? &samples : NULL, e);
        if (dir) rc = lines_close(&samples, rc, e);
    }
    free(path);
    return rc;
}

static void table_print(const json_t *results)
{
    struct str table;
    str_init(&table, 0);
    eval_table(results, &table);
    fwrite(table.p, 1, table.len, stdout);
    str_release(&table);
}

static int eval_run(struct conf *c, struct err *e)
{
    struct eval_opts o = {0};
    char hash[65];
    const char *dir = conf_str(c, "out");
    stop_install();
    if (dir && (file_mkdirs(dir, e) || file_place_check(dir, e))) return -1;
    struct model *m = model_open(c, e);
    if (!m) return -1;
    json_t *params = conf_map(c, "params"), *results = json_object();
    o.params = params;
    int rc = options_read(c, m, &o, e);
    if (!rc) rc = tasks_run(c, m, &o, results, e);
    if (!rc && dir) {
        model_hash(m, hash);
        json_t *all =
            json_pack("{s:O,s:o,s:s}", "results", results, "settings", settings_json(c, &o), "weights", hash);
        rc = results_write(dir, all, e);
        json_decref(all);
    }
    if (!rc) table_print(results);
    json_decref(params);
    json_decref(results);
    model_free(o.draft.model);
    model_free(m);
    return rc;
}

const struct cmd cmd_eval = {
    .name = "eval",
    .summary = "score a model on tasks",
    .details =
        "Prints pass@1 with its standard error over items, pass@k, majority vote, lengths, and the share of\n"
        "answers that reason. OUT/results.json has {\"results\":{task:{metric:value}}}, OUT/samples.jsonl "
        "every\n"
        "completion with its verdict and reason.\n\n"
        "  openr1 eval --model runs/x/model --tasks chain --num_samples 8 --temperature 1 --out runs/x/eval\n"
        "  openr1 eval --model SmolLM2-135M-Instruct --tasks gsm8k --dataset_name gsm8k --limit 100",
    .tables = eval_tables,
    .run = eval_run,
};
