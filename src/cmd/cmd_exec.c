/* cmd_exec.c: find a command, read its line, run it: for main and for pipelines. */
#include "cmd/cmd_int.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "train/train.h"

static const struct opt common_opts[] = {
    {.key = "threads",
     .type = OPT_INT,
     .help = "threads to use; no result depends on it (default: OPENR1_THREADS or one per CPU)",
     .lo = 1,
     .hi = 1024},
    {0}};

const struct cmd *cmd_find(const char *name)
{
    for (const struct cmd *const *p = cmd_all(); *p; p++)
        if (strcmp((*p)->name, name) == 0) return *p;
    return NULL;
}

static int with_common(const struct opt *const *own, const struct opt *tables[CMD_TABLES_MAX])
{
    int n = 0;
    for (; own && own[n]; n++) {
        CHECK(n + 1 < CMD_TABLES_MAX, "more than %d option tables", CMD_TABLES_MAX - 1);
        tables[n] = own[n];
    }
    tables[n++] = common_opts;
    return n;
}

int cmd_tables(const struct cmd *cmd, const struct opt *tables[CMD_TABLES_MAX])
{
    return with_common(cmd->tables, tables);
}

struct conf *cmd_configure(const struct cmd *cmd, int argc, char **argv, struct err *e)
{
    const struct opt *tables[CMD_TABLES_MAX];
    struct conf *c = conf_new(tables, cmd_tables(cmd, tables), argc, argv, e);
    if (!c || !cmd->narrow || conf_help_wanted(c)) return c;
    int n = with_common(cmd->narrow(c), tables);
    conf_free(c);
    return conf_new(tables, n, argc, argv, e);
}

int cmd_execute(const struct cmd *cmd, struct conf *c, struct err *e)
{
    struct str note;
    str_init(&note, 0);
    conf_noted(c, &note);
    if (note.len) log_info("note: %s", note.p);
    int rc = cmd->run(c, e);
    str_clear(&note);
    if (!rc) conf_unread(c, &note);
    if (note.len) log_warn("%s", note.p);
    str_release(&note);
    return rc;
}

int cmd_algo(const char *name, const struct train_hooks *hooks, struct conf *c, struct err *e)
{
    struct str out;
    str_init(&out, 0);
    int failed = algo_find(name)->run(c, hooks, &out, e);
    fputs(out.p, stdout);
    str_release(&out);
    return failed;
}
