/* conversation.c: message lists: their shapes, their tokens, and which tokens the assistant said.
 *
 * ChatML writes a turn as <|im_start|>ROLE\nCONTENT<|im_end|>\n. The assistant's span runs from the first
 * token of CONTENT to <|im_end|> and with it, so that the model learns to end its turn. A token that
 * covers the newline and the beginning of CONTENT belongs to the span, as with Hugging Face's generation
 * masks.
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

int conversation_encode(const struct tokenizer *tok, const json_t *messages, bool generate, struct ids *out,
                        struct err *e)
{
    struct str text;
    str_init(&text, 0);
    int rc = chat_render(tok, messages, generate, &text, e);
    if (!rc) rc = tokenizer_encode(tok, text.p, text.len, 0, out, e);
    str_release(&text);
    return rc;
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

int conversation_mask(const struct tokenizer *tok, const struct ids *ids, struct ids *mask, struct err *e)
{
    int im_start = tokenizer_id(tok, "<|im_start|>"), im_end = tokenizer_id(tok, "<|im_end|>");
    if (im_start < 0 || im_end < 0)
        return err_set(e,
                       "assistant_only_loss knows ChatML turns only, and this tokenizer has no <|im_start|> "
                       "and <|im_end|>; leave assistant_only_loss out");
    mask_fill(mask, ids->n, 0);
    bool any = false;
    for (size_t i = 0; i < ids->n; i++) {
        if (ids->p[i] != im_start) continue;
        size_t end = i + 1;
        while (end < ids->n && ids->p[end] != im_end && ids->p[end] != im_start) end++;
        size_t from;
        if (assistant_content(tok, ids, i + 1, end, &from)) {
            if (end < ids->n && ids->p[end] == im_end) end++;
            for (size_t t = from; t < end; t++) mask->p[t] = 1, any = true;
        }
        i = end - 1;
    }
    if (!any)
        return err_set(e, "assistant_only_loss, but this conversation has no assistant turn to learn from");
    return 0;
}
