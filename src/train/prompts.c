/* prompts.c: dataset rows become prompts. A prompt is never cut: a row whose prompt is too long is left out
 * and counted, because half a chat template teaches nothing.
 */
#include "train/grpo_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void prompts_release(struct prompts *p)
{
    free(p->ids);
    free(p->list);
    *p = (struct prompts){0};
}

static void add_prompt(struct prompts *p, const struct ids *ids, long row)
{
    if (p->n_ids + ids->n > p->cap) {
        p->cap = p->cap * 2 + ids->n + 4096;
        p->ids = alloc_again(p->ids, p->cap * sizeof *p->ids);
    }
    memcpy(p->ids + p->n_ids, ids->p, ids->n * sizeof *ids->p);
    p->list[p->n++] = (struct prompt){.row = row, .at = p->n_ids, .n = (int)ids->n};
    p->n_ids += ids->n;
    if ((int)ids->n > p->longest) p->longest = (int)ids->n;
}

static bool chat_wanted(struct trainer *t)
{
    struct conf *c = t->conf;
    if (conf_is_set(c, "apply_chat_template")) return conf_bool(c, "apply_chat_template");
    bool told = conf_is_set(c, "dataset_prompt_column") || conf_is_set(c, "system_prompt");
    return told && tokenizer_template(model_tokenizer(t->model));
}

int prompts_read(struct prompts *p, json_t *rows, struct trainer *t, struct err *e)
{
    struct conf *c = t->conf;
    struct prompt_opts o = {.tok = model_tokenizer(t->model),
                            .prompt_column = conf_str(c, "dataset_prompt_column"),
                            .system_prompt = conf_str(c, "system_prompt"),
                            .apply_chat = chat_wanted(t)};
    size_t limit =
        conf_is_set(c, "max_prompt_length") ? (size_t)conf_int(c, "max_prompt_length") : (size_t)1 << 28;
    size_t n = json_array_size(rows), too_long = 0;
    if (n >= (size_t)1 << 30) return err_set(e, "%zu rows", n);
    p->opts = o;
    p->list = alloc_zero(n + 1, sizeof *p->list);
    for (size_t i = 0; i < n; i++) {
        struct ids ids = {0};
        int failed = prompt_encode(json_array_get(rows, i), &o, &ids, e);
        if (!failed && ids.n == 0) failed = err_set(e, "the prompt has no tokens");
        if (!failed && ids.n > limit)
            too_long++;
        else if (!failed)
            add_prompt(p, &ids, (long)i);
        ids_release(&ids);
        if (failed) return err_wrap(e, "dataset row %zu", i);
    }
    if (p->n == 0) return err_set(e, "all %zu prompts are longer than max_prompt_length %zu", n, limit);
    if (too_long)
        log_warn("%zu of %zu prompts are longer than max_prompt_length %zu and are left out", too_long, n,
                 limit);
    log_info("data: %d prompts, longest %d tokens%s", p->n, p->longest,
             o.apply_chat ? ", chat template applied" : "");
    return 0;
}
