/* kern_table.c: the tables that were built, and the choice among them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "kern/kern_int.h"

static const struct kern *const tables[] = {&kern_ref, NULL};
static const struct kern *chosen;

const struct kern *const *kern_tables(void)
{
    return tables;
}

int kern_choose(const char *name, char *msg, size_t size)
{
    for (int i = 0; tables[i]; i++) {
        if (name && strcmp(name, tables[i]->name)) continue;
        if (!tables[i]->usable()) continue;
        chosen = tables[i];
        return 0;
    }
    snprintf(msg, size, "no usable instruction set \"%s\"; usable: ref", name);
    return -1;
}

const struct kern *kern(void)
{
    if (!chosen) {
        char msg[160];
        int rc = kern_choose(getenv("OPENR1_ISA"), msg, sizeof msg);
        CHECK(rc == 0, "OPENR1_ISA: %s", msg);
    }
    return chosen;
}
