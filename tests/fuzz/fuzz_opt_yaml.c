/* fuzz_opt_yaml.c: any bytes as a recipe. What is accepted must come back from its own resolved config.
 * seeds: tests/fuzz/seeds/opt_yaml
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/opt.h"

static const struct opt table[] = {
    {"learning_rate", OPT_REAL, "1e-6", "step size", 0, 1, NULL, 0, "lr"},
    {"num_generations", OPT_INT, "8", "completions a prompt", 1, 1024, NULL, 0, NULL},
    {"bf16", OPT_BOOL, NULL, "bfloat16", 0, 0, NULL, OPT_NOTED, NULL},
    {"packing", OPT_BOOL, "false", "pack sequences", 0, 0, NULL, 0, NULL},
    {"save_strategy", OPT_STR, "steps", "when to save", 0, 0, "no|steps|epoch", 0, NULL},
    {"system_prompt", OPT_STR, NULL, "system message", 0, 0, NULL, 0, NULL},
    {"reward_funcs", OPT_LIST, "accuracy", "rewards", 0, 0, NULL, 0, NULL},
    {"dataset_mixture", OPT_MAP, NULL, "mixture", 0, 0, NULL, 0, NULL},
    {NULL, 0, NULL, NULL, 0, 0, NULL, 0, NULL}};
static const struct opt *const tables[] = {table};

static struct conf *conf_from(const void *bytes, size_t n, struct err *e)
{
    char path[] = "/tmp/openr1-fuzz-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, bytes, n) == (ssize_t)n, "cannot write %s", path);
    close(fd);
    char *argv[] = {"--config", path};
    struct conf *c = conf_new(tables, 1, 2, argv, e);
    unlink(path);
    return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct conf *c = conf_from(data, size, &e);
    CHECK(c || (e.kind == ERR_USAGE && e.msg[0]), "refused without a message");
    if (!c) return 0;
    struct str once, twice;
    str_init(&once, 0);
    str_init(&twice, 0);
    conf_yaml(c, &once);
    struct conf *again = conf_from(once.p, once.len, &e);
    CHECK(again, "the resolved config is refused: %s\n%s", e.msg, once.p);
    conf_yaml(again, &twice);
    CHECK(strcmp(once.p, twice.p) == 0, "the resolved config changed:\n%s\n%s", once.p, twice.p);
    str_release(&once);
    str_release(&twice);
    conf_free(c);
    conf_free(again);
    return 0;
}
