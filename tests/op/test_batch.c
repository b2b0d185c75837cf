/* A broken batch ends the program with its values; blocks of the key-value cache are copied in all layers. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "kern/kern.h"
#include "op/op.h"

static bool aborts(const struct batch *b)
{
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        fclose(stderr);
        batch_check(b);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void broken_spans_abort(void **state)
{
    (void)state;
    const struct span good[] = {
        {0, 40, 0, -1, NULL}, {40, 5, 40, 0, NULL}, {45, 6, 40, 0, NULL}, {51, 1, 45, 1, NULL}};
    struct span s[4];
    struct batch b = {.n_rows = 52, .n_spans = 4, .spans = s};
    memcpy(s, good, sizeof s);
    assert_false(aborts(&b));
    for (int c = 0; c < 9; c++) {
        memcpy(s, good, sizeof s);
        if (c == 0) s[1].row = 41;       /* a gap */
        if (c == 1) s[3].len = 2;        /* beyond the batch */
        if (c == 2) s[2].len = 0;        /* empty */
        if (c == 3) s[1].parent = 2;     /* a later parent */
        if (c == 4) s[1].parent = 1;     /* itself */
        if (c == 5) s[3].first_pos = 44; /* overlaps its parent */
        if (c == 6) s[0].first_pos = 3;  /* nobody before it */
        if (c == 7) s[2].parent = -2;
        if (c == 8) s[3].first_pos = -1;
        if (!aborts(&b)) fail_msg("case %d passed", c);
    }
    memcpy(s, good, sizeof s);
    b.n_rows = 53;
    assert_true(aborts(&b));
}

static void chains_deeper_than_the_limit_abort(void **state)
{
    (void)state;
    struct span s[BATCH_DEPTH_MAX + 1];
    for (int i = 0; i <= BATCH_DEPTH_MAX; i++) s[i] = (struct span){2 * i, 2, 2 * i, i - 1, NULL};
    struct batch b = {.n_rows = 2 * BATCH_DEPTH_MAX, .n_spans = BATCH_DEPTH_MAX, .spans = s};
    assert_false(aborts(&b));
    b.n_rows += 2, b.n_spans++;
    assert_true(aborts(&b));
}

static void broken_block_tables_abort(void **state)
{
    (void)state;
    struct kv_cache *cache = kv_cache_new(1, 1, 8, 5, NULL);
    int blocks[3] = {4, 0, 3};
    struct span s = {0, 2, 2 * KERN_KEYS - 1, -1, blocks};
    struct batch b = {.n_rows = 2, .n_spans = 1, .spans = &s, .cache = cache};
    assert_false(aborts(&b));
    blocks[2] = 5; /* position 2 * KERN_KEYS is in it */
    assert_true(aborts(&b));
    s.len = 1, b.n_rows = 1;
    assert_false(aborts(&b));
    blocks[1] = -1;
    assert_true(aborts(&b));
    s.blocks = NULL;
    assert_true(aborts(&b));
    kv_cache_free(cache);
}

static void copying_a_block_copies_all_layers_and_heads(void **state)
{
    (void)state;
    enum { LAYERS = 3, HEADS = 2, HD = 4, BLOCKS = 5 };
    struct kv_cache *c = kv_cache_new(LAYERS, HEADS, 2 * HD, BLOCKS, NULL);
    size_t n = kv_cache_bytes(LAYERS, HEADS, 2 * HD, BLOCKS) / sizeof(float), one = n / BLOCKS;
    assert_int_equal(one, LAYERS * HEADS * HD * 2 * KERN_KEYS);
    assert_int_equal((uintptr_t)c->data % 64, 0);
    for (size_t i = 0; i < n; i++) c->data[i] = (float)i;
    kv_cache_copy(c, 1, 3);
    kv_cache_copy(c, 2, 2);
    for (size_t i = 0; i < n; i++) assert_true(c->data[i] == (float)(i / one == 3 ? i - 2 * one : i));
    kv_cache_free(c);
}

static void a_cache_that_does_not_fit_is_an_error(void **state)
{
    (void)state;
    struct err e = {0};
    assert_null(kv_cache_new(4096, 4096, 1024, 1 << 30, &e));
    assert_int_equal(e.kind, ERR_FAILED);
    assert_non_null(strstr(e.msg, "key-value cache"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_spans_abort),
        cmocka_unit_test(chains_deeper_than_the_limit_abort),
        cmocka_unit_test(broken_block_tables_abort),
        cmocka_unit_test(copying_a_block_copies_all_layers_and_heads),
        cmocka_unit_test(a_cache_that_does_not_fit_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
