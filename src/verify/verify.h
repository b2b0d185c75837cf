/* verify.h: is this answer the same as the gold answer? With a reason, within bounds, without a model.
 *
 * Numbers are compared as exact rationals: integers, decimals, fractions, percent,
 * thousands separators, currency, LaTeX \frac, \boxed. Where the numbers do not decide, text is compared
 * after normalisation. "Could not be judged" (no parseable gold) is a verdict of its own, never "wrong".
 */
#ifndef VERIFY_VERIFY_H
#define VERIFY_VERIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

enum verdict { VERDICT_WRONG, VERDICT_CORRECT, VERDICT_UNDECIDED };

enum extract_mode {
    EXTRACT_ANY,  /* boxed, else an anchored answer, else the last number (gold, lenient evaluation) */
    EXTRACT_LATEX /* only \boxed{...} or a $...$ behind an answer anchor: what Open-R1's accuracy reward
                     accepts */
};

struct verify_params {
    enum extract_mode mode;
    bool raw; /* the answer is the whole string; extract nothing */
};

/* What a verdict rests on; fixed-size, cut with "..." when longer. */
struct receipt {
    enum verdict verdict;
    char gold[256], answer[256]; /* what was extracted and parsed; empty if nothing */
    char reason[256];            /* one line: the rule that decided and why */
};
void verify_math(const char *gold, const char *answer, const struct verify_params *p, struct receipt *out);

/* Find the answer in a text. False when there is none. The rule that matched is named in `rule` (static
 * text). */
bool extract_answer(const char *text, enum extract_mode mode, char *out, size_t size, const char **rule);

/* The last number written out in a text ("1,200.50", "-3"), without commas and idle zeros: equal numbers have
 * equal spellings. Nothing is evaluated. False when there is none, or none that fits. */
bool last_number(const char *text, char *out, size_t size);

/* Evaluate an arithmetic expression of integers with + - * / and parentheses exactly, as countdown needs it.
 * Collects the numbers used (up to max). False with a reason when it is not such an expression. */
struct arith {
    long long num, den; /* value as a reduced fraction, den > 0 */
    long long used[32];
    int n_used;
    char reason[160];
};
bool arith_eval(const char *expr, struct arith *out);

/* ---- Sandbox: a stranger's program, run so that it can do no harm -----------------------------------------
 *
 * One call runs one program in namespaces of its own (bubblewrap): no network, no files of this machine but
 * the read-only interpreters under /usr, a private work folder in memory that ends with the call, a seccomp
 * filter, an unprivileged user even when this program runs as root. Everything that it started is dead when
 * the call returns, and dies with this program should it be killed. Safe to call from many threads at once.
 * docs/sandbox.md says what a program may do and what was measured.
 */
enum sandbox_mode {
    SANDBOX_BWRAP, /* the sandbox */
    SANDBOX_RLIMIT /* limits on resources only: for code that is trusted, where no namespaces are to be had */
};
/* Can this machine do it? Tried once for each mode, then remembered. The message says what to do. */
int sandbox_check(enum sandbox_mode mode, struct err *e);

struct sandbox_limits {
    double cpu_s, wall_s; /* processor time of all its processes together; time on the clock */
    size_t memory;        /* bytes that all its processes hold together */
    size_t address_space; /* bytes that one process may map; 0: no limit (Java and Node reserve far more) */
    size_t stack;         /* bytes of the main thread's stack; 0: as usual */
    size_t output;        /* bytes on standard output, and on standard error */
    size_t disk;          /* bytes in the work folder */
    int processes;        /* processes and threads */
};
extern const struct sandbox_limits sandbox_limits_default; /* 10 s, 512 MiB, 16 MiB output, 64 processes */

/* A file in the work folder: a relative path without "..", read and write, executable if so said. */
struct sandbox_file {
    const char *name;
    const char *bytes;
    size_t n;
    bool executable;
};
enum { SANDBOX_FILES_MAX = 64 };

struct sandbox_job {
    const char *const *argv; /* NULL at the end; looked for in /usr/local/bin, /usr/bin, /bin */
    const struct sandbox_file *files;
    int n_files;
    const char *input; /* standard input; may be NULL */
    size_t n_input;
    struct sandbox_limits limits;
    enum sandbox_mode mode;
};

enum sandbox_end {
    SANDBOX_EXITED,    /* by itself; status is its exit status */
    SANDBOX_SIGNAL,    /* status is the signal that ended it */
    SANDBOX_TIME,      /* processor time or clock ran out */
    SANDBOX_MEMORY,    /* its processes held more than the limit */
    SANDBOX_OUTPUT,    /* it wrote more than the limit */
    SANDBOX_PROCESSES, /* more processes than the limit */
};
struct sandbox_result {
    enum sandbox_end end;
    int status;
    double cpu_s, wall_s; /* with the sandbox's own few milliseconds */
    size_t memory;        /* the most that was seen, looking every few milliseconds */
    struct str out;       /* standard output, any bytes */
    struct str err;       /* the last 16 KiB of standard error */
};
/* -1: it could not be run (the sandbox failed, or a signal asked us to stop), which says nothing about the
 * program. Release the result in both cases. */
int sandbox_run(const struct sandbox_job *job, struct sandbox_result *r, struct err *e);
void sandbox_result_release(struct sandbox_result *r);
/* One line for people: "exit status 1", "killed by signal 11", "time limit (2.0 s)"... */
void sandbox_end_text(const struct sandbox_job *job, const struct sandbox_result *r, char *out, size_t size);

#endif
