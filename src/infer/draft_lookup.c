/* draft_lookup.c: prompt lookup (Saxena 2023, "Prompt lookup decoding"): text repeats itself. The longest end
 * of prompt and completion that occurred before is looked for, the latest such place where there are several,
 * and what followed there is the draft. Costs one comparison a token of context, mostly, and no model.
 */
#include "infer/infer_int.h"

enum {
    MATCH_MIN = 2, /* one token alone says too little about the next */
    MATCH_MAX = 16 /* longer matches are as good */
};

struct context { /* prompt and completion, as one */
    const int *prompt, *ids;
    int n_prompt, n;
};

static int token_at(const struct context *c, int i)
{
    return i < c->n_prompt ? c->prompt[i] : c->ids[i - c->n_prompt];
}

/* How many tokens before `end` are those at the end of all, MATCH_MAX at most. */
static int match_length(const struct context *c, int end)
{
    int n = 0;
    while (n < end && n < MATCH_MAX && token_at(c, end - 1 - n) == token_at(c, c->n - 1 - n)) n++;
    return n;
}

struct match {
    int end, length; /* what follows it begins at `end`; length 0: none */
};

static struct match lookup(const struct context *c)
{
    struct match best = {c->n, 0};
    for (int end = c->n - 1; end > 0 && best.length < MATCH_MAX; end--) {
        int length = match_length(c, end);
        if (length >= MATCH_MIN && length > best.length) best = (struct match){end, length};
    }
    return best;
}

static void propose(struct run *r)
{
    struct engine *e = r->e;
    for (int i = 0; i < e->n_running; i++) {
        struct sequence *s = e->sequences[i];
        const struct request *q = &r->requests[s->request];
        int room = draft_room(r, s);
        if (!room) continue;
        struct context c = {q->prompt, s->out->ids, q->n_prompt, q->n_prompt + s->out->n};
        struct match m = lookup(&c);
        /* A match that overlaps the end goes on into what it drafts. */
        for (int j = 0; j < m.length && j < room; j++, c.n++)
            s->out->ids[s->out->n + s->n_drafts++] = token_at(&c, m.end + j);
    }
}

const struct drafter draft_lookup = {.name = "lookup", .n = 10, .propose = propose};
