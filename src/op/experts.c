/* experts.c: a mixture of experts: each row through the gated MLPs it was routed to.
 *
 *   y_r = sum_j gate_rj E_j(x_r),  E(x) = Down (silu(Gate x) * Up x),  j in the row's experts, ascending
 *
 * Backward, for the rows of one expert, h = silu(Gate x) * Up x and u = Down^T dy:
 *   dgate = <u, h>;  dDown += dy^T (gate h);  dh = gate u, then as in swiglu.c;  dx += dGate Gate + dUp Up
 *
 * Rows are gathered per expert, so each expert is three dense products over its own rows, and experts nobody
 * chose are not touched. Experts are worked on in ascending order and a row takes what they give in that
 * order: its result does not depend on the other rows. Memory does not depend on the routing: the hidden
 * parts of all experts together have N*top_k rows, and scratch is for an expert that all rows chose.
 */
#include <string.h>

#include "base/check.h"
#include "op/op_int.h"

struct experts_node {
    struct node node;
    struct tensor *x;
    struct routing routing;
    struct experts e;
    int *first;       /* [n + 1] expert e has places first[e]..first[e+1]-1 */
    int *slots;       /* [N*top_k] the slot (row*top_k + j) at each place; within an expert in order */
    float *gate, *up; /* [N*top_k, I] by place; NULL when not recording: then of one expert, in scratch */
    float *dgates;    /* [N, top_k] or NULL */
};

/* The rows of one expert, gathered. */
struct experts_part {
    const struct experts_node *n;
    int expert, rows;
    const int *slots;            /* [rows] */
    float *x, *out;              /* [rows, D] scratch */
    float *gate, *up, *h;        /* [rows, I] */
    float *dy, *u, *dgate, *dup; /* [rows, D], [rows, I] */
};

static size_t hidden_of(const struct experts_node *n)
{
    return (size_t)n->e.gate[0]->rows;
}

/* ---- who goes where ----------------------------------------------------------------------------------- */

static void sort_slots(struct experts_node *n)
{
    int total = n->x->rows * n->routing.gates->cols, count = n->e.n;
    memset(n->first, 0, ((size_t)count + 1) * sizeof *n->first);
    for (int s = 0; s < total; s++) n->first[n->routing.experts[s] + 1]++;
    for (int e = 0; e < count; e++) n->first[e + 1] += n->first[e];
    for (int s = 0; s < total; s++) n->slots[n->first[n->routing.experts[s]]++] = s;
    for (int e = count; e > 0; e--) n->first[e] = n->first[e - 1];
    n->first[0] = 0;
}

/* Part e; in a plan every expert may have every row. */
static struct experts_part part_of(const struct experts_node *n, int e, bool planning)
{
    if (planning) return (struct experts_part){.n = n, .expert = e, .rows = n->x->rows};
    return (struct experts_part){
        .n = n, .expert = e, .rows = n->first[e + 1] - n->first[e], .slots = n->slots + n->first[e]};
}

static size_t row_of(const struct experts_part *p, size_t i)
{
    return (size_t)(p->slots[i] / p->n->routing.gates->cols);
}

struct experts_move {
    const struct experts_part *part;
    const float *from; /* [N, D] */
    float *to;
};

static void gather_range(void *ctx, struct range r)
{
    const struct experts_move *m = ctx;
    size_t d = (size_t)m->part->n->x->cols;
    for (size_t i = r.from; i < r.to; i++)
        memcpy(m->to + i * d, m->from + row_of(m->part, i) * d, d * sizeof(float));
}

// NOLINTNEXTLINE(readability-non-const-parameter): written through the struct
static void gather(const struct experts_part *p, const float *from, float *to)
{
    struct experts_move m = {p, from, to};
    work_over((size_t)p->rows, 1, (double)p->n->x->cols * 4, gather_range, &m);
}

/* ---- forward ------------------------------------------------------------------------------------------ */

static void hidden_range(void *ctx, struct range r)
{
    const struct experts_part *p = ctx;
    kern()->swiglu(p->h + r.from, p->gate + r.from, p->up + r.from, r.to - r.from);
}

enum { HIDDEN_COST = 48 };

static void hidden(struct experts_part *p)
{
    work_over((size_t)p->rows * hidden_of(p->n), KERN_PANEL, HIDDEN_COST, hidden_range, p);
}

static void mix_range(void *ctx, struct range r)
{
    const struct experts_part *p = ctx;
    const struct experts_node *n = p->n;
    size_t d = (size_t)n->x->cols;
    for (size_t i = r.from; i < r.to; i++)
        kern()->axpy(n->node.y->data + row_of(p, i) * d, n->routing.gates->data[p->slots[i]], p->out + i * d,
                     d);
}

static void part_forward(struct tape *t, struct experts_part *p)
{
    const struct experts *e = &p->n->e;
    bool planning = tape_planning(t);
    struct linear_part in = linear_part_of(e->gate[p->expert], p->rows);
    struct linear_part out = linear_part_of(e->down[p->expert], p->rows);
    if (!planning) gather(p, tape_data(t, p->n->x), p->x);
    linear_part_forward(t, &in, p->x, p->gate, NULL, NULL);
    in.w = e->up[p->expert];
    linear_part_forward(t, &in, p->x, p->up, NULL, NULL);
    if (!planning) hidden(p);
    linear_part_forward(t, &out, p->h, p->out, NULL, NULL);
    if (!planning) work_over((size_t)p->rows, 1, (double)p->n->x->cols * 2, mix_range, p);
}

static void experts_forward(struct tape *t, struct experts_node *n)
{
    size_t rows = (size_t)n->x->rows, d = (size_t)n->x->cols, width = hidden_of(n);
    bool planning = tape_planning(t);
    struct arena_mark mark = arena_here(tape_arena(t));
    float *x = tape_floats(t, rows * d), *out = tape_floats(t, rows * d), *h = tape_floats(t, rows * width);
    float *gate = n->gate ? NULL : tape_floats(t, rows * width);
    float *up = n->gate ? NULL : tape_floats(t, rows * width);
    if (!planning) {
        sort_slots(n);
        work_zero(n->node.y->data, rows * d);
    }
    for (int e = 0; e < n->e.n; e++) {
        struct experts_part p = part_of(n, e, planning);
        if (!p.rows) continue;
        size_t at = planning || !n->gate ? 0 : (size_t)n->first[e] * width;
        p.x = x, p.out = out, p.h = h;
        p.gate = n->gate ? n->gate + at : gate;
        p.up = n->gate ? n->up + at : up;
        part_forward(t, &p);
    }
    arena_back(tape_arena(t), mark);
}

/* ---- backward ----------------------------------------------------------------------------------------- */

/* u becomes dh; h becomes gate h; the gates' and the hidden parts' gradients. */
static void hidden_back_range(void *ctx, struct range r)
{
    const struct experts_part *p = ctx;
    size_t width = hidden_of(p->n);
    for (size_t i = r.from; i < r.to; i++) {
        float *h = p->h + i * width, *u = p->u + i * width, gate = p->n->routing.gates->data[p->slots[i]];
        if (p->n->dgates) p->n->dgates[p->slots[i]] += kern()->dot(u, h, width);
        kern()->scale(h, gate, h, width);
        kern()->scale(u, gate, u, width);
        memset(p->dgate + i * width, 0, width * sizeof(float));
        memset(p->dup + i * width, 0, width * sizeof(float));
        kern()->swiglu_back(p->dgate + i * width, p->dup + i * width, u, p->gate + i * width,
                            p->up + i * width, width);
    }
}

static void scatter_range(void *ctx, struct range r)
{
    const struct experts_part *p = ctx;
    size_t d = (size_t)p->n->x->cols;
    for (size_t i = r.from; i < r.to; i++) {
        float *to = p->n->x->grad + row_of(p, i) * d;
        kern()->add(to, to, p->out + i * d, d);
    }
}

static void part_backward(struct tape *t, struct experts_part *p)
{
    const struct experts *e = &p->n->e;
    const struct experts_node *n = p->n;
    size_t width = hidden_of(n), d = (size_t)n->x->cols;
    bool planning = tape_planning(t), dx = n->x->wants_grad;
    struct linear_part gate = linear_part_of(e->gate[p->expert], p->rows), up = gate;
    struct linear_part down = linear_part_of(e->down[p->expert], p->rows);
    up.w = e->up[p->expert];
    if (!planning) {
        gather(p, tape_data(t, n->x), p->x);
        gather(p, n->node.y->grad, p->dy);
        hidden(p);
    }
    linear_part_back_x(t, &down, p->dy, p->u);
    if (!planning) work_over((size_t)p->rows, 1, (double)width * HIDDEN_COST, hidden_back_range, p);
    linear_part_back_w(t, &down, p->dy, p->h);
    linear_part_back_w(t, &gate, p->dgate, p->x);
    linear_part_back_w(t, &up, p->dup, p->x);
    if (!dx) return;
    linear_part_back_x(t, &gate, p->dgate, p->out);
    up.add = true;
    linear_part_back_x(t, &up, p->dup, p->out);
    if (!planning) work_over((size_t)p->rows, 1, (double)d * 2, scatter_range, p);
}

static void experts_backward(struct tape *t, struct node *node)
{
    struct experts_node *n = (struct experts_node *)node;
    size_t rows = (size_t)n->x->rows, d = (size_t)n->x->cols, width = hidden_of(n);
    if (n->x->wants_grad) tape_grad_zeroed(t, n->x);
    n->dgates = n->routing.gates->wants_grad ? tape_grad_zeroed(t, n->routing.gates) : NULL;
    struct arena_mark mark = arena_here(tape_arena(t));
    struct experts_part all = {.x = tape_floats(t, rows * d), .out = tape_floats(t, rows * d)};
    all.dy = tape_floats(t, rows * d), all.h = tape_floats(t, rows * width);
    all.u = tape_floats(t, rows * width), all.dgate = tape_floats(t, rows * width);
    all.dup = tape_floats(t, rows * width);
    for (int e = 0; e < n->e.n; e++) {
        struct experts_part p = part_of(n, e, tape_planning(t)), found = p;
        if (!p.rows) continue;
        p = all;
        p.n = n, p.expert = e, p.rows = found.rows, p.slots = found.slots;
        size_t at = tape_planning(t) ? 0 : (size_t)n->first[e] * width;
        p.gate = n->gate + at, p.up = n->up + at;
        part_backward(t, &p);
    }
    arena_back(tape_arena(t), mark);
}

/* ---- the op ------------------------------------------------------------------------------------------- */

static bool experts_check(const struct tensor *x, const struct routing *r, const struct experts *e)
{
    bool learn = false;
    CHECK(r->n_experts == e->n && r->gates->rows == x->rows, "%d experts routed to, %d there; %d rows, %d",
          r->n_experts, e->n, r->gates->rows, x->rows);
    for (int i = 0; i < e->n; i++) {
        const struct weight *all[] = {e->gate[i], e->up[i], e->down[i]};
        for (int k = 0; k < 3; k++) {
            int rows = k < 2 ? e->gate[0]->rows : x->cols, cols = k < 2 ? x->cols : e->gate[0]->rows;
            CHECK(all[k]->rows == rows && all[k]->cols == cols, "%s is [%d, %d], expected [%d, %d]",
                  all[k]->name, all[k]->rows, all[k]->cols, rows, cols);
            learn = learn || weight_learns(all[k]);
        }
    }
    return learn;
}

struct tensor *op_experts_run(struct tape *t, struct tensor *x, const struct routing *r,
                              const struct experts *e)
{
    bool learn = experts_check(x, r, e);
    struct tensor *y = tape_result(t, x->rows, x->cols, learn || x->wants_grad || r->gates->wants_grad);
    struct experts_node saved = {{.y = y}, .x = x, .routing = *r, .e = *e};
    size_t slots = (size_t)x->rows * (size_t)r->gates->cols;
    bool records = tape_records(t, y);
    if (records) saved.gate = tape_floats(t, slots * hidden_of(&saved));
    if (records) saved.up = tape_floats(t, slots * hidden_of(&saved));
    saved.first = arena_alloc(tape_arena(t), ((size_t)e->n + 1) * sizeof(int));
    saved.slots = arena_alloc(tape_arena(t), slots * sizeof(int));
    experts_forward(t, &saved);
    if (!records) return y;
    struct experts_node *n = tape_node(t, sizeof *n, y, experts_backward);
    saved.node = n->node;
    *n = saved;
    return y;
}

static struct tensor *experts_case(struct tape *t, int c)
{
    enum { EXPERTS = 2, ROWS = 4 };
    /* Both experts; the first has no rows (nor numbers); one expert a row. */
    static int chosen[][ROWS * EXPERTS] = {{0, 1, 0, 1, 0, 1, 0, 1}, {1, 1, 1, 1}, {1, 0, 0, 1}};
    struct tensor *x = op_case_input(t, ROWS, 5, 1), *gates = op_case_input(t, ROWS, c ? 1 : 2, 1);
    struct weight **w = tape_own(t, 3 * EXPERTS * sizeof *w);
    for (int i = 0; i < 3 * EXPERTS; i++) {
        int rows = i / EXPERTS < 2 ? 7 : 5, cols = 12 - rows;
        static struct weight absent[2] = {{.name = "absent", .rows = 7, .cols = 5},
                                          {.name = "absent", .rows = 5, .cols = 7}};
        w[i] = c == 1 && i % EXPERTS == 0 ? &absent[rows == 5] : op_case_weight(t, rows, cols, 0.5F);
    }
    struct experts e = {EXPERTS, w, w + EXPERTS, w + 2 * EXPERTS};
    return op_experts_run(t, x, &(struct routing){gates, chosen[c], EXPERTS}, &e);
}

const struct op op_experts = {
    .name = "experts",
    .formula = "y = sum_j gate_j Down_j (silu(Gate_j x) * Up_j x)",
    .n_cases = 3,
    .build_case = experts_case,
};
