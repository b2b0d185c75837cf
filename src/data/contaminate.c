/* contaminate.c: do texts share runs of n words with a benchmark's? (Open-R1's decontaminate.py, n 8; GPT-3's
 * appendix C, n 13.) A text of fewer than n words has no run, on either side.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "data/data_int.h"

struct run_set {
    size_t n_words;
    uint64_t *runs; /* sorted once it is asked */
    size_t n, cap;
    bool sorted;
    struct word_list words; /* of the text at hand */
};

struct run_set *run_set_new(int n_words)
{
    CHECK(n_words >= 1, "runs of %d words", n_words);
    struct run_set *s = alloc_zero(1, sizeof *s);
    s->n_words = (size_t)n_words;
    return s;
}

void run_set_free(struct run_set *s)
{
    if (!s) return;
    word_list_release(&s->words);
    free(s->runs);
    free(s);
}

void run_set_add(struct run_set *s, const char *text, size_t n)
{
    word_list_read(&s->words, text, n);
    for (size_t i = 0; i + s->n_words <= s->words.n; i++) {
        if (s->n == s->cap) {
            s->cap = s->cap * 2 + 1024;
            s->runs = alloc_again(s->runs, s->cap * sizeof *s->runs);
        }
        s->runs[s->n++] = word_list_run(&s->words, i, s->n_words);
    }
    s->sorted = false;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

bool run_set_meets(struct run_set *s, const char *text, size_t n, struct str *shared)
{
    if (!s->sorted && s->n) qsort(s->runs, s->n, sizeof *s->runs, compare);
    s->sorted = true;
    word_list_read(&s->words, text, n);
    for (size_t i = 0; i + s->n_words <= s->words.n && s->n; i++) {
        uint64_t run = word_list_run(&s->words, i, s->n_words);
        if (!bsearch(&run, s->runs, s->n, sizeof run, compare)) continue;
        const struct word_at *first = &s->words.list[i], *last = &s->words.list[i + s->n_words - 1];
        if (shared) str_add(shared, text + first->from, last->to - first->from);
        return true;
    }
    return false;
}
