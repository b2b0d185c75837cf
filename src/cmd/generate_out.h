/* generate_out.h: where completions go while they are made: OUT.partial, which becomes OUT at the end; or
 * standard output, a pipe, a device, as they come.
 */
#ifndef CMD_GENERATE_OUT_H
#define CMD_GENERATE_OUT_H

#include <jansson.h>
#include <stdio.h>

#include "base/err.h"

struct generate_out {
    const char *path; /* NULL: standard output */
    char *partial;    /* NULL: lines go straight to `f` */
    FILE *f;
    long done; /* records that are there */
};
/* key: a hash of all that decides the lines. A partial file of the same key is gone on with: *done records of
 * it are there; another's is begun anew. */
int generate_out_open(struct generate_out *o, const char *path, const char *key, struct err *e);
int generate_out_put(struct generate_out *o, json_t *record_stolen, struct err *e);
/* All records are there: OUT is written, whole, and the partial file removed. */
int generate_out_finish(struct generate_out *o, struct err *e);
void generate_out_close(struct generate_out *o);

#endif
