/* reward_soft_overlong_punishment.c: 0, falling to -1 over the last tokens before the limit.
 *
 * DAPO (Yu et al. 2025), eq. 13, with M = max_completion_len and C = soft_punish_cache, in tokens:
 *   0 up to M - C, then (M - C - length) / C, -1 behind M.
 * Open-R1's limit is a number of its own, so that under a max_completion_length below M - C nothing is ever
 * punished; here a run without that number takes M from max_completion_length and C = M/4 (train/scorer.c).
 */
#include "reward/reward_int.h"

static const struct reward_param soft_overlong_punishment_params[] = {
    {.name = "max_completion_len",
     .open_r1 = "max_completion_len",
     .type = PARAM_INT,
     .number = 16384,
     .lo = 1,
     .hi = 1e12,
     .help = "M, tokens (in a run: max_completion_length)"},
    {.name = "soft_punish_cache",
     .open_r1 = "soft_punish_cache",
     .type = PARAM_INT,
     .number = 4096,
     .lo = 0,
     .hi = 1e12,
     .help = "C, tokens (in a run: a quarter of M)"},
    {.name = NULL}};

static void soft_overlong_punishment_score(const struct reward_input *in, struct reward_result *out)
{
    double most = param_number(in->params, soft_overlong_punishment_params, "max_completion_len");
    double cache = param_number(in->params, soft_overlong_punishment_params, "soft_punish_cache");
    double free_of = most - cache, length = in->n_ids;
    if (in->n_ids < 0) {
        reward_unjudged(out, "the number of tokens is not known: a list \"completion_ids\" is needed");
        return;
    }
    reward_step(in, "limits", "max_completion_len M = %g, soft_punish_cache C = %g", most, cache);
    if (length <= free_of)
        reward_step(in, "formula", "0: %g tokens are at most M - C = %g", length, free_of);
    else if (length <= most)
        reward_step(in, "formula", "(M - C - length)/C = (%g - %g)/%g", free_of, length, cache);
    else
        reward_step(in, "formula", "-1: %g tokens are more than M", length);
    reward_give(out,
                length <= free_of ? 0
                : length <= most  ? (free_of - length) / cache
                                  : -1,
                "%d tokens; punished from %g on, in full behind %g", in->n_ids, free_of, most);
}

static const struct reward_example soft_overlong_punishment_examples[] = {
    {"", "{\"completion_ids\":[1,1,1,1,1,1]}", 0, true,
     "{\"max_completion_len\":10,\"soft_punish_cache\":4}"},
    {"", "{\"completion_ids\":[1,1,1,1,1,1,1]}", -0.25, true,
     "{\"max_completion_len\":10,\"soft_punish_cache\":4}"},
    {"", "{\"completion_ids\":[1,1,1,1,1,1,1]}", -1, true,
     "{\"max_completion_len\":6,\"soft_punish_cache\":0}"},
    {"", "{}", 0, false, NULL},
};

const struct reward reward_soft_overlong_punishment = {
    .name = "soft_overlong_punishment",
    .metric = "soft_overlong_punishment_reward",
    .help = "0, falling to -1 over the last tokens before the limit (DAPO)",
    .lo = -1,
    .hi = 0,
    .params = soft_overlong_punishment_params,
    .score = soft_overlong_punishment_score,
    .examples = soft_overlong_punishment_examples,
    .n_examples = sizeof soft_overlong_punishment_examples / sizeof *soft_overlong_punishment_examples,
};
