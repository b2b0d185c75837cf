/* chatml.c: chat templates of the ChatML kind, recognised by their markers.
 *
 *   <|im_start|>ROLE\nTEXT<|im_end|>\n for each message; before a conversation without a system message
 *                                    the default one, if the template has it
 *   <|im_start|>assistant\n          at the end when a generation prompt is wanted (or what the template has)
 *
 * The default system message is the text between "<|im_start|>system\n" and "<|im_end|>" where the template
 * has it within one string literal. Templates that rewrite past answers (Qwen3 cuts their thinking out) and
 * messages with tools need the whole template language and are refused.
 */
#include <string.h>

#include "base/json.h"
#include "text/text_int.h"

#define START "<|im_start|>"
#define STOP  "<|im_end|>"

/* A piece of Jinja source inside a string literal, with its escapes undone. */
static void add_literal(struct str *out, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = p[i];
        if (c == '\\' && i + 1 < n) {
            c = p[++i];
            if (c == 'n') c = '\n';
            if (c == 't') c = '\t';
        }
        str_add(out, &c, 1);
    }
}

/* Length of the line break at p, as a character or as an escape; 0: none. */
static size_t line_break(const char *p)
{
    return *p == '\n' ? 1 : !strncmp(p, "\\n", 2) ? 2 : 0;
}

static void default_system(const char *jinja, struct str *out)
{
    for (const char *p = jinja; (p = strstr(p, START "system"));) {
        p += strlen(START "system");
        size_t skip = line_break(p);
        const char *text = p + skip, *stop = strstr(text, STOP);
        if (!skip || !stop) continue;
        /* A quote right away ends the literal: the message comes from a variable. */
        if (*text == '\'' || *text == '"' || memmem(text, (size_t)(stop - text), "{{", 2)) continue;
        add_literal(out, text, (size_t)(stop - text));
        return;
    }
}

/* The string literals printed after the last mention of add_generation_prompt. */
static void generation_prompt(const char *jinja, struct str *out)
{
    const char *at = NULL;
    for (const char *p = jinja; (p = strstr(p, "add_generation_prompt")); p++) at = p;
    const char *end = at ? strstr(at, "{% endif") : NULL, *end2 = at ? strstr(at, "{%- endif") : NULL;
    if (end2 && (!end || end2 < end)) end = end2;
    for (const char *p = at; end && (p = strstr(p, "{{")) && p < end;) {
        p += 2 + strspn(p + 2, "- \n");
        const char *stop = *p == '\'' || *p == '"' ? strchr(p + 1, *p) : NULL;
        if (!stop) break;
        add_literal(out, p + 1, (size_t)(stop - p - 1));
        p = stop;
    }
    if (!out->len) str_puts(out, START "assistant\n");
}

static int supported(const char *jinja, struct err *e)
{
    static const char *const beyond[] = {"reasoning_content", "enable_thinking", "split('</think>')",
                                         "split(\"</think>\")"};
    if (!jinja) return err_set(e, "the model has no chat template");
    if (!strstr(jinja, START))
        return err_set(e, "this chat template is not supported: only ChatML (" START ") is, so far");
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++)
        if (strstr(jinja, beyond[i]))
            return err_set(e, "this chat template is not supported: it uses %s", beyond[i]);
    return 0;
}

static int add_message(const json_t *m, size_t i, struct str *out, struct err *e)
{
    const char *role = json_str_or(m, "role", "");
    const json_t *content = json_object_get(m, "content");
    if (strcmp(role, "system") && strcmp(role, "user") && strcmp(role, "assistant"))
        return err_set(e, "message %zu: role \"%s\"; system, user or assistant expected", i, role);
    if (json_array_size(json_object_get(m, "tool_calls")))
        return err_set(e, "message %zu: tool calls are not supported", i);
    if (!json_is_string(content)) return err_set(e, "message %zu: \"content\" must be a string", i);
    str_addf(out, START "%s\n", role);
    str_add(out, json_string_value(content), json_string_length(content));
    str_puts(out, STOP "\n");
    return 0;
}

int chat_render(const struct tokenizer *t, const json_t *messages, bool add_generation_prompt,
                struct str *out, struct err *e)
{
    return template_render(tokenizer_template(t), messages, add_generation_prompt, out, e);
}

int template_render(const char *jinja, const json_t *messages, bool add_generation_prompt, struct str *out,
                    struct err *e)
{
    if (supported(jinja, e)) return -1;
    if (!json_array_size(messages))
        return err_set(e, "\"messages\" must be a list with at least one message");
    struct str text;
    str_init(&text, 0);
    if (strcmp(json_str_or(json_array_get(messages, 0), "role", ""), "system")) {
        default_system(jinja, &text);
        if (text.len) {
            str_puts(out, START "system\n");
            str_add(out, text.p, text.len);
            str_puts(out, STOP "\n");
        }
    }
    int failed = 0;
    size_t i;
    const json_t *m;
    json_array_foreach(messages, i, m)
    {
        if ((failed = add_message(m, i, out, e))) break;
    }
    if (!failed && add_generation_prompt) {
        str_clear(&text);
        generation_prompt(jinja, &text);
        str_add(out, text.p, text.len);
    }
    str_release(&text);
    return failed;
}
