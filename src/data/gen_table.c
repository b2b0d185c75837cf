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
    for (; generators[n]; n++) {
        names[n] = generators[n]->name;
        if (strcmp(name, names[n]) == 0) return generators[n];
    }
    err_unknown(e, "generator", name, names, n);
    return NULL;
}
