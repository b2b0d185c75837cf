/* cmd_man.c: the manual page, in troff's man macros, from the command table and the option tables.
 *
 * `make install` puts it under share/man/man1. Text is escaped as groff_man wants it: a backslash as \e, a
 * dash as \-, a dot or apostrophe at the start of a line behind \&.
 */
#include <stdio.h>

#include "base/version.h"
#include "cmd/cmd.h"

static void text_print(const char *text)
{
    bool line_start = true;
    for (const char *p = text; *p; p++) {
        if (line_start && (*p == '.' || *p == '\'')) fputs("\\&", stdout);
        line_start = *p == '\n';
        if (*p == '\\')
            fputs("\\e", stdout);
        else if (*p == '-')
            fputs("\\-", stdout);
        else
            putchar(*p);
    }
}

static void option_print(const struct opt *o)
{
    fputs(".TP\n.B ", stdout);
    text_print("--");
    text_print(o->key);
    putchar('\n');
    text_print(o->help);
    if (o->choices) {
        fputs("; one of ", stdout);
        text_print(o->choices);
    }
    if (o->fallback && *o->fallback) {
        fputs("; default ", stdout);
        text_print(o->fallback);
    }
    puts(".");
}

static void command_print(const struct cmd *cmd)
{
    fputs(".SS ", stdout);
    text_print(cmd->name);
    putchar('\n');
    text_print(cmd->summary);
    puts(".\n.PP\n.nf");
    text_print(cmd->details);
    puts("\n.fi");
    for (int t = 0; cmd->tables && cmd->tables[t]; t++)
        for (const struct opt *o = cmd->tables[t]; o->key; o++)
            if (!(o->flags & OPT_NOTED)) option_print(o);
    if (!cmd->more) return;
    struct str text;
    str_init(&text, 0);
    cmd->more(&text);
    puts(".PP\n.nf");
    text_print(text.p);
    puts(".fi");
    str_release(&text);
}

static int man_run(struct conf *c, struct err *e)
{
    (void)c, (void)e;
    printf(".TH OPENR1 1 \"\" \"openr1 %s\" \"User commands\"\n", openr1_version);
    puts(".SH NAME\nopenr1 \\- train, sample, verify and evaluate reasoning models\n.SH SYNOPSIS\n.B openr1\n"
         ".I command\n[\\-\\-config \\fIfile.yaml\\fR] [\\-\\-key \\fIvalue\\fR ...]\n.SH DESCRIPTION");
    puts("Options are read from the table of the command, then from the YAML file, then from the line; the "
         "later\n"
         "one holds. \\fB\\-\\-a.b.c\\fR reaches into maps, \\fB\\-\\-no_flag\\fR turns a flag off, and "
         "dashes in names\n"
         "equal underscores. Results go to standard output, everything for people to standard error.");
    puts(".SH EXIT STATUS\n0 done; 1 failed; 2 usage or configuration; 3 hashes or replay differ; 4 a gate "
         "refused;\n"
         "75 stopped by SIGTERM or SIGUSR1 with its state saved, run again to go on; 130 interrupted.");
    puts(".SH ENVIRONMENT\n.TP\n.B OPENR1_THREADS\nThreads to use when \\-\\-threads is not given.\n"
         ".TP\n.B NO_COLOR\nNo colours on the terminal.\n.SH COMMANDS");
    for (const struct cmd *const *p = cmd_all(); *p; p++) command_print(*p);
    return 0;
}

const struct cmd cmd_man = {
    .name = "man",
    .summary = "print the manual page (troff)",
    .details = "Every command with its options, as a page for man(1):\n  openr1 man | man -l -",
    .run = man_run,
};
