/* JSON: messages that name file, line and field; exact text; JSON-lines with blank and bad lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/embed.h"
#include "base/json.h"
#include "base/scratch.h"
#include "base/version.h"

static json_t *parse(const char *text)
{
    struct err e = {0};
    json_t *v = json_read_bytes(text, strlen(text), "test", &e);
    if (!v) fail_msg("%s", e.msg);
    return v;
}

static void refused(const char *text, const char *message)
{
    struct err e = {0};
    assert_null(json_read_bytes(text, strlen(text), "test", &e));
    if (!strstr(e.msg, message)) fail_msg("%s does not say %s", e.msg, message);
}

static void malformed_text_is_refused_with_a_place(void **state)
{
    (void)state;
    refused("{\"a\": 1,\n \"a\": 2}", "test: line 2");
    refused("{\"a\": 1, \"a\": 2}", "uplicate");
    refused("[1,", "test: column");
    refused("", "test: column");
    refused("\"\xFF\"", "0xff");
    refused("1 2", "end of file");
    char deep[5001];
    memset(deep, '[', 5000);
    deep[5000] = 0;
    refused(deep, "depth");
}

/* Half a character, as Python writes it, becomes U+FFFD; pairs, escaped backslashes and what else is wrong
 * stay. */
static void lone_surrogates_are_replaced(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"\"a\\ud800b\"", "a\xEF\xBF\xBD"
                          "b"},
        {"\"\\uDC00\\ud83d\\ude00\\uD83D\"", "\xEF\xBF\xBD\xF0\x9F\x98\x80\xEF\xBF\xBD"},
        {"\"\\ud800\\n\\u0041\"", "\xEF\xBF\xBD\nA"},
        {"\"\\\\ud800 \\ud800\"", "\\ud800 \xEF\xBF\xBD"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *v = parse(texts[i][0]);
        assert_string_equal(json_string_value(v), texts[i][1]);
        json_decref(v);
    }
    json_t *list = parse("[\"\\ud800\", 1000000000000000019884624838656]");
    assert_true(json_is_real(json_array_get(list, 1)));
    json_decref(list);
    refused("\"\\ud800", "column");
    refused("\"\\ud8zz\"", "column");
    refused("[\"\\ud800\", }", "column");
}

static void fields_are_checked_by_type(void **state)
{
    (void)state;
    json_t *o = parse("{\"i\": 3, \"r\": 2.5, \"w\": 4.0, \"s\": \"x\", \"b\": true, \"z\": null}");
    struct err e = {0};
    long i;
    double r;
    bool b;
    const char *s;
    assert_int_equal(json_get_int(o, "i", "f.json", &i, &e), 0);
    assert_int_equal(i, 3);
    assert_int_equal(json_get_int(o, "w", "f.json", &i, &e), 0);
    assert_int_equal(i, 4);
    assert_int_equal(json_get_int(o, "r", "f.json", &i, &e), -1);
    assert_string_equal(e.msg, "f.json: field \"r\" is a real number; an integer expected");
    assert_int_equal(json_get_int(o, "none", "f.json", &i, &e), -1);
    assert_non_null(strstr(e.msg, "is missing"));
    assert_int_equal(json_get_int_or(o, "none", 9, &i, &e), 0);
    assert_int_equal(i, 9);
    assert_int_equal(json_get_int_or(o, "z", 8, &i, &e), 0);
    assert_int_equal(i, 8);
    assert_int_equal(json_get_int_or(o, "s", 8, &i, &e), -1);
    assert_int_equal(json_get_real_or(o, "i", 0, &r, &e), 0);
    assert_true(r == 3);
    assert_int_equal(json_get_real_or(o, "b", 0, &r, &e), -1);
    assert_int_equal(json_get_bool_or(o, "b", false, &b, &e), 0);
    assert_true(b);
    assert_int_equal(json_get_bool_or(o, "i", false, &b, &e), -1);
    assert_int_equal(json_get_str(o, "s", "f.json", &s, &e), 0);
    assert_string_equal(s, "x");
    assert_int_equal(json_get_str(o, "i", "f.json", &s, &e), -1);
    assert_string_equal(json_str_or(o, "i", "y"), "y");
    json_decref(o);
}

static void integers_beyond_64_bits_are_reals_and_the_rest_stay_integers(void **state)
{
    (void)state;
    struct err e = {0};
    const char *text =
        "{\"model_max_length\": 1000000000000000019884624838656, \"n\": [3, -7, 0.5], \"b\": true}";
    json_t *v = json_read_bytes(text, strlen(text), "tokenizer_config.json", &e);
    assert_non_null(v);
    assert_true(json_is_real(json_object_get(v, "model_max_length")));
    const json_t *list = json_object_get(v, "n");
    assert_int_equal(json_integer_value(json_array_get(list, 0)), 3);
    assert_int_equal(json_integer_value(json_array_get(list, 1)), -7);
    assert_true(json_is_real(json_array_get(list, 2)));
    assert_true(json_is_true(json_object_get(v, "b")));
    json_decref(v);
}

static void text_keeps_order_digits_and_utf8(void **state)
{
    (void)state;
    json_t *v = parse("{\"z\": 0.1, \"a\": [1, true, null], \"\xC3\xA9\": \"\\u20ac/\\\"\"}");
    char *text = json_text(v);
    assert_string_equal(text,
                        "{\"z\":0.10000000000000001,\"a\":[1,true,null],\"\xC3\xA9\":\"\xE2\x82\xAC/\\\"\"}");
    free(text);
    struct err e = {0};
    assert_int_equal(json_write_file(v, scratch("v.json"), &e), 0);
    json_t *again = json_read_file(scratch("v.json"), &e);
    assert_true(json_equal(v, again));
    json_decref(again);
    json_decref(v);
    assert_null(json_read_file(scratch("absent.json"), &e));
    assert_non_null(strstr(e.msg, "absent.json"));
}

static void lines_are_read_until_one_is_bad(void **state)
{
    (void)state;
    struct err e = {0};
    const char text[] = "\xEF\xBB\xBF{\"a\":1}\r\n\n  \t\n{\"a\":2}\n{\"a\":\n{\"a\":4}";
    file_write(scratch("l.jsonl"), text, sizeof text - 1, &e);
    struct jsonl r;
    json_t *v;
    assert_int_equal(jsonl_open(&r, scratch("l.jsonl"), &e), 0);
    for (int want = 1; want <= 2; want++) {
        assert_int_equal(jsonl_next(&r, &v, &e), 1);
        assert_int_equal(json_integer_value(json_object_get(v, "a")), want);
        json_decref(v);
    }
    assert_int_equal(r.line, 4);
    assert_int_equal(jsonl_next(&r, &v, &e), -1);
    assert_null(v);
    assert_non_null(strstr(e.msg, "l.jsonl:5: column"));
    assert_int_equal(jsonl_next(&r, &v, &e), 1);
    json_decref(v);
    assert_int_equal(jsonl_next(&r, &v, &e), 0);
    assert_int_equal(jsonl_next(&r, &v, &e), 0);
    jsonl_close(&r);
    file_write(scratch("n.jsonl"), "\0\n", 2, &e);
    assert_int_equal(jsonl_open(&r, scratch("n.jsonl"), &e), 0);
    assert_int_equal(jsonl_next(&r, &v, &e), -1);
    jsonl_close(&r);
    assert_int_equal(jsonl_open(&r, scratch("absent"), &e), -1);
    assert_int_equal(jsonl_open(&r, scratch_dir, &e), -1);
}

static void the_program_knows_its_version_and_what_it_carries(void **state)
{
    (void)state;
    assert_true(openr1_version[0] >= '0' && openr1_version[0] <= '9');
    assert_true(openr1_commit[0] != 0);
    assert_null(embedded_find("no such file"));
    for (const struct embedded *f = embedded_files; f->path; f++) {
        assert_ptr_equal(embedded_find(f->path), f);
        assert_int_equal(f->bytes[f->n], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_text_is_refused_with_a_place),
        cmocka_unit_test(lone_surrogates_are_replaced),
        cmocka_unit_test(fields_are_checked_by_type),
        cmocka_unit_test(integers_beyond_64_bits_are_reals_and_the_rest_stay_integers),
        cmocka_unit_test(text_keeps_order_digits_and_utf8),
        cmocka_unit_test(lines_are_read_until_one_is_bad),
        cmocka_unit_test(the_program_knows_its_version_and_what_it_carries),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
