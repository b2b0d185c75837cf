/* cmd_inspect.c: `openr1 inspect`: what a model or a file of tensors holds. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "kern/kern.h"
#include "model/model.h"
#include "net/hub.h"
#include "text/text.h"

static const struct opt inspect_opts[] = {
    {.key = "model",
     .type = OPT_STR,
     .help = "folder in Hugging Face layout, config.json, .gguf, .safetensors or llama2.c .bin file, or a "
             "hub name that was pulled",
     .flags = OPT_REQUIRED | OPT_POSITIONAL},
    {.key = "tensors", .type = OPT_BOOL, .fallback = "true", .help = "list every tensor"},
    {.key = "json", .type = OPT_BOOL, .fallback = "false", .help = "one JSON object instead of text"},
    {.key = NULL}};
static const struct opt *const inspect_tables[] = {inspect_opts, NULL};

static void print_config(struct model *m)
{
    const struct model_config *c = model_config(m);
    const int *eos;
    int n = model_eos(m, &eos);
    printf("%s, %lld parameters", json_str_or(c->raw, "model_type", "?"), (long long)model_n_params(m));
    if (c->experts) printf(", of which a token meets %lld", (long long)model_n_active(m));
    printf("\n");
    printf("  vocabulary %d, hidden %d, layers %d, intermediate %d, positions %d\n", c->vocab, c->hidden,
           c->layers, c->intermediate, c->max_positions);
    printf("  heads %d of size %d, key/value heads %d, norm eps %g, output matrix %s\n", c->heads,
           c->head_dim, c->kv_heads, (double)c->rms_eps, c->tied ? "tied to the embedding" : "its own");
    char *scaling = c->rope_scaling ? json_text(c->rope_scaling) : alloc_str("none");
    if (c->kv_rank)
        printf("  latent attention: queries through %d, keys and values through %d; of a head %d turned, %d "
               "not, values %d\n",
               c->q_rank, c->kv_rank, c->rope_dim, c->nope_dim, c->value_dim);
    if (c->experts)
        printf(
            "  experts %d of width %d, %d a token in %d of %d groups, %d shared; the first %d layers dense; "
            "%d layers behind the last\n",
            c->experts, c->moe_intermediate, c->top_k, c->top_groups, c->groups, c->shared, c->dense_first,
            c->mtp);
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

/* ---- memory -------------------------------------------------------------------------------------------- */

/* What runs of this model take at least, in bytes: the form of engine.c and trainer.c. */
struct needs {
    double run, run_in_place, train, kv_token;
};

static struct needs needs_of(const struct model *m, const struct tensor_file *f)
{
    struct kv_cache cache = model_cache_shape(m, 64);
    double floats = (double)model_n_params(m) * sizeof(float);
    struct needs n = {.run = f ? 0 : floats, .train = 4 * floats};
    n.kv_token = (double)kv_cache_bytes(cache.n_layers, cache.n_kv, cache.width, 64) / (64 * KERN_KEYS);
    for (int i = 0; f && i < tensor_file_count(f); i++) {
        const struct tensor_info *t = tensor_file_info(f, i);
        int64_t cols = t->n_dims ? t->shape[t->n_dims - 1] : 1, rows = 1;
        for (int d = 0; d + 1 < t->n_dims; d++) rows *= t->shape[d];
        n.run += t->n_dims > 1 ? (double)dtype_panels_bytes(t->dtype, rows, cols) : 4 * (double)cols;
        n.run_in_place += (double)t->bytes;
    }
    return n;
}

static void print_needs(const struct needs *n)
{
    enum { CONTEXT = 4096 };
    printf("memory, in GB\n");
    printf("  to score, to look at logits, to generate %.2f (packed for products, in the file's types)\n",
           n->run / 1e9);
    if (n->run_in_place > 0)
        printf("  left in the file (load_in_place): %.2f of file that the system may keep or drop\n",
               n->run_in_place / 1e9);
    printf("  to train all weights %.2f (weights, gradients, two moments), and activations\n",
           n->train / 1e9);
    printf("  keys and values: %.0f bytes a token, %.2f for a sequence of %d\n", n->kv_token,
           n->kv_token * CONTEXT / 1e9, CONTEXT);
}

/* ---- as text ------------------------------------------------------------------------------------------- */

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

struct kinds { /* by type */
    int n, counts[DT_COUNT];
    uint64_t bytes[DT_COUNT];
};

static void count_kind(void *ctx, const struct tensor_info *t)
{
    struct kinds *k = ctx;
    k->n++;
    k->counts[t->dtype]++;
    k->bytes[t->dtype] += t->bytes;
}

/* Of a file, or else of a model on paper. */
static struct kinds count_kinds(const struct model *m, const struct tensor_file *f)
{
    struct kinds k = {0};
    for (int i = 0; f && i < tensor_file_count(f); i++) count_kind(&k, tensor_file_info(f, i));
    if (!f) model_on_paper(m, count_kind, &k);
    return k;
}

static void print_each(void *ctx, const struct tensor_info *t)
{
    (void)ctx;
    print_tensor(t);
}

static void print_tensors(const struct model *m, const struct tensor_file *f, bool each)
{
    struct kinds kinds = count_kinds(m, f);
    printf(f ? "tensors (%d)\n" : "no weights here; a checkpoint would have tensors (%d)\n", kinds.n);
    for (int i = 0; f && each && i < tensor_file_count(f); i++) print_tensor(tensor_file_info(f, i));
    if (!f && each) model_on_paper(m, print_each, NULL);
    for (int k = 0; k < DT_COUNT; k++)
        if (kinds.counts[k])
            printf("  in all %d of type %s, %" PRIu64 " bytes\n", kinds.counts[k], dtype_name((enum dtype)k),
                   kinds.bytes[k]);
}

static void print_text(struct model *m, const struct tensor_file *f, bool each)
{
    if (m) print_config(m);
    struct needs n = m ? needs_of(m, f) : (struct needs){0};
    if (m) print_needs(&n);
    if (f && tensor_file_meta(f)) print_meta(tensor_file_meta(f));
    print_tensors(m, f, each);
}

/* ---- as JSON ------------------------------------------------------------------------------------------- */

static json_t *tensor_json(const struct tensor_info *t)
{
    json_t *shape = json_array(), *name = json_string(t->name);
    for (int i = 0; i < t->n_dims; i++) json_array_append_new(shape, json_integer(t->shape[i]));
    return json_pack("{s:o, s:s, s:o, s:I}", "name", name ? name : json_string("(not UTF-8)"), "dtype",
                     dtype_name(t->dtype), "shape", shape, "bytes", (json_int_t)t->bytes);
}

static void add_json(void *list, const struct tensor_info *t)
{
    json_array_append_new(list, tensor_json(t));
}

static json_t *kinds_json(const struct model *m, const struct tensor_file *f)
{
    struct kinds kinds = count_kinds(m, f);
    json_t *o = json_object();
    for (int k = 0; k < DT_COUNT; k++)
        if (kinds.counts[k])
            json_object_set_new(
                o, dtype_name((enum dtype)k),
                json_pack("{s:i, s:I}", "tensors", kinds.counts[k], "bytes", (json_int_t)kinds.bytes[k]));
    return o;
}

static void print_json(struct model *m, const struct tensor_file *f, bool each)
{
    json_t *o = json_object();
    if (m) {
        struct needs n = needs_of(m, f);
        json_object_set_new(o, "parameters", json_integer(model_n_params(m)));
        json_object_set_new(o, "active_parameters", json_integer(model_n_active(m)));
        json_object_set(o, "config", model_config(m)->raw);
        json_object_set_new(o, "memory_bytes",
                            json_pack("{s:I, s:I, s:I, s:I, s:I}", "score", (json_int_t)n.run, "generate",
                                      (json_int_t)n.run, "in_place", (json_int_t)n.run_in_place, "train",
                                      (json_int_t)n.train, "kv_token", (json_int_t)n.kv_token));
    }
    json_object_set_new(o, "dtypes", kinds_json(m, f));
    json_t *list = each ? json_array() : NULL;
    for (int i = 0; list && f && i < tensor_file_count(f); i++) add_json(list, tensor_file_info(f, i));
    if (list && !f) model_on_paper(m, add_json, list);
    if (list) json_object_set_new(o, "tensors", list);
    char *text = json_text(o);
    puts(text);
    free(text);
    json_decref(o);
}

/* ---- the command --------------------------------------------------------------------------------------- */

/* A folder or file that is described but holds no weights. */
static bool is_paper(const char *path)
{
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json"};
    bool found = !file_is_dir(path) && !str_ends(path, ".json");
    for (int i = 0; i < 2 && !found; i++) {
        char *file = path_join(path, names[i]);
        found = file_exists(file);
        free(file);
    }
    return !found;
}

/* A model is described first; a file of tensors alone is listed alone. */
static int inspect_path(const char *path, struct conf *c, struct err *e)
{
    bool each = conf_bool(c, "tensors"), only_tensors = str_ends(path, ".safetensors");
    struct model *m = only_tensors ? NULL : model_load(path, MODEL_NO_WEIGHTS, 0, e);
    if (!only_tensors && !m) return -1;
    bool paper = is_paper(path);
    struct tensor_file *f = paper ? NULL : tensor_file_open(path, e);
    if (f || paper) (conf_bool(c, "json") ? print_json : print_text)(m, f, each);
    int result = f || paper ? 0 : -1;
    tensor_file_close(f);
    model_free(m);
    return result;
}

static int inspect_command(struct conf *c, struct err *e)
{
    char *path = hub_resolve(HUB_MODEL, conf_str(c, "model"), e);
    int result = path ? inspect_path(path, c, e) : -1;
    free(path);
    return result;
}

const struct cmd cmd_inspect = {
    .name = "inspect",
    .summary = "what a model or a file of tensors holds",
    .details =
        "Prints sizes, number of parameters (and of a mixture how many work on a token), memory that runs\n"
        "take, metadata, and name, type and shape of every tensor. A config.json alone is a model on\n"
        "paper.\n\n"
        "  openr1 inspect SmolLM2-135M-Instruct.Q4_1.gguf\n"
        "  openr1 inspect runs/x/model --tensors false\n"
        "  openr1 inspect config.json --json",
    .tables = inspect_tables,
    .run = inspect_command,
};
