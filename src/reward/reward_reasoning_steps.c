/* reward_reasoning_steps.c: a third for each sign of an ordered argument, at most 1.
 *
 * Open-R1's reasoning_steps_reward counts "Step 1:", "1." at the start of a line, bullets, and First,
 * Second, Next, Finally with a comma. Its "^" has no MULTILINE and its bullets need no blank, so that a
 * numbered list counts once, and rules, negative numbers and bold count as bullets. Here a numbered line
 * and a bullet are what Markdown says they are: at the start of any line, with a blank behind.
 * {"compat":"open-r1"} counts as there.
 */
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "base/str.h"
#include "reward/reward_int.h"

enum { UTF8_MAX = 4 };

/* Digits of any script: Python's \d. Looks no further than they go: the end of the text may be far. */
static size_t digits_at(const char *p)
{
    size_t n = 0, length, left;
    while ((left = strnlen(p + n, UTF8_MAX)) > 0 &&
           utf8proc_category(text_code_point(p + n, left, &length)) == UTF8PROC_CATEGORY_ND)
        n += length;
    return n;
}

static size_t word_at(const char *p)
{
    static const char *const words[] = {"First,", "Second,", "Next,", "Finally,"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_starts(p, words[i])) return strlen(words[i]);
    if (!str_starts(p, "Step ")) return 0;
    size_t digits = digits_at(p + 5);
    return digits && p[5 + digits] == ':' ? 5 + digits + 1 : 0;
}

/* Number or bullet at the start of a line. */
static size_t line_start_at(const char *p)
{
    size_t indent = strspn(p, " \t"), digits = digits_at(p + indent);
    const char *mark = p + indent + digits;
    bool is_mark = digits ? *mark == '.' : *mark == '-' || *mark == '*';
    return is_mark && (mark[1] == ' ' || mark[1] == '\t') ? indent + digits + 2 : 0;
}

/* Open-R1's alternatives, in their order. */
static size_t open_r1_at(const char *text, const char *p)
{
    size_t digits = p == text ? digits_at(p) : 0, word = word_at(p);
    if (digits && p[digits] == '.') return digits + 1;
    if (*p == '\n' && (p[1] == '-' || p[1] == '*')) return 2;
    return word;
}

#define SHOWN 20 /* signs of an explanation */

static void reasoning_steps_score(const struct reward_input *in, struct reward_result *out)
{
    bool compat = param_compat(in->params);
    const char *text = in->text;
    int found = 0;
    for (const char *p = text; *p;) {
        bool start = p == text || p[-1] == '\n';
        size_t n = compat ? open_r1_at(text, p) : word_at(p);
        if (!compat && !n && start) n = line_start_at(p);
        found += n > 0;
        if (n && found <= SHOWN && in->steps) {
            char mark[64];
            size_t from = strspn(p, " \t\n");
            snprintf(mark, sizeof mark, "%.*s", (int)(n - from), p + from);
            reward_mark(in, found == 1 ? "signs" : "", p + from, mark);
        }
        p += n ? n : 1;
    }
    if (found > SHOWN) reward_step(in, "", "... (%d more)", found - SHOWN);
    reward_step(in, "formula", "min(1, %d/3)", found);
    reward_give(out, found >= 3 ? 1 : found / 3.0, "%d signs of a step", found);
}

static const struct reward_example reasoning_steps_examples[] = {
    {"First, we do this.\nSecond, we do that.\nFinally, we conclude.", "{}", 1, true, NULL},
    {"Step 1: Only step", "{}", 1 / 3.0, true, NULL},
    {"1. a\n2. b\n3. c", "{}", 1, true, NULL},
    {"1. a\n2. b\n3. c", "{}", 1 / 3.0, true, "{\"compat\":\"open-r1\"}"},
    {"- a\n- b", "{}", 2 / 3.0, true, NULL},
    {"a\n---\n**b**\n-5", "{}", 0, true, NULL},
    {"a\n---\n**b**\n-5", "{}", 1, true, "{\"compat\":\"open-r1\"}"},
    {"step 1: x\nThen, y", "{}", 0, true, NULL},
    {"", "{}", 0, true, NULL},
};

const struct reward reward_reasoning_steps = {
    .name = "reasoning_steps",
    .metric = "reasoning_steps_reward",
    .help = "a third for each \"Step 1:\", numbered line, bullet, First, Second, Next, Finally; at most 1",
    .lo = 0,
    .hi = 1,
    .score = reasoning_steps_score,
    .examples = reasoning_steps_examples,
    .n_examples = sizeof reasoning_steps_examples / sizeof *reasoning_steps_examples,
};
