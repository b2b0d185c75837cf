/* records.h: the records of a run (metrics.jsonl) read again, their chain checked, and held against others.
 *
 * A record's "prev" is the hash of the line before it (runlog.h): a line that was changed, left out or put in
 * breaks the chain at the next one, and the manifest holds the hash of the last.
 */
#ifndef BASE_RECORDS_H
#define BASE_RECORDS_H

#include <jansson.h>
#include <stddef.h>

#include "base/err.h"
#include "base/hash.h"

/* "prev" of the first record */
#define RECORDS_BEGIN "0000000000000000000000000000000000000000000000000000000000000000"

struct record {
    const char *line; /* without newline, not terminated */
    size_t n;
    long step;
};
struct records {
    char *bytes;
    struct record *list;
    size_t n;
    char head[HASH_HEX]; /* hash of the last line */
};
/* RUN/metrics.jsonl. A broken chain is ERR_MISMATCH and names the line; half a line at the end, as a kill
 * leaves it, is left out. */
int records_read(struct records *r, const char *run, struct err *e);
void records_release(struct records *r);
/* The record as an object (new reference); records_read has seen that it is one. */
json_t *record_json(const struct record *r);
/* The same without "step", "hashes" and "prev": the numbers alone. */
json_t *record_metrics(const struct record *r);

/* Where two records of one step first part, in the order in which a step makes them. */
enum part { PART_NONE, PART_DATA, PART_ROLLOUTS, PART_REWARDS, PART_WEIGHTS, PART_NUMBERS };
struct parting {
    enum part part;
    char key[64];      /* of the hash or the number */
    char a[72], b[72]; /* what each has */
};
/* The first difference of metrics and hashes; what only one of the two was asked to write (weights hashed
 * every so many steps) is none, a number that only one has is. */
struct parting records_part(const json_t *metrics_a, const json_t *hashes_a, const json_t *metrics_b,
                            const json_t *hashes_b);

#endif
