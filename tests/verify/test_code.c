/* Programs judged on tests: every language, every verdict, the rules of comparison, records of data sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "verify/language.h"
#include "verify/verify.h"

static void outputs_are_compared_by_the_stated_rules(void **state)
{
    (void)state;
    static const struct {
        enum code_compare how;
        double tolerance;
        const char *expected, *got;
        long line; /* 0: the same */
    } cases[] = {
        {CODE_LINES, 0, "1\n2\n", "1\n2", 0},
        {CODE_LINES, 0, "1 \t\n2\r\n\n\n", "1\n2", 0},
        {CODE_LINES, 0, "", "\n \n", 0},
        {CODE_LINES, 0, "1\n2", "1\n3", 2},
        {CODE_LINES, 0, "1\n\n2", "1\n2", 2},
        {CODE_LINES, 0, "1", "1\n2", 2},
        {CODE_LINES, 0, "1\n2", "1", 2},
        {CODE_LINES, 0, "a  b", "a b", 1},
        {CODE_LINES, 0, " a", "a", 1},
        {CODE_LINES, 0, "YES", "yes", 1},
        {CODE_LINES, 0, "1.0", "1", 1},
        {CODE_LINES, 1e-6, "0.333333", "0.3333333", 0},
        {CODE_LINES, 1e-6, "1e9 x", "1000000100.0 x", 0},
        {CODE_LINES, 1e-6, "0.5", "0.50001", 1},
        {CODE_LINES, 1e-6, "nan", "inf", 1},
        {CODE_LINES, 1e-6, "1 2", "1", 1},
        {CODE_TOKENS, 0, "1 2\n3", "1\n2 3\n", 0},
        {CODE_TOKENS, 0, "1 2", "1 2 3", 1},
        {CODE_TOKENS, 0, "a\nb c", "a\nb d", 2},
        {CODE_TOKENS, 0, "12", "1 2", 1},
        {CODE_CONTEST, 0, "YES\nNo 3", "yes\nnO 3", 0},
        {CODE_CONTEST, 0, "YES", "no", 1},
        {CODE_CONTEST, 0, "yesno", "YESNO", 1},
        {CODE_OPEN_R1, 0, "1\n2\n3", "1", 0},
        {CODE_OPEN_R1, 0, "1", "1\n2", 0},
        {CODE_OPEN_R1, 0, "\n5", "\n5", 1},
        {CODE_OPEN_R1, 0, " 1 \n2", "1\n 2 ", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct code_difference d;
        bool same = code_same(cases[i].how, cases[i].tolerance, cases[i].expected, cases[i].got, &d);
        if (same != (cases[i].line == 0) || d.line != cases[i].line)
            fail_msg("\"%s\" and \"%s\": same %d, line %ld", cases[i].expected, cases[i].got, same, d.line);
    }
}

static json_t *judged(const char *record, struct err *e)
{
    struct code_options o = {.limits = code_limits_default};
    json_t *r = json_read_bytes(record, strlen(record), "record", e);
    if (!r) fail_msg("%s", e->msg);
    json_t *out = code_record_judge(r, &o, e);
    json_decref(r);
    return out;
}

/* The verdicts of a record, a blank between. */
static void comes_to(const char *record, const char *expected)
{
    struct err e = {0};
    char got[400] = "";
    json_t *out = judged(record, &e), *result;
    size_t i;
    if (!out) fail_msg("%s: %s", record, e.msg);
    json_array_foreach(json_object_get(out, "results"), i, result)
    {
        strncat(got, i ? " " : "", sizeof got - strlen(got) - 1);
        strncat(got, json_string_value(json_object_get(result, "verdict")), sizeof got - strlen(got) - 1);
    }
    if (strcmp(got, expected) != 0) fail_msg("%s: %s; %s", record, got, json_dumps(out, 0));
    json_decref(out);
}

static void every_language_reads_and_prints(void **state)
{
    (void)state;
    for (int i = 0; code_language_row(i); i++) {
        const struct code_language *l = code_language_row(i);
        struct err e = {0};
        if (!code_language_find(l->name, &e)) {
            print_message("skipped: %s\n", e.msg);
            continue;
        }
        json_t *record =
            json_pack("{s:s,s:s,s:[{s:s,s:s},{s:s,s:s}]}", "language", l->name, "code", l->hello, "tests",
                      "input", "20 22", "output", "42", "input", "1 1\n", "output", "3");
        char *text = json_text(record);
        comes_to(text, "passed wrong_answer");
        free(text);
        json_decref(record);
    }
}

static void every_verdict_is_told(void **state)
{
    (void)state;
#define PY(code)                                                                                             \
    "{\"language\":\"py\",\"time_limit\":1,\"memory_limit\":64,\"tests\":[{\"input\":\"\",\"output\":\"1\"}" \
    "],\"code\":\"" code "\"}"
    comes_to(PY("print(1)"), "passed");
    comes_to(PY("print(2)"), "wrong_answer");
    comes_to(PY("print(1); exit(1)"), "runtime_error");
    comes_to(PY("import os; print(1, flush=True); os.abort()"), "runtime_error");
    comes_to(PY("while 1: pass"), "time_limit");
    comes_to(PY("x = bytearray(b'x' * 300000000)"), "memory_limit");
    comes_to(PY("x = bytearray(1 << 50)"), "memory_limit");
    comes_to(PY("while 1: print('y' * 10000)"), "output_limit");
    comes_to("{\"language\":\"c\",\"code\":\"int main(\",\"tests\":[{\"input\":\"\",\"output\":\"1\"}]}",
             "compile_error");
    /* one that never ends costs only itself */
    comes_to("{\"code\":\"n = int(input())\\nwhile n == 2: pass\\nprint(n)\",\"time_limit\":1,\"tests\":["
             "{\"input\":\"1\",\"output\":\"1\"},{\"input\":\"2\",\"output\":\"2\"},{\"input\":\"3\","
             "\"output\":\"3\"}]}",
             "passed time_limit passed");
}

/* What a source of C or C++ names to be read while it is compiled: without an end (it cost half a minute and
 * 2 GiB), never coming (three minutes), itself twice (a minute). */
static void a_source_meets_no_file_without_an_end(void **state)
{
    (void)state;
    static const char *const sources[][2] = {{"#include \\\"/dev/zero\\\"", "No such file"},
                                             {"#include \\\"/dev/urandom\\\"", "No such file"},
                                             {"#include \\\"/proc/self/fd/1\\\"", "No such file"},
                                             {"#include \\\"/proc/self/fd/2\\\"", "No such file"},
                                             {"#include __FILE__\\n#include __FILE__", "In file included"}};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        for (int cpp = 0; cpp < 2; cpp++) {
            char record[300];
            struct err e = {0};
            snprintf(record, sizeof record,
                     "{\"language\":\"%s\",\"code\":\"%s\\nint main() {}\",\"tests\":[{\"input\":\"\","
                     "\"output\":\"\"}]}",
                     cpp ? "cpp" : "c", sources[i][0]);
            json_t *out = judged(record, &e);
            if (!out) fail_msg("%s: %s", record, e.msg);
            const char *said = json_str_or(out, "compiler", "");
            if (!strstr(said, sources[i][1]) || strstr(said, " limit")) fail_msg("%s: %s", record, said);
            json_decref(out);
        }
}

static void records_come_in_many_forms(void **state)
{
    (void)state;
    comes_to("{\"code\":\"print(int(input())*2)\",\"tests\":{\"inputs\":[\"2\",[\"3\"]],\"outputs\":["
             "\"4\\n\",[\"6\"]]}}",
             "passed passed");
    comes_to("{\"code\":\"def f(a, b): return (a, "
             "b)\",\"tests\":{\"fn_name\":\"f\",\"inputs\":[[1,\"x'\\\"\"],[1,2]],"
             "\"outputs\":[[1,\"x'\\\"\"],[1,3]]}}",
             "passed wrong_answer");
    comes_to("{\"code\":\"class Solution:\\n  def f(self, a): return "
             "a\",\"tests\":{\"fn_name\":\"f\",\"inputs\":[[1]],"
             "\"outputs\":[[1]]}}",
             "passed");
    comes_to("{\"code\":\"def f(a): return a\",\"tests\":[\"assert f(1) == 1\",\"assert f(1) == 2\"]}",
             "passed wrong_answer");
    comes_to("{\"code\":\"print('0.30000001')\",\"tolerance\":0.001,\"tests\":[{\"input\":\"\",\"output\":"
             "\"0.3\"}]}",
             "passed");
    comes_to("{\"code\":\"print(1)\\nprint(2)\",\"compare\":\"tokens\",\"tests\":[{\"input\":\"\",\"output\":"
             "\"1 2\"}]}",
             "passed");
    comes_to(
        "{\"code\":\"print('b a')\",\"tests\":[{\"input\":\"\",\"output\":\"a b\"}],\"checker\":\"import "
        "sys\\n"
        "print(int(sorted(open(sys.argv[2]).read().split())==sorted(open(sys.argv[3]).read().split())))\"}",
        "passed");
    comes_to("{\"code\":\"\",\"tests\":[]}", "");
}

static void a_program_that_leaves_early_has_not_passed(void **state)
{
    (void)state;
    static const char *const ways[] = {"import os; os._exit(0)", "exit(0)", "raise SystemExit", "quit()"};
    for (int i = 0; i < 4; i++) {
        json_t *record = json_pack("{s:s,s:[s]}", "code", ways[i], "tests", "assert False");
        char *text = json_text(record);
        comes_to(text, "wrong_answer");
        free(text);
        json_decref(record);
    }
}

static void wrong_records_say_what_is_missing(void **state)
{
    (void)state;
    static const char *const records[][2] = {
        {"{}", "needs \"code\" and \"tests\""},
        {"{\"code\":\"\"}", "\"tests\" must be a list"},
        {"{\"code\":\"\",\"tests\":[{\"input\":\"\"}]}", "test 0"},
        {"{\"code\":\"\",\"tests\":{\"inputs\":[1],\"outputs\":[]}}", "lists of one length"},
        {"{\"code\":\"\",\"tests\":{\"fn_name\":\"f(\",\"inputs\":[[1]],\"outputs\":[1]}}",
         "no name of a function"},
        {"{\"code\":\"\",\"tests\":[],\"language\":\"befunge\"}", "languages: python"},
        {"{\"code\":\"\",\"tests\":[],\"language\":5}",
         "\"language\" is an integer; it must be the name of a language; languages: python"},
        {"{\"code\":5,\"completion\":\"\",\"tests\":[]}", "field \"code\" is an integer; a text expected"},
        {"{\"completion\":\"\",\"test_list\":[],\"test_setup_code\":[1]}", "\"test_setup_code\" is a list"},
        {"{\"code\":\"\",\"tests\":[\"assert 1\"],\"language\":\"c\"}", "assertions are Python"},
        {"{\"code\":\"\",\"tests\":[],\"time_limit\":-1}", "time_limit must be"},
        {"{\"code\":\"\",\"tests\":[],\"compare\":\"magic\"}", "\"compare\" must be"},
        {"{\"prompt\":\"\",\"test\":\"\",\"entry_point\":\"f\"}", "completion"},
    };
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        struct err e = {0};
        json_t *out = judged(records[i][0], &e);
        if (out || !strstr(e.msg, records[i][1])) fail_msg("%s: %s", records[i][0], e.msg);
    }
}

/* Every 97th record: the reference passes; one that returns nothing, and one that leaves early, do not. */
static void data_set_passes(const char *path, const char *solution, const char *nothing, const char *early)
{
    struct jsonl file;
    struct err e = {0};
    struct code_options o = {.limits = code_limits_default};
    json_t *record;
    int n = 0;
    if (!file_exists(path)) {
        print_message("skipped: no %s\n", path);
        return;
    }
    if (jsonl_open(&file, path, &e)) fail_msg("%s", e.msg);
    while (jsonl_next(&file, &record, &e) == 1) {
        const char *code = json_string_value(json_object_get(record, solution));
        for (int kind = 0; n % 97 == 0 && kind < 3; kind++) {
            json_object_set_new(record, "completion",
                                json_string(kind == 0   ? code
                                            : kind == 1 ? nothing
                                                        : early));
            json_t *out = code_record_judge(record, &o, &e);
            if (!out) fail_msg("%s", e.msg);
            long passed = json_integer_value(json_object_get(out, "passed"));
            long total = json_integer_value(json_object_get(out, "total"));
            if (total == 0 || (kind == 0) != (passed == total))
                fail_msg("record %d, kind %d: %s", n, kind, json_dumps(out, 0));
            json_decref(out);
        }
        n++;
        json_decref(record);
    }
    jsonl_close(&file);
    assert_true(n > 100);
}

static void humaneval_and_mbpp_references_pass_and_mutants_fail(void **state)
{
    (void)state;
    data_set_passes("../shared/data/humaneval/test.jsonl", "canonical_solution", "    return None\n",
                    "    exit(0)\n");
    data_set_passes("../shared/data/mbpp/all.jsonl", "code", "```python\npass\n```",
                    "import os\nos._exit(0)\n");
}

static void a_block_of_code_is_found_by_its_languages_names(void **state)
{
    (void)state;
    struct err e = {0};
    const struct code_language *python = code_language_find("Python", &e);
    static const char *const cases[][2] = {
        {"```python\na\n```", "a\n"},
        {"```Py \r\nb\r\n```", "b\r\n"},
        {"```js\nc\n```", NULL},
        {"```\nd\n```", NULL},
        {"```python\ne", NULL},
        {"", NULL},
        {"```python\nf\n``` ```cpp\ng\n```", "f\n"},
        {"```pythonic\nh\n```", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *got = code_fenced(cases[i][0], python);
        if (!got != !cases[i][1] || (got && strcmp(got, cases[i][1]) != 0))
            fail_msg("%s: %s", cases[i][0], got);
        free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_compared_by_the_stated_rules),
        cmocka_unit_test(every_language_reads_and_prints),
        cmocka_unit_test(every_verdict_is_told),
        cmocka_unit_test(a_source_meets_no_file_without_an_end),
        cmocka_unit_test(records_come_in_many_forms),
        cmocka_unit_test(a_program_that_leaves_early_has_not_passed),
        cmocka_unit_test(wrong_records_say_what_is_missing),
        cmocka_unit_test(humaneval_and_mbpp_references_pass_and_mutants_fail),
        cmocka_unit_test(a_block_of_code_is_found_by_its_languages_names),
    };
    struct err e = {0};
    if (sandbox_check(SANDBOX_BWRAP, &e)) {
        print_message("skipped: %s\n", e.msg);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
