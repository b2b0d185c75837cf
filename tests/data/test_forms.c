/* Dataset forms: ids and masks by hand for a tokenizer of characters, where every id can be read off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/str.h"
#include "data/data.h"

static const char chatml[] =
    "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

static struct tokenizer *tok_new(bool chat)
{
    static const char *const specials[] = {"<|end|>", "<think>", "</think>", "<|im_start|>", "<|im_end|>"};
    struct err e = {0};
    struct tokenizer *t = tokenizer_chars(
        "0123456789+-*=:., \nabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", specials, 5, &e);
    if (!t) fail_msg("%s", e.msg);
    if (chat) tokenizer_set_template(t, chatml);
    return t;
}

static json_t *row_of(const char *text)
{
    struct err e = {0};
    json_t *row = json_read_bytes(text, strlen(text), "row", &e);
    if (!row) fail_msg("%s", e.msg);
    return row;
}

/* The text of the tokens that have loss, the others as one dot each run. */
static void lesson(const struct tokenizer *tok, const struct sft_example *x, struct str *out)
{
    assert_int_equal(x->ids.n, x->mask.n);
    for (size_t i = 0; i < x->ids.n; i++) {
        if (x->mask.p[i])
            tokenizer_decode(tok, x->ids.p + i, 1, false, out);
        else if (!out->len || out->p[out->len - 1] != '~')
            str_puts(out, "~");
    }
}

static void teaches(const struct form_opts *o, const char *row_text, const char *form, const char *want)
{
    struct err e = {0};
    struct sft_example x = {0};
    struct str got;
    json_t *row = row_of(row_text);
    str_init(&got, 0);
    const struct data_form *f = data_form_of(row, o, &e);
    if (!f) fail_msg("%s", e.msg);
    assert_string_equal(f->name, form);
    if (f->encode(row, o, &x, &e)) fail_msg("%s", e.msg);
    lesson(o->tok, &x, &got);
    assert_string_equal(got.p, want);
    str_release(&got);
    ids_release(&x.ids);
    ids_release(&x.mask);
    json_decref(row);
}

static void refuses(const struct form_opts *o, const char *row_text, const char *says)
{
    struct err e = {0};
    struct sft_example x = {0};
    json_t *row = row_of(row_text);
    const struct data_form *f = data_form_of(row, o, &e);
    if (f) assert_int_equal(f->encode(row, o, &x, &e), -1);
    if (!strstr(e.msg, says)) fail_msg("\"%s\" does not say \"%s\"", e.msg, says);
    ids_release(&x.ids);
    ids_release(&x.mask);
    json_decref(row);
}

static void text_ends_with_eos_exactly_once(void **state)
{
    (void)state;
    struct tokenizer *t = tok_new(false);
    struct form_opts o = {.tok = t, .completion_only = -1};
    teaches(&o, "{\"text\":\"1+1=2\"}", "text", "1+1=2<|end|>");
    teaches(&o, "{\"text\":\"1+1=2<|end|>\"}", "text", "1+1=2<|end|>");
    o.text_field = "body";
    teaches(&o, "{\"body\":\"7\"}", "text", "7<|end|>");
    refuses(&o, "{\"text\":\"7\"}", "its columns: text");
    o.completion_only = 1;
    refuses(&o, "{\"body\":\"7\"}", "completion_only_loss needs");
    tokenizer_free(t);
}

static void a_pair_teaches_its_completion(void **state)
{
    (void)state;
    struct tokenizer *t = tok_new(false);
    struct form_opts o = {.tok = t, .completion_only = -1};
    const char *row = "{\"prompt\":\"5-8=\",\"completion\":\"<think>-8=7</think>7\",\"text\":\"no\"}";
    teaches(&o, row, "prompt_completion", "~<think>-8=7</think>7<|end|>");
    o.completion_only = 0;
    teaches(&o, row, "prompt_completion", "5-8=<think>-8=7</think>7<|end|>");
    o.assistant_only = true;
    refuses(&o, row, "assistant_only_loss needs conversations");
    tokenizer_free(t);
}

static void a_conversation_follows_the_template(void **state)
{
    (void)state;
    struct tokenizer *t = tok_new(true);
    struct form_opts o = {.tok = t, .completion_only = -1};
    const char *row =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},"
        "{\"role\":\"assistant\",\"content\":\"ho\"},"
        "{\"role\":\"user\",\"content\":\"assistant\\nno\"},{\"role\":\"assistant\",\"content\":\"\"}]}";
    teaches(&o, row, "messages",
            "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nho<|im_end|>\n"
            "<|im_start|>user\nassistant\nno<|im_end|>\n<|im_start|>assistant\n<|im_end|>\n");
    o.assistant_only = true;
    teaches(&o, row, "messages", "~ho<|im_end|>~<|im_end|>~");
    refuses(&o, "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}", "no assistant turn");
    o.assistant_only = false;
    o.system_prompt = "be brief";
    teaches(&o,
            "{\"conversations\":[{\"from\":\"human\",\"value\":\"hi\"},{\"from\":\"gpt\",\"value\":\"ho\"}]}",
            "messages",
            "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n"
            "<|im_start|>assistant\nho<|im_end|>\n");
    tokenizer_free(t);
}

/* Where the template says what the assistant says, no marker of ChatML is needed. */
static void generation_tags_say_what_is_learnt(void **state)
{
    (void)state;
    static const char jinja[] =
        "{% for m in messages %}{% if m.role == 'assistant' %}A: {% generation %}{{ m.content }}.{% "
        "endgeneration %}"
        "{% else %}Q: {{ m.content }}{{ tools[0].name if tools }}{{ style }}{% endif %}{% endfor %}";
    struct tokenizer *t = tok_new(false);
    struct form_opts o = {.tok = t, .completion_only = -1, .assistant_only = true};
    tokenizer_set_template(t, jinja);
    teaches(
        &o,
        "{\"messages\":[{\"role\":\"user\",\"content\":\"1+1=\"},{\"role\":\"assistant\",\"content\":\"2\"},"
        "{\"role\":\"user\",\"content\":\"2+2=\"},{\"role\":\"assistant\",\"content\":\"4\"}]}",
        "messages", "~2.~4.");
    refuses(&o, "{\"messages\":[{\"role\":\"user\",\"content\":\"1+1=\"}]}", "assistant_only_loss");
    o.assistant_only = false;
    teaches(&o,
            "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"tools\":[{\"name\":\"add\"}],"
            "\"chat_template_kwargs\":{\"style\":\"abc\"}}",
            "messages", "Q: xaddabc");
    tokenizer_free(t);
}

/* The tokens that the assistant says are what TRL's training templates mark, but for white space around a
 * turn and a header's token (tools/golden/assistant_turns.py). */
static void known_templates_mark_what_trl_marks(void **state)
{
    (void)state;
    struct err e = {0};
    struct jsonl in;
    json_t *row, *turn;
    size_t i;
    int families = 0;
    if (jsonl_open(&in, "tests/golden/assistant_turns.jsonl", &e)) fail_msg("%s", e.msg);
    while (jsonl_next(&in, &row, &e) == 1) {
        const char *specials[8] = {"<|end|>"};
        int n = 0;
        json_array_foreach(json_object_get(row, "specials"), i, turn) specials[n++] = json_string_value(turn);
        struct tokenizer *t = tokenizer_chars(
            " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ\nabcdefghijklmnopqrstuvwxyz",
            specials, n, &e);
        if (!t) fail_msg("%s", e.msg);
        tokenizer_set_template(t, "{{ messages[0].content }}");
        struct form_opts o = {.tok = t, .completion_only = -1, .assistant_only = true};
        json_t *talk =
            json_pack("{s:[{s:s,s:O}]}", "messages", "role", "user", "content", json_object_get(row, "text"));
        struct sft_example x = {0};
        struct str got, want;
        str_init(&got, 0);
        str_init(&want, 0);
        if (data_form_of(talk, &o, &e)->encode(talk, &o, &x, &e)) fail_msg("%s", e.msg);
        lesson(t, &x, &got);
        json_array_foreach(json_object_get(row, "turns"), i, turn)
        {
            const char *text = json_string_value(turn), *header = "<｜Assistant｜>";
            if (str_starts(text, header)) text += strlen(header);
            if (strcmp(text, "<eos>") == 0) continue; /* Phi-3 ends a conversation, not a turn, with it */
            size_t from = strspn(text, "\n"), to = strlen(text);
            while (to > from && text[to - 1] == '\n') to--;
            str_puts(&want, "~");
            str_add(&want, text + from, to - from);
        }
        if (got.len && got.p[got.len - 1] == '~') got.p[--got.len] = 0;
        if (strcmp(got.p, want.p) != 0)
            fail_msg("%s: '%s', TRL marks '%s'", json_str_or(row, "family", "?"), got.p, want.p);
        families++;
        str_release(&got);
        str_release(&want);
        ids_release(&x.ids);
        ids_release(&x.mask);
        json_decref(talk);
        json_decref(row);
        tokenizer_free(t);
    }
    jsonl_close(&in);
    assert_int_equal(families, 10);
}

static void a_template_that_is_not_known_says_what_to_do(void **state)
{
    (void)state;
    static const char *const specials[] = {"<eos>"};
    struct err e = {0};
    struct tokenizer *t = tokenizer_chars("abc:", specials, 1, &e);
    struct form_opts o = {.tok = t, .completion_only = -1, .assistant_only = true};
    tokenizer_set_template(t, "{% for m in messages %}a:{{ m.content }}{% endfor %}");
    refuses(&o, "{\"messages\":[{\"role\":\"assistant\",\"content\":\"b\"}]}", "{% generation %}");
    tokenizer_free(t);
}

static void tokens_are_taken_as_they_are(void **state)
{
    (void)state;
    struct tokenizer *t = tok_new(false);
    struct form_opts o = {.tok = t, .completion_only = -1};
    int a = tokenizer_id(t, "a"), b = tokenizer_id(t, "b"), c = tokenizer_id(t, "c");
    char row[256];
#define ROW(...) (snprintf(row, sizeof row, __VA_ARGS__), row)
    teaches(&o, ROW("{\"input_ids\":[%d,%d],\"text\":\"no\"}", a, b), "tokens", "ab");
    teaches(&o, ROW("{\"input_ids\":[%d,%d,%d],\"labels\":[-100,%d,-100]}", a, b, c, b), "tokens", "~b~");
    const char *masks = "{\"input_ids\":[%d,%d,%d],\"completion_mask\":[0,1,1],\"assistant_masks\":[1,0,1]}";
    snprintf(row, sizeof row, masks, a, b, c);
    teaches(&o, row, "tokens", "~c");
    o.completion_only = 0;
    teaches(&o, row, "tokens", "a~c");
    o.completion_only = 1;
    refuses(&o, ROW("{\"input_ids\":[%d]}", a), "completion_mask");
    o.completion_only = -1;
    refuses(&o, "{\"input_ids\":[1000]}", "input_ids[0] is 1000");
    refuses(&o, "{\"input_ids\":[1,\"x\"]}", "input_ids[1] is not an integer");
    refuses(&o, "{\"input_ids\":[1,2],\"labels\":[1]}", "labels has 1 entries");
    refuses(&o, "{\"input_ids\":[1,2],\"labels\":[1,3]}", "labels[1] is 3");
    o.assistant_only = true;
    refuses(&o, "{\"input_ids\":[1]}", "assistant_masks");
    tokenizer_free(t);
}

static void tools_and_reasoning_reach_the_template(void **state)
{
    (void)state;
    static const char jinja[] =
        "{% for m in messages %}{% if m.reasoning_content %}<think>{{ m.reasoning_content }}"
        "</think>{% endif %}{{ m.content }}{% endfor %}{% for t in tools or [] %}"
        "{{ t.name }}{% endfor %}{{ strftime_now('%Y') }}";
    static const int64_t now = 86400;
    struct tokenizer *t = tok_new(false);
    struct form_opts o = {.tok = t, .completion_only = -1, .now = &now};
    tokenizer_set_template(t, jinja);
    teaches(&o,
            "{\"messages\":[{\"role\":\"assistant\",\"content\":\"yes\",\"reasoning_content\":\"hm\"}],"
            "\"tools\":\"[{\\\"name\\\":\\\"add\\\"}]\"}",
            "messages", "<think>hm</think>yesadd1970");
    teaches(&o, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"tools\":null}", "messages", "a1970");
    refuses(&o, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"tools\":7}", "column tools");
    refuses(&o, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"tools\":\"[\"}", "column tools");
    tokenizer_free(t);
}

static void a_column_of_the_wrong_kind_is_named(void **state)
{
    (void)state;
    struct tokenizer *t = tok_new(true);
    struct form_opts o = {.tok = t, .completion_only = -1};
    refuses(&o, "{\"messages\":\"hi\"}", "messages holds a string");
    refuses(&o, "{\"messages\":[]}", "messages holds an empty list");
    refuses(&o, "{\"messages\":[{\"content\":\"hi\"}]}", "messages[0] has no role");
    refuses(&o, "{\"prompt\":\"hi\",\"completion\":3}", "completion holds a number");
    refuses(&o, "{\"prompt\":\"hi\"}", "completion is missing");
    refuses(&o, "{\"text\":null}", "text holds null");
    tokenizer_free(t);
}

static void a_pair_of_conversations_teaches_the_answer(void **state)
{
    (void)state;
    struct tokenizer *t = tok_new(true);
    struct form_opts o = {.tok = t, .completion_only = -1};
    teaches(&o,
            "{\"prompt\":[{\"role\":\"user\",\"content\":\"hi\"}],"
            "\"completion\":[{\"role\":\"assistant\",\"content\":\"ho\"}]}",
            "prompt_completion", "~ho<|im_end|>\n");
    teaches(&o, "{\"question\":\"q\",\"answer\":\"a\"}", "qa", "~a<|im_end|>\n");
    tokenizer_free(t);
}

static void a_question_without_template_is_plain_text(void **state)
{
    (void)state;
    struct tokenizer *t = tok_new(false);
    struct form_opts o = {.tok = t, .completion_only = 0};
    teaches(&o, "{\"question\":\"q\",\"answer\":\"a\"}", "qa", "Question: q\nAnswer: a<|end|>");
    o.completion_only = -1;
    teaches(&o, "{\"question\":\"q\",\"answer\":\"a\"}", "qa", "~ a<|end|>");
    refuses(&o, "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}", "no chat template");
    tokenizer_free(t);
}

static void every_sample_row_fits_its_own_form(void **state)
{
    (void)state;
    struct tokenizer *t = tok_new(true);
    struct form_opts o = {.tok = t, .completion_only = -1};
    for (size_t i = 0; data_form_all()[i]; i++) {
        const struct data_form *f = data_form_all()[i];
        struct err e = {0};
        struct sft_example x = {0};
        json_t *row = row_of(f->sample);
        assert_ptr_equal(data_form_of(row, &o, &e), f);
        if (f->encode(row, &o, &x, &e)) fail_msg("%s: %s", f->name, e.msg);
        assert_true(x.ids.n > 0 && x.ids.n == x.mask.n && f->help[0]);
        ids_release(&x.ids);
        ids_release(&x.mask);
        json_decref(row);
    }
    tokenizer_free(t);
}

static void asks(const struct prompt_opts *o, const char *row_text, const char *want)
{
    struct err e = {0};
    struct ids ids = {0};
    struct str got;
    json_t *row = row_of(row_text);
    str_init(&got, 0);
    if (prompt_encode(row, o, &ids, &e)) {
        if (!strstr(e.msg, want)) fail_msg("\"%s\" does not say \"%s\"", e.msg, want);
    } else {
        tokenizer_decode(o->tok, ids.p, ids.n, false, &got);
        assert_string_equal(got.p, want);
    }
    str_release(&got);
    ids_release(&ids);
    json_decref(row);
}

static void prompts_are_found_and_rendered(void **state)
{
    (void)state;
    struct tokenizer *t = tok_new(true);
    struct prompt_opts o = {.tok = t};
    asks(&o, "{\"prompt\":\"5-8=\",\"completion\":\"7\"}", "5-8=");
    asks(&o, "{\"question\":\"q\",\"answer\":\"a\"}", "q");
    asks(
        &o,
        "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":\"ho\"}]}",
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
    asks(&o, "{\"messages\":[{\"role\":\"assistant\",\"content\":\"ho\"}]}", "only the assistant's turns");
    asks(&o, "{\"text\":\"t\"}", "its columns: text");
    o.apply_chat = true;
    o.system_prompt = "sys";
    asks(&o, "{\"prompt\":\"5-8=\"}",
         "<|im_start|>system\nsys<|im_end|>\n<|im_start|>user\n5-8=<|im_end|>\n<|im_start|>assistant\n");
    o.prompt_column = "problem";
    asks(&o, "{\"prompt\":\"5-8=\"}", "column problem");
    tokenizer_free(t);
    t = tok_new(false);
    o = (struct prompt_opts){.tok = t, .apply_chat = true};
    asks(&o, "{\"prompt\":\"5-8=\"}", "5-8=");
    o.system_prompt = "sys";
    asks(&o, "{\"prompt\":\"5-8=\"}", "needs a model with a chat template");
    tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_ends_with_eos_exactly_once),
        cmocka_unit_test(a_pair_teaches_its_completion),
        cmocka_unit_test(a_conversation_follows_the_template),
        cmocka_unit_test(generation_tags_say_what_is_learnt),
        cmocka_unit_test(known_templates_mark_what_trl_marks),
        cmocka_unit_test(a_template_that_is_not_known_says_what_to_do),
        cmocka_unit_test(tokens_are_taken_as_they_are),
        cmocka_unit_test(tools_and_reasoning_reach_the_template),
        cmocka_unit_test(a_column_of_the_wrong_kind_is_named),
        cmocka_unit_test(a_pair_of_conversations_teaches_the_answer),
        cmocka_unit_test(a_question_without_template_is_plain_text),
        cmocka_unit_test(every_sample_row_fits_its_own_form),
        cmocka_unit_test(prompts_are_found_and_rendered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
