/* Every row of the command table can be listed, helped and parsed. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cmd/cmd.h"

static int tables_count(const struct cmd *cmd)
{
    int n = 0;
    while (cmd->tables && cmd->tables[n]) n++;
    return n;
}

static void every_command_has_a_name_a_line_and_a_paragraph(void **state)
{
    (void)state;
    for (const struct cmd *const *p = cmd_all(); *p; p++) {
        const struct cmd *cmd = *p;
        assert_non_null(cmd->run);
        assert_true(cmd->name[0] && strlen(cmd->name) <= 18);
        for (const char *c = cmd->name; *c; c++) assert_true(islower((unsigned char)*c) || *c == ' ');
        if (!cmd->summary[0] || strlen(cmd->summary) > 90 || strchr(cmd->summary, '\n'))
            fail_msg("%s: the summary is not one line", cmd->name);
        if (!cmd->details || strlen(cmd->details) < 20) fail_msg("%s: no details", cmd->name);
        for (const struct cmd *const *q = cmd_all(); q != p; q++)
            assert_string_not_equal((*q)->name, cmd->name);
    }
}

/* conf_new aborts on a default that does not parse, on a key without help and on two types of one key. */
static void every_option_table_is_sound(void **state)
{
    (void)state;
    for (const struct cmd *const *p = cmd_all(); *p; p++) {
        struct err e = {0};
        struct conf *c = conf_new((*p)->tables, tables_count(*p), 0, NULL, &e);
        assert_true(c || e.kind == ERR_USAGE);
        if (c) {
            struct str yaml;
            str_init(&yaml, 0);
            conf_yaml(c, &yaml);
            conf_unread(c, &yaml);
            assert_null(strstr(yaml.p, "set but not used"));
            str_release(&yaml);
        }
        conf_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_has_a_name_a_line_and_a_paragraph),
        cmocka_unit_test(every_option_table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
