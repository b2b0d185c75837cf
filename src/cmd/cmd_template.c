/* cmd_template.c: `openr1 template`: conversations to the text that a model sees, by its chat template. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include "cmd/cmd_lines.h"
#include "cmd/tokenizer_run.h"

#define TEMPLATE_MAX ((size_t)1 << 22)

static const struct opt template_options[] = {
    {.key = "model", .type = OPT_STR, .help = "folder or .gguf file whose chat template to use"},
    {.key = "template", .type = OPT_STR, .help = "a Jinja file to use instead"},
    {.key = "jsonl",
     .type = OPT_STR,
     .help = "records {\"id\",\"messages\",\"add_generation_prompt\",\"tools\",...}, one a line; - is "
             "standard input",
     .flags = OPT_REQUIRED},
    {.key = "out", .type = OPT_STR, .help = "file for the results (default: standard output)"},
    {0}};
static const struct opt *const template_tables[] = {template_options, NULL};

/* What renders: a tokenizer with its template, or a template alone. */
struct renderer {
    const struct tokenizer *tok;
    struct template *template;
};

static json_t *render_record(void *ctx, const json_t *record, struct err *e)
{
    static const char *const own[] = {"id", "messages", "tools", "add_generation_prompt"};
    const struct renderer *r = ctx;
    struct chat chat = {.messages = json_object_get(record, "messages"),
                        .tools = json_object_get(record, "tools")};
    if (json_get_bool_or(record, "add_generation_prompt", false, &chat.add_generation_prompt, e)) return NULL;
    if (json_is_null(chat.tools)) chat.tools = NULL;
    json_t *variables = json_copy((json_t *)(uintptr_t)record), *out = NULL;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) json_object_del(variables, own[i]);
    chat.variables = variables;
    struct str text;
    str_init(&text, 0);
    int rc = r->tok ? chat_render(r->tok, &chat, &text, NULL, e)
                    : template_render(r->template, &chat, &text, NULL, e);
    if (!rc) out = json_pack("{s:o}", "text", json_stringn(text.p, text.len));
    str_release(&text);
    json_decref(variables);
    return out;
}

static int template_run(struct conf *c, struct err *e)
{
    const char *file = conf_str(c, "template"), *model = conf_str(c, "model");
    struct lines_job job = {.in = conf_str(c, "jsonl"), .out = conf_str(c, "out"), .f = render_record};
    if (!file == !model) return err_usage(e, "template: give either --model or --template");
    struct renderer r = {0};
    job.ctx = &r;
    if (file) {
        char *jinja;
        size_t n;
        if (file_read(file, TEMPLATE_MAX, &jinja, &n, e)) return -1;
        r.template = template_parse(jinja, n, e);
        free(jinja);
        int rc = r.template ? lines_map(&job, e) : err_wrap(e, "%s", file);
        template_free(r.template);
        return rc;
    }
    struct tokenizer_source source;
    if (tokenizer_source_open(&source, model, e)) return -1;
    r.tok = source.tok;
    int rc = tokenizer_template(r.tok) ? lines_map(&job, e) : err_set(e, "%s has no chat template", model);
    tokenizer_source_close(&source);
    return rc;
}

const struct cmd cmd_template = {
    .name = "template",
    .summary = "turn conversations into the text that a model sees",
    .details = "Answers each record {\"id\",\"messages\":[{\"role\",\"content\"}...],"
               "\"add_generation_prompt\":bool,\"tools\":[...]}\nwith {\"id\",\"text\"}, or "
               "{\"id\",\"error\"}. Every other "
               "field is a variable of the template.\n\n"
               "  openr1 template --model models/Qwen2.5-0.5B-Instruct --jsonl conversations.jsonl",
    .tables = template_tables,
    .run = template_run,
};
