/* sandbox_tree.c: a process and all that descend from it, read from /proc.
 *
 * /proc/PID/task/TID/children names the children of one thread. Orphans move to the first process of the pid
 * namespace, which is a child of the root, so that nothing in the sandbox leaves the tree.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verify/sandbox_int.h"

enum { TREE_MAX = 4096 };

/* A small file of /proc as text; false when the process is gone. */
static bool slurp(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    size_t n = 0;
    ssize_t got;
    while (n + 1 < size && (got = read(fd, out + n, size - 1 - n)) > 0) n += (size_t)got;
    close(fd);
    out[n] = 0;
    return n > 0;
}

static long field_kb(const char *status, const char *name)
{
    const char *p = strstr(status, name);
    return p ? strtol(p + strlen(name), NULL, 10) : 0;
}

/* Processor time: fields 14 to 17 of stat, counted behind the name's last ")". */
static double cpu_seconds(const char *stat)
{
    const char *p = strrchr(stat, ')');
    long ticks = 0;
    for (int field = 2; p && field < 17; field++) {
        p = strchr(p + 1, ' ');
        if (p && field >= 13) ticks += strtol(p, NULL, 10);
    }
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static void add_process(pid_t pid, struct process_tree *t)
{
    char path[64], text[8192];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (!slurp(path, text, sizeof text)) return;
    t->n++;
    t->threads += (int)field_kb(text, "\nThreads:");
    t->memory += (size_t)(field_kb(text, "\nRssAnon:") + field_kb(text, "\nRssShmem:")) * 1024;
    t->resident += (size_t)field_kb(text, "\nVmRSS:") * 1024;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (slurp(path, text, sizeof text)) t->cpu_s += cpu_seconds(text);
}

/* Append the children of one process to list[0..n). */
static int children(pid_t pid, pid_t *list, int n)
{
    char path[320], text[8192];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *d = opendir(path);
    struct dirent *entry;
    while (d && (entry = readdir(d))) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/children", (int)pid, entry->d_name);
        if (!slurp(path, text, sizeof text)) continue;
        for (char *p = text, *end; n < TREE_MAX; p = end) {
            long child = strtol(p, &end, 10);
            if (end == p) break;
            list[n++] = (pid_t)child;
        }
    }
    if (d) closedir(d);
    return n;
}

void process_tree_look(pid_t root, struct process_tree *t)
{
    pid_t list[TREE_MAX];
    int n = children(root, list, 0);
    *t = (struct process_tree){.child = n ? list[0] : 0};
    for (int i = 0; i < n; i++) {
        add_process(list[i], t);
        n = children(list[i], list, n);
    }
}

void process_tree_kill(pid_t root)
{
    pid_t list[TREE_MAX];
    int n = children(root, list, 0);
    for (int i = 0; i < n; i++) {
        kill(list[i], SIGSTOP); /* no new children while they are counted */
        n = children(list[i], list, n);
    }
    for (int i = 0; i < n; i++) kill(list[i], SIGKILL);
}
