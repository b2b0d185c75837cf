/* Stored weights: every op gives the bits that it gives for the same numbers as float32, in every size of
 * strip and stretch, with any number of threads; and no op asks for a tile that the contract does not allow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/pool.h"
#include "base/rng.h"
#include "kern/kern.h"
#include "op/op.h"

struct bf16_weight {
    struct stored face;
    int rows, cols;
    uint16_t *p;
};

static void bf16_tile(const struct stored *face, int row, int n, int col, int cols, float *out)
{
    const struct bf16_weight *s = (const struct bf16_weight *)face;
    CHECK(row >= 0 && n > 0 && row + n <= s->rows, "rows %d+%d of %d", row, n, s->rows);
    CHECK(col >= 0 && cols > 0 && col + cols <= s->cols, "columns %d+%d of %d", col, cols, s->cols);
    CHECK(col % STORED_COLS == 0 && ((col + cols) % STORED_COLS == 0 || col + cols == s->cols),
          "columns %d+%d of %d", col, cols, s->cols);
    for (int i = 0; i < n; i++)
        kern()->bf16_to_f32(out + (size_t)i * (size_t)cols, s->p + (size_t)(row + i) * (size_t)s->cols + col,
                            (size_t)cols);
}

/* The same numbers twice: stored, and as float32. */
struct pair {
    struct bf16_weight form;
    struct weight stored, plain;
};

static void pair_make(struct pair *p, int rows, int cols)
{
    size_t n = (size_t)rows * (size_t)cols;
    p->form = (struct bf16_weight){{.tile = bf16_tile}, rows, cols, alloc_zero(n, sizeof(uint16_t))};
    p->plain = (struct weight){.name = "plain", .rows = rows, .cols = cols, .data = alloc_floats(n)};
    p->stored = (struct weight){.name = "stored", .rows = rows, .cols = cols, .stored = &p->form.face};
    rng_normal(&(struct rng_at){.seed = 5, .purpose = RNG_TEST}, p->plain.data, n, 0, 1);
    kern()->f32_to_bf16(p->form.p, p->plain.data, n);
    kern()->bf16_to_f32(p->plain.data, p->form.p, n);
}

static void pair_drop(struct pair *p)
{
    weight_unpack(&p->plain);
    free(p->plain.data);
    free(p->form.p);
}

static struct tensor *random_input(struct tape *t, int rows, int cols)
{
    struct tensor *x = tape_tensor(t, rows, cols);
    x->wants_grad = true;
    rng_normal(&(struct rng_at){.seed = 6, .purpose = RNG_TEST}, x->data, (size_t)rows * (size_t)cols, 0, 1);
    return x;
}

static float *kept(const float *x, size_t n)
{
    float *copy = alloc_floats(n);
    memcpy(copy, x, n * sizeof *copy);
    return copy;
}

struct result {
    float *y, *dx;
    size_t n_y, n_dx;
};

static void result_compare(struct result *a, struct result *b, const char *what)
{
    if (memcmp(a->y, b->y, a->n_y * sizeof *a->y)) fail_msg("%s: results differ", what);
    if (a->n_dx && memcmp(a->dx, b->dx, a->n_dx * sizeof *a->dx)) fail_msg("%s: gradients differ", what);
    free(a->y), free(a->dx), free(b->y), free(b->dx);
}

/* Runs f in memory that was planned for it. */
static void run(void (*f)(struct tape *t, void *ctx), void *ctx)
{
    struct arena plan, real;
    arena_init_plan(&plan);
    struct tape *t = tape_new(&plan);
    tape_start(t, true);
    f(t, ctx);
    arena_init(&real, plan.peak);
    tape_free(t);
    arena_release(&plan);
    t = tape_new(&real);
    tape_start(t, true);
    f(t, ctx);
    tape_free(t);
    arena_release(&real);
}

struct linear_run {
    struct weight *w, *bias;
    int rows;
    struct result out;
};

static void linear_run(struct tape *t, void *ctx)
{
    struct linear_run *r = ctx;
    bool plan = tape_planning(t);
    struct tensor *x = plan ? tape_tensor(t, r->rows, r->w->cols) : random_input(t, r->rows, r->w->cols);
    x->wants_grad = true;
    struct tensor *y = op_linear_run(t, x, r->w, r->bias);
    float *seed = tape_seed(t, y);
    size_t n = (size_t)y->rows * (size_t)y->cols;
    for (size_t i = 0; !plan && i < n; i++) seed[i] = (float)(i % 7) - 3;
    r->out.n_y = n;
    r->out.n_dx = (size_t)x->rows * (size_t)x->cols;
    if (!plan) r->out.y = kept(y->data, n);
    tape_backward(t);
    if (!plan) r->out.dx = kept(x->grad, r->out.n_dx);
}

static void linear_layers_see_no_difference(void **state)
{
    (void)state;
    static const int shapes[][3] = {
        {1, 40, 65}, {1, 2100, 130}, {7, 257, 300}, {33, 1024, 64}, {200, 1500, 515}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct pair p;
        pair_make(&p, shapes[i][2], shapes[i][1]);
        struct weight bias = {.name = "bias", .rows = 1, .cols = shapes[i][2], .data = p.plain.data};
        for (int packed = 0; packed < 2; packed++) {
            struct linear_run a = {.w = &p.stored, .bias = &bias, .rows = shapes[i][0]}, b = a;
            b.w = &p.plain;
            if (packed) weight_pack(&p.plain);
            run(linear_run, &a);
            run(linear_run, &b);
            result_compare(&a.out, &b.out, "linear");
        }
        pair_drop(&p);
    }
}

static void head_run(struct tape *t, void *ctx)
{
    struct linear_run *r = ctx;
    bool plan = tape_planning(t);
    struct tensor *x = plan ? tape_tensor(t, r->rows, r->w->cols) : random_input(t, r->rows, r->w->cols);
    x->wants_grad = true;
    int *rows = alloc_zero((size_t)r->rows, sizeof *rows);
    for (int i = 0; i < r->rows; i++) rows[i] = r->rows - 1 - i;
    struct head_rows h = {.n = r->rows, .rows = rows, .targets = rows, .temperature = 0.7F};
    struct head_out out = op_head_run(t, x, r->w, &h);
    float *seed = tape_seed(t, out.logp);
    for (int i = 0; !plan && i < r->rows; i++) seed[i] = (float)(i % 3);
    r->out.n_y = (size_t)r->rows;
    r->out.n_dx = (size_t)x->rows * (size_t)x->cols;
    if (!plan) r->out.y = kept(out.logp->data, r->out.n_y);
    tape_backward(t);
    if (!plan) r->out.dx = kept(x->grad, r->out.n_dx);
    free(rows);
}

static void the_output_head_sees_no_difference(void **state)
{
    (void)state;
    struct pair p;
    pair_make(&p, 4700, 300); /* more than one piece of the vocabulary */
    struct linear_run a = {.w = &p.stored, .rows = 11}, b = a;
    b.w = &p.plain;
    run(head_run, &a);
    run(head_run, &b);
    result_compare(&a.out, &b.out, "head");
    pair_drop(&p);
}

static void logits_run(struct tape *t, void *ctx)
{
    static const int rows[] = {2, 0};
    struct linear_run *r = ctx;
    struct tensor *x = tape_planning(t) ? tape_tensor(t, 3, r->w->cols) : random_input(t, 3, r->w->cols);
    r->out.n_y = 2 * (size_t)r->w->rows;
    if (!tape_planning(t)) r->out.y = alloc_floats(r->out.n_y);
    op_logits_run(t, x, r->w, rows, 2, r->out.y);
}

static void logits_and_rows_see_no_difference(void **state)
{
    (void)state;
    static const int ids[] = {5, 699, 0, 5};
    struct pair p;
    pair_make(&p, 700, 1100);
    struct linear_run a = {.w = &p.stored}, b = {.w = &p.plain};
    run(logits_run, &a);
    run(logits_run, &b);
    result_compare(&a.out, &b.out, "logits");
    struct arena arena;
    arena_init(&arena, (size_t)1 << 24);
    struct tape *t = tape_new(&arena);
    tape_start(t, false);
    struct tensor *x = op_embed_run(t, &p.stored, ids, 4), *y = op_embed_run(t, &p.plain, ids, 4);
    assert_memory_equal(x->data, y->data, 4 * 1100 * sizeof(float));
    tape_free(t);
    arena_release(&arena);
    pair_drop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_layers_see_no_difference),
        cmocka_unit_test(the_output_head_sees_no_difference),
        cmocka_unit_test(logits_and_rows_see_no_difference),
    };
    int failed = 0;
    for (int threads = 1; threads <= 3; threads += 2) {
        pool_start(threads);
        failed += cmocka_run_group_tests(tests, NULL, NULL);
        pool_stop();
    }
    return failed;
}
