/* Conversations come out byte for byte as transformers renders them (tools/golden/chatml.py); what this
 * renderer does not know is refused, never rendered wrongly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "text/text.h"

#define GOLDEN "tests/golden/chatml"

static char *read_template(const char *name)
{
    char path[256], *text;
    size_t n;
    struct err e = {0};
    snprintf(path, sizeof path, GOLDEN "/%s.jinja", name);
    if (file_read(path, 1 << 20, &text, &n, &e)) fail_msg("%s", e.msg);
    return text;
}

static void conversations_equal_transformers(void **state)
{
    (void)state;
    struct jsonl in;
    json_t *record;
    struct err e = {0};
    int n = 0;
    if (jsonl_open(&in, GOLDEN "/cases.jsonl", &e)) fail_msg("%s", e.msg);
    for (; jsonl_next(&in, &record, &e) == 1; json_decref(record), n++) {
        char *jinja = read_template(json_str_or(record, "template", ""));
        struct str out;
        str_init(&out, 0);
        if (template_render(jinja, json_object_get(record, "messages"),
                            json_is_true(json_object_get(record, "add_generation_prompt")), &out, &e))
            fail_msg("case %d: %s", n, e.msg);
        assert_string_equal(out.p, json_str_or(record, "text", ""));
        str_release(&out);
        free(jinja);
    }
    assert_int_equal(n, 80);
    jsonl_close(&in);
}

static void refused(const char *jinja, const char *messages, const char *because)
{
    struct err e = {0};
    struct str out;
    json_t *m = json_read_bytes(messages, strlen(messages), "test", &e);
    assert_non_null(m);
    str_init(&out, 0);
    assert_int_equal(template_render(jinja, m, true, &out, &e), -1);
    if (!strstr(e.msg, because)) fail_msg("\"%s\" does not say \"%s\"", e.msg, because);
    str_release(&out);
    json_decref(m);
}

static void what_is_not_chatml_is_refused(void **state)
{
    (void)state;
    static const char user[] = "[{\"role\":\"user\",\"content\":\"x\"}]";
    char *qwen = read_template("qwen2.5");
    refused(NULL, user, "no chat template");
    refused("{{ '[INST]' + messages[0].content }}", user, "ChatML");
    refused("<|im_start|> {{ content.split('</think>')[-1] }}", user, "</think>");
    refused(qwen, "[]", "at least one");
    refused(qwen, "[{\"role\":\"tool\",\"content\":\"x\"}]", "\"tool\"");
    refused(qwen, "[{\"role\":\"user\",\"content\":[]}]", "content");
    refused(qwen, "[{\"role\":\"assistant\",\"content\":\"x\",\"tool_calls\":[{}]}]", "tool calls");
    free(qwen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversations_equal_transformers),
        cmocka_unit_test(what_is_not_chatml_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
