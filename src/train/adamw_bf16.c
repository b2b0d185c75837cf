/* adamw_bf16.c: AdamW whose moments are kept in bfloat16. The arithmetic is that of float32: they are
 * widened, used, and rounded again, stochastically.
 */
#include "base/rng.h"
#include "train/optim_int.h"

static void adamw_16(const struct update *u, const struct chunk *c)
{
    float x[2][OPTIM_PIECE];
    for (size_t done = 0; done < c->n; done += OPTIM_PIECE) {
        struct chunk piece = {c->weight, c->at + done, c->n - done < OPTIM_PIECE ? c->n - done : OPTIM_PIECE,
                              c->w + done};
        uint16_t *state[2];
        for (int part = 0; part < 2; part++) {
            state[part] = (uint16_t *)update_state(u, c->weight, part) + piece.at;
            kern()->bf16_to_f32(x[part], state[part], piece.n);
        }
        optim_adamw_chunk(u, &piece, x[0], x[1]);
        for (int part = 0; part < 2; part++) {
            struct round16_place p = {.seed = u->opts->seed, .purpose = RNG_ROUND, .step = (uint32_t)u->step};
            p.sequence = 2 * (uint32_t)c->weight + (uint32_t)part;
            p.at = piece.at;
            round16(&p, x[part], piece.n, state[part]);
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
