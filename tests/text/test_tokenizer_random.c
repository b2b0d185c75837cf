/* Tokenizers with randomly drawn elements, and small SentencePiece models, give the ids and texts that
 * Hugging Face's library and SentencePiece give (tools/golden/tokenizer_peer.py golden), before and after
 * they are saved and read back.
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

#define GOLDEN "tests/golden/tokenizers/random.jsonl"

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

static void random_tokenizers_are_equal_and_stay_so_when_saved(void **state)
{
    (void)state;
    struct jsonl in;
    struct err e = {0};
    json_t *row;
    int count = 0;
    if (jsonl_open(&in, GOLDEN, &e)) fail_msg("%s", e.msg);
    for (; jsonl_next(&in, &row, &e) == 1; json_decref(row), count++) {
        struct tokenizer *t = tokenizer_of(row);
        check_row(t, row);
        const char *dir = saved_place(row);
        if (tokenizer_save(t, dir, &e)) fail_msg("%s", e.msg);
        struct tokenizer *again = tokenizer_load(dir, &e);
        if (!again) fail_msg("%s", e.msg);
        check_row(again, row);
        tokenizer_free(again);
        tokenizer_free(t);
    }
    jsonl_close(&in);
    assert_true(count > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_tokenizers_are_equal_and_stay_so_when_saved),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
