/* cmd_table.c: the rows of cmd_list.h as a table. */
#include "cmd/cmd.h"

#include <stddef.h>

#define CMD(name) extern const struct cmd cmd_##name;
#include "cmd/cmd_list.h"
#undef CMD

#define CMD(name) &cmd_##name,
static const struct cmd *const all[] = {
#include "cmd/cmd_list.h"
    NULL};
#undef CMD

const struct cmd *const *cmd_all(void)
{
    return all;
}
