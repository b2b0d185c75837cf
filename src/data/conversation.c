/* conversation.c: message lists: their shapes, their tokens, and which tokens the assistant said.
 *
 * A template with {% generation %} says itself what the assistant says: a token belongs to it if any of
 * its bytes do. Of other templates those in ChatML's manner are known, which write a turn as
 * <|im_start|>ROLE\nCONTENT<|im_end|>\n: the assistant's span runs from the first token of CONTENT to
 * <|im_end|> and with it, so that the model learns to end its turn. A token that covers the newline and
 * the beginning of CONTENT belongs to the span, as with Hugging Face's generation masks.
 */
#include <string.h>

#include "base/check.h"
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

struct chat conversation_chat(const json_t *row, const json_t *messages)
{
    struct chat c = {.messages = messages,
                     .tools = json_object_get(row, "tools"),
                     .variables = json_object_get(row, "chat_template_kwargs")};
    if (!json_is_array(c.tools)) c.tools = NULL;
    if (!json_is_object(c.variables)) c.variables = NULL;
    return c;
}

/* Is the turn whose header begins at ids[start] the assistant's, and at which token does its content
 * begin? */
static bool assistant_content(const struct tokenizer *tok, const struct ids *ids, size_t start, size_t end,
                              size_t *content)
{
    static const char header[] = "assistant\n";
    const size_t n = sizeof header - 1;
    struct str seen;
    str_init(&seen, 0);
    bool found = false;
    for (size_t i = start; i < end && !found; i++) {
        tokenizer_decode(tok, ids->p + i, 1, false, &seen);
        if (memcmp(seen.p, header, seen.len < n ? seen.len : n) != 0) break;
        found = seen.len >= n;
        *content = seen.len > n ? i : i + 1;
    }
    str_release(&seen);
    return found;
}

static int turns_mask(const struct tokenizer *tok, const struct ids *ids, struct ids *mask, struct err *e)
{
    int im_start = tokenizer_id(tok, "<|im_start|>"), im_end = tokenizer_id(tok, "<|im_end|>");
    if (im_start < 0 || im_end < 0)
        return err_set(
            e, "assistant_only_loss needs a chat template with {%% generation %%}, or one in the manner of "
               "ChatML and a tokenizer with <|im_start|> and <|im_end|>; leave assistant_only_loss out");
    for (size_t i = 0; i < ids->n; i++) {
        if (ids->p[i] != im_start) continue;
        size_t end = i + 1;
        while (end < ids->n && ids->p[end] != im_end && ids->p[end] != im_start) end++;
        size_t from;
        if (assistant_content(tok, ids, i + 1, end, &from)) {
            if (end < ids->n && ids->p[end] == im_end) end++;
            for (size_t t = from; t < end; t++) mask->p[t] = 1;
        }
        i = end - 1;
    }
    return 0;
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
