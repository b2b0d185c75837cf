/* fuzz_safetensors.c: any bytes as a safetensors file; every number of what is accepted is read.
 *
 * seeds: tests/golden/models/llama_linear/model.safetensors
 */
#include "../model/read_tensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct tensor_file *f = tensor_file_from_bytes(data, size, "fuzz", &e);
    CHECK(f || e.kind == ERR_FAILED, "refused without a message");
    if (f) read_tensors(f);
    tensor_file_close(f);
    return 0;
}
