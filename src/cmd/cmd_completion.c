/* cmd_completion.c: a completion script for the shell, from the command table and the option tables.
 *
 * bash and zsh share one script (zsh through bashcompinit). Words of commands are offered first, then
 * options, else file names.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"

static void options_print(const struct cmd *cmd)
{
    printf("  \"%s\") words='--config --help --threads", cmd->name);
    for (int t = 0; cmd->tables && cmd->tables[t]; t++)
        for (const struct opt *o = cmd->tables[t]; o->key; o++) printf(" --%s", o->key);
    puts("';;");
}

static int completion_run(struct conf *c, struct err *e)
{
    (void)e;
    if (strcmp(conf_str(c, "shell"), "zsh") == 0) puts("autoload -U bashcompinit && bashcompinit");
    puts("_openr1() {\n"
         "  local cur=${COMP_WORDS[COMP_CWORD]} one=${COMP_WORDS[1]} two=\"${COMP_WORDS[1]} "
         "${COMP_WORDS[2]}\" words=\n"
         "  case $COMP_CWORD in");
    printf("  1) words='--help --version");
    for (const struct cmd *const *p = cmd_all(); *p; p++) {
        size_t n = strcspn((*p)->name, " ");
        /* Commands of one group stand together in the list; the group's word is wanted once. */
        if (p == cmd_all() || strncmp(p[-1]->name, (*p)->name, n + ((*p)->name[n] == ' ')))
            printf(" %.*s", (int)n, (*p)->name);
    }
    puts("';;\n  2) case $one in");
    for (const struct cmd *const *p = cmd_all(); *p; p++) {
        const char *space = strchr((*p)->name, ' ');
        if (space)
            printf("    %.*s) words=\"$words %s\";;&\n", (int)(space - (*p)->name), (*p)->name, space + 1);
    }
    puts("    *) ;;\n    esac;;\n  esac\n  case $cur in -*) case $two in");
    for (const struct cmd *const *p = cmd_all(); *p; p++)
        if (strchr((*p)->name, ' ')) options_print(*p);
    puts("  *) case $one in");
    for (const struct cmd *const *p = cmd_all(); *p; p++)
        if (!strchr((*p)->name, ' ')) options_print(*p);
    puts("  esac;; esac;; esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
         "}\n"
         "complete -o default -F _openr1 openr1");
    return 0;
}

static const struct opt completion_opts[] = {
    {"shell", OPT_STR, "bash", "the shell to write for", 0, 0, "bash|zsh", OPT_POSITIONAL, NULL},
    {NULL, 0, NULL, NULL, 0, 0, NULL, 0, NULL}};
static const struct opt *const completion_tables[] = {completion_opts, NULL};

const struct cmd cmd_completion = {
    .name = "completion",
    .summary = "print a completion script for bash or zsh",
    .details = "For this shell session:\n  eval \"$(openr1 completion bash)\"",
    .tables = completion_tables,
    .run = completion_run,
};
