/* cmd_lines.c: JSON lines in, JSON lines out. */
#include "cmd/cmd_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int lines_open(struct lines *l, const char *path, struct err *e)
{
    *l = (struct lines){.path = path};
    return path ? file_out_open(&l->file, path, e) : 0;
}

int lines_put(struct lines *l, json_t *record_stolen, struct err *e)
{
    char *text = json_text(record_stolen);
    int rc = 0;
    json_decref(record_stolen);
    if (l->path)
        rc = file_out_write(&l->file, text, strlen(text), e) || file_out_write(&l->file, "\n", 1, e) ? -1 : 0;
    else
        printf("%s\n", text);
    free(text);
    l->n++;
    return rc;
}

int lines_close(struct lines *l, int rc, struct err *e)
{
    if (!l->path) return rc;
    if (!rc) rc = file_out_commit(&l->file, e);
    file_out_abort(&l->file);
    return rc;
}

static json_t *answer(const struct lines_job *job, const json_t *record)
{
    struct err e = {0};
    json_t *id = json_object_get(record, "id"), *out = json_object(), *more = NULL;
    if (json_is_object(record))
        more = job->f(job->ctx, record, &e);
    else
        err_set(&e, "a record must be a JSON object {...}");
    json_object_set(out, "id", id ? id : json_null());
    if (more)
        json_object_update(out, more);
    else
        json_object_set_new(out, "error", json_string(e.msg));
    json_decref(more);
    return out;
}

int lines_map(const struct lines_job *job, struct err *e)
{
    struct jsonl in;
    struct lines out;
    json_t *record;
    int rc;
    if (jsonl_open(&in, job->in, e)) return -1;
    if (lines_open(&out, job->out, e)) {
        jsonl_close(&in);
        return -1;
    }
    while ((rc = jsonl_next(&in, &record, e)) == 1) {
        rc = lines_put(&out, answer(job, record), e);
        json_decref(record);
        if (rc) break;
    }
    jsonl_close(&in);
    return lines_close(&out, rc, e);
}
