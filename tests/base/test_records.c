/* Records read again: the chain holds or names the line; two records part in the first thing that differs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/json.h"
#include "base/records.h"
#include "base/runlog.h"
#include "base/scratch.h"

static void run_make(const char *dir, long steps)
{
    struct err e = {0};
    struct runlog *r = runlog_open(dir, -1, &e);
    if (!r) fail_msg("%s", e.msg);
    for (long s = 1; s <= steps; s++) {
        json_t *metrics = json_pack("{s:f}", "loss", 1.0 / (double)s),
               *hashes = json_pack("{s:s}", "batch", "aa");
        assert_int_equal(runlog_step(r, s, metrics, hashes, NULL, &e), 0);
        json_decref(metrics);
        json_decref(hashes);
    }
    runlog_close(r);
}

static void a_whole_chain_is_read_and_half_a_line_left_out(void **state)
{
    (void)state;
    struct records r;
    struct err e = {0};
    char dir[256], head[HASH_HEX];
    snprintf(dir, sizeof dir, "%s", scratch("whole"));
    run_make(dir, 3);
    char *path = path_join(dir, "metrics.jsonl");
    assert_int_equal(file_append(path, "{\"step\": 4, \"lo", 15, NULL), 0);
    free(path);
    assert_int_equal(records_read(&r, dir, &e), 0);
    assert_int_equal(r.n, 3);
    assert_int_equal(r.list[2].step, 3);
    hash_bytes(r.list[2].line, r.list[2].n, head);
    assert_string_equal(r.head, head);
    json_t *m = record_metrics(&r.list[1]);
    assert_int_equal(json_object_size(m), 1);
    assert_float_equal(json_number_value(json_object_get(m, "loss")), 0.5, 0);
    json_decref(m);
    records_release(&r);
}

/* Change one byte of line `line`, or drop the line when byte is 0. */
static void spoil(const char *dir, int line, char byte)
{
    char *bytes, *path = path_join(dir, "metrics.jsonl");
    size_t n;
    assert_int_equal(file_read(path, 1 << 20, &bytes, &n, NULL), 0);
    char *p = bytes;
    while (--line) p = strchr(p, '\n') + 1;
    char *end = strchr(p, '\n') + 1;
    if (byte)
        p[strcspn(p, "0123456789")] = byte;
    else
        memmove(p, end, n - (size_t)(end - bytes) + 1), n -= (size_t)(end - p);
    assert_int_equal(file_write(path, bytes, n, NULL), 0);
    free(bytes);
    free(path);
}

static void a_changed_or_missing_line_breaks_the_chain_at_the_next(void **state)
{
    (void)state;
    struct records r;
    char dir[256];
    for (int dropped = 0; dropped < 2; dropped++) {
        struct err e = {0};
        snprintf(dir, sizeof dir, "%s", scratch(dropped ? "dropped" : "changed"));
        run_make(dir, 4);
        spoil(dir, 2, dropped ? 0 : '9');
        assert_int_equal(records_read(&r, dir, &e), -1);
        assert_int_equal(e.kind, ERR_MISMATCH);
        assert_non_null(strstr(e.msg, dropped ? "line 2 (step 3)" : "line 3 (step 3)"));
        assert_null(r.bytes);
    }
}

static enum part part(const char *a, const char *b, const char *hashes_a, const char *hashes_b,
                      const char *key)
{
    json_t *v[4] = {json_loads(a, 0, NULL), json_loads(b, 0, NULL), json_loads(hashes_a, 0, NULL),
                    json_loads(hashes_b, 0, NULL)};
    struct parting p = records_part(v[0], v[2], v[1], v[3]);
    for (int i = 0; i < 4; i++) json_decref(v[i]);
    assert_string_equal(p.key, key);
    return p.part;
}

static void records_part_in_the_first_thing_a_step_makes(void **state)
{
    (void)state;
    const char *h = "{\"batch\":\"1\",\"rollouts\":\"2\",\"rewards\":\"3\",\"weights\":\"4\"}";
    assert_int_equal(part("{\"x\":1.0}", "{\"x\":1.0}", h, h, ""), PART_NONE);
    assert_int_equal(part("{}", "{}", h, "{\"weights\":\"9\",\"batch\":\"8\"}", "batch"), PART_DATA);
    assert_int_equal(part("{}", "{}", h, "{\"rewards\":\"9\",\"rollouts\":\"8\"}", "rollouts"),
                     PART_ROLLOUTS);
    assert_int_equal(part("{}", "{}", h, "{\"weights\":\"9\",\"rewards\":\"8\"}", "rewards"), PART_REWARDS);
    assert_int_equal(part("{\"x\":1.0}", "{\"x\":2.0}", h, "{\"weights\":\"9\"}", "weights"), PART_WEIGHTS);
    assert_int_equal(part("{\"x\":1.0}", "{\"x\":1.0}", h, "{\"batch\":\"1\"}", ""), PART_NONE);
    assert_int_equal(part("{\"x\":1.0}", "{\"x\":1.5}", h, h, "x"), PART_NUMBERS);
    assert_int_equal(part("{\"x\":1.0}", "{\"x\":1.0,\"y\":1}", h, h, "y"), PART_NUMBERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_chain_is_read_and_half_a_line_left_out),
        cmocka_unit_test(a_changed_or_missing_line_breaks_the_chain_at_the_next),
        cmocka_unit_test(records_part_in_the_first_thing_a_step_makes),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
