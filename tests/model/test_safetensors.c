/* test_safetensors.c: files come back as they were written, the rules of the format are kept to the letter,
 * and no truncated or altered file does more than give an error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/scratch.h"
#include "base/str.h"
#include "model/read_tensors.h"

/* header, then n bytes of data */
static uint8_t *file_of(const char *header, size_t n_data, size_t *n)
{
    size_t length = strlen(header);
    uint8_t *p = alloc_zero(8 + length + n_data, 1);
    for (int i = 0; i < 8; i++) p[i] = (uint8_t)((uint64_t)length >> (8 * i));
    memcpy(p + 8, header, length);
    for (size_t i = 0; i < n_data; i++) p[8 + length + i] = (uint8_t)(i * 37 + 1);
    *n = 8 + length + n_data;
    return p;
}

#define TWO                                                                                                  \
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"                                    \
    "\"b\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[24,32]}}"

static void what_is_written_is_read(void **state)
{
    (void)state;
    float a[6] = {0, 1, -2.5F, 3e30F, 1e-40F, -0.0F}, b[3] = {1, 0.333333F, 70000}, s[1] = {42};
    struct safetensors_entry entries[] = {
        {"half", DT_F16, 1, {3}, b, NULL},      {"full", DT_F32, 2, {2, 3}, a, NULL},
        {"brain", DT_BF16, 2, {1, 3}, b, NULL}, {"scalar", DT_F32, 0, {0}, s, NULL},
        {"empty", DT_F32, 2, {0, 5}, a, NULL},
    };
    struct err e = {0};
    const char *path = scratch("round.safetensors");
    assert_int_equal(safetensors_write(path, entries, 5, &e), 0);
    struct tensor_file *f = tensor_file_open(path, &e);
    assert_non_null(f);
    assert_int_equal(tensor_file_count(f), 5);
    assert_null(tensor_file_meta(f));
    float out[6];
    const struct tensor_info *t = tensor_file_find(f, "full");
    assert_non_null(t);
    assert_int_equal(t->n_dims, 2);
    assert_int_equal(t->shape[1], 3);
    assert_int_equal(t->offset % 4, 0);
    assert_int_equal(tensor_file_rows(f, t, 0, 2, out, &e), 0);
    assert_memory_equal(out, a, sizeof a);
    assert_int_equal(tensor_file_rows(f, t, 1, 1, out, &e), 0);
    assert_memory_equal(out, a + 3, sizeof a / 2);
    assert_int_equal(tensor_file_rows(f, tensor_file_find(f, "half"), 0, 1, out, &e), 0);
    assert_true(out[0] == 1 && fabsf(out[1] - b[1]) < 2e-4F && isinf(out[2]));
    assert_int_equal(tensor_file_rows(f, tensor_file_find(f, "brain"), 0, 1, out, &e), 0);
    assert_true(out[0] == 1 && fabsf(out[1] - b[1]) < 2e-3F && out[2] == 70144);
    assert_int_equal(tensor_file_rows(f, tensor_file_find(f, "scalar"), 0, 1, out, &e), 0);
    assert_true(out[0] == 42);
    assert_int_equal(tensor_file_find(f, "empty")->bytes, 0);
    assert_null(tensor_file_find(f, "absent"));
    tensor_file_close(f);
}

static void every_truncation_is_an_error(void **state)
{
    (void)state;
    size_t n;
    uint8_t *p = file_of(TWO, 32, &n);
    struct err e = {0};
    assert_true(read_bytes(p, n, &e));
    for (size_t cut = 0; cut < n; cut++) {
        memset(&e, 0, sizeof e);
        assert_false(read_bytes(p, cut, &e));
        assert_int_equal(e.kind, ERR_FAILED);
        assert_non_null(strstr(e.msg, "memory"));
    }
    free(p);
}

static void any_changed_byte_gives_a_file_or_an_error(void **state)
{
    (void)state;
    static const uint8_t values[] = {0, 1, '"', '9', '{', '}', ',', 0x7f, 0x80, 0xff};
    size_t n;
    uint8_t *p = file_of(TWO, 32, &n);
    for (size_t i = 0; i < n; i++)
        for (size_t v = 0; v < sizeof values + 8; v++) {
            struct err e = {0};
            uint8_t old = p[i];
            p[i] = v < 8 ? (uint8_t)(old ^ 1U << v) : values[v - 8];
            bool taken = read_bytes(p, n, &e);
            if (taken == (e.kind != ERR_NONE)) fail_msg("byte %zu as %d: %s", i, p[i], e.msg);
            p[i] = old;
        }
    free(p);
}

static void broken_rules_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t n_data;
        const char *says;
    } cases[] = {
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "hole"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"y\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
         12, "overlaps"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 12, "no tensor"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "x"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, "cut short"},
        {"{\"x\":{\"dtype\":\"Q9\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "Q9"},
        {"{\"x\":{\"dtype\":\"Q4_0\",\"shape\":[32],\"data_offsets\":[0,18]}}", 18, "Q4_0"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "data_offsets"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "shape"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0, "large"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "4 sizes"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         8, "duplicate"},
        {"{\"x\":[]}", 0, "x"},
        {"{\"\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no name"},
        {"{\"__metadata__\":{\"format\":1}}", 0, "__metadata__"},
        {"[]", 0, "'{'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n;
        struct err e = {0};
        uint8_t *p = file_of(cases[i].header, cases[i].n_data, &n);
        assert_false(read_bytes(p, n, &e));
        if (!strstr(e.msg, cases[i].says)) fail_msg("case %zu: %s", i, e.msg);
        free(p);
    }
    uint8_t huge[16] = {0, 0, 0, 0, 1, 0, 0, 0, '{'};
    struct err e = {0};
    assert_false(read_bytes(huge, sizeof huge, &e));
    assert_non_null(strstr(e.msg, "limit"));
}

static void write_shard(const char *name, const char *tensor, float value)
{
    struct safetensors_entry t = {tensor, DT_F32, 1, {1}, &value, NULL};
    assert_int_equal(safetensors_write(scratch(name), &t, 1, NULL), 0);
}

static struct tensor_file *open_sharded(const char *index, struct err *e)
{
    assert_int_equal(file_write(scratch("model.safetensors.index.json"), index, strlen(index), NULL), 0);
    return tensor_file_open(scratch_dir, e);
}

static void shards_are_joined_by_their_index(void **state)
{
    (void)state;
    struct err e = {0};
    float x;
    write_shard("one.safetensors", "a", 1);
    write_shard("two.safetensors", "b", 2);
    struct tensor_file *f = open_sharded(
        "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"},\"metadata\":{}}", &e);
    assert_non_null(f);
    assert_int_equal(tensor_file_count(f), 2);
    assert_int_equal(tensor_file_rows(f, tensor_file_find(f, "b"), 0, 1, &x, &e), 0);
    assert_true(x == 2);
    tensor_file_close(f);

    static const struct {
        const char *index, *says;
    } bad[] = {
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"one.safetensors\"}}", "names 2 tensors"},
        {"{\"weight_map\":{\"a\":\"../one.safetensors\"}}", "plain name"},
        {"{\"weight_map\":{\"a\":\"one.bin\"}}", "plain name"},
        {"{\"weight_map\":{\"a\":7}}", "plain name"},
        {"{\"weight_map\":{\"a\":\"three.safetensors\"}}", "three"},
        {"{\"weight_map\":[]}", "weight_map"},
        {"{}", "weight_map"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memset(&e, 0, sizeof e);
        assert_null(open_sharded(bad[i].index, &e));
        if (!strstr(e.msg, bad[i].says)) fail_msg("case %zu: %s", i, e.msg);
    }
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    struct err e = {0};
    assert_null(tensor_file_open("/nonexistent/model.safetensors", &e));
    assert_non_null(strstr(e.msg, "/nonexistent/model.safetensors"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(every_truncation_is_an_error),
        cmocka_unit_test(any_changed_byte_gives_a_file_or_an_error),
        cmocka_unit_test(broken_rules_are_named),
        cmocka_unit_test(shards_are_joined_by_their_index),
        cmocka_unit_test(a_missing_file_is_named),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
