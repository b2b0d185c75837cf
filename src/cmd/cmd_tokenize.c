/* cmd_tokenize.c: `openr1 tokenize`: texts to token ids and back, with any model's tokenizer. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include "cmd/cmd_lines.h"
#include "cmd/tokenizer_run.h"

static const struct opt tokenize_options[] = {
    {.key = "model",
     .type = OPT_STR,
     .help = "folder with a tokenizer (weights are not needed), or a .gguf file",
     .flags = OPT_REQUIRED},
    {.key = "jsonl",
     .type = OPT_STR,
     .help = "records {\"id\",\"text\"}, one a line; - is standard input",
     .flags = OPT_REQUIRED},
    {.key = "special",
     .type = OPT_BOOL,
     .fallback = "true",
     .help = "add the special tokens that the tokenizer puts around a text; decoding: keep special tokens"},
    {.key = "decode",
     .type = OPT_BOOL,
     .fallback = "false",
     .help = "records hold \"ids\"; the answers hold \"text\""},
    {.key = "out", .type = OPT_STR, .help = "file for the results (default: standard output)"},
    {0}};
static const struct opt *const tokenize_tables[] = {tokenize_options, NULL};

struct job {
    const struct tokenizer *tok;
    bool special;
};

static json_t *encode_record(void *ctx, const json_t *record, struct err *e)
{
    const struct job *j = ctx;
    const json_t *text = json_object_get(record, "text");
    struct ids ids = {0};
    json_t *list = NULL;
    if (!json_is_string(text)) {
        err_set(e, "\"text\" must be a string");
        return NULL;
    }
    if (!tokenizer_encode(j->tok, json_string_value(text), json_string_length(text),
                          j->special ? TOK_SPECIAL : 0, &ids, e)) {
        list = json_array();
        for (size_t i = 0; i < ids.n; i++) json_array_append_new(list, json_integer(ids.p[i]));
    }
    ids_release(&ids);
    return list ? json_pack("{s:o}", "ids", list) : NULL;
}

static json_t *decode_record(void *ctx, const json_t *record, struct err *e)
{
    const struct job *j = ctx;
    const json_t *list = json_object_get(record, "ids"), *id;
    size_t i;
    struct ids ids = {0};
    json_t *out = NULL;
    int failed = json_is_array(list) ? 0 : err_set(e, "\"ids\" must be a list of token ids");
    json_array_foreach(list, i, id)
    {
        json_int_t v = json_integer_value(id);
        if (!json_is_integer(id) || !tokenizer_token(j->tok, v >= 0 && v < INT32_MAX ? (int)v : -1)) {
            failed = err_set(e, "ids[%zu] is not the id of a token", i);
            break;
        }
        ids_push(&ids, (int)v);
    }
    if (!failed) {
        struct str text;
        str_init(&text, 0);
        tokenizer_decode(j->tok, ids.p, ids.n, !j->special, &text);
        out = json_pack("{s:o}", "text", json_stringn(text.p, text.len));
        str_release(&text);
    }
    ids_release(&ids);
    return out;
}

static int tokenize_run(struct conf *c, struct err *e)
{
    struct tokenizer_source source;
    if (tokenizer_source_open(&source, conf_str(c, "model"), e)) return -1;
    struct job j = {.tok = source.tok, .special = conf_bool(c, "special")};
    struct lines_job job = {.in = conf_str(c, "jsonl"),
                            .out = conf_str(c, "out"),
                            .f = conf_bool(c, "decode") ? decode_record : encode_record,
                            .ctx = &j};
    int rc = lines_map(&job, e);
    tokenizer_source_close(&source);
    return rc;
}

const struct cmd cmd_tokenize = {
    .name = "tokenize",
    .summary = "turn texts into token ids, or ids into texts",
    .details =
        "Answers each record {\"id\",\"text\"} with {\"id\",\"ids\":[...]}; with --decode each "
        "{\"id\",\"ids\"} with\n{\"id\",\"text\"}. Ids are those of Hugging Face's tokenizers. A record "
        "that cannot be answered gets\n{\"id\",\"error\"} in its place.\n\n"
        "  openr1 tokenize --model models/Qwen2.5-0.5B --jsonl texts.jsonl --no-special",
    .tables = tokenize_tables,
    .run = tokenize_run,
};
