/* model.h: architectures as data, one block that reads them, and weights in and out.
 *
 * A struct arch (llama.c, qwen2.c, ...) says how config.json names things, which weights exist under which
 * names and shapes, and which choices a block makes. block.c is the only forward pass.
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "op/op.h"

struct tokenizer; /* text/text.h */
struct arch;      /* model_int.h */

/* What config.json says, after defaults. Sizes as in op.h. */
struct model_config {
    const struct arch *arch;
    int vocab, hidden, layers, heads, kv_heads, head_dim, intermediate, max_positions;
    float rms_eps;
    int window;          /* keys that a sliding layer sees, itself among them; 0: no layer slides */
    int window_from;     /* the first layer that may slide */
    int full_every;      /* layers L with (L + 1) % full_every == 0 do not; 0: all the same */
    int nope_every;      /* layers L with (L + 1) % nope_every == 0 are not turned by rope; 0: all are */
    double query_scalar; /* scores are divided by its root; 0: head_dim */
    float score_cap, logit_cap; /* struct attn, struct weight: cap */
    /* Latent attention (DeepSeek): 0 without. head_dim is then nope_dim + rope_dim. */
    int q_rank, kv_rank;               /* of queries (0: a single matrix); of keys and values */
    int nope_dim, rope_dim, value_dim; /* of a head: not turned, turned; of its values. Others: head_dim */
    bool interleaved;                  /* rope turns (2i, 2i+1), not (i, i + dim/2) */
    /* Mixture of experts: experts 0 without. */
    int experts, top_k, moe_intermediate, shared; /* shared: experts that every row passes */
    int dense_first, moe_every;                   /* layers before are dense; then every so manieth is not */
    int groups, top_groups;
    bool normalise_gates;
    float gate_scale;
    int mtp; /* layers behind the last that predict one token further each */
    double rope_theta;
    double local_theta;   /* of layers with a sliding window; 0: the same */
    json_t *rope_scaling; /* owned, with every default filled in; NULL when there is none */
    bool tied;
    double init_range;
    int bos, eos, pad; /* -1 when absent */
    json_t *raw;       /* owned: config.json as read (or built from GGUF), for writing it back */
};

struct model;

enum model_load_flag {
    MODEL_NO_WEIGHTS = 1,
    MODEL_RANDOM = 2,
    MODEL_IN_PLACE = 4,
    MODEL_PACKED = 8,
    MODEL_IN_PLACE_IF_LARGE = 16,
    MODEL_NF4 = 32, /* the layers' matrices in few bits (held.c), which cannot be trained: 4 or 8 */
    MODEL_FP4 = 64,
    MODEL_NESTED = 128, /* with either: their scales in 8 bits */
    MODEL_INT8 = 256,
    MODEL_BF16 = 512
};
/* path: a Hugging Face folder, an adapter's folder (then the base model that it names is loaded with it, or
 * with "ADAPTER@BASE" the one that is given), a .gguf file, or a llama2.c .bin (with tok512.bin beside it);
 * a config.json where weights are not read; or the name of a hub's repository that was pulled (net/hub.h).
 * MODEL_RANDOM: draw the weights from init_range with `seed` instead of reading them (a folder with only
 * config.json will do). MODEL_IN_PLACE: matrices stay in the file, which is mapped, and are decoded by pieces
 * whenever they are used: slower, the same bits, and hardly any memory of the program's own. They cannot be
 * trained, and whether they hold NaN shows only in the results. MODEL_PACKED, for inference: the same, but
 * what is multiplied is packed at once, in panels as narrow as its type where kern.h has such, and is not
 * decoded again. MODEL_IN_PLACE_IF_LARGE: with the former, not if the panels would not fit.
 * With MODEL_RANDOM, MODEL_IN_PLACE draws rows whenever they are read: to save a model of any size.
 * MODEL_BF16, with none of the flags that leave matrices in their file or hold them in few bits: all numbers
 * are rounded to bfloat16, matrices take 16 bits each, and all can be trained. */
struct model *model_load(const char *path, int flags, uint64_t seed, struct err *e);
/* The file or folder that such a path means (of ADAPTER@BASE the adapter's), or NULL and e; free() it. */
char *model_resolve(const char *path, struct err *e);
/* All files and folders that it means, an adapter's base among them: free() each. How many, or -1 and e. */
enum { MODEL_PLACES = 2 };
int model_places(const char *path, char *places[MODEL_PLACES], struct err *e);
/* One hash of their content: of a single one hash_path's. */
int model_places_hash(const char *path, char hex[65], struct err *e);
void model_free(struct model *m);
const struct model_config *model_config(const struct model *m);
struct tokenizer *model_tokenizer(struct model *m); /* NULL when the path has none; owned by the model */
/* End-of-sequence ids: generation_config.json's list, else config.json's, else the tokenizer's. */
int model_eos(const struct model *m, const int **ids);

int model_n_weights(const struct model *m);
struct weight *model_weight(struct model *m, int i); /* fixed order, that of the description */
/* Its shape in files: a norm or bias has one dimension. Returns how many there are. */
int model_weight_shape(const struct model *m, int i, int64_t shape[2]);
struct weight *model_find(struct model *m, const char *hf_name);
int64_t model_n_params(const struct model *m);
/* Of its numbers when loaded with these flags, without those that stay in a file. */
size_t model_bytes(const struct model *m, int flags);
/* Of the gradients that model_train takes. */
size_t model_grad_bytes(const struct model *m);
/* For a plan: products and panels of a float32 model as if it had been loaded with MODEL_BF16; and back. */
void model_suppose_bf16(struct model *m, bool on);
/* What its numbers are held as, and model_save keeps exactly: "float32" or "bfloat16". */
const char *model_dtype(const struct model *m);
/* Of those that stay in a file and are read for every product. */
size_t model_mapped_bytes(const struct model *m, int flags);
/* Those that a token meets on its way: of a mixture's experts as many as it passes; no layers behind the
 * last. */
int64_t model_n_active(const struct model *m);

/* What a key-value cache of this model looks like (op.h), without memory. */
struct kv_cache model_cache_shape(const struct model *m, int n_blocks);

/* Gradients in one block for all weights; or none. Of a model without weights, only addresses, for a plan. */
void model_train(struct model *m, bool on);
/* Take the gradients of the layers behind the last away: they stay as they are. After model_train. */
void model_freeze_further(struct model *m);
void model_zero_grad(struct model *m);
/* The same before a pass that records: gradients that lie over activations are cleared when backward comes to
 * them. */
void model_clear_grad(struct model *m);
/* Where each step makes one pass that records, and without checkpoints: gradients of layers lie over
 * activations that backward has done with (grads.c), and are gone when the next pass begins. On: plans count
 * like that, and the last one is to be of the largest pass. Then place: step memory is this arena's, in one
 * chunk. After model_train; not with adapters. */
void model_overlay(struct model *m, bool on);
void model_overlay_place(struct model *m, const struct arena *a);
/* Renew the packed panels of all weights after an update (or drop them). */
void model_pack(struct model *m);
size_t model_pack_bytes(const struct model *m); /* that these take, apart from those there are */
/* For a plan: products as after model_pack; and back. */
void model_suppose_packed(struct model *m, bool packed);
void model_unpack(struct model *m);
/* A frozen copy with its own weights, for the KL reference. */
struct model *model_copy(const struct model *m);
/* SHA-256 over all weights in order (names, shapes, bytes). */
void model_hash(const struct model *m, char hex[65]);

/* Final hidden states [n_rows, D] after the last norm. checkpoint: keep only each layer's input for backward.
 */
struct tensor *model_forward(struct model *m, struct tape *t, const struct batch *b, bool checkpoint);
/* A store for what a forward pass works out of each row (struct batch: aside), planned for this model and
 * still to be limited. NULL: its passes do more than that (a mixture of experts counts where rows went). */
struct activations *model_activations(struct model *m);
/* Multi-token prediction: hidden states [n_rows, D] after the norm of module k (0 .. config's mtp - 1), for
 * the same output matrix: row i predicts the token after next[i]. hidden: what model_forward gave, or module
 * k - 1; next [n_rows]: the token after each row's own (of a span's last row, whose result means nothing, any
 * token; k further for module k). f must live until backward. (DeepSeek-AI 2024, "DeepSeek-V3", 2.2, with the
 * embedding first, as checkpoints have it.) */
struct further {
    const struct batch *batch;
    struct tensor *hidden;
    const int *next;
    int k;
};
struct tensor *model_forward_further(struct model *m, struct tape *t, const struct further *f,
                                     bool checkpoint);

/* What the routers of a mixture note in a forward pass (struct batch), and their loss term: the balance loss
 * (op.h) of every layer and span, times `factor`, is part of what tape_backward differentiates. Layers are
 * those of the model and then those that predict further; a layer that is not run or has no router leaves its
 * place as it was. */
struct moe_record {
    float factor;
    double *loss;  /* [layers]: over the batch's spans, summed, not multiplied */
    int64_t *load; /* [layers][experts]: rows that chose each expert */
};
/* Add speed * sign(mean load - load) to the corrections of every router, after a step whose loads these are
 * (sums over its batches; DeepSeek-AI 2024, "DeepSeek-V3", 2.1.2). */
void model_balance(struct model *m, const int64_t *load, float speed);

struct weight *
model_head(struct model *m); /* the output matrix [V, D]: lm_head, or the embedding when tied */

/* ---- adapters: low-rank changes of a model whose own weights stay as they are ----------------------------
 *
 * Hu et al. 2021, "LoRA"; Kalajdzievski 2023, "rsLoRA"; Liu et al. 2024, "DoRA"; names and files are those of
 * PEFT. An adapted model has more weights than its base: behind those of the description stand A, B and
 * perhaps a magnitude for every module that has an adapter, and a copy of every module that is trained as a
 * whole; only these have gradients, are saved, and are read again from a checkpoint.
 */
struct lora_config {
    long r;
    double alpha, dropout;
    bool rslora, dora;
    json_t
        *targets;  /* owned: list of names or ends of names, one regular expression, "all-linear"; or NULL */
    json_t *saved; /* owned: list of ends of names of modules that are trained as a whole; or NULL */
    struct lora_patterns *ranks, *alphas; /* owned: of single modules; or NULL */
    char *base, *task;                    /* owned: base_model_name_or_path, task_type */
};
void lora_config_release(struct lora_config *c);
/* New adapters, which change nothing yet: A by the seed, B zero. Without targets: q_proj and v_proj. c's
 * contents are taken over, also on failure. */
int model_adapt(struct model *m, struct lora_config *c, uint64_t seed, struct err *e);
bool model_is_adapted(const struct model *m);
const struct lora_config *model_lora(const struct model *m); /* of an adapted model */
/* With its adapters, or as if it had none (also where modules are trained as a whole). */
void model_adapters(struct model *m, bool on);
/* The model that training began from, and back: without adapters where they were new, else with them as
 * they were read. */
void model_as_reference(struct model *m, bool on);
size_t model_reference_bytes(const struct model *m); /* that it holds for this */
/* Numbers that learn: those of weights that have a gradient. */
int64_t model_n_trained(const struct model *m);
/* Does weight i stay as it is, whatever is trained? */
bool model_is_fixed(const struct model *m, int i);
/* A folder with adapter_config.json and adapter_model.safetensors, tokenizer and card; as model_save. */
#define ADAPTER_CONFIG  "adapter_config.json"
#define ADAPTER_WEIGHTS "adapter_model.safetensors"
int model_save_adapter(struct model *m, const char *dir, const char *card, struct err *e);
/* What training changes: an adapted model's adapter, else the whole model by model_save. */
int model_save_trained(struct model *m, const char *dir, const char *dtype, const char *card, struct err *e);
/* What an adapted model comes to, without adapters: only to be saved. It reads from m, which must outlive
 * it. */
struct model *model_merged(struct model *m);

/* Hugging Face folder: config.json, model.safetensors (sharded above 5 GB), generation_config.json, tokenizer
 * files, README.md as given (NULL: none). dtype "float32", "bfloat16", "float16", or "auto": each weight as
 * it was read (float32 if it was quantised). Written under a temporary name and renamed as a whole; weights
 * that stay in their file pass through a few megabytes. */
int model_save(struct model *m, const char *dir, const char *dtype, const char *card, struct err *e);

/* A GGUF file with its tokenizer. format "f32", "f16", "bf16", "q8_0", "q4_k_m", or "auto": float32 and 16
 * bits as they were read, float32 for what was quantised. Atomic; memory as for model_save. */
int model_save_gguf(struct model *m, const char *path, const char *format, struct err *e);

/* ---- files of tensors ---------------------------------------------------------------------------------- */

enum dtype { /* one row each in gguf_quants.c */
             DT_F32,
             DT_F16,
             DT_BF16,
             DT_F64,
             DT_BOOL,
             DT_U8,
             DT_I8,
             DT_I16,
             DT_I32,
             DT_I64,
             DT_F8_E4M3,
             DT_F8_E5M2,
             DT_Q4_0,
             DT_Q4_1,
             DT_Q5_0,
             DT_Q5_1,
             DT_Q8_0,
             DT_Q2_K,
             DT_Q3_K,
             DT_Q4_K,
             DT_Q5_K,
             DT_Q6_K,
             DT_Q8_K,
             DT_IQ4_NL,
             DT_IQ4_XS,
             DT_MXFP4,
             DT_COUNT
};
const char *dtype_name(enum dtype t);
/* Bytes of the panels that MODEL_PACKED makes of a matrix of this type. */
size_t dtype_panels_bytes(enum dtype t, int64_t rows, int64_t cols);

struct tensor_info {
    char *name;
    enum dtype dtype;
    int n_dims;
    int64_t shape[4]; /* row-major: shape[n_dims-1] is contiguous, as PyTorch prints it */
    uint64_t offset, bytes;
    int file;
    const struct tensor_info *scales; /* F8_E4M3 with a factor for each 128 x 128 (fp8.c); NULL: none */
};
/* One reader for safetensors (single, sharded folder) and GGUF. Everything is checked when opened. */
struct tensor_file;
struct tensor_file *tensor_file_open(const char *path, struct err *e);
void tensor_file_close(struct tensor_file *f);
int tensor_file_count(const struct tensor_file *f);
const struct tensor_info *tensor_file_info(const struct tensor_file *f, int i);
const struct tensor_info *tensor_file_find(const struct tensor_file *f, const char *name);
/* Rows row..row+n-1 of a tensor (seen as [product of leading dims, last dim]) as float32. */
int tensor_file_rows(struct tensor_file *f, const struct tensor_info *t, int64_t row, int64_t n, float *out,
                     struct err *e);
/* Its bytes as they lie in the file: t->bytes of them, not aligned. */
const uint8_t *tensor_file_bytes(const struct tensor_file *f, const struct tensor_info *t);
int64_t tensor_info_count(const struct tensor_info *t); /* of its numbers */
/* The tensors that a checkpoint of this model has, by its config.json alone: names, types, shapes, in order;
 * with fp8 matrices their scales, and the copies that layers behind the last hold. f(ctx, t) for each. */
void model_on_paper(const struct model *m, void (*f)(void *ctx, const struct tensor_info *t), void *ctx);
/* GGUF metadata as a JSON object (arrays too), borrowed; NULL for safetensors. */
const json_t *tensor_file_meta(const struct tensor_file *f);

/* Writer of one safetensors file: declare all, then give the data in the same order. Atomic. */
struct safetensors_entry {
    const char *name;
    enum dtype dtype; /* of data: F32, F16 or BF16; of bytes: any that safetensors has */
    int n_dims;
    int64_t shape[4];
    const float *data;
    const void *bytes; /* instead of data: as the file is to hold them */
};
int safetensors_write(const char *path, const struct safetensors_entry *t, int n, struct err *e);

#endif
