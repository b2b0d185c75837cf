/* gguf.c: the file format of llama.cpp, versions 2 and 3, little-endian (ggml's docs/gguf.md).
 *
 *   "GGUF" | u32 version | u64 tensors | u64 keys | keys | tensor infos | padding | data
 *   key          string name, u32 type, value           (string: u64 length, bytes)
 *   tensor info  string name, u32 dimensions, u64 sizes[] fastest first, u32 ggml type, u64 offset
 *
 * Offsets count from the start of the data, which begins at the next multiple of general.alignment (32).
 * The reader walks with a cursor that refuses to pass the end; counts are never used to allocate ahead.
 * Metadata becomes a JSON object, arrays as arrays, so that the rest of the program sees one kind of value.
 *
 * Large models come in parts, NAME-00001-of-0000N.gguf and so on, each a file of this kind with some of the
 * tensors; the first has the metadata, all have split.no (from 0) and split.count.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/model_int.h"

enum {
    NAME_MAX_BYTES = 1024, /* keys and tensor names */
    STRING_MAX = 1 << 26,  /* one value */
    VALUES_MAX = 1 << 23,  /* values of all arrays together; each becomes a JSON value in memory */
    ARRAY_DEPTH_MAX = 4,
    PARTS_MAX = 1000,
    ALIGNMENT_MAX = 1 << 20
};

enum value_type { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 };

struct cursor {
    const uint8_t *p;
    uint64_t at, n;
    const char *path;
    uint64_t values; /* array values read so far */
    struct err *e;
};

/* ---- pieces -------------------------------------------------------------------------------------------- */

static int take(struct cursor *c, uint64_t bytes, const uint8_t **p)
{
    if (bytes > c->n - c->at) {
        err_set(c->e, "%s: ends at byte %" PRIu64 " in the middle of its header; is it cut short?", c->path,
                c->n);
        return -1;
    }
    *p = c->p + c->at;
    c->at += bytes;
    return 0;
}

static int take_uint(struct cursor *c, int bytes, uint64_t *out)
{
    const uint8_t *p;
    if (take(c, (uint64_t)bytes, &p)) return -1;
    *out = 0;
    for (int i = bytes - 1; i >= 0; i--) *out = *out << 8 | p[i];
    return 0;
}

static int take_string(struct cursor *c, uint64_t max, const char **s, size_t *n)
{
    const uint8_t *p;
    uint64_t length;
    if (take_uint(c, 8, &length)) return -1;
    if (length > max) {
        err_set(c->e,
                "%s: a string at byte %" PRIu64 " has %" PRIu64 " bytes; at most %" PRIu64
                " are allowed there",
                c->path, c->at, length, max);
        return -1;
    }
    if (take(c, length, &p)) return -1;
    *s = (const char *)p;
    *n = (size_t)length;
    return 0;
}

/* A key or a tensor's name: short, not empty, without NUL. Caller frees. */
static char *take_name(struct cursor *c)
{
    const char *s;
    size_t n;
    if (take_string(c, NAME_MAX_BYTES, &s, &n)) return NULL;
    if (n == 0 || memchr(s, 0, n)) {
        err_set(c->e, "%s: a name before byte %" PRIu64 " is empty or holds a zero byte", c->path, c->at);
        return NULL;
    }
    return alloc_strn(s, n);
}

/* ---- values -------------------------------------------------------------------------------------------- */

static json_t *take_value(struct cursor *c, uint64_t type, const char *key, int depth);

static json_t *integer_value(uint64_t x, int bytes, bool is_signed)
{
    if (is_signed) {
        int shift = 64 - 8 * bytes;
        return json_integer((json_int_t)((int64_t)(x << shift) >> shift));
    }
    if (x > INT64_MAX) return json_real((double)x);
    return json_integer((json_int_t)x);
}

static json_t *real_value(uint64_t bits, int bytes)
{
    double d;
    float f;
    uint32_t low = (uint32_t)bits;
    memcpy(&d, &bits, sizeof d);
    memcpy(&f, &low, sizeof f);
    return json_real(bytes == 4 ? (double)f : d); /* NULL unless finite */
}

static json_t *array_value(struct cursor *c, const char *key, int depth)
{
    uint64_t type, n;
    if (depth >= ARRAY_DEPTH_MAX) {
        err_set(c->e, "%s: key %.200s: arrays within arrays deeper than %d", c->path, key, ARRAY_DEPTH_MAX);
        return NULL;
    }
    if (take_uint(c, 4, &type) || take_uint(c, 8, &n)) return NULL;
    if (n > VALUES_MAX - c->values) {
        err_set(c->e, "%s: key %.200s: an array of %" PRIu64 " values; at most %d are read from one file",
                c->path, key, n, VALUES_MAX);
        return NULL;
    }
    c->values += n;
    json_t *array = json_array();
    for (uint64_t i = 0; i < n; i++) {
        json_t *v = take_value(c, type, key, depth + 1);
        if (!v || json_array_append_new(array, v)) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *take_value(struct cursor *c, uint64_t type, const char *key, int depth)
{
    static const struct {
        int bytes;
        bool is_signed, real;
    } kinds[] = {[U8] = {1, false, false},    [I8] = {1, true, false},    [U16] = {2, false, false},
                 [I16] = {2, true, false},    [U32] = {4, false, false},  [I32] = {4, true, false},
                 [F32] = {4, true, true},     [BOOL] = {1, false, false}, [STRING] = {0, false, false},
                 [ARRAY] = {0, false, false}, [U64] = {8, false, false},  [I64] = {8, true, false},
                 [F64] = {8, true, true}};
    const char *s;
    size_t n;
    uint64_t x;
    json_t *v = NULL;
    if (type > F64) {
        err_set(c->e, "%s: key %.200s: unknown value type %" PRIu64, c->path, key, type);
        return NULL;
    }
    if (type == ARRAY) return array_value(c, key, depth);
    if (type == STRING) {
        if (take_string(c, STRING_MAX, &s, &n)) return NULL;
        v = json_stringn(s, n);
        if (!v) err_set(c->e, "%s: key %.200s: a string is not valid UTF-8", c->path, key);
        return v;
    }
    if (take_uint(c, kinds[type].bytes, &x)) return NULL;
    if (type == BOOL && x > 1) {
        err_set(c->e, "%s: key %.200s: a truth value is %" PRIu64, c->path, key, x);
        return NULL;
    }
    if (type == BOOL) return json_boolean(x);
    if (!kinds[type].real) return integer_value(x, kinds[type].bytes, kinds[type].is_signed);
    v = real_value(x, kinds[type].bytes);
    if (!v) err_set(c->e, "%s: key %.200s: a number is NaN or infinite", c->path, key);
    return v;
}

static int take_key(struct cursor *c, json_t *meta)
{
    uint64_t type;
    char *key = take_name(c);
    json_t *v = NULL;
    int result = -1;
    if (!key || take_uint(c, 4, &type)) goto out;
    v = take_value(c, type, key, 0);
    if (!v) goto out;
    if (json_object_get(meta, key))
        err_set(c->e, "%s: key %.200s is there twice", c->path, key);
    else if (json_object_set(meta, key, v))
        err_set(c->e, "%s: a key's name is not valid UTF-8", c->path);
    else
        result = 0;
out:
    json_decref(v);
    free(key);
    return result;
}

/* ---- tensors ------------------------------------------------------------------------------------------- */

/* Fills t but for the start of the data in its offset. */
static int take_tensor(struct cursor *c, struct tensor_info *t)
{
    uint64_t dims, size, type;
    t->name = take_name(c);
    if (!t->name || take_uint(c, 4, &dims)) return -1;
    if (dims < 1 || dims > 4)
        return err_set(c->e, "%s: tensor %.200s: %" PRIu64 " dimensions; 1 to 4 are possible", c->path,
                       t->name, dims);
    t->n_dims = (int)dims;
    for (int i = t->n_dims - 1; i >= 0; i--) {
        if (take_uint(c, 8, &size)) return -1;
        if (size > INT64_MAX)
            return err_set(c->e, "%s: tensor %.200s: its shape is impossibly large", c->path, t->name);
        t->shape[i] = (int64_t)size;
    }
    if (take_uint(c, 4, &type) || take_uint(c, 8, &t->offset)) return -1;
    int dtype = type <= UINT32_MAX ? dtype_find_ggml((uint32_t)type) : -1;
    if (dtype < 0)
        return err_set(c->e,
                       "%s: tensor %.200s: ggml type %" PRIu64 " is not read here; types read: F32 F16 "
                       "BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K Q8_K IQ4_NL IQ4_XS MXFP4",
                       c->path, t->name, type);
    t->dtype = (enum dtype)dtype;
    return 0;
}

static int by_offset(const void *a, const void *b)
{
    const struct tensor_info *x = a, *y = b;
    if (x->file != y->file) return x->file - y->file;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int check_overlap(const struct tensor_file *f, struct err *e)
{
    size_t n = (size_t)f->n;
    struct tensor_info *t = alloc_zero(n + 1, sizeof *t);
    int result = 0;
    if (n) memcpy(t, f->tensors, n * sizeof *t);
    if (n) qsort(t, n, sizeof *t, by_offset);
    for (size_t i = 1; i < n && !result; i++)
        if (t[i].file == t[i - 1].file && t[i].offset < t[i - 1].offset + t[i - 1].bytes)
            result = err_set(e, "%s: tensors %.200s and %.200s overlap", f->path, t[i - 1].name, t[i].name);
    free(t);
    return result;
}

static int take_alignment(struct cursor *c, const json_t *meta, uint64_t *alignment)
{
    const json_t *v = json_object_get(meta, "general.alignment");
    json_int_t a = v ? json_integer_value(v) : 32;
    if (a < 1 || a > ALIGNMENT_MAX || (a & (a - 1))) {
        err_set(c->e, "%s: general.alignment must be a power of two up to %d", c->path, ALIGNMENT_MAX);
        return -1;
    }
    *alignment = (uint64_t)a;
    return 0;
}

/* The infos name offsets into data whose start is only known behind the last of them. */
static int parse_tensors(struct cursor *c, struct tensor_file *f, int file, uint64_t n, uint64_t alignment)
{
    uint64_t start = c->at, data = 0;
    for (int pass = 0; pass < 2; pass++) {
        c->at = start;
        for (uint64_t i = 0; i < n; i++) {
            struct tensor_info t = {.file = file};
            int failed = take_tensor(c, &t);
            if (!failed && t.offset % alignment)
                failed = err_set(c->e, "%s: tensor %.200s: offset %" PRIu64 " is no multiple of %" PRIu64,
                                 c->path, t.name, t.offset, alignment);
            if (!failed && pass == 1) {
                t.offset = t.offset > c->n - data ? c->n + 1 : data + t.offset;
                failed = tensor_file_add(f, &t, c->e);
            }
            free(t.name);
            if (failed) return -1;
        }
        data = (c->at + alignment - 1) / alignment * alignment;
        if (data > c->n) data = c->n;
    }
    return 0;
}

static int parse_head(struct cursor *c, uint64_t *tensors, uint64_t *keys)
{
    uint64_t magic, version;
    if (take_uint(c, 4, &magic) || take_uint(c, 4, &version)) return -1;
    if (version != 2 && version != 3) {
        err_set(c->e, "%s: GGUF version %" PRIu64 "%s; versions 2 and 3, little-endian, are read", c->path,
                version, (version & 0xffff) == 0 ? " (big-endian?)" : "");
        return -1;
    }
    return take_uint(c, 8, tensors) || take_uint(c, 8, keys) ? -1 : 0;
}

/* Map number `file`, whose metadata become *meta. */
static int parse_part(struct tensor_file *f, int file, json_t **meta, struct err *e)
{
    const char *path = f->map_paths[file];
    struct cursor c = {f->maps[file].p, 0, f->maps[file].n, path, 0, e};
    uint64_t tensors, keys, alignment;
    if (parse_head(&c, &tensors, &keys)) return -1;
    if (tensors > INT32_MAX / 2) return err_set(e, "%s: %" PRIu64 " tensors", path, tensors);
    *meta = json_object();
    for (uint64_t i = 0; i < keys; i++)
        if (take_key(&c, *meta)) return -1;
    if (json_integer_value(json_object_get(*meta, "split.no")) != file)
        return err_set(e, "%s: part %lld of a split file where part %d is expected; give the first part",
                       path, (long long)json_integer_value(json_object_get(*meta, "split.no")) + 1, file + 1);
    if (take_alignment(&c, *meta, &alignment)) return -1;
    return parse_tensors(&c, f, file, tensors, alignment);
}

static int parse_further_part(struct tensor_file *f, int file, const char *path, struct err *e)
{
    uint8_t magic[4] = {0};
    json_t *meta = NULL;
    if (tensor_file_map(f, path, e) < 0) return -1;
    if (f->maps[file].n >= 4) memcpy(magic, f->maps[file].p, 4);
    int result =
        memcmp(magic, "GGUF", 4) ? err_set(e, "%s: is no GGUF file", path) : parse_part(f, file, &meta, e);
    json_decref(meta);
    return result;
}

/* The parts behind the first, by its name. */
static int parse_further(struct tensor_file *f, int64_t parts, struct err *e)
{
    char tail[32];
    snprintf(tail, sizeof tail, "-00001-of-%05d.gguf", (int)parts);
    if (parts > PARTS_MAX || f->borrowed || !str_ends(f->path, tail))
        return err_set(e, "%s: the first of %" PRId64 " parts (at most %d) of a split file is named ...%s",
                       f->path, parts, PARTS_MAX, tail);
    int result = 0;
    for (int i = 1; i < parts && !result; i++) {
        size_t stem = strlen(f->path) - strlen(tail), n = strlen(f->path) + 1;
        char *path = alloc_or_die(n);
        snprintf(path, n, "%.*s-%05d-of-%05d.gguf", (int)stem, f->path, i + 1, (int)parts);
        result = parse_further_part(f, i, path, e);
        free(path);
    }
    return result;
}

int gguf_parse(struct tensor_file *f, struct err *e)
{
    f->format = FORMAT_GGUF;
    if (parse_part(f, 0, &f->meta, e)) return -1;
    int64_t parts = json_integer_value(json_object_get(f->meta, "split.count"));
    if (parts > 1 && parse_further(f, parts, e)) return -1;
    return check_overlap(f, e);
}
