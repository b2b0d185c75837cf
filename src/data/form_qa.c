/* form_qa.c: GSM8K's shape, a question and its worked answer; loss on the answer.
 *
 * With a chat template the question is the user's message and the answer the assistant's; without one the
 * text is "Question: Q\nAnswer: A", split after "Answer:" so that the prompt ends on a token boundary in
 * tokenizers that join a blank to the word behind it.
 */
#include "data/data_int.h"

static bool qa_fits(const json_t *row, const struct form_opts *o)
{
    (void)o;
    return json_is_string(json_object_get(row, "question")) && json_is_string(json_object_get(row, "answer"));
}

static json_t *one_message(const char *role, json_t *text)
{
    return json_pack("[{s:s,s:O}]", "role", role, "content", text);
}

static int qa_encode(const json_t *row, const struct form_opts *o, struct sft_example *out, struct err *e)
{
    json_t *q = json_object_get(row, "question"), *a = json_object_get(row, "answer"), *prompt, *completion;
    if (tokenizer_template(o->tok)) {
        prompt = one_message("user", q);
        completion = one_message("assistant", a);
    } else {
        prompt = json_sprintf("Question: %s\nAnswer:", json_string_value(q));
        completion = json_sprintf(" %s", json_string_value(a));
    }
    int rc = pair_encode(row, prompt, completion, o, out, e);
    json_decref(prompt);
    json_decref(completion);
    return rc;
}

const struct data_form form_qa = {
    .name = "qa",
    .help = "columns \"question\" and \"answer\" (GSM8K): loss on the answer",
    .fits = qa_fits,
    .encode = qa_encode,
    .sample = "{\"question\":\"1+1=\",\"answer\":\"2\"}",
};
