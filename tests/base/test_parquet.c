/* Parquet: the bytes of a small table, which pyarrow reads as the same table (tools/golden/parquet.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/json.h"
#include "base/parquet.h"
#include "base/scratch.h"

static const char table[] = "[{\"step\":300,\"prompt\":\"1+1=\",\"accuracy_reward\":1.0,\"none\":null},"
                            " {\"step\":-2,\"prompt\":\"\",\"accuracy_reward\":null,\"none\":null},"
                            " {\"step\":9007199254740993,\"prompt\":\"\\u00e9\\n\",\"accuracy_reward\":0},"
                            " {\"prompt\":null,\"accuracy_reward\":-0.125}]";

static void a_small_table_has_the_bytes_that_pyarrow_reads(void **state)
{
    (void)state;
    struct err e = {0};
    char *have, *want;
    size_t n, m;
    json_t *rows = json_read_bytes(table, sizeof table - 1, "table", &e);
    assert_int_equal(parquet_write(rows, scratch("t.parquet"), &e), 0);
    json_decref(rows);
    assert_int_equal(file_read(scratch("t.parquet"), 1 << 20, &have, &n, &e), 0);
    if (file_read("tests/golden/table.parquet", 1 << 20, &want, &m, &e)) fail_msg("%s", e.msg);
    assert_int_equal(n, m);
    assert_memory_equal(have, want, n);
    free(have);
    free(want);
}

static void what_is_no_table_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"[{\"x\":1},{\"x\":\"a\"}]", "[{\"x\":[1]}]", "[{\"x\":true}]"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err e = {0};
        json_t *rows = json_loads(wrong[i], 0, NULL);
        assert_int_equal(parquet_write(rows, scratch("wrong.parquet"), &e), -1);
        assert_non_null(strstr(e.msg, "column x"));
        assert_false(file_exists(scratch("wrong.parquet")));
        json_decref(rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_table_has_the_bytes_that_pyarrow_reads),
        cmocka_unit_test(what_is_no_table_is_refused),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
