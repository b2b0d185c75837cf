/* model_int.h: what the description of an architecture says, and the insides of a model and of a tensor file.
 *
 * An architecture is one const struct arch in one file (llama.c, qwen2.c) and one row in model_list.h. It has
 * three tables: the keys of config.json and of GGUF metadata (arch_key), the weights with their names and
 * shapes (arch_weight), and the values that other keys of config.json must have for the description to hold
 * (arch_demand); arch_rows.h has the rows that many share. config.c, load.c, save.c and block.c read these
 * tables; none of them knows an architecture.
 *
 * A block is a fixed course (block.c) with slots for weights. A slot that the description leaves empty is
 * a step that is left out: no bias, no norm. So Qwen2's biases are three more rows, not another block.
 *
 * Layers may differ in two things: whether they see a sliding window, and whether and by what rope turns
 * them. layer_types and no_rope_layers of config.json decide, else the rhythm that the keys give
 * (model_config: window_from, full_every, nope_every).
 */
#ifndef MODEL_MODEL_INT_H
#define MODEL_MODEL_INT_H

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "model/model.h"

enum {
    ARCH_NAME_MAX = 160, /* longest tensor name, and longest key, of a description */
    HEAD_DIM_MAX = 512,
    LATENT_HEAD_MAX = 1024 /* a part of a head of latent attention */
};

/* The two tensors that newer GGUF files have for kv_b: each head's keys, turned over, and its values. */
#define GGUF_KEYS   "blk.*.attn_k_b.weight"
#define GGUF_VALUES "blk.*.attn_v_b.weight"
enum { GGUF_SOFTMAX = 1, GGUF_SIGMOID = 2 }; /* expert_gating_func */

/* Where block.c uses a weight. */
enum arch_slot {
    SLOT_EMBED,
    SLOT_ATTN_NORM,
    SLOT_Q,
    SLOT_Q_BIAS,
    SLOT_K,
    SLOT_K_BIAS,
    SLOT_V,
    SLOT_V_BIAS,
    SLOT_O,
    SLOT_O_BIAS,
    SLOT_Q_NORM, /* over each head, [1, head_dim] */
    SLOT_K_NORM,
    SLOT_ATTN_POST_NORM, /* of what attention adds */
    SLOT_MLP_NORM,
    SLOT_GATE,
    SLOT_GATE_BIAS,
    SLOT_UP,
    SLOT_UP_BIAS,
    SLOT_DOWN,
    SLOT_DOWN_BIAS,
    SLOT_MLP_POST_NORM,
    SLOT_Q_A, /* latent attention: down and up again, with a norm between */
    SLOT_Q_A_BIAS,
    SLOT_Q_A_NORM,
    SLOT_Q_B,
    SLOT_Q_B_BIAS,
    SLOT_KV_A, /* to the latent and the key's turned part */
    SLOT_KV_A_BIAS,
    SLOT_KV_A_NORM,
    SLOT_KV_B, /* each head's part of keys, then of values */
    SLOT_ROUTER,
    SLOT_ROUTER_BIAS, /* the correction, for the choice alone */
    SLOT_SHARED_GATE,
    SLOT_SHARED_GATE_BIAS,
    SLOT_SHARED_UP,
    SLOT_SHARED_UP_BIAS,
    SLOT_SHARED_DOWN,
    SLOT_SHARED_DOWN_BIAS,
    SLOT_EXPERT_GATE, /* these three: one for each expert */
    SLOT_EXPERT_UP,
    SLOT_EXPERT_DOWN,
    SLOT_MTP_EMBED_NORM,
    SLOT_MTP_HIDDEN_NORM,
    SLOT_MTP_JOIN,
    SLOT_MTP_JOIN_BIAS,
    SLOT_MTP_FINAL_NORM,
    SLOT_FINAL_NORM,
    SLOT_HEAD,
    SLOT_COUNT
};

/* Drawn from the normal; ones; zeros, and counts as 1 more (in GGUF files the 1 is in the numbers); zeros;
 * zeros, and has no gradient. */
enum arch_kind { WEIGHT_MATRIX, WEIGHT_NORM, WEIGHT_NORM_LESS_ONE, WEIGHT_BIAS, WEIGHT_BUFFER };

struct arch_weight {
    enum arch_slot slot;
    enum arch_kind kind;
    /* Hugging Face name; '*' stands for the layer's number, then the row is per layer; '#' for the expert's,
     * then it is per expert too (such rows stand together). */
    const char *name;
    const char *gguf; /* the same in GGUF; without '#' the experts lie one after another in it */
    /* Rows and columns by symbol: V vocabulary, D hidden, I intermediate, Q heads*head_dim,
     * K kv_heads*head_dim, H head_dim, 1 one; A q_rank, C kv_rank, R kv_rank+rope_dim,
     * U heads*(nope_dim+value_dim), O heads*value_dim; E experts, M moe_intermediate, S shared*M, T 2*hidden.
     * A norm or bias is "1x" here and [x] in files. */
    const char *shape;
    /* NULL: always there. "untied", "dense", "moe", ...: a condition of config.c. Otherwise a boolean key of
     * config.json that brings the weight into being. */
    const char *when;
    bool rotary; /* its outputs are turned by RoPE: permuted in files that interleave the pairs */
};

/* OR_NONE: null in the file says that there is none, which is 0. */
enum arch_type { KEY_INT, KEY_INT_OR_NONE, KEY_FLOAT, KEY_FLOAT_OR_NONE, KEY_DOUBLE, KEY_BOOL };

#define KEY_KEEP (-INFINITY) /* a fallback: what a row before has read stays (a second name of a key) */
struct arch_key {
    const char *hf;   /* key of config.json */
    const char *gguf; /* key of GGUF metadata behind "ARCH.", or NULL */
    enum arch_type type;
    size_t at; /* offsetof(struct model_config, ...) */
    double lo, hi;
    double fallback; /* when the key is absent, or null (but for OR_NONE); NAN: the key is required */
};

/* config.json may lack `key`, or must have this value ("silu", "false", "1"); of a list, every item. */
struct arch_demand {
    const char *key, *value;
};

struct arch {
    const char *model_type; /* config.json: model_type */
    const char *class_name; /* config.json: architectures */
    const char *gguf;       /* GGUF: general.architecture; NULL: not read from there */
    const char *gguf_key;   /* of several with one name in GGUF, it is the one whose key (behind "ARCH.") */
    int gguf_least;         /* is at least this, else the one without a key */
    bool gguf_permuted;     /* GGUF stores q and k rows with RoPE's pairs interleaved */
    int gguf_wide_layers;   /* GGUF leaves query_pre_attn_scalar out. It is head_dim, but in the model
                                        * with so many layers hidden / heads */
    bool gelu;              /* the MLP's gate goes through gelu (tanh), else silu */
    bool scaled_embedding;  /* embeddings are multiplied by sqrt(hidden) */
    const char *window_switch; /* key that must be true for a window to count, or NULL */
    bool window_without_rope;  /* the layers that rope does not turn are those that slide */
    enum route_score score;    /* of a mixture's router */
    bool gguf_normalised;      /* GGUF has no key for norm_topk_prob, which is true */
    struct {                   /* GGUF files older than the keys for groups: the published model that */
        int experts, n, top;   /* has them, by its experts; other models have none */
    } gguf_groups;
    bool moe_from_one;                 /* moe_every counts layers from 1, not from 0 */
    const char *topk_method;           /* where config.json is silent: "greedy" has no groups */
    int group_best;                    /* a group of experts counts as the sum of so many of its best */
    bool score_mscale;                 /* yarn's mscale_all_dim changes the scale of attention's scores */
    const struct arch_key *keys;       /* ends with a NULL name, as do the others */
    const struct arch_weight *weights; /* in the order of model_weight; rows of a layer stand together */
    const struct arch_demand *demands;
    const char *const *ignored; /* tensors that a checkpoint may hold and that mean nothing */
    /* Copies of SLOT_EMBED and SLOT_HEAD that files have in layers behind the last; or NULL. */
    const char *copy_embed, *copy_head;
};
const struct arch *const *arch_all(void); /* NULL at the end */
/* By model_type, or by GGUF's metadata; an error lists what there is. `what` names the file. */
const struct arch *arch_find(const char *model_type, const char *what, struct err *e);
const struct arch *arch_find_gguf(const json_t *meta, const char *what, struct err *e);
/* The metadata key "ARCH.key" of an architecture that GGUF has; NULL where it is not there. */
json_t *arch_meta(const struct arch *a, const json_t *meta, const char *key);
/* Is that key of the description also given by another row, which GGUF has? */
bool arch_said(const struct arch *a, const struct arch_key *k);

/* ---- configuration (config.c, rope_scaling.c) ---------------------------------------------------------- */

/* Read and check. raw is borrowed (a reference is kept). c may be released after a failure. */
int config_parse(struct model_config *c, json_t *raw, const char *what, struct err *e);
void config_copy(struct model_config *to, const struct model_config *from);
void config_release(struct model_config *c);
/* Is the weight of this row there under this configuration, in this layer? */
bool config_has(const struct model_config *c, const struct arch_weight *w, int layer);
/* Is this "quantization_config" the one whose files are read? */
bool config_is_fp8(const json_t *quantised);
/* Does a layer hold experts? */
bool config_is_mixture(const struct model_config *c, int layer);
/* Is that "when" a key of config.json, not a condition? */
bool config_is_key(const char *when);
/* Layers of the description: with those behind the last (mtp). */
int config_all_layers(const struct model_config *c);
/* Does a layer see only a window; does rope turn its heads? */
bool config_slides(const struct model_config *c, int layer);
bool config_turns(const struct model_config *c, int layer);
/* A size by its symbol (arch_weight.shape). */
int config_size(const struct model_config *c, char symbol);

/* rope_parameters and rope_scaling of c->raw over what the keys have set: rope_theta, local_theta,
 * rope_scaling. */
#define ROPE_THETA_MIN 1.01
#define ROPE_THETA_MAX 1e12
int rope_config(struct model_config *c, const char *what, struct err *e);
/* inv_freq[dim/2], each rounded to float, for heads of which dim numbers turn; scaling as rope_config left it
 * or NULL. Returns the factor on cos and sin. */
float rope_frequencies(double theta, const json_t *scaling, int dim, double *inv_freq);
/* By what DeepSeek multiplies the scale of its scores: (0.1 mscale_all_dim ln(factor) + 1)^2, else 1. */
double rope_score_factor(const json_t *scaling);
/* The "llama3" scaling from this original context that gives these divisors of inv_freq (GGUF's rope_freqs),
 * or NULL. */
json_t *rope_scaling_from_divisors(const float *divisors, int n, double theta, double original);

/* ---- the model ----------------------------------------------------------------------------------------- */

struct block_ctx { /* what one layer's run needs besides its input; lives until backward */
    struct model *model;
    const struct batch *batch;
    int layer;
};

struct layer {
    struct weight *w[SLOT_COUNT]; /* NULL: the step is left out */
    struct attn attn;
    const struct rope *rope;        /* one of the model's; NULL: not turned */
    struct weight **expert_weights; /* [3][experts]: gate, up, down; NULL in a dense layer */
};

struct placed { /* what the description says of a weight, and its type in the file it came from */
    const struct arch_weight *row;
    int layer, expert;
    enum dtype dtype;
};

struct fp8_scales {   /* of a matrix in a file (fp8.c) */
    const uint8_t *p; /* NULL: it has none */
    int64_t across;   /* blocks of 128 columns in a row */
};

/* Where a file has a weight's numbers. */
struct weight_place {
    const struct tensor_info *t;
    int64_t row;                    /* the first of all rows that t has */
    int head_dim;                   /* rows of each head interleave the pairs; 0: they do not */
    const struct tensor_info *keys; /* GGUF splits kv_b: t has each head's rows for values, keys its columns
                                     * for keys, [heads, kv_rank, nope_dim]; NULL: all is in t */
};

struct stored_keys { /* rows of kv_b that a file has as columns; p NULL: it does not */
    const uint8_t *p;
    const struct dtype_info *dtype;
    size_t row_bytes;
    int rank, n, n_values; /* columns of kv_b; each head's rows for keys, for values */
};

struct stored_tensor { /* the form of a weight that stays in its file (stored.c) */
    struct stored face;
    const uint8_t *p;
    const struct dtype_info *dtype;
    size_t row_bytes;
    int cols;
    int head_dim; /* as in struct weight_place */
    struct fp8_scales scales;
    const struct narrow *narrow; /* narrow.c; NULL: panels are float32 */
    struct stored_keys keys;
    const struct file_map *map;
    size_t bytes; /* from p to the end of the tensor that it is part of */
};

struct lora_weight { /* what a weight of an adapter is */
    int base;        /* weight of the description that it belongs to */
    enum { LORA_A, LORA_B, LORA_MAGNITUDE, LORA_WHOLE } part;
};

struct lora { /* lora.c */
    struct lora_config config;
    struct weight *weights;     /* [n] */
    struct lora_weight *placed; /* [n] */
    int n;
    struct adapter *adapters; /* [n_adapters] */
    int n_adapters;
    size_t n_floats; /* of data, and of grad */
    float *data, *grad, *norms;
    float *first; /* [n_floats] what was read from files, for the reference; NULL: the adapter is new */
    bool on;
    char base_hash[65]; /* of the weights that stay; "": not known yet */
};

struct held { /* the form of a matrix in few bits (held.c) */
    struct stored face;
    int cols;
    const float *table; /* [16] what 4 bits stand for */
    uint8_t *codes, *nested;
    float *scales, mean;
};

struct merged_view { /* the form of a matrix of a merged model (lora_merge.c) */
    struct stored face;
    const struct weight *w;
};

/* What a weight takes in a block of weights or gradients: each starts on a multiple of 16 floats. */
static inline size_t block_floats(const struct weight *w)
{
    return ((size_t)w->rows * (size_t)w->cols + 15) / 16 * 16;
}

struct overlay {    /* gradients of layers among activations: grads.c */
    size_t *before; /* [layers + 1] floats of the layers before each; NULL: they lie with all others */
    size_t begin;   /* where in step memory */
    float *grads;   /* there, once it is; before, plans learn `begin` */
};
/* A layer was run by a pass that records. */
void overlay_layer(struct model *m, struct tape *t, int layer);
void model_drop_grads(struct model *m);

struct model {
    struct lora *lora; /* NULL: none */
    struct model_config config;
    char *path;
    json_t *generation; /* generation_config.json, or NULL */
    struct tokenizer *tokenizer;
    int *eos, n_eos;

    struct weight *weights; /* [n_weights] */
    struct placed *placed;  /* [n_weights] */
    int n_weights;
    size_t n_floats, n_grads; /* of data, and of grad */
    float *data, *grad;
    struct overlay overlay;
    bool bf16;                    /* its numbers are (bf16.c) */
    uint16_t *data16;             /* of its matrices, [n_16]; NULL: none */
    size_t n_16;
    char *panels;                 /* of all weights, or NULL */
    struct stored_tensor *stored; /* [n_weights] for those that stay in `file` or lie in data16, or NULL */
    struct stored_draw *draws;    /* [n_weights] for those that are drawn whenever they are read, or NULL */
    struct tensor_file *file;     /* owned; shared with copies */
    struct held *held;            /* [n_weights] for those that are held in few bits, or NULL */
    struct merged_view *views;    /* [n_weights] of a merged model, whose tokenizer is another's; or NULL */

    struct weight *outer[SLOT_COUNT]; /* those outside the layers */
    struct layer *layers;             /* [config_all_layers] */
    double *inv_freq;                 /* [2][head_dim / 2] */
    struct rope rope, local_rope;     /* local: of sliding layers, where they have their own */
    struct weight **expert_weights;   /* [config_all_layers][3][experts], NULL without */
    struct route route;
    struct block_ctx *plan; /* [config_all_layers] of a planning pass, whose arena must not be written */
};

/* A row's name in a layer: '*' becomes the number, '#' the expert's. Caller frees. */
char *arch_name(const char *pattern, int layer, int expert);
/* A model of m's configuration, without layout. */
struct model *model_shape(const struct model *m);
/* Names, shapes and slots of all weights from m->config; no numbers yet. */
void model_layout(struct model *m);
/* What config.json says that numbers which are not quantised are stored as. */
enum dtype model_plain_dtype(const struct model *m);
/* The block of numbers of all weights that are not stored, unset. Fails when it is more than the machine's
 * memory. */
int model_allocate(struct model *m, struct err *e);
/* Loaded with these flags, does weight i stay in its file, or is it held in few bits? */
bool model_stays_in_file(const struct model *m, int i, int flags);
/* Is weight i, or the one that it copies, the second factor of products? */
bool model_multiplies(const struct model *m, int i);
/* Memory for the panels of all weights that are multiplied (stored ones only with `stored`): in one piece, so
 * that it takes large pages. */
int model_place_panels(struct model *m, bool stored, struct err *e);
/* Matrices from normal(0, init_range), norms 1, biases 0. Those that are stored draws are left alone. */
void model_draw(struct model *m, uint64_t seed);
/* Allocate, and take every weight from the file; whatever else the file holds is an error. flags: of
 * model_load. */
int model_fill(struct model *m, struct tensor_file *f, int flags, struct err *e);
int model_save_sharded(struct model *m, const char *dir, const char *dtype, const char *card,
                       uint64_t shard_bytes, struct err *e);

/* Its place in the model: a slot, which a copy may stand in. */
struct weight **weight_slot(struct model *m, int i);

/* ---- adapters (lora_config.c, lora_names.c, lora.c, lora_files.c) -------------------------------------- */

#define LORA_ALL_LINEAR "all-linear"
#define LORA_ALPHA_MAX  1e6
enum { LORA_RANK_MAX = 1 << 16 };

/* From adapter_config.json. c may be released after a failure. */
int lora_config_parse(struct lora_config *c, const json_t *o, const char *what, struct err *e);
int lora_config_check(const struct lora_config *c, const char *what, struct err *e);
json_t *lora_config_json(const struct lora_config *c);
/* The rank of a module's B A, and what is multiplied with it. */
int lora_config_rank(const struct lora_config *c, const char *module);
double lora_config_scale(const struct lora_config *c, const char *module);
/* o's rank_pattern (`whole`) or alpha_pattern; the number for a module; as a new reference. */
struct lora_patterns *lora_patterns_read(const json_t *o, const char *key, bool whole, struct err *e);
double lora_patterns_value(const struct lora_patterns *p, const char *module, double otherwise);
json_t *lora_patterns_json(const struct lora_patterns *p);
void lora_patterns_free(struct lora_patterns *p);
/* Is a copy of the module trained; is an adapter wanted for it? used[i] is set where item i of the list of
 * targets meant it. */
bool lora_saves(const struct lora_config *c, const char *module);
bool lora_names_module(const char *name, const char *module); /* whole, or its end behind a dot */
struct lora_targets;
struct lora_targets *lora_targets_new(const struct lora_config *c, struct err *e);
bool lora_targets_match(struct lora_targets *t, const char *module, bool *used);
void lora_targets_free(struct lora_targets *t);

struct lora_mark {
    int rank;   /* of the adapter; 0: none */
    bool whole; /* a copy is trained */
};
/* Lay out m->lora, whose config is set, and put it in: marks [n_weights], and whether a tied output matrix
 * gets a copy of its own. Numbers are unset but for the copies, which are filled. */
void lora_layout(struct model *m, const struct lora_mark *marks, bool head);
/* May the weight have an adapter? Its module's name into out [ARCH_NAME_MAX]. */
bool lora_fits(const struct model *m, int i);
void lora_module(const struct model *m, int i, char *out);
void lora_free(struct lora *l);
/* Give the model the adapter of a folder. */
int lora_load(struct model *m, const char *dir, struct err *e);

void lora_train(struct lora *l, bool on); /* gradients, or none */

/* ---- saving (save.c) ----------------------------------------------------------------------------------- */

/* A folder with what `write` puts into it, tokenizer, generation_config.json and card (NULL: none); written
 * under another name and renamed as a whole. */
struct save_how {
    const char *card;
    int (*write)(const struct model *m, const char *dir, const void *ctx, struct err *e);
    const void *ctx;
};
int save_folder(struct model *m, const char *dir, const struct save_how *how, struct err *e);

/* ---- few bits (held.c) --------------------------------------------------------------------------------- */

/* Do flags say so (MODEL_NF4 ...)? Quantise weight i, which is stored otherwise, if it is a matrix of the
 * layers; what it takes then (0: it is left alone). */
bool model_holds(int flags);
int model_hold(struct model *m, int i, int flags, struct err *e);
size_t held_bytes(const struct model *m, int i, int flags);
void held_release(struct model *m);

/* ---- bfloat16 that may learn (bf16.c) ------------------------------------------------------------------ */

/* Laid out, m's numbers are to be bfloat16's from now on. */
void bf16_mark(struct model *m);
/* Its matrices lie in this block (NULL: nowhere yet); returns of how many numbers. */
size_t bf16_point(struct model *m, uint16_t *block);

/* ---- stored weights (stored.c) ------------------------------------------------------------------------- */

/* The row of a file that interleaves the pairs of each head, for a row of the weight. */
int rotary_row(int row, int head_dim);
/* What lies at a place in f, which was checked and must outlive s. */
void stored_init(struct stored_tensor *s, const struct tensor_file *f, const struct weight_place *at);
/* A matrix in memory, where s->p will say. */
void stored_in_memory(struct stored_tensor *s, enum dtype t, int cols);

/* Where row `row` of the weight begins. */
const uint8_t *stored_row(const struct stored_tensor *s, int row);
/* Its pages leave this process's memory until they are read again. */
void stored_forget(const struct stored_tensor *s);
/* Give it panels as narrow as its type, where there are such (narrow.c). */
void narrow_init(struct stored_tensor *s, enum dtype t);

/* A matrix as model_draw fills it, worked out whenever it is read: a model of any size to be written. */
struct stored_draw {
    struct stored face;
    int index, cols; /* weight number, and its columns */
    uint64_t seed;
    float std;
};
void stored_draw_init(struct stored_draw *s, const struct model *m, int index, uint64_t seed);

/* ---- tensor files -------------------------------------------------------------------------------------- */

struct dtype_info {
    const char *name;                                          /* as safetensors or ggml spells it */
    bool safetensors;                                          /* safetensors has it */
    int ggml;                                                  /* ggml_type, or -1 */
    int block, bytes;                                          /* elements in a block, and its size */
    void (*decode)(const uint8_t *p, size_t blocks, float *y); /* NULL: can be listed but not read */
    void (*encode)(const float *x, size_t blocks, uint8_t *p); /* NULL: is not written */
    double max;                                                /* the largest number that encode takes */
};
const struct dtype_info *dtype_info(enum dtype t);
int dtype_find(const char *name);   /* by safetensors' name; -1 */
int dtype_find_ggml(uint32_t type); /* -1 */

/* The 5-bit value of element j < 32 of a block: a nibble of qs and bit j of qh. */
int five_bits(const uint8_t *qh, const uint8_t *qs, int j);
/* Encoders of the quantised types that are written (quantise.c). */
void q8_0_encode(const float *x, size_t blocks, uint8_t *p);
void q5_0_encode(const float *x, size_t blocks, uint8_t *p);
void q4_k_encode(const float *x, size_t blocks, uint8_t *p);
void q6_k_encode(const float *x, size_t blocks, uint8_t *p);

enum tensor_format { FORMAT_SAFETENSORS, FORMAT_GGUF, FORMAT_LLAMA2C };

struct tensor_file {
    char *path;
    enum tensor_format format;
    struct file_map *maps; /* [n_maps] */
    char **map_paths;
    int n_maps;
    bool borrowed; /* maps[0] belongs to the caller */
    struct tensor_info *tensors;
    int n, cap;
    int *by_name; /* indices of tensors, sorted by name */
    json_t *meta;
    const struct arch *gguf; /* names are GGUF's of this architecture; NULL: Hugging Face's */
    bool permuted;           /* rows of rotary weights interleave the pairs */
    int users;               /* models whose weights lie here, besides the one that opened it */
};

/* After a sweep over many tensors: the pages of the files leave this process's memory until they are read
 * again. Nothing happens to bytes in memory, or without a file. */
void tensor_file_forget(const struct tensor_file *f);
/* From bytes in memory, which must outlive the reader: safetensors or GGUF by their first bytes. */
struct tensor_file *tensor_file_from_bytes(const uint8_t *p, size_t n, const char *what, struct err *e);
/* Append a tensor (the name is copied). shape, dtype and file are set; bytes is worked out and checked. The
 * offset counts from the start of the file. */
int tensor_file_add(struct tensor_file *f, const struct tensor_info *t, struct err *e);
/* Number of elements of all dimensions, or -1 when it does not fit 62 bits. */
int64_t shape_count(const int64_t *shape, int n_dims);

/* ---- writing (tensor_write.c, safetensors.c, gguf_write.c) -------------------------------------------- */

/* n numbers: `data`, or else rows of a weight. `rows`: how rows row..row+n-1 of the file come from it, where
 * they are not simply its own. */
struct tensor_source {
    size_t n;
    const float *data;
    const struct weight *weight;
    void (*rows)(const struct tensor_source *s, int row, int n, float *x);
    int cols;     /* of a row in the file; 0: as the weight has */
    int head_dim; /* gguf_tensors.c: the three functions it has for `rows` ask for these */
    struct weight *const *experts;
    int n_keys, n_values;
    bool plus_one;           /* a weight's numbers are written 1 more than they are */
    const float *fp8_scales; /* of a weight that is written as F8_E4M3 */
    const void *bytes;       /* instead of numbers: as they are to lie in the file */
};
/* A tensor to be written, in a type that is written. */
struct tensor_out {
    const char *name;
    enum dtype dtype;
    int n_dims;
    int64_t shape[4];
    struct tensor_source source;
};
/* The tensors of a GGUF file in this format (a row of model_save_gguf's table), in its order; the layers
 * behind the last are left out. The caller frees each name and the list, which has room for one more. */
struct gguf_format {
    const char *name;
    int file_type; /* general.file_type */
    enum dtype type;
    enum { GGUF_ONE_TYPE, GGUF_KEEP, GGUF_MIX } how;
};
struct tensor_out *gguf_tensors(const struct model *m, const struct gguf_format *f, int *n);
/* Append its numbers. */
int tensor_write(struct file_out *o, const struct tensor_out *t, struct err *e);
/* A safetensors file of F32, F16 and BF16. Atomic. */
int safetensors_write_all(const char *path, const struct tensor_out *t, int n, struct err *e);

/* ---- fp8.c: matrices of 8-bit floats with scales ------------------------------------------------------- */

void fp8_decode(const uint8_t *p, size_t blocks, float *y); /* without scales */
/* Give every F8_E4M3 matrix of an indexed file its scales, if they are there. */
int fp8_link(struct tensor_file *f, struct err *e);
struct fp8_scales fp8_scales_of(const struct tensor_file *f, const struct tensor_info *t);
/* y is columns col..col+n-1 of a row; col is a multiple of 128. Multiply it. */
void fp8_scale(const struct fp8_scales *s, int64_t row, int64_t col, int64_t n, float *y);
/* Shape of the scales of a matrix. */
void fp8_scale_shape(const int64_t shape[2], int64_t scales[2]);
/* Scales for a weight; caller frees. */
float *fp8_scales_make(const struct weight *w);
/* Rows row..row+n-1, x [n, cols], of a weight with these scales. */
void fp8_encode(const float *x, int64_t row, int64_t n, int64_t cols, const float *scales, uint8_t *y);
json_t *fp8_config(void); /* "quantization_config" of what is written */
/* Is weight i one that an fp8 checkpoint holds in 8 bits (the layers' matrices, but routers and such)? */
bool fp8_holds(const struct model *m, int i);

/* Parsers of map number `file`; each adds tensors and says what is wrong. */
int safetensors_parse(struct tensor_file *f, int file, struct err *e);
int safetensors_parse_folder(struct tensor_file *f, const char *index_path, struct err *e);
int gguf_parse(struct tensor_file *f, struct err *e);
int llama2c_parse(struct tensor_file *f, struct err *e);
int tensor_file_map(struct tensor_file *f, const char *path, struct err *e); /* its number, or -1 */

/* A config.json that Hugging Face accepts, and the tokenizer, from metadata. */
json_t *gguf_config(struct tensor_file *f, struct err *e);
/* *out stays NULL when the file has none. */
int gguf_tokenizer(struct tensor_file *f, struct tokenizer **out, struct err *e);
json_t *llama2c_config(struct tensor_file *f, struct err *e);
int llama2c_tokenizer(struct tensor_file *f, int vocab, struct tokenizer **out, struct err *e);

#endif
