/* pack.c: best-fit-decreasing packing, TRL's packing_strategy "bfd".
 *
 * Examples are taken longest first (equal lengths in their order) and each goes into the bin whose room is
 * the smallest that suffices; among bins with equal room, into the one that has had this room longest;
 * else into a new bin. Bins wait in one queue per room, and a bit per room says which queues are not
 * empty, so that a search looks at max_length / 64 words at most.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "data/data.h"

struct rooms {
    uint64_t *waiting; /* bit r: some bin has room r */
    int *head, *tail;  /* per room; -1: none */
    int *next;         /* per bin */
    int max;
};

static void rooms_put(struct rooms *q, int bin, int room)
{
    q->next[bin] = -1;
    if (q->head[room] < 0)
        q->head[room] = bin;
    else
        q->next[q->tail[room]] = bin;
    q->tail[room] = bin;
    q->waiting[room / 64] |= (uint64_t)1 << room % 64;
}

/* Take the bin that has waited longest with the smallest room of at least `least`; -1: none. */
static int rooms_take(struct rooms *q, int least, int *room)
{
    int word = least / 64, words = q->max / 64 + 1;
    uint64_t bits = q->waiting[word] & ~(uint64_t)0 << least % 64;
    while (!bits && ++word < words) bits = q->waiting[word];
    if (!bits) return -1;
    *room = word * 64 + __builtin_ctzll(bits);
    int bin = q->head[*room];
    q->head[*room] = q->next[bin];
    if (q->head[*room] < 0) q->waiting[word] &= ~((uint64_t)1 << *room % 64);
    return bin;
}

/* Indices of the examples by falling length, equal ones in order: a counting sort. */
static int *by_falling_length(const int *lengths, int n, int max_length)
{
    int *start = alloc_zero((size_t)max_length + 2, sizeof *start);
    int *order = alloc_or_die(((size_t)n + 1) * sizeof *order);
    for (int i = 0; i < n; i++) start[max_length - lengths[i] + 1]++;
    for (int k = 0; k <= max_length; k++) start[k + 1] += start[k];
    for (int i = 0; i < n; i++) order[start[max_length - lengths[i]]++] = i;
    free(start);
    return order;
}

int pack_bfd(const int *lengths, int n, int max_length, int *bins)
{
    CHECK(n >= 0 && max_length > 0, "n %d, max_length %d", n, max_length);
    for (int i = 0; i < n; i++)
        CHECK(lengths[i] >= 0 && lengths[i] <= max_length, "length %d of example %d, max_length %d",
              lengths[i], i, max_length);
    size_t rooms = (size_t)max_length + 1;
    struct rooms q = {.waiting = alloc_zero(rooms / 64 + 1, sizeof(uint64_t)),
                      .head = alloc_or_die(rooms * sizeof(int)),
                      .tail = alloc_or_die(rooms * sizeof(int)),
                      .next = alloc_or_die(((size_t)n + 1) * sizeof(int)),
                      .max = max_length};
    for (size_t r = 0; r < rooms; r++) q.head[r] = -1;
    int *order = by_falling_length(lengths, n, max_length), n_bins = 0;
    for (int k = 0; k < n; k++) {
        int i = order[k], room = max_length;
        if (lengths[i] == 0) {
            bins[i] = -1;
            continue;
        }
        int bin = rooms_take(&q, lengths[i], &room);
        if (bin < 0) bin = n_bins++;
        bins[i] = bin;
        if (room > lengths[i]) rooms_put(&q, bin, room - lengths[i]);
    }
    free(order);
    free(q.waiting);
    free(q.head);
    free(q.tail);
    free(q.next);
    return n_bins;
}
