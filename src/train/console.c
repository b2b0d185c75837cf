/* console.c: the line that Hugging Face's trainer prints every logging_steps: a Python dictionary of the
 * metrics, each averaged over the steps since the last line (norm, rate and counters: the newest value).
 */
#include "train/train_int.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

bool console_is_newest(const char *key)
{
    static const char *const newest[] = {"grad_norm", "learning_rate", "epoch", "num_tokens"};
    for (size_t i = 0; i < sizeof newest / sizeof *newest; i++)
        if (strcmp(key, newest[i]) == 0) return true;
    return false;
}

static struct average *average_find(struct trainer *t, const char *key)
{
    for (int i = 0; i < t->n_averages; i++)
        if (strcmp(t->averages[i].key, key) == 0) return &t->averages[i];
    if (t->n_averages == AVERAGES_MAX || strlen(key) >= sizeof t->averages->key) return NULL;
    struct average *a = &t->averages[t->n_averages++];
    *a = (struct average){0};
    memcpy(a->key, key, strlen(key) + 1);
    return a;
}

void console_collect(struct trainer *t, const json_t *metrics)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)metrics, key, value)
    {
        bool averaged = json_is_number(value) && !str_starts(key, "eval_");
        struct average *a = averaged ? average_find(t, key) : NULL;
        if (!a) continue;
        a->last = json_number_value(value);
        a->sum += a->last;
        a->n++;
    }
}

bool console_due(const struct trainer *t, long step)
{
    if (step == 1 && conf_bool(t->conf, "logging_first_step")) return true;
    return t->log_every > 0 && step % t->log_every == 0;
}

void console_line(struct trainer *t)
{
    struct str line;
    str_init(&line, 1 << 16);
    for (int i = 0; i < t->n_averages; i++) {
        const struct average *a = &t->averages[i];
        if (a->n == 0) continue;
        double x = console_is_newest(a->key) ? a->last : a->sum / (double)a->n;
        bool whole = x == floor(x) && fabs(x) < 1e15 && strcmp(a->key, "num_tokens") == 0;
        str_addf(&line, whole ? "%s'%s': %.0f" : "%s'%s': %.4g", line.len ? ", " : "", a->key, x);
    }
    log_info("{%s}", line.p);
    str_release(&line);
    t->n_averages = 0;
}

void console_evaluation(const json_t *metrics, const json_t *timings)
{
    const json_t *const objects[] = {metrics, timings};
    struct str line;
    const char *key;
    json_t *value;
    str_init(&line, 1 << 16);
    for (int i = 0; i < 2; i++) json_object_foreach((json_t *)objects[i], key, value)
        {
            if (str_starts(key, "eval_") || (i == 0 && strcmp(key, "epoch") == 0))
                str_addf(&line, "%s'%s': %.4g", line.len ? ", " : "", key, json_number_value(value));
        }
    log_info("{%s}", line.p);
    str_release(&line);
}

json_t *number_json(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}
