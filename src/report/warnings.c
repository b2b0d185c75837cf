/* warnings.c: what a run's records say that somebody should have looked at: rewards that never moved, groups
 * without variance, completions that never ended. The trainer warns of the same while it runs; here it is
 * counted over the whole run, from the records alone.
 */
#include "report/report_int.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/str.h"

enum { FEW = 5 }; /* generations: fewer than these, and than half of all, are no news */

static double number(const json_t *record, const char *key)
{
    return json_number_value(json_object_get(record, key));
}

static bool is_generation(const json_t *record)
{
    return json_is_number(json_object_get(record, "completions/mean_length"));
}

static bool nothing_judged(const json_t *record)
{
    return !json_is_number(json_object_get(record, "reward"));
}

static bool all_zero(const json_t *record)
{
    const char *key;
    json_t *value;
    if (nothing_judged(record)) return false;
    json_object_foreach((json_t *)record, key, value)
    {
        if (str_starts(key, "rewards/") && json_number_value(value) != 0) return false;
    }
    return true;
}

static bool flat(const json_t *record)
{
    return number(record, "frac_reward_zero_std") > 0.9;
}

static bool cut(const json_t *record)
{
    return number(record, "completions/clipped_ratio") > 0.5;
}

static const struct {
    bool (*holds)(const json_t *record);
    const char *what;
} looks[REPORT_LOOKS] = {
    {nothing_judged, "no reward could judge any completion"},
    {all_zero, "every reward was zero"},
    {flat, "more than nine in ten groups had no variance in reward, so that hardly anything was learned"},
    {cut, "more than half of the completions were cut off at max_completion_length"},
};

void report_warnings_see(struct report_warnings *w, const json_t *record)
{
    if (!is_generation(record)) return;
    w->generations++;
    for (size_t k = 0; k < REPORT_LOOKS; k++) w->counts[k] += looks[k].holds(record);
}

json_t *report_warnings_list(const struct report_warnings *w)
{
    json_t *out = json_array();
    for (size_t k = 0; k < REPORT_LOOKS; k++) {
        struct str line;
        if (w->counts[k] == 0 || (w->counts[k] < FEW && 2 * w->counts[k] <= w->generations)) continue;
        str_init(&line, 0);
        str_addf(&line, "in %zu of %zu generations %s", w->counts[k], w->generations, looks[k].what);
        json_array_append_new(out, json_string(line.p));
        str_release(&line);
    }
    return out;
}
