/* machine.c: memory of the machine, or less where a control group limits it.
 *
 * /proc/self/cgroup says in which groups this process is: "0::PATH" under version 2 of control groups,
 * "N:memory:PATH" under version 1 (man 7 cgroups). Limits of the groups above hold too. In a container the
 * own group is often the root of what can be seen.
 */
#include "base/machine.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/check.h"
#include "base/file.h"
#include "base/str.h"

enum { SYSTEM_FILE_MAX = 1 << 16 };

/* The number in a file, or SIZE_MAX ("max", or no such file). */
static size_t limit_in(const char *path)
{
    char *text, *end;
    size_t n, least = SIZE_MAX;
    if (file_read(path, SYSTEM_FILE_MAX, &text, &n, NULL)) return SIZE_MAX;
    unsigned long long value = strtoull(text, &end, 10);
    if (end != text && value < least) least = (size_t)value;
    free(text);
    return least;
}

/* The least limit of a group and those above it. */
static size_t limit_up(const char *root, const char *group, const char *file)
{
    struct str path;
    size_t least = SIZE_MAX, n = strlen(group);
    str_init(&path, SYSTEM_FILE_MAX);
    for (;;) {
        while (n && group[n - 1] == '/') n--;
        str_clear(&path);
        str_addf(&path, "%s%.*s/%s", root, (int)n, group, file);
        size_t limit = limit_in(path.p);
        if (limit < least) least = limit;
        if (!n) break;
        while (n && group[n - 1] != '/') n--;
    }
    str_release(&path);
    return least;
}

/* Bytes that the control groups allow, or SIZE_MAX. */
static size_t group_limit(void)
{
    char *text;
    size_t n, least = SIZE_MAX;
    if (file_read("/proc/self/cgroup", SYSTEM_FILE_MAX, &text, &n, NULL)) return SIZE_MAX;
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = 0;
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = 0;
        controllers++;
        size_t limit = SIZE_MAX;
        if (!*controllers) limit = limit_up("/sys/fs/cgroup", group, "memory.max");
        if (!strcmp(controllers, "memory"))
            limit = limit_up("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
        if (limit < least) least = limit;
    }
    free(text);
    return least;
}

size_t memory_allowed(void)
{
    size_t group = group_limit(), all = machine_memory();
    return all < group ? all : group;
}

/* The system's own estimate of what programs may still take (Linux: proc_meminfo(5)), or SIZE_MAX. */
static size_t memory_available(void)
{
    char *text;
    size_t n;
    if (file_read("/proc/meminfo", SYSTEM_FILE_MAX, &text, &n, NULL)) return SIZE_MAX;
    const char *line = strstr(text, "MemAvailable:");
    size_t bytes = line ? (size_t)strtoull(line + strlen("MemAvailable:"), NULL, 10) * 1024 : SIZE_MAX;
    free(text);
    return bytes;
}

size_t memory_within_reach(void)
{
    size_t allowed = memory_allowed(), available = memory_available(), own = machine_resident();
    if (available > allowed) return allowed;
    return own + available < allowed ? own + available : allowed;
}

size_t memory_peak(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (size_t)use.ru_maxrss * 1024;
}

void *address_reserve(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(p != MAP_FAILED, "no addresses for %zu bytes", bytes);
    return p;
}

void address_release(void *p, size_t bytes)
{
    if (p) munmap(p, bytes);
}
