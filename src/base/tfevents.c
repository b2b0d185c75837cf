/* tfevents.c: TFRecord framing around protobuf messages, both written by hand.
 *
 *   record   u64 length | u32 crc(length) | bytes | u32 crc(bytes)        little endian
 *   crc      masked CRC-32C: rotate right by 15, add 0xa282ead8
 *   Event    1: double wall_time  2: int64 step  3: string file_version  5: Summary
 *   Summary  1: repeated Value;   Value  1: string tag  2: float simple_value
 *
 * (tensorflow/core/lib/io/record_writer.cc, util/event.proto, framework/summary.proto.) The first event holds
 * the version "brain.Event:2". Events are appended without a sync: what a power cut takes is in
 * metrics.jsonl.
 */
#include "base/tfevents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/wire.h"

#define FILE_MAX    ((size_t)1 << 30)
#define FRAME_FRONT 12
#define FRAME_BACK  4

static uint64_t little_get(const char *p, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value |= (uint64_t)(uint8_t)p[i] << (8 * i);
    return value;
}

static void bytes_put(struct str *s, int field, const char *bytes, size_t n)
{
    wire_varint(s, (uint64_t)field << 3 | 2);
    wire_varint(s, n);
    str_add(s, bytes, n);
}

static void double_put(struct str *s, int field, double x)
{
    wire_varint(s, (uint64_t)field << 3 | 1);
    wire_double(s, x);
}

static uint32_t masked_crc(const char *p, size_t n)
{
    uint32_t crc = crc32c(p, n);
    return (crc >> 15 | crc << 17) + 0xa282ead8U;
}

static int record_write(struct tfevents *t, const struct str *event, struct err *e)
{
    struct str s;
    int rc = 0;
    str_init(&s, 0);
    wire_little(&s, event->len, 8);
    wire_little(&s, masked_crc(s.p, 8), 4);
    str_add(&s, event->p, event->len);
    wire_little(&s, masked_crc(event->p, event->len), 4);
    for (size_t at = 0; at < s.len;) {
        ssize_t done = write(t->fd, s.p + at, s.len - at);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) {
            rc = err_errno(e, "cannot append to %s", t->path);
            break;
        }
        at += (size_t)done;
    }
    str_release(&s);
    return rc;
}

/* Reads one varint at p[*at]; false when it does not end within n. */
static bool varint_get(const char *p, size_t n, size_t *at, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && *at < n; shift += 7) {
        uint8_t byte = (uint8_t)p[(*at)++];
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return true;
    }
    return false;
}

/* The step of an event as this file writes it (wall_time, then step); 0 for the version event. */
static bool event_step(const char *p, size_t n, long *step)
{
    size_t at = 9;
    uint64_t value;
    *step = 0;
    if (n < at || p[0] != (1 << 3 | 1)) return false;
    if (n == at || p[at] != 2 << 3) return true;
    at++;
    if (!varint_get(p, n, &at, &value) || value > INT64_MAX) return false;
    *step = (long)value;
    return true;
}

/* Length of the whole, sound records up to last_step: the rest is of a run that did not get there. */
static size_t kept_length(const char *p, size_t n, long last_step)
{
    size_t at = 0;
    while (n - at >= FRAME_FRONT + FRAME_BACK) {
        const char *r = p + at;
        uint64_t len = little_get(r, 8);
        long step;
        if (len > n - at - FRAME_FRONT - FRAME_BACK || little_get(r + 8, 4) != masked_crc(r, 8)) break;
        if (little_get(r + FRAME_FRONT + len, 4) != masked_crc(r + FRAME_FRONT, len)) break;
        if (!event_step(r + FRAME_FRONT, len, &step) || step > last_step) break;
        at += FRAME_FRONT + len + FRAME_BACK;
    }
    return at;
}

int tfevents_open(struct tfevents *t, const char *path, long last_step, struct err *e)
{
    *t = (struct tfevents){.fd = -1};
    size_t kept = 0;
    if (last_step >= 0 && file_exists(path)) {
        char *bytes;
        size_t n;
        if (file_read(path, FILE_MAX, &bytes, &n, e)) return -1;
        kept = kept_length(bytes, n, last_step);
        free(bytes);
    }
    t->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (t->fd < 0) return err_errno(e, "cannot open %s", path);
    t->path = alloc_str(path);
    int rc = 0;
    if (ftruncate(t->fd, (off_t)kept) || lseek(t->fd, (off_t)kept, SEEK_SET) < 0)
        rc = err_errno(e, "cannot cut %s to %zu bytes", path, kept);
    if (!rc && kept == 0) {
        struct str event;
        str_init(&event, 0);
        double_put(&event, 1, 0);
        bytes_put(&event, 3, "brain.Event:2", 13);
        rc = record_write(t, &event, e);
        str_release(&event);
    }
    if (rc) tfevents_close(t);
    return rc;
}

static void value_put(struct str *summary, const char *key, double x)
{
    struct str tag, value;
    str_init(&tag, 0);
    str_init(&value, 0);
    if (str_starts(key, "eval_"))
        str_addf(&tag, "eval/%s", key + 5);
    else
        str_addf(&tag, "train/%s", key);
    bytes_put(&value, 1, tag.p, tag.len);
    float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    wire_varint(&value, 2 << 3 | 5);
    wire_little(&value, bits, 4);
    bytes_put(summary, 1, value.p, value.len);
    str_release(&tag);
    str_release(&value);
}

int tfevents_scalars(struct tfevents *t, long step, double wall_time_s, const json_t *metrics, struct err *e)
{
    struct str event, summary;
    const char *key;
    json_t *v;
    str_init(&event, 0);
    str_init(&summary, 0);
    json_object_foreach((json_t *)metrics, key, v)
    {
        if (json_is_number(v) && strcmp(key, "step")) value_put(&summary, key, json_number_value(v));
    }
    double_put(&event, 1, wall_time_s);
    wire_varint(&event, 2 << 3);
    wire_varint(&event, (uint64_t)step);
    bytes_put(&event, 5, summary.p, summary.len);
    int rc = record_write(t, &event, e);
    str_release(&event);
    str_release(&summary);
    return rc;
}

void tfevents_close(struct tfevents *t)
{
    if (t->fd >= 0) close(t->fd);
    free(t->path);
    *t = (struct tfevents){.fd = -1};
}
