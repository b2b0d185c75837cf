/* test_step_memory.c: a long run takes no more blocks of memory than a short one, apart from the few hundred
 * bytes of a record: no number of a step lives in a block that the step before did not have, with the hash of
 * the weights taken at every step. Allocation is watched by standing in for the C library's functions. And
 * the process does not grow: many steps end in the memory in which the first hundred did.
 */
#include "tiny.h"

#include <sys/resource.h>

#if !defined(__SANITIZE_ADDRESS__) && defined(__GLIBC__)
#define WATCHED 1
enum { LARGE = 4 * 1024 + 1 }; /* a line's buffer, which grows by powers of two with a record, stays below */
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
    char all[576];
    snprintf(all, sizeof all, "%s max_steps %d hash_every 1", words, steps);
    long before = n_large;
    json_decref(tiny_run(algo, all));
    return n_large - before;
}

static void check(const char *algo, const char *words)
{
    if (!WATCHED) skip();
    large_blocks(algo, words, 2); /* what libraries take once */
    /* Two digits in either: a configuration that is a byte longer may take a larger block. */
    long few = large_blocks(algo, words, 10), many = large_blocks(algo, words, 40);
    if (few != many || few < 2) fail_msg("%s: %ld large blocks in 10 steps, %ld in 40", algo, few, many);
}

static const char sft_words[] =
    "model_name_or_path @base from_scratch true dataset_name @data.jsonl output_dir @out save_strategy no "
    "overwrite_output_dir true logging_strategy no per_device_train_batch_size 7 gradient_accumulation_steps "
    "3";
static const char grpo_words[] =
    "model_name_or_path @base from_scratch true dataset_name @data.jsonl output_dir @out save_strategy no "
    "overwrite_output_dir true logging_strategy no prompts_per_step 5 num_generations 4 reward_funcs exact "
    "num_iterations 2 "
    "max_completion_length 20 beta 0.1 learning_rate 1e-2";

static void sft_takes_its_memory_once(void **state)
{
    (void)state;
    check("sft", sft_words);
}

static void grpo_takes_its_memory_once(void **state)
{
    (void)state;
    check("grpo", grpo_words);
}

static void weights_of_bfloat16_take_their_memory_once(void **state)
{
    (void)state;
    char words[480];
    snprintf(words, sizeof words, "%s weights_dtype bfloat16", sft_words);
    check("sft", words);
    snprintf(words, sizeof words, "%s weights_dtype bfloat16 sync_ref_model true ref_model_sync_steps 2",
             grpo_words);
    check("grpo", words);
}

/* The largest number of kilobytes that were this process's in memory so far, after a run of so many steps. */
static long peak_after(const char *algo, const char *words, int steps)
{
    char all[512];
    struct rusage usage;
    snprintf(all, sizeof all, "%s max_steps %d hash_every 1000000", words, steps);
    json_decref(tiny_run(algo, all));
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void many_steps_take_no_more_than_a_hundred(void **state)
{
    (void)state;
    if (!WATCHED) skip();
    static const struct {
        const char *algo, *words;
        int steps; /* each is synced to the disk */
    } runs[] = {{"sft", sft_words, 1000}, {"grpo", grpo_words, 400}};
    for (int i = 0; i < 2; i++) {
        long few = peak_after(runs[i].algo, runs[i].words, 100);
        long many = peak_after(runs[i].algo, runs[i].words, runs[i].steps);
        /* Where threads meet in the allocator a megabyte comes or not; 7 kB a step would be seen. */
        if (many > few + 2048)
            fail_msg("%s: %ld kB after 100 steps, %ld after %d", runs[i].algo, few, many, runs[i].steps);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sft_takes_its_memory_once),
        cmocka_unit_test(grpo_takes_its_memory_once),
        cmocka_unit_test(weights_of_bfloat16_take_their_memory_once),
        cmocka_unit_test(many_steps_take_no_more_than_a_hundred),
    };
    return cmocka_run_group_tests(tests, tiny_setup, tiny_teardown);
}
