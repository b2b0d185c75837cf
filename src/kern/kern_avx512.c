/* kern_avx512.c: the bodies over vectors of sixteen floats (AVX-512 F, BW, DQ, VL). */
#include "kern/lanes_avx512.h"
#include "kern/attn_body.h"
#include "kern/gemm_body.h"
#include "kern/vec_body.h"
#include "kern/table_body.h"

const struct kern kern_avx512 = {.name = "avx512", .usable = kern_avx512_usable, BODY_SLOTS};
