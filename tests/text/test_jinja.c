/* Chat templates come out byte for byte as Python's jinja2 and transformers render them
 * (tools/golden/jinja.py and chatml.py): the language case by case, and every template of
 * ../shared/data/chat_templates. Hostile ones end with an error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "text/text.h"

#define GOLDEN    "tests/golden/jinja/"
#define CHATML    "tests/golden/chatml/"
#define TEMPLATES "../shared/data/chat_templates/"

/* Parse and render at once; -1 and e as either says. */
static int render(const char *jinja, const struct chat *c, struct str *out, struct spans *spans,
                  struct err *e)
{
    struct template *t = template_parse(jinja, strlen(jinja), e);
    int rc = t ? template_render(t, c, out, spans, e) : -1;
    template_free(t);
    return rc;
}

static json_t *hello(void)
{
    return json_pack("[{s:s,s:s}]", "role", "user", "content", "hi");
}

static char *slurp(const char *folder, const char *name)
{
    char path[512], *text;
    size_t n;
    struct err e = {0};
    snprintf(path, sizeof path, "%s%s", folder, name);
    if (file_read(path, 1 << 22, &text, &n, &e)) fail_msg("%s", e.msg);
    return text;
}

static bool ends_with(const char *text, const json_t *tail)
{
    return json_is_null(tail) || str_ends(text, json_string_value(tail));
}

static void check_spans(const json_t *wanted, const struct spans *spans, const char *jinja)
{
    if (json_array_size(wanted) != spans->n) fail_msg("%s: %zu spans", jinja, spans->n);
    for (size_t i = 0; i < spans->n; i++) {
        const json_t *w = json_array_get(wanted, i);
        assert_int_equal(spans->p[i].from, json_integer_value(json_array_get(w, 0)));
        assert_int_equal(spans->p[i].to, json_integer_value(json_array_get(w, 1)));
    }
}

/* One case of language.jsonl; false, and it is told, when ours differs. */
static bool language_case(const json_t *record, const json_t *messages)
{
    const char *jinja = json_str_or(record, "template", NULL);
    const json_t *text = json_object_get(record, "text"), *error = json_object_get(record, "error");
    struct chat c = {.messages = messages, .variables = json_object_get(record, "variables")};
    struct err e = {0};
    struct str out;
    struct spans spans = {0};
    str_init(&out, 0);
    int rc = render(jinja, &c, &out, &spans, &e);
    bool same =
        text ? !rc && !strcmp(out.p, json_string_value(text)) : rc && ends_with(e.msg, error) && !out.len;
    if (!same)
        print_error("%s: \"%s\", Python: \"%s\"\n", jinja, rc ? e.msg : out.p,
                    text    ? json_string_value(text)
                    : error ? json_string_value(error)
                            : "an error");
    else if (text)
        check_spans(json_object_get(record, "spans"), &spans, jinja);
    spans_release(&spans);
    str_release(&out);
    return same;
}

static void the_language_is_that_of_jinja2(void **state)
{
    (void)state;
    struct jsonl in;
    json_t *record, *messages = hello();
    struct err e = {0};
    int n = 0, differ = 0;
    if (jsonl_open(&in, GOLDEN "language.jsonl", &e)) fail_msg("%s", e.msg);
    for (; jsonl_next(&in, &record, &e) == 1; json_decref(record), n++)
        differ += !language_case(record, messages);
    if (differ) fail_msg("%d of %d cases differ", differ, n);
    assert_true(n > 800);
    json_decref(messages);
    jsonl_close(&in);
}

/* Records as `openr1 template` takes them, on the day that tools/golden/jinja.py pins: 28 November 2026. */
static struct chat chat_of(const json_t *record)
{
    static const int64_t day = 1795824000;
    return (struct chat){
        .now = &day,
        .messages = json_object_get(record, "messages"),
        .tools = json_is_array(json_object_get(record, "tools")) ? json_object_get(record, "tools") : NULL,
        .variables = record,
        .add_generation_prompt = json_is_true(json_object_get(record, "add_generation_prompt"))};
}

static void check_result(const struct template *t, const json_t *record, const json_t *wanted,
                         const char *name)
{
    struct err e = {0};
    struct chat c = chat_of(record);
    struct str out;
    char hex[HASH_HEX];
    str_init(&out, 0);
    int rc = template_render(t, &c, &out, NULL, &e);
    char *given = json_text(record);
    if (json_is_string(wanted)) {
        if (rc) fail_msg("%s: %s\n%s", name, e.msg, given);
        hash_bytes(out.p, out.len, hex);
        if (strncmp(hex, json_string_value(wanted), 16) != 0)
            fail_msg("%s renders otherwise than in Python (tools/golden/jinja.py compare shows how):\n%s\n%s",
                     name, given, out.p);
    } else {
        const json_t *error = json_object_get(wanted, "error");
        if (!rc)
            fail_msg("%s: \"%s\", and Python raises %s\n%s", name, out.p, json_string_value(error), given);
        if (!ends_with(e.msg, error))
            fail_msg("%s: \"%s\", Python: \"%s\"\n%s", name, e.msg, json_string_value(error), given);
    }
    free(given);
    str_release(&out);
}

static void every_template_renders_as_in_transformers(void **state)
{
    (void)state;
    struct jsonl in;
    json_t *record, *records = json_array();
    struct err e = {0};
    size_t n = 0;
    if (!file_exists(TEMPLATES)) {
        json_decref(records);
        skip();
    }
    if (jsonl_open(&in, GOLDEN "conversations.jsonl", &e)) fail_msg("%s", e.msg);
    while (jsonl_next(&in, &record, &e) == 1) json_array_append_new(records, record);
    jsonl_close(&in);
    if (jsonl_open(&in, GOLDEN "rendered.jsonl", &e)) fail_msg("%s", e.msg);
    for (; jsonl_next(&in, &record, &e) == 1; json_decref(record), n++) {
        const char *name = json_str_or(record, "template", "");
        char *jinja = slurp(TEMPLATES, name);
        struct template *t = template_parse(jinja, strlen(jinja), &e);
        if (!t) fail_msg("%s: %s", name, e.msg);
        const json_t *results = json_object_get(record, "results");
        assert_int_equal(json_array_size(results), json_array_size(records));
        for (size_t i = 0; i < json_array_size(records); i++)
            check_result(t, json_array_get(records, i), json_array_get(results, i), name);
        template_free(t);
        free(jinja);
    }
    assert_int_equal(n, 65);
    json_decref(records);
    jsonl_close(&in);
}

/* SmolLM2's, Qwen2.5's, Open-R1's and plain ChatML: whole texts. */
static void conversations_equal_transformers(void **state)
{
    (void)state;
    struct jsonl in;
    json_t *record;
    struct err e = {0};
    int n = 0;
    if (jsonl_open(&in, CHATML "cases.jsonl", &e)) fail_msg("%s", e.msg);
    for (; jsonl_next(&in, &record, &e) == 1; json_decref(record), n++) {
        char name[64];
        snprintf(name, sizeof name, "%s.jinja", json_str_or(record, "template", ""));
        char *jinja = slurp(CHATML, name);
        struct chat c = chat_of(record);
        struct str out;
        str_init(&out, 0);
        if (render(jinja, &c, &out, NULL, &e)) fail_msg("case %d: %s", n, e.msg);
        assert_string_equal(out.p, json_str_or(record, "text", ""));
        str_release(&out);
        free(jinja);
    }
    assert_int_equal(n, 80);
    jsonl_close(&in);
}

static void fails(const char *jinja, const char *because)
{
    struct err e = {0};
    struct str out;
    json_t *m = hello();
    struct chat c = {.messages = m};
    str_init(&out, 0);
    if (!render(jinja, &c, &out, NULL, &e)) fail_msg("%.60s renders", jinja);
    if (!strstr(e.msg, because)) fail_msg("%.60s: \"%s\" does not say \"%s\"", jinja, e.msg, because);
    assert_int_equal(out.len, 0);
    str_release(&out);
    json_decref(m);
}

/* count times `text`, then `tail`. */
static char *repeated(const char *head, const char *text, int count, const char *tail)
{
    struct str s;
    str_init(&s, 0);
    str_puts(&s, head);
    for (int i = 0; i < count; i++) str_puts(&s, text);
    str_puts(&s, tail);
    return str_take(&s);
}

static void fails_repeated(const char *head, const char *text, const char *tail, const char *because)
{
    char *jinja = repeated(head, text, 20000, tail);
    fails(jinja, because);
    free(jinja);
}

static void hostile_templates_end_with_an_error(void **state)
{
    (void)state;
    static const char loop[] = "{% for a in range(100000) %}", end[] = "{% endfor %}";
    fails("{% for a in range(10**9) %}{% endfor %}", "Range too big");
    struct str nested;
    str_init(&nested, 0);
    for (int i = 0; i < 4; i++) str_puts(&nested, loop);
    for (int i = 0; i < 4; i++) str_puts(&nested, end);
    fails(nested.p, "steps");
    str_release(&nested);
    fails("{{ 'a' * 10**9 }}", "MiB");
    fails("{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% "
          "endfor %}",
          "MiB");
    fails("{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
          "the template");
    fails("{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% endfor "
          "%}{{ ns.x }}",
          "steps");
    fails("{% set ns = namespace(x=[1]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ "
          "ns.x }}",
          "recursion");
    fails("{{ 10 ** 30 }}", "64 bits");
    fails("{{ 9223372036854775807 + 1 }}", "64 bits");
    fails("{{ 99999999999999999999 }}", "64 bits");
    fails("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion");
    fails("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "recursion");
    fails("{% for i in range(99999) %}{{ "
          "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' * 999 }}"
          "{% endfor %}",
          "MiB");
    fails("{{ '%2000d' % 1 }}", "1000");
    fails("{{ '{:2000}'.format(1) }}", "1000");
    fails("{{ 'x'.center(10**12) }}", "MiB");
    fails("{{ [1]|batch(10**12, 0)|list }}", "the template");
    fails("{{ [1]|slice(10**12, 0)|list }}", "the template");
    fails_repeated("{{ ", "(", "", "nested too deeply");
    fails_repeated("{{ ", "[", "", "nested too deeply");
    fails_repeated("{{ ", "not ", "1 }}", "nested too deeply");
    fails_repeated("{{ ", "-", "1 }}", "nested too deeply");
    fails_repeated("{{ 1", " + 1", " }}", "in a row");
    fails_repeated("{{ 1", " if 1 else 1", " }}", "nested too deeply");
    fails_repeated("{{ a", ".b", " }}", "in a row");
    fails_repeated("{{ a", "|e", " }}", "in a row");
    fails_repeated("", "{% if 1 %}", "", "nested too deeply");
    fails_repeated("", "{% for a in b %}", "", "nested too deeply");
}

static void what_is_no_conversation_is_refused(void **state)
{
    (void)state;
    struct err e = {0};
    struct str out;
    json_t *empty = json_array(), *words = json_pack("[s]", "hi");
    str_init(&out, 0);
    assert_int_equal(render("x", &(struct chat){0}, &out, NULL, &e), -1);
    assert_non_null(strstr(e.msg, "at least one message"));
    assert_int_equal(render("x", &(struct chat){.messages = empty}, &out, NULL, &e), -1);
    assert_int_equal(render("x", &(struct chat){.messages = words}, &out, NULL, &e), -1);
    assert_non_null(strstr(e.msg, "message 0"));
    assert_null(template_parse("\xFF", 1, &e));
    assert_non_null(strstr(e.msg, "UTF-8"));
    json_decref(empty);
    json_decref(words);
    str_release(&out);
}

static void an_error_names_the_line(void **state)
{
    (void)state;
    fails("a\nb\n{{ nope.x }}", "line 3: 'nope' is undefined");
    fails("a\n{% if 1 %}\n{{ 1 + }}", "line 3: unexpected");
    fails("a\n{{ raise_exception('Roles must alternate!') }}", "Roles must alternate!");
}

static void the_clock_can_be_pinned(void **state)
{
    (void)state;
    struct err e = {0};
    struct str out;
    int64_t now = 1700000000;
    json_t *m = hello();
    struct chat c = {.messages = m, .now = &now};
    static const char jinja[] = "{{ strftime_now('%d %b %Y, %H:%M:%S') }}";
    str_init(&out, 0);
    assert_int_equal(render(jinja, &c, &out, NULL, &e), 0);
    assert_string_equal(out.p, "14 Nov 2023, 22:13:20");
    setenv("SOURCE_DATE_EPOCH", "86400", 1);
    c.now = NULL;
    str_clear(&out);
    assert_int_equal(render(jinja, &c, &out, NULL, &e), 0);
    assert_string_equal(out.p, "02 Jan 1970, 00:00:00");
    unsetenv("SOURCE_DATE_EPOCH");
    str_release(&out);
    json_decref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_language_is_that_of_jinja2),
        cmocka_unit_test(every_template_renders_as_in_transformers),
        cmocka_unit_test(conversations_equal_transformers),
        cmocka_unit_test(hostile_templates_end_with_an_error),
        cmocka_unit_test(what_is_no_conversation_is_refused),
        cmocka_unit_test(an_error_names_the_line),
        cmocka_unit_test(the_clock_can_be_pinned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
