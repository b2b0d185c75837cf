/* cmd_lines.h: what commands that read and write JSON lines share. */
#ifndef CMD_CMD_LINES_H
#define CMD_CMD_LINES_H

#include <jansson.h>
#include <stdbool.h>

#include "base/file.h"

/* Records to a file, written whole or not at all, or to standard output when path is NULL. */
struct lines {
    const char *path;
    struct file_out file;
    long n;
};
int lines_open(struct lines *l, const char *path, struct err *e);
/* Writes one record and releases it. */
int lines_put(struct lines *l, json_t *record_stolen, struct err *e);
/* rc: 0 keep what was written, else drop it. Returns rc, or -1 when keeping fails. */
int lines_close(struct lines *l, int rc, struct err *e);

/* Answer each record of a JSONL file ("-": standard input) with f's new record, the record's "id" put in
 * front as it is written there. Where f fails, or a line is no JSON, the answer is {"id", "error"}: one bad
 * record does not cost the others. Answers keep the order of the records; what comes through a pipe is
 * answered before more of it is waited for. */
typedef json_t *(*lines_fn)(void *ctx, const json_t *record, struct err *e);
struct lines_job {
    const char *in, *out;
    lines_fn f;
    void *ctx;
    bool parallel; /* f may be called from all threads of the pool at once */
    bool counted;  /* answers with an "error" say their line, and fail the run when all are written */
};
int lines_map(const struct lines_job *job, struct err *e);

/* A text as the list of its lines. */
json_t *lines_json(const char *text);

#endif
