/* embed.h: files that the program carries in itself (written by tools/embed at build time). */
#ifndef BASE_EMBED_H
#define BASE_EMBED_H

#include <stddef.h>

struct embedded {
    const char
        *path; /* below the source folder, e.g. "recipes/tiny-chain/base.yaml"; Chart.js is "chart.js" */
    const unsigned char *bytes; /* followed by a NUL that n does not count */
    size_t n;
};
extern const struct embedded embedded_files[]; /* path NULL at the end */
/* NULL when there is no such file. */
const struct embedded *embedded_find(const char *path);

#endif
