/* fuzz_verify.c: any bytes as gold and answer (cut at the first newline), as completion of every reward,
 * and as an expression. Nothing crashes or hangs, receipts fit, rewards stay in their range and give reasons.
 * seeds: tests/fuzz/seeds/verify
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "reward/reward.h"
#include "verify/verify.h"

static void rewards_score(const char *text, const char *gold)
{
    json_t *row = json_pack("{s:s?,s:[i,i,i],s:i}", "solution", gold, "nums", 3, 5, 8, "target", 16);
    if (!row) return; /* a gold that is no UTF-8 comes in no row */
    for (size_t k = 0; reward_all()[k]; k++) {
        const struct reward *w = reward_all()[k];
        struct reward_input in = {.text = text, .row = row, .n_ids = -1};
        struct reward_result out = {0};
        w->score(&in, &out);
        CHECK(out.reason[0] && strlen(out.reason) < sizeof out.reason, "%s gives no reason", w->name);
        CHECK(!out.judged || (out.value >= w->lo && out.value <= w->hi), "%s gives %g", w->name, out.value);
    }
    json_decref(row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), small[32];
    CHECK(text, "no memory for %zu bytes", size);
    memcpy(text, data, size);
    text[size] = 0;
    char *line = strchr(text, '\n'), *answer = line ? line + 1 : text;
    if (line) *line = 0;
    struct receipt r;
    struct arith a;
    for (int mode = 0; mode < 2; mode++) {
        struct verify_params p = {.mode = mode ? EXTRACT_LATEX : EXTRACT_ANY};
        verify_math(text, answer, &p, &r);
        CHECK(r.reason[0] && strlen(r.gold) < sizeof r.gold && strlen(r.answer) < sizeof r.answer, "receipt");
        if (extract_answer(answer, p.mode, small, sizeof small, NULL))
            CHECK(strlen(small) < sizeof small, "long");
    }
    CHECK(arith_eval(answer, &a) ? a.den > 0 : a.reason[0] != 0, "%lld/%lld: %s", a.num, a.den, a.reason);
    rewards_score(answer, text);
    free(text);
    return 0;
}
