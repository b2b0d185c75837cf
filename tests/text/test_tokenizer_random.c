/* Tokenizers with randomly drawn elements, some made on purpose, and small SentencePiece models, give the ids
 * and texts that Hugging Face's library and SentencePiece give (tools/golden/tokenizer_peer.py golden,
 * tokenizer_made.py), before and after they are saved and read back; those of published families also by the
 * family's name. And none takes square time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../base/scratch.h"
#include "base/json.h"
#include "text/text_int.h"

#define GOLDEN "tests/golden/tokenizers/"

static struct tokenizer *tokenizer_of(const json_t *row)
{
    struct err e = {0};
    const json_t *text = json_object_get(row, "json"), *model = json_object_get(row, "model");
    struct tokenizer *t;
    if (text) {
        t = tokenizer_from_json(json_string_value(text), json_string_length(text), &e);
    } else {
        size_t n;
        unsigned char *bytes = base64_decode(json_string_value(model), json_string_length(model), &n);
        assert_non_null(bytes);
        t = tokenizer_from_model((const char *)bytes, n, &e);
        free(bytes);
    }
    if (!t) fail_msg("tokenizer %d: %s", (int)json_integer_value(json_object_get(row, "number")), e.msg);
    return t;
}

static void expect_text(const struct tokenizer *t, const struct ids *ids, bool skip, const json_t *want,
                        int number)
{
    struct str once, streamed;
    struct tok_stream s = {0};
    if (json_is_null(want)) return; /* the library gives none */
    str_init(&once, 0);
    str_init(&streamed, 0);
    tokenizer_decode(t, ids->p, ids->n, skip, &once);
    if (once.len != json_string_length(want) || memcmp(once.p, json_string_value(want), once.len))
        fail_msg("tokenizer %d: \"%s\", not \"%s\"", number, once.p, json_string_value(want));
    for (size_t i = 0; i < ids->n; i++) tok_stream_push(&s, t, ids->p[i], skip, &streamed);
    tok_stream_end(&s, &streamed);
    /* A broken run of <0xNN> still gives the characters in it: see text.h. */
    if (!strstr(once.p, "\xEF\xBF\xBD")) assert_string_equal(streamed.p, once.p);
    str_release(&once);
    str_release(&streamed);
}

static void check_case(const struct tokenizer *t, const json_t *one, int number)
{
    const json_t *text = json_array_get(one, 0), *want = json_array_get(one, 1), *id;
    struct ids ids = {0};
    struct err e = {0};
    size_t i;
    if (tokenizer_encode(t, json_string_value(text), json_string_length(text), TOK_SPECIAL, &ids, &e))
        fail_msg("tokenizer %d: %s", number, e.msg);
    json_array_foreach(want, i, id)
    {
        if (i >= ids.n || ids.p[i] != json_integer_value(id))
            fail_msg("tokenizer %d, \"%s\": id %zu is %d, not %d", number, json_string_value(text), i,
                     i < ids.n ? ids.p[i] : -1, (int)json_integer_value(id));
    }
    assert_int_equal(ids.n, json_array_size(want));
    expect_text(t, &ids, false, json_array_get(one, 2), number);
    expect_text(t, &ids, true, json_array_get(one, 3), number);
    ids_release(&ids);
}

static void check_row(const struct tokenizer *t, const json_t *row)
{
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(row, "cases"), i, one)
        check_case(t, one, (int)json_integer_value(json_object_get(row, "number")));
}

/* Where to save: OPENR1_KEEP names a folder that stays, for the library to read (tokenizer_peer.sh). */
static const char *saved_place(const json_t *row)
{
    static char path[512];
    const char *keep = getenv("OPENR1_KEEP");
    snprintf(path, sizeof path, "%s/%s-%d", keep ? keep : scratch("random"),
             json_object_get(row, "json") ? "random" : "spm",
             (int)json_integer_value(json_object_get(row, "number")));
    return path;
}

static void check_saved(const struct tokenizer *t, const json_t *row)
{
    struct err e = {0};
    const char *dir = saved_place(row);
    if (tokenizer_save(t, dir, &e)) fail_msg("%s", e.msg);
    struct tokenizer *again = tokenizer_load(dir, &e);
    if (!again) fail_msg("%s", e.msg);
    check_row(again, row);
    tokenizer_free(again);
}

/* What the family's name in GGUF stands for is what its published files say. */
static void check_family(const struct tokenizer *t, const json_t *row)
{
    struct err e = {0};
    struct vocab v;
    const char *name = json_str_or(row, "pre", NULL);
    if (!name) return;
    if (tokenizer_to_vocab(t, &v, &e)) fail_msg("%s: %s", name, e.msg);
    assert_string_equal(v.pre, name);
    struct tokenizer *again = tokenizer_from_vocab(&v, &e);
    if (!again) fail_msg("%s: %s", name, e.msg);
    check_row(again, row);
    tokenizer_free(again);
    vocab_release(&v);
}

/* Long runs of one character. Square time would not end within the test's limit. */
static void check_runs(const struct tokenizer *t, size_t n)
{
    static const char *const runs[] = {"a",        "A",   " ", "\n", "0", "=", "\xE4\xB8\xAD",
                                       "\xCC\x81", " \n", "a "};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        struct ids ids = {0};
        struct str text, back;
        struct err e = {0};
        str_init(&text, 0);
        str_init(&back, 0);
        while (text.len < n) str_puts(&text, runs[i]);
        if (tokenizer_encode(t, text.p, text.len, 0, &ids, &e)) fail_msg("%s: %s", runs[i], e.msg);
        tokenizer_decode(t, ids.p, ids.n, false, &back);
        assert_true(ids.n > 0);
        ids_release(&ids);
        str_release(&text);
        str_release(&back);
    }
}

static int each_tokenizer(const char *name, void (*check)(const struct tokenizer *t, const json_t *row))
{
    struct jsonl in;
    struct err e = {0};
    json_t *row;
    int count = 0;
    if (jsonl_open(&in, name, &e)) fail_msg("%s", e.msg);
    for (; jsonl_next(&in, &row, &e) == 1; json_decref(row), count++) {
        struct tokenizer *t = tokenizer_of(row);
        check(t, row);
        tokenizer_free(t);
    }
    jsonl_close(&in);
    return count;
}

static void check_all(const struct tokenizer *t, const json_t *row)
{
    check_row(t, row);
    check_saved(t, row);
    check_family(t, row);
}

static void random_tokenizers_are_equal_and_stay_so_when_saved(void **state)
{
    (void)state;
    assert_true(each_tokenizer(GOLDEN "random.jsonl", check_all) > 20);
}

static void made_tokenizers_are_equal_and_families_known_by_name(void **state)
{
    (void)state;
    assert_true(each_tokenizer(GOLDEN "made.jsonl", check_all) > 30);
}

static void check_family_runs(const struct tokenizer *t, const json_t *row)
{
    if (json_object_get(row, "pre")) check_runs(t, 1 << 20);
}

static void a_megabyte_of_one_character_takes_linear_time_in_every_family(void **state)
{
    (void)state;
    each_tokenizer(GOLDEN "made.jsonl", check_family_runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_tokenizers_are_equal_and_stay_so_when_saved),
        cmocka_unit_test(made_tokenizers_are_equal_and_families_known_by_name),
        cmocka_unit_test(a_megabyte_of_one_character_takes_linear_time_in_every_family),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
