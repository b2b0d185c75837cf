/* cmd_exec.c: find a command, read its line, run it: for main and for pipelines. */
#include "cmd/cmd_int.h"

#include <string.h>

#include "base/check.h"
#include "base/log.h"

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

int cmd_tables(const struct cmd *cmd, const struct opt *tables[CMD_TABLES_MAX])
{
    int n = 0;
    for (; cmd->tables && cmd->tables[n]; n++) {
        CHECK(n + 1 < CMD_TABLES_MAX, "%s has more than %d option tables", cmd->name, CMD_TABLES_MAX - 1);
        tables[n] = cmd->tables[n];
    }
    tables[n++] = common_opts;
    return n;
}

struct conf *cmd_configure(const struct cmd *cmd, int argc, char **argv, struct err *e)
{
    const struct opt *tables[CMD_TABLES_MAX];
    return conf_new(tables, cmd_tables(cmd, tables), argc, argv, e);
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
