/* conversation.c: message lists: their shapes, their tokens, and which tokens the assistant said.
 *
 * A template with {% generation %} says itself what the assistant says: a token belongs to it if any of
 * its bytes do. Of other templates those are known whose turns have a header and an end that are tokens
 * (the table `manners`): the assistant's span runs from the first token behind the header to the end of the
 * turn and with it, so that the model learns to end its turn. A token that covers the end of the header and
 * the beginning of what is said belongs to the span, as with Hugging Face's generation masks.
 */
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "data/data_int.h"

bool conversation_is(const json_t *v)
{
    if (!json_is_array(v) || json_array_size(v) == 0) return false;
    size_t i;
    json_t *m;
    json_array_foreach((json_t *)v, i, m)
    {
        if (!json_is_string(json_object_get(m, "role")) && !json_is_string(json_object_get(m, "from")))
            return false;
    }
    return true;
}

/* ShareGPT's names of the roles. */
static const char *role_of(const char *from)
{
    if (strcmp(from, "human") == 0) return "user";
    if (strcmp(from, "gpt") == 0) return "assistant";
    return from;
}

json_t *conversation_new(const json_t *messages, const char *system_prompt)
{
    json_t *list = json_array();
    size_t i;
    json_t *m;
    json_array_foreach((json_t *)messages, i, m)
    {
        const char *from = json_string_value(json_object_get(m, "from"));
        if (json_object_get(m, "role") || !from) {
            json_array_append(list, m);
            continue;
        }
        json_t *value = json_object_get(m, "value");
        json_array_append_new(list, json_pack("{s:s,s:O?}", "role", role_of(from), "content", value));
    }
    const char *first = json_string_value(json_object_get(json_array_get(list, 0), "role"));
    if (system_prompt && (!first || strcmp(first, "system") != 0))
        json_array_insert_new(list, 0, json_pack("{s:s,s:s}", "role", "system", "content", system_prompt));
    return list;
}

int conversation_chat(const json_t *row, const json_t *messages, struct chat *out, struct err *e)
{
    json_t *tools = json_object_get(row, "tools"), *extra = json_object_get(row, "chat_template_kwargs");
    *out = (struct chat){.messages = messages};
    if (json_is_object(extra)) out->variables = extra;
    if (json_is_string(tools))
        tools = json_read_bytes(json_string_value(tools), json_string_length(tools), "column tools", e);
    else if (tools && !json_is_null(tools))
        json_incref(tools);
    else
        return 0;
    if (!tools) return -1;
    if (!json_is_array(tools)) {
        json_decref(tools);
        return err_set(e, "column tools must hold a list of functions, or that list as a JSON string");
    }
    if (json_array_size(tools)) out->tools = json_incref(tools);
    json_decref(tools);
    return 0;
}

void conversation_done(struct chat *chat)
{
    json_decref((json_t *)chat->tools);
    chat->tools = NULL;
}

/* How an assistant's turn begins (a token, then text) and ends (a token). */
static const struct manner {
    const char *begin, *header, *end;
} manners[] = {
    {"<|im_start|>", "assistant\n", "<|im_end|>"},                             /* ChatML: Qwen, SmolLM2 */
    {"<|im_start|>", "assistant<|im_sep|>", "<|im_end|>"},                     /* Phi-4 */
    {"<|start_header_id|>", "assistant<|end_header_id|>\n\n", "<|eot_id|>"},   /* Llama 3 */
    {"<start_of_turn>", "model\n", "<end_of_turn>"},                           /* Gemma */
    {"<|assistant|>", "\n", "<|end|>"},                                        /* Phi-3 */
    {"<｜Assistant｜>", "", "<｜end▁of▁sentence｜>"},                          /* DeepSeek */
    {"<|START_OF_TURN_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|END_OF_TURN_TOKEN|>"}, /* Command R, Aya */
};

/* Do the tokens from ids[start] on spell the header? *content: the first token of what is said. */
static bool header_is(const struct tokenizer *tok, const struct ids *ids, size_t start, size_t end,
                      const char *header, size_t *content)
{
    const size_t n = strlen(header);
    struct str seen;
    str_init(&seen, 0);
    bool found = n == 0;
    *content = start;
    for (size_t i = start; i < end && !found; i++) {
        tokenizer_decode(tok, ids->p + i, 1, false, &seen);
        if (memcmp(seen.p, header, seen.len < n ? seen.len : n) != 0) break;
        found = seen.len >= n;
        *content = seen.len > n ? i : i + 1;
    }
    str_release(&seen);
    return found;
}

/* Marks the turns of one manner; false if the tokenizer does not know it. */
static bool turns_of(const struct manner *m, const struct tokenizer *tok, const struct ids *ids,
                     struct ids *mask)
{
    int first = tokenizer_id(tok, m->begin), last = tokenizer_id(tok, m->end);
    if (first < 0 || last < 0) return false;
    for (size_t i = 0; i < ids->n; i++) {
        if (ids->p[i] != first) continue;
        size_t end = i + 1, from;
        while (end < ids->n && ids->p[end] != last && ids->p[end] != first) end++;
        if (header_is(tok, ids, i + 1, end, m->header, &from)) {
            if (end < ids->n && ids->p[end] == last) end++;
            for (size_t t = from; t < end; t++) mask->p[t] = 1;
        }
        i = end - 1;
    }
    return true;
}

static int turns_mask(const struct tokenizer *tok, const struct ids *ids, struct ids *mask, struct err *e)
{
    bool known = false;
    for (size_t k = 0; k < sizeof manners / sizeof *manners; k++)
        if (turns_of(&manners[k], tok, ids, mask)) known = true;
    if (known) return 0;
    return err_set(e,
                   "assistant_only_loss: this chat template does not say what the assistant says, and its "
                   "turns are in none of the manners that are known without (ChatML, Llama 3, Gemma, "
                   "Phi, DeepSeek, Command R). Put {%% generation %%} and {%% endgeneration %%} around the "
                   "assistant's turn, its end included, in a chat_template of your own, or leave "
                   "assistant_only_loss out");
}

/* Tokens that have a byte in a span. Where each token ends is seen by decoding them one by one, which
 * must give the text again. */
static int spans_mask(const struct tokenizer *tok, const struct ids *ids, const struct str *text,
                      const struct spans *spans, struct ids *mask, struct err *e)
{
    struct tok_stream stream = {0};
    struct str seen;
    str_init(&seen, 0);
    for (size_t i = 0, from = 0; i < ids->n; i++) {
        tok_stream_push(&stream, tok, ids->p[i], false, &seen);
        size_t to = seen.len + (size_t)stream.n_held;
        for (size_t k = 0; k < spans->n; k++)
            if (from < spans->p[k].to && to > spans->p[k].from) mask->p[i] = 1;
        from = to;
    }
    tok_stream_end(&stream, &seen);
    bool same = seen.len == text->len && memcmp(seen.p, text->p, seen.len) == 0;
    str_release(&seen);
    return same ? 0
                : err_set(e,
                          "assistant_only_loss: this tokenizer changes the text (its tokens do not spell the "
                          "conversation again), so the tokens within {%% generation %%} cannot be told");
}

static int assistant_mask(const struct tokenizer *tok, const struct ids *ids, const struct str *text,
                          const struct spans *spans, struct ids *mask, struct err *e)
{
    mask_fill(mask, ids->n, 0);
    if (spans->n ? spans_mask(tok, ids, text, spans, mask, e) : turns_mask(tok, ids, mask, e)) return -1;
    for (size_t i = 0; i < mask->n; i++)
        if (mask->p[i]) return 0;
    return err_set(e, "assistant_only_loss, but this conversation has no assistant turn to learn from");
}

int conversation_encode(const struct tokenizer *tok, const struct chat *chat, struct ids *out,
                        struct ids *mask, struct err *e)
{
    struct str text;
    struct spans spans = {0};
    str_init(&text, 0);
    int rc = chat_render(tok, chat, &text, &spans, e);
    if (!rc) rc = tokenizer_encode(tok, text.p, text.len, 0, out, e);
    if (!rc && mask) rc = assistant_mask(tok, out, &text, &spans, mask, e);
    spans_release(&spans);
    str_release(&text);
    return rc;
}
