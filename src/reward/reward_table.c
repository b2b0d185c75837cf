/* reward_table.c: the rows of reward_list.h as a table, and the search by name. */
#include <string.h>

#include "base/str.h"
#include "reward/reward.h"

#define REWARD(name) extern const struct reward reward_##name;
#include "reward/reward_list.h"
#undef REWARD

#define REWARD(name) &reward_##name,
static const struct reward *const all[] = {
#include "reward/reward_list.h"
    NULL};
#undef REWARD

const struct reward *const *reward_all(void)
{
    return all;
}

const struct reward *reward_find(const char *name, struct err *e)
{
    const char *names[sizeof all / sizeof *all];
    struct str list;
    size_t n = 0;
    str_init(&list, 1024);
    for (; all[n]; n++) {
        names[n] = all[n]->name;
        str_addf(&list, "%s%s", n ? ", " : "", names[n]);
        if (strcmp(name, names[n]) == 0) {
            str_release(&list);
            return all[n];
        }
    }
    const char *near = err_nearest(name, names, n);
    err_usage(e, "no reward is called \"%s\"%s%s%s: %s", name, near ? "; did you mean \"" : "",
              near ? near : "", near ? "\"? There are" : "; there are", list.p);
    str_release(&list);
    return NULL;
}
