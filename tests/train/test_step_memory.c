/* test_step_memory.c: a long run takes no more large blocks of memory than a short one: after the first step
 * nothing of weight is allocated between steps. Allocation is watched by standing in for the C library's
 * functions.
 */
#include "tiny.h"

#if !defined(__SANITIZE_ADDRESS__) && defined(__GLIBC__)
#define WATCHED 1
enum { LARGE = 64 * 1024 };
static long n_large;

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

void *malloc(size_t n)
{
    n_large += n >= LARGE;
    return __libc_malloc(n);
}

void *calloc(size_t count, size_t size)
{
    n_large += count && size >= LARGE / count;
    return __libc_calloc(count, size);
}

void *realloc(void *p, size_t n)
{
    n_large += n >= LARGE;
    return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    n_large += n >= LARGE;
    return __libc_memalign(align, n);
}
#else
#define WATCHED 0
static long n_large;
#endif

static long large_blocks(const char *algo, const char *words, int steps)
{
    char all[512];
    snprintf(all, sizeof all, "%s max_steps %d hash_every 1000", words, steps);
    long before = n_large;
    json_decref(tiny_run(algo, all));
    return n_large - before;
}

static void check(const char *algo, const char *words)
{
    if (!WATCHED) skip();
    long few = large_blocks(algo, words, 2), many = large_blocks(algo, words, 40);
    if (few != many || few < 2) fail_msg("%s: %ld large blocks in 2 steps, %ld in 40", algo, few, many);
}

static void sft_takes_its_memory_once(void **state)
{
    (void)state;
    check("sft", "model_name_or_path @base from_scratch true dataset_name @data.jsonl output_dir @out "
                 "save_strategy no "
                 "overwrite_output_dir true per_device_train_batch_size 7 gradient_accumulation_steps 3");
}

static void grpo_takes_its_memory_once(void **state)
{
    (void)state;
    check(
        "grpo",
        "model_name_or_path @base from_scratch true dataset_name @data.jsonl output_dir @out save_strategy "
        "no "
        "overwrite_output_dir true prompts_per_step 5 num_generations 4 reward_funcs exact num_iterations 2 "
        "max_completion_length 20 beta 0.1 learning_rate 1e-2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sft_takes_its_memory_once),
        cmocka_unit_test(grpo_takes_its_memory_once),
    };
    return cmocka_run_group_tests(tests, tiny_setup, tiny_teardown);
}
