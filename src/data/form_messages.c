/* form_messages.c: a conversation, rendered by the model's chat template.
 *
 * Loss on every token, or with assistant_only_loss on what the assistant says, the end of its turn included.
 * The template writes the end-of-sequence token where it wants one; none is added. The legacy column
 * "conversations" with from/value is understood too.
 */
#include "data/data_int.h"

static const json_t *messages_of(const json_t *row)
{
    const json_t *v = json_object_get(row, "messages");
    return v ? v : json_object_get(row, "conversations");
}

static bool messages_fits(const json_t *row, const struct form_opts *o)
{
    (void)o;
    return conversation_is(messages_of(row));
}

static int messages_encode(const json_t *row, const struct form_opts *o, struct sft_example *out,
                           struct err *e)
{
    if (o->completion_only == 1)
        return err_usage(e, "completion_only_loss needs rows with prompt and completion; this one is a "
                            "conversation: use assistant_only_loss");
    struct chat chat;
    json_t *list = conversation_new(messages_of(row), o->system_prompt);
    int rc = conversation_chat(row, list, &chat, e);
    chat.now = o->now;
    if (!rc) rc = conversation_encode(o->tok, &chat, &out->ids, o->assistant_only ? &out->mask : NULL, e);
    conversation_done(&chat);
    json_decref(list);
    if (!rc && !o->assistant_only) mask_fill(&out->mask, out->ids.n, 1);
    return rc;
}

const struct data_form form_messages = {
    .name = "messages",
    .help =
        "column \"messages\": [{\"role\",\"content\"}], rendered by the chat template, loss on every token "
        "or with assistant_only_loss on the assistant's turns",
    .fits = messages_fits,
    .encode = messages_encode,
    .sample = "{\"messages\":[{\"role\":\"user\",\"content\":\"1+1=\"},"
              "{\"role\":\"assistant\",\"content\":\"2\"}]}",
};
