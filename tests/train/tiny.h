/* tiny.h: a model small enough to train in a test, its data, and runs of an algorithm as a command would
 * start them. */
#ifndef TESTS_TRAIN_TINY_H
#define TESTS_TRAIN_TINY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "train/train.h"
#include "text/text.h"

enum { TINY_ARGS = 64 };
static char tiny_dir[64]; /* made by tiny_setup, removed by tiny_teardown */

static inline char *tiny_path(const char *name)
{
    return path_join(tiny_dir, name);
}

static inline void tiny_write(const char *name, const char *text)
{
    struct err e = {0};
    char *path = tiny_path(name);
    if (file_write(path, text, strlen(text), &e)) fail_msg("%s", e.msg);
    free(path);
}

/* DIR/NAME: a Qwen2 (it has biases) over these characters and specials, of which the first ends, without
 * weights. */
static inline void tiny_model_over(const char *name, const char *alphabet, const char *const *specials,
                                   int n_specials)
{
    struct err e = {0};
    struct tokenizer *tok = tokenizer_chars(alphabet, specials, n_specials, &e);
    if (!tok) fail_msg("%s", e.msg);
    char *base = tiny_path(name), config[1024];
    if (file_mkdirs(base, &e) || tokenizer_save(tok, base, &e)) fail_msg("%s", e.msg);
    int eos = tokenizer_id(tok, specials[0]);
    snprintf(config, sizeof config,
             "{\"architectures\":[\"Qwen2ForCausalLM\"],\"model_type\":\"qwen2\",\"hidden_act\":\"silu\","
             "\"vocab_size\":%d,\"hidden_size\":16,\"num_hidden_layers\":2,\"num_attention_heads\":2,"
             "\"num_key_value_heads\":1,\"intermediate_size\":32,\"max_position_embeddings\":64,"
             "\"rms_norm_eps\":1e-5,\"rope_theta\":10000.0,\"tie_word_embeddings\":true,"
             "\"initializer_range\":0.1,\"eos_token_id\":%d,\"pad_token_id\":%d}",
             tokenizer_size(tok), eos, eos);
    char *path = path_join(base, "config.json");
    if (file_write(path, config, strlen(config), &e)) fail_msg("%s", e.msg);
    tokenizer_free(tok);
    free(path);
    free(base);
}

/* DIR/base: over the characters of sums. */
static inline void tiny_model(void)
{
    static const char *const specials[] = {"<eos>"};
    tiny_model_over("base", "0123456789+-=", specials, 1);
}

/* Sums of two digits: prompt, completion, and the solution that rewards read. */
static inline void tiny_data(const char *name, int n)
{
    struct str s;
    str_init(&s, 0);
    for (int i = 0; i < n; i++) {
        int a = i * 7 % 10, b = i * 3 / 10 % 10;
        const char *row = "{\"prompt\":\"%d+%d=\",\"completion\":\"%d\",\"solution\":\"%d\"}\n";
        str_addf(&s, row, a, b, a + b, a + b);
    }
    tiny_write(name, s.p);
    str_release(&s);
}

static inline int tiny_setup(void **state)
{
    (void)state;
    snprintf(tiny_dir, sizeof tiny_dir, "%s/tiny.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(tiny_dir));
    log_set_level(getenv("TINY_LOG") ? LOG_INFO : LOG_ERROR);
    tiny_model();
    tiny_data("data.jsonl", 40);
    return 0;
}

static inline int tiny_teardown(void **state)
{
    (void)state;
    return file_remove_tree(tiny_dir, NULL);
}

/* Run an algorithm with `words` ("key value key value ..."); "@x" in a value stands for DIR/x. The result is
 * the summary object, or NULL and e. */
static inline json_t *tiny_try(const char *algo, const char *words, struct err *e)
{
    char *text = alloc_str(words), *args[TINY_ARGS], *made[TINY_ARGS];
    int n = 0, n_made = 0;
    for (char *save, *w = strtok_r(text, " ", &save); w && n < TINY_ARGS; w = strtok_r(NULL, " ", &save)) {
        if (n % 2 == 0 || *w == '@') {
            size_t size = strlen(w) + strlen(tiny_dir) + 4;
            char *word = alloc_or_die(size);
            if (n % 2 == 0)
                snprintf(word, size, "--%s", w);
            else
                snprintf(word, size, "%s/%s", tiny_dir, w + 1);
            w = made[n_made++] = word;
        }
        args[n++] = w;
    }
    const struct algo *a = algo_find(algo);
    const struct opt *const tables[] = {a->options, train_options, model_options};
    struct str out;
    str_init(&out, 0);
    struct conf *c = conf_new(tables, 3, n, args, e);
    int failed = c ? a->run(c, NULL, &out, e) : -1;
    json_t *result = failed ? NULL : out.len ? json_read_bytes(out.p, out.len, "summary", e) : json_object();
    conf_free(c);
    str_release(&out);
    for (int i = 0; i < n_made; i++) free(made[i]);
    free(text);
    return result;
}

static inline json_t *tiny_run(const char *algo, const char *words)
{
    struct err e = {0};
    json_t *result = tiny_try(algo, words, &e);
    if (!result) fail_msg("%s %s: %s", algo, words, e.msg);
    return result;
}

/* Hash of the final weights of a run. */
static inline void tiny_hash(const char *algo, const char *words, char hex[65])
{
    json_t *result = tiny_run(algo, words);
    snprintf(hex, 65, "%s", json_str_or(result, "weights", ""));
    assert_int_equal(strlen(hex), 64);
    json_decref(result);
}

static inline void tiny_refused(const char *algo, const char *words, const char *part)
{
    struct err e = {0};
    json_t *result = tiny_try(algo, words, &e);
    if (result) fail_msg("%s %s: was not refused", algo, words);
    if (!strstr(e.msg, part)) fail_msg("'%s' does not say '%s'", e.msg, part);
}

/* All records of DIR/RUN/FILE. */
static inline json_t *tiny_records(const char *run, const char *file)
{
    struct err e = {0};
    struct jsonl in;
    json_t *all = json_array(), *record;
    char *dir = tiny_path(run), *path = path_join(dir, file);
    if (jsonl_open(&in, path, &e)) fail_msg("%s", e.msg);
    while (jsonl_next(&in, &record, &e) == 1) json_array_append_new(all, record);
    jsonl_close(&in);
    free(dir);
    free(path);
    return all;
}

static inline json_t *tiny_metrics(const char *run)
{
    return tiny_records(run, "metrics.jsonl");
}

static inline double tiny_metric(const json_t *metrics, size_t step, const char *key)
{
    const json_t *v = json_object_get(json_array_get(metrics, step), key);
    if (!json_is_number(v)) fail_msg("step %zu has no %s", step + 1, key);
    return json_number_value(v);
}

#endif
