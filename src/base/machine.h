/* machine.h: what the control group that the program runs in (a container, a job) leaves of the machine. */
#ifndef BASE_MACHINE_H
#define BASE_MACHINE_H

#include <stddef.h>

/* Bytes of memory that this program may use at most: the machine's, or less where the group has a limit. */
size_t memory_allowed(void);

/* Of it, what this process has now and what no other uses. */
size_t memory_within_reach(void);

/* The most memory that this process has had at once. */
size_t memory_peak(void);

/* Addresses without memory, for plans: nothing may be read or written there. */
void *address_reserve(size_t bytes);
void address_release(void *p, size_t bytes);

#endif
