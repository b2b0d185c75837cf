/* Hostile records with programs: tests in all their forms, comparison of outputs, blocks of code in a text.
 * Nothing is run. seeds: tests/golden/rewards.jsonl */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "verify/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = alloc_strn((const char *)data, size);
    const char *half = text + strlen(text) / 2;
    struct code_difference d;
    struct code_tests t;
    json_t *v = json_loadb(text, strlen(text), JSON_DECODE_ANY, NULL);
    if (v && code_tests_read(&t, v, "tests", NULL) == 0)
        for (int i = 0; i < t.n; i++) CHECK(t.list[i].check || t.list[i].input, "test %d is empty", i);
    if (v) code_tests_release(&t);
    json_decref(v);
    for (enum code_compare how = CODE_LINES; how <= CODE_OPEN_R1; how++) {
        CHECK(code_same(how, 0, half, half, &d) || how == CODE_OPEN_R1, "a text differs from itself");
        code_same(how, 1e-6, text, half, &d);
    }
    free(code_extract(text, "python"));
    free(code_fenced(text, code_language_row(0)));
    free(text);
    return 0;
}
