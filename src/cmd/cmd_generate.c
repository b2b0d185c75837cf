/* cmd_generate.c: `openr1 generate`: prompts from JSONL (or one from the line), completions to JSONL.
 *
 * Completion i of record r draws with sequence number r * num_generations + i at step 0, so what a record
 * gets depends on its place, its prompt and the options alone. Records are written as they are finished, in
 * order (generate_out.h): what an interruption leaves, the same command goes on with. A record that cannot be
 * read costs itself alone.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/generate_out.h"
#include "cmd/model_run.h"
#include "data/data.h"
#include "infer/infer.h"

static const struct opt generate_options[] = {
    {.key = "model",
     .type = OPT_STR,
     .help = "folder in Hugging Face layout, .gguf file, or llama2.c .bin",
     .flags = OPT_REQUIRED},
    {.key = "jsonl",
     .type = OPT_STR,
     .help = "records {\"id\", \"prompt\" or \"messages\"}, one a line; - is standard input"},
    {.key = "prompt",
     .type = OPT_STR,
     .help = "a single prompt; its completion is shown as it comes, unless --out is given"},
    {.key = "out", .type = OPT_STR, .help = "file for the results (default: standard output)"},
    {.key = "num_generations",
     .type = OPT_INT,
     .fallback = "1",
     .help = "completions of each prompt",
     .lo = 1,
     .hi = 1 << 20},
    {.key = "temperature", .type = OPT_REAL, .fallback = "1.0", .help = "0 is greedy", .lo = 0, .hi = 1e4},
    {.key = "top_p",
     .type = OPT_REAL,
     .fallback = "1.0",
     .help = "nucleus sampling; 1 is off",
     .lo = 0,
     .hi = 1},
    {.key = "top_k",
     .type = OPT_INT,
     .fallback = "0",
     .help = "most probable tokens to draw from; 0 is off",
     .lo = 0,
     .hi = 1 << 30},
    {.key = "min_p",
     .type = OPT_REAL,
     .fallback = "0.0",
     .help = "least probability, as a share of the largest; 0 is off",
     .lo = 0,
     .hi = 1},
    {.key = "repetition_penalty",
     .type = OPT_REAL,
     .fallback = "1.0",
     .help = "for tokens of the prompt and the completion; 1 is off",
     .lo = 0,
     .hi = 1e6},
    {.key = "max_new_tokens",
     .type = OPT_INT,
     .fallback = "256",
     .help = "longest completion",
     .lo = 1,
     .hi = 1 << 24,
     .alias = "max_completion_length"},
    {.key = "stop", .type = OPT_LIST, .help = "strings that end a completion and are cut off"},
    {.key = "seed", .type = OPT_INT, .fallback = "42", .help = "of all draws"},
    {.key = "system_prompt",
     .type = OPT_STR,
     .help = "put in front when a conversation has none; implies apply_chat_template"},
    {.key = "apply_chat_template",
     .type = OPT_BOOL,
     .help = "make a prompt string one user message (default: only with system_prompt); conversations always "
             "use the template"},
    {.key = "prompt_column",
     .type = OPT_STR,
     .help = "column that holds the prompt (default: prompt, messages or question)"},
    {.key = "max_running",
     .type = OPT_INT,
     .fallback = "64",
     .help = "completions worked on together; changes speed and memory only",
     .lo = 1,
     .hi = 1 << 16},
    {.key = "max_rows",
     .type = OPT_INT,
     .fallback = "512",
     .help = "tokens of one forward pass; changes speed and memory only",
     .lo = 1,
     .hi = 1 << 16},
    {.key = "kv_memory",
     .type = OPT_STR,
     .help = "most memory for keys and values, such as 500M or 4G (default: half of the machine's); changes "
             "speed only"},
    {0}};
static const struct opt *const generate_tables[] = {generate_options, speculation_options, model_run_options,
                                                    NULL};

struct record {
    json_t *id;
    struct ids prompt;
    char *error; /* what is wrong with it; NULL: nothing */
};

struct job {
    struct conf *c;
    struct model *model;
    struct record *records;
    struct request *requests; /* [n_requests], of the sound records that are to be done */
    struct group *groups;
    size_t n, cap, n_requests;
    size_t n_written; /* records */
    size_t n_taken;   /* requests whose groups are written */
    struct generate_out out;
    struct err written; /* why writing failed */
    int n_each;
    struct sampling sampling;
    struct speculation draft; /* its model is ours */
    struct prompt_opts prompts;
    struct progress bar;
    double t_start_s;
    struct engine_progress last;
    bool streams; /* one completion, shown while it grows */
    struct text_stream text;
    size_t shown;
};

static void job_release(struct job *j)
{
    for (size_t i = 0; i < j->n; i++) {
        json_decref(j->records[i].id);
        ids_release(&j->records[i].prompt);
        free(j->records[i].error);
    }
    for (size_t i = 0; j->groups && i < j->n_requests; i++) group_release(&j->groups[i]);
    generate_out_close(&j->out);
    free(j->records);
    free(j->requests);
    free(j->groups);
    text_stream_release(&j->text);
    model_free(j->draft.model);
    model_free(j->model);
}

/* ---- options ------------------------------------------------------------------------------------------- */

static void read_sampling(struct job *j)
{
    struct sampling *s = &j->sampling;
    sampling_default(s);
    s->temperature = (float)conf_real(j->c, "temperature");
    s->top_p = (float)conf_real(j->c, "top_p");
    s->top_k = (int)conf_int(j->c, "top_k");
    s->min_p = (float)conf_real(j->c, "min_p");
    s->repetition_penalty = (float)conf_real(j->c, "repetition_penalty");
    s->max_new_tokens = (int)conf_int(j->c, "max_new_tokens");
    s->n_stop_ids = model_eos(j->model, &s->stop_ids);
    s->n_stop_strings = (int)conf_list(j->c, "stop", &s->stop_strings);
    j->n_each = (int)conf_int(j->c, "num_generations");
}

static int read_prompt_options(struct job *j, struct err *e)
{
    struct prompt_opts *p = &j->prompts;
    p->tok = model_tokenizer(j->model);
    if (!p->tok) return err_set(e, "%s has no tokenizer; generate needs one", conf_str(j->c, "model"));
    p->prompt_column = conf_str(j->c, "prompt_column");
    p->system_prompt = conf_str(j->c, "system_prompt");
    p->apply_chat = conf_is_set(j->c, "apply_chat_template") ? conf_bool(j->c, "apply_chat_template")
                                                             : p->system_prompt != NULL;
    return 0;
}

/* "500M", "4G", "1.5GiB", "1000000" -> bytes. */
static int read_bytes(const char *text, size_t *bytes, struct err *e)
{
    static const char units[] = "KMGT";
    char *end;
    double x = strtod(text, &end);
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    if (unit) {
        for (const char *u = units; u <= unit; u++) x *= 1024;
        end++;
        if (*end == 'i') end++;
    }
    if (*end == 'B') end++;
    if (end == text || *end || !(x >= 1 && x < 1e18))
        return err_usage(e, "kv_memory is \"%s\"; expected a size such as 500M or 4G", text);
    *bytes = (size_t)x;
    return 0;
}

static int read_limits(struct job *j, struct engine_limits *l, struct err *e)
{
    *l = (struct engine_limits){.max_running = (int)conf_int(j->c, "max_running"),
                                .max_rows = (int)conf_int(j->c, "max_rows"),
                                .draft = j->draft};
    long completions = (long)j->n_requests * j->n_each;
    if (completions < l->max_running) l->max_running = completions ? (int)completions : 1;
    size_t longest = 1;
    for (size_t i = 0; i < j->n_requests; i++)
        if ((size_t)j->requests[i].n_prompt > longest) longest = (size_t)j->requests[i].n_prompt;
    if (longest > 1 << 24) return err_set(e, "a prompt of %zu tokens is too long", longest);
    l->max_tokens = (int)longest + j->sampling.max_new_tokens;
    int positions = model_config(j->model)->max_positions;
    if (positions > 0 && l->max_tokens > positions)
        log_warn(
            "the longest prompt has %zu tokens; with max_new_tokens %d that is more than the %d positions "
            "the model was made for",
            longest, j->sampling.max_new_tokens, positions);
    l->kv_bytes = machine_memory() / 2;
    const char *memory = conf_str(j->c, "kv_memory");
    return memory ? read_bytes(memory, &l->kv_bytes, e) : 0;
}

/* ---- records ------------------------------------------------------------------------------------------- */

static int record_fill(struct record *r, const json_t *row, const struct prompt_opts *how, struct err *e)
{
    if (!json_is_object(row)) return err_set(e, "a record must be an object with \"prompt\" or \"messages\"");
    json_t *id = json_object_get(row, "id");
    if (id) {
        json_decref(r->id);
        r->id = json_incref(id);
    }
    if (prompt_encode(row, how, &r->prompt, e)) return -1;
    if (r->prompt.n > 1 << 24) return err_set(e, "a prompt of %zu tokens is too long", r->prompt.n);
    if (r->prompt.n) return 0;
    /* Nothing at all: begin as every text begins. */
    int bos = tokenizer_bos(how->tok);
    if (bos < 0) return err_set(e, "the prompt is empty, and this model has no token that begins a text");
    ids_push(&r->prompt, bos);
    return 0;
}

/* row NULL: e says why there is none. A record that is wrong keeps its place, with what is wrong. */
static int record_add(struct job *j, const json_t *row, struct err *e)
{
    if (j->n == j->cap) {
        j->cap = j->cap ? 2 * j->cap : 64;
        j->records = alloc_again(j->records, j->cap * sizeof *j->records);
    }
    struct record *r = &j->records[j->n];
    *r = (struct record){.id = json_integer((json_int_t)j->n)};
    j->n++;
    if (row && !record_fill(r, row, &j->prompts, e)) return 0;
    r->error = alloc_str(e->msg);
    return -1;
}

static int read_jsonl(struct job *j, const char *path, struct err *e)
{
    struct jsonl in;
    if (jsonl_open(&in, path, e)) return -1;
    for (;;) {
        json_t *row;
        struct err wrong = {0};
        long line = in.line;
        int more = jsonl_next(&in, &row, &wrong);
        bool unreadable = more < 0 && in.line == line; /* the file, not this line */
        if (unreadable) *e = wrong;
        if (more == 0 || unreadable) {
            jsonl_close(&in);
            return more;
        }
        if (more > 0 && record_add(j, row, &wrong))
            log_line(LOG_ERROR, "%s:%ld: %s", path, in.line, wrong.msg);
        if (more < 0) {
            record_add(j, NULL, &wrong);
            log_line(LOG_ERROR, "%s", wrong.msg);
        }
        json_decref(row);
    }
}

static int read_records(struct job *j, struct err *e)
{
    const char *path = conf_str(j->c, "jsonl"), *prompt = conf_str(j->c, "prompt");
    if ((path != NULL) == (prompt != NULL)) return err_usage(e, "give either --jsonl FILE or --prompt TEXT");
    if (path) return read_jsonl(j, path, e);
    j->streams = !conf_str(j->c, "out");
    if (j->streams && j->n_each != 1)
        return err_usage(e, "--prompt shows one completion; for %d give --out or --jsonl", j->n_each);
    const char *column = j->prompts.prompt_column ? j->prompts.prompt_column : "prompt";
    json_t *row = json_pack("{s:s}", column, prompt);
    if (!row) return err_usage(e, "the prompt is not UTF-8");
    int failed = record_add(j, row, e);
    json_decref(row);
    return failed;
}

/* ---- results ------------------------------------------------------------------------------------------- */

static json_t *completion_json(const struct completion *c)
{
    json_t *ids = json_array(), *logps = json_array();
    for (int i = 0; i < c->n; i++) {
        json_array_append_new(ids, json_integer(c->ids[i]));
        json_array_append_new(logps, json_real((double)c->logps[i]));
    }
    struct str text;
    str_init(&text, 0);
    utf8_clean(&text, c->text, c->n_text);
    json_t *v = json_pack("{s:s%, s:o, s:o, s:s}", "text", text.p, text.len, "ids", ids, "logprobs", logps,
                          "finish_reason", c->finish == FINISH_STOP ? "stop" : "length");
    str_release(&text);
    return v;
}

static bool is_ready(const struct group *g)
{
    for (int i = 0; i < g->n; i++)
        if (!g->c[i].text) return false;
    return true;
}

/* Write the records that are finished, in order, and give their memory back. */
static int write_ready(struct job *j, struct err *e)
{
    for (; j->n_written < j->n; j->n_written++) {
        const struct record *r = &j->records[j->n_written];
        json_t *line = json_pack("{s:O}", "id", r->id), *list;
        if (r->error) {
            json_object_set_new(line, "error", json_string(r->error));
        } else {
            struct group *g = &j->groups[j->n_taken];
            if (!is_ready(g)) {
                json_decref(line);
                return 0;
            }
            json_object_set_new(line, "completions", list = json_array());
            for (int k = 0; k < g->n; k++) json_array_append_new(list, completion_json(&g->c[k]));
            group_release(g);
            j->n_taken++;
        }
        if (generate_out_put(&j->out, line, e)) return -1;
    }
    return 0;
}

/* ---- the run ------------------------------------------------------------------------------------------- */

static bool watch(void *ctx, const struct engine_progress *p)
{
    struct job *j = ctx;
    double seconds = clock_s() - j->t_start_s;
    char note[160], drafts[96];
    speculation_note(p, drafts, sizeof drafts);
    snprintf(note, sizeof note, "%.0f tokens/s, %ld running%s%s",
             seconds > 0 ? (double)p->tokens / seconds : 0, p->running, *drafts ? ", " : "", drafts);
    j->last = *p;
    if (!j->streams) progress_update(&j->bar, p->done_sequences, note);
    bool failed = !j->streams && write_ready(j, &j->written);
    return failed || stop_signal() != 0;
}

static void show_certain(struct job *j)
{
    fwrite(j->text.text.p + j->shown, 1, j->text.certain - j->shown, stdout);
    fflush(stdout);
    j->shown = j->text.certain;
}

static void show_token(void *ctx, int request, int index, int id)
{
    struct job *j = ctx;
    (void)request, (void)index;
    text_stream_push(&j->text, j->prompts.tok, &j->sampling, id);
    show_certain(j);
}

static int run(struct job *j, struct engine *engine, struct err *e)
{
    struct engine_hooks hooks = {.watch = watch, .token = j->streams ? show_token : NULL, .ctx = j};
    j->t_start_s = clock_s();
    if (!j->streams) progress_start(&j->bar, "generate", (long)j->n_requests * j->n_each);
    int failed = engine_run(engine, j->requests, (int)j->n_requests, j->groups, &hooks, e);
    if (!j->streams && !failed) {
        j->bar.done = (long)j->n_requests * j->n_each;
        progress_end(&j->bar);
    }
    char drafts[96];
    speculation_note(&j->last, drafts, sizeof drafts);
    if (!failed && *drafts) log_info("%s", drafts);
    return failed;
}

/* A request for each sound record from `first` on. Draws depend on a record's place, not on who is left. */
static void make_requests(struct job *j, size_t first)
{
    j->requests = alloc_zero(j->n + 1, sizeof *j->requests);
    j->groups = alloc_zero(j->n + 1, sizeof *j->groups);
    for (size_t i = first; i < j->n; i++) {
        if (j->records[i].error) continue;
        j->requests[j->n_requests++] = (struct request){.prompt = j->records[i].prompt.p,
                                                        .n_prompt = (int)j->records[i].prompt.n,
                                                        .n = j->n_each,
                                                        .sampling = j->sampling,
                                                        .seed = (uint64_t)conf_int(j->c, "seed"),
                                                        .first_sequence = (uint32_t)(i * (size_t)j->n_each)};
    }
}

static int generate(struct job *j, struct err *e)
{
    struct engine_limits limits;
    if (read_limits(j, &limits, e)) return -1;
    struct engine *engine = engine_new(j->model, &limits, e);
    if (!engine) return -1;
    int failed = run(j, engine, e);
    engine_free(engine);
    return failed;
}

static int run_and_show(struct job *j, struct err *e)
{
    make_requests(j, 0);
    if (generate(j, e)) return -1;
    text_stream_end(&j->text);
    show_certain(j);
    putchar('\n');
    return 0;
}

/* Everything that decides the lines: model, prompts, options; not threads and limits. */
static int hash_job(struct job *j, char key[HASH_HEX], struct err *e)
{
    static const char *const options[] = {"num_generations",    "temperature",    "top_p", "top_k", "min_p",
                                          "repetition_penalty", "max_new_tokens", "stop",  "seed"};
    struct str yaml;
    if (model_places_hash(conf_str(j->c, "model"), key, e)) return -1;
    struct hash *h = hash_new();
    hash_add(h, key, HASH_HEX);
    str_init(&yaml, 0);
    conf_yaml(j->c, &yaml);
    for (const char *line = yaml.p; *line; line += strcspn(line, "\n"), line += *line == '\n')
        for (size_t i = 0; i < sizeof options / sizeof *options; i++)
            if (str_starts(line, options[i]) && line[strlen(options[i])] == ':')
                hash_add(h, line, strcspn(line, "\n") + 1);
    str_release(&yaml);
    for (size_t i = 0; i < j->n; i++) {
        const struct record *r = &j->records[i];
        char *id = json_text(r->id);
        hash_add(h, id, strlen(id) + 1);
        hash_add(h, r->prompt.p, r->prompt.n * sizeof *r->prompt.p);
        hash_add(h, r->error ? r->error : "", r->error ? strlen(r->error) : 1);
        free(id);
    }
    hash_end(h, key);
    return 0;
}

/* What became of records that could not be read. */
static int count_errors(const struct job *j, struct err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < j->n; i++) n += j->records[i].error != NULL;
    if (!n) return 0;
    return err_set(e, "%zu of %zu records could not be used and have \"error\" for completions", n, j->n);
}

static int told_stop(const struct job *j, struct err *e)
{
    if (j->out.partial)
        err_kind_set(e, ERR_STOPPED,
                     "stopped: %zu of %zu records are in %s; the same command goes on from there",
                     j->n_written, j->n, j->out.partial);
    return -1;
}

static int run_and_write(struct job *j, struct err *e)
{
    const char *path = conf_str(j->c, "out");
    char key[HASH_HEX] = "";
    if (path && hash_job(j, key, e)) return -1;
    if (generate_out_open(&j->out, path, key, e)) return -1; /* before the work, not after it */
    j->n_written = (size_t)j->out.done < j->n ? (size_t)j->out.done : j->n;
    make_requests(j, j->n_written);
    int rc = generate(j, e);
    if (rc && j->written.kind) *e = j->written;
    if (rc) return e->kind == ERR_STOPPED ? told_stop(j, e) : rc;
    if (write_ready(j, e) || generate_out_finish(&j->out, e)) return -1;
    return count_errors(j, e);
}

static int generate_command(struct conf *c, struct err *e)
{
    struct job j = {.c = c};
    int rc = -1;
    text_stream_init(&j.text);
    stop_install();
    const char *out = conf_str(c, "out");
    if (out && file_place_check(out, e)) goto out;
    j.model = model_open(c, e);
    if (!j.model || speculation_read(c, &j.draft, e) || read_prompt_options(&j, e)) goto out;
    read_sampling(&j);
    if (sampling_check(&j.sampling, e) || read_records(&j, e)) goto out;
    rc = j.streams ? run_and_show(&j, e) : run_and_write(&j, e);
out:
    job_release(&j);
    return rc;
}

const struct cmd cmd_generate = {
    .name = "generate",
    .summary = "sample completions of prompts from a model",
    .details =
        "Reads records {\"id\", \"prompt\" or \"messages\"} and writes, in the same order,\n"
        "{\"id\", \"completions\": [{\"text\", \"ids\", \"logprobs\", \"finish_reason\"}]}. A "
        "log-probability is that of the\n"
        "token under the model at the temperature asked for (at 1 when greedy), before top-p and the like.\n"
        "The same seed gives the same completions on any machine, with any number of threads. Records are\n"
        "written as they are finished, into OUT.partial; stopped, the same command goes on from there. A "
        "record\n"
        "that cannot be read gets {\"id\", \"error\"}, and the status is 1 at the end.\n\n"
        "  openr1 generate --model SmolLM2-135M-Instruct --prompt \"The capital of France is\" --temperature "
        "0\n"
        "  openr1 generate --model runs/x/model --jsonl prompts.jsonl --num_generations 8 --out "
        "completions.jsonl",
    .tables = generate_tables,
    .run = generate_command,
};
