/* fuzz_jinja.c: a chat template and what it is given: the template, a NUL, then a JSON object with
 * "messages" and other variables (without one, a conversation of one message). What is rendered is UTF-8
 * and comes out again; spans lie within it. seeds: tests/fuzz/seeds/jinja
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "text/text.h"

static int render(const struct template *t, const struct chat *c, struct str *out, struct spans *spans)
{
    struct err e = {0};
    str_clear(out);
    int rc = template_render(t, c, out, spans, &e);
    CHECK(rc == 0 || (e.msg[0] && !out->len), "refused without a message, or with a text");
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    const char *text = (const char *)data, *nul = size ? memchr(data, 0, size) : NULL;
    size_t n = nul ? (size_t)(nul - text) : size;
    struct template *t = template_parse(text, n, &e);
    CHECK(t || e.msg[0], "refused without a message");
    json_t *given = nul ? json_read_bytes(nul + 1, size - n - 1, "variables", &e) : NULL;
    if (!json_is_object(given)) {
        json_decref(given);
        given = json_pack("{s:[{s:s,s:s}]}", "messages", "role", "user", "content", "hi \xC3\xA9");
    }
    int64_t now = 0;
    struct chat c = {.messages = json_object_get(given, "messages"),
                     .tools = json_object_get(given, "tools"),
                     .variables = given,
                     .add_generation_prompt = true,
                     .now = &now};
    struct spans spans = {0};
    struct str once, twice;
    str_init(&once, 0);
    str_init(&twice, 0);
    if (t && !render(t, &c, &once, &spans)) {
        for (size_t i = 0; i < once.len;) {
            int step = utf8_length(once.p + i, once.len - i);
            CHECK(step > 0, "the text is invalid at %zu", i);
            i += (size_t)step;
        }
        for (size_t i = 0; i < spans.n; i++) CHECK(spans.p[i].from <= spans.p[i].to, "span %zu is turned", i);
        CHECK(!render(t, &c, &twice, NULL), "rendered once, not twice");
        CHECK(once.len == twice.len && !memcmp(once.p, twice.p, once.len), "rendered twice differs");
    }
    spans_release(&spans);
    str_release(&once);
    str_release(&twice);
    template_free(t);
    json_decref(given);
    return 0;
}
