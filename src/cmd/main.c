/* main.c: from argv to a command, from its result to an exit status.
 *
 *   openr1 COMMAND [--config FILE.yaml] [--key value ...]     COMMAND is one word or two ("data make")
 *
 * Results are on standard output, everything for people on standard error. SIGPIPE is ignored, because a
 * reward process or an HTTP peer that goes away must not end a training run; SIGXFSZ, because a limit on the
 * size of files is an error like a full disk. So standard output is checked at the end, and a full disk or a
 * closed pipe there is an error.
 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/version.h"
#include "cmd/cmd_int.h"
#include "verify/verify.h"

static const char *const exit_help =
    "Exit status: 0 done; 1 failed; 2 usage or configuration; 3 hashes or replay differ; 4 a gate refused;\n"
    "75 stopped by SIGTERM or SIGUSR1 with its state saved, run again to go on; 130 interrupted.\n";

/* Lists the commands whose name begins with `group` (all if NULL); returns how many. */
static int commands_print(FILE *f, const char *group)
{
    int count = 0;
    size_t n = group ? strlen(group) : 0;
    for (const struct cmd *const *p = cmd_all(); *p; p++) {
        if (group && (strncmp((*p)->name, group, n) || (*p)->name[n] != ' ')) continue;
        fprintf(f, "  %-18s %s\n", (*p)->name, (*p)->summary);
        count++;
    }
    return count;
}

static void overview_print(FILE *f)
{
    fprintf(f, "openr1 %s: train, sample, verify and evaluate reasoning models\n\n", openr1_version);
    fputs("usage: openr1 COMMAND [--config FILE.yaml] [--key value ...]\n\nCommands:\n", f);
    commands_print(f, NULL);
    fputs("\n`openr1 COMMAND --help` shows what a command takes.\n", f);
    fputs(exit_help, f);
}

static void usage_print(const struct cmd *cmd)
{
    const struct opt *tables[CMD_TABLES_MAX];
    int n = cmd_tables(cmd, tables);
    printf("openr1 %s: %s\n\nusage: openr1 %s", cmd->name, cmd->summary, cmd->name);
    for (int t = 0; t < n; t++) {
        for (const struct opt *o = tables[t]; o->key; o++) {
            if (!(o->flags & OPT_POSITIONAL)) continue;
            printf(o->flags & OPT_REQUIRED ? " " : " [");
            for (const char *p = o->key; *p; p++) putchar(toupper((unsigned char)*p));
            printf("%s%s", o->type == OPT_LIST ? "..." : "", o->flags & OPT_REQUIRED ? "" : "]");
        }
    }
    printf(" [--config FILE.yaml] [--key value ...]\n\n%s\n\nOptions:\n", cmd->details);
    struct str text;
    str_init(&text, 0);
    opt_help(tables, n, &text);
    if (cmd->more) {
        str_puts(&text, "\n");
        cmd->more(&text);
    }
    fputs(text.p, stdout);
    str_release(&text);
}

/* The command that argv[1..] names, and how many words its name took. */
static const struct cmd *command_find(int argc, char **argv, int *words)
{
    for (*words = 2; *words >= 1; --*words) {
        if (*words >= argc) continue;
        char name[256];
        snprintf(name, sizeof name, *words == 2 ? "%s %s" : "%s", argv[1], argv[2]);
        for (const struct cmd *const *p = cmd_all(); *p; p++)
            if (strcmp((*p)->name, name) == 0) return *p;
    }
    return NULL;
}

static int unknown_command(int argc, char **argv)
{
    char name[256];
    const char *names[512], *near;
    size_t n = 0;
    for (const struct cmd *const *p = cmd_all(); *p && n < 512; p++) names[n++] = (*p)->name;
    snprintf(name, sizeof name, "%s", argv[1]);
    near = err_nearest(name, names, n);
    if (!near && argc > 2 && argv[2][0] != '-') {
        snprintf(name, sizeof name, "%s %s", argv[1], argv[2]);
        near = err_nearest(name, names, n);
    }
    if (near)
        fprintf(stderr, "openr1: unknown command \"%s\": did you mean \"%s\"?\n", name, near);
    else
        fprintf(stderr, "openr1: unknown command \"%s\"; `openr1 --help` lists those there are\n", argv[1]);
    return EXIT_USAGE;
}

static bool is_help_word(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* What stands where a command is expected but names none. */
static int no_command(int argc, char **argv)
{
    if (argc < 2) {
        overview_print(stderr);
        return EXIT_USAGE;
    }
    if (is_help_word(argv[1])) {
        overview_print(stdout);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("openr1 %s (%s)\n", openr1_version, openr1_commit);
        return EXIT_DONE;
    }
    bool asked = argc > 2 && is_help_word(argv[2]);
    if ((argc == 2 || asked) && commands_print(asked ? stdout : stderr, argv[1]) > 0)
        return asked ? EXIT_DONE : EXIT_USAGE;
    return unknown_command(argc, argv);
}

static int exit_status(const struct err *e)
{
    switch (e->kind) {
    case ERR_USAGE: return EXIT_USAGE;
    case ERR_MISMATCH: return EXIT_MISMATCH;
    case ERR_GATE: return EXIT_GATE;
    case ERR_STOPPED: return stop_signal() == SIGINT ? EXIT_INTERRUPTED : EXIT_AGAIN;
    case ERR_NONE:
    case ERR_FAILED: break;
    }
    return EXIT_FAIL;
}

static int command_run(const struct cmd *cmd, int argc, char **argv)
{
    struct err e = {0};
    struct conf *c = cmd_configure(cmd, argc, argv, &e);
    int rc = c ? 0 : -1;
    if (c && conf_help_wanted(c)) {
        usage_print(cmd);
    } else if (c) {
        pool_start(conf_is_set(c, "threads") ? (int)conf_int(c, "threads") : 0);
        rc = cmd_execute(cmd, c, &e);
        pool_stop();
    }
    conf_free(c);
    if (!rc) return EXIT_DONE;
    log_line(e.kind == ERR_STOPPED ? LOG_INFO : LOG_ERROR, "openr1 %s: %s", cmd->name, e.msg);
    return exit_status(&e);
}

/* A result that did not arrive is a failure, whatever the command thought. */
static int output_finish(int status)
{
    bool failed = ferror(stdout);
    errno = 0;
    if (fclose(stdout)) failed = true;
    if (!failed) return status;
    /* A reader that had enough, such as head, needs no message. */
    if (errno != EPIPE)
        log_line(LOG_ERROR, "openr1: standard output: %s", errno ? strerror(errno) : "write failed");
    return status ? status : EXIT_FAIL;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    json_memory_start();
    verify_memory_start();
    int words, status;
    if (argc > 2 && strcmp(argv[1], "help") == 0) { /* `help sft` is `sft --help` */
        const struct cmd *cmd = command_find(argc - 1, argv + 1, &words);
        if (cmd) usage_print(cmd);
        status = cmd ? EXIT_DONE : unknown_command(argc - 1, argv + 1);
        return output_finish(status);
    }
    const struct cmd *cmd = command_find(argc, argv, &words);
    if (cmd)
        status = command_run(cmd, argc - 1 - words, argv + 1 + words);
    else
        status = no_command(argc, argv);
    return output_finish(status);
}
