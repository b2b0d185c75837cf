/* story.c: the end of a recipe, told on a terminal: the table, the curve, one
 * problem at three moments.
 *
 * The numbers come from what report_collect gathers, so the terminal and the
 * HTML page cannot disagree.
 */
#include "report/report.h"

#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "report/report_int.h"

enum { STORY_CURVE = 48 };

/* The evaluation of a stage with more than one sample a problem (sampled), or
 * with one (greedy). */
static const json_t *find_eval(const json_t *stage, bool sampled, const json_t **samples)
{
    size_t i;
    json_t *eval, *r;
    const char *task;
    json_array_foreach(json_object_get(stage, "evals"), i, eval)
    {
        json_object_foreach(json_object_get(eval, "results"), task, r)
        {
            if ((json_integer_value(json_object_get(r, "n_samples")) > 1) == sampled) {
                if (samples) *samples = json_object_get(eval, "samples");
                return r;
            }
        }
    }
    return NULL;
}

static void add_percent(struct str *out, const json_t *r, const char *key, const char *error_key)
{
    const json_t *v = json_object_get(r, key), *se = error_key ? json_object_get(r, error_key) : NULL;
    if (!json_is_number(v)) {
        str_addf(out, " %14s", "-");
    } else if (se) {
        str_addf(out, "   %5.1f ± %-4.1f", 100 * json_number_value(v), 100 * json_number_value(se));
    } else {
        str_addf(out, "  %5.1f", 100 * json_number_value(v));
    }
}

static void add_table(struct str *out, const json_t *stages)
{
    str_addf(out, "%-34s %14s %14s %7s %9s\n", "stage (held-out accuracy, %)", "greedy", "mean@8", "pass@8",
             "tokens");
    size_t i;
    json_t *stage;
    json_array_foreach(stages, i, stage)
    {
        const json_t *greedy = find_eval(stage, false, NULL), *sampled = find_eval(stage, true, NULL);
        if (!greedy && !sampled) continue;
        str_addf(out, "%-34.34s", json_str_or(stage, "name", ""));
        add_percent(out, greedy, "pass@1", "stderr");
        add_percent(out, sampled, "pass@1", "stderr");
        add_percent(out, sampled, "pass@8", NULL);
        str_addf(out, " %9.1f\n",
                 json_number_value(json_object_get(greedy ? greedy : sampled, "mean_length")));
    }
}

/* The tasks beside the one of the table, each with its stages in a line. */
static void add_further(struct str *out, const json_t *stages)
{
    json_t *told = json_object(), *stage, *eval, *r; /* task -> its line */
    size_t i, k;
    const char *task;
    json_array_foreach(stages, i, stage)
    {
        const json_t *main_one = find_eval(stage, false, NULL);
        json_array_foreach(json_object_get(stage, "evals"), k, eval)
        {
            json_object_foreach(json_object_get(eval, "results"), task, r)
            {
                const json_t *v = json_object_get(r, "pass@1"), *line = json_object_get(told, task);
                if (r == main_one || json_integer_value(json_object_get(r, "n_samples")) > 1) continue;
                struct str s;
                str_init(&s, 0);
                str_addf(&s, "%s%s%s %.1f", line ? json_string_value(line) : "", line ? ", " : "",
                         json_str_or(stage, "name", ""), 100 * json_number_value(v));
                json_object_set_new(told, task, json_string(s.p));
                str_release(&s);
            }
        }
    }
    json_object_foreach(told, task, r) str_addf(out, "%s, greedy, %%: %s\n", task, json_string_value(r));
    json_decref(told);
}

/* A curve in one line of block characters, each the mean of its share of the
 * steps. */
static void add_curve(struct str *out, const json_t *metrics, const char *key, double hi)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    size_t n = json_array_size(metrics), width = n < STORY_CURVE ? n : STORY_CURVE;
    for (size_t c = 0; c < width; c++) {
        double sum = 0;
        size_t from = c * n / width, to = (c + 1) * n / width;
        for (size_t i = from; i < to; i++) {
            sum += json_number_value(json_object_get(json_array_get(metrics, i), key));
        }
        double level = sum / (double)(to - from) / hi * 7.999;
        str_puts(out, blocks[level < 0 ? 0 : level > 7 ? 7 : (int)level]);
    }
}

static double largest(const json_t *metrics, const char *key)
{
    double hi = 1e-9;
    size_t i;
    json_t *m;
    json_array_foreach(metrics, i, m)
    {
        double v = json_number_value(json_object_get(m, key));
        if (v > hi) hi = v;
    }
    return hi;
}

/* Of the steps those that sampled: where a window feeds several, the others have no reward of their own. */
static json_t *sampled_steps(const json_t *metrics)
{
    json_t *list = json_array(), *m;
    size_t i;
    json_array_foreach(metrics, i, m)
    {
        if (json_is_number(json_object_get(m, "reward"))) json_array_append(list, m);
    }
    return list;
}

static void add_curves(struct str *out, const json_t *stages)
{
    size_t i;
    json_t *stage;
    json_array_foreach(stages, i, stage)
    {
        json_t *metrics = sampled_steps(json_object_get(stage, "metrics"));
        size_t n = json_array_size(metrics), steps = json_array_size(json_object_get(stage, "metrics"));
        const json_t *first = json_array_get(metrics, 0), *last = json_array_get(metrics, n ? n - 1 : 0);
        const char *length = "completions/mean_length";
        double hi = largest(metrics, length), most = largest(metrics, "reward");
        if (n == 0) {
            json_decref(metrics);
            continue;
        }
        str_addf(out, "\n%s, %zu steps\n  reward  ", json_str_or(stage, "name", ""), steps);
        add_curve(out, metrics, "reward", most > 1 ? most : 1);
        str_addf(out, "  %.2f -> %.2f\n  length  ", json_number_value(json_object_get(first, "reward")),
                 json_number_value(json_object_get(last, "reward")));
        add_curve(out, metrics, length, hi);
        str_addf(out, "  %.1f -> %.1f tokens\n", json_number_value(json_object_get(first, length)),
                 json_number_value(json_object_get(last, length)));
        json_decref(metrics);
    }
}

static void add_transcripts(struct str *out, const json_t *stages)
{
    size_t i;
    json_t *stage;
    bool first = true;
    json_array_foreach(stages, i, stage)
    {
        if (!json_is_true(json_object_get(stage, "transcript"))) continue;
        const json_t *samples = NULL;
        if (!find_eval(stage, false, &samples)) continue;
        const json_t *sample = json_array_get(samples, 0);
        const json_t *c = json_array_get(json_object_get(sample, "completions"), 0);
        if (first) str_addf(out, "\nOne held-out problem: %s\n", json_str_or(sample, "prompt", ""));
        first = false;
        str_addf(out, "  %-32.32s %s  (%s)\n", json_str_or(stage, "name", ""), json_str_or(c, "text", ""),
                 json_is_true(json_object_get(c, "correct")) ? "correct" : "wrong");
    }
}

int report_story(const json_t *stages, struct str *out, struct err *e)
{
    json_t *full = json_array();
    int rc = 0;
    size_t i;
    json_t *stage;
    json_array_foreach(stages, i, stage)
    {
        json_t *one = rc ? NULL : report_collect(stage, e);
        if (one) {
            json_array_append_new(full, one);
        } else {
            rc = -1;
        }
    }
    if (!rc) {
        add_table(out, full);
        add_further(out, full);
        add_curves(out, full);
        add_transcripts(out, full);
    }
    json_decref(full);
    return rc;
}
