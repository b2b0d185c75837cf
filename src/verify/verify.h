/* verify.h: is this answer the same as the gold answer? With a reason, within bounds, without a model.
 *
 * Answers are found in text (boxes, anchors, formulas, numbers), read as mathematics (LaTeX or plain) and
 * compared by kind: numbers exactly or by rounding rules, constants by interval arithmetic, formulas as
 * functions, sets without order, tuples with it, intervals, inequalities, equations, matrices, words.
 * "Could not be judged" (no readable gold, or a limit on size, depth or steps was passed) is a verdict of
 * its own, never "wrong". All functions may be called from several threads at once.
 */
#ifndef VERIFY_VERIFY_H
#define VERIFY_VERIFY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

enum verdict { VERDICT_WRONG, VERDICT_CORRECT, VERDICT_UNDECIDED };

enum extract_mode {
    /* boxed, else an anchored answer, else the last formula or number (gold, lenient evaluation) */
    EXTRACT_ANY,
    EXTRACT_LATEX /* an answer is only \boxed{...} or a $...$ behind an answer anchor: what Open-R1's accuracy
                     reward accepts */
};

/* Names are Math-Verify's where it has them. Start from verify_defaults. */
struct verify_params {
    enum extract_mode mode;
    bool raw; /* the answer is the whole string; extract nothing */
    bool latex, expr,
        choice;            /* "match_types": what may be found: formulas, plain text, letters of a choice */
    int float_rounding;    /* decimals to which a decimal number is compared (6) */
    int numeric_precision; /* digits asked of numerical agreement (15; never fewer than 27 are) */
    bool strict;           /* variables keep their names (true) */
    bool allow_set_relation_comp; /* a gold set may be met by an inequality that describes it (true; false in
                                       EXTRACT_LATEX, and Math-Verify's default) */
    bool try_extract_without_anchor;
    bool first_match; /* "extraction_mode": only the first place found counts (any_match: false) */
    /* 0 before everything, 50 (both: before anchors), above: behind them, -1: never */
    int boxed_match_priority;
    bool upstream; /* a gold is read only where Math-Verify 0.5.2 finds it in Open-R1's accuracy reward:
                    * between dollars, or a number; and \frac and \sqrt of an answer must have their braces */
    bool swapped;           /* compare with the roles of gold and answer exchanged */
    bool text_exact;        /* no number is read from words, \text{six} (Math-Verify 0.5.2) */
    bool percent_exact;     /* a gold in percent is not met by the bare number (Math-Verify 0.5.2) */
    bool exact_irrationals; /* a decimal is rounded against rationals only (Math-Verify 0.5.2) */
};
struct verify_params verify_defaults(enum extract_mode mode);
/* Reads Math-Verify's parameter names from a JSON object on top of *p; unknown keys are passed over. */
int verify_params_read(const json_t *o, struct verify_params *p, struct err *e);

/* What a verdict rests on; fixed-size, cut with "..." when longer. */
struct receipt {
    enum verdict verdict;
    char gold[256], answer[256]; /* what was extracted and parsed; empty if nothing */
    char reason[256];            /* one line: the rule that decided and why */
};
/* p NULL: the defaults of EXTRACT_ANY. */
void verify_math(const char *gold, const char *answer, const struct verify_params *p, struct receipt *out);
/* The same, and the way to the verdict, a line a step (base/step_lines.h): the places looked at and why they
 * were taken or passed over, their trees, the normal forms compared, what decided and what that rests on.
 * Added to `steps`, some 60 KB at most; NULL: not wanted. The verdict does not depend on it. */
void verify_explain(const char *gold, const char *answer, const struct verify_params *p, struct receipt *out,
                    struct str *steps);
/* Once, before anything else here: FLINT and GMP then end in memory_is_out when memory is out. */
void verify_memory_start(void);

/* Find the answer in a text. False when there is none. The rule that matched is named in `rule` (static
 * text). */
bool extract_answer(const char *text, enum extract_mode mode, char *out, size_t size, const char **rule);

/* The last number written out in a text ("1,200.50", "-3"), without commas and idle zeros: equal numbers have
 * equal spellings. Nothing is evaluated. False when there is none, or none that fits. */
bool last_number(const char *text, char *out, size_t size);
/* Are the last numbers of gold and answer the same, or no further apart than `tolerance`? 1, 0 (also when the
 * answer holds none), or -1 when the gold holds none. `reason` is one line. */
int last_numbers_same(const char *gold, const char *answer, double tolerance, char *reason, size_t size);

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
/* Two programs in two boxes that talk to each other: ends of pipes, which the program has as descriptors 3
 * and 4 (/dev/fd/3). */
enum { SANDBOX_LINKS = 2, SANDBOX_FD_LINK = 3 };

struct sandbox_job {
    const char *const *argv; /* NULL at the end; looked for in /usr/local/bin, /usr/bin, /bin */
    const struct sandbox_file *files;
    int n_files;
    const char *input; /* standard input; may be NULL */
    size_t n_input;
    bool secret;      /* what was read of the input cannot be read again, by anybody in the sandbox */
    bool bare; /* no /proc, and of /dev null alone: a compiler that reads what a source tells it to read
                         meets no file without an end, and none on which it waits */
    const int *links; /* SANDBOX_LINKS descriptors, closed here in any case; NULL: none */
    struct sandbox_limits limits;
    enum sandbox_mode mode;
    bool stops; /* a signal that asks this program to stop (base/log.h) ends the run: ERR_STOPPED. Not in
                   training, where a step that was begun is finished */
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
    size_t memory;        /* the most that was seen in memory, looking every few milliseconds */
    struct str out;       /* standard output, any bytes */
    struct str err;       /* the last 16 KiB of standard error */
};
/* -1: it could not be run (the sandbox failed, or was told to stop), which says nothing about the
 * program. Release the result in both cases. */
int sandbox_run(const struct sandbox_job *job, struct sandbox_result *r, struct err *e);
void sandbox_result_release(struct sandbox_result *r);
/* One line for people: "exit status 1", "killed by signal 11", "time limit (2.0 s)"... */
void sandbox_end_text(const struct sandbox_job *job, const struct sandbox_result *r, char *out, size_t size);

/* ---- Programs: source text in a language, built once, run many times in the sandbox -------------------- */

struct code_language; /* one row of language.c */
/* By name or alias (python, py, c, cpp, c++, javascript, java, bash, r, ...), any case. NULL and e when there
 * is none, or when its tools are not installed. */
const struct code_language *code_language_find(const char *name, struct err *e);
/* The one that field "language" of a record names; without the field, `fallback`. */
const struct code_language *code_language_of(const json_t *record, const char *fallback, struct err *e);
const char *code_language_name(const struct code_language *l);
/* Row i, NULL at the end; for help and tests. */
const struct code_language *code_language_row(int i);

struct code_source {
    const struct code_language *language;
    const char *text;
    const char *name;                 /* of its file; NULL: the language's own (main.py) */
    const struct sandbox_file *files; /* beside it; those with the language's ending are compiled too */
    int n_files;
};
struct code_program {
    const struct code_language *language;
    struct code_source source;
    char main_name[256], class_name[128]; /* the source's file; Java: the class with main */
    char *built;                          /* what the compiler made; NULL when the source itself is run */
    size_t n_built;
};
struct code_limits {
    double time_s; /* processor time of one run; the clock may take twice that and five seconds more */
    size_t memory; /* bytes */
    size_t output; /* bytes of standard output */
    enum sandbox_mode mode;
    bool stops; /* as in sandbox_job */
};
extern const struct code_limits code_limits_default; /* 10 s, 512 MiB, 16 MiB */

/* 0: built. 1: the compiler refuses it, `message` (malloc) says why. -1: e. `source` must outlive the
 * program. */
int code_build(struct code_program *p, const struct code_source *source, enum sandbox_mode mode,
               char **message, struct err *e);
void code_program_release(struct code_program *p);

struct code_run {
    const char *input; /* standard input, may be NULL */
    size_t n_input;
    bool secret;                      /* as in sandbox_job */
    const int *links;                 /* as in sandbox_job */
    bool links_standard;              /* they are standard input and output too */
    const struct sandbox_file *files; /* in the work folder */
    int n_files;
    const char *const *args; /* of the program; NULL at the end; may be NULL */
    const char *output_file; /* its content is taken as the output, not what is printed; NULL: the latter */
    struct code_limits limits;
};
/* As sandbox_run: release r in both cases. */
int code_run(const struct code_program *p, const struct code_run *run, struct sandbox_result *r,
             struct err *e);

/* ---- Judging: outputs compared by stated rules --------------------------------------------------------- */

enum code_compare {
    CODE_LINES,   /* line by line; blanks at line ends and empty lines at the end do not count */
    CODE_TOKENS,  /* word by word */
    CODE_CONTEST, /* word by word; "yes" and "no" in any case: Codeforces without a checker */
    CODE_OPEN_R1 /* Open-R1's script: stripped lines, as many as both sides have; the rest is not looked at */
};
enum code_verdict {
    CODE_PASSED,
    CODE_WRONG,         /* the output differs, or a check failed */
    CODE_RUNTIME_ERROR, /* nonzero exit status, or killed by a signal */
    CODE_TIME_LIMIT,
    CODE_MEMORY_LIMIT,
    CODE_OUTPUT_LIMIT,
    CODE_COMPILE_ERROR,
    CODE_SKIPPED /* an earlier test failed, and that was enough */
};
const char *code_verdict_name(enum code_verdict v); /* "passed", "wrong_answer", ... */

/* Where two outputs differ first. With tolerance > 0 words that are numbers on both sides may differ by that
 * much, absolutely or relative to the expected one (not for CODE_OPEN_R1). */
struct code_difference {
    long line; /* from 1; 0: none */
    char expected[96], got[96];
};
bool code_same(enum code_compare how, double tolerance, const char *expected, const char *got,
               struct code_difference *d);

struct code_test {
    const char *input, *output; /* NUL-terminated */
    size_t n_input;
    const char *check; /* not NULL: Python that calls the program and must run to its end (output is unused).
                          It runs in a process of its own (check_harness.py, docs/sandbox.md) */
};
/* A checker is a program called with the names of three files (input, expected output, output), which prints
 * a score between 0 and 1 (or 0 and 100) first. */
struct code_task {
    struct code_source source;
    const struct code_test *tests;
    int n_tests;
    struct code_limits limits;
    enum code_compare compare;
    double tolerance;
    const struct code_program *checker; /* NULL: compare */
    /* A program that talks with the tested one and prints its score, 0 to 1 (communicate.c); NULL: none. */
    const struct code_program *manager;
    bool manager_standard; /* the tested program talks through standard input and output, not named pipes */
    /* For checks: definitions that they may use, and among these the name that is the program's. Or NULL. */
    const char *prelude, *entry;
    bool first_failure_ends;
    bool in_files; /* input stands in input.txt, output is expected in output.txt */
};
struct code_outcome {
    enum code_verdict verdict;
    double score, time_s; /* on the clock */
    size_t memory;
    struct code_difference difference;
    char note[400]; /* end of standard error, or what happened */
};
struct code_report {
    int passed, total;
    bool compiled;
    char *message; /* of the compiler */
    struct code_outcome *outcomes;
};
/* Compile once, run each test in a sandbox of its own. -1: the sandbox failed; nothing is said about the
 * code. Release the report in both cases. */
int code_judge(const struct code_task *task, struct code_report *r, struct err *e);
void code_report_release(struct code_report *r);
/* One test of a task, which is no check, on its program that was built before; or its talk with a manager. */
int code_try(const struct code_task *task, const struct code_program *p, const struct code_test *test,
             struct code_outcome *o, struct err *e);
/* The last block ```TAG\n...``` of a text, exactly as Open-R1 finds it; malloc, "" if there is none. */
char *code_extract(const char *text, const char *tag);
/* The last closed block ``` of a text that is tagged with any name of the language; malloc, NULL if there is
 * none. Line ends may be CRLF, blanks may follow the tag. */
char *code_fenced(const char *text, const struct code_language *l);
/* Is this word one of the language's names, in any case? */
bool code_language_is(const struct code_language *l, const char *word, size_t n);

/* ---- Records: a row of a data set with a program in it, judged ------------------------------------------
 *
 *   {"code", "language", "tests"}                     tests: [{"input","output"}], {"inputs","outputs"},
 *                                                     with "fn_name" a function called with each of inputs
 *                                                     (APPS, TACO), or [assertions as Python text]
 *   {"prompt", "entry_point", "test", "completion"}   HumanEval: one check
 *   {"test_list", "test_setup_code", "completion"}    MBPP: one check for each assertion
 *
 * A completion may be a whole answer: its last block of code is taken. A record may also hold time_limit (s),
 * memory_limit (MiB), compare ("lines", "tokens"), tolerance, checker (text of a program in Python, or
 * {"language","code"}).
 */
struct code_options {
    const char *language; /* for records that name none */
    struct code_limits limits;
    enum code_compare compare;
    double tolerance;
};
/* New reference to {"passed","total","results":[{"verdict","time","memory",...}]}, with "error" from the
 * compiler if it refused; NULL and e when the record is wrong or the sandbox failed. */
json_t *code_record_judge(const json_t *record, const struct code_options *options, struct err *e);

/* The tests of a record in any of these forms except HumanEval's and MBPP's. Release with code_tests_release.
 * */
struct code_tests {
    struct code_test *list;
    int n;
    char **owned; /* texts that were made here */
    int n_owned;
};
int code_tests_read(struct code_tests *t, const json_t *tests, const char *what, struct err *e);
void code_tests_release(struct code_tests *t);
/* Keeps a text that the tests point at; takes it over and returns it. */
char *code_tests_own(struct code_tests *t, char *text);

#endif
