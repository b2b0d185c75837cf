/* cmd_convert.c: `openr1 convert`: any model that can be read, as a Hugging Face folder. */
#include <stddef.h>

#include "base/file.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "model/model.h"

static const struct opt convert_opts[] = {
    {.key = "model",
     .type = OPT_STR,
     .help = "folder in Hugging Face layout, .gguf file, or llama2.c .bin file",
     .flags = OPT_REQUIRED},
    {.key = "out", .type = OPT_STR, .help = "folder to write", .flags = OPT_REQUIRED},
    {.key = "dtype",
     .type = OPT_STR,
     .fallback = "auto",
     .help = "how numbers are stored; auto: as they were, or float32 if they were quantised",
     .choices = "auto|float32|bfloat16|float16"},
    {.key = NULL}};
static const struct opt *const convert_tables[] = {convert_opts, NULL};

static int convert_command(struct conf *c, struct err *e)
{
    const char *out = conf_str(c, "out"), *dtype = conf_str(c, "dtype");
    if (file_place_check(out, e)) return -1;
    struct model *m = model_load(conf_str(c, "model"), MODEL_IN_PLACE, 0, e);
    if (!m) return -1;
    int result = model_save(m, out, dtype, NULL, e);
    if (!result)
        log_info("%s: %d tensors, %lld parameters, %s", out, model_n_weights(m), (long long)model_n_params(m),
                 dtype);
    model_free(m);
    return result;
}

const struct cmd cmd_convert = {
    .name = "convert",
    .summary = "read a model in any known format, write a Hugging Face folder",
    .details =
        "Quantised weights are dequantised; rows of q and k that GGUF permutes are put back. Numbers pass\n"
        "through a few megabytes of memory, whatever the model's size. The folder is written as a whole or\n"
        "not at all; an existing folder is replaced only if it holds a saved model.\n\n"
        "  openr1 convert --model SmolLM2-135M-Instruct.Q4_1.gguf --out smollm2 --dtype bfloat16",
    .tables = convert_tables,
    .run = convert_command,
};
