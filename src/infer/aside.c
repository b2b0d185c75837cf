/* aside.c: the rows of a run whose activations are put aside, for who trains on its completions.
 *
 * Of a group every row that training will ask for is there, or none: before each pass there must be room for
 * all its rows, and where there is none the last group gives up its own, so that the first ones stay whole.
 */
#include "infer/infer_int.h"

#include <stdlib.h>

#include "base/check.h"

/* The prompt's rows, then room for max_new_tokens rows of each completion. */
static size_t group_rows(const struct group *g)
{
    return (size_t)g->n_prompt + (size_t)g->n * (size_t)g->n_new;
}

/* Where the rows of completion i begin, or (-1) those of the prompt. */
static int *rows_of(const struct group *g, int i)
{
    return g->aside + (i < 0 ? 0 : (size_t)g->n_prompt + (size_t)i * (size_t)g->n_new);
}

static struct activations *store_of(const struct run *r)
{
    return r->hooks ? r->hooks->aside : NULL;
}

void aside_begin(struct run *r)
{
    for (int i = 0; i < r->n; i++) {
        const struct request *q = &r->requests[i];
        struct group *g = &r->groups[i];
        if (!store_of(r) || !q->aside || !q->n) continue;
        g->n_prompt = q->n_prompt;
        g->n_new = q->sampling.max_new_tokens;
        g->aside = alloc_or_die(group_rows(g) * sizeof *g->aside);
        for (size_t k = 0; k < group_rows(g); k++) g->aside[k] = -1;
    }
}

void group_give_back(struct group *g, struct activations *from)
{
    if (!g->aside) return;
    activations_give_back(from, g->aside, group_rows(g));
    free(g->aside);
    g->aside = NULL;
}

void aside_make_room(struct run *r)
{
    struct activations *store = store_of(r);
    if (!store) return;
    for (int i = r->n - 1; i >= 0 && !activations_have(store, r->e->limits.max_rows); i--)
        group_give_back(&r->groups[i], store);
}

void aside_span(struct run *r, int request, int index, int from, int n)
{
    struct engine *e = r->e;
    const struct group *g = &r->groups[request];
    int *rows = e->aside + e->n_rows - n;
    for (int i = 0; i < n; i++) rows[i] = -1;
    if (!g->aside) return;
    int *own = rows_of(g, index) + from;
    for (int i = 0; i < n; i++) {
        if (own[i] < 0) own[i] = activations_add_row(r->hooks->aside); /* else a draft was wrong here */
        rows[i] = own[i];
    }
    e->some_aside = true;
}

const int *group_aside(const struct group *g, int i)
{
    if (!g->aside) return NULL;
    CHECK(i < g->n, "completion %d of %d", i, g->n);
    return rows_of(g, i);
}
