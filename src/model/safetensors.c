/* safetensors.c: the format of Hugging Face checkpoints: read (one file, or a folder of shards), write.
 *
 *   u64 little-endian N | N bytes of JSON | the numbers
 *   {"NAME": {"dtype": "BF16", "shape": [2,3], "data_offsets": [begin, end]}, ..., "__metadata__": {...}}
 *
 * Offsets count from the end of the header. The tensors must fill the rest of the file without hole or
 * overlap (github.com/huggingface/safetensors, README "Format"); files that break this are refused, since
 * then some byte has two meanings or none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/model_int.h"

enum { HEADER_MAX = 100 * 1000 * 1000, SHARDS_MAX = 10000 };

/* ---- reading ------------------------------------------------------------------------------------------- */

static int parse_shape(const json_t *o, struct tensor_info *t, const char *path, struct err *e)
{
    const json_t *shape = json_object_get(o, "shape");
    if (!json_is_array(shape) || json_array_size(shape) > 4)
        return err_set(e, "%s: tensor %.200s: \"shape\" must be a list of at most 4 sizes", path, t->name);
    t->n_dims = (int)json_array_size(shape);
    for (int i = 0; i < t->n_dims; i++) {
        const json_t *v = json_array_get(shape, (size_t)i);
        if (!json_is_integer(v) || json_integer_value(v) < 0)
            return err_set(e, "%s: tensor %.200s: a size in \"shape\" is not a whole number", path, t->name);
        t->shape[i] = json_integer_value(v);
    }
    return 0;
}

static int parse_tensor(struct tensor_file *f, const char *name, const json_t *o, struct tensor_info *t,
                        uint64_t data, struct err *e)
{
    const char *path = f->map_paths[t->file];
    const json_t *offsets = json_object_get(o, "data_offsets");
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    t->name = (char *)name;
    if (!json_is_object(o)) return err_set(e, "%s: tensor %.200s: must be an object", path, name);
    const char *dtype = json_string_value(json_object_get(o, "dtype"));
    int type = dtype ? dtype_find(dtype) : -1;
    if (type < 0)
        return err_set(e, "%s: tensor %.200s: unknown dtype \"%.40s\"", path, name, dtype ? dtype : "none");
    t->dtype = (enum dtype)type;
    if (parse_shape(o, t, path, e)) return -1;
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return err_set(e, "%s: tensor %.200s: \"data_offsets\" must be [begin, end]", path, name);
    if ((uint64_t)json_integer_value(end) > f->maps[t->file].n - data)
        return err_set(e,
                       "%s: tensor %.200s: ends at byte %lld of the data, which has %llu; is the file cut "
                       "short?",
                       path, name, (long long)json_integer_value(end),
                       (unsigned long long)(f->maps[t->file].n - data));
    t->offset = data + (uint64_t)json_integer_value(begin);
    if (tensor_file_add(f, t, e)) return -1;
    uint64_t given = (uint64_t)(json_integer_value(end) - json_integer_value(begin));
    if (f->tensors[f->n - 1].bytes != given)
        return err_set(e, "%s: tensor %.200s: %llu bytes are given, its shape and dtype need %llu", path,
                       name, (unsigned long long)given, (unsigned long long)f->tensors[f->n - 1].bytes);
    return 0;
}

static int by_offset(const void *a, const void *b)
{
    const struct tensor_info *x = *(const struct tensor_info *const *)a;
    const struct tensor_info *y = *(const struct tensor_info *const *)b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Tensors first..n-1 must follow each other from `data` to the end of their file. */
static int check_coverage(const struct tensor_file *f, int first, int file, uint64_t data, struct err *e)
{
    size_t n = (size_t)(f->n - first);
    const struct tensor_info **t = alloc_zero(n + 1, sizeof *t);
    uint64_t at = data;
    int result = 0;
    for (size_t i = 0; i < n; i++) t[i] = &f->tensors[first + (int)i];
    if (n) qsort(t, n, sizeof *t, by_offset);
    for (size_t i = 0; i < n && !result; i++) {
        if (t[i]->offset != at)
            result = err_set(e, "%s: tensor %.200s: %s the tensor before it", f->map_paths[file], t[i]->name,
                             t[i]->offset < at ? "overlaps" : "leaves a hole behind");
        at = t[i]->offset + t[i]->bytes;
    }
    if (!result && at != f->maps[file].n)
        result = err_set(e, "%s: %llu bytes at the end belong to no tensor", f->map_paths[file],
                         (unsigned long long)(f->maps[file].n - at));
    free(t);
    return result;
}

static int parse_header(struct tensor_file *f, int file, const json_t *header, uint64_t data, struct err *e)
{
    const char *path = f->map_paths[file], *name, *key;
    json_t *o, *v;
    json_object_foreach((json_t *)header, name, o)
    {
        struct tensor_info t = {.file = file};
        if (strcmp(name, "__metadata__")) {
            if (parse_tensor(f, name, o, &t, data, e)) return -1;
            continue;
        }
        if (!json_is_object(o)) return err_set(e, "%s: \"__metadata__\" must be an object", path);
        json_object_foreach(o, key, v)
        {
            if (!json_is_string(v))
                return err_set(e, "%s: \"__metadata__\": %.200s must be a string", path, key);
        }
    }
    return 0;
}

int safetensors_parse(struct tensor_file *f, int file, struct err *e)
{
    const struct file_map *m = &f->maps[file];
    const char *path = f->map_paths[file];
    uint64_t n = 0;
    int first = f->n;
    if (m->n < 8) return err_set(e, "%s: %zu bytes are no safetensors file", path, m->n);
    for (int i = 7; i >= 0; i--) n = n << 8 | m->p[i];
    if (n > HEADER_MAX)
        return err_set(e, "%s: not a safetensors file, or its header (%llu bytes) is above the limit of %d",
                       path, (unsigned long long)n, HEADER_MAX);
    if (n > m->n - 8)
        return err_set(e, "%s: the header should have %llu bytes, the file ends before; is it cut short?",
                       path, (unsigned long long)n);
    if (n < 2 || m->p[8] != '{') return err_set(e, "%s: the header does not start with '{'", path);
    json_t *header = json_read_bytes((const char *)m->p + 8, (size_t)n, path, e);
    if (!header) return -1;
    int result = json_is_object(header) ? parse_header(f, file, header, 8 + n, e)
                                        : err_set(e, "%s: the header is no JSON object", path);
    json_decref(header);
    if (result) return -1;
    return check_coverage(f, first, file, 8 + n, e);
}

/* ---- shards -------------------------------------------------------------------------------------------- */

/* Map and parse one shard, and keep of its tensors those that the index places in it. */
static int parse_shard(struct tensor_file *f, const json_t *places, const char *shard, struct err *e)
{
    char *path = path_join(f->path, shard);
    int first = f->n, kept = f->n;
    int file = tensor_file_map(f, path, e);
    free(path);
    if (file < 0 || safetensors_parse(f, file, e)) return -1;
    for (int i = first; i < f->n; i++) {
        const char *place = json_string_value(json_object_get(places, f->tensors[i].name));
        if (place && !strcmp(place, shard))
            f->tensors[kept++] = f->tensors[i];
        else
            free(f->tensors[i].name);
    }
    f->n = kept;
    return 0;
}

static int parse_shards(struct tensor_file *f, const json_t *places, const char *path, struct err *e)
{
    json_t *done = json_object();
    const char *name;
    json_t *v;
    int result = 0;
    json_object_foreach((json_t *)places, name, v)
    {
        const char *shard = json_string_value(v);
        if (!shard || strchr(shard, '/') || !str_ends(shard, ".safetensors"))
            result = err_set(e, "%s: tensor %.200s: its file must be a plain name ending in .safetensors",
                             path, name);
        else if (json_object_get(done, shard))
            continue;
        else if (json_object_size(done) >= SHARDS_MAX)
            result = err_set(e, "%s: more than %d files", path, SHARDS_MAX);
        else
            result = json_object_set_new(done, shard, json_true()) || parse_shard(f, places, shard, e);
        if (result) break;
    }
    json_decref(done);
    return result ? -1 : 0;
}

int safetensors_parse_folder(struct tensor_file *f, const char *index_path, struct err *e)
{
    json_t *index = json_read_file(index_path, e);
    if (!index) return -1;
    const json_t *places = json_object_get(index, "weight_map");
    int result = 0;
    if (!json_is_object(places))
        result = err_set(e, "%s: \"weight_map\" is missing", index_path);
    else
        result = parse_shards(f, places, index_path, e);
    /* Kept tensors are distinct names of the map, so equal numbers mean that none is missing. */
    if (!result && (size_t)f->n != json_object_size(places))
        result = err_set(e, "%s: names %zu tensors, the files hold %d of them", index_path,
                         json_object_size(places), f->n);
    json_decref(index);
    return result;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static int write_header(struct file_out *o, const struct tensor_out *const *t, int n, struct err *e)
{
    json_t *header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    uint64_t at = 0;
    for (int i = 0; i < n; i++) {
        const struct dtype_info *d = dtype_info(t[i]->dtype);
        json_t *shape = json_array();
        uint64_t end = at + (uint64_t)shape_count(t[i]->shape, t[i]->n_dims) * (uint64_t)d->bytes;
        for (int j = 0; j < t[i]->n_dims; j++) json_array_append_new(shape, json_integer(t[i]->shape[j]));
        json_object_set_new(header, t[i]->name,
                            json_pack("{s:s, s:o, s:[I,I]}", "dtype", d->name, "shape", shape, "data_offsets",
                                      (json_int_t)at, (json_int_t)end));
        at = end;
    }
    CHECK(json_object_size(header) == (size_t)n + 1, "%zu names for %d tensors", json_object_size(header), n);
    char *text = json_text(header);
    json_decref(header);
    size_t length = strlen(text), padded = (length + 7) / 8 * 8;
    uint8_t size[8];
    for (int i = 0; i < 8; i++) size[i] = (uint8_t)((uint64_t)padded >> (8 * i));
    int result = file_out_write(o, size, 8, e) || file_out_write(o, text, length, e) ||
                 file_out_write(o, "       ", padded - length, e);
    free(text);
    return result ? -1 : 0;
}

int safetensors_write_all(const char *path, const struct tensor_out *t, int n, struct err *e)
{
    /* Four-byte numbers first, so that all are aligned. */
    const struct tensor_out **order = alloc_zero((size_t)n + 1, sizeof *order);
    struct file_out o;
    int k = 0;
    for (int size = 4; size >= 1; size /= 2)
        for (int i = 0; i < n; i++)
            if (dtype_info(t[i].dtype)->bytes == size) order[k++] = &t[i];
    CHECK(k == n, "%d of %d tensors are of a type that is written", k, n);
    int result = file_out_open(&o, path, e);
    if (!result) {
        result = write_header(&o, order, n, e);
        for (int i = 0; i < n && !result; i++) result = tensor_write(&o, order[i], e);
        if (!result) result = file_out_commit(&o, e);
        if (result) file_out_abort(&o);
    }
    free(order);
    return result;
}

int safetensors_write(const char *path, const struct safetensors_entry *t, int n, struct err *e)
{
    struct tensor_out *all = alloc_zero((size_t)n + 1, sizeof *all);
    for (int i = 0; i < n; i++) {
        all[i] = (struct tensor_out){.name = t[i].name, .dtype = t[i].dtype, .n_dims = t[i].n_dims};
        memcpy(all[i].shape, t[i].shape, sizeof all[i].shape);
        all[i].source = (struct tensor_source){
            .n = (size_t)shape_count(t[i].shape, t[i].n_dims), .data = t[i].data, .bytes = t[i].bytes};
    }
    int result = safetensors_write_all(path, all, n, e);
    free(all);
    return result;
}
