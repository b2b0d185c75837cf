/* machine.c: memory of the machine, or less where a control group limits it. */
#include "base/machine.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/file.h"

/* Bytes that the control group allows, or SIZE_MAX. */
static size_t group_limit(void)
{
    static const char *const files[] = {"/sys/fs/cgroup/memory.max",
                                        "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    size_t least = SIZE_MAX;
    for (int i = 0; i < 2; i++) {
        char *text, *end;
        size_t n;
        if (file_read(files[i], 1 << 12, &text, &n, NULL)) continue;
        unsigned long long value = strtoull(text, &end, 10);
        if (end != text && value < least) least = (size_t)value; /* no number: "max" */
        free(text);
    }
    return least;
}

size_t memory_allowed(void)
{
    size_t group = group_limit(), all = machine_memory();
    return all < group ? all : group;
}
