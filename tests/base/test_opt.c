/* The option machine: file and line, types, messages, the resolved config that reads back. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/opt.h"
#include "base/scratch.h"

static const struct opt table[] = {
    {"learning_rate", OPT_REAL, "2.0e-05", "step size", 0, 1, NULL, 0, "lr"},
    {"num_generations", OPT_INT, "8", "completions a prompt", 1, 1024, NULL, 0, NULL},
    {"beta", OPT_REAL, "0", "weight of the KL term", 0, 0, NULL, 0, NULL},
    {"bf16", OPT_BOOL, "false", "train in bfloat16", 0, 0, NULL, OPT_NOTED, NULL},
    {"packing", OPT_BOOL, "false", "pack sequences", 0, 0, NULL, 0, NULL},
    {"shuffle", OPT_BOOL, "true", "shuffle the data", 0, 0, NULL, 0, NULL},
    {"no_special", OPT_BOOL, "false", "no special tokens", 0, 0, NULL, 0, NULL},
    {"save_strategy", OPT_STR, "steps", "when to save", 0, 0, "no|steps|epoch", 0, NULL},
    {"system_prompt", OPT_STR, NULL, "system message", 0, 0, NULL, 0, NULL},
    {"max_length", OPT_INT, NULL, "longest sequence", 1, 1e9, NULL, 0, NULL},
    {"most_rows", OPT_INT, "4", "rows shown, null: all", 1, 1e9, NULL, OPT_NULLABLE, NULL},
    {"reward_funcs", OPT_LIST, "accuracy", "rewards", 0, 0, NULL, 0, NULL},
    {"reward_weights", OPT_LIST, NULL, "weights", 0, 0, NULL, 0, NULL},
    {"lr_scheduler_kwargs", OPT_MAP, NULL, "schedule parameters", 0, 0, NULL, 0, NULL},
    {"vllm_server_port", OPT_INT, NULL, "no server here", 0, 0, NULL, OPT_NOTED, NULL},
    {"report_to", OPT_STR, NULL, "no tracking here", 0, 0, NULL, OPT_NOTED, NULL},
    {NULL, 0, NULL, NULL, 0, 0, NULL, 0, NULL}};
static const struct opt second[] = {
    {"model", OPT_STR, NULL, "model folder", 0, 0, NULL, OPT_POSITIONAL, NULL},
    {"beta", OPT_REAL, "0.5", "another default, which must not win", 0, 0, NULL, 0, NULL},
    {"out", OPT_STR, NULL, "output", 0, 0, NULL, OPT_POSITIONAL, NULL},
    {NULL, 0, NULL, NULL, 0, 0, NULL, 0, NULL}};
static const struct opt *const tables[] = {table, second};

#define LINE(...) ((char *[]){__VA_ARGS__, NULL})

static struct conf *made(char **argv, struct err *e)
{
    int argc = 0;
    while (argv[argc]) argc++;
    return conf_new(tables, 2, argc, argv, e);
}

static struct conf *good(char **argv)
{
    struct err e = {0};
    struct conf *c = made(argv, &e);
    if (!c) fail_msg("%s", e.msg);
    return c;
}

static void bad(char **argv, const char *message)
{
    struct err e = {0};
    struct conf *c = made(argv, &e);
    if (c) fail_msg("%s was accepted", argv[0]);
    assert_int_equal(e.kind, ERR_USAGE);
    if (!strstr(e.msg, message)) fail_msg("\"%s\" does not say \"%s\"", e.msg, message);
}

static char *yaml_file(const char *text)
{
    static char path[256];
    snprintf(path, sizeof path, "%s", scratch("recipe.yaml"));
    assert_int_equal(file_write(path, text, strlen(text), NULL), 0);
    return path;
}

static void bad_yaml(const char *text, const char *message)
{
    bad(LINE("--config", yaml_file(text)), message);
}

static void defaults_hold_until_file_and_line_say_otherwise(void **state)
{
    (void)state;
    struct conf *c = good((char *[]){NULL});
    assert_true(conf_real(c, "learning_rate") == 2e-5);
    assert_int_equal(conf_int(c, "num_generations"), 8);
    assert_true(conf_real(c, "beta") == 0);
    assert_false(conf_is_set(c, "max_length"));
    assert_null(conf_str(c, "system_prompt"));
    assert_false(conf_given(c, "learning_rate"));
    conf_free(c);
    char *path = yaml_file("# a recipe\nlearning_rate: 1e-6\nnum-generations: 4\nsave_strategy: no\n");
    c = good(LINE("--config", path, "--num_generations=16"));
    assert_true(conf_real(c, "learning_rate") == 1e-6);
    assert_int_equal(conf_int(c, "num_generations"), 16);
    assert_string_equal(conf_str(c, "save_strategy"), "no");
    assert_true(conf_given(c, "learning_rate"));
    conf_free(c);
}

static void null_unsets_what_may_be_unset_and_choices_have_no_case(void **state)
{
    (void)state;
    struct conf *c = good(LINE("--save_strategy", "No"));
    assert_string_equal(conf_str(c, "save_strategy"), "no");
    assert_int_equal(conf_int(c, "most_rows"), 4);
    conf_free(c);
    c = good(LINE("--most_rows", "null"));
    assert_false(conf_is_set(c, "most_rows"));
    conf_free(c);
    c = good(LINE("--config", yaml_file("most_rows: null\nsave_strategy: Epoch\n")));
    assert_false(conf_is_set(c, "most_rows"));
    assert_string_equal(conf_str(c, "save_strategy"), "epoch");
    conf_free(c);
}

static void every_form_of_the_line_is_read(void **state)
{
    (void)state;
    const char *const *items;
    struct conf *c =
        good(LINE("model-dir", "--packing", "--no_shuffle", "--no-special", "--lr", "3e-4", "--beta=-0.25",
                  "--reward-funcs", "accuracy", "format,tag_count", "--reward_weights", "1.0", "-0.5",
                  "--system_prompt", "-5 is a value", "--max_length", "4e3", "--", "--dashed"));
    assert_true(conf_bool(c, "packing"));
    assert_false(conf_bool(c, "shuffle"));
    assert_true(conf_bool(c, "no_special"));
    assert_true(conf_real(c, "learning_rate") == 3e-4);
    assert_true(conf_real(c, "beta") == -0.25);
    assert_int_equal(conf_list(c, "reward_funcs", &items), 3);
    assert_string_equal(items[2], "tag_count");
    assert_int_equal(conf_list(c, "reward_weights", &items), 2);
    assert_string_equal(items[1], "-0.5");
    assert_string_equal(conf_str(c, "system_prompt"), "-5 is a value");
    assert_int_equal(conf_int(c, "max_length"), 4000);
    assert_string_equal(conf_str(c, "model"), "model-dir");
    assert_string_equal(conf_str(c, "out"), "--dashed");
    conf_free(c);
    c = good(LINE("--packing", "false", "--shuffle", "--model", "x", "y", "--reward_funcs", "[\"a,b\", 1.5]",
                  "--system_prompt", ""));
    assert_false(conf_bool(c, "packing"));
    assert_true(conf_bool(c, "shuffle"));
    assert_string_equal(conf_str(c, "out"), "y");
    assert_string_equal(conf_str(c, "system_prompt"), "");
    assert_int_equal(conf_list(c, "reward_funcs", &items), 2);
    assert_string_equal(items[0], "a,b");
    assert_string_equal(items[1], "1.5");
    conf_free(c);
}

static void maps_come_from_file_json_and_dotted_keys(void **state)
{
    (void)state;
    char *path =
        yaml_file("lr_scheduler_kwargs:\n  min_lr_rate: 0.1\n  deep: {a: [1, x, null], b: yes}\n  s: '1'\n");
    struct conf *c = good(LINE("--config", path, "--lr_scheduler_kwargs.deep.c", "1e-3",
                               "--lr-scheduler-kwargs.t-u=on", "--lr_scheduler_kwargs.j", "{\"k\": 1}"));
    json_t *map = conf_map(c, "lr_scheduler_kwargs");
    char *text = json_text(map);
    assert_string_equal(text,
                        "{\"min_lr_rate\":0.10000000000000001,\"deep\":{\"a\":[1,\"x\",null],\"b\":true,"
                        "\"c\":0.001},\"s\":\"1\",\"t-u\":true,\"j\":{\"k\":1}}");
    free(text);
    json_decref(map);
    conf_free(c);
    c = good(LINE("--lr_scheduler_kwargs", "{\"a\": 2}"));
    map = conf_map(c, "lr_scheduler_kwargs");
    assert_int_equal(json_integer_value(json_object_get(map, "a")), 2);
    json_decref(map);
    conf_free(c);
    bad(LINE("m", "o", "learning_rate", "0.5"), "\"learning_rate\" is a word too many");
    bad(LINE("--num_generations", "null"), "leave it out for the default, 8");
    bad(LINE("--lr_scheduler_kwargs", "[1]"), "a map (JSON object) is expected");
    bad(LINE("--lr_scheduler_kwargs", "{\"a\":"), "column");
    bad(LINE("--lr_scheduler_kwargs.a", "1", "--lr_scheduler_kwargs.a.b", "2"), "\"a\" holds a value");
    bad(LINE("--lr_scheduler_kwargs..b", "2"), "empty part");
    bad(LINE("--beta.x", "2"), "beta is not a map");
}

static void wrong_lines_are_told(void **state)
{
    (void)state;
    bad(LINE("--lerning_rate", "1"), "unknown option --lerning_rate: did you mean --learning_rate?");
    bad(LINE("--zzzzzzzzzz"), "unknown option --zzzzzzzzzz; --help");
    bad(LINE("--learning_rate", "fast"), "--learning_rate: \"fast\" was given, a number is expected");
    bad(LINE("--learning_rate", "nan"), "a number is expected");
    bad(LINE("--learning_rate", "inf"), "a number is expected");
    bad(LINE("--learning_rate", "1e999"), "a number is expected");
    bad(LINE("--learning_rate", "0x1p3"), "a number is expected");
    bad(LINE("--learning_rate", "2"), "2 was given, a value from 0 to 1 is expected");
    bad(LINE("--num_generations", "1.5"), "an integer is expected");
    bad(LINE("--num_generations", "99999999999999999999"), "an integer is expected");
    bad(LINE("--num_generations", "0"), "from 1 to 1024");
    bad(LINE("--num_generations"), "--num_generations needs a value");
    bad(LINE("--num_generations", "--packing"), "--num_generations needs a value");
    bad(LINE("--num_generations", ""), "cannot be empty");
    bad(LINE("--packing=maybe"), "true or false is expected");
    bad(LINE("--no_packing=true"), "takes no value");
    bad(LINE("--save_strategy", "never"), "one of no|steps|epoch");
    bad(LINE("--save_strategy", "no|steps"), "one of no|steps|epoch");
    bad(LINE("--reward_funcs"), "needs one value or more");
    bad(LINE("--system_prompt", "\xFF"), "not UTF-8");
    bad(LINE("-x"), "two dashes");
    bad(LINE("--config"), "needs the name");
    bad(LINE("--config", "/nonexistent/x.yaml"), "/nonexistent/x.yaml: No such file");
    bad(LINE("--config", "a", "--config=b"), "given twice");
}

static void a_key_and_its_other_name_may_say_the_same(void **state)
{
    (void)state;
    char *path = yaml_file("lr: 0.1\nlearning-rate: 1e-1\n");
    struct conf *c = good(LINE("--config", path));
    assert_true(conf_real(c, "learning_rate") == 0.1);
    conf_free(c);
}

static void wrong_files_are_told_with_the_line(void **state)
{
    (void)state;
    bad_yaml("beta: 1\nlerning_rate: 1\n",
             "recipe.yaml:2: unknown option lerning_rate: did you mean learning_rate?");
    bad_yaml("beta: 1\nlearning_rate: fast\n", "recipe.yaml:2: learning_rate: \"fast\" was given");
    bad_yaml("lr: 0.1\nlearning-rate: 0.2\n", "recipe.yaml:2: learning-rate: was set on line 1 already");
    bad_yaml("lr: 0.1\nlr: 0.1\n", "recipe.yaml:2: lr: was set on line 1 already");
    bad_yaml("lr_scheduler_kwargs:\n  a: 1\n  a: 2\n", "recipe.yaml:3: key \"a\" is there twice");
    bad_yaml("beta: [1]\n", "recipe.yaml:1: beta: a list was given");
    bad_yaml("beta: {a: 1}\n", "a map was given");
    bad_yaml("beta: null\n", "cannot be empty");
    bad_yaml("reward_funcs: [a, [b]]\n", "item 2 is a list or a map");
    bad_yaml("reward_funcs: {a: b}\n", "a map was given");
    bad_yaml("lr_scheduler_kwargs: 3\n", "a map (JSON object) is expected");
    bad_yaml("lr_scheduler_kwargs: {a: 1e999}\n", "not a finite number");
    bad_yaml("beta: &x 1\n", "anchors");
    bad_yaml("beta: *x\n", "");
    bad_yaml("lr_scheduler_kwargs:\n  <<: {a: 1}\n", "plain word");
    bad_yaml("lr_scheduler_kwargs:\n  [a]: 1\n", "plain word");
    bad_yaml("beta: !!float 1\n", "tags");
    bad_yaml("beta: 1\n---\nbeta: 2\n", "second document");
    bad_yaml("- beta\n", "mapping of options");
    bad_yaml("beta: \"a\n", "recipe.yaml:");
    bad_yaml("beta: [1\npacking: true\n",
             "recipe.yaml:2: did not find expected ',' or ']' while parsing a flow "
             "sequence that begins on line 1");
    bad_yaml("reward_funcs: [a, {b: [c}]\n", "recipe.yaml:1: did not find expected ',' or ']'");
    bad_yaml("beta: 1\n\tpacking: true\n", "recipe.yaml:2");
    bad_yaml("system_prompt: \"a\\0b\"\n", "zero byte");
    bad_yaml("beta: \xFF\n", "recipe.yaml:1");
    struct str deep;
    str_init(&deep, 0);
    str_puts(&deep, "lr_scheduler_kwargs: ");
    for (int i = 0; i < 40; i++) str_puts(&deep, "{a: ");
    bad_yaml(deep.p, "nested deeper than 32");
    str_release(&deep);
    struct conf *c = good(LINE("--config", yaml_file("")));
    conf_free(c);
    c = good(LINE("--config", yaml_file("--- # only a comment\n")));
    conf_free(c);
}

static void noted_and_unread_keys_are_listed(void **state)
{
    (void)state;
    struct conf *c =
        good(LINE("--config", yaml_file("bf16: true\nreport_to: {a: [1]}\npacking: true\nbeta: 1\n")));
    conf_real(c, "beta");
    struct str s;
    str_init(&s, 0);
    conf_noted(c, &s);
    assert_string_equal(s.p, "accepted without effect: bf16, report_to");
    str_clear(&s);
    conf_unread(c, &s);
    assert_string_equal(s.p, "set but not used by this command: packing");
    str_clear(&s);
    conf_bool(c, "packing");
    conf_unread(c, &s);
    assert_string_equal(s.p, "");
    assert_int_equal(conf_set(c, "num_generations", "3", NULL), 0);
    assert_int_equal(conf_int(c, "num_generations"), 3);
    struct err e = {0};
    assert_int_equal(conf_set(c, "num_generations", "x", &e), -1);
    assert_int_equal(conf_int(c, "num_generations"), 3);
    str_release(&s);
    conf_free(c);
}

/* What is a flag or a list elsewhere, and nothing here: it takes its words, and no key behind it is lost. */
static void noted_keys_take_what_words_there_are(void **state)
{
    (void)state;
    struct conf *c = good(LINE("--bf16", "--report_to", "1", "two", "--no_bf16", "--beta", "2"));
    assert_true(conf_real(c, "beta") == 2);
    struct str s;
    str_init(&s, 0);
    conf_yaml(c, &s);
    assert_non_null(strstr(s.p, "report_to:\n  - \"1\"\n  - two\n"));
    assert_non_null(strstr(s.p, "bf16: false\n"));
    str_release(&s);
    conf_free(c);
    bad(LINE("--bf16", "--packng", "true"), "unknown option --packng: did you mean --packing");
}

static void noted_flags_and_numbers_must_be_such(void **state)
{
    (void)state;
    bad(LINE("--bf16=maybe"), "--bf16: \"maybe\" was given, true or false is expected");
    bad(LINE("--vllm_server_port", "high"), "--vllm_server_port: \"high\" was given, an integer is expected");
    bad_yaml("beta: 1\nbf16: maybe\n", "recipe.yaml:2: bf16: \"maybe\" was given, true or false is expected");
    bad_yaml("vllm_server_port: [1]\n", "recipe.yaml:1: vllm_server_port: a list was given");
    struct conf *c = good(LINE("--config", yaml_file("bf16: null\nvllm_server_port: 80\n")));
    conf_free(c);
}

static void the_resolved_config_reads_back_to_itself(void **state)
{
    (void)state;
    static const char *const hard[] = {"true",
                                       "no",
                                       "12",
                                       "1e-3",
                                       "null",
                                       "~",
                                       "",
                                       " lead",
                                       "a: b",
                                       "# c",
                                       "- x",
                                       "&a",
                                       "a\nb\n",
                                       "tab\t",
                                       "\"q\\\"",
                                       "\xC2\x85",
                                       "'",
                                       "\x7F",
                                       "\x01",
                                       "y",
                                       "\xE2\x80\xA8",
                                       "\xEF\xBB\xBF",
                                       "@at",
                                       "%d",
                                       "0x10",
                                       "1_000",
                                       "=",
                                       ".5",
                                       "\xF0\x9F\x98\x80",
                                       "{% if x %}",
                                       "trail ",
                                       "2024-01-01"};
    for (size_t i = 0; i < sizeof hard / sizeof *hard; i++) {
        json_t *map = json_pack("{s:s, s:{s:f, s:[s, n, b], s:{}, s:[]}}", "k", hard[i], hard[i], "r", 0.1,
                                "l", hard[i], true, "empty", "none");
        char *text = json_text(map);
        char *prompt = (char *)hard[i];
        struct conf *c =
            good(LINE("--system_prompt", prompt, "--lr_scheduler_kwargs", text, "--beta", "1e22", "--lr",
                      "0.00002", "--reward_weights", "[\"1\", \"\", \"a b\"]", "--bf16"));
        struct str once, twice;
        str_init(&once, 0);
        str_init(&twice, 0);
        conf_yaml(c, &once);
        struct conf *again = good(LINE("--config", yaml_file(once.p)));
        conf_yaml(again, &twice);
        assert_string_equal(once.p, twice.p);
        assert_string_equal(conf_str(again, "system_prompt"), hard[i]);
        json_t *back = conf_map(again, "lr_scheduler_kwargs");
        assert_true(json_equal(map, back));
        assert_non_null(strstr(once.p, "\nlearning_rate: 2.0e-05\n"));
        assert_non_null(strstr(once.p, "beta: 1.0e+22\n"));
        assert_non_null(strstr(once.p, "\nmax_length: null\n"));
        assert_null(strstr(once.p, "vllm_server_port"));
        json_decref(back);
        json_decref(map);
        free(text);
        str_release(&once);
        str_release(&twice);
        conf_free(c);
        conf_free(again);
    }
}

static void help_shows_each_option_once_with_what_it_takes(void **state)
{
    (void)state;
    struct str s;
    str_init(&s, 0);
    opt_help(tables, 2, &s);
    assert_non_null(strstr(s.p, "  --learning_rate X         step size (also --lr) (0 to 1) [2.0e-05]\n"));
    assert_non_null(strstr(s.p, "(one of no, steps, epoch) [steps]\n"));
    assert_non_null(strstr(s.p, "Accepted without effect here:\n  bf16, vllm_server_port, report_to\n"));
    assert_null(strstr(s.p, "must not win"));
    str_release(&s);
    struct conf *c = good(LINE("--zzz", "-h"));
    assert_true(conf_help_wanted(c));
    conf_free(c);
    c = good(LINE("--", "-h"));
    assert_false(conf_help_wanted(c));
    conf_free(c);
}

static void a_needed_option_is_asked_for(void **state)
{
    (void)state;
    static const struct opt needs[] = {{"gold", OPT_STR, NULL, "gold answer", 0, 0, NULL, OPT_REQUIRED, NULL},
                                       {NULL, 0, NULL, NULL, 0, 0, NULL, 0, NULL}};
    const struct opt *const one[] = {needs};
    struct err e = {0};
    assert_null(conf_new(one, 1, 0, NULL, &e));
    assert_string_equal(e.msg, "--gold is needed: gold answer");
    struct conf *c = conf_new(one, 1, 2, LINE("--gold", "--5"), &e);
    assert_string_equal(conf_str(c, "gold"), "--5");
    conf_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_until_file_and_line_say_otherwise),
        cmocka_unit_test(null_unsets_what_may_be_unset_and_choices_have_no_case),
        cmocka_unit_test(every_form_of_the_line_is_read),
        cmocka_unit_test(maps_come_from_file_json_and_dotted_keys),
        cmocka_unit_test(wrong_lines_are_told),
        cmocka_unit_test(a_key_and_its_other_name_may_say_the_same),
        cmocka_unit_test(wrong_files_are_told_with_the_line),
        cmocka_unit_test(noted_and_unread_keys_are_listed),
        cmocka_unit_test(noted_keys_take_what_words_there_are),
        cmocka_unit_test(noted_flags_and_numbers_must_be_such),
        cmocka_unit_test(the_resolved_config_reads_back_to_itself),
        cmocka_unit_test(help_shows_each_option_once_with_what_it_takes),
        cmocka_unit_test(a_needed_option_is_asked_for),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
