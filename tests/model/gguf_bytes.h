/* gguf_bytes.h: a small GGUF file built byte by byte, for tests that then break it. */
#ifndef TESTS_MODEL_GGUF_BYTES_H
#define TESTS_MODEL_GGUF_BYTES_H

#include <stdint.h>
#include <string.h>

#include "base/check.h"

struct gguf_bytes {
    uint8_t p[4096];
    size_t n;
};

static void put_uint(struct gguf_bytes *b, uint64_t x, int bytes)
{
    CHECK(b->n + 8 < sizeof b->p, "%zu bytes", b->n);
    for (int i = 0; i < bytes; i++) b->p[b->n++] = (uint8_t)(x >> (8 * i));
}

static void put_string(struct gguf_bytes *b, const char *s)
{
    size_t n = strlen(s);
    put_uint(b, n, 8);
    CHECK(b->n + n < sizeof b->p, "%zu bytes", b->n);
    memcpy(b->p + b->n, s, n);
    b->n += n;
}

static void put_head(struct gguf_bytes *b, uint32_t version, uint64_t tensors, uint64_t keys)
{
    b->n = 0;
    put_uint(b, 0x46554747, 4); /* "GGUF" */
    put_uint(b, version, 4);
    put_uint(b, tensors, 8);
    put_uint(b, keys, 8);
}

static void put_key(struct gguf_bytes *b, const char *key, uint32_t type)
{
    put_string(b, key);
    put_uint(b, type, 4);
}

/* One row: dims are fastest first. */
static void put_tensor(struct gguf_bytes *b, const char *name, uint64_t cols, uint64_t rows, uint64_t offset)
{
    put_string(b, name);
    put_uint(b, rows ? 2 : 1, 4);
    put_uint(b, cols, 8);
    if (rows) put_uint(b, rows, 8);
    put_uint(b, 0, 4); /* F32 */
    put_uint(b, offset, 8);
}

static void put_padding(struct gguf_bytes *b, size_t alignment)
{
    while (b->n % alignment) put_uint(b, 0, 1);
}

static void put_float(struct gguf_bytes *b, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    put_uint(b, bits, 4);
}

/* Every value type, two tensors. */
static inline void gguf_sample(struct gguf_bytes *b)
{
    put_head(b, 3, 2, 15);
    put_key(b, "u8", 0), put_uint(b, 200, 1);
    put_key(b, "i8", 1), put_uint(b, (uint64_t)-5, 1);
    put_key(b, "u16", 2), put_uint(b, 60000, 2);
    put_key(b, "i16", 3), put_uint(b, (uint64_t)-300, 2);
    put_key(b, "u32", 4), put_uint(b, 4000000000, 4);
    put_key(b, "i32", 5), put_uint(b, (uint64_t)-70000, 4);
    put_key(b, "f32", 6), put_float(b, 0.5F);
    put_key(b, "bool", 7), put_uint(b, 1, 1);
    put_key(b, "string", 8), put_string(b, "h\xc3\xa9llo");
    put_key(b, "array", 9), put_uint(b, 5, 4), put_uint(b, 3, 8);
    for (int i = 0; i < 3; i++) put_uint(b, (uint64_t)(i - 1), 4);
    put_key(b, "nested", 9), put_uint(b, 9, 4), put_uint(b, 1, 8), put_uint(b, 8, 4), put_uint(b, 1, 8);
    put_string(b, "deep");
    put_key(b, "u64", 10), put_uint(b, (uint64_t)1 << 40, 8);
    put_key(b, "i64", 11), put_uint(b, (uint64_t)-9, 8);
    put_key(b, "f64", 12), put_uint(b, 0x3ff8000000000000, 8);
    put_key(b, "general.alignment", 4), put_uint(b, 64, 4);
    put_tensor(b, "first", 3, 2, 0);
    put_tensor(b, "second", 2, 0, 64);
    put_padding(b, 64);
    for (int i = 0; i < 6; i++) put_float(b, (float)i);
    put_padding(b, 64);
    put_float(b, 7);
    put_float(b, 8);
}

#endif
