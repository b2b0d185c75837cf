/* rng.c: Philox4x32-10 and the distributions drawn from it.
 *
 * Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Ten rounds of
 *   (c0, c1, c2, c3) <- (hi(M1*c2) ^ c1 ^ k0, lo(M1*c2), hi(M0*c0) ^ c3 ^ k1, lo(M0*c0))
 * with the key raised by the Weyl constants W0, W1 between rounds. Key words: the seed, low half first.
 * Counter words: position, sequence, step, purpose. Draws that need more words than one block set the high 16
 * bits of the purpose word to the number of the block, so purposes must stay below 65536.
 */
#include "base/rng.h"

#include "base/check.h"
#include "base/fmath.h"

#define ROUNDS       10
#define PURPOSE_BITS 16

void rng_words(const struct rng_at *at, uint32_t out[4])
{
    uint32_t c0 = at->position, c1 = at->sequence, c2 = at->step, c3 = at->purpose;
    uint32_t k0 = (uint32_t)at->seed, k1 = (uint32_t)(at->seed >> 32);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t a = (uint64_t)0xD2511F53 * c0, b = (uint64_t)0xCD9E8D57 * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

uint64_t rng_u64(const struct rng_at *at)
{
    uint32_t w[4];
    rng_words(at, w);
    return (uint64_t)w[1] << 32 | w[0];
}

float rng_float(const struct rng_at *at)
{
    uint32_t w[4];
    rng_words(at, w);
    return (float)(w[0] >> 8) * 0x1p-24F;
}

double rng_double(const struct rng_at *at)
{
    return (double)(rng_u64(at) >> 11) * 0x1p-53;
}

/* Lemire, "Fast random integer generation in an interval", 2019: the high half of word * n is uniform once
 * the words whose low half falls below 2^32 mod n are rejected. */
uint32_t rng_below(const struct rng_at *at, uint32_t n)
{
    CHECK(n >= 1, "empty interval");
    CHECK(at->purpose >> PURPOSE_BITS == 0, "purpose %u", at->purpose);
    uint32_t threshold = (uint32_t)(-n) % n;
    struct rng_at block = *at;
    for (uint32_t b = 0; b < 1U << (32 - PURPOSE_BITS); b++) {
        uint32_t w[4];
        block.purpose = at->purpose | b << PURPOSE_BITS;
        rng_words(&block, w);
        for (int i = 0; i < 4; i++) {
            uint64_t product = (uint64_t)w[i] * n;
            if ((uint32_t)product >= threshold) return (uint32_t)(product >> 32);
        }
    }
    CHECK(0, "no word of 2^18 accepted for n = %u", n); /* probability below 2^-262144 */
}

/* Box, Muller 1958: two uniforms give two deviates. Deviates 2b and 2b+1 come from block b. */
void rng_normal(const struct rng_at *at, float *out, size_t n, float mean, float std)
{
    const double two_pi = 6.283185307179586477;
    CHECK(n / 2 <= UINT32_MAX, "%zu deviates", n);
    struct rng_at block = *at;
    for (size_t i = 0; i < n; i += 2) {
        uint32_t w[4];
        block.position = (uint32_t)(i / 2);
        rng_words(&block, w);
        double u = (double)((((uint64_t)w[1] << 32 | w[0]) >> 11) + 1) * 0x1p-53; /* in (0, 1] */
        double v = (double)(((uint64_t)w[3] << 32 | w[2]) >> 11) * 0x1p-53;
        double radius = fm_sqrt(-2 * fm_log(u)), angle = two_pi * v;
        out[i] = (float)(mean + std * (radius * fm_cos(angle)));
        if (i + 1 < n) out[i + 1] = (float)(mean + std * (radius * fm_sin(angle)));
    }
}

void rng_permutation(const struct rng_at *at, uint32_t *out, uint32_t n)
{
    struct rng_at place = *at;
    for (uint32_t i = 0; i < n; i++) out[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        place.position = i - 1;
        uint32_t j = rng_below(&place, i), kept = out[i - 1];
        out[i - 1] = out[j];
        out[j] = kept;
    }
}
