/* reward_countdown.c: 1 if the expression uses each given number exactly once and hits the target.
 *
 * The row has "nums" (integers) and "target". The expression stands in <answer> tags, or else on the last
 * line behind the reasoning; "= value" at its end is allowed and not believed. Arithmetic is exact.
 */
#include <string.h>

#include "base/str.h"
#include "reward/reward_int.h"
#include "verify/verify.h"

#define EXPRESSION_MAX 512

/* Does the expression use exactly the numbers of the list, each as often? */
static bool same_numbers(const struct arith *a, const json_t *nums)
{
    bool taken[sizeof a->used / sizeof *a->used] = {false};
    if (json_array_size(nums) != (size_t)a->n_used) return false;
    for (int i = 0; i < a->n_used; i++) {
        int k = 0;
        while (k < a->n_used &&
               (taken[k] || json_integer_value(json_array_get(nums, (size_t)k)) != a->used[i]))
            k++;
        if (k == a->n_used) return false;
        taken[k] = true;
    }
    return true;
}

/* The last line, without "= value". */
static void expression_of(const struct said *said, struct str *out)
{
    size_t from = said->n, n;
    while (from > 0 && said->p[from - 1] != '\n') from--;
    const char *p = said->p + from;
    n = said->n - from;
    const char *equals = memchr(p, '=', n);
    str_add(out, p, equals ? (size_t)(equals - p) : n);
}

/* A list of nothing but integers? */
static bool integers(const json_t *list)
{
    size_t i;
    const json_t *v;
    json_array_foreach((json_t *)list, i, v) if (!json_is_integer(v)) return false;
    return json_is_array(list);
}

static void countdown_score(const struct reward_input *in, struct reward_result *out)
{
    const json_t *nums = json_object_get(in->row, "nums"), *target = json_object_get(in->row, "target");
    struct said said;
    struct arith a;
    struct str expr;
    if (!integers(nums)) {
        reward_no_column(out, in->row, (const char *const[]){"nums", NULL}, "a list of integers");
        return;
    }
    if (!json_is_integer(target)) {
        reward_no_column(out, in->row, (const char *const[]){"target", NULL}, "an integer");
        return;
    }
    if (!said_read(in, &said, out)) return;
    str_init(&expr, EXPRESSION_MAX);
    expression_of(&said, &expr);
    reward_step(in, "expression", "%s", expr.p);
    reward_step(in, "formula", "1 where it uses each of the %zu numbers once and is %lld, else 0",
                json_array_size(nums), (long long)json_integer_value(target));
    if (expr.full)
        reward_give(out, 0, "the expression is longer than %d bytes", EXPRESSION_MAX);
    else if (!arith_eval(expr.p, &a))
        reward_give(out, 0, "\"%.80s\" is no expression: %.160s", expr.p, a.reason);
    else if (!same_numbers(&a, nums))
        reward_give(out, 0, "%.80s does not use each given number exactly once", expr.p);
    else if (a.den != 1 || a.num != json_integer_value(target))
        reward_give(out, 0, "%.80s is %lld/%lld, not %lld", expr.p, a.num, a.den,
                    (long long)json_integer_value(target));
    else
        reward_give(out, 1, "%.80s is %lld", expr.p, a.num);
    str_release(&expr);
}

static const struct reward_example countdown_examples[] = {
    {"<think>3*5=15;</think>3+5+8", "{\"nums\":[3,5,8],\"target\":16}", 1, true, NULL},
    {"<answer>(8-5)*3 = 9</answer>", "{\"nums\":[3,5,8],\"target\":9}", 1, true, NULL},
    {"First try fails.\n8/(3-5)", "{\"nums\":[3,5,8],\"target\":-4}", 1, true, NULL},
    {"3+5", "{\"nums\":[3,5,8],\"target\":8}", 0, true, NULL},
    {"3+5+8+0", "{\"nums\":[3,5,8],\"target\":16}", 0, true, NULL},
    {"8+8", "{\"nums\":[3,5,8],\"target\":16}", 0, true, NULL},
    {"3*5-8", "{\"nums\":[3,5,8],\"target\":16}", 0, true, NULL},
    {"5/3*3", "{\"nums\":[3,5,3],\"target\":5}", 1, true, NULL},
    {"8/(5-5)", "{\"nums\":[5,5,8],\"target\":0}", 0, true, NULL},
    {"<think>3+5+8", "{\"nums\":[3,5,8],\"target\":16}", 0, true, NULL},
    {"3+5+8", "{\"nums\":[3,5,8]}", 0, false, NULL},
};

const struct reward reward_countdown = {
    .name = "countdown",
    .metric = "countdown_reward",
    .help = "1 if the expression uses each of \"nums\" exactly once and equals \"target\"",
    .lo = 0,
    .hi = 1,
    .score = countdown_score,
    .examples = countdown_examples,
    .n_examples = sizeof countdown_examples / sizeof *countdown_examples,
};
