/* rng.h: random numbers as a function of what they are for, never of when they are drawn.
 *
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011). The key
 * is (seed, purpose); the counter is (step, sequence, position). A token sampled for (step 7, sequence 3,
 * position 12) is the same whatever else runs, in whatever order, on however many threads.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

enum rng_purpose {
    RNG_INIT = 1,  /* weights: step = index of the tensor */
    RNG_SAMPLE,    /* tokens: step, sequence, position */
    RNG_SHUFFLE,   /* data order: step = epoch */
    RNG_DATA,      /* generated problems: sequence = index */
    RNG_BOOTSTRAP, /* intervals */
    RNG_DROPOUT,
    RNG_TEST,
    RNG_NOISE,           /* on embeddings: step, sequence, position and column */
    RNG_ROUND,           /* moments: step, 2 weight + part, element / 8 */
    RNG_EVALUATE,        /* seed of the samples of an evaluation while training */
    RNG_PREFLIGHT,       /* seed of the samples before the first step, and which prompts they are of */
    RNG_ROUND_WEIGHT,    /* weights: step, weight, element / 8 */
    RNG_ROUND_REFERENCE, /* the reference model's when it is mixed: the same */
    RNG_PLAN,            /* lengths that a plan expects: step = window, sequence = group */
};

struct rng_at {
    uint64_t seed;
    uint32_t purpose;
    uint32_t step, sequence, position;
};

/* Four independent 32-bit words for this place. */
void rng_words(const struct rng_at *at, uint32_t out[4]);
/* 64 random bits. */
uint64_t rng_u64(const struct rng_at *at);
/* Uniform in [0, 1): 24 bits, exactly representable; and with 53 bits. */
float rng_float(const struct rng_at *at);
double rng_double(const struct rng_at *at);
/* Uniform in 0..n-1 without bias (n >= 1): Lemire's multiply with rejection over the four words. */
uint32_t rng_below(const struct rng_at *at, uint32_t n);
/* Normal deviates for positions 0..n-1 (at->position is ignored), Box-Muller on fmath.h. */
void rng_normal(const struct rng_at *at, float *out, size_t n, float mean, float std);
/* The permutation of 0..n-1 for this place (Fisher-Yates; position is ignored). */
void rng_permutation(const struct rng_at *at, uint32_t *out, uint32_t n);

#endif
