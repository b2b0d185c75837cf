/* test_hub.c: names and paths that a hub may use, where the cache lies, what a name resolves to. What needs a
 * server is tests/e2e/pull.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/scratch.h"
#include "base/check.h"
#include "net/hub_int.h"

static void names_are_checked(void **state)
{
    (void)state;
    static const char *const good[] = {"gpt2", "Qwen/Qwen2.5-0.5B", "a/b", "org_1/x.y-z"};
    static const char *const bad[] = {"",      "/a",   "a/",   "a/b/c",  "../x",   "a/..",       "a b",
                                      "a/b\n", ".a/b", "a/b.", "a--b/c", "a/b..c", "\xc3\xa9/a", "a\\b"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!hub_name_ok(good[i])) fail_msg("%s is refused", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (hub_name_ok(bad[i])) fail_msg("%s is taken", bad[i]);
}

static void paths_stay_inside(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "a/b c/d.json", "..a", "a/...", "\xe4\xb8\xad.txt"};
    static const char *const bad[] = {"",       "/a",  "a//b", "a/",   ".",   "..",
                                      "a/../b", "./a", "a\\b", "a\nb", "\x7f"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!hub_path_ok(good[i])) fail_msg("%s is refused", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (hub_path_ok(bad[i])) fail_msg("%s is taken", bad[i]);
    char *long_path = alloc_zero(HUB_PATH_MAX + 2, 1);
    memset(long_path, 'a', HUB_PATH_MAX + 1);
    assert_false(hub_path_ok(long_path));
    free(long_path);
}

static void expect_text(char *got, const char *want)
{
    if (!got || strcmp(got, want)) fail_msg("%s, not %s", got ? got : "nothing", want);
    free(got);
}

static void the_environment_says_where(void **state)
{
    (void)state;
    struct err e = {0};
    static const char *const names[] = {"HF_HUB_CACHE", "HF_HOME",  "XDG_CACHE_HOME",
                                        "HF_ENDPOINT",  "HF_TOKEN", "HF_TOKEN_PATH"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
    setenv("HOME", "/h", 1);
    expect_text(hub_cache(), "/h/.cache/huggingface/hub");
    setenv("XDG_CACHE_HOME", "/x", 1);
    expect_text(hub_cache(), "/x/huggingface/hub");
    setenv("HF_HOME", "/f", 1);
    expect_text(hub_cache(), "/f/hub");
    expect_text(hub_folder(HUB_DATASET, "a/b"), "/f/hub/datasets--a--b");
    setenv("HF_HUB_CACHE", "/c", 1);
    expect_text(hub_folder(HUB_MODEL, "gpt2"), "/c/models--gpt2");
    expect_text(hub_endpoint(&e), "https://huggingface.co");
    setenv("HF_ENDPOINT", "http://127.0.0.1:1//", 1);
    expect_text(hub_endpoint(&e), "http://127.0.0.1:1");
    assert_null(hub_token());
    setenv("HF_TOKEN", "t", 1);
    expect_text(hub_token(), "t");
    unsetenv("HF_TOKEN");
    setenv("HF_TOKEN_PATH", scratch("token"), 1);
    assert_null(hub_token());
    assert_int_equal(file_write(scratch("token"), "secret\n", 7, &e), 0);
    expect_text(hub_token(), "secret");
}

static void a_name_is_the_snapshot_that_its_reference_names(void **state)
{
    (void)state;
    static const char commit[] = "00112233445566778899aabbccddeeff00112233";
    char path[512];
    struct err e = {0};
    setenv("HF_HUB_CACHE", scratch("hub"), 1);
    assert_null(hub_find(HUB_MODEL, "a/b", NULL));
    snprintf(path, sizeof path, "%s/hub/models--a--b/snapshots/%s", scratch_dir, commit);
    assert_int_equal(file_mkdirs(path, &e), 0);
    assert_null(hub_find(HUB_MODEL, "a/b", NULL));
    expect_text(hub_find(HUB_MODEL, "a/b", commit), path);
    assert_int_equal(file_write(scratch("hub/models--a--b/refs/main"), commit, 40, &e), 0);
    expect_text(hub_find(HUB_MODEL, "a/b", NULL), path);
    expect_text(hub_resolve(HUB_MODEL, "a/b", &e), path);
    assert_null(hub_find(HUB_DATASET, "a/b", NULL));
    assert_null(hub_find(HUB_MODEL, "a/b", "v1"));
    assert_int_equal(file_write(scratch("hub/models--a--b/refs/v1"), "../../..", 8, &e), 0);
    assert_null(hub_find(HUB_MODEL, "a/b", "v1"));
    expect_text(hub_resolve(HUB_MODEL, scratch("hub"), &e), scratch("hub"));
    assert_null(hub_resolve(HUB_DATASET, "a/c", &e));
    assert_non_null(strstr(e.msg, "openr1 pull a/c --repo_type dataset"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(paths_stay_inside),
        cmocka_unit_test(the_environment_says_where),
        cmocka_unit_test(a_name_is_the_snapshot_that_its_reference_names),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
