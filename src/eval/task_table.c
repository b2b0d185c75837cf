/* task_table.c: the rows of task_list.h as a table, the search by name, and what tasks share. */
#include <stdio.h>
#include <string.h>

#include "data/data.h"
#include "eval/eval_int.h"
#include "verify/verify.h"

#define GENERATED_ITEMS 512

#define TASK(name) extern const struct task task_##name;
#include "eval/task_list.h"
#undef TASK

#define TASK(name) &task_##name,
static const struct task *const all[] = {
#include "eval/task_list.h"
    NULL};
#undef TASK

const struct task *const *task_all(void)
{
    return all;
}

const struct task *task_find(const char *name, struct err *e)
{
    const char *names[sizeof all / sizeof *all];
    size_t n = 0;
    for (; all[n]; n++) {
        names[n] = all[n]->name;
        if (strcmp(name, names[n]) == 0) return all[n];
    }
    err_unknown(e, "task", name, names, n);
    return NULL;
}

static json_t *generated(const char *generator, bool held_out, struct err *e)
{
    const struct datagen *g = datagen_find(generator, e);
    json_t *rows = g ? json_array() : NULL;
    for (uint32_t i = 0; rows && i < GENERATED_ITEMS; i++) {
        struct rng_at at = {.seed = 0, .purpose = RNG_DATA, .step = held_out, .sequence = i};
        json_t *row = g->make(&at, held_out, NULL, e);
        if (row) {
            json_array_append_new(rows, row);
        } else {
            json_decref(rows);
            rows = NULL;
        }
    }
    return rows;
}

json_t *items_or_generated(const char *dataset, const char *split, const char *generator, struct err *e)
{
    struct dataset d;
    if (!split) split = "test";
    if (!dataset) return generated(generator, strcmp(split, "train") != 0, e);
    if (dataset_open(&d, dataset, split, e)) return NULL;
    json_t *rows = json_incref(d.rows);
    dataset_release(&d);
    return rows;
}

json_t *item_prompt(const json_t *item, const json_t *params)
{
    (void)params;
    return json_incref(json_object_get(item, "prompt"));
}

int score_answer(const json_t *item, const char *completion, char *reason, size_t size)
{
    const json_t *gold = json_object_get(item, "solution");
    char number[32];
    if (!gold) gold = json_object_get(item, "answer");
    const char *text = json_string_value(gold);
    if (json_is_integer(gold)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(gold));
        text = number;
    }
    if (!text) {
        snprintf(reason, size, "the item has no \"solution\" or \"answer\"");
        return -1;
    }
    struct receipt r;
    verify_math(text, completion, NULL, &r);
    snprintf(reason, size, "%s", r.reason);
    return r.verdict == VERDICT_CORRECT ? 1 : r.verdict == VERDICT_WRONG ? 0 : -1;
}
