/* Fuzz target: adapter_config.json of any bytes, and the modules that it means. What is accepted must be
 * written and read again as it was.
 * seeds: tests/golden/lora/llama_default/adapter_config.json
 */
#include <stdint.h>
#include <stdlib.h>

#include "model/model_int.h"

static void match(const struct lora_config *c)
{
    static const char *const modules[] = {"model.layers.0.self_attn.q_proj", "lm_head",
                                          "model.layers.11.mlp.experts.7.down_proj", "model.norm"};
    struct err e = {0};
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        CHECK(lora_config_rank(c, modules[i]) > 0, "%s", modules[i]);
        CHECK(lora_config_scale(c, modules[i]) > 0, "%s", modules[i]);
    }
    struct lora_targets *t = lora_targets_new(c, &e);
    if (!t) return;
    bool *used = alloc_zero(json_array_size(c->targets) + 1, sizeof *used);
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        lora_targets_match(t, modules[i], used);
        lora_saves(c, modules[i]);
    }
    free(used);
    lora_targets_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    json_t *o = json_read_bytes((const char *)data, size, "fuzz", &e);
    if (!o) return 0;
    struct lora_config c, again;
    if (!lora_config_parse(&c, o, "fuzz", &e)) {
        match(&c);
        json_t *written = lora_config_json(&c);
        int failed = lora_config_parse(&again, written, "written", &e);
        CHECK(!failed, "%s", e.msg);
        CHECK(again.r == c.r && again.alpha == c.alpha && again.dora == c.dora, "rank %ld became %ld", c.r,
              again.r);
        lora_config_release(&again);
        json_decref(written);
    }
    lora_config_release(&c);
    json_decref(o);
    return 0;
}
