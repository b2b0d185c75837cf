/* activations.c: what a forward pass works out of each row, kept for a pass that would work it out again.
 *
 * A row's results depend on its own sequence alone (op.h), so those that the sampler had are to the last bit
 * those of training on the same tokens under the same weights. A pass that does not record puts aside what
 * recording would keep of its rows; one that does takes it, and works out only what is fleeting.
 *
 * Results have the numbers of their making (tape.c), which are the same in both passes. Rows come one by one
 * from many sequences, so the memory is in chunks of some rows: of each result all of them side by side,
 * result behind result. It is all taken at once, and touched as rows come. A plan tells beforehand which
 * results there are.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "op/op_int.h"

enum { CHUNK_ROWS = 64, ROWS_MOST = 1 << 30, COPY_COST = 4 /* floats a step */ };

/* Of a row: `cols` floats, before which there are `before` of other results; 0: nothing is kept. */
struct piece {
    size_t cols, before;
};

struct activations {
    struct piece *pieces;
    int n_pieces;
    size_t row; /* floats */
    float *data;
    int n, n_used, n_most; /* rows; given out since they were cleared; and ever, at most */
    int *unused, n_unused; /* numbers that were given back */
};

struct activations *activations_new(void)
{
    return alloc_zero(1, sizeof(struct activations));
}

void activations_free(struct activations *a)
{
    if (!a) return;
    free(a->data);
    free(a->unused);
    free(a->pieces);
    free(a);
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

size_t activations_bytes(const struct activations *a, size_t rows)
{
    return (rows + CHUNK_ROWS - 1) / CHUNK_ROWS * CHUNK_ROWS * a->row * sizeof(float);
}

size_t activations_taken(const struct activations *a)
{
    return activations_bytes(a, (size_t)a->n_most);
}

bool activations_limit(struct activations *a, size_t bytes)
{
    CHECK(a->row && !a->data, "%zu floats a row", a->row);
    size_t most = bytes / activations_bytes(a, CHUNK_ROWS);
    int chunks = most < ROWS_MOST / CHUNK_ROWS ? (int)most : ROWS_MOST / CHUNK_ROWS;
    a->data = alloc_large_try(activations_bytes(a, (size_t)chunks * CHUNK_ROWS));
    if (!a->data) return false;
    a->n = chunks * CHUNK_ROWS;
    a->unused = alloc_zero((size_t)a->n + 1, sizeof *a->unused);
    return true;
}

bool activations_have(const struct activations *a, int n)
{
    return a->n_unused + a->n - a->n_used >= n;
}

int activations_add_row(struct activations *a)
{
    CHECK(activations_have(a, 1), "all of %d rows are taken", a->n);
    if (a->n_unused) return a->unused[--a->n_unused];
    if (a->n_used == a->n_most) a->n_most++;
    return a->n_used++;
}

void activations_give_back(struct activations *a, const int *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i] >= 0) a->unused[a->n_unused++] = rows[i];
}

void activations_clear(struct activations *a)
{
    a->n_unused = a->n_used = 0;
}

/* ---- results ------------------------------------------------------------------------------------------- */

void activations_plan(struct activations *a, const struct result *results)
{
    for (const struct result *r = results; r; r = r->before) {
        if (!r->y->data) continue;
        if (r->number >= a->n_pieces) {
            a->pieces = alloc_again(a->pieces, (size_t)(r->number + 1) * sizeof *a->pieces);
            memset(a->pieces + a->n_pieces, 0, (size_t)(r->number + 1 - a->n_pieces) * sizeof *a->pieces);
            a->n_pieces = r->number + 1;
        }
        a->pieces[r->number] = (struct piece){(size_t)r->y->cols, a->row};
        a->row += (size_t)r->y->cols;
    }
}

static float *place_of(const struct activations *a, const struct piece *p, int row)
{
    CHECK(row >= 0 && row < a->n_used, "row %d of %d", row, a->n_used);
    size_t first = (size_t)(row / CHUNK_ROWS) * CHUNK_ROWS, of = (size_t)row % CHUNK_ROWS;
    return a->data + first * a->row + p->before * CHUNK_ROWS + of * p->cols;
}

static const struct piece *piece_of(const struct activations *a, int number, const struct tensor *y)
{
    const struct piece *p = number < a->n_pieces ? &a->pieces[number] : NULL;
    if (!p || !p->cols) return NULL;
    CHECK(p->cols == (size_t)y->cols, "result %d has %d columns, it had %zu", number, y->cols, p->cols);
    return p;
}

struct putting {
    const struct aside *to;
    const struct result *results;
};

static void put_rows(void *ctx, struct range r)
{
    const struct putting *p = ctx;
    for (const struct result *of = p->results; of; of = of->before) {
        const float *y = of->y->data;
        if (!y) continue; /* another result took its memory over */
        const struct piece *piece = piece_of(p->to->of, of->number, of->y);
        CHECK(piece, "result %d was not planned", of->number);
        for (size_t i = r.from; i < r.to; i++)
            if (p->to->rows[i] >= 0)
                memcpy(place_of(p->to->of, piece, p->to->rows[i]), y + i * piece->cols,
                       piece->cols * sizeof(float));
    }
}

void activations_put(const struct aside *to, const struct result *results)
{
    double cost = 0;
    for (const struct result *r = results; r; r = r->before) {
        CHECK(r->y->rows == to->n, "result of %d rows, %d rows are put aside", r->y->rows, to->n);
        cost += (double)r->y->cols / COPY_COST;
    }
    work_over((size_t)to->n, 1, cost, put_rows, &(struct putting){to, results});
}

struct taking {
    const struct aside *from;
    const struct piece *piece;
    float *y;
};

static void take_rows(void *ctx, struct range r)
{
    const struct taking *t = ctx;
    size_t cols = t->piece->cols;
    for (size_t i = r.from; i < r.to; i++)
        memcpy(t->y + i * cols, place_of(t->from->of, t->piece, t->from->rows[i]), cols * sizeof(float));
}

void activations_take(const struct aside *from, int number, struct tensor *y)
{
    CHECK(y->rows == from->n, "result of %d rows, %d rows are taken", y->rows, from->n);
    const struct piece *p = piece_of(from->of, number, y);
    if (!p) return; /* what takes its memory over is there */
    work_over((size_t)from->n, 1, (double)y->cols / COPY_COST, take_rows, &(struct taking){from, p, y->data});
}
