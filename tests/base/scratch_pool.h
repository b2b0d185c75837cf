/* scratch_pool.h: a test program's temporary folder (scratch.h), and two threads that work in it. */
#ifndef TESTS_BASE_SCRATCH_POOL_H
#define TESTS_BASE_SCRATCH_POOL_H

#include "base/pool.h"
#include "base/scratch.h"

static int scratch_pool_make(void **state)
{
    pool_start(2);
    return scratch_make(state);
}

static int scratch_pool_remove(void **state)
{
    pool_stop();
    return scratch_remove(state);
}

#endif
