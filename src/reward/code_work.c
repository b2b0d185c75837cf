/* code_work.c: parameters and providers of the rewards that run code, and the share of tests passed. */
#include "reward/code_work.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "reward/piston.h"

static const struct reward_param share_params[] = {CODE_SHARE_PARAMS};

static pthread_once_t said = PTHREAD_ONCE_INIT;

static void say_local(void)
{
    log_warn(
        "code provider e2b or morph: a company's service, which this program does not call; code runs in "
        "the local sandbox instead");
}

int code_place_of(struct code_place *p, const json_t *params, const struct reward_param *table, struct err *e)
{
    static const char *const names[] = {"local", "piston", "e2b", "morph"};
    const char *name = param_text(params, table, "provider_type");
    const char *sandbox = param_text(params, table, "sandbox");
    int which = -1;
    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0) which = i;
    if (which < 0)
        return err_usage(
            e,
            "no code provider is called \"%.40s\"; there are local, piston (and e2b, morph, which "
            "run locally)",
            name);
    bool rlimit = strcmp(sandbox, "rlimit") == 0;
    if (!rlimit && strcmp(sandbox, "bwrap") != 0)
        return err_usage(e, "parameter \"sandbox\" must be \"bwrap\" or \"rlimit\"");
    *p = (struct code_place){.piston = which == 1,
                             .endpoints = param_text(params, table, "piston_endpoints"),
                             .wait_s = param_number(params, table, "piston_wait"),
                             .mode = rlimit ? SANDBOX_RLIMIT : SANDBOX_BWRAP};
    if (which > 1) pthread_once(&said, say_local);
    return p->piston ? 0 : sandbox_check(p->mode, e);
}

json_t *code_piston_file(const char *name, const char *content)
{
    return json_pack("{s:s,s:s}", "name", name, "content", content);
}

json_t *code_piston(const struct code_place *p, const char *language, json_t *files_stolen,
                    const json_t *more_stolen, struct err *e)
{
    json_t *request = json_pack("{s:s,s:s,s:o}", "language", language, "version", "*", "files", files_stolen);
    json_object_update(request, (json_t *)more_stolen);
    json_decref((json_t *)more_stolen);
    json_t *answer = piston_execute(p->endpoints, request, p->wait_s, e);
    json_decref(request);
    return answer;
}

/* ---- the share of tests passed -----------------------------------------------------------------------
 */

/* Column verification_info: {"language","test_cases"}, or its text. New reference. */
static json_t *info_of(const json_t *row, struct err *e)
{
    static const char column[] = "column \"verification_info\"";
    json_t *v = json_object_get(row, "verification_info");
    json_t *info = json_is_string(v) ? json_read_bytes(json_string_value(v), json_string_length(v), column, e)
                                     : json_incref(v);
    if (json_is_object(info) || (!info && json_is_string(v))) return info;
    if (!v || json_is_null(v))
        err_set(e, "the row has no %s", column);
    else
        err_set(e, "%s %s %s; it must be {\"language\",\"test_cases\"} or its text", column,
                json_is_string(v) ? "holds" : "is", json_kind(info));
    json_decref(info);
    return NULL;
}

/* Open-R1 writes the code into a script and sends it on: what lies beyond the basic plane is lost there. */
static bool beyond_basic_plane(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0xf0) return true;
    return false;
}

#define SHOWN 20 /* tests of an explanation */

struct share {
    const struct reward_input *in;
    struct code_task task;
    struct code_tests tests;
    struct code_place place;
    int passed;
    bool timed_out;
    char note[200]; /* of the first test that failed */
};

/* A test, and what came of it. */
static void test_show(const struct share *s, int i, const char *verdict, const char *note)
{
    if (i < SHOWN)
        reward_step(s->in, i ? "" : "tests", "%d: %s%s%s", i, verdict, *note ? "; " : "", note);
    else if (i == SHOWN)
        reward_step(s->in, "", "... (%d more tests)", s->tests.n - i);
}

static int share_local(struct share *s, struct err *e)
{
    struct code_report r;
    int rc = code_judge(&s->task, &r, e);
    if (!rc) s->passed = r.passed;
    if (!rc && !r.compiled) snprintf(s->note, sizeof s->note, "it does not compile: %.150s", r.message);
    for (int i = 0; !rc && i < r.total; i++) {
        const struct code_outcome *o = &r.outcomes[i];
        const struct code_difference *d = &o->difference;
        char differs[180] = "";
        if (d->line)
            snprintf(differs, sizeof differs, "line %ld: \"%.60s\" instead of \"%.60s\"", d->line, d->got,
                     d->expected);
        test_show(s, i, code_verdict_name(o->verdict), d->line ? differs : o->note);
        s->timed_out |= o->verdict == CODE_TIME_LIMIT;
        if (s->note[0] || o->verdict == CODE_PASSED) continue;
        snprintf(s->note, sizeof s->note, "test %d%s %s", i, d->line ? "," : ":",
                 d->line ? differs : code_verdict_name(o->verdict));
    }
    code_report_release(&r);
    return rc;
}

static int share_piston(struct share *s, struct err *e)
{
    const char *language = code_language_name(s->task.source.language);
    for (int i = 0; i < s->tests.n; i++) {
        const struct code_test *t = &s->tests.list[i];
        struct code_difference d;
        json_t *files = json_pack("[o]", code_piston_file("main", s->task.source.text));
        json_t *more =
            json_pack("{s:s,s:i}", "stdin", t->input, "run_timeout", (int)(s->task.limits.time_s * 1000));
        json_t *answer = code_piston(&s->place, strcmp(language, "cpp") ? language : "c++", files, more, e);
        if (!answer) return -1;
        const json_t *run = json_object_get(answer, "run"), *code = json_object_get(run, "code");
        const char *printed = json_str_or(run, "stdout", "");
        bool right = json_is_integer(code) && json_integer_value(code) == 0 &&
                     code_same(s->task.compare, 0, t->output, printed, &d);
        s->timed_out |= strcmp(json_str_or(run, "signal", ""), "SIGKILL") == 0;
        test_show(s, i, right ? "passed" : "failed", json_str_or(run, "stderr", ""));
        if (!right && !s->note[0])
            snprintf(s->note, sizeof s->note, "test %d: printed \"%.100s\"", i, printed);
        s->passed += right;
        json_decref(answer);
    }
    return 0;
}

/* Fills out; everything that can go wrong before a program runs is "not judged". */
static int share_run(struct share *s, const char *code, bool compat, struct reward_result *out, struct err *e)
{
    s->task.source.text = code;
    s->task.tests = s->tests.list;
    s->task.n_tests = s->tests.n;
    if (compat && (s->tests.n == 0 || beyond_basic_plane(code))) {
        reward_give(out, 0, "Open-R1's script fails: %s",
                    s->tests.n ? "characters beyond the basic plane" : "no tests");
        return 0;
    }
    if (s->tests.n == 0) return err_set(e, "the row has no test cases");
    reward_step(s->in, "code", "%s, %zu bytes: %s", code_language_name(s->task.source.language), strlen(code),
                code);
    if (s->place.piston ? share_piston(s, e) : share_local(s, e)) return -1;
    reward_step(s->in, "formula", "%d tests passed of %d", s->passed, s->tests.n);
    if (compat && s->timed_out)
        reward_give(out, 0, "Open-R1's script fails when a test runs out of time");
    else
        reward_give(out, (double)s->passed / s->tests.n, "%d of %d tests pass%s%.180s", s->passed, s->tests.n,
                    s->note[0] ? "; " : "", s->note);
    return 0;
}

void code_share_score(const struct reward_input *in, struct reward_result *out)
{
    struct share s = {.in = in};
    struct err e = {0};
    bool compat = param_compat(in->params);
    json_t *info = info_of(in->row, &e);
    char *code = NULL;
    int rc = info ? code_place_of(&s.place, in->params, share_params, &e) : -1;
    s.task.limits = code_limits_default;
    s.task.limits.time_s = param_number(in->params, share_params, "time_limit");
    s.task.limits.mode = s.place.mode;
    s.task.compare = compat ? CODE_OPEN_R1 : CODE_LINES;
    if (!rc) s.task.source.language = code_language_of(compat ? NULL : info, "python", &e);
    if (!rc && !s.task.source.language) rc = -1;
    if (!rc) rc = code_tests_read(&s.tests, json_object_get(info, "test_cases"), "\"test_cases\"", &e);
    for (int i = 0; !rc && i < s.tests.n; i++)
        if (s.tests.list[i].check) rc = err_set(&e, "test %d has no input and output", i);
    if (!rc) {
        code = compat ? code_extract(in->text, "python") : code_fenced(in->text, s.task.source.language);
        if (code)
            rc = share_run(&s, code, compat, out, &e);
        else
            reward_give(out, 0, "no block of %s code", code_language_name(s.task.source.language));
    }
    if (rc) reward_unjudged(out, "%.300s", e.msg);
    free(code);
    code_tests_release(&s.tests);
    json_decref(info);
}
