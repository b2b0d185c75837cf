/* gen_table.c: all generators, from gen_list.h. */
#include <string.h>

#include "data/data_int.h"

#define GENERATOR(name) extern const struct datagen gen_##name;
#include "data/gen_list.h"
#undef GENERATOR

static const struct datagen *const generators[] = {
#define GENERATOR(name) &gen_##name,
#include "data/gen_list.h"
#undef GENERATOR
    NULL};

const struct datagen *const *datagen_all(void)
{
    return generators;
}

const struct datagen *datagen_find(const char *name, struct err *e)
{
    const char *names[sizeof generators / sizeof *generators];
    size_t n = 0;
    struct str list;
    str_init(&list, 1024);
    for (; generators[n]; n++) {
        names[n] = generators[n]->name;
        str_addf(&list, "%s%s", n ? ", " : "", names[n]);
        if (strcmp(name, names[n]) == 0) {
            str_release(&list);
            return generators[n];
        }
    }
    const char *near = err_nearest(name, names, n);
    err_usage(e, "no generator is called \"%s\"%s%s%s: %s", name, near ? "; did you mean \"" : "",
              near ? near : "", near ? "\"? There are" : "; there are", list.p);
    str_release(&list);
    return NULL;
}
