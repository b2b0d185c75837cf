/* code_work.h: what the rewards that run code share: their parameters, and where code is run. */
#ifndef REWARD_CODE_WORK_H
#define REWARD_CODE_WORK_H

#include "reward/reward_int.h"
#include "verify/verify.h"

/* A parameter under its short name or under Open-R1's. */
const char *code_param_str(const json_t *params, const char *name, const char *open_r1, const char *fallback);
double code_param_num(const json_t *params, const char *name, const char *open_r1, double fallback);

/* {"compat": "open-r1"}: Open-R1's numbers with its faults. */
bool code_compat(const json_t *params);

/* Where code is run: here, or by Piston. Open-R1's other providers (e2b, morph) are services of companies;
 * their names are accepted, said once, and the code runs here. -1 and e for an unknown name. */
struct code_place {
    bool piston;
    const char *endpoints; /* NULL: the environment's */
    double wait_s;
    enum sandbox_mode mode;
};
int code_place_of(struct code_place *p, const json_t *params, const char *open_r1, struct err *e);

/* Ask Piston to run files in a language; the answer is a new reference, NULL and e if there is none. */
json_t *code_piston(const struct code_place *p, const char *language, json_t *files_stolen,
                    const json_t *more_stolen, struct err *e);
json_t *code_piston_file(const char *name, const char *content);

/* The share of a row's tests (column verification_info) that the code passes. */
void code_share_score(const struct reward_input *in, struct reward_result *out);

#endif
