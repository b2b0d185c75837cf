/* sandbox_int.h: what the files of the sandbox share. */
#ifndef VERIFY_SANDBOX_INT_H
#define VERIFY_SANDBOX_INT_H

#include <sys/types.h>

#include "verify/verify.h"

/* ---- sandbox_command.c: the command line that builds the box ------------------------------------------- */

enum { SANDBOX_ARGS_MAX = 320, SANDBOX_NOBODY = 65534 };

/* Numbers of the descriptors that the child is given; the files of the job follow. */
enum { SANDBOX_FD_READY = SANDBOX_FD_LINK + SANDBOX_LINKS, SANDBOX_FD_FILTER, SANDBOX_FD_FILES };

struct sandbox_command {
    char *argv[SANDBOX_ARGS_MAX + 1]; /* NULL at the end */
    int n;
};
/* `folder` is the work folder of the mode without namespaces, else NULL. */
int sandbox_command_init(struct sandbox_command *c, const struct sandbox_job *job, const char *folder,
                         struct err *e);
void sandbox_command_release(struct sandbox_command *c);
extern char *const sandbox_environment[];

/* ---- sandbox_filter.c: what the kernel refuses --------------------------------------------------------- */

/* A descriptor from which bubblewrap reads the seccomp filter; -1 and e. Close it. */
int sandbox_filter_fd(struct err *e);

/* ---- sandbox_tree.c: a process and all that descend from it -------------------------------------------- */

struct process_tree {
    double cpu_s;    /* of the living, and of the dead that were waited for */
    size_t memory;   /* anonymous and shared bytes in memory: what the limit is about */
    size_t resident; /* with the pages of files, some of which others have too */
    int n, threads;
    pid_t child; /* the root's first child; 0: none */
};
void process_tree_look(pid_t root, struct process_tree *t);
/* SIGKILL to all descendants of root, not to root itself. */
void process_tree_kill(pid_t root);

#endif
