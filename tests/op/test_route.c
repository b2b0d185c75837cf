/* Routing chooses as the definition says, and what a row gets from the experts does not depend on the rows
 * beside it; a plan has room for every routing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "op/op.h"

enum { EXPERTS = 8, D = 24, WIDTH = 40, ROWS = 70 };

static struct arena arena;
static struct tape *tape;

static int start(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 26);
    tape = tape_new(&arena);
    tape_start(tape, false);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tape_free(tape);
    arena_release(&arena);
    return 0;
}

static void assert_chosen(const float *z, const float *bias, const struct route *how, const int *want)
{
    struct tensor *t = tape_tensor(tape, 1, EXPERTS);
    float added[EXPERTS];
    struct weight b = {.name = "bias", .rows = 1, .cols = EXPERTS, .data = added};
    memcpy(t->data, z, EXPERTS * sizeof *z);
    if (bias) memcpy(added, bias, sizeof added);
    struct routing r = op_route_run(tape, t, bias ? &b : NULL, how);
    for (int j = 0; j < how->top_k; j++) assert_int_equal(r.experts[j], want[j]);
}

static void of_equal_scores_the_lowest_index_wins(void **state)
{
    (void)state;
    static const float same[EXPERTS] = {1, 1, 1, 1, 1, 1, 1, 1}, pairs[EXPERTS] = {0, 2, 1, 2, 1, 2, 0, 1};
    static const struct route three = {EXPERTS, 3, ROUTE_SOFTMAX, 1, 1, 1, true, 1};
    static const struct route five = {EXPERTS, 5, ROUTE_SIGMOID, 1, 1, 1, true, 1};
    assert_chosen(same, NULL, &three, (int[]){0, 1, 2});
    assert_chosen(pairs, NULL, &three, (int[]){1, 3, 5});
    assert_chosen(pairs, NULL, &five, (int[]){1, 2, 3, 4, 5});
}

static void groups_count_by_their_best_and_limit_the_choice(void **state)
{
    (void)state;
    static const float z[EXPERTS] = {9, -9, 3, 3.5F, 2, 4, 8, -9};
    struct route how = {EXPERTS, 2, ROUTE_SIGMOID, 4, 1, 1, true, 1};
    assert_chosen(z, NULL, &how, (int[]){0, 1});
    how.group_best = 2;
    assert_chosen(z, NULL, &how, (int[]){2, 3});
    how.top_groups = 2;
    assert_chosen(z, NULL, &how, (int[]){3, 5});
}

/* An expert of a dropped group must lose even against one whose corrected score is below zero. */
static void a_dropped_group_stays_dropped_when_all_is_negative(void **state)
{
    (void)state;
    static const float z[EXPERTS] = {0, 0, 0, 0, 0, 0, 0, 0};
    static const float bias[EXPERTS] = {-3, -2, -9, -8, -9, -9, -9, -9};
    static const struct route how = {EXPERTS, 2, ROUTE_SIGMOID, 4, 1, 2, true, 1};
    assert_chosen(z, bias, &how, (int[]){0, 1});
}

static void gates_are_the_uncorrected_scores_over_their_sum(void **state)
{
    (void)state;
    struct tensor *z = tape_tensor(tape, 1, EXPERTS);
    static float bias[EXPERTS] = {0, 0, 50, 0, 0, 0, 0, 50};
    static const struct weight b = {.name = "bias", .rows = 1, .cols = EXPERTS, .data = bias};
    for (int e = 0; e < EXPERTS; e++) z->data[e] = (float)e - 3; /* sigmoid: .2689 at 2, .9820 at 7 */
    struct route how = {EXPERTS, 2, ROUTE_SIGMOID, 1, 1, 1, true, 2.5F};
    struct routing r = op_route_run(tape, z, &b, &how);
    assert_float_equal(r.gates->data[0], 2.5F * 0.26894143F / 1.2509553F, 1e-6);
    assert_float_equal(r.gates->data[1], 2.5F * 0.98201376F / 1.2509553F, 1e-6);
    how.normalise = false;
    assert_float_equal(op_route_run(tape, z, &b, &how).gates->data[1], 2.5F * 0.98201376F, 1e-6);
}

/* ---- experts ------------------------------------------------------------------------------------------- */

static const struct route three_of_all = {EXPERTS, 3, ROUTE_SOFTMAX, 1, 1, 1, true, 1};

static struct tensor *mixture(struct tape *t, struct tensor *x, struct weight *router,
                              const struct experts *e)
{
    struct routing r = op_route_run(t, op_linear_run(t, x, router, NULL), NULL, &three_of_all);
    return op_experts_run(t, x, &r, e);
}

static void draw(float *x, size_t n, uint32_t sequence, float scale)
{
    rng_normal(&(struct rng_at){.seed = 8, .purpose = RNG_TEST, .sequence = sequence}, x, n, 0, scale);
}

/* With gradients when the tape records; in a plan without numbers. */
static struct experts random_experts(struct tape *t, struct weight **router)
{
    static struct weight all[3 * EXPERTS + 1], *list[3 * EXPERTS];
    for (int i = 0; i <= 3 * EXPERTS; i++) {
        int rows = i == 3 * EXPERTS ? EXPERTS : i < 2 * EXPERTS ? WIDTH : D;
        int cols = i < 3 * EXPERTS && i >= 2 * EXPERTS ? WIDTH : D;
        struct tensor *numbers = tape_tensor(t, rows, cols), *grad = tape_tensor(t, rows, cols);
        if (!tape_planning(t)) draw(numbers->data, (size_t)rows * (size_t)cols, (uint32_t)i, 0.4F);
        all[i] = (struct weight){.name = "w", .rows = rows, .cols = cols, .data = numbers->data};
        if (tape_recording(t)) all[i].grad = grad->data;
        if (i < 3 * EXPERTS) list[i] = &all[i];
    }
    *router = &all[3 * EXPERTS];
    return (struct experts){EXPERTS, list, list + EXPERTS, list + 2 * EXPERTS};
}

static void a_row_does_not_depend_on_the_rows_beside_it(void **state)
{
    (void)state;
    struct weight *router;
    struct experts e = random_experts(tape, &router);
    struct tensor *x = tape_tensor(tape, ROWS, D);
    draw(x->data, ROWS * D, 100, 1);
    struct tensor *all = mixture(tape, x, router, &e);
    for (int from = 0, n; from < ROWS; from += n) {
        n = from % 3 + 1 < ROWS - from ? from % 3 + 1 : ROWS - from;
        struct tensor *few = tape_tensor(tape, n, D);
        memcpy(few->data, x->data + (size_t)from * D, (size_t)n * D * sizeof(float));
        struct tensor *y = mixture(tape, few, router, &e);
        assert_memory_equal(y->data, all->data + (size_t)from * D, (size_t)n * D * sizeof(float));
    }
}

/* All rows to the same experts, and rows spread out: both fit into what the plan says. */
static void a_plan_has_room_for_every_routing(void **state)
{
    (void)state;
    size_t planned = 0;
    for (int kind = 0; kind < 3; kind++) {
        struct arena memory;
        if (kind == 0)
            arena_init_plan(&memory);
        else
            arena_init(&memory, planned);
        struct tape *t = tape_new(&memory);
        tape_start(t, true);
        struct weight *router;
        struct experts e = random_experts(t, &router);
        struct tensor *x = op_case_input(t, ROWS, D, 1);
        if (kind == 1) memset(router->data, 0, EXPERTS * D * sizeof(float));
        tape_seed(t, mixture(t, x, router, &e));
        tape_backward(t);
        if (kind == 0) planned = memory.peak;
        assert_true(memory.peak <= planned);
        tape_free(t);
        arena_release(&memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_equal_scores_the_lowest_index_wins, start, end),
        cmocka_unit_test_setup_teardown(groups_count_by_their_best_and_limit_the_choice, start, end),
        cmocka_unit_test_setup_teardown(a_dropped_group_stays_dropped_when_all_is_negative, start, end),
        cmocka_unit_test_setup_teardown(gates_are_the_uncorrected_scores_over_their_sum, start, end),
        cmocka_unit_test_setup_teardown(a_row_does_not_depend_on_the_rows_beside_it, start, end),
        cmocka_unit_test(a_plan_has_room_for_every_routing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
