/* codes8.h: 8-bit codes for numbers in [-1, 1] (Dettmers et al. 2022, "8-bit Optimizers via Block-wise
 * Quantization"): the dynamic map.
 *
 * The map spends its codes on seven decades, twice as many on each as on the one below: decade i, up to
 * 10^(i-6), is cut into 2^i (signed, on either side of 0) or 2^(i+1) equal parts of [0.1, 1], whose middles
 * are the values; 0 and 1 complete it.
 */
#ifndef BASE_CODES8_H
#define BASE_CODES8_H

#include <stdbool.h>
#include <stdint.h>

/* [256] what the codes stand for, ascending; the last is 1. */
const float *codes8_map(bool is_signed);
/* The code nearest to x in [-1, 1]; of two as near, the lower. */
uint8_t codes8_nearest(const float *map, float x);

#endif
