/* model_table.c: the list of architectures as an array, and how one is found in it.
 *
 * model_list.h has the rows; a row ARCH(x) stands for the const struct arch_x of x.c.
 */
#include <string.h>

#include "base/str.h"
#include "model/model_int.h"

#define ARCH(name) extern const struct arch arch_##name;
#include "model/model_list.h"
#undef ARCH

#define ARCH(name) &arch_##name,
static const struct arch *const table[] = {
#include "model/model_list.h"
    NULL};
#undef ARCH

const struct arch *const *arch_all(void)
{
    return table;
}

static void unknown(const char *kind, const char *found, const char *what, bool gguf, struct err *e)
{
    struct str known;
    str_init(&known, 1024);
    for (int i = 0; table[i]; i++) {
        const char *name = gguf ? table[i]->gguf : table[i]->model_type;
        if (name) str_addf(&known, "%s%s", i ? ", " : "", name);
    }
    err_set(e, "%s: %s is \"%.100s\"; known: %s", what, kind, found, known.p);
    str_release(&known);
}

const struct arch *arch_find(const char *model_type, const char *what, struct err *e)
{
    for (int i = 0; table[i]; i++)
        if (!strcmp(table[i]->model_type, model_type)) return table[i];
    unknown("model_type", model_type, what, false, e);
    return NULL;
}

const struct arch *arch_find_gguf(const char *name, const char *what, struct err *e)
{
    for (int i = 0; table[i]; i++)
        if (table[i]->gguf && !strcmp(table[i]->gguf, name)) return table[i];
    unknown("general.architecture", name, what, true, e);
    return NULL;
}
