/* code_tests.c: the tests of a record, in the forms in which data sets have them. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "verify/verify.h"

enum { TESTS_MAX = 100000 };

char *code_tests_own(struct code_tests *t, char *text)
{
    t->owned = alloc_again(t->owned, (size_t)(t->n_owned + 1) * sizeof *t->owned);
    return t->owned[t->n_owned++] = text;
}

/* Input or output: a string, lines as a list, or a number. NULL when it is none of these. */
static const char *text_of(struct code_tests *t, const json_t *v)
{
    struct str s;
    size_t i;
    json_t *line;
    if (json_is_string(v)) return json_string_value(v);
    if (json_is_number(v)) return code_tests_own(t, json_text(v));
    if (!json_is_array(v)) return NULL;
    str_init(&s, 0);
    json_array_foreach((json_t *)v, i, line)
    {
        char *text = json_is_string(line) ? alloc_str(json_string_value(line)) : json_text(line);
        str_addf(&s, "%s%s", i ? "\n" : "", text);
        free(text);
    }
    return code_tests_own(t, str_take(&s));
}

static int add_pair(struct code_tests *t, const json_t *input, const json_t *output, const char *what,
                    struct err *e)
{
    struct code_test *test = &t->list[t->n];
    *test = (struct code_test){.input = text_of(t, input), .output = text_of(t, output)};
    if (!test->input || !test->output)
        return err_set(e, "%s: test %d: \"input\" and \"output\" must be strings or lists of lines", what,
                       t->n);
    test->n_input = json_is_string(input) ? json_string_length(input) : strlen(test->input);
    t->n++;
    return 0;
}

/* A function called with arguments: as a check in Python. Data sets wrap the expected value in a list, or do
 * not; a tuple counts as a list. */
static void add_call(struct code_tests *t, const char *name, const json_t *args, const json_t *expected)
{
    struct str s;
    char *a = json_text(args), *b = json_text(expected);
    json_t *a_text = json_string(a), *b_text = json_string(b);
    char *a_quoted = json_dumps(a_text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII),
         *b_quoted = json_dumps(b_text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    str_init(&s, 0);
    str_addf(&s,
             "import json as _json\n_want = _json.loads(%s)\n"
             "try:\n    _call = Solution().%s\nexcept NameError:\n    _call = %s\n"
             "_got = _json.loads(_json.dumps(_call(*_json.loads(%s))))\n"
             "assert _got == _want or [_got] == _want, repr(_got)\n",
             b_quoted, name, name, a_quoted);
    t->list[t->n++] = (struct code_test){.check = code_tests_own(t, str_take(&s))};
    json_decref(a_text);
    json_decref(b_text);
    free(a);
    free(b);
    free(a_quoted);
    free(b_quoted);
}

static bool is_name(const char *s)
{
    if (!*s || strlen(s) > 200 || strspn(s, "0123456789")) return false;
    return s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] == 0;
}

static int read_columns(struct code_tests *t, const json_t *tests, const char *what, struct err *e)
{
    const json_t *in = json_object_get(tests, "inputs"), *out = json_object_get(tests, "outputs");
    const char *call = json_string_value(json_object_get(tests, "fn_name"));
    size_t n = json_array_size(in);
    if (!json_is_array(in) || !json_is_array(out) || json_array_size(out) != n || n > TESTS_MAX)
        return err_set(e, "%s: \"inputs\" and \"outputs\" must be lists of one length", what);
    if (call && !is_name(call)) return err_set(e, "%s: \"%.60s\" is no name of a function", what, call);
    t->list = alloc_zero(n + 1, sizeof *t->list);
    for (size_t i = 0; i < n; i++) {
        const json_t *a = json_array_get(in, i), *b = json_array_get(out, i);
        if (call && !json_is_array(a))
            return err_set(e, "%s: input %zu must be the list of arguments of %s", what, i, call);
        if (call)
            add_call(t, call, a, b);
        else if (add_pair(t, a, b, what, e))
            return -1;
    }
    return 0;
}

int code_tests_read(struct code_tests *t, const json_t *tests, const char *what, struct err *e)
{
    size_t i, n = json_array_size(tests);
    json_t *test;
    *t = (struct code_tests){0};
    if (json_is_object(tests)) return read_columns(t, tests, what, e);
    if (!json_is_array(tests) || n > TESTS_MAX)
        return err_set(e,
                       "%s must be a list of {\"input\",\"output\"} or of assertions, or "
                       "{\"inputs\":[...],\"outputs\":[...]}",
                       what);
    t->list = alloc_zero(n + 1, sizeof *t->list);
    json_array_foreach((json_t *)tests, i, test)
    {
        if (json_is_string(test))
            t->list[t->n++] = (struct code_test){.check = json_string_value(test)};
        else if (add_pair(t, json_object_get(test, "input"), json_object_get(test, "output"), what, e))
            return -1;
    }
    return 0;
}

void code_tests_release(struct code_tests *t)
{
    for (int i = 0; i < t->n_owned; i++) free(t->owned[i]);
    free(t->owned);
    free(t->list);
    *t = (struct code_tests){0};
}
