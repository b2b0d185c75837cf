/* cmd_verify_code.c: `openr1 verify code`: do programs pass their tests? Run in the sandbox. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/cmd_lines.h"
#include "verify/verify.h"

static const struct opt verify_code_options[] = {
    {.key = "jsonl",
     .type = OPT_STR,
     .help =
         "records {\"id\",\"code\",\"language\",\"tests\":[{\"input\",\"output\"}]} or of HumanEval or MBPP "
         "with a \"completion\", one a line; - is standard input",
     .flags = OPT_REQUIRED},
    {.key = "language", .type = OPT_STR, .fallback = "python", .help = "of records that name none"},
    {.key = "time_limit", .type = OPT_REAL, .fallback = "10", .help = "processor seconds for each test"},
    {.key = "memory_limit", .type = OPT_INT, .fallback = "512", .help = "MiB for each test"},
    {.key = "compare",
     .type = OPT_STR,
     .fallback = "lines",
     .help = "outputs line by line (blanks at line ends and empty lines at the end do not count) or word by "
             "word",
     .choices = "lines|tokens"},
    {.key = "tolerance",
     .type = OPT_REAL,
     .fallback = "0",
     .help = "numbers may differ by that much, absolutely or relatively"},
    {.key = "sandbox",
     .type = OPT_STR,
     .fallback = "bwrap",
     .help =
         "bwrap: namespaces, no network, no files of this machine; rlimit: limits only, for code that you "
         "trust",
     .choices = "bwrap|rlimit"},
    {.key = "out", .type = OPT_STR, .help = "file for the results (default: standard output)"},
    {0}};
static const struct opt *const verify_code_tables[] = {verify_code_options, NULL};

static json_t *verify_code_record(void *ctx, const json_t *record, struct err *e)
{
    json_t *out = code_record_judge(record, ctx, e);
    const json_t *task = json_object_get(record, "task_id");
    if (out && task && !json_object_get(record, "id")) json_object_set(out, "id", (json_t *)task);
    return out;
}

static int verify_code_run(struct conf *c, struct err *e)
{
    struct code_options o = {.language = conf_str(c, "language"), .limits = code_limits_default};
    long memory = conf_int(c, "memory_limit");
    o.limits.time_s = conf_real(c, "time_limit");
    if (memory < 8 || memory > 1 << 20) return err_usage(e, "memory_limit must be 8 to 1048576 MiB");
    if (!(o.limits.time_s >= 0.01 && o.limits.time_s <= 3600))
        return err_usage(e, "time_limit must be 0.01 to 3600 seconds");
    o.limits.memory = (size_t)memory << 20;
    o.limits.mode = strcmp(conf_str(c, "sandbox"), "bwrap") == 0 ? SANDBOX_BWRAP : SANDBOX_RLIMIT;
    o.limits.stops = true;
    o.compare = strcmp(conf_str(c, "compare"), "lines") == 0 ? CODE_LINES : CODE_TOKENS;
    o.tolerance = conf_real(c, "tolerance");
    stop_install();
    if (sandbox_check(o.limits.mode, e)) return -1;
    struct lines_job job = {.in = conf_str(c, "jsonl"),
                            .out = conf_str(c, "out"),
                            .f = verify_code_record,
                            .ctx = &o,
                            .parallel = true,
                            .counted = true};
    return lines_map(&job, e);
}

const struct cmd cmd_verify_code = {
    .name = "verify code",
    .summary = "run programs on tests, in a sandbox",
    .details =
        "Answers each record with {\"id\",\"passed\",\"total\",\"results\":[...]}: for each test its verdict "
        "(passed,\nwrong_answer, runtime_error, time_limit, memory_limit, output_limit, compile_error), "
        "time, "
        "memory, the first\ndiffering line and the end of standard error. Records run side by side "
        "(--threads); a "
        "program is compiled\nonce. Languages: python, c, cpp, javascript, java, bash, r, where they are "
        "installed.\n\n"
        "  openr1 verify code --jsonl solutions.jsonl --time_limit 2 --out verdicts.jsonl",
    .tables = verify_code_tables,
    .run = verify_code_run,
};
