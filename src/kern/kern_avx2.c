/* kern_avx2.c: the bodies over vectors of eight floats (AVX2, FMA, F16C). */
#include "kern/lanes_avx2.h"
#include "kern/attn_body.h"
#include "kern/gemm_body.h"
#include "kern/vec_body.h"
#include "kern/table_body.h"

const struct kern kern_avx2 = {.name = "avx2", .usable = kern_avx2_usable, BODY_SLOTS};
