/* form_prompt_completion.c: a prompt and what should follow; loss on the completion unless told otherwise.
 *
 * Both strings (no template; the end-of-sequence token is put behind the completion), or both message lists
 * (rendered by the template).
 */
#include "data/data_int.h"

static bool prompt_completion_fits(const json_t *row, const struct form_opts *o)
{
    (void)o;
    const json_t *p = json_object_get(row, "prompt"), *c = json_object_get(row, "completion");
    return (json_is_string(p) && json_is_string(c)) || (conversation_is(p) && conversation_is(c));
}

static int prompt_completion_encode(const json_t *row, const struct form_opts *o, struct sft_example *out,
                                    struct err *e)
{
    return pair_encode(row, json_object_get(row, "prompt"), json_object_get(row, "completion"), o, out, e);
}

const struct data_form form_prompt_completion = {
    .name = "prompt_completion",
    .help = "columns \"prompt\" and \"completion\": two strings or two message lists, loss on the completion",
    .fits = prompt_completion_fits,
    .encode = prompt_completion_encode,
    .sample = "{\"prompt\":\"1+1=\",\"completion\":\"2\"}",
};
