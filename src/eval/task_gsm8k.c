/* task_gsm8k.c: grade-school word problems (Cobbe et al. 2021): "question", and "answer" ending in "#### N".
 *
 * A chat model is asked as a user, with the instruction to box the final answer; a base model gets
 * "Question: ...\nAnswer:". A gold that is a bare number is met by that number of percent too, because the
 * golds leave the sign out.
 */
#include <stdio.h>
#include <string.h>

#include "data/data.h"
#include "eval/eval_int.h"
#include "verify/verify.h"

static json_t *gsm8k_items(const char *dataset, const char *split, struct err *e)
{
    struct dataset d;
    if (!dataset) {
        err_usage(
            e,
            "gsm8k needs --dataset_name: the folder of GSM8K's train.jsonl and test.jsonl, or one such file "
            "(rows {\"question\",\"answer\"})");
        return NULL;
    }
    if (dataset_open(&d, dataset, split ? split : "test", e)) return NULL;
    json_t *rows = json_incref(d.rows), *first = json_array_get(d.rows, 0);
    dataset_release(&d);
    if (json_is_string(json_object_get(first, "question")) &&
        json_is_string(json_object_get(first, "answer")))
        return rows;
    err_set(e, "%s: rows of gsm8k need \"question\" and \"answer\"", dataset);
    json_decref(rows);
    return NULL;
}

static json_t *gsm8k_prompt(const json_t *item, const json_t *params)
{
    const char *question = json_string_value(json_object_get(item, "question"));
    if (!question) return NULL;
    if (!json_is_true(json_object_get(params, "chat")))
        return json_sprintf("Question: %s\nAnswer:", question);
    json_t *text = json_sprintf(
        "%s\n\nWork through this step by step and put the final answer within \\boxed{}.", question);
    return json_pack("[{s:s,s:o}]", "role", "user", "content", text);
}

static int gsm8k_score(const json_t *item, const char *completion, char *reason, size_t size)
{
    char answer[128];
    int score = score_answer(item, completion, reason, size);
    if (score != 0 || !extract_answer(completion, EXTRACT_ANY, answer, sizeof answer, NULL)) return score;
    char *sign = strchr(answer, '%');
    if (!sign) return score;
    while (sign > answer && (sign[-1] == '\\' || sign[-1] == ' ')) sign--;
    *sign = 0;
    return score_answer(item, answer, reason, size);
}

const struct task task_gsm8k = {
    .name = "gsm8k",
    .help = "grade-school word problems; needs --dataset_name; params {\"chat\": bool} chooses how to ask",
    .items = gsm8k_items,
    .prompt = gsm8k_prompt,
    .score = gsm8k_score,
};
