/* reward_table.c: the rows of reward_list.h as a table, the search by name, scoring. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "reward/reward_int.h"

#define REWARD(name) extern const struct reward reward_##name;
#include "reward/reward_list.h"
#undef REWARD

#define REWARD(name) &reward_##name,
static const struct reward *const all[] = {
#include "reward/reward_list.h"
    NULL};
#undef REWARD

const struct reward *const *reward_all(void)
{
    return all;
}

/* accuracy, accuracy_reward, get_accuracy_reward; get_soft_overlong_punishment has no "_reward" behind it. */
static bool is_called(const struct reward *w, const char *name)
{
    char metric[80];
    if (strcmp(name, w->name) == 0 || strcmp(name, w->metric) == 0) return true;
    if (!str_starts(name, "get_")) return false;
    snprintf(metric, sizeof metric, "%.60s_reward", name + 4);
    return strcmp(name + 4, w->metric) == 0 || strcmp(metric, w->metric) == 0;
}

const struct reward *reward_find(const char *name, struct err *e)
{
    const char *names[sizeof all / sizeof *all];
    size_t n = 0;
    for (; all[n]; n++) {
        names[n] = all[n]->name;
        if (is_called(all[n], name)) return all[n];
    }
    err_unknown(e, "reward", name, names, n);
    return NULL;
}

void reward_score(const struct reward *w, const struct reward_input *in, int n, struct reward_result *out)
{
    if (w->score_group)
        w->score_group(in, n, out);
    else
        for (int i = 0; i < n; i++) w->score(&in[i], &out[i]);
    for (int i = 0; i < n; i++) reward_end(&in[i], &out[i]);
}

void reward_end(const struct reward_input *in, const struct reward_result *out)
{
    if (out->judged)
        reward_step(in, "reward", "%.10g: %s", out->value, out->reason);
    else
        reward_step(in, "not judged", "%s", out->reason);
}
