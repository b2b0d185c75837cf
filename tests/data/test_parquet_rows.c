/* Rows of Parquet files: what pyarrow wrote (tools/golden/parquet_rows.py) is read as the same rows; other
 * files are refused by what they hold, and no byte that is changed does harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "base/parquet.h"
#include "base/scratch.h"
#include "data/data.h"
#include "data/parquet_int.h"

#define GOLDEN "tests/golden/parquet/"

static void check_file(const char *name, const char *rows)
{
    struct dataset have, want;
    struct err e = {0};
    char path[256];
    snprintf(path, sizeof path, GOLDEN "%s.parquet", name);
    if (dataset_open(&have, path, NULL, &e)) fail_msg("%s", e.msg);
    snprintf(path, sizeof path, GOLDEN "%s.jsonl", rows);
    if (dataset_open(&want, path, NULL, &e)) fail_msg("%s", e.msg);
    assert_int_equal(json_array_size(have.rows), json_array_size(want.rows));
    for (size_t i = 0; i < json_array_size(want.rows); i++) {
        json_t *a = json_array_get(have.rows, i), *b = json_array_get(want.rows, i);
        if (!json_equal(a, b)) fail_msg("%s, row %zu: %s", name, i, json_text(a));
        row_wrap(&have.places[i], &e);
    }
    dataset_release(&have);
    dataset_release(&want);
}

static void rows_are_those_that_pyarrow_wrote(void **state)
{
    (void)state;
    check_file("hub", "hub");
    check_file("pages_v2", "hub");
    check_file("plain", "plain");
}

static void rows_that_were_written_here_are_read_again(void **state)
{
    (void)state;
    struct err e = {0};
    json_t *rows = json_loads("[{\"a\":1,\"b\":\"x\"},{\"a\":null,\"b\":\"\"}]", 0, NULL),
           *again = json_array();
    assert_int_equal(parquet_write(rows, scratch("own.parquet"), &e), 0);
    if (parquet_rows(scratch("own.parquet"), again, &e)) fail_msg("%s", e.msg);
    assert_true(json_equal(rows, again));
    json_decref(rows);
    json_decref(again);
}

static void refused(const char *path, const char *what)
{
    struct err e = {0};
    json_t *rows = json_array();
    assert_int_equal(parquet_rows(path, rows, &e), -1);
    if (!strstr(e.msg, path) || !strstr(e.msg, what)) fail_msg("%s does not say: %s", e.msg, what);
    json_decref(rows);
}

static void what_is_not_read_is_refused_by_its_name(void **state)
{
    (void)state;
    struct err e = {0};
    refused(GOLDEN "gzip.parquet", "column text: compressed with gzip");
    refused(GOLDEN "delta.parquet", "column n: values in encoding 5");
    refused(GOLDEN "cut_off.parquet", "it is cut off; fetch it again");
    assert_int_equal(file_write(scratch("no.parquet"), "{\"text\":\"x\"}\n", 13, &e), 0);
    refused(scratch("no.parquet"), "no Parquet file");
}

/* Every byte of the footer and of the first pages, each with three changes: read or refused, never worse. */
static void no_changed_byte_does_harm(void **state)
{
    (void)state;
    struct err e = {0};
    char *bytes;
    size_t n, read = 0;
    log_set_level(LOG_ERROR);
    assert_int_equal(file_read(GOLDEN "plain.parquet", 1 << 20, &bytes, &n, &e), 0);
    for (size_t at = 4; at < n; at++) {
        static const char changes[] = {1, 64, -1};
        char was = bytes[at];
        json_t *rows = json_array();
        bytes[at] = (char)(was ^ changes[at % 3]);
        assert_int_equal(file_write(scratch("changed.parquet"), bytes, n, &e), 0);
        e.msg[0] = 0;
        if (parquet_rows(scratch("changed.parquet"), rows, &e) == 0)
            read++;
        else
            assert_true(e.msg[0] != 0);
        bytes[at] = was;
        json_decref(rows);
    }
    log_set_level(LOG_INFO);
    assert_true(read > 0);
    free(bytes);
}

static void snappy_copies_reach_into_what_they_make(void **state)
{
    (void)state;
    static const uint8_t block[] = {10, 1 << 2, 'a', 'b', 2 | 7 << 2, 2, 0}; /* "ab", then 8 from 2 back */
    uint8_t out[10];
    assert_true(snappy_expand(block, sizeof block, out, sizeof out));
    assert_memory_equal(out, "ababababab", 10);
    assert_false(snappy_expand(block, sizeof block - 1, out, sizeof out));
    assert_false(snappy_expand(block, sizeof block, out, sizeof out - 1));
    static const uint8_t before[] = {4, 0, 'a', 1, 2}; /* from before the beginning */
    assert_false(snappy_expand(before, sizeof before, out, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_those_that_pyarrow_wrote),
        cmocka_unit_test(rows_that_were_written_here_are_read_again),
        cmocka_unit_test(what_is_not_read_is_refused_by_its_name),
        cmocka_unit_test(no_changed_byte_does_harm),
        cmocka_unit_test(snappy_copies_reach_into_what_they_make),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
