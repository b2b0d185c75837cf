/* reward_xml.c: the share of the wanted tags that occur once, closed, in the order wanted.
 *
 * A tag counts if <tag> and </tag> each occur exactly once and the block begins behind the block of the tag
 * before it. With {"only":true} text outside the blocks costs everything.
 */
#include <stdio.h>
#include <string.h>

#include "reward/reward_int.h"

static const struct reward_param xml_params[] = {
    {.name = "tags", .type = PARAM_LIST, .help = "names in their order (think, answer)"},
    {.name = "only", .type = PARAM_BOOL, .help = "nothing but blanks may stand outside"},
    {.name = NULL}};
static const char *const standard[] = {"think", "answer"};

static int xml_check(const json_t *params, struct err *e)
{
    const json_t *tags = param_json(params, xml_params, "tags");
    size_t i;
    const json_t *v;
    if (tags && json_array_size(tags) == 0) return err_usage(e, "reward xml: \"tags\" is empty");
    json_array_foreach(tags, i, v) if (!json_is_string(v) || json_string_length(v) > 60) return err_usage(
        e, "reward xml: \"tags\" must hold names of at most 60 bytes");
    return 0;
}

/* The only occurrence; NULL when there is none or more. */
static const char *only_one(const char *text, const char *mark)
{
    const char *p = strstr(text, mark);
    return p && !strstr(p + 1, mark) ? p : NULL;
}

static bool blank(const char *p, const char *end)
{
    while (p < end && strchr(" \t\r\n", *p)) p++;
    return p == end;
}

static void xml_score(const struct reward_input *in, struct reward_result *out)
{
    const json_t *tags = param_json(in->params, xml_params, "tags");
    bool only = param_flag(in->params, xml_params, "only"), clean = true;
    size_t n = tags ? json_array_size(tags) : 2, good = 0;
    const char *behind = in->text, *missed = NULL;
    for (size_t i = 0; i < n; i++) {
        const char *name = tags ? json_string_value(json_array_get(tags, i)) : standard[i];
        char open[64], close[64];
        snprintf(open, sizeof open, "<%s>", name ? name : "");
        snprintf(close, sizeof close, "</%s>", name ? name : "");
        const char *a = only_one(in->text, open), *b = only_one(in->text, close);
        reward_step(in, i ? "" : "tags", "<%s> %s", name ? name : "",
                    !a || !b     ? "and its end do not both occur exactly once"
                    : b < a      ? "ends before it begins"
                    : a < behind ? "begins before the tag in front of it ends"
                                 : "stands once, closed, in its place");
        if (!a || !b || b < a || a < behind) {
            if (!missed) missed = name;
            continue;
        }
        clean = clean && blank(behind, a);
        behind = b + strlen(close);
        good++;
    }
    clean = clean && blank(behind, behind + strlen(behind));
    if (only) reward_step(in, "outside", clean ? "nothing but blanks" : "text, which \"only\" forbids: 0");
    reward_step(in, "formula", "%zu good tags of %zu", good, n);
    if (only && !clean)
        reward_give(out, 0, "text outside the tags");
    else
        reward_give(out, (double)good / (double)n, "%zu of %zu tags stand once and in order%s%.60s", good, n,
                    missed ? "; not so: " : "", missed ? missed : "");
}

static const struct reward_example xml_examples[] = {
    {"<think>a</think> so <answer>b</answer>", "{}", 1, true, NULL},
    {"<answer>b</answer><think>a</think>", "{}", 0.5, true, NULL},
    {"<think>a</think><answer>b", "{}", 0.5, true, NULL},
    {"<think>a</think><think>c</think>", "{}", 0, true, NULL},
    {"<plan>a</plan>", "{}", 1, true, "{\"tags\":[\"plan\"]}"},
    {"<think>a</think>\n<answer>b</answer>\n", "{}", 1, true, "{\"only\":true}"},
    {"So <think>a</think><answer>b</answer>", "{}", 0, true, "{\"only\":true}"},
};

const struct reward reward_xml = {
    .name = "xml",
    .metric = "xml_reward",
    .help = "share of the wanted tags that occur once, closed, in order",
    .lo = 0,
    .hi = 1,
    .params = xml_params,
    .check = xml_check,
    .score = xml_score,
    .examples = xml_examples,
    .n_examples = sizeof xml_examples / sizeof *xml_examples,
};
