/* Generators: the same row for the same place, right solutions, and two sides that never meet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "data/data_int.h"

extern const struct datagen gen_chain, gen_countdown, gen_arithmetic;

static json_t *row_made(const struct datagen *g, uint32_t index, bool held_out, const char *params)
{
    struct err e = {0};
    json_t *p = params ? json_read_bytes(params, strlen(params), "params", &e) : NULL;
    struct rng_at at = {.seed = 7, .purpose = RNG_DATA, .sequence = index};
    json_t *row = g->make(&at, held_out, p, &e);
    if (!row) fail_msg("%s: %s", g->name, e.msg);
    json_decref(p);
    return row;
}

static const char *str_of(const json_t *row, const char *key)
{
    const char *s = json_string_value(json_object_get(row, key));
    assert_non_null(s);
    return s;
}

static void every_generator_repeats_itself(void **state)
{
    (void)state;
    for (size_t k = 0; datagen_all()[k]; k++) {
        const struct datagen *g = datagen_all()[k];
        for (uint32_t i = 0; i < 20; i++) {
            json_t *a = row_made(g, i, i % 2, NULL), *b = row_made(g, i, i % 2, NULL);
            json_t *other = row_made(g, i + 100, i % 2, NULL);
            assert_true(json_equal(a, b));
            assert_false(json_equal(a, other));
            assert_non_null(json_object_get(a, "solution"));
            json_decref(a);
            json_decref(b);
            json_decref(other);
        }
    }
}

static void every_generator_refuses_an_unknown_setting(void **state)
{
    (void)state;
    for (size_t k = 0; datagen_all()[k]; k++) {
        struct err e = {0};
        struct rng_at at = {.seed = 7, .purpose = RNG_DATA};
        json_t *p = json_pack("{s:i}", "no_such_setting", 1);
        assert_null(datagen_all()[k]->make(&at, false, p, &e));
        assert_int_equal(e.kind, ERR_USAGE);
        json_decref(p);
    }
}

/* The value of a chain by its definition, from the prompt's text. */
static int chain_value(const char *p)
{
    int r = *p++ - '0';
    while (*p != '=') {
        int d = p[1] - '0';
        r = *p == '+' ? r + d : *p == '-' ? r - d : r * d;
        r = ((r % 10) + 10) % 10;
        p += 2;
    }
    return r;
}

static void chain_solutions_and_steps_are_right(void **state)
{
    (void)state;
    int shown = 0;
    for (uint32_t i = 0; i < 300; i++) {
        json_t *row = row_made(&gen_chain, i, false, "{\"worked\": 0.7}");
        const char *prompt = str_of(row, "prompt"), *solution = str_of(row, "solution");
        const char *completion = str_of(row, "completion");
        assert_int_equal(strlen(prompt), 12);
        assert_int_equal(chain_value(prompt), solution[0] - '0');
        assert_int_equal(completion[strlen(completion) - 1], solution[0]);
        bool worked = json_is_true(json_object_get(row, "worked"));
        assert_int_equal(worked, strncmp(completion, "<think>", 7) == 0);
        if (!worked) assert_int_equal(strlen(completion), 1);
        shown += worked;
        json_decref(row);
    }
    assert_in_range(shown, 180, 240);
}

/* Words: the steps of "readable" with "is" or its Chinese for "=", in about the share asked for. */
static void chain_words_are_of_two_languages_in_the_share_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *params;
        int least, most; /* of a thousand steps, in Chinese */
    } cases[] = {{"{\"style\":\"words\"}", 0, 0},
                 {"{\"style\":\"words\",\"mixed\":0.3}", 240, 360},
                 {"{\"style\":\"words\",\"mixed\":1}", 1000, 1000}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        int chinese = 0, english = 0;
        for (uint32_t i = 0; i < 200; i++) {
            json_t *row = row_made(&gen_chain, i, false, cases[k].params);
            json_t *plain = row_made(&gen_chain, i, false, NULL);
            const char *q = str_of(plain, "completion");
            for (const char *p = str_of(row, "completion"); *p; q++) {
                bool han = str_starts(p, "\u5f97"), is = str_starts(p, "is");
                chinese += han;
                english += is;
                assert_int_equal(han || is ? '=' : *p, *q);
                p += han ? 3 : is ? 2 : 1;
            }
            json_decref(row);
            json_decref(plain);
        }
        assert_int_equal(chinese + english, 1000);
        assert_in_range(chinese, cases[k].least, cases[k].most);
    }
    struct err e = {0};
    struct rng_at at = {.seed = 1};
    json_t *wrong = json_pack("{s:s}", "style", "verse");
    assert_null(gen_chain.make(&at, false, wrong, &e));
    assert_non_null(strstr(e.msg, "\"words\""));
    json_decref(wrong);
}

static void chain_styles_write_the_same_steps(void **state)
{
    (void)state;
    json_t *long_row = row_made(&gen_chain, 3, false, "{\"style\": \"readable\"}");
    json_t *short_row = row_made(&gen_chain, 3, false, "{\"style\": \"compact\"}");
    assert_string_equal(str_of(long_row, "prompt"), str_of(short_row, "prompt"));
    const char *p = str_of(long_row, "completion"), *q = str_of(short_row, "completion");
    for (; *p; p++) {
        if (*p == '=' || *p == ' ') continue;
        assert_int_equal(*p, *q);
        q++;
    }
    assert_int_equal(*q, 0);
    json_decref(long_row);
    json_decref(short_row);
}

static void held_out_problems_are_one_in_sixteen_and_apart(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        json_t *train = row_made(&gen_chain, i, false, NULL);
        json_t *test = row_made(&gen_chain, i, true, NULL);
        assert_false(gen_held_out(str_of(train, "prompt")));
        assert_true(gen_held_out(str_of(test, "prompt")));
        json_decref(train);
        json_decref(test);
    }
    int held = 0;
    char text[16];
    for (int i = 0; i < 16000; i++) {
        snprintf(text, sizeof text, "%d", i);
        held += gen_held_out(text);
    }
    assert_in_range(held, 900, 1100);
}

static void countdown_reordered_stays_on_its_side(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        bool side = i % 2;
        json_t *row = row_made(&gen_countdown, i, side, NULL);
        long n[3];
        for (size_t k = 0; k < 3; k++)
            n[k] = (long)json_integer_value(json_array_get(json_object_get(row, "nums"), k));
        for (int pass = 0; pass < 3; pass++)
            for (int k = 0; k < 2; k++)
                if (n[k] > n[k + 1]) {
                    long kept = n[k];
                    n[k] = n[k + 1];
                    n[k + 1] = kept;
                }
        char key[64];
        snprintf(key, sizeof key, "%ld,%ld,%ld,", n[0], n[1], n[2]);
        assert_int_equal(gen_held_out(key), side);
        json_decref(row);
    }
}

static void arithmetic_boxes_its_solution(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 50; i++) {
        json_t *row = row_made(&gen_arithmetic, i, false, "{\"style\": \"text\", \"n_terms\": 4}");
        char boxed[64];
        snprintf(boxed, sizeof boxed, "\\boxed{%s}.", str_of(row, "solution"));
        assert_true(str_ends(str_of(row, "completion"), boxed));
        /* The sum in the prompt, added up here. */
        const char *p = strstr(str_of(row, "prompt"), "does ") + 5;
        char *end;
        long sum = strtol(p, &end, 10);
        while (end[1] == '+' || end[1] == '-') {
            char sign = end[1];
            long term = strtol(end + 3, &end, 10);
            sum += sign == '-' ? -term : term;
        }
        assert_int_equal(sum, strtol(str_of(row, "solution"), NULL, 10));
        json_decref(row);
    }
}

static void arithmetic_can_ask_for_the_number_alone(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 50; i++) {
        json_t *row = row_made(&gen_arithmetic, i, i % 2,
                               "{\"style\": \"text\", \"n_terms\": 2, \"max\": 30, \"answer\": \"number\"}");
        long a, b;
        char sign;
        assert_int_equal(sscanf(str_of(row, "prompt"), "Calculate %ld %c %ld.", &a, &sign, &b), 3);
        assert_in_range(a, 1, 30);
        assert_in_range(b, 1, 30);
        assert_int_equal(strtol(str_of(row, "solution"), NULL, 10), sign == '-' ? a - b : a + b);
        assert_string_equal(str_of(row, "completion"), str_of(row, "solution"));
        json_decref(row);
    }
}

static void a_side_without_problems_is_an_error(void **state)
{
    (void)state;
    struct err e = {0};
    const struct rng_at at = {.seed = 1, .purpose = RNG_DATA};
    json_t *params = json_pack("{s:i,s:i}", "n_terms", 2, "max", 1);
    assert_null(gen_arithmetic.make(&at, true, params, &e));
    assert_non_null(strstr(e.msg, "no problem on the test side"));
    json_decref(params);
}

static void a_wrong_name_brings_the_nearest(void **state)
{
    (void)state;
    struct err e = {0};
    assert_ptr_equal(datagen_find("countdown", &e), &gen_countdown);
    assert_null(datagen_find("contdown", &e));
    assert_non_null(strstr(e.msg, "did you mean \"countdown\"?"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_generator_repeats_itself),
        cmocka_unit_test(every_generator_refuses_an_unknown_setting),
        cmocka_unit_test(chain_solutions_and_steps_are_right),
        cmocka_unit_test(chain_styles_write_the_same_steps),
        cmocka_unit_test(chain_words_are_of_two_languages_in_the_share_asked_for),
        cmocka_unit_test(held_out_problems_are_one_in_sixteen_and_apart),
        cmocka_unit_test(countdown_reordered_stays_on_its_side),
        cmocka_unit_test(arithmetic_boxes_its_solution),
        cmocka_unit_test(arithmetic_can_ask_for_the_number_alone),
        cmocka_unit_test(a_side_without_problems_is_an_error),
        cmocka_unit_test(a_wrong_name_brings_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
