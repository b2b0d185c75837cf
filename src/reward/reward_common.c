/* reward_common.c: what the rewards share: the expected answer, the spoken part of a completion, results. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/step_lines.h"
#include "reward/reward_int.h"

static const char *const solution_columns[] = {"solution", "answer", NULL};

const char *row_solution(const json_t *row, char number[32])
{
    for (const char *const *column = solution_columns; *column; column++) {
        const json_t *v = json_object_get(row, *column);
        if (json_is_string(v)) return json_string_value(v);
        if (json_is_integer(v)) {
            snprintf(number, 32, "%lld", (long long)json_integer_value(v));
            return number;
        }
        if (json_is_real(v)) {
            snprintf(number, 32, "%.12g", json_real_value(v));
            return number;
        }
    }
    return NULL;
}

static const char *last_of(const char *text, const char *word)
{
    const char *found = NULL;
    size_t n = strlen(word);
    for (const char *p = text; (p = strstr(p, word)); p += n) found = p;
    return found;
}

bool said_last(const char *text, struct said *out)
{
    const char *close = last_of(text, "</think>"), *open = last_of(text, "<think>");
    if (open && (!close || close < open)) return false;
    const char *p = close ? close + strlen("</think>") : text, *end = p + strlen(p);
    const char *block = last_of(p, "<answer>");
    if (block) {
        p = block + strlen("<answer>");
        const char *stop = strstr(p, "</answer>");
        if (stop) end = stop;
    }
    while (p < end && isspace((unsigned char)*p)) p++;
    while (end > p && isspace((unsigned char)end[-1])) end--;
    *out = (struct said){p, (size_t)(end - p)};
    return true;
}

bool said_read(const struct reward_input *in, struct said *said, struct reward_result *out)
{
    if (!said_last(in->text, said)) {
        reward_give(out, 0, "the reasoning was never finished");
        return false;
    }
    reward_step(in, "said", "%.*s", (int)said->n, said->p);
    return true;
}

void reward_step(const struct reward_input *in, const char *label, const char *fmt, ...)
{
    va_list ap;
    if (!in->steps) return;
    va_start(ap, fmt);
    steps_vline(in->steps, 0, label, fmt, ap);
    va_end(ap);
}

void reward_mark(const struct reward_input *in, const char *label, const char *p, const char *mark)
{
    long line = 1;
    if (!in->steps) return;
    for (const char *q = in->text; p && q < p; q++) line += *q == '\n';
    if (p)
        reward_step(in, label, "line %ld: %s", line, mark);
    else
        reward_step(in, label, "missing: %s", mark);
}

/* One line of valid UTF-8, whatever was cut off or came from a stranger's program. */
static void one_line(char *reason)
{
    size_t n = strlen(reason), to = 0;
    for (size_t i = 0; i < n;) {
        int length = utf8_length(reason + i, n - i);
        for (int k = 0; k < length; k++) reason[to++] = reason[i + (size_t)k];
        if (length == 1 && (unsigned char)reason[to - 1] < ' ') reason[to - 1] = ' ';
        i += length ? (size_t)length : 1;
    }
    reason[to] = 0;
}

void reward_give(struct reward_result *out, double value, const char *fmt, ...)
{
    va_list ap;
    out->value = value;
    out->judged = true;
    va_start(ap, fmt);
    vsnprintf(out->reason, sizeof out->reason, fmt, ap);
    va_end(ap);
    one_line(out->reason);
}

void reward_unjudged(struct reward_result *out, const char *fmt, ...)
{
    va_list ap;
    out->value = 0;
    out->judged = false;
    va_start(ap, fmt);
    vsnprintf(out->reason, sizeof out->reason, fmt, ap);
    va_end(ap);
    one_line(out->reason);
}

void reward_no_column(struct reward_result *out, const json_t *row, const char *const *columns,
                      const char *wanted)
{
    struct str names;
    str_init(&names, 0);
    for (const char *const *column = columns; *column; column++) {
        const json_t *v = json_object_get(row, *column);
        if (v && !json_is_null(v)) {
            str_release(&names);
            reward_unjudged(out, "column \"%s\" is %s; it must be %s", *column, json_kind(v), wanted);
            return;
        }
        str_addf(&names, "%s\"%s\"", column == columns ? "" : " or ", *column);
    }
    reward_unjudged(out, "the row has no column %s", names.p);
    str_release(&names);
}

void reward_no_solution(struct reward_result *out, const json_t *row)
{
    reward_no_column(out, row, solution_columns, "a text or a number");
}
