/* piston.h: a client of Piston, the code execution service that Open-R1 uses.
 *
 * Servers are the endpoints of PISTON_ENDPOINTS ("http://host:port/api/v2", commas between), each with at
 * most PISTON_MAX_REQUESTS_PER_ENDPOINT (1) requests at a time, over all threads. A request that fails for
 * reasons of the service (no connection, time-out, overload) is tried again, on another server where there is
 * one; its place is given back in every case. A signal to stop does not end it: a step that was begun is
 * finished.
 */
#ifndef REWARD_PISTON_H
#define REWARD_PISTON_H

#include <jansson.h>

#include "base/err.h"

enum { PISTON_TRIES = 6 };

/* POST {"language","version","files",...} to /execute; the answer {"compile","run"} or {"message"} is a new
 * reference. `endpoints`: a comma list, or NULL for the environment's. wait_s: between tries, doubled each
 * time (1 as Open-R1 has it; tests use less). */
json_t *piston_execute(const char *endpoints, const json_t *request, double wait_s, struct err *e);

#endif
