/* test_report.c: what a report takes from a run's folder: every evaluation, however long the run, and what
 * its records warn of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/machine.h"
#include "base/str.h"
#include "report/report.h"
#include "report/report_int.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
enum { MEASURED = 1 };
#else
enum { MEASURED = 0 };
#endif

static char dir[64];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "%s/report.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return file_remove_tree(dir, NULL);
}

static void says(const char *records, const char *const *lines, size_t n)
{
    struct err e;
    json_t *list = json_read_bytes(records, strlen(records), "records", &e);
    if (!list) fail_msg("%s", e.msg);
    struct report_warnings seen = {0};
    json_t *record;
    size_t at;
    json_array_foreach(list, at, record) report_warnings_see(&seen, record);
    json_t *got = report_warnings_list(&seen);
    assert_int_equal(json_array_size(got), n);
    for (size_t i = 0; i < n; i++)
        if (!strstr(json_string_value(json_array_get(got, i)), lines[i]))
            fail_msg("'%s' does not say '%s'", json_string_value(json_array_get(got, i)), lines[i]);
    json_decref(got);
    json_decref(list);
}

static void records_warn_of_what_never_moved(void **state)
{
    (void)state;
#define GOOD                                                                                                 \
    "{\"completions/mean_length\":5,\"completions/clipped_ratio\":0.1,\"reward\":0.5,"                       \
    "\"rewards/a/mean\":0.5,\"frac_reward_zero_std\":0.2}"
#define ZERO                                                                                                 \
    "{\"completions/mean_length\":5,\"completions/clipped_ratio\":0.9,\"reward\":0,"                         \
    "\"rewards/a/mean\":0,\"frac_reward_zero_std\":1}"
#define NONE "{\"completions/mean_length\":5,\"completions/clipped_ratio\":0}"
    static const char *const zero[] = {"2 of 3 generations every reward was zero", "no variance",
                                       "2 of 3 generations more than half of the completions were cut off"};
    static const char *const none[] = {"1 of 1 generations no reward could judge"};
    says("[" GOOD "," GOOD "," ZERO "]", NULL, 0);
    says("[" GOOD "," ZERO "," ZERO "]", zero, 3);
    says("[" NONE "]", none, 1);
    says("[{\"loss\":1,\"step\":1},{\"loss\":0,\"step\":2}]", NULL, 0);
}

static void no_evaluation_is_thinned_away(void **state)
{
    (void)state;
    struct err e;
    struct str s;
    str_init(&s, 0);
    for (int i = 1; i <= 5000; i++)
        str_addf(&s, "{\"step\":%d,\"loss\":1%s}\n", i, i % 1237 == 0 ? ",\"eval_loss\":0.5" : "");
    char *path = path_join(dir, "metrics.jsonl");
    if (file_write(path, s.p, s.len, &e)) fail_msg("%s", e.msg);
    json_t *stage = json_pack("{s:s}", "dir", dir), *got = report_collect(stage, &e);
    if (!got) fail_msg("%s", e.msg);
    const json_t *evaluations = json_object_get(got, "evaluations");
    assert_int_equal(json_array_size(json_object_get(got, "metrics")), 1000);
    assert_int_equal(json_array_size(evaluations), 4);
    for (size_t i = 0; i < 4; i++) {
        const json_t *one = json_array_get(evaluations, i);
        assert_int_equal(json_integer_value(json_object_get(one, "step")), 1237 * ((json_int_t)i + 1));
        assert_true(json_number_value(json_object_get(one, "eval_loss")) == 0.5);
        assert_null(json_object_get(one, "loss"));
    }
    json_decref(stage);
    json_decref(got);
    str_release(&s);
    free(path);
}

/* Values of all 50000 records would take 60 MB. */
static void a_long_run_is_shown_in_the_memory_of_a_short_one(void **state)
{
    (void)state;
    enum { STEPS = 50000, MOST = 8 << 20 };
    struct err e;
    if (!MEASURED) skip();
    char *path = path_join(dir, "metrics.jsonl");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 1; i <= STEPS; i++)
        fprintf(f, "{\"step\":%d,\"loss\":1,\"a\":2,\"b\":3,\"c\":4,\"d\":5,\"e\":6,\"f\":7}\n", i);
    assert_int_equal(fclose(f), 0);
    json_t *stage = json_pack("{s:s}", "dir", dir);
    size_t before = memory_peak();
    json_t *got = report_collect(stage, &e);
    if (!got) fail_msg("%s", e.msg);
    size_t more = memory_peak() - before;
    const json_t *metrics = json_object_get(got, "metrics"), *first = json_array_get(metrics, 0),
                 *last = json_array_get(metrics, json_array_size(metrics) - 1);
    assert_int_equal(json_integer_value(json_object_get(first, "step")), 1);
    assert_int_equal(json_integer_value(json_object_get(last, "step")), STEPS);
    if (more > MOST) fail_msg("%zu bytes for %d steps", more, STEPS);
    json_decref(stage);
    json_decref(got);
    free(path);
}

static void put_text(const char *name, const char *text)
{
    struct err e;
    char *path = path_join(dir, name);
    if (file_write(path, text, strlen(text), &e)) fail_msg("%s", e.msg);
    free(path);
}

/* Of many steps some, the first and the last among them; of each the first completions, long texts cut. */
static void completions_of_some_steps_are_shown(void **state)
{
    (void)state;
    struct err e;
    struct str s;
    char name[64];
    str_init(&s, 0);
    for (int step = 1; step <= 30; step++) {
        str_clear(&s);
        for (int k = 0; k < 9; k++)
            str_addf(&s, "{\"step\":%d,\"completion\":\"%05000d\",\"reward\":%d.5}\n", step, 7, k);
        snprintf(name, sizeof name, "completions/completions_%05d.jsonl", step);
        put_text(name, s.p);
        snprintf(name, sizeof name, "completions/completions_%05d.parquet", step);
        put_text(name, "PAR1");
    }
    put_text("config.yaml", "beta: 0.1\n");
    json_t *stage = json_pack("{s:s}", "dir", dir), *got = report_collect(stage, &e);
    if (!got) fail_msg("%s", e.msg);
    const json_t *list = json_object_get(got, "completions");
    assert_string_equal(json_str_or(got, "config", ""), "beta: 0.1\n");
    assert_int_equal(json_array_size(list), 8);
    for (size_t i = 0; i < 8; i++) {
        const json_t *some = json_array_get(list, i), *first = json_array_get(some, 0);
        assert_int_equal(json_array_size(some), 6);
        assert_int_equal(json_string_length(json_object_get(first, "completion")), 4000);
        if (i % 7 == 0) assert_int_equal(json_integer_value(json_object_get(first, "step")), i ? 30 : 1);
    }
    json_decref(stage);
    json_decref(got);
    str_release(&s);
}

static char *card_of(const char *facts)
{
    json_t *o = json_loads(facts, 0, NULL);
    char *text = card_text(o);
    json_decref(o);
    return text;
}

/* What a card tells to do is what loads the files beside it. */
static void an_adapters_card_tells_of_its_base(void **state)
{
    (void)state;
    static const char whole[] = "AutoModelForCausalLM.from_pretrained(\".\")";
    char *model = card_of("{\"base_model\":\"org/base\",\"adapter\":false}");
    assert_non_null(strstr(model, "library_name: transformers\n"));
    assert_non_null(strstr(model, whole));
    char *adapter = card_of("{\"base_model\":\"org/base\",\"adapter\":true}");
    assert_non_null(strstr(adapter, "library_name: peft\n"));
    assert_non_null(strstr(adapter, "AutoModelForCausalLM.from_pretrained(\"org/base\")"));
    assert_non_null(strstr(adapter, "PeftModel.from_pretrained(base, \".\")"));
    assert_null(strstr(adapter, whole));
    char *gguf = card_of("{\"base_model\":\"m/base.gguf\",\"adapter\":true}");
    assert_non_null(strstr(gguf, "openr1 convert --model . --out merged"));
    assert_null(strstr(gguf, "from_pretrained"));
    free(model);
    free(adapter);
    free(gguf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_warn_of_what_never_moved),
        cmocka_unit_test(no_evaluation_is_thinned_away),
        cmocka_unit_test(a_long_run_is_shown_in_the_memory_of_a_short_one),
        cmocka_unit_test(completions_of_some_steps_are_shown),
        cmocka_unit_test(an_adapters_card_tells_of_its_base),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
