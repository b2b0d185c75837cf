/* clean_int.h: the table of signs. */
#ifndef VERIFY_CLEAN_INT_H
#define VERIFY_CLEAN_INT_H

#include <stddef.h>

struct sign {
    const char *bytes, *means;
};
const struct sign *sign_find(const char *s, size_t n); /* one UTF-8 character */

#endif
