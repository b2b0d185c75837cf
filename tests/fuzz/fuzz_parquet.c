/* fuzz_parquet.c: any bytes as a Parquet file: rows that are objects, or a message.
 * seeds: tests/golden/parquet
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "data/data.h"

static char folder[] = "/tmp/openr1-fuzz-XXXXXX";

static void folder_remove(void)
{
    file_remove_tree(folder, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *path;
    struct err e = {0};
    if (!path) {
        CHECK(mkdtemp(folder), "no folder %s", folder);
        atexit(folder_remove);
        log_set_level(LOG_ERROR);
        path = path_join(folder, "rows.parquet");
    }
    FILE *f = fopen(path, "we");
    CHECK(f && fwrite(data, 1, size, f) == size && fclose(f) == 0, "cannot write %zu bytes", size);
    json_t *rows = json_array(), *row;
    size_t i;
    CHECK(parquet_rows(path, rows, &e) == 0 || e.msg[0], "refused without a message");
    json_array_foreach(rows, i, row) CHECK(json_is_object(row), "row %zu is no object", i);
    json_decref(rows);
    return 0;
}
