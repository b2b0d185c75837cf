/* test_group_rows.c: a group of eight with a prompt of 512 tokens costs what one prompt and eight completions
 * cost, in sampling and in the training pass: counted in rows, each the same work in every matrix.
 */
#include "tiny.h"

#include "train/grpo_int.h"

enum { PROMPT = 512, GROUP = 8, LENGTH = 24 };

struct seen {
    long prompt_tokens, tokens;
};

static bool watch(void *ctx, const struct engine_progress *p)
{
    struct seen *s = ctx;
    s->prompt_tokens = p->prompt_tokens;
    s->tokens = p->tokens;
    return false;
}

static void at_most(long rows, long ideal)
{
    if ((double)rows >= 1.15 * (double)ideal) fail_msg("%ld rows, ideally %ld", rows, ideal);
}

static void a_prompt_is_computed_once_for_its_group(void **state)
{
    (void)state;
    struct err e = {0};
    char *path = tiny_path("base");
    struct model *m = model_load(path, MODEL_RANDOM, 1, &e);
    if (!m) fail_msg("%s", e.msg);
    int ids[PROMPT], made = 0;
    for (int i = 0; i < PROMPT; i++) ids[i] = 1 + i % 12;
    struct engine_limits limits = {.max_running = GROUP, .max_rows = 64, .max_tokens = PROMPT + LENGTH};
    struct engine *engine = engine_new(m, &limits, &e);
    if (!engine) fail_msg("%s", e.msg);
    struct request request = {.prompt = ids, .n_prompt = PROMPT, .n = GROUP};
    sampling_default(&request.sampling);
    request.sampling.max_new_tokens = LENGTH;
    struct seen seen = {0};
    struct engine_hooks hooks = {.watch = watch, .ctx = &seen};
    struct group group;
    if (engine_run(engine, &request, 1, &group, &hooks, &e)) fail_msg("%s", e.msg);
    for (int i = 0; i < GROUP; i++) made += group.c[i].n;
    assert_int_equal(made, GROUP * LENGTH);
    assert_int_equal(seen.tokens, made);
    /* A row each for the prompt's tokens, and for all of a completion's but its last. */
    at_most(seen.prompt_tokens + made - GROUP, PROMPT + made);
    assert_int_equal(seen.prompt_tokens, PROMPT);

    struct prompt prompt = {.n = PROMPT};
    struct grpo g = {.prompts = {.ids = ids, .list = &prompt, .n = 1}};
    micro_init(&g.micro, PROMPT + GROUP * LENGTH, GROUP + 1, GROUP * LENGTH);
    grpo_lay_group(&g, &prompt, group.c, GROUP);
    at_most(g.micro.n_rows, PROMPT + made);
    assert_int_equal(g.micro.n_rows, PROMPT + made - GROUP);
    assert_int_equal(g.micro.n_heads, made);
    for (int i = 1; i <= GROUP; i++) assert_int_equal(g.micro.spans[i].parent, 0);
    micro_release(&g.micro);
    group_release(&group);
    engine_free(engine);
    model_free(m);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_is_computed_once_for_its_group),
    };
    return cmocka_run_group_tests(tests, tiny_setup, tiny_teardown);
}
