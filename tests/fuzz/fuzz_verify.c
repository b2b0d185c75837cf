/* fuzz_verify.c: any bytes as gold and answer (cut at the first newline), as completion of every reward,
 * and as an expression; and bytes as choices of LaTeX pieces, so that formulas of all kinds come about.
 * Nothing crashes or hangs, receipts fit, a text equals itself, rewards stay in their range and give reasons,
 * explanations are short and valid UTF-8.
 * seeds: tests/fuzz/seeds/verify
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "reward/reward.h"
#include "verify/verify.h"

static void explanation_check(struct str *steps)
{
    json_t *valid = json_stringn(steps->p, steps->len);
    CHECK(valid && steps->len > 0 && steps->len < 60000, "an explanation of %zu bytes", steps->len);
    json_decref(valid);
    str_release(steps);
}

static void rewards_score(const char *text, const char *gold)
{
    json_t *row = json_pack("{s:s?,s:[i,i,i],s:i}", "solution", gold, "nums", 3, 5, 8, "target", 16);
    if (!row) return; /* a gold that is no UTF-8 comes in no row */
    for (size_t k = 0; reward_all()[k]; k++) {
        const struct reward *w = reward_all()[k];
        struct str steps;
        str_init(&steps, 0);
        struct reward_input in = {.text = text, .row = row, .n_ids = -1, .steps = &steps};
        struct reward_result out = {0};
        reward_score(w, &in, 1, &out);
        explanation_check(&steps);
        CHECK(out.reason[0] && strlen(out.reason) < sizeof out.reason, "%s gives no reason", w->name);
        CHECK(!out.judged || (out.value >= w->lo && out.value <= w->hi), "%s gives %g", w->name, out.value);
    }
    json_decref(row);
}

static void judged(const char *gold, const char *answer)
{
    char small[32];
    struct receipt r;
    for (int mode = 0; mode < 2; mode++) {
        struct verify_params p = verify_defaults(mode ? EXTRACT_LATEX : EXTRACT_ANY);
        verify_math(gold, answer, &p, &r);
        CHECK(r.reason[0] && strlen(r.gold) < sizeof r.gold && strlen(r.answer) < sizeof r.answer, "receipt");
        if (extract_answer(answer, p.mode, small, sizeof small, NULL))
            CHECK(strlen(small) < sizeof small, "long");
        p.raw = true;
        p.strict = false;
        struct str steps;
        str_init(&steps, 0);
        verify_explain(gold, answer, &p, &r, &steps);
        explanation_check(&steps);
        verify_math(answer, answer, &p, &r);
        CHECK(mode || r.verdict != VERDICT_WRONG || r.answer[0] == 0, "a text differs from itself: %s",
              r.reason);
    }
}

/* clang-format off */
static const char *const pieces[] = {
    "1", "2", "3", "10", "0", "0.5", "12", "100", "1,000", "x", "y", "n", "k", "a", "i", "e", "\\pi ",
    "\\infty ", "f(x)", "x_1", "x_{n+1}", "+", "-", "*", "/", "=", "<", ">", "\\le ", "\\ge ", "\\ne ",
    "\\in ", "\\cdot ", "\\times ", "\\div ", "\\pm ", "\\mp ", "^", "^{", "_", "_{", "{", "}", "(", ")",
    "[", "]", "\\{", "\\}", "|", "!", "!!", "%", "\\%", "^\\circ ", ",", ";", ":", " ", "\\frac{", "}{",
    "\\frac12", "\\sqrt{", "\\sqrt[3]{", "\\binom{", "\\sin ", "\\cos(", "\\tan ", "\\arctan ", "\\ln ",
    "\\log_2 ", "\\log_{", "\\exp(", "\\sum_{k=1}^{", "\\sum_{k=1}^{10}", "\\prod_{k=1}^{5}",
    "\\int_0^1 ", "\\int ", "dx", "\\lim_{x\\to 0}", "\\lim_{n\\to\\infty}", "\\frac{d}{dx}", "\\left(",
    "\\right)", "\\left[", "\\right]", "\\begin{pmatrix}", "\\end{pmatrix}", "\\begin{cases}",
    "\\end{cases}", "\\begin{vmatrix}", "\\end{vmatrix}", "&", "\\\\", "\\cup ", "\\cap ", "\\setminus ",
    "\\mathbb{R}", "\\emptyset ", "\\text{ or }", "\\text{ cm}", "\\text{", " and ", "\\mod ", "\\pmod{",
    "\\overline{", "\\ldots ", "...", "\\lfloor ", "\\rfloor ", "\\gcd(", "\\max(",
    "\\operatorname{lcm}(", "\\det ", "^T", "^{-1}", "999999999", "\\boxed{", "$", "The answer is ",
    "\\mid ", "\\over ", "\\choose ", "\\sqrt", "\\bar{x}", "i^2", "e^{i\\pi}", "2^{100}", "10^{", "1e5",
    "\\dot3", "3 1/2", "\xCF\x80", "\xE2\x88\x9A", "\xC2\xBD", "\xC2\xB2",
};
/* clang-format on */

/* Each byte is a piece; 255 begins the answer. */
static char *assembled(const uint8_t *data, size_t size)
{
    const size_t count = sizeof pieces / sizeof *pieces;
    struct str s;
    str_init(&s, 1 << 16);
    for (size_t i = 0; i < size && i < 400; i++)
        str_puts(&s, data[i] == 255 ? "\n" : pieces[data[i] % count]);
    return str_take(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arith a;
    char *text = malloc(size + 1);
    CHECK(text, "no memory for %zu bytes", size);
    memcpy(text, data, size);
    text[size] = 0;
    char *made = assembled(data, size);
    for (int k = 0; k < 2; k++) {
        char *gold = k ? made : text, *line = strchr(gold, '\n'), *answer = line ? line + 1 : gold;
        if (line) *line = 0;
        judged(gold, answer);
        judged(answer, gold);
        if (k) continue;
        CHECK(arith_eval(answer, &a) ? a.den > 0 : a.reason[0] != 0, "%lld/%lld: %s", a.num, a.den, a.reason);
        rewards_score(answer, gold);
    }
    free(made);
    free(text);
    return 0;
}
