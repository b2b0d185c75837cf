/* prompts.c: dataset rows become prompts. A prompt that is too long is left out and counted, because half a
 * chat template teaches nothing; or, when told so, cut to its last tokens, or refused.
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

/* chat_template_kwargs: for every row that does not say otherwise itself. */
static void add_variables(json_t *row, const json_t *variables)
{
    json_t *own = json_object_get(row, "chat_template_kwargs"), *all = json_copy((json_t *)variables);
    if (json_is_object(own)) json_object_update(all, own);
    json_object_set_new(row, "chat_template_kwargs", all);
}

struct length_rule {
    size_t limit;
    const char *longer; /* drop, cut or refuse */
    size_t n;           /* rows that it met */
};

/* Is the prompt to be left out? */
static int keep_length(struct length_rule *r, struct ids *ids, bool *out, struct err *e)
{
    *out = ids->n > r->limit;
    if (!*out) return 0;
    r->n++;
    if (strcmp(r->longer, "refuse") == 0)
        return err_set(
            e,
            "the prompt has %zu tokens, max_prompt_length is %zu (long_prompts: drop would leave it "
            "out)",
            ids->n, r->limit);
    if (strcmp(r->longer, "cut") != 0) return 0;
    memmove(ids->p, ids->p + ids->n - r->limit, r->limit * sizeof *ids->p);
    ids->n = r->limit;
    *out = false;
    return 0;
}

static void say_lengths(const struct prompts *p, const struct length_rule *r, size_t n)
{
    bool cut = strcmp(r->longer, "cut") == 0;
    if (r->n)
        log_warn("%zu of %zu prompts are longer than max_prompt_length %zu and are %s", r->n, n, r->limit,
                 cut ? "cut to their last tokens, which may cost them the head of a chat template"
                     : "left out");
    log_info("data: %d prompts, longest %d tokens%s", p->n, p->longest,
             p->opts.apply_chat ? ", chat template applied" : "");
}

int prompts_read(struct prompts *p, const struct row_list *list, struct trainer *t, struct err *e)
{
    struct conf *c = t->conf;
    json_t *rows = list->rows;
    struct prompt_opts o = {.tok = model_tokenizer(t->model),
                            .prompt_column = conf_str(c, "dataset_prompt_column"),
                            .system_prompt = conf_str(c, "system_prompt"),
                            .apply_chat = chat_wanted(t),
                            .now = &t->now};
    struct length_rule rule = {.limit = (size_t)1 << 28, .longer = conf_str(c, "long_prompts")};
    json_t *variables = conf_map(c, "chat_template_kwargs");
    size_t n = json_array_size(rows);
    int failed = n >= (size_t)1 << 30 ? err_set(e, "%zu rows", n) : 0;
    if (conf_is_set(c, "max_prompt_length")) rule.limit = (size_t)conf_int(c, "max_prompt_length");
    p->opts = o;
    p->list = alloc_zero(n + 1, sizeof *p->list);
    for (size_t i = 0; i < n && !failed; i++) {
        struct ids ids = {0};
        bool out = false;
        if (json_object_size(variables)) add_variables(json_array_get(rows, i), variables);
        failed = prompt_encode(json_array_get(rows, i), &o, &ids, e);
        if (!failed && ids.n == 0) failed = err_set(e, "the prompt has no tokens");
        if (!failed) failed = keep_length(&rule, &ids, &out, e);
        if (!failed && !out) add_prompt(p, &ids, (long)i);
        ids_release(&ids);
        if (failed) row_wrap(&list->places[i], e);
    }
    json_decref(variables);
    if (failed) return -1;
    if (p->n == 0) return err_set(e, "all %zu prompts are longer than max_prompt_length %zu", n, rule.limit);
    say_lengths(p, &rule, n);
    return 0;
}
