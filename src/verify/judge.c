/* judge.c: a program is run on tests and its outputs are compared.
 *
 * A check (assertions that call the program, as HumanEval and MBPP have them) runs in another process than
 * the program (check_harness.py, in the same sandbox), and has passed when it wrote a random word that only
 * this side and the check's process know.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/check.h"
#include "base/embed.h"
#include "base/hash.h"
#include "base/json.h"
#include "verify/judge_int.h"
#include "verify/language.h"

const char *code_verdict_name(enum code_verdict v)
{
    static const char *const names[] = {"passed",       "wrong_answer", "runtime_error", "time_limit",
                                        "memory_limit", "output_limit", "compile_error", "skipped"};
    return names[v];
}

/* ---- comparing --------------------------------------------------------------------------------------------
 */

struct piece {
    const char *p;
    size_t n;
};

/* Python's str.strip and split take these for blanks (within ASCII). */
static bool blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
}

/* The next line without blanks at its end; false when there is none. */
static bool next_line(const char **at, struct piece *line)
{
    if (!**at) return false;
    line->p = *at;
    line->n = strcspn(*at, "\n");
    *at += line->n + ((*at)[line->n] == '\n');
    while (line->n && blank(line->p[line->n - 1])) line->n--;
    return true;
}

static bool next_word(const char **at, const char *end, struct piece *word)
{
    while (*at < end && blank(**at)) ++*at;
    word->p = *at;
    while (*at < end && !blank(**at)) ++*at;
    word->n = (size_t)(*at - word->p);
    return word->n > 0;
}

static bool number_of(struct piece w, double *x)
{
    char text[64], *end;
    if (w.n >= sizeof text || (!isdigit((unsigned char)w.p[w.n - 1]) && w.p[w.n - 1] != '.')) return false;
    memcpy(text, w.p, w.n);
    text[w.n] = 0;
    *x = strtod(text, &end);
    return !*end && isfinite(*x);
}

static bool is_any_case(struct piece w, const char *word)
{
    return w.n == strlen(word) && strncasecmp(w.p, word, w.n) == 0;
}

static bool same_word(struct piece a, struct piece b, enum code_compare how, double tolerance)
{
    double x, y;
    if (a.n == b.n && memcmp(a.p, b.p, a.n) == 0) return true;
    if (how == CODE_CONTEST &&
        ((is_any_case(a, "yes") && is_any_case(b, "yes")) || (is_any_case(a, "no") && is_any_case(b, "no"))))
        return true;
    if (tolerance <= 0 || !number_of(a, &x) || !number_of(b, &y)) return false;
    double far = fabs(x - y);
    return far <= tolerance || far <= tolerance * fabs(x);
}

static bool same_words(struct piece a, struct piece b, enum code_compare how, double tolerance)
{
    const char *p = a.p, *q = b.p;
    struct piece x, y;
    for (;;) {
        bool more_a = next_word(&p, a.p + a.n, &x), more_b = next_word(&q, b.p + b.n, &y);
        if (!more_a || !more_b) return more_a == more_b;
        if (!same_word(x, y, how, tolerance)) return false;
    }
}

static void excerpt(struct piece s, char out[96])
{
    size_t n = s.n < 92 ? s.n : 92;
    while (n < s.n && n && ((unsigned char)s.p[n] & 0xc0) == 0x80) n--; /* not inside a character */
    snprintf(out, 96, "%.*s%s", (int)n, s.p, n < s.n ? "..." : "");
}

static bool differ(struct code_difference *d, long line, struct piece a, struct piece b)
{
    d->line = line;
    excerpt(a, d->expected);
    excerpt(b, d->got);
    return false;
}

static struct piece stripped(const char *text)
{
    struct piece s = {text, strlen(text)};
    while (s.n && blank(*s.p)) s.p++, s.n--;
    while (s.n && blank(s.p[s.n - 1])) s.n--;
    return s;
}

/* Open-R1: zip(stdout.strip().split("\n"), output.strip... .split("\n")), each line stripped. Its expected
 * side is not stripped as a whole. */
static bool same_open_r1(const char *expected, const char *got, struct code_difference *d)
{
    struct piece all = stripped(got);
    const char *p = expected, *q = all.p, *q_end = all.p + all.n;
    for (long line = 1;; line++) {
        struct piece a = {p, strcspn(p, "\n")}, b = {q, 0};
        while (q + b.n < q_end && q[b.n] != '\n') b.n++;
        bool last = !p[a.n] || q + b.n >= q_end;
        p += a.n + 1;
        q += b.n + 1;
        while (a.n && blank(*a.p)) a.p++, a.n--;
        while (a.n && blank(a.p[a.n - 1])) a.n--;
        while (b.n && blank(*b.p)) b.p++, b.n--;
        while (b.n && blank(b.p[b.n - 1])) b.n--;
        if (a.n != b.n || memcmp(a.p, b.p, a.n) != 0) return differ(d, line, a, b);
        if (last) return true;
    }
}

bool code_same(enum code_compare how, double tolerance, const char *expected, const char *got,
               struct code_difference *d)
{
    const char *p = expected, *q = got;
    struct piece a, b;
    *d = (struct code_difference){0};
    if (how == CODE_OPEN_R1) return same_open_r1(expected, got, d);
    if (how != CODE_LINES) {
        struct piece x = {expected, strlen(expected)}, y = {got, strlen(got)};
        if (same_words(x, y, how, tolerance)) return true;
    }
    bool same = true;
    for (long line = 1;; line++) {
        bool more_a = next_line(&p, &a), more_b = next_line(&q, &b);
        if (!more_a && !more_b) break;
        if (!more_a) a = (struct piece){"", 0};
        if (!more_b) b = (struct piece){"", 0};
        bool equal = a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
        if (!equal && (how != CODE_LINES || tolerance > 0)) equal = same_words(a, b, how, tolerance);
        if (!equal) {
            same = differ(d, line, a, b);
            break;
        }
    }
    return same;
}

/* ---- one test ---------------------------------------------------------------------------------------------
 */

enum code_verdict code_verdict_of(const struct sandbox_result *r)
{
    switch (r->end) {
    case SANDBOX_TIME: return CODE_TIME_LIMIT;
    case SANDBOX_MEMORY: return CODE_MEMORY_LIMIT;
    case SANDBOX_OUTPUT: return CODE_OUTPUT_LIMIT;
    case SANDBOX_PROCESSES:
    case SANDBOX_SIGNAL: return CODE_RUNTIME_ERROR;
    case SANDBOX_EXITED: break;
    }
    if (r->status == 0) return CODE_PASSED;
    static const char *const memory[] = {"MemoryError", "std::bad_alloc", "java.lang.OutOfMemoryError",
                                         "JavaScript heap out of memory", "Cannot allocate memory"};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        if (strstr(r->err.p, memory[i])) return CODE_MEMORY_LIMIT;
    return CODE_RUNTIME_ERROR;
}

void code_note(struct code_outcome *o, const struct sandbox_result *r)
{
    struct str s;
    str_init(&s, 0);
    utf8_clean(&s, r->err.p, r->err.len);
    const char *p = s.p;
    if (s.len >= sizeof o->note) p += s.len - (sizeof o->note - 1);
    while (((unsigned char)*p & 0xc0) == 0x80) p++;
    snprintf(o->note, sizeof o->note, "%s", p);
    str_release(&s);
}

/* Text for comparing: valid UTF-8 without NUL, which JSON's expected outputs cannot hold either. */
static char *clean_output(const struct str *out)
{
    struct str s;
    str_init(&s, 0);
    utf8_clean(&s, out->p, out->len);
    for (size_t i = 0; i < s.len; i++)
        if (!s.p[i]) s.p[i] = '?';
    return str_take(&s);
}

bool code_score(const struct sandbox_result *r, double *score)
{
    char *end;
    double x = strtod(r->out.p, &end);
    bool said = end != r->out.p && isfinite(x) && r->end == SANDBOX_EXITED;
    *score = !said || x < 0 ? 0 : x <= 1 ? x : x <= 100 ? x / 100 : 1;
    return said;
}

static int check_output(const struct code_task *t, const struct code_test *test, const char *got,
                        struct code_outcome *o, struct err *e)
{
    static const char *const args[] = {"input.txt", "correct_output.txt", "output.txt", NULL};
    const struct sandbox_file files[] = {{"input.txt", test->input, test->n_input, false},
                                         {"correct_output.txt", test->output, strlen(test->output), false},
                                         {"output.txt", got, strlen(got), false}};
    struct code_run run = {.files = files, .n_files = 3, .args = args, .limits = code_limits_default};
    struct sandbox_result r;
    run.limits.mode = t->limits.mode;
    int rc = code_run(t->checker, &run, &r, e);
    if (!rc) {
        bool said = code_score(&r, &o->score);
        o->verdict = o->score >= 1 ? CODE_PASSED : CODE_WRONG;
        code_note(o, &r);
        if (!said) snprintf(o->note, sizeof o->note, "the checker printed no score: %.200s", r.err.p);
    }
    sandbox_result_release(&r);
    return rc;
}

/* The job for check_harness.py; malloc. */
static char *check_job(const struct code_task *t, const struct code_test *test, const char *word)
{
    json_t *job =
        json_pack("{s:s,s:s,s:s,s:s,s:s}", "prelude", t->prelude ? t->prelude : "", "entry",
                  t->entry ? t->entry : "", "code", t->source.text, "check", test->check, "word", word);
    char *text = json_text(job);
    json_decref(job);
    return text;
}

static int run_check(const struct code_task *t, const struct code_test *test, struct code_outcome *o,
                     struct err *e)
{
    const struct embedded *harness = embedded_find("src/verify/check_harness.py");
    struct code_program p;
    struct code_source source = t->source;
    struct sandbox_result r;
    unsigned char secret[16];
    char word[HASH_HEX], *message = NULL;
    CHECK(harness && getentropy(secret, sizeof secret) == 0, "no harness, or no random bytes");
    hash_bytes(secret, sizeof secret, word);
    source.text = (const char *)harness->bytes;
    CHECK(code_build(&p, &source, t->limits.mode, &message, e) == 0,
          "a language that is compiled has no checks");
    char *job = check_job(t, test, word);
    struct code_run run = {.input = job, .n_input = strlen(job), .secret = true, .limits = t->limits};
    int rc = code_run(&p, &run, &r, e);
    if (rc == 0) {
        o->verdict = code_verdict_of(&r);
        o->time_s = r.wall_s;
        o->memory = r.memory;
        code_note(o, &r);
        bool wrong = strstr(r.err.p, "AssertionError") || strstr(r.err.p, "ended before its check did");
        if (o->verdict == CODE_RUNTIME_ERROR && wrong) o->verdict = CODE_WRONG;
        if (o->verdict == CODE_PASSED && !memmem(r.out.p, r.out.len, word, strlen(word))) {
            o->verdict = CODE_WRONG;
            snprintf(o->note, sizeof o->note, "the check did not reach its end");
        }
        o->score = o->verdict == CODE_PASSED;
    }
    sandbox_result_release(&r);
    code_program_release(&p);
    free(job);
    return rc;
}

int code_try(const struct code_task *t, const struct code_program *p, const struct code_test *test,
             struct code_outcome *o, struct err *e)
{
    struct code_run run = {.input = test->input, .n_input = test->n_input, .limits = t->limits};
    struct sandbox_file input = {"input.txt", test->input, test->n_input, false};
    struct sandbox_result r;
    if (t->manager) return code_communicate(t, p, test, o, e);
    if (t->in_files) {
        run.files = &input;
        run.n_files = 1;
        run.output_file = "output.txt";
    }
    *o = (struct code_outcome){.verdict = CODE_SKIPPED};
    int rc = code_run(p, &run, &r, e);
    if (!rc) {
        o->verdict = code_verdict_of(&r);
        o->time_s = r.wall_s;
        o->memory = r.memory;
        code_note(o, &r);
        bool killed = r.end == SANDBOX_SIGNAL;
        if (!o->note[0] && (killed || (r.end == SANDBOX_EXITED && r.status)))
            snprintf(o->note, sizeof o->note, "%s %d", killed ? "signal" : "exit status", r.status);
    }
    if (!rc && o->verdict == CODE_PASSED) {
        char *got = clean_output(&r.out);
        if (t->checker) {
            rc = check_output(t, test, got, o, e);
        } else {
            bool same = code_same(t->compare, t->tolerance, test->output, got, &o->difference);
            o->verdict = same ? CODE_PASSED : CODE_WRONG;
            o->score = same;
        }
        free(got);
    }
    sandbox_result_release(&r);
    return rc;
}

int code_judge(const struct code_task *task, struct code_report *r, struct err *e)
{
    struct code_program p = {0};
    *r = (struct code_report){.total = task->n_tests, .compiled = true};
    r->outcomes = alloc_zero((size_t)task->n_tests + 1, sizeof *r->outcomes);
    int rc = code_build(&p, &task->source, task->limits.mode, &r->message, e);
    r->compiled = rc == 0;
    bool failed = rc == 1;
    for (int i = 0; rc >= 0 && i < task->n_tests; i++) {
        struct code_outcome *o = &r->outcomes[i];
        o->verdict = r->compiled ? CODE_SKIPPED : CODE_COMPILE_ERROR;
        if (!r->compiled || (failed && task->first_failure_ends)) continue;
        const struct code_test *test = &task->tests[i];
        rc = test->check ? run_check(task, test, o, e) : code_try(task, &p, test, o, e);
        failed = failed || o->verdict != CODE_PASSED;
        r->passed += o->verdict == CODE_PASSED;
    }
    code_program_release(&p);
    return rc < 0 ? -1 : 0;
}

void code_report_release(struct code_report *r)
{
    free(r->message);
    free(r->outcomes);
    *r = (struct code_report){0};
}

/* re.findall(r"```TAG\n(.*?)```", text, re.DOTALL)[-1]: matches are sought behind each other. */
char *code_extract(const char *text, const char *tag)
{
    struct str open;
    const char *found = "", *p = text;
    size_t n = 0;
    str_init(&open, 0);
    str_addf(&open, "```%s\n", tag);
    while ((p = strstr(p, open.p))) {
        const char *body = p + open.len, *close = strstr(body, "```");
        if (!close) break;
        found = body;
        n = (size_t)(close - body);
        p = close + 3;
    }
    str_release(&open);
    return alloc_strn(found, n);
}

char *code_fenced(const char *text, const struct code_language *l)
{
    const char *p = text, *found = NULL;
    size_t n = 0;
    while ((p = strstr(p, "```"))) {
        const char *tag = p + 3;
        size_t tag_n = strcspn(tag, " \t\r\n`");
        const char *body = tag + strcspn(tag, "\n"), *close = *body ? strstr(body, "```") : NULL;
        if (!close) break;
        if (code_language_is(l, tag, tag_n)) {
            found = body + 1;
            n = (size_t)(close - found);
        }
        p = close + 3;
    }
    return found ? alloc_strn(found, n) : NULL;
}
