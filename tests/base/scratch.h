/* scratch.h: a temporary folder for a test program, made at the start and removed at the end. */
#ifndef TESTS_BASE_SCRATCH_H
#define TESTS_BASE_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

static char scratch_dir[64];

static int scratch_make(void **state)
{
    (void)state;
    snprintf(scratch_dir, sizeof scratch_dir, "/tmp/openr1-test-XXXXXX");
    return mkdtemp(scratch_dir) ? 0 : -1;
}

static int scratch_remove(void **state)
{
    (void)state;
    return file_remove_tree(scratch_dir, NULL);
}

/* scratch_dir/name in one of four rotating buffers. */
static const char *scratch(const char *name)
{
    static char paths[4][256];
    static int turn;
    char *p = paths[turn++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", scratch_dir, name);
    return p;
}

#endif
