/* grpo_show.c: what a person sees of a run, and what a person must be told early.
 *
 * A table of completions with their rewards; files of all completions with receipts; and warnings, once each
 * with advice, for the ways in which reinforcement learning runs for hours and learns nothing: every reward
 * zero, no variance within groups, completions cut off, rewards that cannot judge, entropy that collapses, a
 * KL that runs away.
 */
#include "train/grpo_int.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { ZERO_WINDOWS = 5, FLAT_WINDOWS = 5, COLLAPSE_STEPS = 5, CELL_LINES = 8, NUMBER_WIDTH = 9 };

static void number_text(char *out, size_t size, double x)
{
    if (isnan(x))
        snprintf(out, size, "None");
    else
        snprintf(out, size, "%.3f", x);
}

/* ---- warnings -------------------------------------------------------------------------------------- */

static bool all_zero(const struct rollouts *r)
{
    size_t n = (size_t)r->groups * (size_t)r->group * (size_t)r->n_funcs, judged = 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(r->rewards[i])) continue;
        if (r->rewards[i] != 0) return false;
        judged++;
    }
    return judged > 0;
}

static double share_flat(const struct rollouts *r)
{
    int flat = 0;
    for (int g = 0; g < r->groups; g++) {
        bool varied = false;
        for (int i = 0; i < r->group; i++) varied = varied || r->advantages[g * r->group + i] != 0;
        flat += !varied;
    }
    return (double)flat / r->groups;
}

static double share_cut(const struct rollouts *r)
{
    int cut = 0, n = r->groups * r->group;
    for (int i = 0; i < n; i++) cut += rollouts_at(r, i)->finish == FINISH_LENGTH;
    return (double)cut / n;
}

/* One completion as it was judged: the fastest way to see why a reward stays at zero. */
static void say_sample(struct grpo *g)
{
    const struct rollouts *r = &g->now;
    const struct completion *c = rollouts_at(r, 0);
    const json_t *row = json_array_get(g->rows.rows, (size_t)g->prompts.list[r->prompts[0]].row);
    const char *gold = json_str_or(row, "solution", json_str_or(row, "answer", NULL));
    size_t n = strlen(c->text), from = n > 400 ? n - 400 : 0;
    while (from < n && ((unsigned char)c->text[from] & 0xC0) == 0x80) from++;
    log_info("a completion%s: %s", from ? " (its end)" : "", c->text + from);
    if (gold) log_info("its solution: %s", gold);
    for (int k = 0; k < g->scorer.n; k++) {
        char number[32];
        number_text(number, sizeof number, r->rewards[k]);
        log_info("%s: %s (%s)", scorer_metric(&g->scorer, k), number, r->reasons + (size_t)k * REASON_MAX);
    }
}

static void warn_none(struct grpo *g)
{
    int n = g->now.groups * g->now.group;
    for (int k = 0; k < g->scorer.n && !g->watch.said_none; k++) {
        if (g->scorer.said_nan[k] || nan_stats(g->now.rewards + k, n, g->scorer.n).n > 0) continue;
        g->watch.said_none = true;
        log_warn(
            "%s could judge none of the %d completions (None): %s. It adds nothing to the reward. Look at %s",
            scorer_metric(&g->scorer, k), n, g->now.reasons + (size_t)k * REASON_MAX,
            scorer_is_program(&g->scorer, k) ? "what the function returns" : "the dataset's columns");
    }
}

/* Completions that no reward could judge are left out of every mean, and get no advantage. */
static void warn_unscored(struct grpo *g)
{
    int n = g->now.groups * g->now.group, lost = 0, which = -1;
    for (int i = 0; i < n; i++) {
        if (!isnan(g->now.totals[i])) continue;
        if (which < 0) which = i;
        lost++;
    }
    if (!lost || g->watch.said_unscored) return;
    g->watch.said_unscored = true;
    struct err first;
    err_set(&first,
            "all rewards returned None for a completion of this row, %d of %d in all: they teach nothing. At "
            "least one reward should judge every completion",
            lost, n);
    row_wrap(&g->rows.places[g->prompts.list[g->now.prompts[which / g->now.group]].row], &first);
    log_warn("%s", first.msg);
}

static const char where_nothing_pays[] =
    ". Is the answer in the form that the reward looks for? Start from a model that sometimes succeeds "
    "(openr1 sft), use easier problems, more generations, or a reward for format";

void grpo_warn(struct grpo *g)
{
    struct grpo_watch *w = &g->watch;
    double flat = share_flat(&g->now), cut = share_cut(&g->now);
    w->windows++;
    w->zero_windows = all_zero(&g->now) ? w->zero_windows + 1 : 0;
    w->flat_windows = flat > 0.9 ? w->flat_windows + 1 : 0;
    if (!w->said_sample) {
        w->said_sample = true;
        say_sample(g);
    }
    warn_none(g);
    warn_unscored(g);
    if (w->windows == ZERO_WINDOWS && w->zero_windows == ZERO_WINDOWS && !w->said_zero) {
        w->said_zero = true;
        log_warn("all rewards of the first %d generations are zero: nothing is learned%s", ZERO_WINDOWS,
                 where_nothing_pays);
        say_sample(g);
    }
    if (w->flat_windows == FLAT_WINDOWS && !w->said_flat) {
        w->said_flat = true;
        log_warn("%.0f %% of the groups have no variance in reward, %d generations in a row: they "
                 "teach nothing. Use problems that the model solves sometimes, or raise num_generations or "
                 "temperature",
                 100 * flat, FLAT_WINDOWS);
    }
    w->cut_windows = cut == 1 ? w->cut_windows + 1 : 0;
    if (w->cut_windows == FLAT_WINDOWS && !w->said_all_cut) {
        w->said_all_cut = true;
        log_warn("every completion of %d generations in a row was cut off at max_completion_length %d: no "
                 "answer was "
                 "ever finished. Raise it, or teach the model to end first (openr1 sft)",
                 FLAT_WINDOWS, g->sampling.max_new_tokens);
    }
    if (cut > 0.5 && !w->said_cut) {
        w->said_cut = true;
        log_warn("%.0f %% of the completions were cut off at max_completion_length %d. Raise it, or "
                 "see whether the model knows its end-of-sequence token",
                 100 * cut, g->sampling.max_new_tokens);
    }
}

/* A run that is over before it could be told. */
void grpo_warn_end(struct grpo *g)
{
    struct grpo_watch *w = &g->watch;
    if (g->t->step < g->t->total_steps || w->said_zero || !w->windows || w->zero_windows < w->windows) return;
    w->said_zero = true;
    log_warn("all rewards of this run's %d generation%s are zero: nothing was learned%s", w->windows,
             w->windows == 1 ? "" : "s", where_nothing_pays);
}

/* Sampling that no longer varies explores nothing; a policy far from its reference is another model. */
void grpo_warn_drift(struct grpo *g)
{
    static const double COLLAPSED = 0.1, FAR = 1; /* share of the first entropy; nats a token */
    struct grpo_watch *w = &g->watch;
    const struct policy_out *out = &g->sums.out;
    if (out->n_tokens > 0) {
        double entropy = out->entropy / out->n_tokens;
        if (w->first_entropy == 0) w->first_entropy = entropy;
        w->low_steps = entropy < COLLAPSED * w->first_entropy ? w->low_steps + 1 : 0;
        if (w->low_steps == COLLAPSE_STEPS && !w->said_entropy) {
            w->said_entropy = true;
            log_warn("entropy has fallen to %.3g, from %.3g at the start: completions hardly vary any more, "
                     "and what "
                     "is not tried is not learned. A lower learning_rate, entropy_coef, a higher "
                     "epsilon_high (0.28) "
                     "or temperature keep it up",
                     entropy, w->first_entropy);
        }
    }
    if (g->policy.beta != 0 && out->n_tokens > 0 && out->kl / out->n_tokens > FAR && !w->said_kl) {
        w->said_kl = true;
        log_warn("the KL to the reference is %.3g a token: the policy has run far away from it. A lower "
                 "learning_rate, a higher beta or a lower max_grad_norm hold it",
                 out->kl / out->n_tokens);
    }
}

void grpo_explain_loss(struct grpo *g, double loss)
{
    if (g->watch.said_loss || g->t->step != 0) return;
    g->watch.said_loss = true;
    if (!policy_starts_at_zero(&g->policy) || g->sums.trained == 0) return;
    log_info("step 1: loss %.4g. Right after sampling every ratio is 1, so the loss is minus the mean "
             "advantage (about 0)%s; its gradient is not 0. Watch reward, not loss",
             loss, g->policy.beta != 0 ? " plus beta times a KL of 0" : "");
}

/* ---- the table ------------------------------------------------------------------------------------- */

/* Lay `text` out into lines of `width` columns; control characters and line ends become blanks. */
struct cell {
    struct str lines[CELL_LINES];
    int n;
};

/* Bytes of `text` that fill a line of `width` columns: up to a blank in its second half, or else cut
 * anywhere. */
static size_t line_bytes(const char *text, size_t n, int width)
{
    size_t at = 0, blank = 0;
    for (int column = 0; column < width && at < n; column++) {
        int step = utf8_length(text + at, n - at);
        if ((text[at] == ' ' || text[at] == '\n') && column > width / 2) blank = at + 1;
        at += step > 0 ? (size_t)step : 1;
    }
    return at < n && blank > 0 ? blank : at;
}

static void add_plain(struct str *line, const char *text, size_t n)
{
    for (size_t at = 0; at < n;) {
        int step = utf8_length(text + at, n - at);
        unsigned char byte = (unsigned char)text[at];
        if (step == 0 || (step == 1 && (byte < 32 || byte == 127)))
            str_puts(line, " ");
        else
            str_add(line, text + at, (size_t)step);
        at += step > 0 ? (size_t)step : 1;
    }
}

static void cell_fill(struct cell *c, const char *text, int width)
{
    size_t n = strlen(text), at = 0;
    for (c->n = 0; c->n < CELL_LINES && (at < n || c->n == 0); c->n++) {
        size_t used = line_bytes(text + at, n - at, width);
        str_init(&c->lines[c->n], 4096);
        add_plain(&c->lines[c->n], text + at, used);
        at += used;
    }
    if (at < n) {
        str_clear(&c->lines[CELL_LINES - 1]);
        str_puts(&c->lines[CELL_LINES - 1], "...");
    }
}

static void cell_release(struct cell *c)
{
    for (int i = 0; i < c->n; i++) str_release(&c->lines[i]);
}

static void add_padded(struct str *out, const char *text, int width)
{
    int used = (int)utf8_count(text, strlen(text));
    str_addf(out, " %s%*s |", text, width > used ? width - used : 0, "");
}

struct table {
    int prompt, completion, n_numbers; /* widths; columns of numbers */
};

static void add_rule(struct str *out, const struct table *t)
{
    int widths[2] = {t->prompt, t->completion};
    str_puts(out, "+");
    for (int i = 0; i < 2 + t->n_numbers; i++) {
        for (int k = 0; k < (i < 2 ? widths[i] : NUMBER_WIDTH) + 2; k++) str_puts(out, "-");
        str_puts(out, "+");
    }
    str_puts(out, "\n");
}

static void add_row(struct str *out, const struct table *t, const char *prompt, const char *completion,
                    const char *const *numbers)
{
    struct cell a, b;
    cell_fill(&a, prompt, t->prompt);
    cell_fill(&b, completion, t->completion);
    for (int i = 0; i < a.n || i < b.n; i++) {
        str_puts(out, "|");
        add_padded(out, i < a.n ? a.lines[i].p : "", t->prompt);
        add_padded(out, i < b.n ? b.lines[i].p : "", t->completion);
        for (int k = 0; k < t->n_numbers; k++) add_padded(out, i == 0 ? numbers[k] : "", NUMBER_WIDTH);
        str_puts(out, "\n");
    }
    cell_release(&a);
    cell_release(&b);
    add_rule(out, t);
}

static void add_completion(struct str *out, const struct table *t, struct grpo *g, int i)
{
    const struct rollouts *r = &g->now;
    const struct prompt *p = &g->prompts.list[r->prompts[i / r->group]];
    char text[FUNCS_MAX + 1][32];
    const char *numbers[FUNCS_MAX + 1];
    struct str prompt;
    str_init(&prompt, 0);
    tokenizer_decode(model_tokenizer(g->t->model), g->prompts.ids + p->at, (size_t)p->n, true, &prompt);
    for (int k = 0; k <= r->n_funcs; k++) {
        double x = k < r->n_funcs ? r->rewards[(size_t)i * (size_t)r->n_funcs + (size_t)k] : r->advantages[i];
        number_text(text[k], sizeof text[k], x);
        numbers[k] = text[k];
    }
    add_row(out, t, prompt.p, rollouts_at(r, i)->text, numbers);
    str_release(&prompt);
}

static void show_table(struct grpo *g)
{
    const struct rollouts *r = &g->now;
    const char *heads[FUNCS_MAX + 1];
    char short_heads[FUNCS_MAX + 1][NUMBER_WIDTH + 1];
    int n = r->groups * r->group, step = g->shown.unique ? r->group : 1, width = log_width(), shown = 0;
    struct table t = {.n_numbers = r->n_funcs + 1};
    struct str out;
    int left = width - t.n_numbers * (NUMBER_WIDTH + 3) - 7;
    if (left < 40) left = 40;
    t.prompt = left / 3;
    t.completion = left - t.prompt;
    for (int k = 0; k < t.n_numbers; k++) {
        snprintf(short_heads[k], sizeof short_heads[k], "%s",
                 k < r->n_funcs ? scorer_name(&g->scorer, k) : "Advantage");
        heads[k] = short_heads[k];
    }
    str_init(&out, 1 << 22);
    str_addf(&out, "step %ld\n", g->t->step);
    add_rule(&out, &t);
    add_row(&out, &t, "Prompt", "Completion", heads);
    for (int i = 0; i < n && shown < g->shown.most; i += step, shown++) add_completion(&out, &t, g, i);
    for (char *line = out.p, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        log_info("%.*s", (int)(end - line), line);
    }
    str_release(&out);
}

/* ---- the files ------------------------------------------------------------------------------------- */

static json_t *completion_record(struct grpo *g, int i)
{
    const struct rollouts *r = &g->now;
    const struct prompt *p = &g->prompts.list[r->prompts[i / r->group]];
    const struct completion *c = rollouts_at(r, i);
    json_t *o = json_object(), *rewards = json_object(), *reasons = json_object();
    struct str prompt;
    str_init(&prompt, 0);
    tokenizer_decode(model_tokenizer(g->t->model), g->prompts.ids + p->at, (size_t)p->n, false, &prompt);
    for (int k = 0; k < r->n_funcs; k++) {
        size_t cell = (size_t)i * (size_t)r->n_funcs + (size_t)k;
        json_object_set_new(rewards, scorer_metric(&g->scorer, k), number_json(r->rewards[cell]));
        json_object_set_new(reasons, scorer_metric(&g->scorer, k),
                            json_string(r->reasons + cell * REASON_MAX));
    }
    json_object_set_new(o, "step", json_integer(g->t->step));
    json_object_set_new(o, "row", json_integer(p->row));
    json_object_set_new(o, "prompt", json_string(prompt.p));
    json_object_set_new(o, "completion", json_string(c->text));
    json_object_set_new(o, "tokens", json_integer(c->n));
    json_object_set_new(o, "truncated", json_boolean(c->finish == FINISH_LENGTH));
    json_object_set_new(o, "rewards", rewards);
    json_object_set_new(o, "reasons", reasons);
    json_object_set_new(o, "reward", number_json(r->totals[i]));
    json_object_set_new(o, "advantage", number_json(r->advantages[i]));
    str_release(&prompt);
    return o;
}

/* TRL's columns: step, prompt, completion, a column a reward, advantage. */
static json_t *table_rows(const json_t *records)
{
    json_t *rows = json_array(), *record;
    size_t i;
    json_array_foreach(records, i, record)
    {
        json_t *row = json_object();
        json_object_set(row, "step", json_object_get(record, "step"));
        json_object_set(row, "prompt", json_object_get(record, "prompt"));
        json_object_set(row, "completion", json_object_get(record, "completion"));
        json_object_update(row, json_object_get(record, "rewards"));
        json_object_set(row, "advantage", json_object_get(record, "advantage"));
        json_array_append_new(rows, row);
    }
    return rows;
}

void grpo_show_read(struct grpo *g, struct conf *c)
{
    g->shown.on = conf_bool(c, "log_completions");
    g->shown.unique = conf_bool(c, "log_unique_prompts");
    g->shown.most =
        conf_is_set(c, "num_completions_to_print") ? (int)conf_int(c, "num_completions_to_print") : INT_MAX;
}

/* Every logging_steps, and at the end of the run, as TRL does. */
void grpo_show(void *self, struct trainer *t)
{
    struct grpo *g = self;
    struct err e;
    int n = g->now.groups * g->now.group;
    if (!g->shown.on || g->now.window < 0) return;
    json_t *records = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(records, completion_record(g, i));
    json_t *rows = table_rows(records);
    if (runlog_completions(t->log, t->step, records, &e) || runlog_table(t->log, t->step, rows, &e))
        log_warn("%s", e.msg);
    json_decref(rows);
    json_decref(records);
    if (g->shown.most > 0) show_table(g);
}
