/* reward_repetition_penalty.c: from 0 down to max_penalty, the more n-grams occur again.
 *
 * Open-R1's get_repetition_penalty_reward, after Yeo et al. 2025: (1 - different n-grams / all n-grams)
 * times max_penalty. Words are cut at blanks, in lower case; {"unit":"tokens"} counts n-grams of token
 * ids, as TRL does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "reward/reward_int.h"

static const struct reward_param repetition_penalty_params[] = {
    {.name = "ngram_size",
     .open_r1 = "repetition_n_grams",
     .type = PARAM_INT,
     .number = 3,
     .lo = 1,
     .hi = 1000,
     .help = "words of an n-gram"},
    {.name = "max_penalty",
     .open_r1 = "repetition_max_penalty",
     .type = PARAM_NUMBER,
     .number = -1,
     .lo = -1e300,
     .hi = 0,
     .help = "for a text that only repeats"},
    {.name = "language",
     .type = PARAM_TEXT,
     .text = "en",
     .choices = "en|zh",
     .help = "en: words between blanks; zh: Chinese"},
    {.name = "unit",
     .type = PARAM_TEXT,
     .text = "words",
     .choices = "words|tokens",
     .help = "of the n-grams"},
    {.name = NULL}};

/* Different n-grams among the n - size + 1: pairs of (shorter n-gram, next word) are numbered anew. */
static size_t distinct(const int *id, size_t n, size_t size)
{
    int *gram = alloc_zero(n, sizeof *gram);
    size_t count = 0;
    memcpy(gram, id, n * sizeof *gram);
    for (size_t k = 1; k <= size; k++) {
        json_t *known = json_object();
        for (size_t i = 0; i + k <= n; i++) {
            char key[32];
            snprintf(key, sizeof key, "%d %d", gram[i], k > 1 ? id[i + k - 1] : 0);
            const json_t *v = json_object_get(known, key);
            gram[i] = v ? (int)json_integer_value(v) : (int)json_object_size(known);
            if (!v) json_object_set_new_nocheck(known, key, json_integer(gram[i]));
        }
        count = json_object_size(known);
        json_decref(known);
    }
    free(gram);
    return count;
}

static void judge(const struct reward_input *in, const int *id, size_t n, size_t size,
                  struct reward_result *out)
{
    double most = param_number(in->params, repetition_penalty_params, "max_penalty");
    if (n < size) {
        reward_give(out, 0, "shorter than one n-gram");
        return;
    }
    size_t all = n - size + 1, different = distinct(id, n, size);
    reward_step(in, "counted", "%zu %s make %zu n-grams of %zu, %zu of them different", n,
                param_text(in->params, repetition_penalty_params, "unit"), all, size, different);
    reward_step(in, "formula", "(1 - %zu/%zu) x max_penalty %g", different, all, most);
    reward_give(out, (1 - (double)different / (double)all) * most, "%zu different of %zu n-grams of %zu",
                different, all, size);
}

static void repetition_penalty_score(const struct reward_input *in, struct reward_result *out)
{
    size_t size = (size_t)param_number(in->params, repetition_penalty_params, "ngram_size");
    const char *language = param_text(in->params, repetition_penalty_params, "language");
    struct words w;
    if (strcmp(param_text(in->params, repetition_penalty_params, "unit"), "tokens") == 0) {
        if (in->ids)
            judge(in, in->ids, (size_t)in->n_ids, size, out);
        else
            reward_unjudged(out, "the tokens are not known: a list \"completion_ids\" is needed");
        return;
    }
    words_read(&w, in->text, strcmp(language, "zh") == 0 ? WORDS_CHINESE : WORDS_BLANKS);
    judge(in, w.id, w.n, size, out);
    words_release(&w);
}

#define TWO "{\"ngram_size\":2}"
static const struct reward_example repetition_penalty_examples[] = {
    {"this this this this this", "{}", -0.75, true, TWO},
    {"this is a this is a test", "{}", -(1 - 4 / 6.0), true, TWO},
    {"This THIS this", "{}", -0.5, true, TWO},
    {"A B C A B C", "{}", -0.25, true, NULL},
    {"a b c d", "{}", 0, true, NULL},
    {"word", "{}", 0, true, NULL},
    {"这个这个这个这个这个", "{}", -0.75, true, "{\"ngram_size\":2,\"language\":\"zh\"}"},
    {"", "{\"completion_ids\":[5,5,5]}", -0.5, true, "{\"ngram_size\":2,\"unit\":\"tokens\"}"},
    {"", "{}", 0, false, "{\"unit\":\"tokens\"}"},
};

const struct reward reward_repetition_penalty = {
    .name = "repetition_penalty",
    .metric = "repetition_penalty_reward",
    .help = "0 falling towards max_penalty, the more n-grams of words occur again",
    .lo = -1,
    .hi = 0,
    .params = repetition_penalty_params,
    .score = repetition_penalty_score,
    .examples = repetition_penalty_examples,
    .n_examples = sizeof repetition_penalty_examples / sizeof *repetition_penalty_examples,
};
