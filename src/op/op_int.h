/* op_int.h: what the files of this room share: nodes of the tape, gradients of tensors, threads, products.
 *
 * An op's run function works out its result, and then, when tape_records(t, y) says so, leaves a node: a
 * struct that begins with struct node and holds what backward needs. In backward it asks tape_grad for each
 * input's gradient BEFORE it takes scratch memory behind an arena mark.
 */
#ifndef OP_OP_INT_H
#define OP_OP_INT_H

#include "kern/kern.h"
#include "op/op.h"

/* ---- tape.c: memory ----------------------------------------------------------------------------------- */

/* Tape's own memory: real also in a plan; freed with the scope (checkpoint) in which it was taken. */
void *tape_own(struct tape *t, size_t bytes);
/* Own memory that lives until the next tape_start. */
void *tape_keep(struct tape *t, size_t bytes);
/* Step memory, not zeroed; must not be touched when planning. */
float *tape_floats(struct tape *t, size_t count);

/* Things worked out once per step and kept until the next tape_start (rope tables, attention's plan), found
 * by maker (any address that is the maker's alone) and key bytes (no padding with chance contents). */
void *tape_memo_find(const struct tape *t, const void *maker, const void *key, size_t size);
void tape_memo_add(struct tape *t, const void *maker, const void *key, size_t size, void *value);

struct op_probe *tape_probe(const struct tape *t);

/* ---- tape.c: nodes and gradients ---------------------------------------------------------------------- */

struct node {
    void (*back)(struct tape *t, struct node *n);
    struct node *prev;
    struct tensor *y; /* result; NULL: the op looks after several results by itself */
};
/* Result of an op whose inputs (tensors or weights) want gradients if `wants`. */
struct tensor *tape_result(struct tape *t, int rows, int cols, bool wants);
/* A result that lies where x did; x has no data from then on. */
struct tensor *tape_result_over(struct tape *t, struct tensor *x, bool wants);
/* A fleeting result. tape_data lets make(node, y) work it out when it is asked for and not there; so there is
 * a node even if nothing is recorded. */
typedef void (*tape_make)(const void *node, float *y);
struct tensor *tape_result_fleeting(struct tape *t, int rows, int cols, bool wants);
void *tape_node_fleeting(struct tape *t, size_t size, struct tensor *y,
                         void (*back)(struct tape *, struct node *), tape_make make);
bool tape_records(const struct tape *t, const struct tensor *y);
/* Are results taken from what was put aside? Then ops leave their nodes and work out no result. */
bool tape_takes(const struct tape *t);
bool tape_idle(const struct tape *t); /* so, or in a plan */
/* New last node, `size` bytes, zeroed behind the struct node. back is skipped if y has no gradient. */
void *tape_node(struct tape *t, size_t size, struct tensor *y, void (*back)(struct tape *, struct node *));

/* The buffer to add x's gradient to. *first: it holds nothing yet and must be stored to (every element).
 * NULL if x wants none. */
float *tape_grad(struct tape *t, struct tensor *x, bool *first);
/* The same, zeroed when nothing had arrived. */
float *tape_grad_zeroed(struct tape *t, struct tensor *x);
/* x's gradient is y's own (y = x + ...): share the buffer, or add. */
void tape_grad_pass(struct tape *t, struct tensor *x, const struct tensor *y);
/* x's gradient is y's, changed element for element: if x has none yet and nobody else holds y's buffer, x
 * takes it over and true is returned; the caller then works in place on x->grad. */
bool tape_grad_take(struct tensor *x, const struct tensor *y);
/* y's gradient has been passed on. The tape does it for a node's y. */
void tape_grad_drop(struct tape *t, struct tensor *y);

/* ---- activations.c ------------------------------------------------------------------------------------- */

/* Results of a pass, numbered as they are made, the newest first. Those without data have been taken over. */
struct result {
    const struct tensor *y;
    int number;
    struct result *before;
};
void activations_plan(struct activations *a, const struct result *results);
void activations_put(const struct aside *to, const struct result *results);
void activations_take(const struct aside *from, int number, struct tensor *y);

/* ---- work.c: splitting work --------------------------------------------------------------------------- */

/* Items for `work` steps (about one fused multiply-add of a vector unit each): enough to share among the
 * threads, none so small that waking them costs more; 1..max. Results never depend on it. */
int work_items(double work, int max);
/* Bounds of part i of n of 0..total-1, at multiples of `align`. */
struct range {
    size_t from, to;
};
struct range work_range(size_t total, size_t align, int i, int n);
/* f over ranges of 0..total-1, where one element costs `cost` steps. */
void work_over(size_t total, size_t align, double cost, void (*f)(void *ctx, struct range r), void *ctx);

/* y = a + b, y += a, y = 0, y = x for large arrays, on all threads. */
void work_add(float *y, const float *a, const float *b, size_t n);
void work_zero(float *y, size_t n);
void work_copy(float *y, const float *x, size_t n);

/* ---- flops.c: slots of kern() that are counted, and are called so alone -------------------------------- */

void counted_gemm(const struct kern_gemm *g);
void counted_attn(const struct kern_attn *a);
void counted_attn_back(const struct kern_attn_back *a);

/* ---- factor.c: products with a weight, in whatever form it is ------------------------------------------ */

/* B of C = A B, from rows row..row+n-1 of a weight. A rank or an expert may take a part of the rows. */
struct factor {
    const struct weight *w;
    int row;
    bool by_cols;
    const void *panels; /* all of B; NULL in a plan, and for a stored weight that has none */
    enum kern_form form;
    float *scratch; /* step memory */
};
/* The weight's own panels (of w->form) from this row on for y = x W^T, or NULL. */
const void *factor_panels(const struct weight *w, int row);
/* y = x W^T: C is [m, n], A is [m, w->cols]. */
struct factor factor_rows(struct tape *t, const struct weight *w, int row, int n);
/* dx = dy W: C is [m, w->cols], A is [m, n]. */
struct factor factor_cols(struct tape *t, const struct weight *w, int row, int n);
/* product is C = A B without its panels. */
void factor_product(const struct factor *f, const struct kern_gemm *product, matmul_after after, void *ctx);

/* ---- linear_part.c: the products of a linear layer, for ops that have one inside ---------------------- */

/* Rows first..first+out-1 of W against n rows of x [in] and of y [out], with row strides. Where W has an
 * adapter that is on, W stands for what the adapter makes of it. */
struct linear_part {
    const struct weight *w;
    int first, out, n;
    ptrdiff_t x_row, y_row;
    bool add;                 /* y or dx is added to */
    const struct batch *drop; /* the batch whose rows x has, when the adapter has dropout; else NULL */
};
static inline struct linear_part linear_part_of(const struct weight *w, int n)
{
    return (struct linear_part){.w = w, .out = w->rows, .n = n, .x_row = w->cols, .y_row = w->rows};
}
/* y = x W^T; `after` as for matmul_run. */
void linear_part_forward(struct tape *t, const struct linear_part *p, const float *x, float *y,
                         matmul_after after, void *ctx);
/* Where that is one product with panels that are there, *g becomes it; else false. */
bool linear_part_product(const struct linear_part *p, const float *x, float *y, struct kern_gemm *g);
/* dx = dy W; W.grad += dy^T x, if it has one. */
void linear_part_back_x(struct tape *t, const struct linear_part *p, const float *dy, float *dx);
void linear_part_back_w(struct tape *t, const struct linear_part *p, const float *dy, const float *x);
/* The same products of W alone. */
void matrix_part_forward(struct tape *t, const struct linear_part *p, const float *x, float *y,
                         matmul_after after, void *ctx);
void matrix_part_back_x(struct tape *t, const struct linear_part *p, const float *dy, float *dx);

/* ---- adapter.c: the products of a linear layer whose weight has an adapter ---------------------------- */

void low_rank_forward(struct tape *t, const struct linear_part *p, const float *x, float *y,
                      matmul_after after, void *ctx);
void low_rank_back_x(struct tape *t, const struct linear_part *p, const float *dy, float *dx);
void low_rank_back_w(struct tape *t, const struct linear_part *p, const float *dy, const float *x);
static inline struct adapter *weight_adapter(const struct weight *w)
{
    return w->adapter && w->adapter->on ? w->adapter : NULL;
}

/* ---- scores.c: of experts, and the choice among them --------------------------------------------------- */

/* s = sigmoid or softmax of z [n]. */
void route_scores(float *s, const float *z, int n, enum route_score kind);
/* dz += the scores' gradient ds brought back to the logits. */
void route_scores_back(float *dz, const float *ds, const float *s, int n, enum route_score kind);
/* The top_k experts by c [n_experts], ascending. */
void route_choose(const struct route *how, const float *c, int *experts);

/* ---- batch.c ------------------------------------------------------------------------------------------ */

/* The span that row r belongs to. */
int batch_span_at(const struct batch *b, int row);

#endif
