/* cmd_report.c: `openr1 report`: runs that are there already, as one HTML page. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "cmd/cmd_int.h"
#include "report/report.h"

static const struct opt report_opts[] = {
    {.key = "directory",
     .type = OPT_STR,
     .help = "a run or evaluation, or a folder that holds such",
     .flags = OPT_REQUIRED | OPT_POSITIONAL},
    {.key = "out", .type = OPT_STR, .help = "HTML file to write (default: report.html in the folder)"},
    {.key = "title", .type = OPT_STR, .help = "heading of the page (default: the folder's name)"},
    {0}};
static const struct opt *const report_tables[] = {report_opts, NULL};

int cmd_report_run(const char *dir, struct err *e)
{
    char *path = path_join(dir, "report.html");
    int rc = report_write(dir, path_base(dir), NULL, path, e);
    free(path);
    return rc;
}

static int report_command(struct conf *c, struct err *e)
{
    char *dir = alloc_str(conf_str(c, "directory"));
    for (size_t n = strlen(dir); n > 1 && dir[n - 1] == '/'; n--) dir[n - 1] = 0;
    const char *out = conf_str(c, "out"), *title = conf_str(c, "title");
    char *path = out ? alloc_str(out) : path_join(dir, "report.html");
    int rc = report_write(dir, title ? title : path_base(dir), NULL, path, e);
    if (!rc) printf("%s\n", path);
    free(path);
    free(dir);
    return rc;
}

const struct cmd cmd_report = {
    .name = "report",
    .summary = "runs and evaluations as one HTML page",
    .details =
        "Shows the runs and evaluations found in the folder: curves, tables with standard errors, "
        "completions\n"
        "side by side, where each run came from. The page holds all it needs and opens without a network.\n"
        "Prints where it is.\n\n"
        "  openr1 report runs/sft\n"
        "  openr1 report runs --out report.html --title \"Two learning rates\"",
    .tables = report_tables,
    .run = report_command,
};
