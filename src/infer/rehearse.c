/* rehearse.c: a run of which only the lengths of its completions are known, to learn what it would use.
 *
 * Admission, passes and ends are those of any run (lane.c, pass.c): what is missing is the model, the cache
 * behind the blocks, and chance. Each draw gives a token that ends nothing until the completion is as long as
 * it shall be.
 */
#include <stdlib.h>

#include "base/check.h"
#include "infer/infer_int.h"

enum { TOKEN_LAST, TOKEN_OTHER };

/* Where the lengths of each request's completions begin. */
static const int **lengths_by_request(const struct request *requests, int n, const int *lengths)
{
    const int **of = alloc_zero((size_t)n + 1, sizeof *of);
    for (int i = 0; i < n; i++) {
        of[i] = lengths;
        lengths += requests[i].n;
    }
    return of;
}

/* The same requests, which only TOKEN_LAST or their limit ends. */
static struct request *plain_requests(const struct request *requests, int n)
{
    static const int last[] = {TOKEN_LAST};
    struct request *plain = alloc_zero((size_t)n + 1, sizeof *plain);
    for (int i = 0; i < n; i++) {
        plain[i] = requests[i];
        plain[i].sampling.stop_ids = last;
        plain[i].sampling.n_stop_ids = 1;
        plain[i].sampling.n_stop_strings = 0;
    }
    return plain;
}

static void draw(struct engine *e, const int *const *lengths)
{
    for (int i = 0; i < e->n_entries; i++) {
        const struct sequence *s = e->entries[i].s;
        bool last = s->out->n + 1 >= lengths[s->request][s->index];
        e->draws[i] = (struct draw){.id = last ? TOKEN_LAST : TOKEN_OTHER};
    }
}

struct engine_use engine_rehearse(const struct model *m, const struct engine_limits *limits,
                                  const struct request *requests, int n, const int *lengths)
{
    struct engine *e = alloc_zero(1, sizeof *e);
    struct request *plain = plain_requests(requests, n);
    struct group *groups = alloc_zero((size_t)n + 1, sizeof *groups);
    const int **of = lengths_by_request(requests, n, lengths);
    struct run r = {.e = e, .requests = plain, .n = n, .groups = groups};
    e->model = (struct model *)m; /* it only gives its tokenizer */
    e->limits = limits_resolve(m, limits);
    blocks_init(&e->blocks, e->limits.n_blocks, NULL);
    e->blocks.ahead = tokens_ahead(&e->limits);
    e->limits.draft.by = NULL; /* it is not started */
    engine_lists(e);
    run_groups(&r);
    for (run_admit(&r); e->n_running; run_admit(&r)) {
        pass_build(&r);
        draw(e, of);
        CHECK(!pass_take(&r, NULL), "a draw without logits has bad ones");
        run_drop_ended(&r);
        run_drop_prompts(&r);
    }
    struct engine_use use = engine_used(e);
    for (int i = 0; i < n; i++) group_release(&groups[i]);
    engine_free(e);
    free(of);
    free(groups);
    free(plain);
    return use;
}
