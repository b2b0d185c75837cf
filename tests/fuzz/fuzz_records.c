/* fuzz_records.c: any bytes as the records of a run. What is accepted is a chain; what is not has a message.
 * seeds: tests/fuzz/seeds/records
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "base/records.h"

static char folder[] = "/tmp/openr1-fuzz-XXXXXX";

static void folder_remove(void)
{
    file_remove_tree(folder, NULL);
}

static void chain_check(const struct records *r)
{
    char head[HASH_HEX] = RECORDS_BEGIN;
    for (size_t i = 0; i < r->n; i++) {
        json_t *record = record_json(&r->list[i]), *metrics = record_metrics(&r->list[i]);
        CHECK(strcmp(json_str_or(record, "prev", ""), head) == 0, "record %zu does not follow", i);
        CHECK(json_integer_value(json_object_get(record, "step")) == r->list[i].step, "step of %zu", i);
        records_part(metrics, json_object_get(record, "hashes"), metrics, NULL);
        hash_bytes(r->list[i].line, r->list[i].n, head);
        json_decref(record);
        json_decref(metrics);
    }
    CHECK(strcmp(head, r->head) == 0, "head %s", r->head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *path;
    struct records r;
    struct err e = {0};
    if (!path) {
        CHECK(mkdtemp(folder), "no folder %s", folder);
        atexit(folder_remove);
        path = path_join(folder, "metrics.jsonl");
    }
    FILE *f = fopen(path, "we");
    CHECK(f && fwrite(data, 1, size, f) == size && fclose(f) == 0, "cannot write %zu bytes", size);
    if (records_read(&r, folder, &e))
        CHECK(e.msg[0], "refused without a message");
    else
        chain_check(&r);
    records_release(&r);
    return 0;
}
