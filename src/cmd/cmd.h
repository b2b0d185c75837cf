/* cmd.h: subcommands. One file cmd_NAME.c, one row each in cmd_list.h; only this room writes results to
 * standard output.
 *
 * To add a command: write src/cmd/cmd_NAME.c, which exports one `const struct cmd cmd_NAME`, and add the row
 * CMD(NAME). Main has parsed the line, printed help if asked, ignored SIGPIPE and started the thread pool
 * before it calls `run`; afterwards it checks that standard output took everything. A long loop that can stop
 * at a safe point calls stop_install (base/log.h) and returns ERR_STOPPED.
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "base/err.h"
#include "base/opt.h"
#include "base/str.h"

enum cmd_exit {
    EXIT_DONE = 0,
    EXIT_FAIL = 1,
    EXIT_USAGE = 2,
    EXIT_MISMATCH = 3,
    EXIT_GATE = 4,
    EXIT_AGAIN = 75,
    EXIT_INTERRUPTED = 130
};

struct cmd {
    const char *name;                /* "data make" for a two-word command */
    const char *summary;             /* one line, for `openr1 --help` */
    const char *details;             /* a paragraph and examples, for `openr1 NAME --help` */
    void (*more)(struct str *text);  /* what help says behind the options; may be NULL */
    const struct opt *const *tables; /* option tables, NULL at the end */
    /* Of a command that stands for one of several: the tables by which its line is read once more, by what it
     * says when read by those above. NULL: it is read once. */
    const struct opt *const *(*narrow)(struct conf *c);
    /* 0, or -1 with e filled: main turns e->kind into the exit status. */
    int (*run)(struct conf *c, struct err *e);
};
const struct cmd *const *cmd_all(void); /* NULL at the end */

#endif
