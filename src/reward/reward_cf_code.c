/* reward_cf_code.c: a program for a Codeforces problem, run on the problem's tests.
 *
 * Columns as in open-r1/codeforces: official_tests (and generated_tests) with input and output, language
 * (python or cpp), time_limit (s), memory_limit (MB), generated_checker (Python), input_mode. Open-R1's
 * cf_code_reward: no tests: not judged; no code: -1; it does not compile: -0.1; else by scoring_mode
 * (contest.h). What was lost with its worker is not judged here; there it fails, as it does with
 * {"compat":"open-r1"}.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "reward/code_work.h"
#include "reward/contest.h"

static const struct reward_param cf_code_params[] = {
    {.name = "language",
     .open_r1 = "code_language",
     .type = PARAM_TEXT,
     .text = "python",
     .help = "of the code; a column \"language\" goes before it"},
    {.name = "scoring_mode",
     .open_r1 = "code_eval_scoring_mode",
     .type = PARAM_TEXT,
     .text = "weighted_sum",
     .choices = "weighted_sum|partial|pass_fail",
     .help = "what some of the tests earn"},
    CODE_BATCH_PARAM,
    CODE_PLACE_PARAMS("cf_provider"),
    {.name = NULL}};

struct cf {
    const json_t *row;
    struct code_place place;
    struct code_task task;
    struct code_tests tests;
    struct code_program program, checker;
    struct code_source checker_source;
    bool built;
    char *message; /* of the compiler */
    char lost[200];
};

static void cf_local(struct cf *f, const struct code_test *t, struct contest_answer *a)
{
    struct err e = {0};
    struct code_outcome o = {0};
    if (!f->built) {
        if (code_build(&f->program, &f->task.source, f->place.mode, &f->message, &e) < 0) goto lost;
        f->built = true;
    }
    if (f->message) {
        a->status = CONTEST_COMPILE_ERROR;
        snprintf(a->note, sizeof a->note, "%.190s", f->message);
        return;
    }
    if (code_try(&f->task, &f->program, t, &o, &e)) goto lost;
    a->status = CONTEST_RAN;
    a->score = o.verdict == CODE_PASSED;
    const struct code_difference *d = &o.difference;
    if (d->line)
        snprintf(a->note, sizeof a->note, "%s, line %ld: \"%.60s\" instead of \"%.60s\"",
                 code_verdict_name(o.verdict), d->line, d->got, d->expected);
    else
        snprintf(a->note, sizeof a->note, "%s", code_verdict_name(o.verdict));
    return;
lost:
    snprintf(a->note, sizeof a->note, "%.190s", e.msg);
    snprintf(f->lost, sizeof f->lost, "%.190s", e.msg);
}

/* The request and the answer as Open-R1's package for Piston has them: it prints 1 for a test that passes. */
static void cf_piston(struct cf *f, const struct code_test *t, struct contest_answer *a)
{
    struct err e = {0};
    bool cpp = strcmp(code_language_name(f->task.source.language), "cpp") == 0;
    const char *checker = f->checker_source.text, *end;
    json_t *files = json_array();
    struct str grader;
    str_init(&grader, 0);
    str_addf(&grader, "TIME_LIMIT=%g\nMEMORY_LIMIT=%g\nINPUT_MODE=%s\n", f->task.limits.time_s,
             (double)f->task.limits.memory / (1 << 20), f->task.in_files ? "file" : "stdio");
    json_array_append_new(files, code_piston_file(cpp ? "main.cpp" : "main.python", f->task.source.text));
    if (checker) json_array_append_new(files, code_piston_file("checker.py", checker));
    json_array_append_new(files, code_piston_file("input.txt", t->input));
    json_array_append_new(files, code_piston_file("correct_output.txt", t->output));
    json_array_append_new(files, code_piston_file("grader_config", grader.p));
    str_release(&grader);
    json_t *more = json_pack("{s:i,s:i}", "run_timeout", (int)((f->task.limits.time_s + 10) * 1000),
                             "compile_timeout", 60000);
    json_t *answer = code_piston(&f->place, cpp ? "c++17" : "cf_python3", files, more, &e);
    const json_t *compile = json_object_get(json_object_get(answer, "compile"), "code");
    const json_t *run = json_object_get(answer, "run"), *code = json_object_get(run, "code");
    const char *printed = json_str_or(run, "stdout", "");
    if (!answer || !run) {
        snprintf(a->note, sizeof a->note, "%.190s",
                 answer ? json_str_or(answer, "message", "no answer") : e.msg);
        snprintf(f->lost, sizeof f->lost, "%s", a->note);
    } else if (json_is_integer(compile) && json_integer_value(compile) != 0) {
        a->status = CONTEST_COMPILE_ERROR;
        snprintf(a->note, sizeof a->note, "%.190s",
                 json_str_or(json_object_get(answer, "compile"), "stderr", ""));
    } else {
        a->status = CONTEST_RAN;
        a->score = json_is_integer(code) && json_integer_value(code) == 0 &&
                   strtol(printed, (char **)&end, 10) == 1 && end != printed &&
                   end[strspn(end, " \n\r\t")] == 0;
        snprintf(a->note, sizeof a->note, "printed \"%.80s\" %.100s", printed,
                 json_str_or(run, "stderr", ""));
    }
    json_decref(answer);
}

static void cf_test(void *ctx, int test, struct contest_answer *a)
{
    struct cf *f = ctx;
    (f->place.piston ? cf_piston : cf_local)(f, &f->tests.list[test], a);
}

/* Official tests, then generated ones. */
static int cf_tests(struct cf *f, struct err *e)
{
    static const char *const columns[] = {"official_tests", "generated_tests"};
    json_t *all = json_array();
    for (int i = 0; i < 2; i++) {
        json_t *tests = json_object_get(f->row, columns[i]);
        if (tests && !json_is_array(tests) && !json_is_null(tests)) {
            json_decref(all);
            return err_set(e, "column \"%s\" is %s; it must be a list of {\"input\",\"output\"}", columns[i],
                           json_kind(tests));
        }
        json_array_extend(all, tests);
    }
    int rc = code_tests_read(&f->tests, all, "\"official_tests\"", e);
    for (int i = 0; !rc && i < f->tests.n; i++)
        if (f->tests.list[i].check) rc = err_set(e, "official test %d has no input and output", i);
    json_decref(all); /* the row holds the texts */
    return rc;
}

static int cf_read(struct cf *f, const struct reward_input *in, struct err *e)
{
    double time_s, memory;
    char *message = NULL;
    const char *mode, *checker;
    f->task.source.language =
        code_language_of(in->row, param_text(in->params, cf_code_params, "language"), e);
    if (!f->task.source.language) return -1;
    const char *name = code_language_name(f->task.source.language);
    if (strcmp(name, "python") != 0 && strcmp(name, "cpp") != 0)
        return err_set(e, "language \"%.40s\": Codeforces programs are python or cpp", name);
    if (json_get_str_or(f->row, "input_mode", "stdio", &mode, e) ||
        json_get_str_or(f->row, "generated_checker", "", &checker, e) ||
        json_get_real_or(f->row, "time_limit", 2, &time_s, e) ||
        json_get_real_or(f->row, "memory_limit", 256, &memory, e))
        return -1;
    if (!(time_s > 0 && time_s <= 3600 && memory >= 1 && memory <= 1 << 20))
        return err_set(e, "time_limit %g s or memory_limit %g MB is out of range", time_s, memory);
    f->task.limits = code_limits_default;
    f->task.limits.time_s = time_s;
    f->task.limits.memory = (size_t)(memory * (1 << 20));
    f->task.limits.mode = f->place.mode;
    f->task.compare = CODE_CONTEST;
    f->task.in_files = strcmp(mode, "file") == 0;
    if (!*checker) return 0;
    f->checker_source = (struct code_source){
        .language = code_language_find("python", e), .text = checker, .name = "checker.py"};
    if (!f->checker_source.language ||
        code_build(&f->checker, &f->checker_source, f->place.mode, &message, e))
        return -1;
    f->task.checker = &f->checker;
    return 0;
}

static void cf_code_score(const struct reward_input *in, struct reward_result *out)
{
    struct cf f = {.row = in->row};
    struct err e = {0};
    double value = 0;
    bool compat = param_compat(in->params);
    const char *mode = param_text(in->params, cf_code_params, "scoring_mode");
    char *code = NULL;
    struct contest c = {.run = cf_test, .ctx = &f, .steps = in->steps, .compat = compat};
    c.batch = (int)param_number(in->params, cf_code_params, "test_batch_size");
    if (strcmp(mode, "pass_fail") != 0 && strcmp(mode, "partial") != 0 && strcmp(mode, "weighted_sum") != 0) {
        err_set(&e, "scoring_mode must be pass_fail, partial or weighted_sum");
    } else if (!code_place_of(&f.place, in->params, cf_code_params, &e) && !cf_read(&f, in, &e) &&
               !cf_tests(&f, &e)) {
        c.n = f.tests.n;
        const char *name = code_language_name(f.task.source.language);
        code = compat ? code_extract(in->text, name) : code_fenced(in->text, f.task.source.language);
        f.task.source.text = code;
        if (c.n == 0)
            reward_unjudged(out, "the row has no tests");
        else if (!code || !*code)
            reward_give(out, -1, "no block of %s code", name);
        else if (contest_cf(&c, mode, &value))
            reward_give(out, value, "%s", c.reason);
        else
            reward_unjudged(out, "%.100s; %.190s", c.reason, f.lost);
    }
    if (e.kind) reward_unjudged(out, "%.300s", e.msg);
    free(code);
    free(f.message);
    code_program_release(&f.program);
    code_tests_release(&f.tests);
}

#define CF_ROW                                                                                               \
    "{\"language\":\"python\",\"time_limit\":2.0,\"memory_limit\":256,\"official_tests\":["                  \
    "{\"input\":\"3\\n\",\"output\":\"YES\\n\"},{\"input\":\"4\\n\",\"output\":\"NO\\n\"}]}"

static const struct reward_example cf_code_examples[] = {
    {"```python\nprint('yes' if int(input()) % 2 else 'no')\n```", CF_ROW, 1.1, true, NULL},
    {"```python\nprint('Yes')\n```", CF_ROW, 0.05, true, NULL},
    {"no code", CF_ROW, -1, true, NULL},
    {"```python\nprint(1)\n```", "{\"language\":\"python\",\"official_tests\":[]}", 0, false, NULL},
    {"```rust\nfn main() {}\n```", "{\"language\":\"rust\",\"official_tests\":[]}", 0, false, NULL},
};

const struct reward reward_cf_code = {
    .name = "cf_code",
    .metric = "cf_code_reward",
    .help = "a Codeforces program on column \"official_tests\": by params scoring_mode (pass_fail, partial, "
            "weighted_sum); -0.1 if it does not compile, -1 without code",
    .lo = -1,
    .hi = 1.1,
    .params = cf_code_params,
    .score = cf_code_score,
    .examples = cf_code_examples,
    .n_examples = sizeof cf_code_examples / sizeof *cf_code_examples,
};
