/* reward_code_format.c: 1 if reasoning and answer stand in their tags and the answer holds a block of code.
 *
 * Open-R1's get_code_format_reward: re.match with DOTALL and MULTILINE of
 *   ^<think>\n.*?\n</think>\n<answer>\n.*?```LANGUAGE.*?```.*?\n</answer>$
 * As every part may be anything, the first place where each border stands is as good as a later one. There
 * the tag may go on ("java" takes "javascript"); here it ends where the word ends, unless
 * {"compat":"open-r1"}.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "reward/code_work.h"

static const struct reward_param code_format_params[] = {
    {.name = "language",
     .open_r1 = "code_language",
     .type = PARAM_TEXT,
     .text = "python",
     .help = "of the block; a column \"language\" goes before it"},
    {.name = NULL}};

static const char *behind(const char *p, const char *word)
{
    p = p ? strstr(p, word) : NULL;
    return p ? p + strlen(word) : NULL;
}

/* Behind the first block's tag that is `fence` as a whole word; Open-R1: that begins so. */
static const char *behind_tag(const char *p, const char *fence, bool compat)
{
    while ((p = behind(p, fence)))
        if (compat || *p == '\n' || *p == ' ' || *p == '\r' || *p == '\t') return p;
    return NULL;
}

static void code_format_score(const struct reward_input *in, struct reward_result *out)
{
    static const struct {
        const char *label, *mark, *missing;
    } marks[] = {
        {"opening", "<think> on a line of its own, at the beginning",
         "does not begin with <think> and a newline"},
        {"border", "</think> and <answer> on lines of their own",
         "no </think> and <answer> on lines of their own"},
        {"block", "a block of code in that language", "no block of code in that language in the answer"},
        {"block's end", "```", "the block of code is not closed"},
        {"closing", "</answer> on a line of its own", "no </answer> at the end of a line of its own"}};
    enum { MARKS = sizeof marks / sizeof *marks };
    static const char opening[] = "<think>\n", closing[] = "\n</answer>";
    char fence[64];
    const char *language = param_text(in->params, code_format_params, "language");
    struct err e = {0};
    if (json_get_str_or(in->row, "language", language, &language, &e)) {
        reward_no_column(out, in->row, (const char *const[]){"language", NULL}, "a text");
        return;
    }
    snprintf(fence, sizeof fence, "```%.50s", language);
    const char *behind_mark[MARKS], *why = NULL;
    behind_mark[0] =
        strncmp(in->text, opening, sizeof opening - 1) == 0 ? in->text + sizeof opening - 1 : NULL;
    behind_mark[1] = behind(behind_mark[0], "\n</think>\n<answer>\n");
    behind_mark[2] = behind_tag(behind_mark[1], fence, param_compat(in->params));
    behind_mark[3] = behind(behind_mark[2], "```");
    const char *end = behind_mark[3];
    while ((end = behind(end, closing)) && *end && *end != '\n') {
    }
    behind_mark[4] = end;
    for (int i = 0; i < MARKS && !why; i++) {
        reward_mark(in, marks[i].label, behind_mark[i] ? behind_mark[i] - 1 : NULL, marks[i].mark);
        if (!behind_mark[i]) why = marks[i].missing;
    }
    reward_step(in, "formula", "1 where all of them stand, one behind the other, else 0");
    reward_give(out, !why, "%s (%.40s)", why ? why : "reasoning, answer and code stand in their tags",
                language);
}

static const struct reward_example code_format_examples[] = {
    {"<think>\na\n</think>\n<answer>\n```python\nx = 1\n```\n</answer>", "{}", 1, true, NULL},
    {"<think>\na\n</think>\n<answer>\nso:\n```python\nx\n```\nthat is it\n</answer>\ntail", "{}", 1, true,
     NULL},
    {"<think>\na\n</think>\n<answer>\n```cpp\nx\n```\n</answer>", "{\"language\":\"cpp\"}", 1, true, NULL},
    {"<think>\na\n</think>\n<answer>\n```javascript\nx\n```\n</answer>", "{\"language\":\"java\"}", 0, true,
     NULL},
    {"<think>\n```python\nx\n```\n</think>\n<answer>\nno\n</answer>", "{}", 0, true, NULL},
    {"<think>\na\n</think>\n<answer>\n```python\nx\n</answer>", "{}", 0, true, NULL},
    {"<think>\na\n</think>\n<answer>\n```python\nx\n``` </answer>", "{}", 0, true, NULL},
    {"```python\nx\n```", "{}", 0, true, NULL},
};

const struct reward reward_code_format = {
    .name = "code_format",
    .metric = "code_format_reward",
    .help =
        "1 if the completion is <think> lines </think> <answer> lines with a block of code </answer>; params "
        "{\"language\"}, or column \"language\"",
    .lo = 0,
    .hi = 1,
    .params = code_format_params,
    .score = code_format_score,
    .examples = code_format_examples,
    .n_examples = sizeof code_format_examples / sizeof *code_format_examples,
};
