/* tensor_file.c: one reader's face for safetensors, GGUF and llama2.c files.
 *
 * Files are mapped and never copied; a tensor becomes float32 row by row when it is asked for. Nothing that a
 * file says is believed before it is checked: a parser hands each tensor to tensor_file_add, which works out
 * its size without overflow and makes sure that it lies inside the file; names must be unique.
 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/model_int.h"

/* ---- tensors ------------------------------------------------------------------------------------------- */

int64_t shape_count(const int64_t *shape, int n_dims)
{
    int64_t n = 1;
    for (int i = 0; i < n_dims; i++) {
        if (shape[i] < 0) return -1;
        if (shape[i] > 0 && n > ((int64_t)1 << 62) / shape[i]) return -1;
        n *= shape[i];
    }
    return n;
}

static int64_t last_dim(const struct tensor_info *t)
{
    return t->n_dims ? t->shape[t->n_dims - 1] : 1;
}

int tensor_file_add(struct tensor_file *f, const struct tensor_info *t, struct err *e)
{
    const char *path = f->map_paths[t->file];
    const struct dtype_info *d = dtype_info(t->dtype);
    int64_t count = shape_count(t->shape, t->n_dims);
    uint64_t size = f->maps[t->file].n;
    if (!t->name[0]) return err_set(e, "%s: a tensor has no name", path);
    if (count < 0 || count / d->block > INT64_MAX / 16 / d->bytes)
        return err_set(e, "%s: tensor %.200s: its shape is impossibly large", path, t->name);
    if (last_dim(t) % d->block)
        return err_set(e, "%s: tensor %.200s: rows of %lld are not whole blocks of %d (%s)", path, t->name,
                       (long long)last_dim(t), d->block, d->name);
    uint64_t bytes = (uint64_t)(count / d->block) * (uint64_t)d->bytes;
    if (t->offset > size || bytes > size - t->offset)
        return err_set(e,
                       "%s: tensor %.200s: its %llu bytes go beyond the end of the file (%llu bytes); is "
                       "it cut short?",
                       path, t->name, (unsigned long long)bytes, (unsigned long long)size);
    if (f->n == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 64;
        f->tensors = alloc_again(f->tensors, (size_t)f->cap * sizeof *f->tensors);
    }
    f->tensors[f->n] = *t;
    f->tensors[f->n].name = alloc_str(t->name);
    f->tensors[f->n++].bytes = bytes;
    return 0;
}

static int by_name(const void *a, const void *b, void *ctx)
{
    const struct tensor_info *t = ctx;
    return strcmp(t[*(const int *)a].name, t[*(const int *)b].name);
}

static int index_names(struct tensor_file *f, struct err *e)
{
    f->by_name = alloc_zero((size_t)f->n + 1, sizeof *f->by_name);
    for (int i = 0; i < f->n; i++) f->by_name[i] = i;
    if (f->n) qsort_r(f->by_name, (size_t)f->n, sizeof *f->by_name, by_name, f->tensors);
    for (int i = 1; i < f->n; i++) {
        const char *name = f->tensors[f->by_name[i]].name;
        if (!strcmp(name, f->tensors[f->by_name[i - 1]].name))
            return err_set(e, "%s: tensor %.200s is there twice", f->path, name);
    }
    return 0;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

static int add_map(struct tensor_file *f, struct file_map map, const char *path)
{
    f->maps = alloc_again(f->maps, (size_t)(f->n_maps + 1) * sizeof *f->maps);
    f->map_paths = alloc_again(f->map_paths, (size_t)(f->n_maps + 1) * sizeof *f->map_paths);
    f->maps[f->n_maps] = map;
    f->map_paths[f->n_maps] = alloc_str(path);
    return f->n_maps++;
}

int tensor_file_map(struct tensor_file *f, const char *path, struct err *e)
{
    struct file_map map;
    if (file_map_open(&map, path, e)) return -1;
    return add_map(f, map, path);
}

static int parse_one(struct tensor_file *f, struct err *e)
{
    if (f->maps[0].n >= 4 && !memcmp(f->maps[0].p, "GGUF", 4)) return gguf_parse(f, e);
    if (str_ends(f->path, ".bin")) return llama2c_parse(f, e);
    return safetensors_parse(f, 0, e);
}

static int open_folder(struct tensor_file *f, struct err *e)
{
    char *index = path_join(f->path, "model.safetensors.index.json");
    char *single = path_join(f->path, "model.safetensors");
    int result = -1;
    if (file_exists(index))
        result = safetensors_parse_folder(f, index, e);
    else if (!file_exists(single))
        err_set(
            e,
            "%s: holds no weights (model.safetensors or model.safetensors.index.json); training can begin "
            "from random ones: --from_scratch",
            f->path);
    else if (tensor_file_map(f, single, e) >= 0)
        result = safetensors_parse(f, 0, e);
    free(index);
    free(single);
    return result;
}

static struct tensor_file *opened(struct tensor_file *f, int failed, struct err *e)
{
    if (!failed && !index_names(f, e) && !fp8_link(f, e)) return f;
    tensor_file_close(f);
    return NULL;
}

struct tensor_file *tensor_file_open(const char *path, struct err *e)
{
    struct tensor_file *f = alloc_zero(1, sizeof *f);
    f->path = alloc_str(path);
    if (file_is_dir(path)) return opened(f, open_folder(f, e), e);
    return opened(f, tensor_file_map(f, path, e) < 0 || parse_one(f, e), e);
}

struct tensor_file *tensor_file_from_bytes(const uint8_t *p, size_t n, const char *what, struct err *e)
{
    struct tensor_file *f = alloc_zero(1, sizeof *f);
    f->path = alloc_str(what);
    f->borrowed = true;
    add_map(f, (struct file_map){p, n}, what);
    return opened(f, parse_one(f, e), e);
}

void tensor_file_close(struct tensor_file *f)
{
    if (!f || f->users-- > 0) return;
    for (int i = 0; i < f->n_maps; i++) {
        if (!f->borrowed) file_map_close(&f->maps[i]);
        free(f->map_paths[i]);
    }
    for (int i = 0; i < f->n; i++) free(f->tensors[i].name);
    free(f->maps);
    free(f->map_paths);
    free(f->tensors);
    free(f->by_name);
    free(f->path);
    json_decref(f->meta);
    free(f);
}

void tensor_file_forget(const struct tensor_file *f)
{
    for (int i = 0; f && !f->borrowed && i < f->n_maps; i++) file_map_forget(&f->maps[i], 0, f->maps[i].n);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

int tensor_file_count(const struct tensor_file *f)
{
    return f->n;
}

const struct tensor_info *tensor_file_info(const struct tensor_file *f, int i)
{
    CHECK(i >= 0 && i < f->n, "tensor %d of %d", i, f->n);
    return &f->tensors[i];
}

const struct tensor_info *tensor_file_find(const struct tensor_file *f, const char *name)
{
    int lo = 0, hi = f->n;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        const struct tensor_info *t = &f->tensors[f->by_name[mid]];
        int order = strcmp(name, t->name);
        if (order == 0) return t;
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

int tensor_file_rows(struct tensor_file *f, const struct tensor_info *t, int64_t row, int64_t n, float *out,
                     struct err *e)
{
    const struct dtype_info *d = dtype_info(t->dtype);
    int64_t cols = last_dim(t), rows = t->n_dims ? shape_count(t->shape, t->n_dims - 1) : 1;
    CHECK(row >= 0 && n >= 0 && row <= rows && n <= rows - row, "rows %lld+%lld of %lld in %s",
          (long long)row, (long long)n, (long long)rows, t->name);
    if (!d->decode)
        return err_set(e, "%s: tensor %.200s: its type %s cannot be read as float32", f->map_paths[t->file],
                       t->name, d->name);
    size_t row_blocks = (size_t)(cols / d->block);
    const uint8_t *p = f->maps[t->file].p + t->offset + (size_t)row * row_blocks * (size_t)d->bytes;
    if (n && row_blocks) d->decode(p, (size_t)n * row_blocks, out);
    const struct fp8_scales scales = fp8_scales_of(f, t);
    for (int64_t i = 0; scales.p && i < n; i++) fp8_scale(&scales, row + i, 0, cols, out + i * cols);
    return 0;
}

const json_t *tensor_file_meta(const struct tensor_file *f)
{
    return f->meta;
}

const uint8_t *tensor_file_bytes(const struct tensor_file *f, const struct tensor_info *t)
{
    return f->maps[t->file].p + t->offset;
}

int64_t tensor_info_count(const struct tensor_info *t)
{
    return shape_count(t->shape, t->n_dims);
}
