/* cmd_verify_math.c: `openr1 verify math`: is an answer the same as the gold answer? */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/cmd_lines.h"
#include "verify/verify.h"

static const struct opt verify_options[] = {
    {.key = "gold", .type = OPT_STR, .help = "the expected answer"},
    {.key = "answer", .type = OPT_STR, .help = "the answer, or a whole completion in which to find it"},
    {.key = "jsonl",
     .type = OPT_STR,
     .help = "records {\"id\",\"gold\",\"answer\",\"params\"}, one a line; - is standard input"},
    {.key = "mode",
     .type = OPT_STR,
     .fallback = "any",
     .help = "where an answer may stand: latex (a box or a formula behind \"answer\", as Open-R1's accuracy) "
             "or any",
     .choices = "latex|any"},
    {.key = "raw",
     .type = OPT_BOOL,
     .fallback = "false",
     .help = "the answer is the whole string; search nothing"},
    {.key = "explain",
     .type = OPT_BOOL,
     .fallback = "false",
     .help =
         "show the places where the answer was sought, parse trees, the normal forms compared and what the "
         "verdict rests on: before it, or in each record as \"explain\", a list of lines"},
    {.key = "out", .type = OPT_STR, .help = "file for the results (default: standard output)"},
    {0}};
static const struct opt *const verify_tables[] = {verify_options, NULL};

static enum extract_mode mode_of(const char *name)
{
    return strcmp(name, "latex") == 0 ? EXTRACT_LATEX : EXTRACT_ANY;
}

/* A string, or a number as text. NULL when it is neither. */
static const char *text_of(json_t *v, char number[64])
{
    if (json_is_string(v)) return json_str_flat(v);
    if (json_is_integer(v))
        snprintf(number, 64, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        snprintf(number, 64, "%.17g", json_real_value(v));
    else
        return NULL;
    return number;
}

struct verify_job {
    struct verify_params params;
    bool explain;
};

static json_t *verify_record(void *ctx, const json_t *record, struct err *e)
{
    const struct verify_job *job = ctx;
    struct verify_params p = job->params;
    char gold_number[64], answer_number[64];
    const char *gold = text_of(json_object_get(record, "gold"), gold_number);
    const char *answer = text_of(json_object_get(record, "answer"), answer_number);
    struct receipt r;
    if (!gold || !answer) {
        err_set(e, "\"gold\" and \"answer\" must be strings or numbers");
        return NULL;
    }
    if (verify_params_read(json_object_get(record, "params"), &p, e)) return NULL;
    struct str steps;
    str_init(&steps, 0);
    verify_explain(gold, answer, &p, &r, job->explain ? &steps : NULL);
    char reason[320];
    snprintf(reason, sizeof reason, "%s%s", r.verdict == VERDICT_UNDECIDED ? "undecided: " : "", r.reason);
    json_t *out = json_pack("{s:b,s:s,s:s,s:s}", "correct", r.verdict == VERDICT_CORRECT, "gold_parsed",
                            r.gold, "answer_parsed", r.answer, "reason", reason);
    if (job->explain) json_object_set_new(out, "explain", lines_json(steps.p));
    str_release(&steps);
    return out;
}

static int verify_run(struct conf *c, struct err *e)
{
    const char *gold = conf_str(c, "gold"), *answer = conf_str(c, "answer"), *jsonl = conf_str(c, "jsonl");
    struct verify_job v = {verify_defaults(mode_of(conf_str(c, "mode"))), conf_bool(c, "explain")};
    v.params.raw = conf_bool(c, "raw");
    if (jsonl && !gold && !answer) {
        struct lines_job job = {
            .in = jsonl, .out = conf_str(c, "out"), .f = verify_record, .ctx = &v, .counted = true};
        return lines_map(&job, e);
    }
    if (jsonl || !gold || !answer) return err_usage(e, "give --gold G and --answer A, or --jsonl FILE");
    struct receipt r;
    struct str steps;
    str_init(&steps, 0);
    verify_explain(gold, answer, &v.params, &r, v.explain ? &steps : NULL);
    fputs(steps.p, stdout);
    str_release(&steps);
    puts(r.verdict == VERDICT_CORRECT ? "correct" : "incorrect");
    log_info("gold %s, answer %s; %s%s", r.gold, r.answer[0] ? r.answer : "(none)",
             r.verdict == VERDICT_UNDECIDED ? "undecided: " : "", r.reason);
    return 0;
}

const struct cmd cmd_verify_math = {
    .name = "verify math",
    .summary = "check mathematical answers against gold answers",
    .details =
        "Prints `correct` or `incorrect` for --gold and --answer, or answers each record of --jsonl with\n"
        "{\"id\",\"correct\",\"gold_parsed\",\"answer_parsed\",\"reason\"}. Numbers, formulas, equations, "
        "inequalities,\nintervals, sets, tuples, matrices and words are compared by what they mean. "
        "\"params\" takes "
        "Math-Verify's\nnames: float_rounding, numeric_precision, strict, allow_set_relation_comp, "
        "match_types,\n"
        "boxed_match_priority, extraction_mode, try_extract_without_anchor. Where nothing could be decided "
        "the\nreason "
        "begins with \"undecided\".\n\n"
        "  openr1 verify math --gold '1/2' --answer 'so it is \\boxed{0.5}'\n"
        "  openr1 verify math --gold '\\sqrt{2}' --answer '$\\frac{2}{\\sqrt{2}}$' --explain\n"
        "  openr1 verify math --jsonl pairs.jsonl --out verdicts.jsonl",
    .tables = verify_tables,
    .run = verify_run,
};
