/* code_record.c: a record with a program in it becomes a task, is judged, and the report becomes JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "verify/verify.h"

struct parts {
    struct code_task task;
    struct code_tests tests;
    char *text; /* the program, where it was put together here */
    struct code_program checker;
    struct code_source checker_source;
    bool has_checker;
};

/* The code in an answer: its last block ```, whatever language it names; NULL when there is none. */
static char *code_fenced_any(const char *text)
{
    const char *p = text, *found = NULL, *end = NULL;
    while ((p = strstr(p, "```"))) {
        const char *body = strchr(p, '\n'), *close = body ? strstr(body, "```") : NULL;
        if (!body) break;
        found = body + 1;
        end = close ? close : text + strlen(text);
        if (!close) break;
        p = close + 3;
    }
    return found ? alloc_strn(found, (size_t)(end - found)) : NULL;
}

static char *code_in(const char *text)
{
    char *code = code_fenced_any(text);
    return code ? code : alloc_str(text);
}

static int humaneval(struct parts *p, const json_t *record, struct err *e)
{
    const char *prompt, *test, *entry, *completion;
    if (json_get_str(record, "prompt", "HumanEval record", &prompt, e) ||
        json_get_str(record, "test", "HumanEval record", &test, e) ||
        json_get_str(record, "entry_point", "HumanEval record", &entry, e) ||
        json_get_str(record, "completion", "HumanEval record", &completion, e))
        return -1;
    /* The completion goes on where the prompt ends, to the letter. A block of code from an answer is a text
     * of its own: a whole function in it defines once more what the prompt began. */
    char *block = code_fenced_any(completion);
    bool apart = block && *prompt && prompt[strlen(prompt) - 1] != '\n' && *block != ' ';
    struct str s;
    str_init(&s, 0);
    str_addf(&s, "%s%s%s", prompt, apart ? "\n" : "", block ? block : completion);
    free(block);
    p->task.prelude = prompt;
    p->task.entry = entry;
    p->text = str_take(&s);
    str_init(&s, 0);
    str_addf(&s, "%s\n\ncheck(%s)\n", test, entry);
    p->tests.list = alloc_zero(1, sizeof *p->tests.list);
    p->tests.owned = alloc_zero(1, sizeof *p->tests.owned);
    p->tests.owned[p->tests.n_owned++] = str_take(&s);
    p->tests.list[p->tests.n++].check = p->tests.owned[0];
    return 0;
}

static int mbpp(struct parts *p, const json_t *record, struct err *e)
{
    const char *completion, *setup;
    if (json_get_str_or(record, "test_setup_code", "", &setup, e)) return -1;
    if (json_get_str(record, "completion", "MBPP record", &completion, e)) return -1;
    if (code_tests_read(&p->tests, json_object_get(record, "test_list"), "\"test_list\"", e)) return -1;
    p->text = code_in(completion);
    for (int i = 0; *setup && i < p->tests.n; i++) {
        struct str s;
        str_init(&s, 0);
        str_addf(&s, "%s\n%s", setup, p->tests.list[i].check ? p->tests.list[i].check : "");
        p->tests.list[i].check = code_tests_own(&p->tests, str_take(&s));
    }
    return 0;
}

static int plain(struct parts *p, const json_t *record, struct err *e)
{
    const char *code, *completion;
    if (json_get_str_or(record, "code", NULL, &code, e) ||
        json_get_str_or(record, "completion", NULL, &completion, e))
        return -1;
    if (!code && !completion)
        return err_set(e, "a record needs \"code\" and \"tests\", or is one of HumanEval or MBPP with a "
                          "\"completion\"");
    p->text = code ? alloc_str(code) : code_in(completion);
    return code_tests_read(&p->tests, json_object_get(record, "tests"), "\"tests\"", e);
}

static int read_checker(struct parts *p, const json_t *checker, struct err *e)
{
    const char *code = json_string_value(checker);
    char *message = NULL;
    if (json_is_object(checker) && json_get_str(checker, "code", "\"checker\"", &code, e)) return -1;
    if (!code) return err_set(e, "\"checker\" must be a program's text or {\"language\",\"code\"}");
    p->checker_source.language = code_language_of(checker, "python", e);
    if (!p->checker_source.language) return err_wrap(e, "\"checker\"");
    p->checker_source.text = code;
    int rc = code_build(&p->checker, &p->checker_source, p->task.limits.mode, &message, e);
    if (rc == 1) err_set(e, "the checker does not compile: %.500s", message);
    free(message);
    p->has_checker = rc == 0;
    p->task.checker = rc == 0 ? &p->checker : NULL;
    return rc ? -1 : 0;
}

static int read_limits(struct code_task *t, const json_t *record, struct err *e)
{
    double time_s, memory = (double)(t->limits.memory >> 20);
    const json_t *compare = json_object_get(record, "compare");
    if (json_get_real_or(record, "timeout", t->limits.time_s, &time_s, e) ||
        json_get_real_or(record, "time_limit", time_s, &time_s, e) ||
        json_get_real_or(record, "memory_limit", memory, &memory, e) ||
        json_get_real_or(record, "tolerance", t->tolerance, &t->tolerance, e))
        return -1;
    if (!(time_s >= 0.01 && time_s <= 3600)) return err_set(e, "time_limit must be 0.01 to 3600 seconds");
    if (!(memory >= 8 && memory <= 1 << 20)) return err_set(e, "memory_limit must be 8 to 1048576 MiB");
    t->limits.time_s = time_s;
    t->limits.memory = (size_t)(memory * 1024 * 1024);
    if (!compare || json_is_null(compare)) return 0;
    const char *name = json_is_string(compare) ? json_string_value(compare) : "";
    if (strcmp(name, "lines") != 0 && strcmp(name, "tokens") != 0)
        return err_set(e, "\"compare\" must be \"lines\" or \"tokens\"");
    t->compare = name[0] == 't' ? CODE_TOKENS : CODE_LINES;
    return 0;
}

static int parts_init(struct parts *p, const json_t *record, const struct code_options *o, struct err *e)
{
    *p = (struct parts){0};
    p->task.limits = o->limits;
    p->task.compare = o->compare;
    p->task.tolerance = o->tolerance;
    int rc;
    if (json_object_get(record, "entry_point"))
        rc = humaneval(p, record, e);
    else if (json_object_get(record, "test_list"))
        rc = mbpp(p, record, e);
    else
        rc = plain(p, record, e);
    if (rc || read_limits(&p->task, record, e)) return -1;
    p->task.source.language = code_language_of(record, o->language ? o->language : "python", e);
    if (!p->task.source.language) return -1;
    p->task.source.text = p->text;
    p->task.tests = p->tests.list;
    p->task.n_tests = p->tests.n;
    for (int i = 0; i < p->tests.n; i++)
        if (p->tests.list[i].check && strcmp(code_language_name(p->task.source.language), "python") != 0)
            return err_set(e, "assertions are Python; the record's language is %s",
                           code_language_name(p->task.source.language));
    const json_t *checker = json_object_get(record, "checker");
    return checker && !json_is_null(checker) ? read_checker(p, checker, e) : 0;
}

static void parts_release(struct parts *p)
{
    code_tests_release(&p->tests);
    if (p->has_checker) code_program_release(&p->checker);
    free(p->text);
}

static json_t *outcome_json(const struct code_outcome *o, bool scored)
{
    json_t *v = json_pack("{s:s,s:f,s:I}", "verdict", code_verdict_name(o->verdict), "time",
                          (double)(long)(o->time_s * 1000 + 0.5) / 1000, "memory", (json_int_t)o->memory);
    if (scored) json_object_set_new(v, "score", json_real(o->score));
    if (o->difference.line) {
        json_object_set_new(v, "line", json_integer(o->difference.line));
        json_object_set_new(v, "expected", json_string(o->difference.expected));
        json_object_set_new(v, "got", json_string(o->difference.got));
    }
    if (o->note[0]) json_object_set_new(v, "stderr", json_string(o->note));
    return v;
}

json_t *code_record_judge(const json_t *record, const struct code_options *options, struct err *e)
{
    struct parts p;
    struct code_report r = {0};
    json_t *out = NULL;
    if (!parts_init(&p, record, options, e) && !code_judge(&p.task, &r, e)) {
        json_t *results = json_array();
        for (int i = 0; i < r.total; i++)
            json_array_append_new(results, outcome_json(&r.outcomes[i], p.has_checker));
        out = json_pack("{s:i,s:i,s:o}", "passed", r.passed, "total", r.total, "results", results);
        if (r.message) {
            struct str s;
            str_init(&s, 0);
            utf8_clean(&s, r.message, strnlen(r.message, 4000));
            json_object_set_new(out, "compiler", json_string(s.p));
            str_release(&s);
        }
    }
    code_report_release(&r);
    parts_release(&p);
    return out;
}
