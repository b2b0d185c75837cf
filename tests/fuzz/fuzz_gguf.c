/* fuzz_gguf.c: any bytes as a GGUF file; what is accepted is read to the last number, and its metadata made
 * into a configuration and a tokenizer.
 *
 * seeds: tests/golden/gguf
 */
#include <stdlib.h>
#include <string.h>

#include "../model/read_tensors.h"
#include "text/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    if (size < 4 || memcmp(data, "GGUF", 4)) return -1;
    struct tensor_file *f = tensor_file_from_bytes(data, size, "fuzz", &e);
    CHECK(f || e.kind == ERR_FAILED, "refused without a message");
    if (!f) return 0;
    read_tensors(f);
    json_t *raw = gguf_config(f, &e);
    struct model_config c = {0};
    struct tokenizer *t = NULL;
    if (raw) config_parse(&c, raw, "fuzz", &e);
    config_release(&c);
    json_decref(raw);
    gguf_tokenizer(f, &t, &e);
    if (t) tokenizer_free(t);
    tensor_file_close(f);
    return 0;
}
