/* test_options.c: every key of TRL's configurations is known here, and those that are honoured have TRL's
 * defaults (tools/golden/trl_keys.py), but for a list of deliberate differences. docs/options.md is what the
 * tables say; OPENR1_WRITE_DOCS=1 build/tests/test_options writes it anew.
 */
#include "tiny.h"

#include <math.h>

#include "base/opt.h"

/* key: why ours differs */
static const char *const different[] = {
    "gradient_checkpointing",   /* unset: when memory asks for it; the result is the same */
    "use_bias_correction_kl",   /* off, as before 1.10 and in the papers; the recipes were made so */
    "num_completions_to_print", /* a few instead of all */
    "lr_scheduler_type",        /* an enumeration there */
    "eval_strategy",            /* likewise */
    "logging_strategy",         /* likewise */
    "save_strategy",            /* likewise */
    "optim",                    /* likewise */
    NULL,
};

static bool is_different(const char *key)
{
    for (int i = 0; different[i]; i++)
        if (strcmp(different[i], key) == 0) return true;
    return false;
}

static const struct opt *find(const struct opt *const tables[3], const char *key)
{
    for (int i = 0; i < 3; i++)
        for (const struct opt *o = tables[i]; o->key; o++)
            if (strcmp(o->key, key) == 0 || (o->alias && strcmp(o->alias, key) == 0)) return o;
    return NULL;
}

static void check_default(const struct opt *o, const char *key, const json_t *want)
{
    if (json_is_null(want)) {
        if (o->fallback) fail_msg("%s: default %s, TRL has none", key, o->fallback);
        return;
    }
    if (!o->fallback) fail_msg("%s: no default, TRL has one", key);
    char *end;
    bool same = false;
    double x = strtod(o->fallback, &end);
    if (json_is_boolean(want)) same = strcmp(o->fallback, json_is_true(want) ? "true" : "false") == 0;
    if (json_is_number(want)) same = !*end && fabs(x - json_number_value(want)) <= 1e-12 * fabs(x);
    if (json_is_string(want)) same = strcmp(o->fallback, json_string_value(want)) == 0;
    if (!same) fail_msg("%s: default %s, TRL has another", key, o->fallback);
}

/* A key without effect takes what TRL takes, so far as a default tells that. */
static void check_type(const struct opt *o, const char *key, const json_t *want)
{
    bool number = o->type == OPT_INT || o->type == OPT_REAL;
    if (json_is_boolean(want) && o->type != OPT_BOOL) fail_msg("%s: a flag in TRL", key);
    if (json_is_real(want) && o->type != OPT_REAL) fail_msg("%s: a real number in TRL", key);
    if (json_is_integer(want) && !number) fail_msg("%s: a number in TRL", key);
    if (json_is_string(want) && (number || o->type == OPT_BOOL)) fail_msg("%s: a text in TRL", key);
}

static void check_algo(const char *name)
{
    struct err e = {0};
    json_t *all = json_read_file("tests/golden/trl_keys.json", &e), *want;
    if (!all) fail_msg("%s", e.msg);
    const struct opt *const tables[3] = {algo_find(name)->options, train_options, model_options};
    const char *key;
    int honoured = 0;
    json_object_foreach(json_object_get(all, name), key, want)
    {
        const struct opt *o = find(tables, key);
        if (!o) fail_msg("%s: TRL's key %s is not known", name, key);
        if (o->flags & OPT_NOTED) check_type(o, key, want);
        if ((o->flags & OPT_NOTED) || is_different(key) || o->type == OPT_LIST || (o->flags & OPT_REQUIRED))
            continue;
        check_default(o, key, want);
        honoured++;
    }
    assert_true(honoured > 40);
    json_decref(all);
}

static void every_key_of_trl_is_known_with_its_default(void **state)
{
    (void)state;
    check_algo("sft");
    check_algo("grpo");
}

/* ---- docs/options.md -------------------------------------------------------------------------------- */

#define PAGE "docs/options.md"

static const char preface[] =
    "# The keys of `sft`, `grpo` and `data rate`\n\n"
    "Their names are those of TRL's SFTConfig, GRPOConfig, ModelConfig and ScriptArguments, of "
    "transformers'\n"
    "TrainingArguments, and of Open-R1, whose recipe files run unchanged. A key stands in a YAML file\n"
    "(`--config FILE`) or on the command line (`--key value`, which wins); `a.b.c` reaches into maps. An "
    "unknown\n"
    "key is an error that names the nearest known one; a key that was set and not used is said at the end.\n"
    "This page is made from the option tables.\n";

static const struct page_part {
    const char *title, *text;
    const struct opt *table;
} page_parts[] = {
    {"Shared by both", "", train_options},
    {"The model", "", model_options},
    {"`sft` alone", "Where a key stands above too, this row holds for `sft`.\n\n", sft_options},
    {"`grpo` alone", "Where a key stands above too, this row holds for `grpo`.\n\n", grpo_options},
    {"`data rate` alone", "It has the keys of `grpo` too, for what samples and judges.\n\n",
     pass_rate_options},
};

/* A cell of a table: no bar may split it. */
static void put_cell(struct str *out, const char *text)
{
    for (; *text; text++) str_addf(out, *text == '|' ? "\\%c" : "%c", *text);
}

static void put_row(struct str *out, const struct opt *o)
{
    str_addf(out, "| `%s`", o->key);
    if (o->alias) str_addf(out, " (`%s`)", o->alias);
    str_puts(out, " | ");
    if (o->flags & OPT_REQUIRED)
        str_puts(out, "required");
    else if (o->fallback)
        str_addf(out, "`%s`", o->fallback);
    str_puts(out, " | ");
    if (o->choices) {
        put_cell(out, o->choices);
        str_puts(out, ": ");
    }
    put_cell(out, o->help);
    str_puts(out, " |\n");
}

static int by_reason(const void *a, const void *b)
{
    const struct opt *x = *(const struct opt *const *)a, *y = *(const struct opt *const *)b;
    int order = strcmp(x->help, y->help);
    return order ? order : strcmp(x->key, y->key);
}

static void put_noted(struct str *out)
{
    const struct opt *noted[512];
    size_t n = 0;
    for (size_t i = 0; i < sizeof page_parts / sizeof *page_parts; i++)
        for (const struct opt *o = page_parts[i].table; o->key; o++)
            if (o->flags & OPT_NOTED && n < 512) noted[n++] = o;
    qsort(noted, n, sizeof *noted, by_reason);
    str_puts(out, "\n## Accepted without effect\n\nThey name what is not there, or is always so; a note "
                  "lists those that "
                  "were given.\n\n| why | keys |\n|---|---|\n");
    for (size_t i = 0; i < n; i++) {
        bool same = i && strcmp(noted[i]->help, noted[i - 1]->help) == 0;
        if (!same) str_addf(out, "%s| %s | ", i ? " |\n" : "", noted[i]->help);
        str_addf(out, "%s`%s`", same ? ", " : "", noted[i]->key);
        if (noted[i]->alias) str_addf(out, " (`%s`)", noted[i]->alias);
    }
    str_puts(out, " |\n");
}

static void make_page(struct str *out)
{
    str_puts(out, preface);
    for (size_t i = 0; i < sizeof page_parts / sizeof *page_parts; i++) {
        const struct page_part *p = &page_parts[i];
        str_addf(out, "\n## %s\n\n%s| key | default | what it does |\n|---|---|---|\n", p->title, p->text);
        for (const struct opt *o = p->table; o->key; o++)
            if (!(o->flags & OPT_NOTED)) put_row(out, o);
    }
    put_noted(out);
}

static void the_page_of_options_is_what_the_tables_say(void **state)
{
    (void)state;
    struct err e = {0};
    struct str want;
    char *have = NULL;
    size_t n = 0;
    str_init(&want, 0);
    make_page(&want);
    if (getenv("OPENR1_WRITE_DOCS") && file_write(PAGE, want.p, want.len, &e)) fail_msg("%s", e.msg);
    if (file_read(PAGE, 1 << 20, &have, &n, &e)) fail_msg("%s", e.msg);
    if (n != want.len || memcmp(have, want.p, n) != 0)
        fail_msg(PAGE
                 " is not what the option tables say; OPENR1_WRITE_DOCS=1 build/tests/test_options writes "
                 "it anew");
    free(have);
    str_release(&want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_of_trl_is_known_with_its_default),
        cmocka_unit_test(the_page_of_options_is_what_the_tables_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
