/* records.c: see records.h. */
#include "base/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"

static int line_read(struct records *r, const char *path, const char *line, size_t n, struct err *e)
{
    long step;
    json_t *record = json_read_bytes(line, n, path, e);
    int rc = record ? json_get_int(record, "step", path, &step, e) : -1;
    if (rc) {
        json_decref(record);
        return err_wrap(e, "line %zu", r->n + 1);
    }
    if (strcmp(json_str_or(record, "prev", ""), r->head) != 0)
        rc = err_kind_set(e, ERR_MISMATCH,
                          "%s: line %zu (step %ld) does not follow from the line before it: its \"prev\" is "
                          "%.64s, that line's hash is %s. One of the two was changed, or lines were left out",
                          path, r->n + 1, step, json_str_or(record, "prev", "absent"), r->head);
    json_decref(record);
    if (rc) return rc;
    r->list = alloc_again(r->list, (r->n + 1) * sizeof *r->list);
    r->list[r->n++] = (struct record){.line = line, .n = n, .step = step};
    hash_bytes(line, n, r->head);
    return 0;
}

int records_read(struct records *r, const char *run, struct err *e)
{
    char *path = path_join(run, "metrics.jsonl");
    size_t n = 0;
    *r = (struct records){.head = RECORDS_BEGIN};
    int rc = file_read(path, JSON_FILE_MAX, &r->bytes, &n, e);
    for (char *line = r->bytes, *end; !rc && (end = memchr(line, '\n', n - (size_t)(line - r->bytes)));
         line = end + 1)
        rc = line_read(r, path, line, (size_t)(end - line), e);
    free(path);
    if (rc) records_release(r);
    return rc;
}

void records_release(struct records *r)
{
    free(r->bytes);
    free(r->list);
    *r = (struct records){0};
}

json_t *record_json(const struct record *r)
{
    json_t *record = json_read_bytes(r->line, r->n, "", NULL);
    CHECK(record, "the record of step %ld was an object before", r->step);
    return record;
}

json_t *record_metrics(const struct record *r)
{
    json_t *record = record_json(r);
    json_object_del(record, "step");
    json_object_del(record, "hashes");
    json_object_del(record, "prev");
    return record;
}

static void shown(char *out, size_t size, const json_t *v)
{
    char *text = v ? json_text(v) : NULL;
    snprintf(out, size, "%s", json_is_string(v) ? json_string_value(v) : text ? text : "nothing");
    free(text);
}

static struct parting parting_of(enum part part, const char *key, const json_t *a, const json_t *b)
{
    struct parting p = {.part = part};
    snprintf(p.key, sizeof p.key, "%s", key);
    shown(p.a, sizeof p.a, a);
    shown(p.b, sizeof p.b, b);
    return p;
}

struct parting records_part(const json_t *metrics_a, const json_t *hashes_a, const json_t *metrics_b,
                            const json_t *hashes_b)
{
    static const struct {
        enum part part;
        const char *key;
    } order[] = {{PART_DATA, "batch"},
                 {PART_ROLLOUTS, "rollouts"},
                 {PART_REWARDS, "rewards"},
                 {PART_WEIGHTS, "weights"}};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        const json_t *a = json_object_get(hashes_a, order[i].key),
                     *b = json_object_get(hashes_b, order[i].key);
        if (a && b && !json_equal(a, b)) return parting_of(order[i].part, order[i].key, a, b);
    }
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)metrics_a, key, v)
    {
        const json_t *other = json_object_get(metrics_b, key);
        if (!json_equal(v, other)) return parting_of(PART_NUMBERS, key, v, other);
    }
    json_object_foreach((json_t *)metrics_b, key, v)
    {
        if (!json_object_get(metrics_a, key)) return parting_of(PART_NUMBERS, key, NULL, v);
    }
    return (struct parting){.part = PART_NONE};
}
