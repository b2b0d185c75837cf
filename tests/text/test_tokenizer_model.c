/* Vocabularies in other forms than tokenizer.json (SentencePiece, tiktoken), the Unigram model, and what
 * must not take square time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "text/text_int.h"

static void refused(const char *bytes, size_t n, const char *because)
{
    struct err e = {0};
    assert_null(tokenizer_from_model(bytes, n, &e));
    if (!strstr(e.msg, because)) fail_msg("\"%s\" does not say \"%s\"", e.msg, because);
}

static void broken_models_are_refused_with_the_place(void **state)
{
    (void)state;
#define REFUSED(bytes, because) refused(bytes, sizeof bytes - 1, because)
    REFUSED("", "no ranks");
    REFUSED("IQ== 0\nIg= 1\n", "line 2");
    REFUSED("IQ== 0\nIg== one\n", "line 2");
    REFUSED("IQ== 0\nIg== 0\n", "id 0 is given to");
    REFUSED("IQ== 0\nIQ== 1\n", "has the ids 0 and 1");
    REFUSED("IQ== 99999999\n", "a rank below");
    REFUSED("\x0A\x7F", "field 1 of 127 bytes; 0 are left");
    REFUSED("\x0A\x02\x0A\x05", "piece 0: field 1 of 5 bytes");
    REFUSED("\x0A\x00", "piece 0 has no text");
    REFUSED("\x0A\x03\x0A\x01\x61\x0B", "field 1 of kind 3");
    REFUSED("\x0A\x03\x0A\x01\x61\x12\x02\x18\x03", "model_type 3");
    REFUSED("\x0A\x03\x0A\x01\x61\x12\x03\xC0\x01\x01", "treat_whitespace_as_suffix");
    REFUSED("\x0A\x03\x0A\x01\x61\x12\x03\xC0\x02\x09", "unk_id 9 of 1 pieces");
    REFUSED("\x0A\x05\x0A\x01\x61\x18\x02\x0A\x05\x0A\x01\x61\x18\x01", "has the ids 0 and 1");
#undef REFUSED
}

static void base64_goes_there_and_back(void **state)
{
    (void)state;
    unsigned char bytes[256];
    for (int i = 0; i < 256; i++) bytes[i] = (unsigned char)(i * 37);
    for (size_t n = 0; n < sizeof bytes; n++) {
        size_t m;
        char *text = base64_encode(bytes, n);
        unsigned char *back = base64_decode(text, strlen(text), &m);
        assert_non_null(back);
        assert_int_equal(m, n);
        assert_memory_equal(back, bytes, n);
        free(text);
        free(back);
    }
    size_t m;
    char *text = base64_encode((const unsigned char *)"Ma", 2);
    assert_string_equal(text, "TWE="); /* RFC 4648 */
    free(text);
    assert_null(base64_decode("TW*=", 4, &m));
    assert_null(base64_decode("TWE", 3, &m));
}

static struct tokenizer *from_json(const char *text)
{
    struct err e = {0};
    struct tokenizer *t = tokenizer_from_json(text, strlen(text), &e);
    if (!t) fail_msg("%s", e.msg);
    return t;
}

static void expect_ids(const struct tokenizer *t, const char *text, size_t n, const int *want, size_t n_want)
{
    struct ids ids = {0};
    struct err e = {0};
    if (tokenizer_encode(t, text, n, 0, &ids, &e)) fail_msg("%s", e.msg);
    assert_int_equal(ids.n, n_want);
    assert_memory_equal(ids.p, want, n_want * sizeof *want);
    ids_release(&ids);
}

/* The example in the documentation of Hugging Face's Unigram, and unknowns in a row. */
static void the_best_sum_of_scores_is_found(void **state)
{
    (void)state;
    struct tokenizer *t = from_json(
        "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0.0],[\"a\",0.0],[\"b\",0.0],"
        "[\"c\",0.0],[\"d\",0.0],[\"cd\",1.0],[\"ab\",2.0],[\"abc\",5.0],[\"abcd\",10.0]]}}");
    const int want[] = {8, 1, 5, 0}, unknown[] = {1, 0, 2};
    expect_ids(t, "abcdacdxx", 9, want, 4);
    expect_ids(t, "axyzb", 5, unknown, 3);
    tokenizer_free(t);
}

/* White space around added tokens is looked at once, however many tokens stand in it; a word without end is
 * cut by Unigram in one walk. (Square time would not end within the test's limit.) */
static void long_runs_take_linear_time(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    char *run = alloc_or_die(N);
    int *want = alloc_or_die(N * sizeof *want);
    struct tokenizer *t =
        from_json("{\"added_tokens\":[{\"id\":1,\"content\":\"\\n\",\"lstrip\":true,\"rstrip\":true,"
                  "\"normalized\":false},"
                  "{\"id\":2,\"content\":\" \",\"normalized\":false}],"
                  "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"\\n\":1,\" \":2},\"merges\":[]}}");
    struct ids ids = {0};
    for (int i = 0; i < N; i++) run[i] = i % 2 ? ' ' : '\n';
    assert_int_equal(tokenizer_encode(t, run, N, 0, &ids, NULL), 0);
    assert_true(ids.n > N / 2);
    ids_release(&ids);
    tokenizer_free(t);

    t = from_json(
        "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0.0],[\"a\",-4.0],[\"aa\",-5.0],"
        "[\"aaaa\",-6.0]]}}");
    memset(run, 'a', N);
    for (int i = 0; i < N / 4; i++) want[i] = 3;
    expect_ids(t, run, N, want, N / 4);
    tokenizer_free(t);
    free(run);
    free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_models_are_refused_with_the_place),
        cmocka_unit_test(base64_goes_there_and_back),
        cmocka_unit_test(the_best_sum_of_scores_is_found),
        cmocka_unit_test(long_runs_take_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
