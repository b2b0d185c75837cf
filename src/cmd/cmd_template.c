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
     .help = "records {\"id\",\"messages\",\"add_generation_prompt\"}, one a line; - is standard input",
     .flags = OPT_REQUIRED},
    {.key = "out", .type = OPT_STR, .help = "file for the results (default: standard output)"},
    {0}};
static const struct opt *const template_tables[] = {template_options, NULL};

static json_t *render_record(void *ctx, const json_t *record, struct err *e)
{
    bool prompt;
    if (json_get_bool_or(record, "add_generation_prompt", false, &prompt, e)) return NULL;
    if (json_array_size(json_object_get(record, "tools"))) {
        err_set(e, "\"tools\" are not supported");
        return NULL;
    }
    struct str text;
    json_t *out = NULL;
    str_init(&text, 0);
    if (!template_render(ctx, json_object_get(record, "messages"), prompt, &text, e))
        out = json_pack("{s:o}", "text", json_stringn(text.p, text.len));
    str_release(&text);
    return out;
}

static int template_run(struct conf *c, struct err *e)
{
    const char *file = conf_str(c, "template"), *model = conf_str(c, "model");
    struct lines_job job = {.in = conf_str(c, "jsonl"), .out = conf_str(c, "out"), .f = render_record};
    if (!file == !model) return err_usage(e, "template: give either --model or --template");
    if (file) {
        char *jinja;
        size_t n;
        if (file_read(file, TEMPLATE_MAX, &jinja, &n, e)) return -1;
        job.ctx = jinja;
        int rc = lines_map(&job, e);
        free(jinja);
        return rc;
    }
    struct tokenizer_source source;
    if (tokenizer_source_open(&source, model, e)) return -1;
    job.ctx = (void *)(uintptr_t)tokenizer_template(source.tok);
    int rc = job.ctx ? lines_map(&job, e) : err_set(e, "%s has no chat template", model);
    tokenizer_source_close(&source);
    return rc;
}

const struct cmd cmd_template = {
    .name = "template",
    .summary = "turn conversations into the text that a model sees",
    .details = "Answers each record {\"id\",\"messages\":[{\"role\",\"content\"}...],"
               "\"add_generation_prompt\":bool}\nwith {\"id\",\"text\"}, or {\"id\",\"error\"}.\n\n"
               "  openr1 template --model models/Qwen2.5-0.5B-Instruct --jsonl conversations.jsonl",
    .tables = template_tables,
    .run = template_run,
};
