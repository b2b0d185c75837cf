/* fuzz_gguf.c: any bytes as a GGUF file; what is accepted is read to the last number, and its metadata made
 * into a configuration and a tokenizer, and the whole into a model if it is one.
 *
 * seeds: tests/golden/gguf
 */
#include <stdlib.h>
#include <string.h>

#include "../model/read_tensors.h"
#include "text/text.h"

static void read_weights(const struct model *m)
{
    for (int i = 0; i < m->n_weights; i++) {
        const struct weight *w = &m->weights[i];
        float *row = alloc_floats((size_t)w->cols);
        for (int r = 0; r < w->rows; r++) weight_rows(w, r, 1, row);
        free(row);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    if (size < 4 || memcmp(data, "GGUF", 4)) return -1;
    struct tensor_file *f = tensor_file_from_bytes(data, size, "fuzz", &e);
    CHECK(f || e.kind == ERR_FAILED, "refused without a message");
    if (!f) return 0;
    read_tensors(f);
    json_t *raw = gguf_config(f, &e);
    struct model *m = alloc_zero(1, sizeof *m);
    m->path = alloc_str("fuzz");
    if (raw && !config_parse(&m->config, raw, "fuzz", &e)) {
        model_layout(m);
        if (!model_fill(m, f, true, &e)) read_weights(m);
    }
    json_decref(raw);
    gguf_tokenizer(f, &m->tokenizer, &e);
    if (f != m->file) tensor_file_close(f);
    model_free(m);
    return 0;
}
