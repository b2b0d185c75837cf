/* form.c: the forms of panels: sizes, and their numbers in plain C, which form_body.h must equal.
 *
 * A product of an 8-bit or 4-bit integer and a half is exact in float32, so q d and q d - 8 d have no
 * rounding and q d + m one.
 */
#include "kern/kern_int.h"

enum { HALVES = KERN_PANEL * sizeof(uint16_t), NIBBLES = KERN_PANEL * KERN_GROUP / 2 };

const struct kern_form_info kern_forms[KERN_FORMS] = {
    [KERN_F32] = {"F32", 1, KERN_PANEL * sizeof(float)},
    [KERN_BF16] = {"BF16", 1, HALVES},
    [KERN_F16] = {"F16", 1, HALVES},
    [KERN_Q8] = {"Q8", KERN_GROUP, HALVES + KERN_PANEL *KERN_GROUP},
    [KERN_Q4] = {"Q4", KERN_GROUP, HALVES + NIBBLES},
    [KERN_Q4_LEAST] = {"Q4_LEAST", KERN_GROUP, 2 * HALVES + NIBBLES},
};

/* 16 bits. */
static uint16_t half_at(const char *p, int j)
{
    uint16_t h;
    memcpy(&h, p + (size_t)j * sizeof h, sizeof h);
    return h;
}

static int nibble_at(const char *words, int i, int j)
{
    return half_at(words, i / 4 * KERN_PANEL + j) >> (i % 4 * 4) & 15;
}

float kern_panel_number(enum kern_form form, const void *panel, int k, int j)
{
    int i = k % kern_forms[form].lines;
    const char *p = (const char *)panel + kern_lines_bytes(form, k - i);
    float y;
    switch (form) {
    case KERN_BF16: return bits_to_float((uint32_t)half_at(p, j) << 16);
    case KERN_F16: return kern_half_to_float(half_at(p, j));
    case KERN_Q8:
        return (float)((const int8_t *)p)[(int)HALVES + i * KERN_PANEL + j] *
               kern_half_to_float(half_at(p, j));
    case KERN_Q4:
        y = kern_half_to_float(half_at(p, j));
        return fmaf((float)nibble_at(p + HALVES, i, j), y, -8 * y);
    case KERN_Q4_LEAST:
        return fmaf((float)nibble_at(p + 2 * HALVES, i, j), kern_half_to_float(half_at(p, j)),
                    kern_half_to_float(half_at(p, KERN_PANEL + j)));
    default: memcpy(&y, p + (size_t)j * sizeof y, sizeof y); return y;
    }
}
