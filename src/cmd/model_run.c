/* model_run.c: opening a model, token ids from a file, planned passes. See model_run.h. */
#include "cmd/model_run.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

const struct opt model_run_options[] = {
    {.key = "load_in_place",
     .type = OPT_STR,
     .fallback = "auto",
     .help = "leave the weights in their file and decode them as they are used, rather than pack them in the "
             "type they have: the same results from less memory, more slowly (auto: if they would not fit)",
     .choices = "auto|true|false"},
    {.key = NULL}};

struct model *model_open(struct conf *c, struct err *e)
{
    const char *in_place = conf_str(c, "load_in_place");
    int flags = !strcmp(in_place, "true")  ? MODEL_IN_PLACE
                : strcmp(in_place, "auto") ? MODEL_PACKED
                                           : MODEL_PACKED | MODEL_IN_PLACE_IF_LARGE;
    return model_load(conf_str(c, "model"), flags, 0, e);
}

const struct opt token_lists_options[] = {
    {.key = "model",
     .type = OPT_STR,
     .help = "folder in Hugging Face layout, or .gguf file",
     .flags = OPT_REQUIRED},
    {.key = "ids",
     .type = OPT_STR,
     .help = "JSON file: a list of token ids, or a list of such lists",
     .flags = OPT_REQUIRED},
    {.key = "out", .type = OPT_STR, .help = "safetensors file to write", .flags = OPT_REQUIRED},
    {.key = NULL}};

static int read_list(struct token_lists *l, const json_t *list, const char *path, int vocab, struct err *e)
{
    size_t n = json_array_size(list);
    if (n == 0 || n > 1 << 24)
        return err_set(e, "%s: list %d has %zu token ids; 1 to 16777216 can be run", path, l->n, n);
    int *ids = alloc_zero(n, sizeof *ids);
    l->ids[l->n] = ids;
    l->lengths[l->n] = (int)n;
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) >= vocab)
            return err_set(e, "%s: list %d: item %zu is no token id; the model knows 0 to %d", path, l->n, i,
                           vocab - 1);
        ids[i] = (int)json_integer_value(v);
    }
    l->n++;
    return 0;
}

static void token_lists_release(struct token_lists *l)
{
    for (int i = 0; i < l->n; i++) free(l->ids[i]);
    free(l->ids);
    free(l->lengths);
    *l = (struct token_lists){0};
}

static int token_lists_read(struct token_lists *l, const char *path, int vocab, struct err *e)
{
    *l = (struct token_lists){0};
    json_t *all = json_read_file(path, e);
    if (!all) return -1;
    int result = 0;
    size_t n = json_array_size(all);
    if (n == 0) {
        result = err_set(e, "%s: a list of token ids, or a list of such lists, is expected", path);
    } else {
        l->nested = json_is_array(json_array_get(all, 0));
        size_t lists = l->nested ? n : 1;
        l->ids = alloc_zero(lists, sizeof *l->ids);
        l->lengths = alloc_zero(lists, sizeof *l->lengths);
        for (size_t i = 0; i < lists && !result; i++)
            result = read_list(l, l->nested ? json_array_get(all, i) : all, path, vocab, e);
        if (result) free(l->ids[l->n]);
    }
    json_decref(all);
    if (result) token_lists_release(l);
    return result;
}

int token_lists_run(struct conf *c, struct model *m, token_lists_use f, struct err *e)
{
    struct token_lists lists;
    if (!m) return -1;
    int result = token_lists_read(&lists, conf_str(c, "ids"), model_config(m)->vocab, e);
    if (!result) {
        result = f(m, &lists, conf_str(c, "out"), e);
        token_lists_release(&lists);
    }
    model_free(m);
    return result;
}

static size_t run_in(struct arena *a, model_pass f, void *ctx, bool record)
{
    struct tape *t = tape_new(a);
    tape_start(t, record);
    f(t, ctx);
    size_t peak = a->peak;
    tape_free(t);
    arena_release(a);
    return peak;
}

int model_pass_run(model_pass f, void *ctx, bool record, struct err *e)
{
    struct arena a;
    arena_init_plan(&a);
    size_t need = run_in(&a, f, ctx, record);
    if ((double)need > (double)machine_memory())
        return err_set(e,
                       "this pass takes %.1f GB besides the weights; the machine has %.1f GB; give shorter "
                       "lists, or fewer",
                       (double)need / 1e9, (double)machine_memory() / 1e9);
    arena_init(&a, need + ((size_t)1 << 20));
    run_in(&a, f, ctx, record);
    return 0;
}
