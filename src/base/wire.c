/* wire.c: see wire.h. */
#include "base/wire.h"

#include <string.h>

void wire_little(struct str *s, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        char byte = (char)(value >> (8 * i));
        str_add(s, &byte, 1);
    }
}

void wire_varint(struct str *s, uint64_t value)
{
    for (; value >= 128; value >>= 7) wire_little(s, (value & 127) | 128, 1);
    wire_little(s, value, 1);
}

void wire_double(struct str *s, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    wire_little(s, bits, 8);
}
