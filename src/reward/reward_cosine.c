/* reward_cosine.c: right pays more when short, wrong costs less when long: half a cosine over the length.
 *
 * Open-R1's get_cosine_scaled_reward, after Yeo et al. 2025 (Demystifying long chain-of-thought), eq. 1:
 *   lo + (hi - lo)/2 (1 + cos(pi length / max_len)), length in characters.
 * There a gold without LaTeX marks pays any answer in full, the curve rises again behind max_len, and the
 * recipe's default min_value_wrong 0 turns the wrong branch over. Here the answer is judged as accuracy
 * does, a gold that cannot be read is not judged, and a length behind max_len counts as max_len.
 */
#include <string.h>

#include "base/fmath.h"
#include "base/str.h"
#include "reward/reward_int.h"

static const struct reward_param cosine_params[] = {{.name = "min_value_wrong",
                                                     .open_r1 = "cosine_min_value_wrong",
                                                     .type = PARAM_NUMBER,
                                                     .number = -1,
                                                     .help = "of a wrong answer without length"},
                                                    {.name = "max_value_wrong",
                                                     .open_r1 = "cosine_max_value_wrong",
                                                     .type = PARAM_NUMBER,
                                                     .number = -0.5,
                                                     .help = "of a wrong answer at max_len"},
                                                    {.name = "min_value_correct",
                                                     .open_r1 = "cosine_min_value_correct",
                                                     .type = PARAM_NUMBER,
                                                     .number = 0.5,
                                                     .help = "of a right answer at max_len"},
                                                    {.name = "max_value_correct",
                                                     .open_r1 = "cosine_max_value_correct",
                                                     .type = PARAM_NUMBER,
                                                     .number = 1,
                                                     .help = "of a right answer without length"},
                                                    {.name = "max_len",
                                                     .open_r1 = "cosine_max_len",
                                                     .type = PARAM_NUMBER,
                                                     .number = 1000,
                                                     .lo = 1e-9,
                                                     .hi = 1e12,
                                                     .help = "characters"},
                                                    CORRECT_PARAMS,
                                                    {.name = NULL}};

static double cosine_param(const struct reward_input *in, const char *name)
{
    return param_number(in->params, cosine_params, name);
}

static void cosine_score(const struct reward_input *in, struct reward_result *out)
{
    struct reward_result judged;
    bool compat = param_compat(in->params);
    enum correct c = correct_of(in, true, &judged);
    if (c == CORRECT_UNKNOWN || c == CORRECT_ASSUMED) {
        *out = judged;
        return;
    }
    size_t length = utf8_count(in->text, strlen(in->text));
    double most = cosine_param(in, "max_len"), progress = (double)length / most;
    if (!compat && progress > 1) progress = 1;
    const char *lo = c == CORRECT_YES ? "min_value_correct" : "max_value_wrong";
    const char *hi = c == CORRECT_YES ? "max_value_correct" : "min_value_wrong";
    double low = cosine_param(in, lo), high = cosine_param(in, hi);
    double value = low + 0.5 * (high - low) * (1 + fm_cos(3.14159265358979323846 * progress));
    reward_step(in, "length", "%zu characters of max_len %g: t = %g", length, most, progress);
    reward_step(in, "range", "%s: from %s %g to %s %g", c == CORRECT_YES ? "right" : "wrong", hi, high, lo,
                low);
    reward_step(in, "formula", "%g + 0.5 (%g - %g) (1 + cos(pi t))", low, high, low);
    reward_give(out, value, "%s, %zu characters; %.200s", c == CORRECT_YES ? "right" : "wrong", length,
                judged.reason);
}

#define SIX     "{\"solution\":\"6\"}"
#define SHORT   "{\"max_len\":9}"
#define COMPAT  "{\"compat\":\"open-r1\",\"max_len\":9}"
#define BESIDES "{\"solution\":\"$6$\"}"
static const struct reward_example cosine_examples[] = {
    {"\\boxed{6}", SIX, 0.5, true, SHORT},
    {"\\boxed{7}", SIX, -0.5, true, SHORT},
    {"\\boxed{7}         ", SIX, -0.5, true, SHORT}, /* no second rise */
    {"\\boxed{7}         ", BESIDES, -1, true, COMPAT},
    {"\\boxed{7}", SIX, 1, true, COMPAT}, /* a gold without marks */
    {"", SIX, -1, true, NULL},
};

const struct reward reward_cosine = {
    .name = "cosine",
    .metric = "cosine_scaled_reward",
    .help = "right answers: 1 falling to 0.5 with the length; wrong ones: -1 rising to -0.5",
    .lo = -1,
    .hi = 1,
    .params = cosine_params,
    .score = cosine_score,
    .examples = cosine_examples,
    .n_examples = sizeof cosine_examples / sizeof *cosine_examples,
};
