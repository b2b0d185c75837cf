/* test_published.c: from the configuration of a published model follow the tensors that its checkpoint holds:
 * names, shapes and number of parameters equal those that transformers builds (tools/golden/published.py).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/scratch.h"
#include "model/model.h"

struct named {
    const char *name;
    int weight;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/* SHA-256 of "NAME [SHAPE]\n" of all weights in the order of their names. */
static void tensors_hash(struct model *m, char hex[65])
{
    int n = model_n_weights(m);
    struct named *all = alloc_zero((size_t)n, sizeof *all);
    struct hash *h = hash_new();
    for (int i = 0; i < n; i++) all[i] = (struct named){model_weight(m, i)->name, i};
    qsort(all, (size_t)n, sizeof *all, by_name);
    for (int i = 0; i < n; i++) {
        int64_t shape[2];
        char line[256];
        int dims = model_weight_shape(m, all[i].weight, shape);
        int length = snprintf(line, sizeof line, dims == 2 ? "%s [%lld,%lld]\n" : "%s [%lld]\n", all[i].name,
                              (long long)shape[0], (long long)shape[1]);
        hash_add(h, line, (size_t)length);
    }
    hash_end(h, hex);
    free(all);
}

static void check_record(json_t *record)
{
    struct err e = {0};
    const char *name = json_str_or(record, "name", "?");
    char hex[65];
    if (json_write_file(json_object_get(record, "config"), scratch("config.json"), &e)) fail_msg("%s", e.msg);
    struct model *m = model_load(scratch_dir, MODEL_NO_WEIGHTS, 0, &e);
    if (!m) fail_msg("%s: %s", name, e.msg);
    tensors_hash(m, hex);
    if (model_n_params(m) != json_integer_value(json_object_get(record, "parameters")))
        fail_msg("%s: %lld parameters", name, (long long)model_n_params(m));
    if (strcmp(hex, json_str_or(record, "tensors", ""))) fail_msg("%s: other names or shapes", name);
    model_free(m);
}

static void tensors_follow_from_published_configurations(void **state)
{
    (void)state;
    struct err e = {0};
    char *text, *line, *rest;
    size_t n;
    int records = 0;
    if (file_read("tests/golden/published.jsonl", 1 << 20, &text, &n, &e)) fail_msg("%s", e.msg);
    for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), records++) {
        json_t *record = json_read_bytes(line, strlen(line), "published.jsonl", &e);
        if (!record) fail_msg("%s", e.msg);
        check_record(record);
        json_decref(record);
    }
    assert_true(records >= 18);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tensors_follow_from_published_configurations)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
