/* op.h: tensors, the tape, the batch, and one function per op.
 *
 * Shapes: N rows (tokens) of a batch, D hidden, H query heads, KV key/value heads, hd head size, I
 * intermediate, V vocabulary. Everything is float32 and row-major. An activation is [N, columns].
 *
 * Tape: ops run at once. When the tape records, each leaves a node; tape_backward walks the nodes in reverse
 * and adds into gradients. A tape lives in one arena (step memory). When the arena is a plan (arena.h), ops
 * only work out shapes and sizes and touch no data: the memory of a step is known before it runs.
 *
 * Registry: each op file exports one const struct op (op_rmsnorm, ...); OP_LIST in op_list.h names them. The
 * struct carries name, formula and test cases, so that one test walks the list with finite differences.
 */
#ifndef OP_OP_H
#define OP_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/rng.h"
#include "kern/kern.h"

/* ---- tensors ------------------------------------------------------------------------------------------- */

struct grad_buffer; /* tape.c */
struct fleeting;
struct tensor {
    int rows, cols;
    float *data;     /* NULL: see tape_data, or an op's result took the memory over */
    float *grad;     /* what has arrived so far in backward; NULL: nothing yet. Read only: see op_int.h */
    bool wants_grad; /* false: nothing above it can learn, so backward does not go there */
    struct grad_buffer *buffer, *spare;
    struct fleeting *fleeting;
};

/* A frozen weight may stay as a file holds it (16 bits, quantised, ...). tile gives, as float32 [n, cols],
 * columns col..col+cols-1 of rows row..row+n-1: from any thread, always the same bits. col is a multiple of
 * STORED_COLS; col + cols is one too, or the end of the rows. Whoever implements it puts struct stored first
 * in a struct of its own. */
enum { STORED_COLS = 256 };
struct stored {
    void (*tile)(const struct stored *s, int row, int n, int col, int cols, float *out);
    /* The form of panels that keeps what is stored in as many bits, and how to make the one of rows
     * row..row+n-1, n being KERN_PANEL or less at the end (NULL: KERN_F32, made from tiles). False: some
     * number is not finite. */
    enum kern_form form;
    bool (*pack)(const struct stored *s, int row, int n, void *panel);
};

/* A low-rank change of a frozen matrix W (adapter.c): products with W are products with W + scale B A, and
 * with a magnitude m (DoRA) rows of that are scaled to the lengths m. Owned by the model, as are its weights.
 */
struct weight;
struct adapter {
    bool on;              /* false: as if it were not there */
    struct weight *a, *b; /* [r, in], [out, r] */
    float scale;
    float dropout;            /* of x on its way to A, where the batch says that there is dropout */
    uint32_t module;          /* its number, for dropout */
    struct weight *magnitude; /* [1, out], or NULL */
    float *norms;             /* [out] lengths of the rows of W + scale B A; with a magnitude */
    uint32_t norms_of[2];     /* `changes` of a and b that they belong to */
};

/* A parameter: [rows, cols] as Hugging Face stores it ([out, in] for a linear layer, [V, D] for an embedding,
 * [1, D] for a norm or bias). Owned by the model. */
struct weight {
    const char *name; /* Hugging Face name */
    int rows, cols;
    float *data;
    const struct stored *stored; /* instead of data (then NULL, like grad but for data16): a matrix or a
                                  * table. Products and look-ups decode what they need and give the bits that
                                  * the same numbers in data would */
    uint16_t *data16;    /* what `stored` reads, as bfloat16, where it is memory that may be written */
    bool bf16;           /* its numbers are bfloat16's, in data16 or in data: what is written is rounded */
    float *grad;         /* NULL when frozen or not training; accumulated into, the trainer zeroes it */
    void *panels;        /* packed for y = x W^T, or NULL: then matmul packs into step memory */
    enum kern_form form; /* of panels */
    bool panels_fresh;
    bool panels_supposed;    /* a plan counts as if there were fresh ones */
    bool panels_lent;        /* they lie in a block of the owner's, who set them */
    uint32_t changes;        /* counts weight_changed, from 1 on */
    struct adapter *adapter; /* of a matrix that does not learn itself, or NULL */
    bool plus_one;           /* of a norm: it counts as 1 more than is stored (Gemma) */
    float cap; /* of an output matrix: logits are cap * tanh(z / cap) (Gemma 2); 0: as they are */
};
/* Rows row..row+n-1 as float32 [n, cols], whatever the form. */
void weight_rows(const struct weight *w, int row, int n, float *out);
/* The other way, into memory: rounded to the nearest where the weight is bf16. */
void weight_set_rows(struct weight *w, int row, int n, const float *x);
/* The same of what the weight's adapter makes of it. */
void weight_adapted_rows(const struct weight *w, int row, int n, float *out);
/* Give the weight persistent panels, or renew them after an update: of float32, or in the form that a stored
 * weight names. Returns the first row of a stored weight that holds a number that is not finite (then it has
 * no panels), or -1. */
int weight_pack(struct weight *w);
size_t weight_pack_bytes(const struct weight *w);
/* Do its numbers lie in memory, to be packed anew when they have changed? Not those that stay in a file. */
bool weight_packs(const struct weight *w);
/* After its numbers have been changed. */
void weight_changed(struct weight *w);
/* Does a product with it have gradients to add, its own or its adapter's? */
bool weight_learns(const struct weight *w);
void weight_unpack(struct weight *w);

/* ---- the batch ----------------------------------------------------------------------------------------- */

/* A span is a run of consecutive rows of the batch that belong to one sequence. Its keys are: those of its
 * parent chain (a prompt that several completions share), then its own. Row r of the span has position
 * first_pos + r within its sequence, and attends to positions 0..its own.
 *
 * Without a cache (training, scoring): parent is the index of an earlier span, whose first_pos + len must
 * equal this span's first_pos; -1 for none (then first_pos is 0). Chains may be BATCH_DEPTH_MAX deep. With a
 * cache (generation): blocks is the sequence's block table; keys of positions before first_pos are already in
 * the cache, this span's are written to it, parent is -1. */
enum { BATCH_DEPTH_MAX = 8 };
struct span {
    int row, len; /* rows row..row+len-1 */
    int first_pos;
    int parent;
    const int *blocks; /* NULL without a cache; block b holds positions b*KERN_KEYS .. */
};
struct kv_cache;
struct moe_record;
struct activations;
struct aside { /* where a batch's rows are put aside, or taken from: activations.c */
    struct activations *of;
    int n;
    const int *rows; /* [n] their numbers; -1, in a pass that does not record: not put aside */
};
struct noise {                 /* on the embeddings of a batch: noise.c */
    struct rng_at at;          /* seed, purpose, step */
    const uint32_t *sequences; /* [n_spans] */
    const float *widths;       /* [n_spans] */
};
struct dropout {               /* of adapters, in a pass that trains: adapter.c */
    struct rng_at at;          /* seed, purpose, step */
    const uint32_t *sequences; /* [n_spans] */
};
struct batch {
    int n_rows;
    const int *tokens; /* [n_rows] */
    int n_spans;
    const struct span *spans;   /* in row order, covering all rows */
    struct kv_cache *cache;     /* NULL: attention reads keys from the batch itself */
    struct moe_record *moe;     /* model.h; NULL: none */
    const struct noise *noise;  /* NULL: none */
    const struct dropout *drop; /* NULL: none */
    const struct aside *aside;  /* NULL: nothing is put aside or taken */
};
/* Shape and index checks; aborts on a broken batch (a programming error). */
void batch_check(const struct batch *b);

/* Keys and values of all layers in blocks of KERN_KEYS positions. Block layout, per layer and kv head: K
 * transposed [hd][KERN_KEYS], then V [KERN_KEYS][vd], just what the attention kernel reads; a latent
 * attention's block is K alone. width: floats of one position and kv head, hd + vd or hd. Memory that nothing
 * was put to is unset. */
struct kv_cache {
    int n_layers, n_kv, width, n_blocks;
    float *data;
};
struct kv_cache *kv_cache_new(int n_layers, int n_kv, int width, int n_blocks, struct err *e);
void kv_cache_free(struct kv_cache *c);
size_t kv_cache_bytes(int n_layers, int n_kv, int width, int n_blocks);
/* Copy block `from` onto block `to` in all layers (copy on write of a shared, partly filled block). */
void kv_cache_copy(struct kv_cache *c, int from, int to);

/* ---- the tape ------------------------------------------------------------------------------------------ */

/* Everything that ops are given by pointer (batch, spans, ids, rope, ...) must stay as it is until backward
 * is done, or until the next tape_start. Data lies in the borrowed arena; tensor headers, nodes and small
 * tables lie in memory of the tape's own (tape_own_bytes: a few hundred bytes a node), which is real in a
 * plan too. */
struct tape;
struct tape *tape_new(struct arena *arena); /* borrowed arena; the tape itself is freed with tape_free */
void tape_free(struct tape *t);
void tape_start(struct tape *t, bool record); /* forget everything; arena is reset */
bool tape_recording(const struct tape *t);
bool tape_planning(const struct tape *t);
struct arena *tape_arena(struct tape *t);
size_t tape_own_bytes(const struct tape *t);
struct tensor *tape_tensor(struct tape *t, int rows, int cols); /* data not zeroed; wants no gradient */
/* The numbers of x. A few ops' results are fleeting: they cost little beside the products that read them, so
 * they are not kept for backward but worked out again. Those that read them (op_linear, op_experts) do so by
 * this; where it gives one fleeting result, another of the same size is gone. Not in a plan. */
const float *tape_data(struct tape *t, struct tensor *x);
/* Zeroed gradient of y to fill before tape_backward; at most once for each y. */
float *tape_seed(struct tape *t, struct tensor *y);
/* Back from all seeded tensors. A tensor's gradient is gone as soon as it has been passed on (its memory is
 * used again); those of weights, and of tensors that no op made, stay. */
void tape_backward(struct tape *t);
/* Backward calls f when it comes back to here, if it comes (not in a plan). */
void tape_at_return(struct tape *t, void (*f)(void *ctx, int number), void *ctx, int number);

/* Run f now without recording and keep only its input; during backward run it again, recording, and go back
 * through it. f must be a pure function of x, ctx and weights, and must return a new tensor of x's shape.
 * When the tape does not record, this still frees at once what f made, so run layers through it always.
 * (Chen et al. 2016, "Training deep nets with sublinear memory cost".) */
typedef struct tensor *(*tape_block)(struct tape *t, struct tensor *x, void *ctx);
struct tensor *tape_checkpoint(struct tape *t, tape_block f, struct tensor *x, void *ctx);

/* ---- activations.c: a forward pass that need not be done again ----------------------------------------- */

/* From here to the end, results of ops are put aside by their batch's rows (when the tape does not record),
 * or taken from there and not worked out (when it does; not within a checkpoint). The rest of the pass must
 * be the same: the same ops on the same tokens under the same weights. In a plan that does not record, the
 * store learns which results there are. */
void tape_aside_begin(struct tape *t, const struct aside *rows);
void tape_aside_end(struct tape *t);

struct activations *activations_new(void); /* then planned, then limited */
void activations_free(struct activations *a);
/* Memory for so many rows; and how much of it was ever used. */
size_t activations_bytes(const struct activations *a, size_t rows);
size_t activations_taken(const struct activations *a);
bool activations_limit(struct activations *a, size_t bytes); /* false: there is no such memory */
bool activations_have(const struct activations *a, int n);   /* are n more rows to be had? */
int activations_add_row(struct activations *a); /* the number of one that is nobody's */
void activations_give_back(struct activations *a, const int *rows, size_t n); /* -1: none */
void activations_clear(struct activations *a);                                /* all are given back */

/* ---- ops ----------------------------------------------------------------------------------------------- */

struct tensor *op_embed_run(struct tape *t, struct weight *table, const int *ids, int n);
/* x with the batch's noise added. */
struct tensor *op_noise_run(struct tape *t, struct tensor *x, const struct batch *b);
/* y = x W^T + bias. bias [1, out] may be NULL. */
struct tensor *op_linear_run(struct tape *t, struct tensor *x, struct weight *w, struct weight *bias);
/* The same of x whose rows are those of b, which says whether W's adapter has dropout. */
struct tensor *op_linear_of_batch(struct tape *t, struct tensor *x, struct weight *w, struct weight *bias,
                                  const struct batch *b);
/* Several of one x, y[i] = x W_i^T + bias_i: the same as one by one, in order, but threads meet once. */
struct linear_of {
    struct weight *w, *bias;
};
void op_linears_run(struct tape *t, struct tensor *x, const struct linear_of *of, int n,
                    const struct batch *b, struct tensor **y);
/* w [1, D]. x may be [N, D], or [N, heads*D]: then each head is normalised for itself. */
struct tensor *op_rmsnorm_run(struct tape *t, struct tensor *x, struct weight *w, float eps);
/* The same; the result is fleeting. */
struct tensor *op_rmsnorm_fleeting(struct tape *t, struct tensor *x, struct weight *w, float eps);
/* a + b in b's memory: nothing may read b afterwards. */
struct tensor *op_add_run(struct tape *t, struct tensor *a, struct tensor *b);
struct tensor *op_scale_run(struct tape *t, struct tensor *x, float factor);
/* Both are fleeting. */
struct tensor *op_swiglu_run(struct tape *t, struct tensor *gate, struct tensor *up);
struct tensor *op_geglu_run(struct tape *t, struct tensor *gate, struct tensor *up);
/* In x's memory: nothing may read x afterwards. Rows of x hold heads side by side [N, heads*hd]; positions
 * come from the batch. Pairs are (i, i + hd/2), or interleaved, (2i, 2i+1); the result's halves are the
 * pairs' first and second elements in either case.
 * inv_freq[hd/2]; cos and sin are formed in double (fmath.h) from float angle products, rounded to float,
 * times attn_factor (as transformers does it). The table is made once per batch and kept by the tape. */
struct rope {
    int hd;
    const double *inv_freq;
    float attn_factor;
    bool interleaved;
};
struct tensor *op_rope_run(struct tape *t, struct tensor *x, const struct batch *b, const struct rope *r);
/* Causal attention over the batch's spans; q [N, H*hd], k [N, KV*hd], v [N, KV*vd]; result [N, H*vd]. Query
 * head h reads kv head h / (H/KV). With a cache, k and v are first written to layer `layer` of it. v may be
 * NULL (latent attention): then a row's values are the first vd columns of its keys. */
struct attn {
    int n_heads, n_kv, hd, vd, layer;
    float scale;
    int window; /* keys that a query sees, itself and those just before it; 0: all of them */
    float cap;  /* scores are cap * tanh(s / cap) (Gemma 2); 0: as they are */
};
struct tensor *op_attention_run(struct tape *t, struct tensor *qkv[3], const struct batch *b,
                                const struct attn *a);

/* Columns from..from+n-1 of each of `heads` heads side by side; two tensors joined head by head; each head
 * through its own rows of one weight (headwise.c): with W_h = rows first..first+n-1 of the head's share of
 * the rows, x_h W_h, where x_h are the first n columns of the head, or across, x_h W_h^T. */
struct tensor *op_slice_run(struct tape *t, struct tensor *x, int heads, int from, int n);
struct tensor *op_join_run(struct tape *t, struct tensor *a, struct tensor *b, int heads);
struct headwise {
    struct weight *w;
    int heads, first, n;
    bool across;
};
struct tensor *op_headwise_run(struct tape *t, struct tensor *x, const struct headwise *how);

/* Mixture of experts, in three ops. z [N, E] are the router's logits (a linear layer's result).
 * op_route_run: which experts each row goes to and with what weight (route.c has the formula; of equal scores
 * the lowest index wins). bias [1, E], or NULL, is added for the choice alone and gets no gradient. Gradients
 * go through the chosen scores and their sum.
 *   DeepSeek-V3: sigmoid, groups, group_best 2, normalise, bias;  V2: softmax, group_best 1, not normalised;
 *   Qwen3-MoE: softmax, normalise as config.json says;  Mixtral's softmax over the chosen logits is softmax
 *   with normalise.
 * op_experts_run: y_r = sum_j gate_rj Down_j (silu(Gate_j x_r) * Up_j x_r), added in ascending order of the
 * experts: a row's bits do not depend on the other rows. Only experts that some row chose are read.
 * op_balance_run: for each span (taken as a sequence) of the batch, how unevenly its rows use the experts
 * [n_spans, 1]; op_balance_tie: x again, and when it gets its gradient, every element of term gets `factor`
 * as its own: a loss term from within a layer. */
enum { ROUTE_EXPERTS_MAX = 512 };
enum route_score { ROUTE_SOFTMAX, ROUTE_SIGMOID };
struct route {
    int n_experts, top_k;
    enum route_score score;
    int n_groups, top_groups; /* 1, 1: no limit; groups are runs of n_experts / n_groups */
    int group_best;           /* a group counts as the sum of so many of its largest */
    bool normalise;           /* divide the chosen scores by their sum */
    float scale;
};
struct routing {
    struct tensor *gates; /* [N, top_k] */
    const int *experts;   /* [N, top_k], ascending in each row; step memory */
    int n_experts;
};
struct routing op_route_run(struct tape *t, struct tensor *z, const struct weight *bias,
                            const struct route *how);
struct experts { /* [n] weights each, of the same shapes */
    int n;
    struct weight *const *gate, *const *up; /* [I, D] */
    struct weight *const *down;             /* [D, I] */
};
struct tensor *op_experts_run(struct tape *t, struct tensor *x, const struct routing *r,
                              const struct experts *e);
struct tensor *op_balance_run(struct tape *t, struct tensor *z, const struct batch *b,
                              const struct route *how);
struct tensor *op_balance_tie(struct tape *t, struct tensor *x, struct tensor *term, float factor);

/* Output head fused with log-softmax: for each selected row i of x, logits z = x_row W^T, never all at once.
 * logp_i = z_target/T - lse(z/T), entropy_i of softmax(z/T), and argmax; if it is asked for, also the mean of
 * the log-probs of all V tokens, (1/V) sum z/T - lse. W is [V, D]; with W's cap, z is cap * tanh(z / cap)
 * from there on. With sets, the softmax of row i, and so all of this but the mean, is over its set alone. */
struct head_set {
    const int *ids; /* ascending; the target is among them */
    int n;          /* 0: all V tokens */
};
struct head_known { /* [n] each, by logp, entropy and mean_logp; NULL: 0 */
    const float *logp, *entropy, *mean;
};
struct head_rows {
    int n;
    const int *rows;    /* [n] rows of x */
    const int *targets; /* [n] */
    float temperature;
    bool mean;                   /* want mean_logp; not with sets */
    const struct head_set *sets; /* [n], or NULL */
    /* The loss's derivatives, where they are known before: gradients of x and W are there when the op
     * returns, the bits that tape_seed and tape_backward would give, for a fourth less work. The results
     * must not be seeded then. NULL: they are not known. */
    const struct head_known *known;
};
/* Give z[v], v = first .. first + n - 1, this value where it is not in the set. */
void op_head_keep(const struct head_set *s, float *z, int first, int n, float other);
struct head_out {
    struct tensor *logp;      /* [n, 1], differentiable */
    struct tensor *entropy;   /* [n, 1], differentiable */
    struct tensor *mean_logp; /* [n, 1], differentiable; NULL unless asked for */
    int *argmax;              /* [n] */
    int bad_row;              /* first i whose logits hold NaN or inf, or -1 */
};
struct head_out op_head_run(struct tape *t, struct tensor *x, struct weight *w, const struct head_rows *rows);
/* Plain logits of chosen rows, out [n, V]; no gradient. For the sampler and `logits`. In a plan out may be
 * NULL. */
void op_logits_run(struct tape *t, struct tensor *x, struct weight *w, const int *rows, int n, float *out);

/* ---- registry ------------------------------------------------------------------------------------------ */

struct op {
    const char *name;
    const char *formula;
    /* Build the op on random inputs from case number c (0..n_cases-1) and return a tensor to differentiate;
     * inputs and weights made through op_case_input / op_case_weight are checked against finite differences.
     */
    int n_cases;
    struct tensor *(*build_case)(struct tape *t, int c);
};
struct tensor *op_case_input(struct tape *t, int rows, int cols, float scale);
struct weight *op_case_weight(struct tape *t, int rows, int cols, float scale);
/* What the test sees of a case: the inputs in order of creation, and which element of which input to move by
 * how much. Set it after tape_start and before build_case; without one, a case just runs. */
enum { OP_PROBE_MAX = 8 };
struct op_probe {
    uint32_t seed;
    int leaf;    /* input to disturb, -1: none */
    size_t at;   /* its element */
    float delta; /* added to it */
    int n;       /* inputs made so far */
    struct {
        size_t count;
        float scale;
        struct tensor *tensor; /* or NULL, and then */
        struct weight *weight; /* its grad (tensor's or weight's) is valid until the next tape_start */
    } leaves[OP_PROBE_MAX];
};
void op_case_probe(struct tape *t, struct op_probe *p);
const struct op *const *op_all(void); /* NULL at the end */

/* ---- matmul.c: products on all threads ---------------------------------------------------------------- */

/* C = A * B, split in tiles of C. `after` (or NULL) is called with each finished tile, from the thread that
 * made it: row and col say where in C it begins; it may change the tile's elements. */
typedef void (*matmul_after)(void *ctx, const struct kern_gemm *tile, int row, int col);
void matmul_run(const struct kern_gemm *g, matmul_after after, void *ctx);
/* Several that do not read each other's results, so that threads meet once. */
enum { MATMULS_MOST = 4 };
struct matmul {
    struct kern_gemm g;
    matmul_after after;
    void *ctx;
};
void matmul_run_all(const struct matmul *products, int n);
/* Pack rows of a [n, k] matrix, or a [k, n] matrix as it is; ld is its row stride. */
void matmul_pack_rows(float *panels, const float *b, ptrdiff_t ld, int n, int k);
void matmul_pack_cols(float *panels, const float *b, ptrdiff_t ld, int n, int k);

/* ---- flops.c: how much arithmetic was done ------------------------------------------------------------- */

/* Floating-point operations, two a multiply-add, of all matrix products and of attention since the program
 * began (modulo 2^64: differences count), on all threads: what was worked out, so the columns that fill a
 * panel and the keys that fill a block of scores are in it, blocks that nobody sees are not. The same for any
 * number of threads and any instruction set. To be read between two ops, not beside one that runs. */
struct flops {
    uint64_t products, attention, attention_back;
};
struct flops flops_done(void);

#endif
