/* fuzz_model_config.c: any bytes as config.json.
 *
 * seeds: tests/golden/models/gemma3_plain/config.json tests/golden/models/smollm3_list/config.json
 */
#include "model/model_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct model_config c = {0};
    json_t *raw = json_read_bytes((const char *)data, size, "fuzz", &e);
    if (raw && !config_parse(&c, raw, "fuzz", &e)) {
        double *inv_freq = alloc_zero((size_t)c.head_dim / 2, sizeof *inv_freq);
        rope_frequencies(c.rope_theta, c.rope_scaling, c.head_dim, inv_freq);
        free(inv_freq);
        for (int i = 0; i < c.layers; i++) CHECK(!config_slides(&c, i) || c.window > 0, "layer %d", i);
        CHECK(config_turns(&c, 0) || c.nope_every > 0, "not turned");
    } else {
        CHECK(e.kind != ERR_NONE, "refused without a message");
    }
    config_release(&c);
    json_decref(raw);
    return 0;
}
