/* adamw_bf16.c: AdamW whose moments are kept in bfloat16. The arithmetic is that of float32: they are
 * widened, used, and rounded again, up with the probability that makes the mean right, so that changes
 * smaller than the last bit are not lost.
 */
#include "base/rng.h"
#include "train/optim_int.h"

void optim_round16(const struct moment_place *p, const float *from, size_t n, uint16_t *to)
{
    for (size_t i = 0; i < n; i += 8) {
        uint32_t random[4];
        struct rng_at at = {p->seed, RNG_ROUND, p->step, 2 * p->weight + p->part,
                            (uint32_t)((p->at + i) / 8)};
        rng_words(&at, random);
        for (size_t k = 0; k < 8 && i + k < n; k++) {
            union {
                float f;
                uint32_t u;
            } x = {from[i + k]};
            /* What is cut off, plus a number below 1 of it, carries into the last bit. Moments are finite. */
            x.u += k % 2 ? random[k / 2] >> 16 : random[k / 2] & 0xffff;
            to[i + k] = (uint16_t)(x.u >> 16);
        }
    }
}

static void adamw_16(const struct update *u, const struct chunk *c)
{
    float x[2][OPTIM_PIECE];
    for (size_t done = 0; done < c->n; done += OPTIM_PIECE) {
        struct chunk piece = {c->weight, c->at + done, c->n - done < OPTIM_PIECE ? c->n - done : OPTIM_PIECE};
        uint16_t *state[2];
        for (int part = 0; part < 2; part++) {
            state[part] = (uint16_t *)update_state(u, c->weight, part) + piece.at;
            kern()->bf16_to_f32(x[part], state[part], piece.n);
        }
        optim_adamw_chunk(u, &piece, x[0], x[1]);
        for (int part = 0; part < 2; part++) {
            struct moment_place p = {u->opts->seed, (uint32_t)u->step, (uint32_t)c->weight, (uint32_t)part,
                                     piece.at};
            optim_round16(&p, x[part], piece.n, state[part]);
        }
    }
}

const struct optim_rule optim_adamw_bf16 = {
    .name = "adamw_bf16",
    .also = "adamw_anyprecision paged_adamw_bf16",
    .help = "AdamW, moments in bfloat16 with stochastic rounding: 4 bytes a parameter",
    .parts = {{"exp_avg", DT_BF16, optim_shape_whole}, {"exp_avg_sq", DT_BF16, optim_shape_whole}},
    .elements = adamw_16,
};
