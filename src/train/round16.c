/* round16.c: float32 to bfloat16 with stochastic rounding: up or down with the probabilities that make the
 * mean right, so that changes smaller than the last bit are not lost. A number's random bits are those of its
 * place, so neither threads nor pieces change them.
 */
#include "base/rng.h"
#include "train/optim_int.h"

enum { LANES = 8 }; /* numbers that one draw has bits for */

void round16(const struct round16_place *p, const float *from, size_t n, uint16_t *to)
{
    uint32_t random[LANES / 2];
    for (size_t i = 0; i < n; i++) {
        size_t at = p->at + i, lane = at % LANES;
        if (lane == 0 || i == 0) {
            struct rng_at key = {p->seed, p->purpose, p->step, p->sequence, (uint32_t)(at / LANES)};
            rng_words(&key, random);
        }
        union {
            float f;
            uint32_t u;
        } x = {from[i]};
        /* What is cut off, plus a number below 1 of it, carries into the last bit; not in what is infinite or
         * no number. */
        if ((x.u & 0x7F800000) != 0x7F800000)
            x.u += lane % 2 ? random[lane / 2] >> 16 : random[lane / 2] & 0xffff;
        to[i] = (uint16_t)(x.u >> 16);
    }
}

void round16_change(struct weight *w, const struct round16_place *place, const struct chunk *c,
                    change_piece f, void *ctx)
{
    float wide[OPTIM_PIECE];
    uint16_t narrow[OPTIM_PIECE];
    struct round16_place at = *place;
    struct chunk p = *c;
    if (!w->bf16) {
        p.w = w->data + p.at;
        f(ctx, &p);
        return;
    }
    for (size_t end = c->at + c->n; p.at < end; p.at += p.n) {
        p.n = end - p.at < OPTIM_PIECE ? end - p.at : OPTIM_PIECE;
        p.w = w->data16 ? wide : w->data + p.at;
        uint16_t *to = w->data16 ? w->data16 + p.at : narrow;
        if (w->data16) kern()->bf16_to_f32(wide, to, p.n);
        f(ctx, &p);
        at.at = p.at;
        round16(&at, p.w, p.n, to);
        if (!w->data16) kern()->bf16_to_f32(p.w, to, p.n);
    }
}
