/* gen_common.c: what generators share: draws, settings, and who is held out.
 *
 * A problem is held out when the FNV-1a hash of its text, mixed by the finisher of SplitMix64, has four low
 * zero bits: one in sixteen. The seed plays no part, so that problems trained on under one seed never turn up
 * among the held-out ones of another.
 */
#include <stdio.h>
#include <string.h>

#include "data/data_int.h"

bool gen_held_out(const char *problem)
{
    uint64_t h = 0xCBF29CE484222325;
    for (const unsigned char *p = (const unsigned char *)problem; *p; p++) h = (h ^ *p) * 0x100000001B3;
    h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9;
    h = (h ^ h >> 27) * 0x94D049BB133111EB;
    h ^= h >> 31;
    return (h & 15) == 0;
}

uint32_t gen_below(struct rng_at *at, uint32_t n)
{
    uint32_t v = rng_below(at, n);
    at->position++;
    return v;
}

bool gen_chance(struct rng_at *at, double p)
{
    bool v = rng_double(at) < p;
    at->position++;
    return v;
}

int gen_params_check(const json_t *params, const char *const *known, const char *generator, struct err *e)
{
    if (!params) return 0;
    if (!json_is_object(params)) return err_usage(e, "params of %s must be an object {...}", generator);
    size_t n = 0;
    while (known[n]) n++;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)params, key, value)
    {
        size_t i = 0;
        while (i < n && strcmp(key, known[i]) != 0) i++;
        if (i < n) continue;
        char kind[96];
        snprintf(kind, sizeof kind, "setting of generator %s", generator);
        return err_unknown(e, kind, key, known, n);
    }
    return 0;
}

int gen_int(const json_t *params, struct gen_setting s, long *out, struct err *e)
{
    const json_t *v = json_object_get(params, s.key);
    *out = v ? (long)json_integer_value(v) : s.fallback;
    if ((v && !json_is_integer(v)) || *out < s.lo || *out > s.hi)
        return err_usage(e, "setting \"%s\" must be an integer from %ld to %ld", s.key, s.lo, s.hi);
    return 0;
}

int gen_share(const json_t *params, const char *key, double fallback, double *out, struct err *e)
{
    const json_t *v = json_object_get(params, key);
    *out = v ? json_number_value(v) : fallback;
    if ((v && !json_is_number(v)) || !(*out >= 0 && *out <= 1))
        return err_usage(e, "setting \"%s\" must be a number from 0 to 1", key);
    return 0;
}
