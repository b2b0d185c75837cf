/* Rows of Parquet files: what pyarrow wrote (tools/golden/parquet_rows.py) is read as the same rows; other
 * files are refused by what they hold, and no byte that is changed does harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

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
    check_file("gzip_v1", "hub");
    check_file("gzip_v2", "hub");
    check_file("zstd_v1", "hub");
    check_file("zstd_v2", "hub");
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
    refused(GOLDEN "brotli.parquet", "row group 0: column text: compressed with brotli");
    refused(GOLDEN "brotli.parquet", "p.write_table(p.read_table('" GOLDEN
                                     "brotli.parquet'), 'brotli.zstd.parquet', compression='zstd')");
    refused(GOLDEN "lz4_raw.parquet", "column text: compressed with lz4_raw");
    refused(GOLDEN "delta.parquet", "column n: values in encoding 5");
    refused(GOLDEN "long_text.parquet", "column text: its text takes 2.2e+03 GB");
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

static size_t gzip_make(const uint8_t *in, size_t n, uint8_t *out, size_t room)
{
    z_stream z = {.next_in = (z_const Bytef *)in, .avail_in = (uInt)n};
    z.next_out = out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(deflateEnd(&z), Z_OK);
    return room - z.avail_out;
}

static size_t zstd_make(const uint8_t *in, size_t n, uint8_t *out, size_t room)
{
    size_t made = ZSTD_compress(out, room, in, n, 3);
    assert_false(ZSTD_isError(made));
    return made;
}

enum { GZIP = 2, ZSTD = 6, GUARD = 165 };

/* Expanded into n_out bytes, between bytes that must stay. */
static bool expands(int codec, const uint8_t *in, size_t n, size_t n_out)
{
    struct err e = {0};
    uint8_t *out = alloc_zero(n_out + 16, 1);
    memset(out, GUARD, n_out + 16);
    bool good = pq_expand(codec, in, n, out + 8, n_out, &e) == 0;
    for (size_t i = 0; i < 8; i++) assert_int_equal(out[i], GUARD);
    for (size_t i = n_out + 8; i < n_out + 16; i++) assert_int_equal(out[i], GUARD);
    for (size_t i = 0; good && i < n_out; i++) assert_int_equal(out[8 + i], (i % 1000) % 251);
    assert_true(good || strstr(e.msg, "the file is damaged"));
    free(out);
    return good;
}

static void a_page_gives_the_bytes_that_its_header_says_or_none(void **state)
{
    (void)state;
    uint8_t in[1000], both[4096];
    for (size_t i = 0; i < sizeof in; i++) in[i] = (uint8_t)(i % 251);
    for (int codec = GZIP; codec <= ZSTD; codec += ZSTD - GZIP) {
        size_t (*make)(const uint8_t *, size_t, uint8_t *, size_t) = codec == GZIP ? gzip_make : zstd_make;
        size_t n = make(in, sizeof in, both, sizeof both);
        assert_true(expands(codec, both, n, 1000));
        assert_false(expands(codec, both, n, 999)); /* more than was said */
        assert_false(expands(codec, both, n, 1001));
        assert_false(expands(codec, both, n, 0));
        for (size_t cut = 1; cut < n; cut++) assert_false(expands(codec, both, n - cut, 1000));
        both[n] = 0;
        assert_false(expands(codec, both, n + 1, 1000));
        memmove(both + n, both, n); /* a second member, or frame */
        assert_true(expands(codec, both, 2 * n, 2000));
        assert_false(expands(codec, both, 2 * n, 1000));
        assert_false(expands(codec, both, 2 * n - 1, 2000));
        n = make(in, 0, both, sizeof both);
        assert_true(expands(codec, both, n, 0));
        assert_false(expands(codec, both, n, 1));
    }
}

static void little_that_expands_to_much_stays_in_its_bounds(void **state)
{
    (void)state;
    enum { MUCH = 1 << 24 };
    uint8_t *zeros = alloc_zero(MUCH, 1), *packed = alloc_zero(MUCH, 1);
    assert_false(expands(GZIP, packed, gzip_make(zeros, MUCH, packed, MUCH), 100));
    assert_false(expands(ZSTD, packed, zstd_make(zeros, MUCH, packed, MUCH), 100));
    free(zeros);
    free(packed);
    struct pq_file f;
    struct pq_column c;
    struct err e = {0};
    assert_int_equal(pq_open(&f, GOLDEN "gzip_v1.parquet", &e), 0);
    assert_int_equal(pq_column_read(&c, &f, &f.groups[0].chunks[0], 0, 100, &e), -1);
    assert_non_null(strstr(e.msg, "pages of more than 1e-07 GB"));
    pq_column_release(&c);
    pq_close(&f);
}

/* The first stream of the group's second column begins otherwise than the codec's streams do. */
static void damaged(const char *path, size_t group, const char *magic, const char *what)
{
    struct err e = {0};
    struct pq_file f;
    char *bytes;
    size_t n;
    assert_int_equal(pq_open(&f, path, &e), 0);
    size_t from = (size_t)f.groups[group].chunks[1].at;
    pq_close(&f);
    assert_int_equal(file_read(path, 1 << 20, &bytes, &n, &e), 0);
    char *stream = memmem(bytes + from, n - from, magic, strlen(magic));
    assert_non_null(stream);
    stream[1] = 0;
    assert_int_equal(file_write(scratch("damaged.parquet"), bytes, n, &e), 0);
    free(bytes);
    refused(scratch("damaged.parquet"), what);
}

static void a_damaged_page_is_told_by_group_and_column(void **state)
{
    (void)state;
    damaged(GOLDEN "gzip_v1.parquet", 1, "\x1f\x8b",
            "row group 1: column messages.list.element.content: a page of ");
    damaged(GOLDEN "zstd_v2.parquet", 0, "\x28\xb5\x2f\xfd",
            "row group 0: column messages.list.element.content: a page of ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_those_that_pyarrow_wrote),
        cmocka_unit_test(rows_that_were_written_here_are_read_again),
        cmocka_unit_test(what_is_not_read_is_refused_by_its_name),
        cmocka_unit_test(no_changed_byte_does_harm),
        cmocka_unit_test(a_page_gives_the_bytes_that_its_header_says_or_none),
        cmocka_unit_test(little_that_expands_to_much_stays_in_its_bounds),
        cmocka_unit_test(a_damaged_page_is_told_by_group_and_column),
        cmocka_unit_test(snappy_copies_reach_into_what_they_make),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
