/* preflight.c: the look before the first step (preflight.h): what is sampled, and what is timed.
 */
#include "train/preflight.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/check.h"
#include "base/file.h"
#include "base/fmath.h"
#include "base/json.h"
#include "base/rng.h"

/* ---- thinking, begun and empty ----------------------------------------------------------------- */

static const char *const mode_words[] = {"as it is", "thinking", "not thinking"};

static void prompt_text(const struct grpo *g, int i, struct str *out)
{
    const struct prompt *p = &g->prompts.list[i];
    tokenizer_decode(model_tokenizer(g->t->model), g->prompts.ids + p->at, (size_t)p->n, false, out);
}

/* Does the text end with an open <think>, but for blanks? *line: behind it a new line begins. */
static bool thought_is_open(const struct str *text, bool *line)
{
    size_t n = text->len, tag = strlen("<think>");
    *line = n > 0 && text->p[n - 1] == '\n';
    while (n > 0 && (text->p[n - 1] == '\n' || text->p[n - 1] == ' ')) n--;
    return n >= tag && memcmp(text->p + n - tag, "<think>", tag) == 0;
}

static void set_mode(struct grpo *g, enum preflight_mode mode, const char *text)
{
    struct preflight *p = &g->preflight;
    struct err ignored;
    p->behind_text[mode] = text;
    /* A vocabulary that cannot say it has no such mode. */
    if (tokenizer_encode(model_tokenizer(g->t->model), text, strlen(text), 0, &p->behind[mode], &ignored))
        p->thinks = false;
    if ((int)p->behind[mode].n > p->longest) p->longest = (int)p->behind[mode].n;
}

void preflight_read(struct grpo *g)
{
    struct conf *c = g->t->conf;
    struct preflight *p = &g->preflight;
    bool only = conf_bool(c, "preflight_only"), on = conf_bool(c, "preflight"), line;
    p->only = only;
    if (!only && !on) return;
    p->n = (int)conf_int(c, "preflight_prompts");
    if (p->n > g->prompts.n) p->n = g->prompts.n;
    const char *template = tokenizer_template(model_tokenizer(g->t->model));
    struct str text;
    str_init(&text, 1 << 22);
    prompt_text(g, 0, &text);
    bool open = thought_is_open(&text, &line);
    p->thinks = open || strstr(text.p, "<think>") || (template && strstr(template, "<think>"));
    if (p->thinks) {
        set_mode(g, LOOK_FORCED, open ? (line ? "" : "\n") : "<think>\n");
        set_mode(g, LOOK_FORBIDDEN,
                 !open  ? "<think>\n\n</think>\n\n"
                 : line ? "\n</think>\n\n"
                        : "\n\n</think>\n\n");
    }
    str_release(&text);
}

/* ---- sampling ---------------------------------------------------------------------------------- */

static void judge(const struct grpo *g, const struct rollouts *r, struct look *out)
{
    size_t cells = (size_t)r->groups * (size_t)r->group * (size_t)r->n_funcs;
    double first = NAN;
    out->all_equal = out->all_zero = true;
    for (size_t i = 0; i < cells; i++) {
        double x = r->rewards[i];
        if (isnan(x)) continue;
        out->all_zero = out->all_zero && x == 0;
    }
    for (int i = 0; i < r->groups * r->group; i++) {
        if (isnan(r->totals[i])) continue;
        if (isnan(first)) first = r->totals[i];
        out->all_equal = out->all_equal && r->totals[i] == first;
    }
    out->n = r->groups;
    out->group = r->group;
    out->tally = rollouts_tally(r, &g->scorer);
    out->reward = r->stats.reward_mean;
    out->reward_std = r->stats.reward_std;
    out->seconds = r->generate_s;
    out->score_s = r->score_s;
    out->tokens = out->tally.length * r->groups * r->group;
}

/* Sample and score the chosen prompts in one mode; r is made here. */
static int look_at(struct grpo *g, enum preflight_mode mode, int group, const int *chosen, struct rollouts *r,
                   struct err *e)
{
    const struct preflight *p = &g->preflight;
    struct rng_at at = {.seed = g->t->seed, .purpose = RNG_PREFLIGHT, .position = 1};
    int *slots = alloc_zero((size_t)p->n, sizeof *slots);
    rollouts_init(r, p->n, group, g->scorer.n);
    for (int i = 0; i < p->n; i++) r->prompts[i] = chosen[i], slots[i] = i;
    struct sample_call c = {.rows = g->rows.rows,
                            .prompts = &g->prompts,
                            .to = r,
                            .slots = slots,
                            .n_slots = p->n,
                            .seed = rng_u64(&at),
                            .step = (uint32_t)mode,
                            .what = mode_words[mode]};
    if (mode != LOOK_PLAIN) c.behind = &p->behind[mode], c.behind_text = p->behind_text[mode];
    int failed = grpo_sample(g, &c, e) || scorer_advantages(&g->scorer, r, e);
    free(slots);
    return failed ? -1 : 0;
}

static double pass_rate(const struct grpo *g, const struct rollouts *r, int slot)
{
    double passed = 0;
    for (int i = slot * r->group; i < (slot + 1) * r->group; i++) passed += scorer_passes(&g->scorer, r, i);
    return passed / r->group;
}

/* The difference that thinking makes, prompt by prompt, and its standard error. */
static void compare_modes(const struct grpo *g, const struct rollouts *with, const struct rollouts *without,
                          struct preflight_result *out)
{
    double *gains = alloc_zero((size_t)with->groups, sizeof *gains);
    for (int i = 0; i < with->groups; i++) gains[i] = pass_rate(g, with, i) - pass_rate(g, without, i);
    struct nan_stats s = nan_stats(gains, with->groups, 1);
    out->gain = s.mean;
    out->gain_error = s.std / fm_sqrt(s.n);
    free(gains);
}

static int look_at_thinking(struct grpo *g, const int *chosen, struct preflight_result *out, struct err *e)
{
    struct rollouts with = {0}, without = {0};
    int group = (g->layout.group + 1) / 2;
    int failed = look_at(g, LOOK_FORCED, group, chosen, &with, e);
    if (!failed) failed = look_at(g, LOOK_FORBIDDEN, group, chosen, &without, e);
    if (!failed) {
        judge(g, &with, &out->looks[LOOK_FORCED]);
        judge(g, &without, &out->looks[LOOK_FORBIDDEN]);
        compare_modes(g, &with, &without, out);
    }
    rollouts_release(&with);
    rollouts_release(&without);
    return failed;
}

/* ---- time -------------------------------------------------------------------------------------- */

static void derive_evenly(float *dlogp, int n)
{
    for (int i = 0; i < n; i++) dlogp[i] = 1 / (float)n;
}

/* Seconds of a forward and backward pass over one group, for each of its rows. */
static double time_rows(struct grpo *g, const struct rollouts *r, struct err *e)
{
    struct forward f = {.rows = {.temperature = g->sampling.temperature}};
    double from = clock_s();
    micro_clear(&g->micro);
    grpo_lay_group(g, &g->prompts.list[r->prompts[0]], r->out[0].c, r->group);
    model_clear_grad(g->t->model);
    if (g->micro.dlogp) derive_evenly(g->micro.dlogp, g->micro.n_heads);
    tape_start(g->t->tape, true);
    micro_forward(&g->micro, g->t->model, g->t->tape, g->t->checkpointing, &f);
    if (f.out.bad_row >= 0) {
        err_set(e, "the starting model's logits are not finite");
        row_wrap(&g->rows.places[g->prompts.list[r->prompts[0]].row], e);
        return -1;
    }
    if (!f.rows.known) derive_evenly(tape_seed(g->t->tape, f.out.logp), f.rows.n);
    tape_backward(g->t->tape);
    model_zero_grad(g->t->model);
    double rows = g->micro.n_rows;
    micro_clear(&g->micro);
    return (clock_s() - from) / rows;
}

/* From what one group cost to what the run will. A pass without gradient counts a third of one with. */
static void predict(const struct grpo *g, double row_s, struct preflight_result *out)
{
    const struct look *plain = &out->looks[LOOK_PLAIN];
    const struct grpo_layout *l = &g->layout;
    double completions = (double)l->groups * l->group, looked = (double)plain->n * plain->group;
    double prompt = (double)g->prompts.n_ids / g->prompts.n;
    double window_rows = l->groups * (prompt + l->group * plain->tally.length);
    double trained = g->policy.beta != 0 || entropy_control_on(&g->control) ? 1 : plain->tally.varied;
    double later = 1 - 1 / (double)l->window_steps; /* share of steps that look before the pass */
    double passes = trained + later * (g->policy.top_entropy < 1 ? 1 : 1 - trained) / 3;
    double sampling = plain->seconds / looked * completions, scoring = plain->score_s / looked * completions;
    double taken = g->store ? trained / l->slices / 3 : 0; /* forward passes that sampling has done */
    double training = row_s * window_rows * (l->iterations * passes - taken + (g->ref ? 1.0 / 3 : 0));
    struct rusage used;
    out->steps = g->t->total_steps;
    out->step_s = (sampling + scoring + training) / (double)l->window_steps;
    out->end_s = out->step_s * (double)out->steps;
    out->generation = sampling / (sampling + scoring + training);
    out->planned_bytes = (double)plan_resident(&g->t->plan);
    out->expected_bytes = (double)g->t->expected;
    out->trained_bytes = (double)g->expected_trained;
    out->peak_bytes = getrusage(RUSAGE_SELF, &used) == 0 ? (double)used.ru_maxrss * 1024 : NAN;
    out->max_tokens = g->sampling.max_new_tokens;
    out->mask_cut = g->mask_truncated;
}

/* ---- the whole --------------------------------------------------------------------------------- */

static int measure(struct grpo *g, struct preflight_result *out, struct err *e)
{
    struct rng_at at = {.seed = g->t->seed, .purpose = RNG_PREFLIGHT};
    size_t n = (size_t)g->prompts.n;
    uint32_t *order = alloc_zero(n, sizeof *order);
    int *chosen = alloc_zero(n, sizeof *chosen);
    struct rollouts plain = {0};
    double row_s = -1;
    rng_permutation(&at, order, (uint32_t)n);
    for (int i = 0; i < g->preflight.n; i++) chosen[i] = (int)order[i];
    int failed = look_at(g, LOOK_PLAIN, g->layout.group, chosen, &plain, e);
    if (!failed) {
        judge(g, &plain, &out->looks[LOOK_PLAIN]);
        snprintf(out->why_none, sizeof out->why_none, "%s", plain.reasons);
        row_s = time_rows(g, &plain, e);
        failed = row_s < 0;
    }
    if (!failed && g->preflight.thinks) failed = look_at_thinking(g, chosen, out, e);
    if (!failed) {
        grpo_expect(g, &plain);
        predict(g, row_s, out);
    }
    rollouts_release(&plain);
    free(order);
    free(chosen);
    return failed;
}

static void say(const struct preflight_result *p)
{
    struct str text;
    str_init(&text, 1 << 16);
    preflight_table(p, &text);
    for (char *line = text.p, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        log_info("%.*s", (int)(end - line), line);
    }
    str_clear(&text);
    if (preflight_verdict(p, &text))
        log_info("preflight: %s", text.p);
    else
        log_warn("preflight: %s", text.p);
    str_release(&text);
}

static int keep(const struct trainer *t, const json_t *record, struct err *e)
{
    char *path = path_join(t->dir, "preflight.json");
    int failed = json_write_file(record, path, e);
    free(path);
    return failed;
}

/* Of another configuration it would be another figure. */
void preflight_recall(struct grpo *g)
{
    struct err ignored = {0};
    double expected = 0, trained = 0;
    if (g->t->before.status == RUN_OTHER) return;
    char *path = path_join(g->t->dir, "preflight.json");
    json_t *o = file_exists(path) ? json_read_file(path, &ignored) : NULL;
    if (json_get_real_or(o, "expected_bytes", 0, &expected, &ignored) == 0 &&
        json_get_real_or(o, "expected_trained_bytes", 0, &trained, &ignored) == 0 && expected > 0 &&
        trained >= expected && trained < 0x1p62) {
        g->t->expected = (size_t)expected;
        g->expected_trained = (size_t)trained;
    }
    json_decref(o);
    free(path);
}

int preflight_run(void *self, struct trainer *t, struct str *out, struct err *e)
{
    struct grpo *g = self;
    struct preflight_result result = {.gain = NAN, .gain_error = NAN};
    if (g->preflight.n == 0) return 0;
    progress_start(&t->bar, "preflight", g->preflight.thinks ? LOOK_MODES : 1);
    int failed = measure(g, &result, e);
    progress_end(&t->bar);
    if (failed) return e->kind == ERR_STOPPED ? -1 : err_wrap(e, "preflight");
    say(&result);
    json_t *record = preflight_json(&result);
    failed = keep(t, record, e);
    if (!failed && g->preflight.only) {
        char *text = json_text(record);
        str_addf(out, "%s\n", text);
        free(text);
    }
    json_decref(record);
    return failed ? -1 : g->preflight.only;
}
