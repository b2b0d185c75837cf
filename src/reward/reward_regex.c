/* reward_regex.c: 1 if a regular expression matches.
 *
 * PCRE2 with Unicode: what Python's re knows is written the same, flags as (?s), (?m), (?i). A row's column
 * "pattern" goes before the parameter. Matching has a limit of steps; what passes it is not judged.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "reward/reward_int.h"

#define STEPS_MAX 10000000u

static const struct reward_param regex_params[] = {
    {.name = "pattern", .type = PARAM_TEXT, .help = "the expression; a column \"pattern\" goes before it"},
    {.name = "where",
     .type = PARAM_TEXT,
     .text = "all",
     .choices = "all|answer",
     .help = "all: the completion; answer: what stands behind the reasoning"},
    {.name = "full", .type = PARAM_BOOL, .help = "the whole must match, not a part"},
    {.name = NULL}};

static pcre2_code *compiled(const char *pattern, bool full, char *message, size_t size)
{
    int error;
    size_t at;
    uint32_t flags =
        PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | (full ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0);
    pcre2_code *c = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, flags, &error, &at, NULL);
    if (!c) pcre2_get_error_message(error, (PCRE2_UCHAR *)message, size);
    return c;
}

static int regex_check(const json_t *params, struct err *e)
{
    char message[128] = "";
    const char *pattern = param_text(params, regex_params, "pattern");
    if (!pattern) return 0;
    pcre2_code *c = compiled(pattern, false, message, sizeof message);
    if (!c) return err_usage(e, "reward regex: the pattern \"%.100s\" is wrong: %s", pattern, message);
    pcre2_code_free(c);
    return 0;
}

/* 1, and where the match is; 0; or -1: past the limit. */
static int matches(const pcre2_code *c, const struct said *text, struct said *match)
{
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(c, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(context, STEPS_MAX);
    pcre2_set_depth_limit(context, STEPS_MAX);
    pcre2_set_heap_limit(context, 64 * 1024);
    int rc = pcre2_match(c, (PCRE2_SPTR)text->p, text->n, 0, 0, data, context);
    const size_t *at = pcre2_get_ovector_pointer(data);
    if (rc >= 0) *match = (struct said){text->p + at[0], at[1] - at[0]};
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    return rc >= 0 ? 1 : rc == PCRE2_ERROR_NOMATCH ? 0 : -1;
}

static void regex_score(const struct reward_input *in, struct reward_result *out)
{
    static const char *const columns[] = {"pattern", NULL};
    const json_t *column = json_object_get(in->row, columns[0]);
    bool given = column && !json_is_null(column);
    const char *pattern =
        given ? json_string_value(column) : param_text(in->params, regex_params, "pattern");
    bool answer = strcmp(param_text(in->params, regex_params, "where"), "answer") == 0;
    struct said said = {in->text, strlen(in->text)}, match;
    char message[128] = "";
    if (!pattern) {
        if (given)
            reward_no_column(out, in->row, columns, "a text");
        else
            reward_unjudged(out, "neither a parameter nor a column \"pattern\"");
        return;
    }
    if (answer && !said_read(in, &said, out)) return;
    pcre2_code *c = compiled(pattern, param_flag(in->params, regex_params, "full"), message, sizeof message);
    int found = c ? matches(c, &said, &match) : -1;
    pcre2_code_free(c);
    reward_step(in, "pattern", "%s", pattern);
    if (found > 0)
        reward_step(in, "match", "at byte %zu: %.*s", (size_t)(match.p - said.p), (int)match.n, match.p);
    reward_step(in, "formula", "1 where it matches, else 0");
    if (!c)
        reward_unjudged(out, "the pattern \"%.100s\" is wrong: %s", pattern, message);
    else if (found < 0)
        reward_unjudged(out, "the pattern \"%.100s\" needs too many steps", pattern);
    else
        reward_give(out, found, "\"%.200s\" %s", pattern, found ? "matches" : "does not match");
}

static const struct reward_example regex_examples[] = {
    {"The answer is 42.", "{}", 1, true, "{\"pattern\":\"answer is \\\\d+\"}"},
    {"The answer is big.", "{}", 0, true, "{\"pattern\":\"answer is \\\\d+\"}"},
    {"<think>7</think>x", "{\"pattern\":\"\\\\d\"}", 0, true, "{\"where\":\"answer\"}"},
    {"42.", "{\"pattern\":\"\\\\d+\"}", 0, true, "{\"full\":true}"},
    {"42", "{\"pattern\":\"(\"}", 0, false, NULL},
    {"42", "{}", 0, false, NULL},
};

const struct reward reward_regex = {
    .name = "regex",
    .metric = "regex_reward",
    .help = "1 if a regular expression (parameter or column \"pattern\") matches",
    .lo = 0,
    .hi = 1,
    .params = regex_params,
    .check = regex_check,
    .score = regex_score,
    .examples = regex_examples,
    .n_examples = sizeof regex_examples / sizeof *regex_examples,
};
