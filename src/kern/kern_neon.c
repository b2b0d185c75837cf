/* kern_neon.c: the bodies over vectors of four floats (AArch64). */
#include "kern/lanes_neon.h"
#include "kern/attn_body.h"
#include "kern/gemm_body.h"
#include "kern/vec_body.h"
#include "kern/table_body.h"

const struct kern kern_neon = {.name = "neon", .usable = kern_neon_usable, BODY_SLOTS};
