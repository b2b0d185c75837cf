/* form_body.h: lines of a panel as vectors of floats, for every form of kern.h. `form` is a constant wherever
 * these are inlined.
 *
 * Lines are taken in steps: a step is a line, or, where lines come in groups, eight, or the four whose 4-bit
 * numbers share words. Lines of a step are taken in order.
 */
#include "kern/body.h"

enum { FORM_HALVES = KERN_PANEL * sizeof(uint16_t) };
_Static_assert(KERN_K_BLOCK % KERN_GROUP == 0, "whole groups in a block");

#define FORM_GROUPED(form) ((form) >= KERN_Q8)
#define FORM_NIBBLES(form) ((form) >= KERN_Q4)
#define FORM_STEP(form)    (FORM_NIBBLES(form) ? 4 : FORM_GROUPED(form) ? 8 : 1)
/* Bytes of a group, of what it begins with, and of a step, by constants. */
#define FORM_HEAD(form) ((form) == KERN_Q4_LEAST ? 2 * FORM_HALVES : FORM_GROUPED(form) ? FORM_HALVES : 0)
#define FORM_LINE(form)                                                                                      \
    ((form) == KERN_F32    ? KERN_PANEL * (int)sizeof(float)                                                 \
     : !FORM_GROUPED(form) ? (int)FORM_HALVES                                                                \
     : (form) == KERN_Q8   ? KERN_PANEL                                                                      \
                           : KERN_PANEL / 2)

/* What LANES outputs need of the group, and of the step at hand. A nibble is not shifted to the end of its
 * word: line i's is 16^i times as large, and its d as much smaller, which is exact. */
struct form_lanes {
    vf d[4], m;
    vi words;
};

/* A group begins at p; these are its outputs from `at` on. */
INLINE void form_group(struct form_lanes *f, const enum kern_form form, const char *p, const int at)
{
    const uint16_t *halves = (const uint16_t *)p + at;
    if (FORM_GROUPED(form)) f->d[0] = vf_from_half(halves);
    if (!FORM_NIBBLES(form)) return;
    UNROLL for (int i = 1; i < 4; i++) f->d[i] = vf_mul(f->d[i - 1], vf_set(1.0F / 16));
    f->m = form == KERN_Q4 ? vf_mul(f->d[0], vf_set(-8)) : vf_from_half(halves + KERN_PANEL);
}

/* The lines of a step begin at p. */
INLINE void form_step(struct form_lanes *f, const enum kern_form form, const char *p, const int at)
{
    if (FORM_NIBBLES(form)) f->words = vi_load_words((const uint16_t *)p + at);
}

/* Line i of the step. */
INLINE vf form_line(const struct form_lanes *f, const enum kern_form form, const char *p, int i,
                    const int at)
{
    if (form == KERN_F32) return vf_load((const float *)(const void *)p + i * KERN_PANEL + at);
    if (form == KERN_BF16) return vf_from_bfloat((const uint16_t *)p + i * KERN_PANEL + at);
    if (form == KERN_F16) return vf_from_half((const uint16_t *)p + i * KERN_PANEL + at);
    if (form == KERN_Q8) return vf_mul(vf_from_bytes((const int8_t *)p + i * KERN_PANEL + at), f->d[0]);
    return vf_fma(vf_nibble(f->words, i), f->d[i], f->m);
}

/* k lines of a panel as floats. */
INLINE void form_widen(float *y, const enum kern_form form, const char *p, int k)
{
    enum { VECS = KERN_PANEL / LANES };
    const int group = FORM_GROUPED(form) ? KERN_GROUP : k, step = FORM_STEP(form);
    for (; k > 0; k -= group) {
        struct form_lanes f[VECS];
        UNROLL for (int j = 0; j < VECS; j++) form_group(&f[j], form, p, j * LANES);
        p += FORM_HEAD(form);
        for (int from = 0; from < group; from += step, p += step * FORM_LINE(form)) {
            UNROLL for (int j = 0; j < VECS; j++) form_step(&f[j], form, p, j * LANES);
            UNROLL for (int i = 0; i < step; i++, y += KERN_PANEL)
                UNROLL for (int j = 0; j < VECS; j++)
                    vf_store(y + j * LANES, form_line(&f[j], form, p, i, j * LANES));
        }
    }
}
