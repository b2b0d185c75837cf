/* tokenizer_config.json and its companions: special tokens in both forms, bos and eos around a text,
 * templates. What is expected here is what transformers does with the same files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../base/scratch.h"
#include "text/text.h"

#define MODEL                                                                                                \
    "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"             \
    "\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,"           \
    "\"ab\":2,\"<s>\":3},\"merges\":[\"a b\"]}"
#define ADDED "\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"special\":true,\"normalized\":false}],"
#define TEMPLATE                                                                                             \
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\","     \
    "\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"special_tokens\":{\"<s>\":{\"id\":"      \
    "\"<s>\",\"ids\":[3],\"tokens\":[\"<s>\"]}}},"
#define LLAMA    "{\"tokenizer_class\":\"LlamaTokenizerFast\","
#define PLAIN    "{\"version\":\"1.0\"," ADDED MODEL "}"
#define WITH_BOS "{" ADDED TEMPLATE MODEL "}"

static void put(const char *name, const char *text)
{
    char *path = path_join(scratch("t"), name);
    struct err e = {0};
    if (file_mkdirs(scratch("t"), &e) || file_write(path, text, strlen(text), &e)) fail_msg("%s", e.msg);
    free(path);
}

static struct tokenizer *load(const char *tokenizer, const char *config)
{
    struct err e = {0};
    file_remove_tree(scratch("t"), NULL);
    put("tokenizer.json", tokenizer);
    if (config) put("tokenizer_config.json", config);
    struct tokenizer *t = tokenizer_load(scratch("t"), &e);
    if (!t) fail_msg("%s", e.msg);
    return t;
}

static void expect_ids(const char *tokenizer, const char *config, const char *text, const int *want, size_t n)
{
    struct tokenizer *t = load(tokenizer, config);
    struct ids ids = {0};
    assert_int_equal(tokenizer_encode(t, text, strlen(text), TOK_SPECIAL, &ids, NULL), 0);
    assert_int_equal(ids.n, n);
    assert_memory_equal(ids.p, want, n * sizeof *want);
    ids_release(&ids);
    tokenizer_free(t);
}

static void bos_and_eos_stand_where_the_files_say(void **state)
{
    (void)state;
    const int plain[] = {2}, bos[] = {3, 2}, both[] = {3, 2, 3};
    expect_ids(PLAIN, NULL, "ab", plain, 1);
    expect_ids(WITH_BOS, NULL, "ab", bos, 2);
    expect_ids(WITH_BOS, "{\"bos_token\":\"<s>\",\"add_bos_token\":false}", "ab", bos, 2);
    expect_ids(PLAIN, "{\"bos_token\":\"<s>\",\"add_bos_token\":true}", "ab", plain, 1);
    /* DeepSeek's way */
    expect_ids(PLAIN, LLAMA "\"bos_token\":\"<s>\",\"add_bos_token\":true}", "ab", bos, 2);
    expect_ids(PLAIN, LLAMA "\"bos_token\":\"<s>\",\"add_bos_token\":false}", "ab", plain, 1);
    expect_ids(PLAIN, LLAMA "\"bos_token\":null,\"add_bos_token\":true}", "ab", plain, 1);
    expect_ids(PLAIN,
               LLAMA "\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":\"<s>\",\"add_bos_token\":true,"
                     "\"add_eos_token\":true}",
               "ab", both, 3);
}

static void named_tokens_have_ids_and_are_special(void **state)
{
    (void)state;
    struct tokenizer *t =
        load(PLAIN, "{\"bos_token\":\"<s>\",\"eos_token\":{\"__type\":\"AddedToken\","
                    "\"content\":\"</s>\",\"lstrip\":true},\"pad_token\":null,"
                    "\"added_tokens_decoder\":{\"10\":{\"content\":\"<b>\",\"special\":false},"
                    "\"9\":{\"content\":\"<a>\",\"special\":false}}}");
    assert_int_equal(tokenizer_bos(t), 3);
    assert_int_equal(tokenizer_id(t, "<a>"), 4); /* in the order of their numbers */
    assert_int_equal(tokenizer_id(t, "<b>"), 5);
    assert_int_equal(tokenizer_eos(t), 6);
    assert_int_equal(tokenizer_pad(t), -1);
    assert_true(tokenizer_is_special(t, 6));
    assert_false(tokenizer_is_special(t, 4));
    assert_int_equal(tokenizer_size(t), 7);
    assert_string_equal(tokenizer_token(t, 5), "<b>");
    assert_null(tokenizer_token(t, 7));
    tokenizer_free(t);

    file_remove_tree(scratch("t"), NULL);
    put("tokenizer.json", PLAIN);
    put("special_tokens_map.json", "{\"eos_token\":{\"content\":\"<s>\"}}");
    struct err e = {0};
    t = tokenizer_load(scratch("t"), &e);
    if (!t) fail_msg("%s", e.msg);
    assert_int_equal(tokenizer_eos(t), 3);
    tokenizer_free(t);
}

static void templates_come_from_three_places(void **state)
{
    (void)state;
    struct tokenizer *t = load(PLAIN, "{\"chat_template\":\"one\"}");
    assert_string_equal(tokenizer_template(t), "one");
    tokenizer_free(t);
    t = load(PLAIN, "{\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"t\"},"
                    "{\"name\":\"default\",\"template\":\"d\"}]}");
    assert_string_equal(tokenizer_template(t), "d");
    put("chat_template.jinja", "file");
    tokenizer_free(t);
    struct err e = {0};
    t = tokenizer_load(scratch("t"), &e);
    assert_non_null(t);
    assert_string_equal(tokenizer_template(t), "file");
    tokenizer_free(t);
    t = load(PLAIN, NULL);
    assert_null(tokenizer_template(t));
    tokenizer_free(t);
}

static void refused(const char *tokenizer, const char *because)
{
    struct err e = {0};
    struct tokenizer *t = tokenizer_from_json(tokenizer, strlen(tokenizer), &e);
    assert_null(t);
    if (!strstr(e.msg, because)) fail_msg("\"%s\" does not say \"%s\"", e.msg, because);
}

static void what_is_not_known_is_named(void **state)
{
    (void)state;
    refused("{}", "model");
    refused("[1", "tokenizer.json");
    refused("{\"model\":{\"type\":\"WordPiece\"}}",
            "\"WordPiece\" is not supported; supported: BPE, Unigram");
    refused("{\"model\":{\"type\":\"Unigram\"}}", "[token, score]");
    refused("{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",\"b\"]]}}", "vocab[0]");
    refused("{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1]],\"unk_id\":1}}", "unk_id 1");
    refused("{\"model\":{\"type\":\"WordLevel\",\"vocab\":{}}}", "unk_token");
    refused("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0}}}", "id 0");
    refused("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1}}}", "\"a\"");
    refused("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}", "merge 0");
    refused("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"dropout\":0.5}}", "dropout");
    refused("{\"normalizer\":{\"type\":\"BertNormalizer\"},\"model\":{\"type\":\"BPE\",\"vocab\":{}}}",
            "\"BertNormalizer\"");
    refused(
        "{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"},\"model\":{\"type\":"
        "\"BPE\",\"vocab\":{}}}",
        "table of 3 bytes");
    refused("{\"decoder\":{\"type\":\"CTC\"},\"model\":{\"type\":\"BPE\",\"vocab\":{}}}", "\"CTC\"");
    refused("{\"post_processor\":{\"type\":\"CTCProcessing\"},\"model\":{\"type\":\"BPE\",\"vocab\":{}}}",
            "\"CTCProcessing\"");
    refused("{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},\"behavior\":\"Isolated\"},"
            "\"model\":{\"type\":\"BPE\",\"vocab\":{}}}",
            "parenthesis");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bos_and_eos_stand_where_the_files_say),
        cmocka_unit_test(named_tokens_have_ids_and_are_special),
        cmocka_unit_test(templates_come_from_three_places),
        cmocka_unit_test(what_is_not_known_is_named),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
