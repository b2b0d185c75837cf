/* cmd_lines.c: JSON lines in, JSON lines out. */
#include "cmd/cmd_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "base/pool.h"

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

static json_t *answer(const struct lines_job *job, const json_t *record, struct err *e)
{
    json_t *id = json_object_get(record, "id"), *out = json_object(), *more = NULL;
    if (json_is_object(record))
        more = job->f(job->ctx, record, e);
    else
        err_set(e, "a record must be a JSON object {...}");
    json_object_set(out, "id", id ? id : json_null());
    if (more)
        json_object_update(out, more);
    else
        json_object_set_new(out, "error", json_string(e->msg));
    json_decref(more);
    return out;
}

/* Records that are answered together; more than threads, so that one slow record holds up few. */
struct group {
    const struct lines_job *job;
    json_t **record, **answer;
    struct err *e;
    int n, size;
};
enum { GROUP_PER_THREAD = 32 };

static void group_item(void *ctx, int i)
{
    struct group *g = ctx;
    if (g->job->parallel && stop_signal()) return;
    g->answer[i] = answer(g->job, g->record[i], &g->e[i]);
}

/* Answer and write what has been gathered; an interruption ends the whole. */
static int group_finish(struct group *g, struct lines *out, struct err *e)
{
    int rc = 0;
    if (g->job->parallel)
        pool_for(g->n, group_item, g);
    else if (g->n)
        group_item(g, 0);
    for (int i = 0; i < g->n; i++) {
        if (!rc && (!g->answer[i] || g->e[i].kind == ERR_STOPPED))
            rc = err_kind_set(e, ERR_STOPPED, "interrupted");
        if (rc)
            json_decref(g->answer[i]);
        else
            rc = lines_put(out, g->answer[i], e);
        json_decref(g->record[i]);
        g->answer[i] = NULL;
        g->e[i].kind = ERR_NONE;
    }
    g->n = 0;
    return rc;
}

int lines_map(const struct lines_job *job, struct err *e)
{
    struct jsonl in;
    struct lines out;
    struct group g = {.job = job, .size = job->parallel ? pool_threads() * GROUP_PER_THREAD : 1};
    int rc, more;
    if (jsonl_open(&in, job->in, e)) return -1;
    if (lines_open(&out, job->out, e)) {
        jsonl_close(&in);
        return -1;
    }
    g.record = alloc_zero((size_t)g.size, sizeof *g.record);
    g.answer = alloc_zero((size_t)g.size, sizeof *g.answer);
    g.e = alloc_zero((size_t)g.size, sizeof *g.e);
    do {
        more = jsonl_next(&in, &g.record[g.n], e);
        g.n += more == 1;
        rc = more == 1 && g.n < g.size ? 0 : group_finish(&g, &out, e);
    } while (!rc && more == 1);
    if (!rc) rc = more;
    free(g.record);
    free(g.answer);
    free(g.e);
    jsonl_close(&in);
    return lines_close(&out, rc, e);
}
