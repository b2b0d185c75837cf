/* A run folder: the chain, cutting on resume, the manifest, TensorBoard's file byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/json.h"
#include "base/runlog.h"
#include "base/scratch.h"
#include "base/tfevents.h"

static struct runlog *opened(const char *dir, long resume_step)
{
    struct err e = {0};
    struct runlog *r = runlog_open(dir, resume_step, &e);
    if (!r) fail_msg("%s", e.msg);
    return r;
}

static void steps(struct runlog *r, long from, long to)
{
    for (long s = from; s <= to; s++) {
        json_t *metrics =
            json_pack("{s:f, s:f, s:s}", "loss", 1.0 / (double)s, "eval_accuracy", 0.25, "note", "x");
        json_t *hashes = json_pack("{s:s}", "weights", "00");
        json_t *timings = json_pack("{s:f}", "step_time", 0.5);
        json_t *records = json_pack("[{s:s}, {s:s}]", "completion", "a\nb", "completion", "c");
        assert_int_equal(runlog_step(r, s, metrics, hashes, timings, NULL), 0);
        assert_int_equal(runlog_completions(r, s, records, NULL), 0);
        json_decref(metrics);
        json_decref(hashes);
        json_decref(timings);
        json_decref(records);
    }
}

static char *content(const char *dir, const char *name, size_t *n)
{
    char *path = path_join(dir, name), *bytes;
    struct err e = {0};
    if (file_read(path, 1 << 20, &bytes, n, &e)) fail_msg("%s", e.msg);
    free(path);
    return bytes;
}

static void each_record_holds_the_hash_of_the_one_before(void **state)
{
    (void)state;
    char dir[256], hex[HASH_HEX], head[HASH_HEX];
    snprintf(dir, sizeof dir, "%s", scratch("chain"));
    struct runlog *r = opened(dir, -1);
    steps(r, 1, 3);
    runlog_head(r, head);
    runlog_close(r);
    size_t n;
    char *bytes = content(dir, "metrics.jsonl", &n), *line = bytes;
    memset(hex, '0', HASH_HEX - 1);
    hex[HASH_HEX - 1] = 0;
    for (int s = 1; s <= 3; s++) {
        char *end = strchr(line, '\n');
        json_t *record = json_read_bytes(line, (size_t)(end - line), "line", NULL);
        assert_string_equal(json_str_or(record, "prev", ""), hex);
        assert_int_equal(json_integer_value(json_object_get(record, "step")), s);
        assert_true(str_starts(line, "{\"step\":"));
        json_decref(record);
        hash_bytes(line, (size_t)(end - line), hex);
        line = end + 1;
    }
    assert_string_equal(hex, head);
    assert_int_equal(*line, 0);
    assert_null(strstr(bytes, "step_time"));
    free(bytes);
    bytes = content(dir, "completions/completions_00002.jsonl", &n);
    assert_string_equal(bytes, "{\"completion\":\"a\\nb\"}\n{\"completion\":\"c\"}\n");
    free(bytes);
}

static void a_resumed_run_has_the_bytes_of_one_that_was_never_stopped(void **state)
{
    (void)state;
    char whole[256], cut[256];
    snprintf(whole, sizeof whole, "%s", scratch("whole"));
    snprintf(cut, sizeof cut, "%s", scratch("cut"));
    struct runlog *r = opened(whole, -1);
    steps(r, 1, 6);
    runlog_close(r);
    r = opened(cut, -1);
    steps(r, 1, 5);
    runlog_close(r);
    char *path = path_join(cut, "metrics.jsonl");
    assert_int_equal(file_append(path, "{\"step\": 6, \"lo", 15, NULL),
                     0); /* half a line, as a kill leaves it */
    r = opened(cut, 3);
    steps(r, 4, 6);
    runlog_close(r);
    size_t n, m;
    char *a = content(whole, "metrics.jsonl", &n), *b = content(cut, "metrics.jsonl", &m);
    assert_string_equal(a, b);
    free(a);
    free(b);
    b = content(cut, "timings.jsonl", &m);
    int lines = 0;
    for (char *p = b; *p; p++) lines += *p == '\n';
    assert_int_equal(lines, 6);
    free(b);
    a = content(whole, "tensorboard/events.out.tfevents.0000000001.openr1", &n);
    b = content(cut, "tensorboard/events.out.tfevents.0000000001.openr1", &m);
    assert_int_equal(n, m);
    free(a);
    free(b);
    r = opened(cut, 2);
    runlog_close(r);
    char *gone = path_join(cut, "completions/completions_00003.jsonl");
    assert_false(file_exists(gone));
    free(gone);
    r = opened(cut, -1);
    runlog_close(r);
    assert_int_equal(file_size(path), 0);
    free(path);
}

static void a_changed_record_is_found_on_resume(void **state)
{
    (void)state;
    char dir[256];
    snprintf(dir, sizeof dir, "%s", scratch("changed"));
    struct runlog *r = opened(dir, -1);
    steps(r, 1, 4);
    runlog_close(r);
    size_t n;
    char *bytes = content(dir, "metrics.jsonl", &n), *path = path_join(dir, "metrics.jsonl");
    char *digit = strstr(bytes, "0.25");
    digit[2] = '9';
    file_write(path, bytes, n, NULL);
    free(bytes);
    free(path);
    struct err e = {0};
    assert_null(runlog_open(dir, 4, &e));
    assert_int_equal(e.kind, ERR_MISMATCH);
    assert_non_null(strstr(e.msg, "does not follow"));
    r = opened(dir, 1); /* what lies behind the checkpoint is cut, so it does not matter */
    runlog_close(r);
}

static void the_manifest_names_inputs_and_outputs_by_hash(void **state)
{
    (void)state;
    char dir[256];
    struct err e = {0};
    snprintf(dir, sizeof dir, "%s", scratch("manifest"));
    file_mkdirs(scratch("model/sub"), NULL);
    file_write(scratch("model/a"), "abc", 3, NULL);
    file_write(scratch("model/sub/b"), "", 0, NULL);
    struct runlog *r = opened(dir, -1);
    assert_int_equal(runlog_config(r, "beta: 0\n", &e), 0);
    assert_int_equal(runlog_input(r, "data", "org/data", scratch("model/a"), &e), 0);
    assert_int_equal(runlog_output(r, "model", scratch("model"), &e), 0);
    assert_int_equal(runlog_note(r, "seed", json_integer(42), &e), 0);
    assert_int_equal(runlog_input(r, "none", "x", scratch("absent"), &e), -1);
    runlog_close(r);
    r = opened(dir, 0);
    runlog_note(r, "again", json_true(), &e);
    runlog_close(r);
    char *path = path_join(dir, "manifest.json"), hex[HASH_HEX];
    json_t *m = json_read_file(path, &e);
    free(path);
    assert_int_equal(json_integer_value(json_object_get(m, "seed")), 42);
    assert_true(json_is_true(json_object_get(m, "again")));
    json_t *data = json_object_get(json_object_get(m, "inputs"), "data");
    assert_string_equal(json_str_or(data, "path", ""), "org/data");
    assert_string_equal(json_str_or(data, "sha256", ""),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    static const char listing[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n"
                                  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  sub/b\n";
    hash_bytes(listing, sizeof listing - 1, hex);
    json_t *model = json_object_get(json_object_get(m, "outputs"), "model");
    assert_string_equal(json_str_or(model, "sha256", ""), hex);
    assert_string_equal(json_str_or(model, "path", ""), "model");
    assert_string_equal(json_str_or(json_object_get(model, "files"), "sub/b", ""),
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(json_object_size(json_object_get(model, "files")), 2);
    hash_bytes("beta: 0\n", 8, hex);
    assert_string_equal(json_str_or(m, "config_sha256", ""), hex);
    json_decref(m);
}

/* The bytes that TensorBoard's own writer makes for these two events (tools/golden/tfevents.py). */
static void the_event_file_has_the_bytes_of_tensorboard(void **state)
{
    (void)state;
    struct tfevents t;
    json_t *metrics = json_pack("{s:f, s:s}", "loss", 0.5, "text", "left out");
    assert_int_equal(tfevents_open(&t, scratch("events"), -1, NULL), 0);
    assert_int_equal(tfevents_scalars(&t, 300, 1.0, metrics, NULL), 0);
    tfevents_close(&t);
    json_decref(metrics);
    static const uint8_t want[] = {
        0x18, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xa3, 0x7f, 0x4b, 0x22, 0x09, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x1a, 0x0d, 0x62, 0x72, 0x61, 0x69, 0x6e, 0x2e, 0x45,
        0x76, 0x65, 0x6e, 0x74, 0x3a, 0x32, 0xee, 0xdf, 0x28, 0xa3, 0x21, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x01, 0x7b, 0xec, 0xf6, 0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf0,
        0x3f, 0x10, 0xac, 0x02, 0x2a, 0x13, 0x0a, 0x11, 0x0a, 0x0a, 0x74, 0x72, 0x61, 0x69, 0x6e,
        0x2f, 0x6c, 0x6f, 0x73, 0x73, 0x15, 0x00, 0x00, 0x00, 0x3f, 0xc5, 0x99, 0x76, 0xc6};
    size_t n;
    char *bytes = content(scratch_dir, "events", &n);
    assert_int_equal(n, sizeof want);
    assert_memory_equal(bytes, want, n);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_record_holds_the_hash_of_the_one_before),
        cmocka_unit_test(a_resumed_run_has_the_bytes_of_one_that_was_never_stopped),
        cmocka_unit_test(a_changed_record_is_found_on_resume),
        cmocka_unit_test(the_manifest_names_inputs_and_outputs_by_hash),
        cmocka_unit_test(the_event_file_has_the_bytes_of_tensorboard),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
