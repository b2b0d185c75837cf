/* Reference counts, promises and copies of KV blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "infer/infer_int.h"

struct three {
    struct blocks b;
    struct table a, c, d;
    int memory[3][8];
};

static void three_init(struct three *t, int n)
{
    *t = (struct three){.a = {0}};
    blocks_init(&t->b, n, NULL);
    t->a.block = t->memory[0];
    t->c.block = t->memory[1];
    t->d.block = t->memory[2];
}

static void test_promised_blocks_cannot_be_promised_again(void **state)
{
    (void)state;
    struct three t;
    three_init(&t, 5);
    assert_true(blocks_promise(&t.b, &t.a, 3));
    assert_false(blocks_promise(&t.b, &t.c, 3));
    assert_true(blocks_promise(&t.b, &t.c, 2));
    assert_false(blocks_promise(&t.b, &t.d, 1));
    assert_true(blocks_promise(&t.b, &t.d, 0));
    blocks_write(&t.b, &t.a, 0);
    assert_false(blocks_promise(&t.b, &t.d, 1)); /* taking one changes nothing for the others */
    blocks_drop(&t.b, &t.a);
    assert_true(blocks_promise(&t.b, &t.d, 3));
    blocks_release(&t.b);
}

static void test_shared_block_is_copied_by_whoever_writes_while_others_hold_it(void **state)
{
    (void)state;
    struct three t;
    three_init(&t, 6);
    assert_true(blocks_promise(&t.b, &t.a, 2));
    blocks_write(&t.b, &t.a, 0);
    blocks_write(&t.b, &t.a, KERN_KEYS);
    blocks_share(&t.b, &t.c, &t.a);
    blocks_share(&t.b, &t.d, &t.a);
    assert_int_equal(t.b.n_free, 4);
    assert_int_equal(t.c.block[1], t.a.block[1]);
    blocks_drop(&t.b, &t.a);
    assert_int_equal(t.b.n_free, 4);
    assert_true(blocks_promise(&t.b, &t.c, 1));
    blocks_write(&t.b, &t.c, KERN_KEYS + 5); /* d holds it too: a copy */
    assert_int_not_equal(t.c.block[1], t.d.block[1]);
    assert_int_equal(t.c.block[0], t.d.block[0]);
    int kept = t.d.block[1];
    blocks_write(&t.b, &t.d, KERN_KEYS + 5); /* nobody else any more: in place, without a promise */
    assert_int_equal(t.d.block[1], kept);
    assert_int_equal(t.b.n_free, 3);
    blocks_drop(&t.b, &t.c);
    blocks_drop(&t.b, &t.d);
    assert_int_equal(t.b.n_free, 6);
    assert_int_equal(t.b.n_promised, 0);
    blocks_release(&t.b);
}

static void test_copy_carries_keys_and_values_of_all_layers(void **state)
{
    (void)state;
    struct err e;
    struct kv_cache *cache = kv_cache_new(3, 2, 8, 3, &e);
    assert_non_null(cache);
    struct three t;
    three_init(&t, 3);
    t.b.cache = cache;
    assert_true(blocks_promise(&t.b, &t.a, 1));
    blocks_write(&t.b, &t.a, 0);
    size_t one = 3 * 2 * 4 * 2 * KERN_KEYS;
    float *from = cache->data + (size_t)t.a.block[0] * one;
    for (size_t i = 0; i < one; i++) from[i] = (float)i + 1;
    blocks_share(&t.b, &t.c, &t.a);
    assert_true(blocks_promise(&t.b, &t.c, 1));
    blocks_write(&t.b, &t.c, 7);
    assert_int_not_equal(t.c.block[0], t.a.block[0]);
    assert_memory_equal(cache->data + (size_t)t.c.block[0] * one, from, one * sizeof(float));
    blocks_release(&t.b);
    kv_cache_free(cache);
}

static void test_a_block_that_depends_on_tokens_ahead_is_found_by_those_too(void **state)
{
    (void)state;
    struct three t;
    int tokens[KERN_KEYS + 2];
    for (int i = 0; i < KERN_KEYS + 2; i++) tokens[i] = i;
    three_init(&t, 1); /* one bucket: whoever looks meets it */
    t.b.ahead = 2;
    assert_true(blocks_promise(&t.b, &t.a, 1));
    blocks_write(&t.b, &t.a, 0);
    blocks_know(&t.b, &t.a, 0, tokens);
    blocks_drop(&t.b, &t.a);
    assert_true(blocks_promise(&t.b, &t.c, 1));
    tokens[KERN_KEYS + 1]++;
    assert_false(blocks_reuse(&t.b, &t.c, tokens));
    tokens[KERN_KEYS + 1]--;
    assert_true(blocks_reuse(&t.b, &t.c, tokens));
    blocks_release(&t.b);
}

static void test_blocks_that_were_used_are_used_again_before_others(void **state)
{
    (void)state;
    struct three t;
    int tokens[KERN_KEYS] = {0};
    three_init(&t, 6);
    for (int turn = 0; turn < 5; turn++) {
        assert_true(blocks_promise(&t.b, &t.a, 2));
        for (int i = 0; i < 2; i++) {
            tokens[0] = i;
            blocks_write(&t.b, &t.a, i * KERN_KEYS);
            blocks_know(&t.b, &t.a, i, tokens);
        }
        blocks_drop(&t.b, &t.a);
        blocks_forget(&t.b);
        assert_int_equal(t.b.n_free, 6);
        assert_int_equal(t.b.n_used, 2);
    }
    blocks_release(&t.b);
}

static void test_blocks_for_counts_begun_blocks(void **state)
{
    (void)state;
    assert_int_equal(blocks_for(0), 0);
    assert_int_equal(blocks_for(1), 1);
    assert_int_equal(blocks_for(KERN_KEYS), 1);
    assert_int_equal(blocks_for(KERN_KEYS + 1), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_promised_blocks_cannot_be_promised_again),
        cmocka_unit_test(test_shared_block_is_copied_by_whoever_writes_while_others_hold_it),
        cmocka_unit_test(test_copy_carries_keys_and_values_of_all_layers),
        cmocka_unit_test(test_a_block_that_depends_on_tokens_ahead_is_found_by_those_too),
        cmocka_unit_test(test_blocks_that_were_used_are_used_again_before_others),
        cmocka_unit_test(test_blocks_for_counts_begun_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
