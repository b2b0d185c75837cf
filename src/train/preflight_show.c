/* preflight_show.c: what a look before the first step says: a table, a record, and one sentence.
 */
#include "train/preflight.h"

#include <math.h>
#include <stdio.h>

static const char *const heads[] = {"as it is", "thinking", "not thinking"};
static const char *const names[] = {"plain", "thinking_forced", "thinking_forbidden"};

/* ---- the sentence ------------------------------------------------------------------------------ */

static void add_thinking(const struct preflight_result *p, struct str *out)
{
    const struct look *with = &p->looks[LOOK_FORCED], *without = &p->looks[LOOK_FORBIDDEN];
    if (isnan(p->gain) || !(p->gain_error >= 0)) return;
    if (p->gain > 2 * p->gain_error && p->gain > 0)
        str_puts(out, "; thinking pays");
    else if (p->gain < -2 * p->gain_error && p->gain < 0)
        str_puts(out, "; thinking does not pay, so training will unlearn it");
    else
        str_puts(out, "; whether thinking pays cannot be told from so few");
    str_addf(out, " (pass@1 %.2f with it, %.2f without)", with->tally.pass_1, without->tally.pass_1);
}

/* What stands in the way where no group has variance in reward. */
static const char *why_flat(const struct look *l)
{
    if (l->all_zero)
        return "every reward is zero: start from a model that sometimes succeeds (openr1 sft), take easier "
               "problems, or reward the form too";
    if (l->all_equal && l->tally.pass_1 >= 1) return "every completion passes already: take harder problems";
    if (l->all_equal)
        return "every completion got the same reward: take problems that the model solves sometimes, or a "
               "reward "
               "that tells completions apart";
    return "no group has variance in reward, each prompt being always right or always wrong: take problems "
           "in between, or raise num_generations or temperature";
}

/* What stands in the way of any learning at all. False: nothing does. */
static bool add_obstacle(const struct preflight_result *p, struct str *out)
{
    const struct look *l = &p->looks[LOOK_PLAIN];
    bool all_cut = l->tally.cut >= 1;
    char share[48] = "every completion was";
    if (!all_cut) snprintf(share, sizeof share, "%.0f %% of the completions were", 100 * l->tally.cut);
    if (isnan(l->reward))
        str_addf(out,
                 "no reward could judge a single completion (%s), so there is nothing to learn from: look at "
                 "the dataset's columns and at reward_funcs",
                 p->why_none);
    else if (l->tally.varied <= 0 ? l->tally.cut > 0.5 : all_cut && p->mask_cut)
        str_addf(out,
                 "%s cut off at %d tokens%s: raise max_completion_length, or see whether the model knows its "
                 "end-of-sequence token",
                 share, p->max_tokens,
                 p->mask_cut ? " and has no loss then (mask_truncated_completions)" : ", before any answer");
    else if (l->tally.varied <= 0)
        str_puts(out, why_flat(l));
    else
        return false;
    return true;
}

bool preflight_verdict(const struct preflight_result *p, struct str *out)
{
    const struct look *l = &p->looks[LOOK_PLAIN];
    struct str obstacle;
    str_init(&obstacle, 4096);
    bool stands = add_obstacle(p, &obstacle);
    if (stands) str_addf(out, "reinforcement learning cannot teach here as it stands: %s", obstacle.p);
    str_release(&obstacle);
    if (stands) return false;
    str_addf(out, "reinforcement learning can teach here: %.0f %% of the groups have variance",
             100 * l->tally.varied);
    if (l->tally.varied < 0.25)
        str_puts(out, ", so most of the sampling will be for nothing (dynamic_sampling)");
    if (l->tally.cut > 0.5)
        str_addf(out, ", but %.0f %% of the completions are cut off at %d tokens", 100 * l->tally.cut,
                 p->max_tokens);
    add_thinking(p, out);
    return true;
}

/* ---- the table --------------------------------------------------------------------------------- */

static void duration(char *out, size_t size, double s)
{
    if (s < 90)
        snprintf(out, size, s < 10 ? "%.2g s" : "%.0f s", s);
    else if (s < 5400)
        snprintf(out, size, "%.0f min", s / 60);
    else if (s < 172800)
        snprintf(out, size, "%.1f h", s / 3600);
    else
        snprintf(out, size, "%.1f days", s / 86400);
}

struct line {
    char name[40];
    const char *format;
    double values[LOOK_MODES];
};

static void add_line(const struct preflight_result *p, const struct line *line, struct str *out)
{
    str_addf(out, "  %-22s", line->name);
    for (int m = 0; m < LOOK_MODES; m++) {
        char number[32];
        if (p->looks[m].n == 0) continue;
        if (isnan(line->values[m]))
            snprintf(number, sizeof number, "none");
        else
            snprintf(number, sizeof number, line->format, line->values[m]);
        str_addf(out, " %14s", number);
    }
    str_puts(out, "\n");
}

static void add_looks(const struct preflight_result *p, struct str *out)
{
    struct line lines[] = {{"pass@1", "%.3f", {0}},  {"pass@k", "%.3f", {0}},
                           {"reward", "%.3f", {0}},  {"groups with variance", "%.3f", {0}},
                           {"cut off", "%.3f", {0}}, {"mean length", "%.1f", {0}}};
    for (int m = 0; m < LOOK_MODES; m++) {
        const struct look *l = &p->looks[m];
        double values[] = {l->tally.pass_1, l->tally.pass_k, l->reward,
                           l->tally.varied, l->tally.cut,    l->tally.length};
        for (int i = 0; i < 6; i++) lines[i].values[m] = values[i];
    }
    int k = p->looks[LOOK_PLAIN].group, half = p->looks[LOOK_FORCED].group;
    if (half > 0 && half != k)
        snprintf(lines[1].name, sizeof lines[1].name, "pass@%d (thinking: %d)", k, half);
    else
        snprintf(lines[1].name, sizeof lines[1].name, "pass@%d", k);
    for (int i = 0; i < 6; i++) add_line(p, &lines[i], out);
}

void preflight_memory(double expected, double trained, double most, struct str *out)
{
    str_addf(out, "  memory: %.3g GB expected, as long as lengths stay", expected / 1e9);
    if (trained > expected)
        str_addf(out, " and, as here, no group has variance (%.3g GB once one has)", trained / 1e9);
    str_addf(out, "; %.3g GB at most", most / 1e9);
}

void preflight_table(const struct preflight_result *p, struct str *out)
{
    const struct look *plain = &p->looks[LOOK_PLAIN];
    char step[32], end[32];
    str_addf(out, "preflight: %d prompts x %d completions of the starting model\n", plain->n, plain->group);
    if (p->looks[LOOK_FORCED].n) {
        str_addf(out, "  %-22s", "");
        for (int m = 0; m < LOOK_MODES; m++) str_addf(out, " %14s", heads[m]);
        str_puts(out, "\n");
    }
    add_looks(p, out);
    duration(step, sizeof step, p->step_s);
    duration(end, sizeof end, p->end_s);
    str_addf(out,
             "  %ld steps of about %s (%.0f %% of it sampling): %s to the end, as long as lengths stay\n",
             p->steps, step, 100 * p->generation, end);
    preflight_memory(p->expected_bytes, p->trained_bytes, p->planned_bytes, out);
    str_addf(out, "; %.3g GB used so far\n", p->peak_bytes / 1e9);
}

/* ---- the record -------------------------------------------------------------------------------- */

static json_t *look_json(const struct look *l)
{
    char key[32];
    json_t *o = json_object();
    snprintf(key, sizeof key, "pass@%d", l->group);
    json_object_set_new(o, "num_generations", json_integer(l->group));
    json_object_set_new(o, "pass@1", number_json(l->tally.pass_1));
    json_object_set_new(o, key, number_json(l->tally.pass_k));
    json_object_set_new(o, "reward", number_json(l->reward));
    json_object_set_new(o, "reward_std", number_json(l->reward_std));
    json_object_set_new(o, "groups_with_variance", number_json(l->tally.varied));
    json_object_set_new(o, "clipped_ratio", number_json(l->tally.cut));
    json_object_set_new(o, "mean_length", number_json(l->tally.length));
    return o;
}

json_t *preflight_json(const struct preflight_result *p)
{
    const struct look *plain = &p->looks[LOOK_PLAIN];
    json_t *o = json_object();
    struct str verdict;
    str_init(&verdict, 4096);
    bool can = preflight_verdict(p, &verdict);
    json_object_set_new(o, "prompts", json_integer(plain->n));
    for (int m = 0; m < LOOK_MODES; m++)
        if (p->looks[m].n) json_object_set_new(o, names[m], look_json(&p->looks[m]));
    if (!isnan(p->gain)) {
        json_object_set_new(o, "thinking_gain", number_json(p->gain));
        json_object_set_new(o, "thinking_gain_error", number_json(p->gain_error));
    }
    json_object_set_new(o, "tokens_per_second", number_json(plain->tokens / plain->seconds));
    json_object_set_new(o, "steps", json_integer(p->steps));
    json_object_set_new(o, "step_seconds", number_json(p->step_s));
    json_object_set_new(o, "total_seconds", number_json(p->end_s));
    json_object_set_new(o, "generation_share", number_json(p->generation));
    json_object_set_new(o, "planned_bytes", number_json(p->planned_bytes));
    json_object_set_new(o, "expected_bytes", number_json(p->expected_bytes));
    json_object_set_new(o, "expected_trained_bytes", number_json(p->trained_bytes));
    json_object_set_new(o, "peak_bytes", number_json(p->peak_bytes));
    json_object_set_new(o, "can_teach", json_boolean(can));
    json_object_set_new(o, "verdict", json_string(verdict.p));
    str_release(&verdict);
    return o;
}
