/* fuzz_llama2c.c: any bytes as a llama2.c model file. */
#include <stdlib.h>

#include "model/model_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct tensor_file *f = tensor_file_from_bytes(data, size, "fuzz.bin", &e);
    CHECK(f || e.kind == ERR_FAILED, "refused without a message");
    struct model_config c = {0};
    json_t *raw = f && f->format == FORMAT_LLAMA2C ? llama2c_config(f, &e) : NULL;
    if (raw) config_parse(&c, raw, "fuzz", &e);
    config_release(&c);
    json_decref(raw);
    tensor_file_close(f);
    return 0;
}
