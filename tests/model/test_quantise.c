/* test_quantise.c: gguf-py's bytes for Q8_0 and Q5_0, llama.cpp's accuracy for Q4_K and Q6_K, and what is
 * already on the grid stays as it is.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "model/model_int.h"

enum { ROWS = 24, COLS = 256 };

static void read_golden(const char *name, void *to, size_t n)
{
    char path[128], *bytes;
    size_t size;
    struct err e = {0};
    snprintf(path, sizeof path, "tests/golden/quantise/%s", name);
    if (file_read(path, 1 << 20, &bytes, &size, &e)) fail_msg("%s", e.msg);
    assert_int_equal(size, n);
    memcpy(to, bytes, n);
    free(bytes);
}

static void blocks_equal_those_of_gguf_py(void **state)
{
    (void)state;
    static const enum dtype types[] = {DT_Q8_0, DT_Q5_0};
    static float x[ROWS * COLS];
    read_golden("input.f32", x, sizeof x);
    for (int i = 0; i < 2; i++) {
        const struct dtype_info *d = dtype_info(types[i]);
        char name[32];
        size_t blocks = ROWS * COLS / 32, n = blocks * (size_t)d->bytes;
        uint8_t *want = alloc_zero(n, 1), *got = alloc_zero(n, 1);
        snprintf(name, sizeof name, "%s.blocks", d->name);
        read_golden(name, want, n);
        d->encode(x, blocks, got);
        for (size_t j = 0; j < n; j++)
            if (want[j] != got[j]) fail_msg("%s: byte %zu is %d, not %d", d->name, j, got[j], want[j]);
        free(want);
        free(got);
    }
}

/* Root mean square error of a row that is encoded and decoded. */
static double error_of(const struct dtype_info *d, const float *x)
{
    uint8_t bytes[COLS * 4];
    float y[COLS];
    double sum = 0;
    CHECK(d->bytes <= (int)sizeof bytes, "%s", d->name);
    d->encode(x, COLS / (size_t)d->block, bytes);
    d->decode(bytes, COLS / (size_t)d->block, y);
    for (int i = 0; i < COLS; i++) sum += ((double)y[i] - (double)x[i]) * ((double)y[i] - (double)x[i]);
    return sqrt(sum / COLS);
}

static void errors_are_no_larger_than_those_of_llama_cpp(void **state)
{
    (void)state;
    static const enum dtype types[] = {DT_Q4_K, DT_Q6_K};
    static float x[ROWS * COLS];
    struct err e = {0};
    read_golden("input.f32", x, sizeof x);
    json_t *golden = json_read_file("tests/golden/quantise/errors.json", &e);
    assert_non_null(golden);
    for (int k = 0; k < 2; k++) {
        const struct dtype_info *d = dtype_info(types[k]);
        double ours = 0, theirs = 0;
        for (int r = 0; r < ROWS; r++) {
            double mine = error_of(d, x + r * COLS);
            double other = json_real_value(json_array_get(json_object_get(golden, d->name), (size_t)r));
            if (mine > 1.1 * other + 1e-9) fail_msg("%s: row %d: %g, llama.cpp %g", d->name, r, mine, other);
            ours += mine, theirs += other;
        }
        print_message("%s: %g, llama.cpp %g\n", d->name, ours / ROWS, theirs / ROWS);
        assert_true(ours <= 1.02 * theirs);
    }
    json_decref(golden);
}

static void what_is_on_the_grid_stays(void **state)
{
    (void)state;
    static const enum dtype types[] = {DT_F32, DT_F16, DT_BF16, DT_Q8_0, DT_Q6_K};
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        const struct dtype_info *d = dtype_info(types[k]);
        float x[COLS];
        for (int i = 0; i < COLS; i++) x[i] = (float)((i * 37) % 63 - 31) / 32;
        for (int i = 0; i < COLS; i += 16) x[i] = d->block == 32 ? -127.0F / 128 : -1;
        if (d->block == 32)
            for (int i = 0; i < COLS; i++) x[i] = (float)((int)(x[i] * 128)) / 128;
        if (error_of(d, x) != 0) fail_msg("%s: %g", d->name, error_of(d, x));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_equal_those_of_gguf_py),
        cmocka_unit_test(errors_are_no_larger_than_those_of_llama_cpp),
        cmocka_unit_test(what_is_on_the_grid_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
