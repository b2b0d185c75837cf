/* cmd_lines.c: JSON lines in, JSON lines out. */
#include "cmd/cmd_lines.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "base/pool.h"

int lines_open(struct lines *l, const char *path, struct err *e)
{
    *l = (struct lines){.path = path};
    return path ? file_out_open(&l->file, path, e) : 0;
}

static int text_put(struct lines *l, const char *text, size_t n, struct err *e)
{
    if (l->path) return file_out_write(&l->file, text, n, e);
    fwrite(text, 1, n, stdout);
    return ferror(stdout) ? err_set(e, "standard output: its reader is gone, or it is full") : 0;
}

/* A record, with an id in front as JSON text unless that is NULL. */
static int record_put(struct lines *l, const char *id, json_t *record_stolen, struct err *e)
{
    char *text = json_text(record_stolen);
    struct str s;
    str_init(&s, 0);
    if (id) str_addf(&s, "{\"id\":%s%s", id, strcmp(text, "{}") == 0 ? "" : ",");
    str_puts(&s, text + (id != NULL));
    str_puts(&s, "\n");
    int rc = text_put(l, s.p, s.len, e);
    str_release(&s);
    json_decref(record_stolen);
    free(text);
    l->n++;
    return rc;
}

int lines_put(struct lines *l, json_t *record_stolen, struct err *e)
{
    return record_put(l, NULL, record_stolen, e);
}

int lines_close(struct lines *l, int rc, struct err *e)
{
    if (!l->path) return rc;
    if (!rc) rc = file_out_commit(&l->file, e);
    file_out_abort(&l->file);
    return rc;
}

json_t *lines_json(const char *text)
{
    json_t *list = json_array();
    for (size_t n; *text; text += n + (text[n] == '\n')) {
        n = strcspn(text, "\n");
        json_array_append_new(list, json_stringn(text, n));
    }
    return list;
}

/* ---- the id, as written ------------------------------------------------------------------------------- */

static const char *blanks_skip(const char *p, const char *end)
{
    while (p < end && strchr(" \t\r\n", *p)) p++;
    return p;
}

/* Behind a JSON value, or a key. */
static const char *value_skip(const char *p, const char *end)
{
    int depth = 0;
    bool inside = false;
    for (; p < end; p++) {
        if (inside && *p == '\\') {
            p++;
        } else if (*p == '"') {
            inside = !inside;
        } else if (!inside) {
            if (depth == 0 && strchr(",: \t\r\n}]", *p)) break;
            depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
        }
    }
    return p < end ? p : end;
}

/* The value of a line's "id" as it is written there; malloc, "null" when there is none that is a number, a
 * string or a word. The line may be no JSON. */
static char *id_written(const char *line, size_t n)
{
    const char *end = line + n, *p = memchr(line, '{', n);
    while (p && ++p < end) {
        const char *key = blanks_skip(p, end), *colon = blanks_skip(value_skip(key, end), end);
        const char *value = colon < end ? blanks_skip(colon + 1, end) : end, *behind = value_skip(value, end);
        bool found = end - key > 4 && strncmp(key, "\"id\"", 4) == 0;
        if (found) {
            char *text = alloc_strn(value, (size_t)(behind - value));
            json_t *other = json_loads(text, JSON_DECODE_ANY, NULL);
            if (other || (*text && strspn(text, "+-.0123456789eE") == strlen(text))) {
                json_decref(other);
                return text;
            }
            free(text);
            break;
        }
        p = behind >= end ? NULL : memchr(behind, ',', (size_t)(end - behind));
    }
    return alloc_str("null");
}

/* ---- records and answers ------------------------------------------------------------------------------ */

/* One line of input: its record, or why there is none; and its answer. */
struct item {
    json_t *record, *answer;
    char *id; /* JSON text */
    long line;
    struct err e;
};

static void item_read(struct item *t, const struct jsonl *in)
{
    json_t *id = json_object_get(t->record, "id");
    t->line = in->line;
    t->id = id && !json_is_number(id) ? json_text(id) : id_written(in->buf, in->n);
}

static void item_answer(const struct lines_job *job, struct item *t)
{
    if (json_is_object(t->record))
        t->answer = job->f(job->ctx, t->record, &t->e);
    else if (t->record)
        err_set(&t->e, "a record must be a JSON object {...}");
    json_t *own = json_object_get(t->answer, "id"); /* where the record calls it otherwise */
    if (own && !json_object_get(t->record, "id")) {
        free(t->id);
        t->id = json_text(own);
    }
    if (t->answer) {
        json_object_del(t->answer, "id");
        return;
    }
    struct str s;
    str_init(&s, 0);
    if (job->counted) str_addf(&s, "line %ld: ", t->line);
    utf8_clean(&s, t->e.msg, strlen(t->e.msg));
    t->answer = json_pack("{s:s}", "error", s.p);
    str_release(&s);
}

/* Records that are answered together; more than threads, so that one slow record holds up few. */
struct group {
    const struct lines_job *job;
    struct item *item;
    int n, size;
    long records, failed;
};
enum { GROUP_PER_THREAD = 32 };

static void group_item(void *ctx, int i)
{
    struct group *g = ctx;
    if (g->job->parallel && stop_signal()) return;
    item_answer(g->job, &g->item[i]);
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
        struct item *t = &g->item[i];
        if (!rc && (!t->answer || t->e.kind == ERR_STOPPED)) rc = err_kind_set(e, ERR_STOPPED, "interrupted");
        g->records++;
        g->failed += json_object_get(t->answer, "error") != NULL;
        if (rc)
            json_decref(t->answer);
        else
            rc = record_put(out, t->id, t->answer, e);
        json_decref(t->record);
        free(t->id);
        *t = (struct item){0};
    }
    g->n = 0;
    return rc;
}

/* Would the next record have to be waited for? */
static bool would_wait(const struct jsonl *in, bool pipe)
{
    struct pollfd p = {.fd = fileno(in->f), .events = POLLIN};
    return pipe && poll(&p, 1, 0) == 0;
}

static int group_read(struct group *g, struct jsonl *in, struct err *e)
{
    struct item *t = &g->item[g->n];
    *t = (struct item){0};
    int more = jsonl_next(in, &t->record, &t->e);
    if (more == 0) return 0;
    if (more < 0 && !(in->next && g->job->counted)) {
        *e = t->e;
        return -1;
    }
    if (more < 0) { /* the message begins with the place, which is said anew */
        char *behind = strstr(t->e.msg, ": ");
        if (behind) memmove(t->e.msg, behind + 2, strlen(behind + 2) + 1);
    }
    item_read(t, in);
    g->n++;
    return 1;
}

int lines_map(const struct lines_job *job, struct err *e)
{
    struct jsonl in;
    struct lines out;
    struct group g = {.job = job, .size = job->parallel ? pool_threads() * GROUP_PER_THREAD : 1};
    int rc = 0, more = 1;
    if (job->out && file_same(job->in, job->out))
        return err_usage(e, "%s would be written over while it is read; give another --out", job->out);
    if (jsonl_open(&in, job->in, e)) return -1;
    if (lines_open(&out, job->out, e)) {
        jsonl_close(&in);
        return -1;
    }
    bool pipe = lseek(fileno(in.f), 0, SEEK_CUR) < 0;
    g.item = alloc_zero((size_t)g.size, sizeof *g.item);
    while (!rc && more == 1) {
        if (g.n == g.size || (g.n && would_wait(&in, pipe))) rc = group_finish(&g, &out, e);
        if (pipe && g.n == 0 && !job->out) fflush(stdout);
        if (!rc) more = group_read(&g, &in, e);
    }
    if (!rc) rc = group_finish(&g, &out, e);
    if (!rc) rc = more;
    free(g.item);
    jsonl_close(&in);
    rc = lines_close(&out, rc, e);
    if (rc || !job->counted || !g.failed) return rc;
    return err_set(e, "%ld of %ld records could not be answered: see \"error\" in their answers", g.failed,
                   g.records);
}
