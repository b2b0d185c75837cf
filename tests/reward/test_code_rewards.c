/* The rewards that run code: Open-R1's own cases and what was measured of it; tests that are mended; Piston.
 * */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <unistd.h>

#include "net/server.h"
#include "base/file.h"
#include "base/json.h"
#include "reward/contest.h"
#include "reward/piston.h"
#include "reward/reward.h"
#include "verify/verify.h"

static json_t *parsed(const char *text)
{
    struct err e = {0};
    json_t *v = json_read_bytes(text, strlen(text), "text", &e);
    if (!v) fail_msg("%s: %s", text, e.msg);
    return v;
}

/* The reward of one completion; NAN when it was not judged. */
static double scored_row(const char *name, const char *completion, const json_t *row, const char *params)
{
    struct err e = {0};
    json_t *p = params ? parsed(params) : NULL;
    const struct reward *w = reward_find(name, &e);
    struct reward_input in = {.text = completion, .row = row, .params = p, .n_ids = -1};
    struct reward_result out = {0};
    w->score(&in, &out);
    assert_true(out.reason[0]);
    print_message("%s: %s\n", name, out.reason);
    json_decref(p);
    return out.judged ? out.value : NAN;
}

static double scored(const char *name, const char *completion, const char *row, const char *params)
{
    json_t *v = parsed(row);
    double value = scored_row(name, completion, v, params);
    json_decref(v);
    return value;
}

static void is(double got, double expected, const char *what)
{
    if (!(got == expected || (isnan(got) && isnan(expected))))
        fail_msg("%s: %.17g instead of %.17g", what, got, expected);
}

#define COMPAT "{\"compat\":\"open-r1\"}"

/* ---- Open-R1's cases --------------------------------------------------------------------------------------
 */

struct fake { /* workers that answer in a cycle */
    const json_t *answers;
    bool compile_error;
};

static void fake_run(void *ctx, int test, struct contest_answer *a)
{
    struct fake *f = ctx;
    const char *text =
        json_string_value(json_array_get(f->answers, (size_t)test % json_array_size(f->answers)));
    a->status = f->compile_error ? CONTEST_COMPILE_ERROR : CONTEST_RAN;
    a->score = strtod(text, NULL);
}

static void case_cf(const json_t *record, const json_t *params)
{
    struct fake f = {json_object_get(params, "worker_stdout_cycle"), false};
    struct contest c = {.run = fake_run, .ctx = &f, .compat = true};
    double value = 0;
    c.n = (int)json_integer_value(json_object_get(params, "n_tests"));
    c.batch = (int)json_integer_value(json_object_get(params, "test_batch_size"));
    f.compile_error = json_integer_value(json_object_get(params, "compile_code")) != 0;
    const char *id = json_string_value(json_object_get(record, "id"));
    const json_t *expected = json_array_get(json_object_get(record, "expected"), 0);
    if (c.n == 0 || json_is_true(json_object_get(params, "submission_empty"))) {
        const char *row =
            c.n ? "{\"language\":\"python\",\"official_tests\":[{\"input\":\"\",\"output\":\"\"}]}"
                : "{\"language\":\"python\",\"official_tests\":[]}";
        is(scored("cf_code", c.n ? "" : "```python\nprint(1)\n```", row, COMPAT),
           json_is_null(expected) ? NAN : json_number_value(expected), id);
        return;
    }
    assert_true(contest_cf(&c, json_string_value(json_object_get(params, "scoring_mode")), &value));
    is(value, json_number_value(expected), id);
    assert_int_equal(c.runs, json_integer_value(json_object_get(record, "executions")));
}

static void case_ioi(const json_t *record, const json_t *params)
{
    struct fake f = {json_object_get(params, "worker_scores"), false};
    struct contest c = {.run = fake_run, .ctx = &f, .compat = true, .n = 3};
    double value = -1;
    c.batch = (int)json_integer_value(json_object_get(params, "test_batch_size"));
    assert_true(contest_ioi(&c, (int)json_integer_value(json_object_get(params, "score_precision")), &value));
    is(value, json_number_value(json_array_get(json_object_get(record, "expected"), 0)),
       json_string_value(json_object_get(record, "id")));
    assert_int_equal(c.runs, json_integer_value(json_object_get(record, "executions")));
}

static void case_ioi_score(const json_t *record, const json_t *params)
{
    double lowest = INFINITY;
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(params, "test_scores"), i, v) lowest =
        json_number_value(v) < lowest ? json_number_value(v) : lowest;
    is(contest_round(lowest, (int)json_integer_value(json_object_get(params, "score_precision"))),
       json_number_value(json_array_get(json_object_get(record, "expected"), 0)), "rounding");
}

static bool case_text(const char *function, const json_t *params, const char *text, const char *expected)
{
    const char *language = json_string_value(json_object_get(params, "language"));
    const char *id = json_string_value(json_object_get(params, "problem_id"));
    char *got = strcmp(function, "extract_code") == 0 ? code_extract(text, language ? language : "None")
                                                      : contest_includes(text, id);
    bool right = strcmp(got, expected) == 0;
    if (!right) print_message("%s: %s", function, got);
    free(got);
    return right;
}

static int case_run(const json_t *record)
{
    const char *function = json_string_value(json_object_get(record, "function"));
    const json_t *params = json_object_get(record, "params");
    const json_t *texts = json_object_get(record, "completions"),
                 *expected = json_object_get(record, "expected");
    if (strcmp(function, "cf_score_submission") == 0) return case_cf(record, params), 1;
    if (strcmp(function, "ioi_score_subtask") == 0) return case_ioi(record, params), 1;
    if (strcmp(function, "ioi_subtask_score") == 0) return case_ioi_score(record, params), 1;
    bool format = strcmp(function, "get_code_format_reward") == 0;
    if (!format && strcmp(function, "extract_code") != 0 && strcmp(function, "add_includes") != 0) return 0;
    size_t i;
    json_t *text;
    json_array_foreach((json_t *)texts, i, text)
    {
        const char *t = json_string_value(text);
        if (!format) {
            assert_true(case_text(function, params, t, json_string_value(json_array_get(expected, i))));
            continue;
        }
        json_t *all = json_copy((json_t *)params), *row = json_object();
        json_t *language = json_array_get(json_object_get(json_object_get(record, "kwargs"), "language"), i);
        json_object_set_new(all, "compat", json_string("open-r1"));
        if (language) json_object_set(row, "language", language);
        char *p = json_text(all);
        is(scored_row("code_format", t, row, p), json_number_value(json_array_get(expected, i)), t);
        free(p);
        json_decref(all);
        json_decref(row);
    }
    return 1;
}

static void open_r1_cases_come_out_as_there(void **state)
{
    (void)state;
    static const char *const files[] = {"../shared/cases/open-r1-reward-cases.jsonl",
                                        "../shared/cases/open-r1-extra-cases.jsonl"};
    int n = 0;
    for (int i = 0; i < 2; i++) {
        struct jsonl file;
        struct err e = {0};
        json_t *record;
        if (!file_exists(files[i])) {
            print_message("skipped: no %s\n", files[i]);
            skip();
        }
        if (jsonl_open(&file, files[i], &e)) fail_msg("%s", e.msg);
        while (jsonl_next(&file, &record, &e) == 1) {
            n += case_run(record);
            json_decref(record);
        }
        jsonl_close(&file);
    }
    print_message("%d cases\n", n);
    assert_int_equal(n, 57);
}

/* ---- the share of tests: what was measured of Open-R1, and what is mended ---------------------------------
 */

struct situation {
    const char *what, *completion, *cases;
    double open_r1, here;
};
#define PRINT(text) "```python\nprint(" text ")\n```"
static const struct situation situations[] = {
    {"all pass", PRINT("int(input())+1"),
     "[{\"input\":\"1\",\"output\":\"2\"},{\"input\":\"2\",\"output\":\"3\"}]", 1, 1},
    {"half pass", PRINT("2"), "[{\"input\":\"1\",\"output\":\"2\"},{\"input\":\"2\",\"output\":\"3\"}]", 0.5,
     0.5},
    {"prefix", PRINT("1"), "[{\"input\":\"\",\"output\":\"1\\n2\\n3\"}]", 1, 0},
    {"extra lines", PRINT("'1\\n2'"), "[{\"input\":\"\",\"output\":\"1\"}]", 1, 0},
    {"no output, first line empty", "```python\npass\n```", "[{\"input\":\"\",\"output\":\"\\n5\"}]", 1, 0},
    {"no output, 5 expected", "```python\npass\n```", "[{\"input\":\"\",\"output\":\"5\"}]", 0, 0},
    {"empty expected, junk", PRINT("'\\nx'"), "[{\"input\":\"\",\"output\":\"\"}]", 0, 0},
    {"leading blank line", PRINT("'\\n5'"), "[{\"input\":\"\",\"output\":\"\\n5\"}]", 0, 1},
    {"no block, nothing expected", "text", "[{\"input\":\"\",\"output\":\"\"}]", 1, 0},
    {"no block", "text", "[{\"input\":\"\",\"output\":\"5\"}]", 0, 0},
    {"exit status 1", "```python\nprint(5)\nexit(1)\n```", "[{\"input\":\"\",\"output\":\"5\"}]", 0, 0},
    {"blanks at line ends", PRINT("'1  \\n2 '"), "[{\"input\":\"\",\"output\":\"1\\n2\"}]", 1, 1},
    {"inner blanks", PRINT("'1  2'"), "[{\"input\":\"\",\"output\":\"1 2\"}]", 0, 0},
    {"1.0 is not 1", PRINT("1.0"), "[{\"input\":\"\",\"output\":\"1\"}]", 0, 0},
    {"no tests", PRINT("1"), "[]", 0, NAN},
    {"one of three out of time", "```python\nif int(input())==2:\n    while 1: pass\nprint(1)\n```",
     "[{\"input\":\"1\",\"output\":\"1\"},{\"input\":\"2\",\"output\":\"1\"},{\"input\":\"3\",\"output\":"
     "\"1\"}]",
     0, 2.0 / 3},
    {"emoji in the code", PRINT("'\xf0\x9f\x98\x80'[:0] + '5'"), "[{\"input\":\"\",\"output\":\"5\"}]", 0, 1},
    {"emoji in the tests", PRINT("input()"),
     "[{\"input\":\"\xf0\x9f\x98\x80\",\"output\":\"\xf0\x9f\x98\x80\"}]", 1, 1},
    {"accents in the code", PRINT("'\xc3\xa9'"), "[{\"input\":\"\",\"output\":\"\xc3\xa9\"}]", 1, 1},
    {"last of two blocks", PRINT("1") "\n" PRINT("2"), "[{\"input\":\"\",\"output\":\"2\"}]", 1, 1},
    {"CRLF", "```python\r\nprint(5)\r\n```", "[{\"input\":\"\",\"output\":\"5\"}]", 0, 1},
    {"tag py", "```py\nprint(5)\n```", "[{\"input\":\"\",\"output\":\"5\"}]", 0, 1},
    {"blank behind the tag", "```python \nprint(5)\n```", "[{\"input\":\"\",\"output\":\"5\"}]", 0, 1},
    {"unclosed", "```python\nprint(5)\n", "[{\"input\":\"\",\"output\":\"5\"}]", 0, 0},
};

static void the_share_of_tests_is_open_r1s_or_the_mended_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof situations / sizeof *situations; i++) {
        const struct situation *s = &situations[i];
        json_t *row = json_pack("{s:{s:s,s:o}}", "verification_info", "language", "python", "test_cases",
                                parsed(s->cases));
        char text[512];
        snprintf(text, sizeof text, "%s, as Open-R1", s->what);
        is(scored_row("code", s->completion, row, "{\"compat\":\"open-r1\",\"time_limit\":1}"), s->open_r1,
           text);
        is(scored_row("code", s->completion, row, "{\"time_limit\":1}"), s->here, s->what);
        if (i < 3)
            is(scored_row("binary_code", s->completion, row, "{\"time_limit\":1}"),
               isnan(s->here) ? NAN : s->here > 0.99, s->what);
        json_decref(row);
    }
}

static void providers_are_known_by_name(void **state)
{
    (void)state;
    const char *row = "{\"verification_info\":{\"language\":\"python\",\"test_cases\":[{\"input\":\"\","
                      "\"output\":\"5\"}]}}";
    is(scored("code", PRINT("5"), row, "{\"code_provider\":\"e2b\"}"), 1, "e2b runs here");
    is(scored("code", PRINT("5"), row, "{\"provider_type\":\"cloud\"}"), NAN, "unknown");
    is(scored("code", PRINT("5"), row, "{\"sandbox\":\"none\"}"), NAN, "unknown sandbox");
    is(scored("code", PRINT("5"), row, "{\"sandbox\":\"rlimit\"}"), 1, "limits only");
}

static void other_languages_are_run_too(void **state)
{
    (void)state;
    is(scored("code", "```c++\n#include <iostream>\nint main() { std::cout << 5; }\n```",
              "{\"verification_info\":{\"language\":\"cpp\",\"test_cases\":[{\"input\":\"\",\"output\":\"5\"}"
              "]}}",
              NULL),
       1, "cpp");
    is(scored("code", PRINT("5"),
              "{\"verification_info\":{\"language\":\"cobol\",\"test_cases\":[{\"input\":\"\",\"output\":"
              "\"5\"}]}}",
              NULL),
       NAN, "cobol");
}

/* ---- contests ---------------------------------------------------------------------------------------------
 */

static void codeforces_rules(void **state)
{
    (void)state;
    const char *tests = "{\"language\":\"cpp\",\"official_tests\":[{\"input\":\"1\",\"output\":\"1\"},"
                        "{\"input\":\"2\",\"output\":\"4\"}]}";
    const char *square =
        "```cpp\n#include <cstdio>\nint main() { int x; scanf(\"%d\", &x); printf(\"%d\\n\", x * x); }\n```";
    is(scored("cf_code", square, tests, NULL), 1.1, "weighted sum");
    is(scored("cf_code", square, tests, "{\"code_eval_scoring_mode\":\"pass_fail\"}"), 1, "pass_fail");
    is(scored("cf_code", "```cpp\nint main() { return }\n```", tests, NULL), -0.1, "does not compile");
    is(scored("cf_code", "```cpp\n#include <cstdio>\nint main() { puts(\"1\"); }\n```", tests,
              "{\"scoring_mode\":\"partial\"}"),
       0.5, "partial");
    is(scored("cf_code", square, tests, "{\"scoring_mode\":\"all\"}"), NAN, "unknown mode");
    /* a checker that accepts any order; files instead of streams */
    const char *row =
        "{\"language\":\"python\",\"input_mode\":\"file\",\"generated_checker\":\"import sys\\n"
        "a, b, c = (open(f).read() for f in sys.argv[1:4])\\nprint(100 if sorted(b.split()) == "
        "sorted(c.split()) else 0)\\n\",\"official_tests\":[{\"input\":\"1 2\",\"output\":\"1 2\"}]}";
    is(scored(
           "cf_code",
           "```python\nopen('output.txt','w').write(' '.join(open('input.txt').read().split()[::-1]))\n```",
           row, NULL),
       1.1, "checker");
    is(scored("cf_code", "```python\nopen('output.txt','w').write('1 1')\n```", row, NULL), 0,
       "checker refuses");
    is(scored("cf_code", "```python\nprint('2 1')\n```", row, NULL), 0, "no output file");
}

static void an_ioi_problem_with_grader_and_checker(void **state)
{
    (void)state;
    json_t *row =
        parsed("{\"id\":\"Near\",\"time_limit\":2,\"memory_limit\":268435456,\"score_precision\":2,"
               "\"test_cases\":[{\"input\":\"10\",\"output\":\"10\"},{\"input\":\"20\",\"output\":\"20\"}]}");
    json_t *files = json_pack(
        "[[s,s],[s,s],[s,s],[s,n],[s,s]]", "graders/Near.h", "int near_it(int);\n", "graders/grader.cpp",
        "#include \"Near.h\"\n#include <cstdio>\nint main() { int x; scanf(\"%d\", &x); printf(\"%d\\n\", "
        "near_it(x)); }\n",
        "checker/checker.cpp",
        "#include <fstream>\n#include <iostream>\nint main(int, char **v) { int a, b; std::ifstream(v[2]) >> "
        "a; "
        "std::ifstream(v[3]) >> b; std::cout << (a == b ? 1.0 : b > 0 ? 0.125 : 0.0); }\n",
        "graders/none.txt", "graders/run.sh", "echo");
    json_object_set_new(row, "grader_files", files);
    is(scored_row("ioi_code", "```cpp\nint near_it(int x) { return x; }\n```", row, NULL), 1, "right");
    is(scored_row("ioi_code", "```cpp\nint near_it(int x) { return x > 10 ? 21 : x; }\n```", row,
                  "{\"code_eval_test_batch_size\":-1}"),
       0.12, "lowest, a tie rounded to even");
    is(scored_row("ioi_code", "```cpp\nint near_it(int x) { return -1; }\n```", row, NULL), 0, "wrong");
    is(scored_row("ioi_code", "```cpp\nint near_it(int x) { return x; }\n```", row,
                  "{\"compat\":\"open-r1\",\"code_eval_test_batch_size\":-1}"),
       0, "Open-R1 runs nothing");
    json_array_append_new(files, json_pack("[s,s]", "graders/manager.cpp", ""));
    is(scored_row("ioi_code", "```cpp\nint near_it(int x) { return x; }\n```", row, NULL), NAN,
       "a manager that does not compile");
    json_object_set_new(row, "id", json_string("../near"));
    is(scored_row("ioi_code", "```cpp\nint near_it(int x) { return x; }\n```", row, NULL), NAN,
       "a wild name");
    json_decref(row);
}

/* Find a number in 12 questions: "? x" is answered by -1, 0 or 1, "! x" ends the talk. The score is 1 for the
 * number, less when more than 8 questions were asked. */
#define MANAGER_TEXT                                                                                         \
    "#include <cstdio>\n#include <csignal>\nint main(int n, char **a) { signal(SIGPIPE, SIG_IGN);\n"         \
    "FILE *in = fopen(a[1], \"r\"), *out = fopen(a[2], \"w\"); int secret, x, asked = 0; char c;\n"          \
    "scanf(\"%d\", &secret);\n"                                                                              \
    "while (fscanf(in, \" %c%d\", &c, &x) == 2) {\n"                                                         \
    "  if (c == '!') { printf(\"%g\\n\", x != secret ? 0 : asked > 8 ? 0.5 : 1); return 0; }\n"              \
    "  if (++asked > 12) break;\n"                                                                           \
    "  fprintf(out, \"%d\\n\", secret < x ? -1 : secret > x); fflush(out); }\n"                              \
    "printf(\"0\\n\"); fprintf(stderr, \"Too many questions\\n\"); }"
#define STUB_BODY                                                                                            \
    "int ask(int x) { fprintf(out, \"? %d\\n\", x); fflush(out); int r; if (fscanf(in, \"%d\", &r) != 1) "   \
    "exit(0); return r; }\n"
#define STUB_PIPES                                                                                           \
    "#include <cstdio>\n#include <cstdlib>\n#include \"guess.h\"\nstatic FILE *in, *out;\n" STUB_BODY        \
    "int main(int argc, char **argv) { in = fopen(argv[1], \"r\"); out = fopen(argv[2], \"w\");\n"           \
    "fprintf(out, \"! %d\\n\", guess(200)); fflush(out); }"
#define STUB_STANDARD                                                                                        \
    "#include <cstdio>\n#include <cstdlib>\n#include \"guess.h\"\nstatic FILE *in = stdin, *out = "          \
    "stdout;\n" STUB_BODY "int main() { fprintf(out, \"! %d\\n\", guess(200)); fflush(out); }"
#define GUESS(body) "```cpp\nint guess(int hi) { " body " }\n```"

static void a_manager_talks_with_the_submission(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        double score;
    } cases[] = {
        {GUESS("int lo = 0; while (lo < hi) { int m = (lo + hi) / 2; ask(m) > 0 ? lo = m + 1 : hi = m; } "
               "return lo;"),
         1},
        {GUESS("for (int i = 60; i < 70; i++) if (ask(i) == 0) return i; return 0;"), 0.5},
        {GUESS("for (;;) ask(1);"), 0},
        {GUESS("printf(\"1\\n\"); return 0;"), 0}, /* the score is the manager's to print */
        {GUESS("for (int p = 1; p < 9; p++) { char n[40]; sprintf(n, \"/proc/%d/fd/1\", p); "
               "FILE *f = fopen(n, \"w\"); if (f) fputs(\"1\\n\", f), fclose(f); } return 0;"),
         0},
    };
    for (int standard = 0; standard < 2; standard++) {
        json_t *row = json_pack(
            "{s:s,s:f,s:i,s:[[s,s],[s,s],[s,s]],s:{s:{s:s,s:s}}}", "id", "guess", "time_limit", 1.0,
            "memory_limit", 256 << 20, "grader_files", "graders/guess.h",
            "int ask(int x);\nint guess(int hi);\n", "graders/manager.cpp", MANAGER_TEXT, "graders/stub.cpp",
            standard ? STUB_STANDARD : STUB_PIPES, "test_cases", "a", "input", "68\n", "output", "");
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            if (!standard || i < 1)
                is(scored_row("ioi_code", cases[i].code, row, NULL), cases[i].score, cases[i].code);
        json_decref(row);
    }
}

/* ---- Piston -----------------------------------------------------------------------------------------------
 */

struct worker {
    const char *answers[8]; /* bodies in turn; "500" is a status; the last one repeats */
    json_t *last;           /* request */
    int n;
};

static int worker_answer(void *ctx, const struct server_request *rq, char **body)
{
    struct worker *w = ctx;
    if (strcmp(rq->path, "/api/v2/execute") != 0 || strcmp(rq->method, "POST") != 0) return 404;
    json_decref(w->last);
    w->last = parsed(rq->body);
    const char *a = w->answers[w->n];
    if (w->answers[w->n + 1]) w->n++;
    *body = strdup(strcmp(a, "500") == 0 ? "{\"message\":\"broken\"}" : a);
    return strcmp(a, "500") == 0 ? 500 : 200;
}

/* A reward by Piston: `answers` are what the server says. */
static double by_piston(const char *name, const char *completion, const char *row, struct worker *w)
{
    struct server s;
    char params[200];
    server_start(&s, worker_answer, w);
    snprintf(params, sizeof params,
             "{\"provider_type\":\"piston\",\"piston_wait\":0.01,\"piston_endpoints\":\"%s/api/v2\"}", s.url);
    double value = scored(name, completion, row, params);
    server_stop(&s);
    return value;
}

static const char *file_named(const json_t *request, const char *name)
{
    size_t i;
    json_t *f;
    json_array_foreach(json_object_get(request, "files"), i,
                       f) if (strcmp(json_string_value(json_object_get(f, "name")), name) ==
                              0) return json_string_value(json_object_get(f, "content"));
    return NULL;
}

#define SAYS(text) "{\"compile\":{\"code\":0},\"run\":{\"code\":0,\"stdout\":\"" text "\",\"stderr\":\"\"}}"

static void piston_gets_what_open_r1_sends(void **state)
{
    (void)state;
    const char *cf =
        "{\"language\":\"cpp\",\"time_limit\":2,\"memory_limit\":256,\"generated_checker\":\"print(1)\","
        "\"official_tests\":[{\"input\":\"in\",\"output\":\"out\"},{\"input\":\"in\",\"output\":\"out\"}]}";
    struct worker w = {.answers = {SAYS("1\\n"), SAYS("0")}};
    is(by_piston("cf_code", "```cpp\nint main() {}\n```", cf, &w), 0.05, "one of two");
    assert_string_equal(json_string_value(json_object_get(w.last, "language")), "c++17");
    assert_string_equal(json_string_value(json_object_get(w.last, "version")), "*");
    assert_int_equal(json_integer_value(json_object_get(w.last, "run_timeout")), 12000);
    assert_string_equal(file_named(w.last, "main.cpp"), "int main() {}\n");
    assert_string_equal(file_named(w.last, "input.txt"), "in");
    assert_string_equal(file_named(w.last, "correct_output.txt"), "out");
    assert_string_equal(file_named(w.last, "checker.py"), "print(1)");
    assert_string_equal(file_named(w.last, "grader_config"),
                        "TIME_LIMIT=2\nMEMORY_LIMIT=256\nINPUT_MODE=stdio\n");
    json_decref(w.last);
    const char *ioi = "{\"id\":\"Near\",\"time_limit\":1.5,\"memory_limit\":1048576,\"grader_files\":[["
                      "\"graders/grader.cpp\","
                      "\"G\"],[\"graders/empty\",\"\"]],\"test_cases\":[{\"input\":\"in\",\"output\":\"\"}]}";
    w = (struct worker){.answers = {SAYS("0.5\\n")}};
    is(by_piston("ioi_code", "```cpp\nint x;\n```", ioi, &w), 0.5, "half");
    assert_string_equal(json_string_value(json_object_get(w.last, "language")), "cms_ioi");
    assert_int_equal(json_integer_value(json_object_get(w.last, "run_timeout")), 4500);
    assert_int_equal(json_integer_value(json_object_get(w.last, "run_memory_limit")), 1048576);
    assert_string_equal(file_named(w.last, "graders/near.cpp"),
                        "#include <bits/stdc++.h>\n#include \"Near.h\"\n\nusing namespace std;\n\nint x;\n");
    assert_string_equal(file_named(w.last, "graders/grader.cpp"), "G");
    assert_null(file_named(w.last, "graders/empty"));
    assert_null(file_named(w.last, "correct_output.txt"));
    json_decref(w.last);
    const char *plain = "{\"verification_info\":{\"language\":\"python\",\"test_cases\":[{\"input\":\"7\","
                        "\"output\":\"5\"}]}}";
    w = (struct worker){.answers = {SAYS("5\\n")}};
    is(by_piston("code", PRINT("5"), plain, &w), 1, "code");
    assert_string_equal(json_string_value(json_object_get(w.last, "stdin")), "7");
    json_decref(w.last);
}

static void piston_failures_are_tried_again_and_never_called_wrong(void **state)
{
    (void)state;
    const char *row = "{\"language\":\"python\",\"official_tests\":[{\"input\":\"\",\"output\":\"\"}]}";
    const char *code = "```python\npass\n```";
    struct worker w = {.answers = {"500", "not json", SAYS("Resource temporarily unavailable"), SAYS("1")}};
    is(by_piston("cf_code", code, row, &w), 1.1, "the fourth try");
    json_decref(w.last);
    w = (struct worker){.answers = {"500"}};
    is(by_piston("cf_code", code, row, &w), NAN, "never");
    json_decref(w.last);
    w = (struct worker){.answers = {"{\"message\":\"runtime is unknown\"}"}};
    is(by_piston("cf_code", code, row, &w), NAN, "refused");
    json_decref(w.last);
    w = (struct worker){.answers = {"{\"compile\":{\"code\":1,\"stderr\":\"bad\"},\"run\":{}}"}};
    is(by_piston("cf_code", code, row, &w), -0.1, "compiler");
    json_decref(w.last);
    /* no server at all, and one that is dead beside one that lives: its place is given back */
    is(scored("cf_code", code, row, "{\"provider_type\":\"piston\",\"piston_wait\":0.01}"), NAN, "no server");
    struct server s;
    char list[200];
    struct err e = {0};
    json_t *request = json_object();
    w = (struct worker){.answers = {SAYS("1")}};
    server_start(&s, worker_answer, &w);
    snprintf(list, sizeof list, "http://127.0.0.1:1/api/v2,%s/api/v2", s.url);
    for (int i = 0; i < 3; i++) {
        json_t *answer = piston_execute(list, request, 0.01, &e);
        if (!answer) fail_msg("%s", e.msg);
        json_decref(answer);
    }
    server_stop(&s);
    assert_null(piston_execute("slurm", request, 0.01, &e));
    assert_non_null(strstr(e.msg, "slurm"));
    json_decref(request);
    json_decref(w.last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_r1_cases_come_out_as_there),
        cmocka_unit_test(the_share_of_tests_is_open_r1s_or_the_mended_one),
        cmocka_unit_test(providers_are_known_by_name),
        cmocka_unit_test(other_languages_are_run_too),
        cmocka_unit_test(codeforces_rules),
        cmocka_unit_test(an_ioi_problem_with_grader_and_checker),
        cmocka_unit_test(a_manager_talks_with_the_submission),
        cmocka_unit_test(piston_gets_what_open_r1_sends),
        cmocka_unit_test(piston_failures_are_tried_again_and_never_called_wrong),
    };
    struct err e = {0};
    unsetenv("PISTON_ENDPOINTS");
    if (sandbox_check(SANDBOX_BWRAP, &e)) {
        print_message("skipped: %s\n", e.msg);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
