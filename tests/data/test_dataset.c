/* dataset_open: files, folders, splits, and messages that say what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/file.h"
#include "data/data.h"
#include "base/scratch.h"

static void put(const char *dir, const char *name, const char *text)
{
    struct err e = {0};
    char *path = path_join(dir, name);
    if (file_write(path, text, strlen(text), &e)) fail_msg("%s", e.msg);
    free(path);
}

static size_t rows_of(const char *name, const char *split)
{
    struct err e = {0};
    struct dataset d;
    if (dataset_open(&d, scratch(name), split, &e)) fail_msg("%s", e.msg);
    size_t n = json_array_size(d.rows);
    dataset_release(&d);
    return n;
}

static void refused(const char *name, const char *split, const char *says)
{
    struct err e = {0};
    struct dataset d;
    assert_int_equal(dataset_open(&d, scratch(name), split, &e), -1);
    if (!strstr(e.msg, says)) fail_msg("\"%s\" does not say \"%s\"", e.msg, says);
}

static void files_and_splits_are_found(void **state)
{
    (void)state;
    struct err e = {0};
    const char *sub = scratch("set");
    assert_int_equal(file_mkdirs(sub, &e), 0);
    put(sub, "train-00001.jsonl", "{\"a\":1}\n{\"a\":2}\n");
    put(sub, "train-00002.jsonl", "{\"a\":3}\n\n");
    put(sub, "test.jsonl", "{\"a\":4}\n");
    put(sub, "notes.txt", "not rows");
    assert_int_equal(rows_of("set", "train"), 3);
    assert_int_equal(rows_of("set", "test"), 1);
    assert_int_equal(rows_of("set", NULL), 4);
    assert_int_equal(rows_of("set/test.jsonl", "train"), 1);
    refused("set", "validation", "files of other splits");
}

static void a_folder_without_splits_is_one_set(void **state)
{
    (void)state;
    struct err e = {0};
    const char *sub = scratch("plain");
    assert_int_equal(file_mkdirs(sub, &e), 0);
    put(sub, "b.jsonl", "{\"a\":2}\n");
    put(sub, "a.jsonl", "{\"a\":1}\n");
    struct dataset d;
    assert_int_equal(dataset_open(&d, sub, "train", &e), 0);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(d.rows, 0), "a")), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(d.rows, 1), "a")), 2);
    dataset_release(&d);
}

static void lists_and_a_data_folder_are_read(void **state)
{
    (void)state;
    struct err e = {0};
    struct dataset d;
    const char *sub = scratch("hub/data");
    assert_int_equal(file_mkdirs(sub, &e), 0);
    put(sub, "train-0.json", " [{\"a\":1},\n {\"a\":2}]");
    put(sub, "train-1.json", "{\"a\":3}\n{\"a\":4}\n");
    put(scratch("hub"), "README.md", "card");
    put(scratch("hub"), "dataset_infos.json", "{}");
    if (dataset_open(&d, scratch("hub"), "train", &e)) fail_msg("%s", e.msg);
    assert_int_equal(json_array_size(d.rows), 4);
    assert_int_equal(d.places[1].line, -2);
    assert_int_equal(d.places[3].line, 2);
    err_set(&e, "x");
    row_wrap(&d.places[1], &e);
    assert_non_null(strstr(e.msg, "train-0.json: [1]: x"));
    err_set(&e, "x");
    row_wrap(&d.places[3], &e);
    assert_non_null(strstr(e.msg, "train-1.json:2: x"));
    dataset_release(&d);
    assert_true(dataset_has_split(scratch("hub"), "train"));
    assert_false(dataset_has_split(scratch("hub"), "test"));
}

static void what_is_not_read_is_said_with_the_way_out(void **state)
{
    (void)state;
    struct err e = {0};
    const char *sub = scratch("tables");
    assert_int_equal(file_mkdirs(sub, &e), 0);
    put(sub, "train.csv", "a,b");
    refused("tables", "train", "train.jsonl");
    refused("tables/train.csv", NULL, "to_json(");
    put(sub, "train-00000-of-00001.parquet", "PAR1");
    refused("tables", "train", "train-00000-of-00001.parquet: no Parquet file");
    refused("tables", "test", "no test.jsonl or test-*.jsonl (or .json, .parquet)");
    /* A hub's folders: splits of any name, configurations. */
    const char *data = scratch("chat/data"), *config = scratch("talk/main");
    assert_int_equal(file_mkdirs(data, &e) || file_mkdirs(config, &e), 0);
    put(data, "train_sft-00000-of-00002.parquet", "PAR1");
    put(data, "train_sft-00001-of-00002.parquet", "PAR1");
    put(data, "test_sft-00000-of-00001.parquet", "PAR1");
    refused("chat", "train", "files of other splits: test_sft, train_sft");
    refused("chat", "test_sft", "test_sft-00000-of-00001.parquet: no Parquet file");
    put(config, "train-00000-of-00001.parquet", "PAR1");
    refused("talk", "train", "name one as dataset_config: main");
    put(scratch_dir, "rows.jsonl.gz", "x");
    refused("rows.jsonl.gz", NULL, "gunzip");
    put(scratch_dir, "object.json", "[1]");
    refused("object.json", NULL, "[0] must be a JSON object");
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    struct err e = {0};
    const char *sub = scratch("none");
    assert_int_equal(file_mkdirs(sub, &e), 0);
    put(scratch_dir, "list.jsonl", "{\"a\":1}\n[1,2]\n");
    put(scratch_dir, "empty.jsonl", "\n");
    put(scratch_dir, "broken.jsonl", "{\"a\":1}\n{\"a\":\n");
    refused("none", NULL, "no *.jsonl");
    refused("list.jsonl", NULL, "list.jsonl:2: a row must be a JSON object");
    refused("empty.jsonl", NULL, "has no rows");
    refused("broken.jsonl", NULL, "broken.jsonl:2");
    refused("absent.jsonl", NULL, "no such file or folder");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_and_splits_are_found),
        cmocka_unit_test(a_folder_without_splits_is_one_set),
        cmocka_unit_test(lists_and_a_data_folder_are_read),
        cmocka_unit_test(what_is_not_read_is_said_with_the_way_out),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
