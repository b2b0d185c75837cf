/* runlog.h: a run is a folder.
 *
 *   DIR/config.yaml     resolved configuration, every default
 *   DIR/manifest.json   program version and commit, seed, machine, hashes of inputs and outputs; at the end
 *                       that of the last record
 *   DIR/metrics.jsonl   one record a step: TRL's metric names, and the hash chain (see below)
 *   DIR/timings.jsonl   one record a step: the clock, step_time, rates
 *   DIR/tensorboard/    events.out.tfevents.*
 *   DIR/completions/    completions_00010.jsonl, one record a completion, and TRL's table as .parquet; made
 *                       with the first of them
 *
 * Chain: each record of metrics.jsonl ends with a "hashes" object for the step (batch, rollouts, rewards,
 * weights) and "prev" (hash of the previous record's line without newline; 64 zeros for the first).
 * Wall-clock facts (step_time, rates) are kept out of the chained record, in timings.jsonl, so that two equal
 * runs have equal bytes. On resume at step s the chain is checked (ERR_MISMATCH when it is broken) and
 * everything of later steps is cut off.
 */
#ifndef BASE_RUNLOG_H
#define BASE_RUNLOG_H

#include <jansson.h>

#include "base/err.h"
#include "base/hash.h"

struct runlog;

/* Make or reopen the folder. resume_step < 0: a fresh run (an existing metrics.jsonl is replaced). */
struct runlog *runlog_open(const char *dir, long resume_step, struct err *e);
void runlog_close(struct runlog *r);
const char *runlog_dir(const struct runlog *r);

int runlog_config(struct runlog *r, const char *yaml, struct err *e);
/* The manifest is rewritten atomically at each call. Borrowed values are copied. Inputs and outputs are noted
 * with their hash, folders with that of each file too: an input as the user gave it (a hub's name, say) and
 * where it lies, an output by its name within DIR. */
int runlog_input(struct runlog *r, const char *name, const char *given, const char *path, struct err *e);
int runlog_output(struct runlog *r, const char *name, const char *path, struct err *e);
int runlog_note(struct runlog *r, const char *key, json_t *value_stolen, struct err *e);

/* Append the record of one step. metrics and hashes are objects (borrowed); timings may be NULL. */
int runlog_step(struct runlog *r, long step, const json_t *metrics, const json_t *hashes,
                const json_t *timings, struct err *e);
int runlog_completions(struct runlog *r, long step, const json_t *records, struct err *e); /* array */
/* The same in the columns that TRL logs, as completions_00010.parquet (parquet.h says how rows become it). */
int runlog_table(struct runlog *r, long step, const json_t *rows, struct err *e);
/* Hash of the last record, for the final line of a run and for checkpoints. */
void runlog_head(const struct runlog *r, char hex[HASH_HEX]);

#endif
