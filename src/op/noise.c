/* noise.c: noise on embeddings: y = x + u, u uniform in (-width, width) (Jain et al. 2023, "NEFTune").
 *
 * The number of row r and column c is a function of the seed, the step, the sequence, the row's position in
 * it and c, so that neither threads nor what else the batch holds change it. One draw of four words serves
 * four columns. The gradient passes as it is.
 */
#include "base/check.h"
#include "op/op_int.h"

enum { NOISE_WORDS = 4, NOISE_COST = 40 }; /* steps for one draw */

struct noise_node {
    struct node node;
    struct tensor *x;
};
struct noise_work {
    const struct tensor *x, *y;
    const struct batch *b;
};

static void noise_row(const struct noise_work *w, const struct span *s, int row)
{
    const struct noise *n = w->b->noise;
    size_t at = (size_t)row * (size_t)w->x->cols;
    uint32_t draws = ((uint32_t)w->x->cols + NOISE_WORDS - 1) / NOISE_WORDS;
    uint32_t position = (uint32_t)(s->first_pos + row - s->row);
    float width = n->widths[s - w->b->spans];
    struct rng_at place = n->at;
    place.sequence = n->sequences[s - w->b->spans];
    CHECK(position <= UINT32_MAX / draws - 1, "position %u of %d columns", position, w->x->cols);
    for (uint32_t d = 0; d < draws; d++) {
        uint32_t words[NOISE_WORDS];
        place.position = position * draws + d;
        rng_words(&place, words);
        for (int i = 0, c = (int)d * NOISE_WORDS; i < NOISE_WORDS && c < w->x->cols; i++, c++) {
            float u = (float)(words[i] >> 8) * 0x1p-23F - 1;
            w->y->data[at + (size_t)c] = w->x->data[at + (size_t)c] + u * width;
        }
    }
}

static void noise_spans(void *ctx, struct range r)
{
    const struct noise_work *w = ctx;
    const struct span *s = w->b->spans;
    for (size_t row = r.from; row < r.to; row++) {
        while ((int)row >= s->row + s->len) s++;
        noise_row(w, s, (int)row);
    }
}

static void noise_backward(struct tape *t, struct node *node)
{
    tape_grad_pass(t, ((struct noise_node *)node)->x, node->y);
}

struct tensor *op_noise_run(struct tape *t, struct tensor *x, const struct batch *b)
{
    CHECK(b->noise && x->rows == b->n_rows, "%d rows, a batch of %d", x->rows, b->n_rows);
    struct tensor *y = tape_result(t, x->rows, x->cols, x->wants_grad);
    struct noise_work work = {x, y, b};
    double cost = (double)x->cols / NOISE_WORDS * NOISE_COST;
    if (!tape_idle(t)) work_over((size_t)x->rows, 1, cost, noise_spans, &work);
    if (!tape_records(t, y)) return y;
    struct noise_node *n = tape_node(t, sizeof *n, y, noise_backward);
    n->x = x;
    return y;
}

static struct tensor *noise_case(struct tape *t, int c)
{
    static const struct span spans[] = {{.row = 0, .len = 3, .parent = -1},
                                        {.row = 3, .len = 4, .parent = -1}};
    static const uint32_t sequences[] = {7, 2};
    static const float widths[] = {0.5F, 0.25F};
    static const struct noise noise = {{.seed = 1, .purpose = RNG_NOISE, .step = 3}, sequences, widths};
    static const struct batch batch = {.n_rows = 7, .n_spans = 2, .spans = spans, .noise = &noise};
    struct tensor *x = op_case_input(t, 7, c ? 13 : 8, 1);
    return op_noise_run(t, x, &batch);
}

const struct op op_noise = {
    .name = "noise",
    .formula = "y = x + u, u uniform in (-width, width)",
    .n_cases = 2,
    .build_case = noise_case,
};
