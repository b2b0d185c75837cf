/* read_tensors.h: all numbers of a file of tensors, for tests and fuzz targets that feed bytes to readers. */
#ifndef TESTS_MODEL_READ_TENSORS_H
#define TESTS_MODEL_READ_TENSORS_H

#include <stdlib.h>
#include <string.h>

#include "model/model_int.h"

static inline void read_tensors(struct tensor_file *f)
{
    for (int i = 0; i < tensor_file_count(f); i++) {
        const struct tensor_info *t = tensor_file_info(f, i);
        int64_t rows = t->n_dims > 1 ? shape_count(t->shape, t->n_dims - 1) : 1;
        float *out = alloc_floats((size_t)shape_count(t->shape, t->n_dims) + 1);
        CHECK(tensor_file_find(f, t->name) == t, "%s is not found again", t->name);
        tensor_file_rows(f, t, 0, rows, out, NULL);
        free(out);
    }
}

/* Opens a copy of just these bytes: a sanitizer sees the slightest overrun. True when the file was taken. */
static inline bool read_bytes(const uint8_t *p, size_t n, struct err *e)
{
    uint8_t *exact = alloc_zero(n + !n, 1);
    memcpy(exact, p, n);
    struct tensor_file *f = tensor_file_from_bytes(exact, n, "memory", e);
    bool taken = f != NULL;
    if (f) read_tensors(f);
    tensor_file_close(f);
    free(exact);
    return taken;
}

#endif
