/* pair.c: a prompt and its completion become one sequence with a mask.
 *
 * As in TRL: the prompt is tokenised alone (conversations with the generation prompt) and again together
 * with the completion; the completion begins where the two differ, which for a token that spans the
 * border is before the end of the prompt.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "data/data_int.h"

void mask_fill(struct ids *mask, size_t n, int value)
{
    mask->n = 0;
    for (size_t i = 0; i < n; i++) ids_push(mask, value);
}

void text_with_eos(const struct tokenizer *tok, const json_t *text, struct str *out)
{
    str_add(out, json_string_value(text), json_string_length(text));
    int eos = tokenizer_eos(tok);
    const char *mark = eos >= 0 ? tokenizer_token(tok, eos) : NULL;
    if (!mark) return;
    size_t n = strlen(mark);
    if (out->len < n || memcmp(out->p + out->len - n, mark, n) != 0) str_puts(out, mark);
}

static int strings_encode(const json_t *prompt, const json_t *completion, const struct tokenizer *tok,
                          struct ids *alone, struct ids *both, struct err *e)
{
    struct str text, tail;
    str_init(&text, 0);
    str_init(&tail, 0);
    text_with_eos(tok, completion, &tail);
    str_add(&text, json_string_value(prompt), json_string_length(prompt));
    int rc = tokenizer_encode(tok, text.p, text.len, TOK_SPECIAL, alone, e);
    if (!rc) {
        str_add(&text, tail.p, tail.len);
        rc = tokenizer_encode(tok, text.p, text.len, TOK_SPECIAL, both, e);
    }
    str_release(&text);
    str_release(&tail);
    return rc;
}

static int messages_encode(const struct chat *row, const json_t *completion, const struct form_opts *o,
                           struct ids *alone, struct sft_example *out, struct err *e)
{
    struct chat chat = *row;
    json_t *list = conversation_new(row->messages, o->system_prompt),
           *tail = conversation_new(completion, NULL);
    chat.messages = list;
    chat.now = o->now;
    chat.add_generation_prompt = true;
    int rc = conversation_encode(o->tok, &chat, alone, NULL, e);
    json_array_extend(list, tail);
    chat.add_generation_prompt = false;
    if (!rc) rc = conversation_encode(o->tok, &chat, &out->ids, o->assistant_only ? &out->mask : NULL, e);
    json_decref(list);
    json_decref(tail);
    return rc;
}

/* Tokens that both begin with. */
static size_t common_prefix(const struct ids *a, const struct ids *b)
{
    size_t n = 0;
    while (n < a->n && n < b->n && a->p[n] == b->p[n]) n++;
    return n;
}

int pair_encode(const json_t *row, const json_t *prompt, const json_t *completion, const struct form_opts *o,
                struct sft_example *out, struct err *e)
{
    static atomic_bool warned;
    struct ids alone = {0};
    struct chat turns = {0};
    bool chat = !json_is_string(prompt);
    int rc = -1;
    if (!chat && o->assistant_only) {
        err_usage(e, "assistant_only_loss needs conversations; this row's prompt is a string");
        goto out;
    }
    if (conversation_chat(row, prompt, &turns, e)) goto out;
    if (chat ? messages_encode(&turns, completion, o, &alone, out, e)
             : strings_encode(prompt, completion, o->tok, &alone, &out->ids, e))
        goto out;
    size_t begin = common_prefix(&alone, &out->ids);
    if (begin < alone.n && !atomic_exchange(&warned, true))
        log_warn(
            "a prompt's tokens are not the first tokens of prompt and completion together (a token spans "
            "the border, or the template renders the prompt otherwise): the loss begins where they differ");
    if (!o->assistant_only) mask_fill(&out->mask, out->ids.n, 1);
    if (o->completion_only != 0)
        for (size_t i = 0; i < begin; i++) out->mask.p[i] = 0;
    rc = 0;
out:
    conversation_done(&turns);
    ids_release(&alone);
    return rc;
}
