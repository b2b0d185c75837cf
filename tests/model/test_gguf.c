/* test_gguf.c: metadata and tensors of GGUF files, gguf-py's floats for every quantised type, and errors for
 * whatever is broken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/file.h"
#include "model/gguf_bytes.h"
#include "model/read_tensors.h"
#include "text/text.h"

static void every_kind_of_value_is_read(void **state)
{
    (void)state;
    struct gguf_bytes b;
    struct err e = {0};
    for (uint32_t version = 2; version <= 3; version++) {
        gguf_sample(&b);
        b.p[4] = (uint8_t)version;
        struct tensor_file *f = tensor_file_from_bytes(b.p, b.n, "memory", &e);
        assert_non_null(f);
        json_t *want =
            json_pack("{s:i, s:i, s:i, s:i, s:I, s:i, s:f, s:b, s:s, s:[i,i,i], s:[[s]], s:I, s:i, "
                      "s:f, s:i}",
                      "u8", 200, "i8", -5, "u16", 60000, "i16", -300, "u32", (json_int_t)4000000000, "i32",
                      -70000, "f32", 0.5, "bool", 1, "string", "h\xc3\xa9llo", "array", -1, 0, 1, "nested",
                      "deep", "u64", (json_int_t)1 << 40, "i64", -9, "f64", 1.5, "general.alignment", 64);
        assert_true(json_equal(want, tensor_file_meta(f)));
        json_decref(want);
        const struct tensor_info *t = tensor_file_find(f, "first");
        assert_non_null(t);
        assert_true(t->n_dims == 2 && t->shape[0] == 2 && t->shape[1] == 3);
        float out[6];
        assert_int_equal(tensor_file_rows(f, t, 1, 1, out, &e), 0);
        assert_true(out[0] == 3 && out[2] == 5);
        assert_int_equal(tensor_file_rows(f, tensor_file_find(f, "second"), 0, 1, out, &e), 0);
        assert_true(out[0] == 7 && out[1] == 8);
        tensor_file_close(f);
    }
}

static void every_truncation_is_an_error(void **state)
{
    (void)state;
    struct gguf_bytes b;
    gguf_sample(&b);
    for (size_t cut = 0; cut < b.n; cut++) {
        struct err e = {0};
        assert_false(read_bytes(b.p, cut, &e));
        assert_int_equal(e.kind, ERR_FAILED);
        assert_non_null(strstr(e.msg, "memory"));
    }
}

static void any_changed_byte_gives_a_file_or_an_error(void **state)
{
    (void)state;
    struct gguf_bytes b;
    gguf_sample(&b);
    for (size_t i = 0; i < b.n; i++)
        for (int bit = 0; bit < 10; bit++) {
            struct err e = {0};
            uint8_t old = b.p[i];
            b.p[i] = bit < 8 ? (uint8_t)(old ^ 1U << bit) : bit == 8 ? 0 : 0xff;
            bool taken = read_bytes(b.p, b.n, &e);
            if (taken == (e.kind != ERR_NONE)) fail_msg("byte %zu as %d: %s", i, b.p[i], e.msg);
            b.p[i] = old;
        }
}

static void expect(const struct gguf_bytes *b, const char *says)
{
    struct err e = {0};
    assert_false(read_bytes(b->p, b->n, &e));
    if (!strstr(e.msg, says)) fail_msg("\"%s\" expected: %s", says, e.msg);
}

static void broken_metadata_is_named(void **state)
{
    (void)state;
    struct gguf_bytes b;
    put_head(&b, 1, 0, 0), expect(&b, "version 1");
    put_head(&b, 0x03000000, 0, 0), expect(&b, "big-endian");
    put_head(&b, 3, 0, UINT64_MAX), expect(&b, "cut short");
    put_head(&b, 3, UINT64_MAX, 0), expect(&b, "tensors");
    put_head(&b, 3, 0, 1), put_key(&b, "x", 13), expect(&b, "type 13");
    put_head(&b, 3, 0, 1), put_key(&b, "x", 7), put_uint(&b, 2, 1), expect(&b, "truth");
    put_head(&b, 3, 0, 1), put_key(&b, "x", 6), put_uint(&b, 0x7fc00000, 4), expect(&b, "NaN");
    put_head(&b, 3, 0, 1), put_key(&b, "x", 8), put_string(&b, "\xff"), expect(&b, "UTF-8");
    put_head(&b, 3, 0, 1), put_key(&b, "", 0), put_uint(&b, 0, 1), expect(&b, "empty");
    put_head(&b, 3, 0, 2);
    for (int i = 0; i < 2; i++) put_key(&b, "x", 0), put_uint(&b, 0, 1);
    expect(&b, "twice");
    put_head(&b, 3, 0, 1), put_key(&b, "x", 9), put_uint(&b, 0, 4), put_uint(&b, (uint64_t)1 << 60, 8);
    expect(&b, "array of");
    put_head(&b, 3, 0, 1), put_key(&b, "x", 9);
    for (int i = 0; i < 100; i++) put_uint(&b, 9, 4), put_uint(&b, 1, 8);
    expect(&b, "deeper");
    put_head(&b, 3, 0, 1), put_key(&b, "general.alignment", 4), put_uint(&b, 48, 4),
        expect(&b, "power of two");
    put_head(&b, 3, 0, 1), put_key(&b, "split.count", 2), put_uint(&b, 4, 2),
        expect(&b, "the first of 4 parts");
}

static void broken_tensors_are_named(void **state)
{
    (void)state;
    struct gguf_bytes b;
    put_head(&b, 3, 1, 0), put_tensor(&b, "t", 4, 4, 0), put_padding(&b, 32), expect(&b, "end of the file");
    put_head(&b, 3, 1, 0), put_tensor(&b, "t", 1, 0, 32), put_padding(&b, 32), expect(&b, "end of the file");
    put_head(&b, 3, 1, 0), put_tensor(&b, "t", 1, 0, (uint64_t)-32), expect(&b, "end of the file");
    put_head(&b, 3, 1, 0), put_tensor(&b, "t", 1, 0, 4), put_padding(&b, 64), expect(&b, "multiple of 32");
    put_head(&b, 3, 1, 0), put_tensor(&b, "t", (uint64_t)1 << 40, (uint64_t)1 << 40, 0);
    expect(&b, "impossibly large");
    put_head(&b, 3, 1, 0), put_tensor(&b, "t", UINT64_MAX, 0, 0), expect(&b, "impossibly large");
    put_head(&b, 3, 2, 0);
    for (int i = 0; i < 2; i++) put_tensor(&b, i ? "t" : "u", 9, 0, (uint64_t)i * 32);
    put_padding(&b, 32);
    for (int i = 0; i < 32; i++) put_uint(&b, 0, 8);
    expect(&b, "overlap");
    put_head(&b, 3, 2, 0);
    for (int i = 0; i < 2; i++) put_tensor(&b, "t", 8, 0, (uint64_t)i * 32);
    put_padding(&b, 32);
    for (int i = 0; i < 32; i++) put_uint(&b, 0, 8);
    expect(&b, "twice");
    put_head(&b, 3, 1, 0), put_string(&b, "t"), put_uint(&b, 5, 4), expect(&b, "5 dimensions");
    put_head(&b, 3, 1, 0), put_string(&b, "t"), put_uint(&b, 1, 4), put_uint(&b, 33, 8);
    put_uint(&b, 8, 4), put_uint(&b, 0, 8), put_padding(&b, 32), put_uint(&b, 0, 8),
        expect(&b, "whole blocks");
    put_head(&b, 3, 1, 0), put_string(&b, "t"), put_uint(&b, 1, 4), put_uint(&b, 32, 8);
    put_uint(&b, 31, 4), put_uint(&b, 0, 8), expect(&b, "ggml type 31");
}

static float float_at(const char *floats, size_t i)
{
    float x;
    memcpy(&x, floats + i * sizeof x, sizeof x);
    return x;
}

static void dequantised_floats_equal_those_of_gguf_py(void **state)
{
    (void)state;
    static const enum dtype types[] = {DT_F16,  DT_BF16,   DT_Q4_0,   DT_Q4_1, DT_Q5_0, DT_Q5_1,
                                       DT_Q8_0, DT_Q2_K,   DT_Q3_K,   DT_Q4_K, DT_Q5_K, DT_Q6_K,
                                       DT_Q8_K, DT_IQ4_NL, DT_IQ4_XS, DT_MXFP4};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const struct dtype_info *d = dtype_info(types[i]);
        char path[2][128], *blocks, *floats;
        size_t n_blocks, n_floats;
        struct err e = {0};
        for (int k = 0; k < 2; k++)
            snprintf(path[k], sizeof path[k], "tests/golden/quants/%s.%s", d->name, k ? "floats" : "blocks");
        if (file_read(path[0], 1 << 20, &blocks, &n_blocks, &e)) fail_msg("%s", e.msg);
        if (file_read(path[1], 1 << 20, &floats, &n_floats, &e)) fail_msg("%s", e.msg);
        size_t n = n_blocks / (size_t)d->bytes;
        assert_int_equal(n_floats, n * (size_t)d->block * sizeof(float));
        assert_true(n > 4);
        float *out = alloc_floats(n * (size_t)d->block);
        d->decode((const uint8_t *)blocks, n, out);
        for (size_t j = 0; j < n * (size_t)d->block; j++)
            if (out[j] != float_at(floats, j)) /* of zeros only the value counts */
                fail_msg("%s: number %zu is %g", d->name, j, (double)out[j]);
        free(out);
        free(blocks);
        free(floats);
    }
}

static void a_tokenizer_comes_out_of_the_metadata(void **state)
{
    (void)state;
    struct err e = {0};
    struct tokenizer *t = NULL;
    struct ids ids = {0};
    struct tensor_file *f = tensor_file_open("tests/golden/gguf/bytes.gguf", &e);
    if (!f || gguf_tokenizer(f, &t, &e)) fail_msg("%s", e.msg);
    assert_non_null(t);
    assert_int_equal(tokenizer_size(t), 262);
    assert_true(tokenizer_bos(t) == 1 && tokenizer_eos(t) == 0);
    assert_string_equal(tokenizer_template(t), "{% for m in messages %}{{ m.content }}{% endfor %}");
    assert_int_equal(tokenizer_encode(t, "hello w<|end|>", 14, TOK_SPECIAL, &ids, &e), 0);
    assert_int_equal(ids.n, 4);
    assert_string_equal(tokenizer_token(t, ids.p[0]), "hell");
    assert_string_equal(tokenizer_token(t, ids.p[2]), "\xc4\xa0w");
    assert_int_equal(ids.p[3], 0);
    ids_release(&ids);
    tokenizer_free(t);
    tensor_file_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_is_read),
        cmocka_unit_test(every_truncation_is_an_error),
        cmocka_unit_test(any_changed_byte_gives_a_file_or_an_error),
        cmocka_unit_test(broken_metadata_is_named),
        cmocka_unit_test(broken_tensors_are_named),
        cmocka_unit_test(dequantised_floats_equal_those_of_gguf_py),
        cmocka_unit_test(a_tokenizer_comes_out_of_the_metadata),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
