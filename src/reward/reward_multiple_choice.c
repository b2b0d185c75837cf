/* reward_multiple_choice.c: 1 if the completion chooses the letter in column "solution".
 *
 * The gold is a letter (A, "(b)", "C."), or a number that counts column "choices" from 0. The choice is
 * the letter in a box, in <answer> tags, behind "answer is", or the last that stands alone; or the text of
 * the right choice itself, when there is a column "choices".
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "reward/reward_int.h"
#include "verify/verify.h"

/* The letter of the gold, 0 if it is none. */
static char gold_letter(const json_t *row)
{
    const json_t *v = json_object_get(row, "solution");
    if (!v) v = json_object_get(row, "answer");
    if (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) < 10)
        return (char)('A' + json_integer_value(v));
    const char *p = json_is_string(v) ? json_string_value(v) : "";
    p += strspn(p, " (\n");
    size_t end = strspn(p + (*p != 0), " ).:\n");
    char letter = (char)toupper((unsigned char)*p);
    return letter >= 'A' && letter <= 'J' && p[1 + end] == 0 ? letter : 0;
}

static void multiple_choice_score(const struct reward_input *in, struct reward_result *out)
{
    char gold[2] = {gold_letter(in->row), 0};
    const json_t *choices = json_object_get(in->row, "choices");
    struct said said;
    struct receipt r;
    if (!gold[0]) {
        char number[32];
        const char *found = row_solution(in->row, number);
        if (found)
            reward_unjudged(out, "the gold \"%.100s\" is no letter from A to J", found);
        else
            reward_no_solution(out, in->row);
        return;
    }
    if (choices && !json_is_array(choices) && !json_is_null(choices)) {
        reward_no_column(out, in->row, (const char *const[]){"choices", NULL}, "a list of texts");
        return;
    }
    if (!said_read(in, &said, out)) return;
    const char *right = json_string_value(json_array_get(choices, (size_t)(gold[0] - 'A')));
    if (right) reward_step(in, "choice", "%s is %s", gold, right);
    if (right && strlen(right) == said.n && strncasecmp(right, said.p, said.n) == 0) {
        reward_give(out, 1, "the text of choice %s", gold);
        return;
    }
    char *text = alloc_strn(said.p, said.n), found[64];
    verify_explain(gold, text, NULL, &r, in->steps);
    bool small = extract_answer(text, EXTRACT_ANY, found, sizeof found, NULL) && !found[1] &&
                 islower((unsigned char)*found);
    free(text);
    if (small) {
        reward_step(in, "letter", "%s, small but all that is said", found);
        reward_give(out, toupper((unsigned char)*found) == *gold, "%s vs %s", found, gold);
        return;
    }
    reward_give(out, r.verdict == VERDICT_CORRECT, "%.60s vs %s; %.150s", r.answer, gold, r.reason);
}

static const struct reward_example multiple_choice_examples[] = {
    {"<think>B is wrong</think>The answer is (A).", "{\"solution\":\"A\"}", 1, true, NULL},
    {"\\boxed{B}", "{\"solution\":\"A\"}", 0, true, NULL},
    {"<answer>c</answer>", "{\"solution\":\"(C)\"}", 1, true, NULL},
    {"Answer: D", "{\"solution\":3}", 1, true, NULL},
    {"Paris", "{\"solution\":1,\"choices\":[\"Rome\",\"Paris\"]}", 1, true, NULL},
    {"Rome", "{\"solution\":1,\"choices\":[\"Rome\",\"Paris\"]}", 0, true, NULL},
    {"A", "{\"solution\":\"Paris\"}", 0, false, NULL},
};

const struct reward reward_multiple_choice = {
    .name = "multiple_choice",
    .metric = "multiple_choice_reward",
    .help =
        "1 if the completion chooses the letter (or number, from 0, of column \"choices\") in \"solution\"",
    .lo = 0,
    .hi = 1,
    .score = multiple_choice_score,
    .examples = multiple_choice_examples,
    .n_examples = sizeof multiple_choice_examples / sizeof *multiple_choice_examples,
};
