/* wire.h: the numbers that binary formats are made of, appended to a string of bytes. */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include <stdint.h>

#include "base/str.h"

/* The low bytes of value, least significant first. */
void wire_little(struct str *s, uint64_t value, int bytes);
/* Seven bits a byte, least significant first, the top bit saying that more follow (LEB128). */
void wire_varint(struct str *s, uint64_t value);
/* A double's 8 bytes. */
void wire_double(struct str *s, double x);

#endif
