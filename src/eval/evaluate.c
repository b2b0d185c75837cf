/* evaluate.c: one task, one model: ask every item, sample, score, count.
 *
 * Sample s of item i draws with sequence number i * num_samples + s, so what an item gets depends on its
 * place and the seed alone, never on which others run beside it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "data/data.h"
#include "eval/eval_int.h"
#include "verify/verify.h"

#define FORWARD_ROWS 512
#define ANSWER_MAX   256

struct run {
    const struct task *task;
    const struct eval_opts *o;
    const struct tokenizer *tok;
    json_t *items, *prompts; /* prompts[i] as the task gave it: text or messages */
    json_t *params;          /* with "chat" filled in */
    int n;
    struct ids *ids;          /* [n] prompts as tokens */
    struct request *requests; /* [n] */
    struct group *groups;     /* [n] */
    struct judged *judged;    /* [n * num_samples] */
    char (*answers)[ANSWER_MAX];
    struct progress bar;
};

static void run_release(struct run *r)
{
    for (int i = 0; i < r->n; i++) {
        if (r->ids) ids_release(&r->ids[i]);
        if (r->groups) group_release(&r->groups[i]);
    }
    json_decref(r->items);
    json_decref(r->prompts);
    json_decref(r->params);
    free(r->ids);
    free(r->requests);
    free(r->groups);
    free(r->judged);
    free(r->answers);
}

/* ---- asking ------------------------------------------------------------------------------------------- */

static int item_encode(struct run *r, int i, struct err *e)
{
    struct prompt_opts how = {
        .tok = r->tok, .system_prompt = r->o->system_prompt, .apply_chat = r->o->apply_chat};
    json_t *prompt = r->task->prompt(json_array_get(r->items, (size_t)i), r->params);
    if (!prompt)
        return err_set(e, "item %d of %s has no prompt; is --dataset_name made for this task?", i,
                       r->task->name);
    json_array_append_new(r->prompts, prompt);
    json_t *row = json_pack("{s:O}", "prompt", prompt);
    int rc = prompt_encode(row, &how, &r->ids[i], e);
    json_decref(row);
    if (!rc && !r->ids[i].n) rc = err_set(e, "the prompt is empty");
    return rc ? err_wrap(e, "%s, item %d", r->task->name, i) : 0;
}

static int items_ask(struct run *r, struct model *m, int *max_tokens, struct err *e)
{
    const struct eval_opts *o = r->o;
    r->items = r->task->items(o->dataset, o->split, e);
    if (!r->items) return -1;
    size_t n = json_array_size(r->items);
    if (o->limit && n > (size_t)o->limit) n = (size_t)o->limit;
    if (n > (size_t)(1 << 30) / (size_t)o->num_samples) return err_set(e, "%zu items are too many", n);
    r->tok = model_tokenizer(m);
    if (!r->tok) return err_set(e, "the model has no tokenizer; eval needs one");
    r->params = o->params ? json_deep_copy(o->params) : json_object();
    if (!json_object_get(r->params, "chat"))
        json_object_set_new(r->params, "chat", json_boolean(tokenizer_template(r->tok) != NULL));
    r->prompts = json_array();
    r->ids = alloc_zero(n + 1, sizeof *r->ids);
    r->requests = alloc_zero(n + 1, sizeof *r->requests);
    r->groups = alloc_zero(n + 1, sizeof *r->groups);
    r->n = (int)n;
    *max_tokens = 1;
    for (int i = 0; i < r->n; i++) {
        if (item_encode(r, i, e)) return -1;
        if (r->ids[i].n > (size_t)(1 << 24)) return err_set(e, "item %d: the prompt is too long", i);
        int tokens = (int)r->ids[i].n + o->sampling.max_new_tokens;
        if (tokens > *max_tokens) *max_tokens = tokens;
        r->requests[i] = (struct request){.prompt = r->ids[i].p,
                                          .n_prompt = (int)r->ids[i].n,
                                          .n = o->num_samples,
                                          .sampling = o->sampling,
                                          .seed = o->seed,
                                          .first_sequence = (uint32_t)(i * o->num_samples)};
    }
    return 0;
}

static bool watch(void *ctx, const struct engine_progress *p)
{
    struct run *r = ctx;
    char note[64];
    snprintf(note, sizeof note, "%ld tokens, %ld running", p->tokens, p->running);
    progress_update(&r->bar, p->done_sequences, note);
    return stop_signal() != 0;
}

static int items_sample(struct run *r, struct model *m, int max_tokens, struct err *e)
{
    long total = (long)r->n * r->o->num_samples;
    struct engine_limits limits = {.max_running = total < r->o->max_running ? (int)total : r->o->max_running,
                                   .max_rows = FORWARD_ROWS,
                                   .max_tokens = max_tokens,
                                   .kv_bytes = r->o->kv_bytes,
                                   .draft = r->o->draft};
    struct engine_hooks hooks = {.watch = watch, .ctx = r};
    struct engine *engine = engine_new(m, &limits, e);
    if (!engine) return -1;
    progress_start(&r->bar, r->task->name, total);
    int rc = engine_run(engine, r->requests, r->n, r->groups, &hooks, e);
    if (!rc) {
        progress_update(&r->bar, total, NULL);
        progress_end(&r->bar);
    }
    engine_free(engine);
    return rc;
}

/* ---- scoring ------------------------------------------------------------------------------------------ */

/* JSON takes no invalid UTF-8. */
static json_t *clean_string(const char *text)
{
    struct str s;
    str_init(&s, 0);
    utf8_clean(&s, text, strlen(text));
    json_t *v = json_stringn(s.p, s.len);
    str_release(&s);
    return v;
}

static json_t *completion_score(struct run *r, int item, int sample)
{
    const struct completion *c = &r->groups[item].c[sample];
    struct judged *j = &r->judged[item * r->o->num_samples + sample];
    char *answer = r->answers[item * r->o->num_samples + sample], reason[320] = "";
    extract_answer(c->text, EXTRACT_ANY, answer, ANSWER_MAX, NULL);
    *j = (struct judged){
        .score = r->task->score(json_array_get(r->items, (size_t)item), c->text, reason, sizeof reason),
        .length = c->n,
        .clipped = c->finish == FINISH_LENGTH,
        .reasoned = strstr(c->text, "</think>") != NULL,
        .answer = answer};
    json_t *correct = j->score < 0 ? json_null() : json_boolean(j->score);
    return json_pack("{s:o,s:o,s:o,s:o,s:i,s:s}", "text", clean_string(c->text), "correct", correct, "answer",
                     clean_string(answer), "reason", clean_string(reason), "length", c->n, "finish_reason",
                     j->clipped ? "length" : "stop");
}

static json_t *items_score(struct run *r)
{
    size_t total = (size_t)r->n * (size_t)r->o->num_samples;
    json_t *samples = json_array();
    r->judged = alloc_zero(total + 1, sizeof *r->judged);
    r->answers = alloc_zero(total + 1, sizeof *r->answers);
    for (int i = 0; i < r->n; i++) {
        const json_t *item = json_array_get(r->items, (size_t)i);
        json_t *completions = json_array(), *id = json_object_get(item, "id");
        json_t *gold = json_object_get(item, "solution");
        if (!gold) gold = json_object_get(item, "answer");
        for (int s = 0; s < r->o->num_samples; s++)
            json_array_append_new(completions, completion_score(r, i, s));
        json_t *sample = json_pack("{s:o,s:O,s:o}", "id", id ? json_incref(id) : json_integer(i), "prompt",
                                   json_array_get(r->prompts, (size_t)i), "completions", completions);
        if (gold) json_object_set(sample, "gold", gold);
        json_array_append_new(samples, sample);
    }
    return samples;
}

int eval_task(struct model *m, const struct task *t, const struct eval_opts *o, struct eval_out *out,
              struct err *e)
{
    struct run r = {.task = t, .o = o};
    int max_tokens = 1, rc = -1;
    CHECK(o->num_samples >= 1 && o->max_running >= 1, "num_samples %d, max_running %d", o->num_samples,
          o->max_running);
    if (sampling_check(&o->sampling, e) || items_ask(&r, m, &max_tokens, e)) goto out;
    if (items_sample(&r, m, max_tokens, e)) goto out;
    out->samples = items_score(&r);
    out->result = metrics_of(r.judged, r.n, o->num_samples);
    rc = 0;
out:
    run_release(&r);
    return rc;
}
