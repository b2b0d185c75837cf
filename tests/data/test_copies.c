/* test_copies.c: rows that repeat an earlier one, or share words with a benchmark; what a row says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/json.h"
#include "base/rng.h"
#include "data/data.h"

static bool shares(const char *benchmark, const char *text, int n, const char *run)
{
    struct run_set *s = run_set_new(n);
    struct str shared;
    str_init(&shared, 0);
    run_set_add(s, benchmark, strlen(benchmark));
    bool meets = run_set_meets(s, text, strlen(text), &shared);
    if (meets && strcmp(shared.p, run) != 0) fail_msg("'%s', not '%s'", shared.p, run);
    str_release(&shared);
    run_set_free(s);
    return meets;
}

static void a_run_of_words_is_found_whatever_its_case_and_spaces(void **state)
{
    (void)state;
    const char *problem = "Find the sum of ALL positive\n integers less than ten.";
    assert_true(shares(problem, "x  all Positive INTEGERS  less y", 4, "all Positive INTEGERS  less"));
    assert_false(shares(problem, "all positive integers, less", 4, "")); /* punctuation counts, as there */
    assert_false(shares(problem, "all positive integers", 4, ""));       /* too short */
    assert_false(shares("a b", "a b", 3, ""));                           /* on both sides */
    assert_true(shares("\xC3\x89t\xC3\xA9 un deux", "x \xC3\xA9T\xC3\x89\xC2\xA0un", 2,
                       "\xC3\xA9T\xC3\x89\xC2\xA0un"));
    assert_false(shares("a b c", "\xFF\xFE b c", 3, ""));
    assert_true(shares("\xFF b c", "\xFF b c", 3, "\xFF b c"));
}

/* 60 words drawn by `seed`, of which the first `changed` are others. */
static char *words_of(uint64_t seed, int changed)
{
    struct str s;
    str_init(&s, 0);
    for (int i = 0; i < 60; i++) {
        struct rng_at at = {
            .seed = i < changed ? seed + 1000 : seed, .purpose = RNG_TEST, .position = (uint32_t)i};
        str_addf(&s, "%sw%u", i ? " " : "", rng_below(&at, 100000));
    }
    return str_take(&s);
}

static void copies_are_found_and_nothing_else(void **state)
{
    (void)state;
    enum { N = 300 };
    char *texts[N];
    long of[N];
    for (int i = 0; i < N; i++) {
        int base = i % 100, round = i / 100; /* round 1: near the first, round 2: far from it */
        texts[i] = words_of((uint64_t)base, round == 1 ? 5 : round == 2 ? 30 : 0);
    }
    dedup((const char *const *)texts, N, &(struct dedup_opts){5, 0.8}, of);
    int found = 0;
    for (int i = 0; i < N; i++) {
        if (i < 100 || i >= 200) assert_int_equal(of[i], -1);
        if (of[i] >= 0) assert_int_equal(of[i], i - 100);
        found += of[i] >= 0;
    }
    /* 56 runs each, 51 in common: similarity 51/61 = 0.836; one in a thousand may be missed. */
    assert_true(found >= 98);
    dedup((const char *const *)texts, N, &(struct dedup_opts){5, 1}, of);
    for (int i = 0; i < N; i++) assert_int_equal(of[i], -1);
    for (int i = 0; i < N; i++) free(texts[i]);
}

/* tools/golden/copies.py works them out by Python's lower and split, and by comparing all pairs. */
static void both_agree_with_plain_python(void **state)
{
    (void)state;
    struct err e = {0};
    json_t *g = json_read_file("tests/golden/copies.json", &e), *list = json_object_get(g, "texts"), *text;
    if (!g) fail_msg("%s", e.msg);
    struct run_set *s = run_set_new(8);
    size_t n = json_array_size(list), i;
    const char **texts = alloc_zero(n, sizeof *texts);
    long *of = alloc_zero(n, sizeof *of);
    json_array_foreach(json_object_get(g, "benchmark"), i, text)
        run_set_add(s, json_string_value(text), json_string_length(text));
    json_array_foreach(list, i, text)
    {
        texts[i] = json_string_value(text);
        bool want = json_is_true(json_array_get(json_object_get(g, "contaminated"), i));
        if (run_set_meets(s, texts[i], strlen(texts[i]), NULL) != want)
            fail_msg("text %zu: '%s'", i, texts[i]);
    }
    dedup(texts, n, &(struct dedup_opts){5, 0.8}, of);
    for (i = 0; i < n; i++)
        assert_int_equal(of[i], json_integer_value(json_array_get(json_object_get(g, "repeats"), i)));
    run_set_free(s);
    free(texts);
    free(of);
    json_decref(g);
}

static void the_same_words_are_one_text(void **state)
{
    (void)state;
    const char *texts[] = {"One two", "", "one  TWO\n", "two one", "", "ONE two three"};
    long of[6];
    dedup(texts, 6, &(struct dedup_opts){5, 1}, of);
    const long want[] = {-1, -1, 0, -1, -1, -1}; /* empty texts say nothing, and are left alone */
    for (int i = 0; i < 6; i++) assert_int_equal(of[i], want[i]);
}

/* Many equal texts, and many in one band: time stays linear, and each finds the first. */
static void a_thousand_copies_are_one(void **state)
{
    (void)state;
    enum { N = 20000 };
    const char **texts = alloc_zero(N, sizeof *texts);
    long *of = alloc_zero(N, sizeof *of);
    for (int i = 0; i < N; i++) texts[i] = "the very same text over and over again";
    dedup(texts, N, &(struct dedup_opts){3, 0.7}, of);
    assert_int_equal(of[0], -1);
    for (int i = 1; i < N; i++) assert_int_equal(of[i], 0);
    free(texts);
    free(of);
}

static void says(const char *row_text_json, const char *column, const char *want)
{
    struct err e = {0};
    struct str s;
    json_t *row = json_loads(row_text_json, 0, NULL);
    str_init(&s, 0);
    struct row_texts all = {.column = column};
    int rc = row_texts_next(&all, row, &(struct row_place){"f.jsonl", 1}, &s, &e);
    if (!rc) rc = row_texts_end(&all, "stay", &e);
    const char *got = rc ? e.msg : s.p;
    if (!strstr(got, want)) fail_msg("'%s' does not say '%s'", got, want);
    str_release(&s);
    json_decref(row);
}

static void a_row_says_its_column_or_the_usual_one(void **state)
{
    (void)state;
    says("{\"text\":\"t\",\"problem\":\"p\"}", NULL, "p");
    says("{\"text\":\"t\",\"problem\":\"p\"}", "text", "t");
    says("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"from\":\"gpt\",\"value\":\"b\"}]}", NULL,
         "a\nb");
    says("{\"x\":1}", NULL, "name one");
    says("{\"x\":null}", "x", "f.jsonl: no row has text in column x");
    says("{\"text\":null,\"messages\":[{\"content\":\"a\"}]}", NULL, "a");
    says("{\"x\":1}", "x", "f.jsonl:1: column x is an integer; text or messages");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_of_words_is_found_whatever_its_case_and_spaces),
        cmocka_unit_test(copies_are_found_and_nothing_else),
        cmocka_unit_test(both_agree_with_plain_python),
        cmocka_unit_test(the_same_words_are_one_text),
        cmocka_unit_test(a_thousand_copies_are_one),
        cmocka_unit_test(a_row_says_its_column_or_the_usual_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
