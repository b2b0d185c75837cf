/* Tokenizers of single characters: ids, specials, unknown characters, and the way through tokenizer.json. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../base/scratch.h"
#include "base/str.h"
#include "text/text.h"

static const char alphabet[] = "0123456789+-*/=() \nabcdefghijklmnopqrstuvwxyz<>|é中";
static const char *const specials[] = {"<|pad|>", "<|end|>", "<think>", "</think>"};

static struct tokenizer *make(const char *const *names, int n)
{
    struct err e = {0};
    struct tokenizer *t = tokenizer_chars(alphabet, names, n, &e);
    if (!t) fail_msg("%s", e.msg);
    return t;
}

static void expect_ids(const struct tokenizer *t, const char *text, int flags, const int *want, size_t n)
{
    struct ids ids = {0};
    struct err e = {0};
    if (tokenizer_encode(t, text, strlen(text), flags, &ids, &e)) fail_msg("%s", e.msg);
    assert_int_equal(ids.n, n);
    assert_memory_equal(ids.p, want, n * sizeof *want);
    ids_release(&ids);
}

static void expect_text(const struct tokenizer *t, const int *ids, size_t n, bool skip, const char *want)
{
    struct str s;
    str_init(&s, 0);
    tokenizer_decode(t, ids, n, skip, &s);
    assert_string_equal(s.p, want);
    str_release(&s);
}

static void check_all(const struct tokenizer *t)
{
    /* Behind the alphabet: the bytes of é and 中, and the first two of 中. */
    assert_int_equal(tokenizer_size(t), 4 + 48 + 2 + 2 + 3 + 1);
    assert_int_equal(tokenizer_id(t, "<|pad|>"), 0);
    assert_int_equal(tokenizer_id(t, "0"), 4);
    assert_int_equal(tokenizer_eos(t), 1);
    assert_int_equal(tokenizer_pad(t), 0);
    assert_int_equal(tokenizer_bos(t), -1);
    assert_true(tokenizer_is_special(t, 1));
    assert_false(tokenizer_is_special(t, 2));
    const int ids[] = {2, 5, 14, 6, 52, 3, 53, 1};
    expect_ids(t, "<think>1+2é</think>中<|end|>", TOK_SPECIAL, ids, 8);
    expect_text(t, ids, 8, false, "<think>1+2é</think>中<|end|>");
    expect_text(t, ids, 8, true, "<think>1+2é</think>中");
    struct ids plain = {0};
    assert_int_equal(tokenizer_encode(t, "<think>", 7, TOK_PLAIN, &plain, NULL), 0);
    assert_int_equal(plain.n, 7);
    ids_release(&plain);
}

static void characters_and_specials_have_ids_in_order(void **state)
{
    (void)state;
    struct tokenizer *t = make(specials, 4);
    check_all(t);
    tokenizer_free(t);
}

static void a_saved_tokenizer_reads_back_the_same(void **state)
{
    (void)state;
    struct err e = {0};
    struct tokenizer *t = make(specials, 4);
    tokenizer_set_template(t, "{{ messages }}");
    assert_int_equal(tokenizer_save(t, scratch("chars"), &e), 0);
    tokenizer_free(t);
    t = tokenizer_load(scratch("chars"), &e);
    if (!t) fail_msg("%s", e.msg);
    check_all(t);
    assert_string_equal(tokenizer_template(t), "{{ messages }}");
    tokenizer_free(t);
}

static void an_unknown_character_is_an_error_that_names_it(void **state)
{
    (void)state;
    struct err e = {0};
    struct ids ids = {0};
    struct tokenizer *t = make(specials, 4);
    assert_int_equal(tokenizer_encode(t, "1ü", 3, 0, &ids, &e), -1);
    assert_non_null(strstr(e.msg, "ü"));
    assert_int_equal(ids.n, 0);
    ids_release(&ids);
    tokenizer_free(t);
}

static void pad_is_eos_where_no_token_is_named_so(void **state)
{
    (void)state;
    struct tokenizer *t = make(specials + 1, 3);
    assert_int_equal(tokenizer_pad(t), 0);
    assert_int_equal(tokenizer_eos(t), 0);
    tokenizer_free(t);
}

static void the_bytes_of_an_unknown_character_are_unk_when_there_is_one(void **state)
{
    (void)state;
    const char *const with_unk[] = {"<unk>", "<|end|>"};
    struct tokenizer *t = make(with_unk, 2);
    const int ids[] = {3, 0, 0, 0, 0, 4};
    expect_ids(t, "1ЖЖ2", 0, ids, 6);
    tokenizer_free(t);
}

static void a_repeated_character_is_refused(void **state)
{
    (void)state;
    struct err e = {0};
    assert_null(tokenizer_chars("abca", specials, 4, &e));
    assert_non_null(strstr(e.msg, "\"a\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_and_specials_have_ids_in_order),
        cmocka_unit_test(a_saved_tokenizer_reads_back_the_same),
        cmocka_unit_test(an_unknown_character_is_an_error_that_names_it),
        cmocka_unit_test(pad_is_eos_where_no_token_is_named_so),
        cmocka_unit_test(the_bytes_of_an_unknown_character_are_unk_when_there_is_one),
        cmocka_unit_test(a_repeated_character_is_refused),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
