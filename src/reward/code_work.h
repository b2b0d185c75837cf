/* code_work.h: what the rewards that run code share: their parameters, and where code is run. */
#ifndef REWARD_CODE_WORK_H
#define REWARD_CODE_WORK_H

#include "reward/reward_int.h"
#include "verify/verify.h"

/* Where code is run: here, or by Piston. Open-R1's other providers (e2b, morph) are services of companies;
 * their names are accepted, said once, and the code runs here. -1 and e for an unknown name. */
struct code_place {
    bool piston;
    const char *endpoints; /* NULL: the environment's */
    double wait_s;
    enum sandbox_mode mode;
};
/* How contests go through their tests (contest.h: batch). */
#define CODE_BATCH_PARAM                                                                                     \
    {                                                                                                        \
        .name = "test_batch_size", .open_r1 = "code_eval_test_batch_size", .type = PARAM_INT, .number = 1,   \
        .lo = -1e6, .hi = 1e6, .help = "tests between two looks at whether one failed"                       \
    }
#define CODE_PLACE_PARAMS(key)                                                                               \
    {.name = "provider_type",                                                                                \
     .open_r1 = key,                                                                                         \
     .type = PARAM_TEXT,                                                                                     \
     .text = "local",                                                                                        \
     .choices = "local|piston|e2b|morph",                                                                    \
     .help = "where code runs (e2b and morph: here)"},                                                       \
        {.name = "piston_endpoints", .type = PARAM_TEXT, .help = "addresses; default: PISTON_ENDPOINTS"},    \
        {.name = "piston_wait",                                                                              \
         .type = PARAM_NUMBER,                                                                               \
         .number = 1,                                                                                        \
         .lo = 0,                                                                                            \
         .hi = 3600,                                                                                         \
         .help = "seconds before a request is tried again"},                                                 \
    {                                                                                                        \
        .name = "sandbox", .type = PARAM_TEXT, .text = "bwrap", .choices = "bwrap|rlimit",                   \
        .help = "rlimit: limits only, for code that is trusted"                                              \
    }
#define CODE_SHARE_PARAMS                                                                                    \
    CODE_PLACE_PARAMS("code_provider"),                                                                      \
        {.name = "time_limit",                                                                               \
         .type = PARAM_NUMBER,                                                                               \
         .number = 5,                                                                                        \
         .lo = 0.001,                                                                                        \
         .hi = 86400,                                                                                        \
         .help = "seconds of one test"},                                                                     \
    {                                                                                                        \
        .name = NULL                                                                                         \
    }
int code_place_of(struct code_place *p, const json_t *params, const struct reward_param *table,
                  struct err *e);

/* Ask Piston to run files in a language; the answer is a new reference, NULL and e if there is none. */
json_t *code_piston(const struct code_place *p, const char *language, json_t *files_stolen,
                    const json_t *more_stolen, struct err *e);
json_t *code_piston_file(const char *name, const char *content);

/* The share of a row's tests (column verification_info) that the code passes. */
void code_share_score(const struct reward_input *in, struct reward_result *out);

#endif
