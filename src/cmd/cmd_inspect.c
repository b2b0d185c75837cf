/* cmd_inspect.c: `openr1 inspect`: what a model or a file of tensors holds. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include "model/model.h"
#include "text/text.h"

static const struct opt inspect_opts[] = {
    {.key = "model",
     .type = OPT_STR,
     .help = "folder in Hugging Face layout, .gguf, .safetensors or llama2.c .bin file",
     .flags = OPT_REQUIRED | OPT_POSITIONAL},
    {.key = "tensors", .type = OPT_BOOL, .fallback = "true", .help = "list every tensor"},
    {.key = NULL}};
static const struct opt *const inspect_tables[] = {inspect_opts, NULL};

static void print_config(struct model *m)
{
    const struct model_config *c = model_config(m);
    const int *eos;
    int n = model_eos(m, &eos);
    printf("%s, %lld parameters\n", json_str_or(c->raw, "model_type", "?"), (long long)model_n_params(m));
    printf("  vocabulary %d, hidden %d, layers %d, intermediate %d, positions %d\n", c->vocab, c->hidden,
           c->layers, c->intermediate, c->max_positions);
    printf("  heads %d of size %d, key/value heads %d, norm eps %g, output matrix %s\n", c->heads,
           c->head_dim, c->kv_heads, (double)c->rms_eps, c->tied ? "tied to the embedding" : "its own");
    char *scaling = c->rope_scaling ? json_text(c->rope_scaling) : alloc_str("none");
    printf("  rope theta %g, scaling %s\n", c->rope_theta, scaling);
    free(scaling);
    if (c->window) printf("  sliding window of %d keys\n", c->window);
    if (c->score_cap > 0 || c->logit_cap > 0)
        printf("  scores capped at %g, logits at %g (0: not)\n", (double)c->score_cap, (double)c->logit_cap);
    printf("  tokens: bos %d, pad %d, end of sequence", c->bos, c->pad);
    for (int i = 0; i < n; i++) printf(" %d", eos[i]);
    printf(n ? "\n" : " none\n");
    struct tokenizer *t = model_tokenizer(m);
    if (t) printf("  tokenizer with %d ids\n", tokenizer_size(t));
}

/* A name from a file may hold anything: what is not printable ASCII is shown as '?'. */
static void print_name(const char *name)
{
    for (const char *p = name; *p; p++) putchar(*p >= 32 && *p < 127 ? *p : '?');
}

/* Keys in the order of the file; long texts and lists by their size. */
static void print_meta(const json_t *meta)
{
    const char *key;
    json_t *v;
    printf("metadata (%zu)\n", json_object_size(meta));
    json_object_foreach((json_t *)meta, key, v)
    {
        char *text = json_text(v);
        printf("  ");
        print_name(key);
        if (json_is_array(v))
            printf(": %zu items\n", json_array_size(v));
        else if (strlen(text) > 80)
            printf(": %zu bytes\n", strlen(text));
        else
            printf(": %s\n", text);
        free(text);
    }
}

static void print_tensor(const struct tensor_info *t)
{
    printf("  ");
    print_name(t->name);
    printf("  %s  [", dtype_name(t->dtype));
    for (int i = 0; i < t->n_dims; i++) printf("%s%" PRId64, i ? "," : "", t->shape[i]);
    printf("]\n");
}

static void print_tensors(const struct tensor_file *f, bool each)
{
    enum { KINDS = 64 };
    uint64_t bytes[KINDS] = {0};
    int counts[KINDS] = {0};
    for (int i = 0; i < tensor_file_count(f); i++) {
        const struct tensor_info *t = tensor_file_info(f, i);
        CHECK((int)t->dtype < KINDS, "dtype %d", (int)t->dtype);
        counts[t->dtype]++;
        bytes[t->dtype] += t->bytes;
    }
    printf("tensors (%d)\n", tensor_file_count(f));
    for (int i = 0; each && i < tensor_file_count(f); i++) print_tensor(tensor_file_info(f, i));
    for (int k = 0; k < KINDS; k++)
        if (counts[k])
            printf("  in all %d of type %s, %" PRIu64 " bytes\n", counts[k], dtype_name((enum dtype)k),
                   bytes[k]);
}

/* A model is described first; a file of tensors alone is listed alone. */
static int inspect_command(struct conf *c, struct err *e)
{
    const char *path = conf_str(c, "model");
    bool each = conf_bool(c, "tensors"), only_tensors = str_ends(path, ".safetensors");
    struct model *m = only_tensors ? NULL : model_load(path, MODEL_NO_WEIGHTS, 0, e);
    if (!only_tensors && !m) return -1;
    if (m) print_config(m);
    struct tensor_file *f = tensor_file_open(path, e);
    if (f) {
        if (tensor_file_meta(f)) print_meta(tensor_file_meta(f));
        print_tensors(f, each);
    }
    tensor_file_close(f);
    model_free(m);
    return f ? 0 : -1;
}

const struct cmd cmd_inspect = {
    .name = "inspect",
    .summary = "what a model or a file of tensors holds",
    .details = "Prints sizes, number of parameters, metadata, and name, type and shape of every tensor.\n\n"
               "  openr1 inspect SmolLM2-135M-Instruct.Q4_1.gguf\n"
               "  openr1 inspect runs/x/model --tensors false",
    .tables = inspect_tables,
    .run = inspect_command,
};
