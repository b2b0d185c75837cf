/* fuzz_jsonl.c: any bytes as a file of JSON lines, and as UTF-8. Every record comes back from its own
 * text; cleaned text is valid and stays as it is when cleaned again.
 * seeds: tests/fuzz/seeds/jsonl
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/json.h"
#include "base/str.h"

static void lines_read(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("fuzz", 0);
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size, "cannot write %zu bytes", size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct err e = {0};
    struct jsonl r;
    json_t *v;
    int rc = jsonl_open(&r, path, &e);
    CHECK(rc == 0, "%s", e.msg);
    while ((rc = jsonl_next(&r, &v, &e)) > 0) {
        char *text = json_text(v);
        json_t *again = json_read_bytes(text, strlen(text), "again", &e);
        CHECK(again && json_equal(v, again), "changed: %s", text);
        free(text);
        json_decref(again);
        json_decref(v);
    }
    CHECK(rc == 0 || e.msg[0], "refused without a message");
    jsonl_close(&r);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lines_read(data, size);
    struct str once, twice;
    str_init(&once, 0);
    str_init(&twice, 0);
    utf8_clean(&once, (const char *)data, size);
    for (size_t i = 0; i < once.len;) {
        int step = utf8_length(once.p + i, once.len - i);
        CHECK(step > 0, "cleaned text is invalid at %zu", i);
        i += (size_t)step;
    }
    utf8_clean(&twice, once.p, once.len);
    CHECK(once.len == twice.len && memcmp(once.p, twice.p, once.len) == 0, "cleaned twice differs");
    str_release(&once);
    str_release(&twice);
    return 0;
}
