/* eval_table.c: results as a table in the shape of lm-evaluation-harness, which many scripts read.
 *
 *   |Tasks|Metric|   |Value |   |Stderr|
 *   |-----|------|---|-----:|---|-----:|
 *   |chain|pass@1|↑  |0.2617|±  |0.0194|
 */
#include <stdio.h>
#include <string.h>

#include "eval/eval.h"

struct widths {
    int task, metric;
};

/* The key of a metric's standard error; false when `key` is no metric to be shown. */
static bool error_key_of(const char *key, char *out, size_t size)
{
    if (str_ends(key, "stderr") || strncmp(key, "n_", 2) == 0 || strcmp(key, "undecided") == 0) return false;
    if (strcmp(key, "pass@1") == 0)
        snprintf(out, size, "stderr");
    else
        snprintf(out, size, "%s_stderr", key);
    return true;
}

static void row_add(struct str *out, const struct widths *w, const char *task, const char *metric,
                    const json_t *pair[2])
{
    char value[32] = "N/A", error[32] = "N/A";
    if (json_is_number(pair[0])) snprintf(value, sizeof value, "%.4f", json_number_value(pair[0]));
    if (json_is_number(pair[1])) snprintf(error, sizeof error, "%.4f", json_number_value(pair[1]));
    bool up = strchr(metric, '@') != NULL; /* of lengths and shares more is not better */
    str_addf(out, "|%-*s|%-*s|%s|%10s|%s|%8s|\n", w->task, task, w->metric, metric, up ? "↑  " : "   ", value,
             json_is_number(pair[1]) ? "±  " : "   ", json_is_number(pair[1]) ? error : "");
}

static void line_add(struct str *out, int n, const char *end)
{
    str_puts(out, "|");
    for (int i = 0; i < n; i++) str_puts(out, "-");
    str_puts(out, end);
}

void eval_table(const json_t *results, struct str *out)
{
    struct widths w = {(int)strlen("Tasks"), (int)strlen("Metric")};
    const char *task, *metric;
    json_t *result, *value;
    char error_key[64];
    json_object_foreach((json_t *)results, task, result)
    {
        if ((int)strlen(task) > w.task) w.task = (int)strlen(task);
        json_object_foreach(result, metric, value)
        {
            if (error_key_of(metric, error_key, sizeof error_key) && (int)strlen(metric) > w.metric)
                w.metric = (int)strlen(metric);
        }
    }
    str_addf(out, "|%-*s|%-*s|   |%10s|   |%8s|\n", w.task, "Tasks", w.metric, "Metric", "Value", "Stderr");
    line_add(out, w.task, "");
    line_add(out, w.metric, "|---|---------:|---|-------:|\n");
    json_object_foreach((json_t *)results, task, result)
    {
        const char *shown = task;
        json_object_foreach(result, metric, value)
        {
            if (!error_key_of(metric, error_key, sizeof error_key)) continue;
            const json_t *pair[2] = {value, json_object_get(result, error_key)};
            row_add(out, &w, shown, metric, pair);
            shown = "";
        }
    }
}
