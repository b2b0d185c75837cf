/* Rejection sampling keeps what passes, in order, once, with the row's columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "curate/curate.h"

static json_t *parsed(const char *text)
{
    struct err e = {0};
    json_t *v = json_read_bytes(text, strlen(text), "test", &e);
    if (!v) fail_msg("%s", e.msg);
    return v;
}

/* What is kept of `completions` for `row`, as compact text. */
static void keeps(const struct reject_opts *o, const char *row, const char *completions, const char *want)
{
    struct err e = {0};
    struct reject_counts counts = {0};
    json_t *r = parsed(row), *c = parsed(completions), *out = json_array();
    if (reject_row(r, c, o, out, &counts, &e)) fail_msg("%s", e.msg);
    char *got = json_text(out);
    assert_string_equal(got, want);
    assert_int_equal(counts.kept, json_array_size(out));
    free(got);
    json_decref(r);
    json_decref(c);
    json_decref(out);
}

static struct reward_use *exact_reward;

static struct reject_opts exact(enum keep keep, int most)
{
    return (struct reject_opts){.reward = exact_reward, .min = 1, .keep = keep, .max_per_prompt = most};
}

static const char row[] =
    "{\"id\":5,\"prompt\":\"3+4=\",\"completion\":\"old\",\"solution\":\"7\",\"level\":2}";
static const char sampled[] = "[{\"text\":\"8\"},{\"text\":\"<think>3+4</think>7\"},{\"text\":\"7\"},"
                              "{\"text\":\" 7\",\"finish_reason\":\"length\"},{\"text\":\"7\"}]";

static void first_all_and_shortest(void **state)
{
    (void)state;
    struct reject_opts o = exact(KEEP_FIRST, 0);
#define KEPT(text)                                                                                           \
    "{\"id\":5,\"solution\":\"7\",\"level\":2,\"prompt\":\"3+4=\",\"completion\":\"" text "\",\"reward\":1." \
                                                                                          "0}"
    keeps(&o, row, sampled, "[" KEPT("<think>3+4</think>7") "]");
    o = exact(KEEP_ALL, 0);
    keeps(&o, row, sampled, "[" KEPT("<think>3+4</think>7") "," KEPT("7") "]");
    o = exact(KEEP_SHORTEST, 1);
    keeps(&o, row, sampled, "[" KEPT("7") "]");
    o.keep_truncated = true;
    o.keep = KEEP_ALL;
    o.max_per_prompt = 3;
    keeps(&o, row, sampled, "[" KEPT("<think>3+4</think>7") "," KEPT("7") "," KEPT(" 7") "]");
    keeps(&o, row, "[\"8\"]", "[]");
    keeps(&o, "{\"prompt\":\"3+4=\"}", "[\"7\"]", "[]"); /* no solution: not judged, not kept */
#undef KEPT
}

static void conversations_stay_conversations(void **state)
{
    (void)state;
    struct reject_opts o = exact(KEEP_FIRST, 0);
    keeps(
        &o,
        "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"old\"}],"
        "\"answer\":\"7\"}",
        "[\"7\"]",
        "[{\"answer\":\"7\",\"prompt\":[{\"role\":\"user\",\"content\":\"q\"}],"
        "\"completion\":[{\"role\":\"assistant\",\"content\":\"7\"}],\"reward\":1.0}]");
    o.apply_chat = true;
    o.system_prompt = "s";
    keeps(&o, "{\"question\":\"q\",\"answer\":\"7\"}", "[\"7\"]",
          "[{\"answer\":\"7\",\"prompt\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\","
          "\"content\":\"q\"}],"
          "\"completion\":[{\"role\":\"assistant\",\"content\":\"7\"}],\"reward\":1.0}]");
}

static void rows_are_found_by_id_or_place(void **state)
{
    (void)state;
    struct err e = {0};
    json_t *rows = parsed("[{\"a\":0},{\"id\":\"x\",\"a\":1}]"), *index = rows_by_id(rows, &e);
    json_t *zero = json_integer(0), *x = json_string("x"), *one = json_integer(1);
    assert_ptr_equal(row_with_id(index, zero), json_array_get(rows, 0));
    assert_ptr_equal(row_with_id(index, x), json_array_get(rows, 1));
    assert_null(row_with_id(index, one));
    assert_null(row_with_id(index, NULL));
    json_decref(index);
    json_decref(rows);
    rows = parsed("[{\"id\":1},{\"id\":1}]");
    assert_null(rows_by_id(rows, &e));
    assert_non_null(strstr(e.msg, "1 stands twice"));
    json_decref(rows);
    json_decref(zero);
    json_decref(x);
    json_decref(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_all_and_shortest),
        cmocka_unit_test(conversations_stay_conversations),
        cmocka_unit_test(rows_are_found_by_id_or_place),
    };
    struct err e = {0};
    exact_reward = reward_open("exact", NULL, NULL, &e);
    int failed = exact_reward ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
    reward_close(exact_reward);
    return failed;
}
