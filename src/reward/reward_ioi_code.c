/* reward_ioi_code.c: a C++ submission for a subtask of an IOI problem, with the problem's grader.
 *
 * Columns as in open-r1/ioi: id, grader_files ([name, content] pairs), test_cases ({name: {input, output}}
 * or a list), time_limit (s), memory_limit (bytes), score_precision. Open-R1's ioi_code_reward: the lowest
 * score of the subtask's tests (contest.h). Here, without Piston, the submission is compiled with grader.cpp
 * or stub.cpp. In problems of the kind "batch" it reads the input, and checker.cpp, or else an exact
 * comparison of words, gives the score; where there is a manager.cpp ("communication") it talks with that,
 * through the pipes named in its arguments, or through standard input and output where its stub looks at no
 * arguments. A batch size below 1 means all at once, as documented; with
 * {"compat":"open-r1"} it runs nothing, as there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "reward/code_work.h"
#include "reward/contest.h"

#define MANAGER "graders/manager.cpp"

static const struct reward_param ioi_code_params[] = {
    CODE_BATCH_PARAM, CODE_PLACE_PARAMS("ioi_provider"), {.name = NULL}};

struct ioi {
    const json_t *row;
    const char *id;
    struct code_place place;
    struct code_task task;
    struct code_tests tests;
    struct sandbox_file files[SANDBOX_FILES_MAX], judge_files[SANDBOX_FILES_MAX];
    char *names[2 * SANDBOX_FILES_MAX];
    int n_names;
    char source_name[160];
    struct code_program program, judge; /* the latter: checker or manager */
    struct code_source judge_source;
    bool built, judge_built;
    char *message;
    char lost[200];
    double precision; /* decimals of the score */
};

static const char *name_in(struct ioi *p, const char *folder, const char *base)
{
    struct str s;
    str_init(&s, 0);
    str_addf(&s, "%s/%s", folder, base);
    return p->names[p->n_names++] = str_take(&s);
}

/* Headers go to both compilations, the grader to the submission's, the checker to its own. */
static int grader_files(struct ioi *p, struct err *e)
{
    const json_t *list = json_object_get(p->row, "grader_files");
    size_t i;
    json_t *pair;
    if (list && !json_is_array(list) && !json_is_null(list))
        return err_set(e, "column \"grader_files\" is %s; it must be a list of pairs [name, content]",
                       json_kind(list));
    if (json_array_size(list) > SANDBOX_FILES_MAX - 4) return err_set(e, "too many grader_files");
    json_array_foreach((json_t *)list, i, pair)
    {
        const char *name = json_string_value(json_array_get(pair, 0)),
                   *text = json_string_value(json_array_get(pair, 1));
        if (!name || !text) continue; /* Open-R1 leaves out files without content */
        const char *base = path_base(name);
        size_t n = strlen(text);
        bool header = str_ends(base, ".h") || str_ends(base, ".hpp");
        bool stub = strcmp(base, "stub.cpp") == 0, manager = strcmp(base, "manager.cpp") == 0;
        if (manager || (strcmp(base, "checker.cpp") == 0 && !p->judge_source.text)) {
            p->judge_source.text = text;
            p->judge_source.name = manager ? MANAGER : "graders/checker.cpp";
        }
        if (stub) p->task.manager_standard = !strstr(text, "argv");
        if (stub && strstr(text, "argv[3]"))
            return err_set(e, "a submission that runs as several processes is judged by Piston only: params "
                              "{\"provider_type\":\"piston\"}");
        if (header || stub || strcmp(base, "grader.cpp") == 0)
            p->files[p->task.source.n_files++] =
                (struct sandbox_file){name_in(p, "graders", base), text, n, false};
        if (header)
            p->judge_files[p->judge_source.n_files++] =
                (struct sandbox_file){name_in(p, "graders", base), text, n, false};
    }
    return 0;
}

/* test_cases: {name: {input, output}}, a list of these, or pairs. */
static int test_cases(struct ioi *p, struct err *e)
{
    json_t *cases = json_object_get(p->row, "test_cases"), *all = json_array(), *v;
    const json_t *wanted = json_object_get(p->row, "test_names");
    const char *name;
    size_t i;
    if (json_is_array(cases)) {
        json_array_foreach(cases, i, v) json_array_append(all, v);
    } else if (json_is_array(wanted) && json_is_object(cases)) {
        json_array_foreach((json_t *)wanted, i, v)
        {
            json_t *t = json_object_get(cases, json_is_string(v) ? json_string_value(v) : "");
            if (t) json_array_append(all, t);
        }
    } else {
        json_object_foreach(cases, name, v) json_array_append(all, v);
    }
    int rc = code_tests_read(&p->tests, all, "\"test_cases\"", e);
    json_decref(all);
    if (!rc && p->tests.n == 0)
        return err_set(e, "the row has no column \"test_cases\" ({name: {\"input\",\"output\"}})");
    for (int k = 0; !rc && k < p->tests.n; k++)
        if (p->tests.list[k].check) rc = err_set(e, "test case %d has no input and output", k);
    return rc;
}

static int ioi_build(struct ioi *p, struct err *e)
{
    char *message = NULL;
    if (p->judge_source.text && !p->judge_built) {
        bool manager = strcmp(p->judge_source.name, MANAGER) == 0;
        p->judge_source.language = p->task.source.language;
        p->judge_source.files = p->judge_files;
        int rc = code_build(&p->judge, &p->judge_source, p->place.mode, &message, e);
        if (rc == 1) err_set(e, "%s does not compile: %.150s", p->judge_source.name, message);
        free(message);
        if (rc) return -1;
        p->judge_built = true;
        if (manager)
            p->task.manager = &p->judge;
        else
            p->task.checker = &p->judge;
    }
    if (code_build(&p->program, &p->task.source, p->place.mode, &p->message, e) < 0) return -1;
    p->built = true;
    return 0;
}

static void ioi_local(struct ioi *p, const struct code_test *t, struct contest_answer *a)
{
    struct err e = {0};
    struct code_outcome o = {0};
    if ((p->built || !ioi_build(p, &e)) && p->message) {
        a->status = CONTEST_COMPILE_ERROR;
        snprintf(a->note, sizeof a->note, "%.190s", p->message);
    } else if (p->built && !code_try(&p->task, &p->program, t, &o, &e)) {
        a->status = CONTEST_RAN;
        a->score = o.score;
        snprintf(a->note, sizeof a->note, "%s %.150s", code_verdict_name(o.verdict), o.note);
    } else {
        snprintf(a->note, sizeof a->note, "%.190s", e.msg);
        snprintf(p->lost, sizeof p->lost, "%.190s", e.msg);
    }
}

/* What Open-R1 makes of Piston's answer: the grader's package prints the score on standard output. */
static void ioi_answer(const json_t *answer, struct contest_answer *a)
{
    const json_t *compile = json_object_get(json_object_get(answer, "compile"), "code");
    const json_t *run = json_object_get(answer, "run"), *code = json_object_get(run, "code");
    const char *printed = json_str_or(run, "stdout", ""), *said = json_str_or(run, "stderr", "");
    char *end;
    a->status = CONTEST_RAN;
    a->score = strtod(printed, &end);
    snprintf(a->note, sizeof a->note, "%.190s", said);
    if (json_is_integer(compile) && json_integer_value(compile) != 0)
        a->status = CONTEST_COMPILE_ERROR;
    else if (json_is_integer(code) && json_integer_value(code) == 1 && strstr(said, "MemoryError"))
        snprintf(a->note, sizeof a->note, "Memory limit exceeded");
    else if (*printed && end != printed)
        return;
    else if (strcmp(json_str_or(run, "signal", ""), "SIGKILL") == 0)
        snprintf(a->note, sizeof a->note, "Time limit exceeded");
    else if (!*said)
        snprintf(a->note, sizeof a->note, "Unknown error");
    a->score = 0;
}

static void ioi_piston(struct ioi *p, const struct code_test *t, struct contest_answer *a)
{
    struct err e = {0};
    const json_t *list = json_object_get(p->row, "grader_files");
    json_t *files = json_pack("[o,o]", code_piston_file(p->source_name, p->task.source.text),
                              code_piston_file("input.txt", t->input)),
           *pair;
    size_t i;
    if (*t->output) json_array_append_new(files, code_piston_file("correct_output.txt", t->output));
    json_array_foreach((json_t *)list, i, pair)
    {
        const char *name = json_string_value(json_array_get(pair, 0)),
                   *text = json_string_value(json_array_get(pair, 1));
        if (name && text && *text) json_array_append_new(files, code_piston_file(name, text));
    }
    /* Open-R1: round((time_limit + 3) * 1000) */
    json_t *more =
        json_pack("{s:I,s:O}", "run_timeout", (json_int_t)((p->task.limits.time_s + 3) * 1000 + 0.5),
                  "run_memory_limit", json_object_get(p->row, "memory_limit"));
    json_t *answer = code_piston(&p->place, "cms_ioi", files, more, &e);
    if (answer && !json_object_get(answer, "message")) {
        ioi_answer(answer, a);
    } else {
        snprintf(a->note, sizeof a->note, "%.190s", answer ? json_str_or(answer, "message", "") : e.msg);
        snprintf(p->lost, sizeof p->lost, "%s", a->note);
    }
    json_decref(answer);
}

static void ioi_test(void *ctx, int test, struct contest_answer *a)
{
    struct ioi *p = ctx;
    (p->place.piston ? ioi_piston : ioi_local)(p, &p->tests.list[test], a);
}

static int ioi_read(struct ioi *p, const struct reward_input *in, struct err *e)
{
    double time_s, memory;
    if (json_get_real_or(p->row, "score_precision", 2, &p->precision, e)) return -1;
    if (json_get_str(p->row, "id", "the row", &p->id, e)) return -1;
    if (strpbrk(p->id, "/\\'\n\"") || !*p->id || strlen(p->id) > 100)
        return err_set(e, "column \"id\" is no name of a problem");
    if (json_get_real_or(p->row, "time_limit", 2, &time_s, e) ||
        json_get_real_or(p->row, "memory_limit", 2147483648.0, &memory, e))
        return -1;
    if (!(time_s > 0 && time_s <= 3600 && memory >= 1 << 20 && memory <= 1099511627776.0))
        return err_set(e, "time_limit %g s or memory_limit %g bytes is out of range", time_s, memory);
    if (code_place_of(&p->place, in->params, ioi_code_params, e)) return -1;
    snprintf(p->source_name, sizeof p->source_name, "graders/%s.cpp", p->id);
    for (char *c = p->source_name; *c; c++)
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c + 32);
    p->task.limits = code_limits_default;
    p->task.limits.time_s = time_s;
    p->task.limits.memory = (size_t)memory;
    p->task.limits.mode = p->place.mode;
    p->task.compare = CODE_TOKENS;
    p->task.source.name = p->source_name;
    p->task.source.files = p->files;
    p->task.source.language = code_language_find("cpp", e);
    if (!p->task.source.language && !p->place.piston) return -1;
    return (p->place.piston ? 0 : grader_files(p, e)) || test_cases(p, e) ? -1 : 0;
}

static void ioi_code_score(const struct reward_input *in, struct reward_result *out)
{
    struct ioi *p = alloc_zero(1, sizeof *p);
    struct err e = {0};
    double value = 0;
    bool compat = param_compat(in->params);
    char *code = NULL, *text = NULL;
    p->row = in->row;
    if (ioi_read(p, in, &e)) {
        reward_unjudged(out, "%.300s", e.msg);
    } else {
        struct contest c = {.n = p->tests.n, .run = ioi_test, .ctx = p, .steps = in->steps, .compat = compat};
        c.batch = (int)param_number(in->params, ioi_code_params, "test_batch_size");
        code = compat || !p->task.source.language ? code_extract(in->text, "cpp")
                                                  : code_fenced(in->text, p->task.source.language);
        text = code ? contest_includes(code, p->id) : NULL;
        p->task.source.text = text;
        if (!text || !*text)
            reward_give(out, 0, "no block of cpp code");
        else if (contest_ioi(&c, (int)p->precision, &value))
            reward_give(out, value, "%s", c.reason);
        else
            reward_unjudged(out, "%.100s; %.190s", c.reason, p->lost);
    }
    code_program_release(&p->program);
    code_program_release(&p->judge);
    code_tests_release(&p->tests);
    for (int i = 0; i < p->n_names; i++) free(p->names[i]);
    free(p->message);
    free(code);
    free(text);
    free(p);
}

/* A problem in small: implement twice(x). */
#define TWICE_ROW                                                                                            \
    "{\"id\":\"twice\",\"time_limit\":2,\"memory_limit\":268435456,\"grader_files\":[[\"graders/twice.h\","  \
    "\"long twice(long);\"],[\"graders/grader.cpp\",\"#include \\\"twice.h\\\"\\n#include <cstdio>\\nint "   \
    "main() { long x; scanf(\\\"%ld\\\", &x); printf(\\\"%ld\\\\n\\\", twice(x)); }\"]],\"test_cases\":{"    \
    "\"a\":{\"input\":\"1\",\"output\":\"2\"},\"b\":{\"input\":\"-4\",\"output\":\"-8\"}}}"

static const struct reward_example ioi_code_examples[] = {
    {"```cpp\nlong twice(long x) { return x + x; }\n```", TWICE_ROW, 1, true, NULL},
    {"```cpp\nlong twice(long x) { return x + 1; }\n```", TWICE_ROW, 0, true, NULL},
    {"```cpp\nlong twice(long x) { return x }\n```", TWICE_ROW, 0, true, NULL},
    {"twice", TWICE_ROW, 0, true, NULL},
    {"```cpp\nlong twice(long x);\n```", "{\"id\":\"twice\"}", 0, false, NULL},
};

const struct reward reward_ioi_code = {
    .name = "ioi_code",
    .metric = "ioi_code_reward",
    .help =
        "lowest score of a C++ submission over an IOI subtask's tests, with the problem's grader and checker",
    .lo = 0,
    .hi = 1,
    .params = ioi_code_params,
    .score = ioi_code_score,
    .examples = ioi_code_examples,
    .n_examples = sizeof ioi_code_examples / sizeof *ioi_code_examples,
};
