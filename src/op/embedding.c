/* embedding.c: rows of a table.
 *
 *   y_r = E[id_r]          dE[v] += sum over rows r with id_r = v of dy_r, in row order
 *
 * Backward is split over columns: each part of a column range adds all rows in order, so no two threads meet.
 */
#include "base/check.h"
#include "op/op_int.h"

struct embedding_node {
    struct node node;
    struct weight *table;
    const int *ids;
};

static void embedding_forward(void *ctx, struct range r)
{
    const struct embedding_node *n = ctx;
    size_t cols = (size_t)n->table->cols;
    for (size_t i = r.from; i < r.to; i++) {
        int id = n->ids[i];
        CHECK(id >= 0 && id < n->table->rows, "row %zu: token %d of %d", i, id, n->table->rows);
        weight_rows(n->table, id, 1, n->node.y->data + i * cols);
    }
}

static void embedding_columns(void *ctx, struct range c)
{
    const struct embedding_node *n = ctx;
    const struct tensor *y = n->node.y;
    size_t cols = (size_t)y->cols;
    for (size_t i = 0; i < (size_t)y->rows; i++) {
        float *g = n->table->grad + (size_t)n->ids[i] * cols + c.from;
        kern()->add(g, g, y->grad + i * cols + c.from, c.to - c.from);
    }
}

static void embedding_backward(struct tape *t, struct node *node)
{
    if (tape_planning(t)) return;
    work_over((size_t)node->y->cols, KERN_PANEL, (double)node->y->rows * 8, embedding_columns, node);
}

struct tensor *op_embed_run(struct tape *t, struct weight *table, const int *ids, int n)
{
    struct tensor *y = tape_result(t, n, table->cols, table->grad != NULL);
    struct embedding_node saved = {{.y = y}, table, ids};
    if (!tape_idle(t)) work_over((size_t)n, 1, (double)table->cols * 8, embedding_forward, &saved);
    if (!tape_records(t, y)) return y;
    struct embedding_node *at = tape_node(t, sizeof *at, y, embedding_backward);
    at->table = table;
    at->ids = ids;
    return y;
}

static struct tensor *embedding_case(struct tape *t, int c)
{
    static const int ids[] = {3, 0, 3, 6, 1, 3, 3, 2, 0, 6, 5};
    struct weight *table = op_case_weight(t, 7, c ? 37 : 16, 1);
    return op_embed_run(t, table, ids, (int)(sizeof ids / sizeof *ids));
}

const struct op op_embedding = {
    .name = "embedding",
    .formula = "y_r = E[id_r]",
    .n_cases = 2,
    .build_case = embedding_case,
};
