/* add.c: y = a + b, in b's memory; both inputs have y's gradient as theirs (they share its buffer, see
 * tape.c). */
#include "base/check.h"
#include "op/op_int.h"

struct add_node {
    struct node node;
    struct tensor *a, *b;
};

static void add_backward(struct tape *t, struct node *node)
{
    struct add_node *n = (struct add_node *)node;
    tape_grad_pass(t, n->a, node->y);
    tape_grad_pass(t, n->b, node->y);
}

struct tensor *op_add_run(struct tape *t, struct tensor *a, struct tensor *b)
{
    CHECK(a->rows == b->rows && a->cols == b->cols, "[%d, %d] + [%d, %d]", a->rows, a->cols, b->rows,
          b->cols);
    struct tensor *y = tape_result_over(t, b, a->wants_grad || b->wants_grad);
    if (!tape_idle(t)) work_add(y->data, a->data, y->data, (size_t)a->rows * (size_t)a->cols);
    if (!tape_records(t, y)) return y;
    struct add_node *n = tape_node(t, sizeof *n, y, add_backward);
    n->a = a;
    n->b = b;
    return y;
}

static struct tensor *add_case(struct tape *t, int c)
{
    struct tensor *a = op_case_input(t, 5, 13, 1);
    struct tensor *y = op_add_run(t, a, op_case_input(t, 5, 13, 1));
    /* The residual form: a's gradient comes twice, and b's buffer is shared meanwhile. */
    return c ? op_add_run(t, op_add_run(t, y, a), y) : y;
}

const struct op op_add = {.name = "add", .formula = "y = a + b", .n_cases = 2, .build_case = add_case};
