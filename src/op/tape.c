/* tape.c: nodes in the order in which ops ran, gradients of tensors, and checkpoints.
 *
 * Backward walks the nodes from last to first. When a node's turn comes, every user of its result has been
 * walked, so the result's gradient is complete; after the node has passed it on, its buffer is free for the
 * next gradient of the same size. Buffers are counted references: in a residual connection y = x + f(x) both
 * inputs just hold y's buffer, and who wants to add to a buffer that another holds makes a copy first.
 *
 * Fleeting results of one size share one buffer, which holds the one that was asked for last.
 *
 * A checkpoint is a scope: forward runs f and frees all it made but a copy of its result; backward opens a
 * new scope, records f, walks it and frees it whole. Within the scope nothing may stay behind in its memory,
 * so the gradient of the scope's input gets its buffer (`spare`) before the scope opens.
 *
 * Memory: `data` is the caller's arena (activations, gradients, scratch; only counted in a plan). `own` holds
 * headers and nodes and is real in a plan; `kept` holds what lives for the whole step.
 */
#include <string.h>

#include "base/check.h"
#include "op/op_int.h"

enum { OWN_MAX = 1 << 30, MEMO_KEY_MAX = 96 };

struct grad_buffer {
    float *p;
    size_t count;
    int holders;
    struct grad_buffer *next; /* in the list of free ones */
};

/* Where fleeting results of `count` floats lie, one at a time. */
struct perch {
    float *p;
    size_t count;
    const struct tensor *holds;
    struct perch *next;
};

struct fleeting {
    tape_make make;
    const void *node;
};

struct memo {
    struct memo *next;
    const void *maker;
    size_t size;
    char key[MEMO_KEY_MAX];
    void *value;
};

struct tape {
    struct arena *data;
    struct arena own, kept;
    bool record;
    struct node *last;
    struct grad_buffer *unused;
    struct perch *perches;
    struct memo *memos;
    struct op_probe *probe;
    const struct aside *aside; /* NULL: results are not numbered */
    int n_results;
    struct result *results; /* that are to be put aside when the scope ends */
};

struct tape *tape_new(struct arena *arena)
{
    struct tape *t = alloc_zero(1, sizeof *t);
    t->data = arena;
    arena_init(&t->own, OWN_MAX);
    arena_init(&t->kept, OWN_MAX);
    return t;
}

void tape_free(struct tape *t)
{
    if (!t) return;
    arena_release(&t->own);
    arena_release(&t->kept);
    free(t);
}

void tape_start(struct tape *t, bool record)
{
    arena_reset(t->data);
    arena_reset(&t->own);
    arena_reset(&t->kept);
    t->record = record;
    t->last = NULL;
    t->unused = NULL;
    t->perches = NULL;
    t->memos = NULL;
    t->probe = NULL;
    t->aside = NULL;
    t->results = NULL;
}

bool tape_recording(const struct tape *t)
{
    return t->record;
}

bool tape_planning(const struct tape *t)
{
    return t->data->plan;
}

struct arena *tape_arena(struct tape *t)
{
    return t->data;
}

size_t tape_own_bytes(const struct tape *t)
{
    return t->own.reserved + t->kept.reserved;
}

void op_case_probe(struct tape *t, struct op_probe *p)
{
    p->n = 0;
    t->probe = p;
}

struct op_probe *tape_probe(const struct tape *t)
{
    return t->probe;
}

/* ---- memory ------------------------------------------------------------------------------------------- */

void *tape_own(struct tape *t, size_t bytes)
{
    return arena_alloc(&t->own, bytes);
}

void *tape_keep(struct tape *t, size_t bytes)
{
    return arena_alloc(&t->kept, bytes);
}

float *tape_floats(struct tape *t, size_t count)
{
    return arena_alloc(t->data, count * sizeof(float));
}

void *tape_memo_find(const struct tape *t, const void *maker, const void *key, size_t size)
{
    for (struct memo *m = t->memos; m; m = m->next)
        if (m->maker == maker && m->size == size && !memcmp(m->key, key, size)) return m->value;
    return NULL;
}

void tape_memo_add(struct tape *t, const void *maker, const void *key, size_t size, void *value)
{
    CHECK(size <= MEMO_KEY_MAX, "memo key of %zu bytes", size);
    struct memo *m = tape_keep(t, sizeof *m);
    *m = (struct memo){.next = t->memos, .maker = maker, .size = size, .value = value};
    memcpy(m->key, key, size);
    t->memos = m;
}

/* ---- tensors and nodes -------------------------------------------------------------------------------- */

static size_t tensor_count(const struct tensor *x)
{
    return (size_t)x->rows * (size_t)x->cols;
}

struct tensor *tape_tensor(struct tape *t, int rows, int cols)
{
    CHECK(rows >= 0 && cols > 0, "tensor of %d x %d", rows, cols);
    struct tensor *x = tape_own(t, sizeof *x);
    *x = (struct tensor){.rows = rows, .cols = cols};
    x->data = tape_floats(t, (size_t)rows * (size_t)cols);
    return x;
}

/* Where results have numbers: to be put aside, or there already. */
static struct tensor *result_made(struct tape *t, struct tensor *y)
{
    if (!t->aside) return y;
    int number = t->n_results++;
    if (!t->record) {
        struct result *r = tape_own(t, sizeof *r);
        *r = (struct result){y, number, t->results};
        t->results = r;
    } else if (!tape_planning(t)) {
        activations_take(t->aside, number, y);
    }
    return y;
}

struct tensor *tape_result(struct tape *t, int rows, int cols, bool wants)
{
    struct tensor *y = tape_tensor(t, rows, cols);
    y->wants_grad = wants;
    return result_made(t, y);
}

struct tensor *tape_result_over(struct tape *t, struct tensor *x, bool wants)
{
    CHECK(x->data || tape_planning(t), "the memory of [%d, %d] is taken already", x->rows, x->cols);
    struct tensor *y = tape_own(t, sizeof *y);
    *y = (struct tensor){.rows = x->rows, .cols = x->cols, .data = x->data, .wants_grad = wants};
    x->data = NULL;
    return result_made(t, y);
}

bool tape_records(const struct tape *t, const struct tensor *y)
{
    return t->record && y->wants_grad;
}

bool tape_takes(const struct tape *t)
{
    return t->aside && t->record;
}

bool tape_idle(const struct tape *t)
{
    return tape_planning(t) || tape_takes(t);
}

void *tape_node(struct tape *t, size_t size, struct tensor *y, void (*back)(struct tape *, struct node *))
{
    struct node *n = tape_own(t, size);
    memset(n, 0, size);
    n->back = back;
    n->y = y;
    n->prev = t->last;
    t->last = n;
    return n;
}

/* ---- fleeting results --------------------------------------------------------------------------------- */

static struct perch *perch_of(struct tape *t, size_t count)
{
    struct perch *p = t->perches;
    while (p && p->count != count) p = p->next;
    if (p) return p;
    p = tape_own(t, sizeof *p);
    *p = (struct perch){.p = tape_floats(t, count), .count = count, .next = t->perches};
    return t->perches = p;
}

struct tensor *tape_result_fleeting(struct tape *t, int rows, int cols, bool wants)
{
    struct tensor *y = tape_own(t, sizeof *y);
    *y = (struct tensor){.rows = rows, .cols = cols, .wants_grad = wants};
    y->fleeting = tape_own(t, sizeof *y->fleeting);
    perch_of(t, tensor_count(y)); /* now: who asks may have scratch memory behind a mark */
    return y;
}

void *tape_node_fleeting(struct tape *t, size_t size, struct tensor *y,
                         void (*back)(struct tape *, struct node *), tape_make make)
{
    struct node *n;
    if (tape_records(t, y)) {
        n = tape_node(t, size, y, back);
    } else {
        n = tape_own(t, size);
        memset(n, 0, size);
    }
    *y->fleeting = (struct fleeting){make, n};
    return n;
}

const float *tape_data(struct tape *t, struct tensor *x)
{
    if (!x->fleeting || tape_planning(t)) return x->data;
    struct perch *p = perch_of(t, tensor_count(x));
    if (p->holds != x) x->fleeting->make(x->fleeting->node, p->p);
    p->holds = x;
    return p->p;
}

/* ---- results that are put aside ------------------------------------------------------------------------ */

void tape_aside_begin(struct tape *t, const struct aside *rows)
{
    CHECK(!t->aside, "a pass within a pass");
    t->aside = rows;
    t->n_results = 0;
    t->results = NULL;
}

static void put_aside(struct tape *t)
{
    if (t->results && tape_planning(t))
        activations_plan(t->aside->of, t->results);
    else if (t->results)
        activations_put(t->aside, t->results);
    t->results = NULL;
}

void tape_aside_end(struct tape *t)
{
    put_aside(t);
    t->aside = NULL;
}

/* ---- gradients of tensors ----------------------------------------------------------------------------- */

static struct grad_buffer *buffer_get(struct tape *t, size_t count)
{
    for (struct grad_buffer **at = &t->unused; *at; at = &(*at)->next) {
        struct grad_buffer *b = *at;
        if (b->count != count) continue;
        *at = b->next;
        b->holders = 1;
        return b;
    }
    struct grad_buffer *b = tape_own(t, sizeof *b);
    *b = (struct grad_buffer){.p = tape_floats(t, count), .count = count, .holders = 1};
    return b;
}

static void buffer_drop(struct tape *t, struct grad_buffer *b)
{
    CHECK(b->holders > 0, "gradient buffer dropped twice");
    if (--b->holders) return;
    b->next = t->unused;
    t->unused = b;
}

static void tensor_hold(struct tensor *x, struct grad_buffer *b)
{
    x->buffer = b;
    x->grad = b->p;
}

/* A buffer for x alone. */
static struct grad_buffer *buffer_for(struct tape *t, struct tensor *x)
{
    struct grad_buffer *b = x->spare;
    x->spare = NULL;
    return b ? b : buffer_get(t, tensor_count(x));
}

float *tape_grad(struct tape *t, struct tensor *x, bool *first)
{
    *first = false;
    if (!x->wants_grad) return NULL;
    struct grad_buffer *old = x->buffer;
    if (!old) {
        *first = true;
        tensor_hold(x, buffer_for(t, x));
    } else if (old->holders > 1) {
        tensor_hold(x, buffer_for(t, x));
        if (!tape_planning(t)) work_copy(x->grad, old->p, old->count);
        buffer_drop(t, old);
    }
    return x->grad;
}

float *tape_grad_zeroed(struct tape *t, struct tensor *x)
{
    bool first;
    float *g = tape_grad(t, x, &first);
    if (first && !tape_planning(t)) work_zero(g, tensor_count(x));
    return g;
}

void tape_grad_pass(struct tape *t, struct tensor *x, const struct tensor *y)
{
    if (!x->wants_grad) return;
    if (!x->buffer && !x->spare) {
        y->buffer->holders++;
        tensor_hold(x, y->buffer);
        return;
    }
    bool first;
    float *g = tape_grad(t, x, &first);
    if (tape_planning(t)) return;
    if (first)
        work_copy(g, y->grad, tensor_count(x));
    else
        work_add(g, g, y->grad, tensor_count(x));
}

bool tape_grad_take(struct tensor *x, const struct tensor *y)
{
    if (x->buffer || x->spare || y->buffer->holders > 1 || !x->wants_grad) return false;
    CHECK(y->buffer->count == tensor_count(x), "%zu floats for %d x %d", y->buffer->count, x->rows, x->cols);
    y->buffer->holders++;
    tensor_hold(x, y->buffer);
    return true;
}

void tape_grad_drop(struct tape *t, struct tensor *y)
{
    if (!y->buffer) return;
    buffer_drop(t, y->buffer);
    y->buffer = NULL;
    y->grad = NULL;
}

float *tape_seed(struct tape *t, struct tensor *y)
{
    CHECK(t->record, "tape_seed on a tape that does not record");
    CHECK(!y->buffer, "tape_seed twice");
    tensor_hold(y, buffer_get(t, tensor_count(y)));
    if (!tape_planning(t)) work_zero(y->grad, tensor_count(y));
    return y->grad;
}

static void tape_walk(struct tape *t)
{
    while (t->last) {
        struct node *n = t->last;
        t->last = n->prev;
        if (n->y && !n->y->buffer) continue;
        n->back(t, n);
        if (n->y) tape_grad_drop(t, n->y);
    }
}

void tape_backward(struct tape *t)
{
    CHECK(t->record, "tape_backward on a tape that does not record");
    tape_walk(t);
}

struct return_node {
    struct node node;
    void (*f)(void *ctx, int number);
    void *ctx;
    int number;
};

static void return_backward(struct tape *t, struct node *node)
{
    const struct return_node *n = (const struct return_node *)node;
    if (!tape_planning(t)) n->f(n->ctx, n->number);
}

void tape_at_return(struct tape *t, void (*f)(void *ctx, int number), void *ctx, int number)
{
    struct return_node *n = tape_node(t, sizeof *n, NULL, return_backward);
    n->f = f;
    n->ctx = ctx;
    n->number = number;
}

/* ---- checkpoints -------------------------------------------------------------------------------------- */

struct scope {
    struct arena_mark data, own;
    struct node *last;
    struct grad_buffer *unused;
    struct perch *perches;
    struct result *results;
    bool record;
};

static struct scope scope_open(struct tape *t, bool record)
{
    struct scope s = {arena_here(t->data), arena_here(&t->own), t->last,  t->unused,
                      t->perches,          t->results,          t->record};
    t->last = NULL;
    t->unused = NULL;
    t->perches = NULL;
    t->results = NULL;
    t->record = record;
    return s;
}

static void scope_close(struct tape *t, const struct scope *s)
{
    put_aside(t);
    arena_back(t->data, s->data);
    arena_back(&t->own, s->own);
    t->last = s->last;
    t->unused = s->unused;
    t->perches = s->perches;
    t->results = s->results;
    t->record = s->record;
}

struct checkpoint_node {
    struct node node;
    tape_block f;
    struct tensor *x;
    void *ctx;
};

static void checkpoint_backward(struct tape *t, struct node *node)
{
    struct checkpoint_node *n = (struct checkpoint_node *)node;
    struct tensor *x = n->x;
    if (x->wants_grad) {
        bool first;
        if (x->buffer)
            tape_grad(t, x, &first);
        else
            x->spare = buffer_get(t, tensor_count(x));
    }
    struct scope s = scope_open(t, true);
    struct tensor *y = n->f(t, x, n->ctx);
    CHECK(y != x && y->rows == x->rows && y->cols == x->cols, "checkpoint: %d x %d became %d x %d", x->rows,
          x->cols, y->rows, y->cols);
    node->y->buffer->holders++;
    tensor_hold(y, node->y->buffer);
    tape_walk(t);
    scope_close(t, &s);
    if (x->spare) buffer_drop(t, x->spare);
    x->spare = NULL;
}

struct tensor *tape_checkpoint(struct tape *t, tape_block f, struct tensor *x, void *ctx)
{
    CHECK(!tape_takes(t), "results are taken within a checkpoint");
    struct tensor *y = tape_tensor(t, x->rows, x->cols);
    struct scope s = scope_open(t, false);
    struct tensor *inner = f(t, x, ctx);
    CHECK(inner != x && inner->rows == x->rows && inner->cols == x->cols,
          "checkpoint: %d x %d became %d x %d", x->rows, x->cols, inner->rows, inner->cols);
    y->wants_grad = inner->wants_grad;
    if (!tape_planning(t)) work_copy(y->data, inner->data, tensor_count(y));
    scope_close(t, &s);
    if (!tape_records(t, y)) return y;
    struct checkpoint_node *n = tape_node(t, sizeof *n, y, checkpoint_backward);
    n->f = f;
    n->x = x;
    n->ctx = ctx;
    return y;
}
