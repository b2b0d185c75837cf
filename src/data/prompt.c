/* prompt.c: what a model is asked, as token ids.
 *
 * The prompt is the named column, or else "prompt", "messages" or "question", whichever comes first. A string
 * goes in as it is, or as one user message when asked for and the tokenizer has a chat template; a system
 * prompt asks for it. A conversation always uses the template; an assistant's turn at its end,
 * being what is to be generated, is left out.
 */
#include <string.h>

#include "base/check.h"
#include "data/data_int.h"

static const json_t *prompt_of(const json_t *row, const char *column)
{
    static const char *const columns[] = {"prompt", "messages", "question"};
    if (column) return json_object_get(row, column);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        const json_t *v = json_object_get(row, columns[i]);
        if (v) return v;
    }
    return NULL;
}

static int missing(const json_t *row, const struct prompt_opts *o, struct err *e)
{
    struct str columns;
    str_init(&columns, 512);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)row, key, value) str_addf(&columns, "%s%s", columns.len ? ", " : "", key);
    err_set(e, "this row has no prompt: expected a string or a message list in column %s; its columns: %s",
            o->prompt_column ? o->prompt_column : "prompt, messages or question",
            columns.len ? columns.p : "none");
    str_release(&columns);
    return -1;
}

static void drop_last_answers(json_t *list)
{
    size_t n;
    while ((n = json_array_size(list)) > 0) {
        const char *role = json_string_value(json_object_get(json_array_get(list, n - 1), "role"));
        if (!role || strcmp(role, "assistant") != 0) break;
        json_array_remove(list, n - 1);
    }
}

json_t *prompt_json(const json_t *row, const struct prompt_opts *o, struct err *e)
{
    const json_t *v = prompt_of(row, o->prompt_column);
    bool chat = conversation_is(v), template = tokenizer_template(o->tok);
    if (!chat && !json_is_string(v)) {
        missing(row, o, e);
        return NULL;
    }
    if (!chat && o->system_prompt && !template) {
        err_usage(e, "system_prompt needs a model with a chat template; this one has none");
        return NULL;
    }
    if (!chat && !((o->apply_chat || o->system_prompt) && template)) return json_incref((json_t *)v);
    json_t *one = chat ? json_incref((json_t *)v) : json_pack("[{s:s,s:O}]", "role", "user", "content", v);
    json_t *list = conversation_new(one, o->system_prompt);
    json_decref(one);
    drop_last_answers(list);
    return list;
}

int prompt_encode(const json_t *row, const struct prompt_opts *o, struct ids *out, struct err *e)
{
    json_t *prompt = prompt_json(row, o, e);
    int rc;
    if (!prompt) return -1;
    if (json_is_string(prompt)) {
        rc = tokenizer_encode(o->tok, json_string_value(prompt), json_string_length(prompt), TOK_SPECIAL, out,
                              e);
    } else if (json_array_size(prompt)) {
        struct chat turns;
        rc = conversation_chat(row, prompt, &turns, e);
        turns.now = o->now;
        turns.add_generation_prompt = true;
        if (!rc) rc = conversation_encode(o->tok, &turns, out, NULL, e);
        conversation_done(&turns);
    } else {
        rc = err_set(e, "this row's conversation has only the assistant's turns: there is nothing to ask");
    }
    json_decref(prompt);
    return rc;
}
