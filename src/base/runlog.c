/* runlog.c: the run folder and its chain.
 *
 *   line_k = {"step": s, metrics..., "hashes": {...}, "prev": SHA-256(line_{k-1})}
 *   prev of the first line: 64 zeros
 *
 * so the hash of the last line vouches for every number of the run. On resume the chain is walked up to the
 * step of the checkpoint and checked; what lies behind it (and half a line that a kill left) is cut off
 * everywhere: metrics, timings, events, completions. Only metrics.jsonl is synced at every step; timings and
 * events are conveniences.
 */
#include "base/runlog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/hash_path.h"
#include "base/json.h"
#include "base/parquet.h"
#include "base/pool.h"
#include "base/records.h"
#include "base/str.h"
#include "base/tfevents.h"
#include "base/version.h"

#define EVENTS_NAME "events.out.tfevents.0000000001.openr1" /* one name, so that a resumed run finds it */

struct runlog {
    char *dir;
    char head[HASH_HEX];
    json_t *manifest;
    struct tfevents events;
    FILE *timings;
};

static char *inside(const struct runlog *r, const char *name)
{
    return path_join(r->dir, name);
}

static double wall_clock_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* What stands behind "KEY<spaces>:" in a file of /proc; "unknown" if it is not there. */
static char *proc_value(const char *path, const char *key)
{
    char *bytes, *value = NULL;
    size_t n;
    if (file_read(path, 1 << 24, &bytes, &n, NULL)) return alloc_str("unknown");
    for (char *line = bytes; line && *line && !value;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (!str_starts(line, key)) continue;
        size_t at = strlen(key) + strspn(line + strlen(key), " \t:");
        value = alloc_strn(line + at, strcspn(line + at, "\n"));
    }
    free(bytes);
    return value ? value : alloc_str("unknown");
}

static json_t *machine_json(void)
{
    struct utsname u;
    if (uname(&u)) return json_object();
    char *cpu = proc_value("/proc/cpuinfo", "model name"), *memory = proc_value("/proc/meminfo", "MemTotal");
    json_t *m = json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:s}", "system", u.sysname, "release", u.release,
                          "architecture", u.machine, "cpu", cpu, "cpus", (int)sysconf(_SC_NPROCESSORS_ONLN),
                          "threads", pool_threads(), "memory", memory);
    free(cpu);
    free(memory);
    return m ? m : json_object();
}

static int manifest_write(struct runlog *r, struct err *e)
{
    char *path = inside(r, "manifest.json");
    int rc = json_write_file(r->manifest, path, e);
    free(path);
    return rc;
}

static int manifest_open(struct runlog *r, bool fresh, struct err *e)
{
    char *path = inside(r, "manifest.json");
    if (!fresh && file_exists(path)) {
        r->manifest = json_read_file(path, e);
        if (r->manifest && !json_is_object(r->manifest)) {
            err_set(e, "%s is not a JSON object", path);
            json_decref(r->manifest);
            r->manifest = NULL;
        }
        if (!r->manifest)
            err_wrap(e, "the run's manifest cannot be read (remove %s: it is written anew from this run)",
                     path);
    } else {
        r->manifest =
            json_pack("{s:s, s:s, s:s, s:o, s:{}, s:{}}", "program", "openr1", "version", openr1_version,
                      "commit", openr1_commit, "machine", machine_json(), "inputs", "outputs");
    }
    free(path);
    return r->manifest ? manifest_write(r, e) : -1;
}

/* Sets *step to the "step" of a line without its newline; false if the line is not a whole record. */
static bool line_step(const char *line, size_t n, long *step, json_t **record)
{
    *record = json_read_bytes(line, n, "", NULL);
    return *record && json_get_int(*record, "step", "", step, NULL) == 0;
}

/* Length of the lines up to last_step. With head: walk the chain, leave the hash of the last kept line there.
 * */
static int lines_keep(const char *bytes, size_t n, long last_step, char *head, size_t *kept)
{
    *kept = 0;
    while (*kept < n) {
        const char *line = bytes + *kept, *end = memchr(line, '\n', n - *kept);
        long step;
        json_t *record = NULL;
        bool whole = end && line_step(line, (size_t)(end - line), &step, &record);
        bool chained = !head || strcmp(json_str_or(record, "prev", ""), head) == 0;
        json_decref(record);
        if (!whole || step > last_step) break;
        if (!chained) return -1;
        if (head) hash_bytes(line, (size_t)(end - line), head);
        *kept = (size_t)(end + 1 - bytes);
    }
    return 0;
}

/* Cut a JSON-lines file behind last_step (< 0: empty it). head NULL: the file has no chain. */
static int lines_cut(const char *path, long last_step, char *head, struct err *e)
{
    char *bytes;
    size_t n, kept;
    if (last_step < 0) return file_write(path, "", 0, e);
    if (!file_exists(path)) return 0;
    if (file_read(path, JSON_FILE_MAX, &bytes, &n, e)) return -1;
    int rc = 0;
    if (lines_keep(bytes, n, last_step, head, &kept))
        rc = err_kind_set(
            e, ERR_MISMATCH,
            "%s: the record at byte %zu does not follow from the one before: the file was changed; restore "
            "it, or begin the run anew",
            path, kept);
    else if (kept < n)
        rc = file_write(path, bytes, kept, e);
    free(bytes);
    return rc;
}

static int completions_cut(const struct runlog *r, long last_step, struct err *e)
{
    char *dir = inside(r, "completions"), **names = NULL;
    size_t n = 0;
    int rc = file_is_dir(dir) ? dir_list(dir, &names, &n, e) : 0;
    for (size_t i = 0; i < n; i++) {
        const char *digits = names[i] + strlen("completions_");
        bool ours = str_starts(names[i], "completions_") &&
                    (str_ends(names[i], ".jsonl") || str_ends(names[i], ".parquet"));
        if (!rc && ours && strtol(digits, NULL, 10) > last_step) {
            char *path = path_join(dir, names[i]);
            if (unlink(path)) rc = err_errno(e, "cannot remove %s", path);
            free(path);
        }
        free(names[i]);
    }
    free(names);
    free(dir);
    return rc;
}

static int folder_make(const struct runlog *r, const char *name, struct err *e)
{
    char *path = inside(r, name);
    int rc = file_mkdirs(path, e);
    free(path);
    return rc;
}

struct runlog *runlog_open(const char *dir, long resume_step, struct err *e)
{
    struct runlog *r = alloc_zero(1, sizeof *r);
    r->dir = alloc_str(dir);
    r->events.fd = -1;
    memcpy(r->head, RECORDS_BEGIN, HASH_HEX);
    char *metrics = inside(r, "metrics.jsonl"), *timings = inside(r, "timings.jsonl");
    char *events = inside(r, "tensorboard/" EVENTS_NAME);
    int rc = folder_make(r, "tensorboard", e);
    if (!rc) rc = manifest_open(r, resume_step < 0, e);
    if (!rc) rc = lines_cut(metrics, resume_step, r->head, e);
    if (!rc) rc = lines_cut(timings, resume_step, NULL, e);
    if (!rc) rc = completions_cut(r, resume_step, e);
    if (!rc) rc = tfevents_open(&r->events, events, resume_step, e);
    if (!rc && !(r->timings = fopen(timings, "ae"))) rc = err_errno(e, "cannot open %s", timings);
    free(metrics);
    free(timings);
    free(events);
    if (!rc) return r;
    runlog_close(r);
    return NULL;
}

void runlog_close(struct runlog *r)
{
    if (!r) return;
    tfevents_close(&r->events);
    if (r->timings) fclose(r->timings);
    json_decref(r->manifest);
    free(r->dir);
    free(r);
}

const char *runlog_dir(const struct runlog *r)
{
    return r->dir;
}

void runlog_head(const struct runlog *r, char hex[HASH_HEX])
{
    memcpy(hex, r->head, HASH_HEX);
}

int runlog_config(struct runlog *r, const char *yaml, struct err *e)
{
    char hex[HASH_HEX], *path = inside(r, "config.yaml");
    hash_bytes(yaml, strlen(yaml), hex);
    int rc = file_write(path, yaml, strlen(yaml), e);
    free(path);
    return rc ? rc : runlog_note(r, "config_sha256", json_string(hex), e);
}

/* A file or folder with its hashes into one of the manifest's lists. */
static int parent_add(struct runlog *r, const char *list, const char *name, json_t *entry, const char *path,
                      struct err *e)
{
    char hex[HASH_HEX];
    json_t *files = json_object(), *all = json_object_get(r->manifest, list);
    int rc = entry ? hash_path(path, hex, files, e) : err_set(e, "the path of %s is not UTF-8", name);
    if (!rc) {
        json_object_set_new(entry, "sha256", json_string(hex));
        if (json_object_size(files)) json_object_set(entry, "files", files);
        if (!json_is_object(all)) {
            json_object_set_new(r->manifest, list, json_object());
            all = json_object_get(r->manifest, list);
        }
        json_object_set(all, name, entry);
    }
    json_decref(files);
    json_decref(entry);
    return rc ? rc : manifest_write(r, e);
}

int runlog_input(struct runlog *r, const char *name, const char *given, const char *path, struct err *e)
{
    return parent_add(r, "inputs", name, json_pack("{s:s}", "path", given), path, e);
}

int runlog_output(struct runlog *r, const char *name, const char *path, struct err *e)
{
    return parent_add(r, "outputs", name, json_pack("{s:s}", "path", path_base(path)), path, e);
}

int runlog_note(struct runlog *r, const char *key, json_t *value_stolen, struct err *e)
{
    CHECK(value_stolen, "no value for %s", key);
    json_object_set_new(r->manifest, key, value_stolen);
    return manifest_write(r, e);
}

/* The record as a line at the end of metrics.jsonl, synced; hex: the hash of the line without newline. */
static int record_append(struct runlog *r, const json_t *record, char hex[HASH_HEX], struct err *e)
{
    char *text = json_text(record), *path = inside(r, "metrics.jsonl");
    size_t n = strlen(text);
    hash_bytes(text, n, hex);
    text[n] = '\n'; /* in the place of the NUL: the line is bytes from here on */
    int rc = file_append(path, text, n + 1, e);
    free(text);
    free(path);
    return rc;
}

static int timing_append(struct runlog *r, long step, double now, const json_t *timings, struct err *e)
{
    json_t *times = json_pack("{s:I, s:f}", "step", (json_int_t)step, "time", now);
    if (timings) json_object_update(times, (json_t *)timings);
    json_object_set_new(times, "step", json_integer(step));
    char *text = json_text(times);
    bool failed = fprintf(r->timings, "%s\n", text) < 0;
    free(text);
    json_decref(times);
    return fflush(r->timings) || failed ? err_errno(e, "cannot write timings.jsonl in %s", r->dir) : 0;
}

int runlog_step(struct runlog *r, long step, const json_t *metrics, const json_t *hashes,
                const json_t *timings, struct err *e)
{
    char hex[HASH_HEX];
    CHECK(step >= 0 && json_is_object(metrics) && json_is_object(hashes), "record of step %ld", step);
    json_t *record = json_pack("{s:I}", "step", (json_int_t)step);
    json_object_update(record, (json_t *)metrics);
    json_object_set_new(record, "step", json_integer(step));
    json_object_set(record, "hashes", (json_t *)hashes);
    json_object_set_new(record, "prev", json_string(r->head));
    int rc = record_append(r, record, hex, e);
    json_decref(record);
    if (rc) return rc;
    memcpy(r->head, hex, HASH_HEX);
    double now = wall_clock_s();
    json_t *shown = json_copy((json_t *)metrics);
    if (timings) json_object_update(shown, (json_t *)timings);
    rc = timing_append(r, step, now, timings, e);
    if (!rc) rc = tfevents_scalars(&r->events, step, now, shown, e);
    json_decref(shown);
    return rc;
}

int runlog_completions(struct runlog *r, long step, const json_t *records, struct err *e)
{
    struct str name, text;
    size_t i;
    json_t *record;
    str_init(&name, 0);
    str_init(&text, 0);
    str_addf(&name, "%s/completions/completions_%05ld.jsonl", r->dir, step);
    json_array_foreach(records, i, record)
    {
        char *line = json_text(record);
        str_puts(&text, line);
        str_puts(&text, "\n");
        free(line);
    }
    int rc = text.full ? err_set(e, "%s: more than %zu bytes", name.p, text.max)
                       : folder_make(r, "completions", e);
    if (!rc) rc = file_write(name.p, text.p, text.len, e);
    str_release(&name);
    str_release(&text);
    return rc;
}

int runlog_table(struct runlog *r, long step, const json_t *rows, struct err *e)
{
    struct str name;
    str_init(&name, 0);
    str_addf(&name, "%s/completions/completions_%05ld.parquet", r->dir, step);
    int rc = folder_make(r, "completions", e);
    if (!rc) rc = parquet_write(rows, name.p, e);
    str_release(&name);
    return rc;
}
