/* fuzz_safetensors.c: any bytes as a safetensors file; every number of what is accepted is read.
 *
 * seeds: tests/golden/models/llama_linear/model.safetensors
 */
#include <stdlib.h>

#include "model/model_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct tensor_file *f = tensor_file_from_bytes(data, size, "fuzz", &e);
    CHECK(f || e.kind == ERR_FAILED, "refused without a message");
    for (int i = 0; f && i < tensor_file_count(f); i++) {
        const struct tensor_info *t = tensor_file_info(f, i);
        int64_t rows = t->n_dims > 1 ? shape_count(t->shape, t->n_dims - 1) : 1;
        float *out = alloc_floats((size_t)shape_count(t->shape, t->n_dims) + 1);
        CHECK(tensor_file_find(f, t->name) == t, "%s is not found again", t->name);
        tensor_file_rows(f, t, 0, rows, out, NULL);
        free(out);
    }
    tensor_file_close(f);
    return 0;
}
