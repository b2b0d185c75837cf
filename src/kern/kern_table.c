/* kern_table.c: the tables that were built, best first, and the choice among them.
 *
 * What a CPU can run is asked here and not in the files of the instruction sets: those are compiled with
 * flags that let the compiler use the very instructions in question.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/check.h"
#include "kern/kern_int.h"

static const struct kern *const tables[] = {
#if defined(__x86_64__)
    &kern_avx512,
    &kern_avx2,
#elif defined(__aarch64__)
    &kern_neon,
#endif
    &kern_ref,
    NULL,
};

static _Atomic(const struct kern *) chosen;

bool kern_ref_usable(void)
{
    return true;
}

#if defined(__x86_64__)
bool kern_avx2_usable(void)
{
    unsigned a, b, c = 0, d; /* the builtin does not know F16C with every compiler */
    bool f16c = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && f16c;
}

bool kern_avx512_usable(void)
{
    return kern_avx2_usable() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#elif defined(__aarch64__)
bool kern_neon_usable(void)
{
    return true; /* part of the architecture */
}
#endif

float *kern_scratch(void)
{
    static _Thread_local _Alignas(64) float scratch[KERN_SCRATCH];
    return scratch;
}

const struct kern *const *kern_tables(void)
{
    return tables;
}

int kern_choose(const char *name, char *msg, size_t size)
{
    char usable[80] = "";
    for (int i = 0; tables[i]; i++) {
        if (!tables[i]->usable()) continue;
        if (!name || !strcmp(name, tables[i]->name)) {
            chosen = tables[i];
            return 0;
        }
        size_t used = strlen(usable);
        snprintf(usable + used, sizeof usable - used, " %s", tables[i]->name);
    }
    snprintf(msg, size, "no instruction set \"%.40s\" here; usable:%s", name, usable);
    return -1;
}

const struct kern *kern(void)
{
    const struct kern *k = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (k) return k;
    char msg[160];
    int rc = kern_choose(getenv("OPENR1_ISA"), msg, sizeof msg);
    CHECK(rc == 0, "OPENR1_ISA: %s", msg);
    return chosen;
}
