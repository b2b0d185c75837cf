/* cmd_convert.c: `openr1 convert`: any model that can be read, as a Hugging Face folder or a GGUF file. */
#include <stdbool.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "model/model.h"

static const struct opt convert_opts[] = {
    {.key = "model",
     .type = OPT_STR,
     .help = "folder in Hugging Face layout, .gguf file, or llama2.c .bin file",
     .flags = OPT_REQUIRED},
    {.key = "out",
     .type = OPT_STR,
     .help = "folder to write, or a file that ends in .gguf",
     .flags = OPT_REQUIRED},
    {.key = "dtype",
     .type = OPT_STR,
     .fallback = "auto",
     .help = "how numbers are stored; auto: as they were, or float32 if they were quantised; q8_0 and q4_k_m "
             "are for GGUF alone, fp8 (DeepSeek's, with a scale for each 128 x 128) for folders",
     .choices = "auto|float32|bfloat16|float16|f32|bf16|f16|q8_0|q4_k_m|fp8"},
    {.key = NULL}};
static const struct opt *const convert_tables[] = {convert_opts, NULL};

/* Hugging Face and ggml have names of their own for the same types; either is taken. */
static const char *dtype_named(const char *given, bool gguf)
{
    static const char *const names[][2] = {{"float32", "f32"}, {"bfloat16", "bf16"}, {"float16", "f16"}};
    for (int i = 0; i < 3; i++)
        if (!strcmp(given, names[i][0]) || !strcmp(given, names[i][1])) return names[i][gguf];
    return given;
}

static int convert_command(struct conf *c, struct err *e)
{
    const char *out = conf_str(c, "out");
    bool gguf = str_ends(out, ".gguf");
    const char *dtype = dtype_named(conf_str(c, "dtype"), gguf);
    if (file_same(conf_str(c, "model"), out))
        return err_usage(e, "--out %s is the model itself; give another place", out);
    if (file_place_check(out, e)) return -1;
    struct model *m = model_load(conf_str(c, "model"), MODEL_IN_PLACE, 0, e);
    if (!m) return -1;
    struct model *merged = model_is_adapted(m) ? model_merged(m) : NULL, *from = merged ? merged : m;
    int result = gguf ? model_save_gguf(from, out, dtype, e) : model_save(from, out, dtype, NULL, e);
    model_free(merged);
    if (!result)
        log_info("%s: %d weights, %lld parameters, %s", out, model_n_weights(m), (long long)model_n_params(m),
                 dtype);
    model_free(m);
    return result;
}

const struct cmd cmd_convert = {
    .name = "convert",
    .summary = "read a model in any known format, write a Hugging Face folder or a GGUF file",
    .details =
        "An adapter is merged into its base model. Quantised weights are dequantised; rows of q and k that\n"
        "GGUF permutes are put back. Numbers pass through a few megabytes of memory, whatever the model's\n"
        "size. The folder is written as a whole or not at all; an existing folder is replaced only if it\n"
        "holds a saved model.\n\n"
        "  openr1 convert --model SmolLM2-135M-Instruct.Q4_1.gguf --out smollm2 --dtype bfloat16\n"
        "  openr1 convert --model runs/x/model --out x.gguf --dtype q4_k_m",
    .tables = convert_tables,
    .run = convert_command,
};
