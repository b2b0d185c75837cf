/* hub_pull.c: a repository's files into the cache.
 *
 * A file arrives as blobs/HASH.incomplete, goes on from there after any interruption, and gets its name only
 * when its bytes have that hash. Links and the reference come when all files are there; so a name leads to
 * the whole snapshot, or to the one before. huggingface_hub's lock files keep two programs from writing one
 * blob at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "net/hub_int.h"

enum { ROUNDS = 2, MEGABYTE = 1000000 };

struct pull {
    struct hub hub;
    struct hub_list list;
    struct hub_file *files; /* [n] those asked for */
    size_t n;
    char *folder, *blobs, *snapshot, *locks;
    struct progress progress;
    int64_t done; /* bytes of all files that are there */
};

static char *join_with(const char *dir, const char *name, const char *ending)
{
    struct str s;
    str_init(&s, 0);
    str_addf(&s, "%s/%s%s", dir, name, ending);
    return str_take(&s);
}

/* ---- which files --------------------------------------------------------------------------------------- */

/* A pattern that ends in '/' means everything below. */
static bool any_match(const char *const *patterns, size_t n, const char *path)
{
    for (size_t i = 0; i < n; i++) {
        if (fnmatch(patterns[i], path, 0) == 0) return true;
        if (str_ends(patterns[i], "/") && str_starts(path, patterns[i])) return true;
    }
    return false;
}

static int choose_files(struct pull *p, const struct hub_pull *want, struct err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < p->list.n; i++) {
        char *path = p->list.paths[i];
        bool wanted = (!want->n_include || any_match(want->include, want->n_include, path)) &&
                      !any_match(want->exclude, want->n_exclude, path);
        if (wanted)
            p->list.paths[n++] = path;
        else
            free(path);
    }
    size_t all = p->list.n;
    p->list.n = n;
    if (n) return 0;
    return err_set(e, "%s: none of its %zu files is asked for; see --include and --exclude", want->name, all);
}

/* ---- one blob ------------------------------------------------------------------------------------------ */

struct fetch {
    struct pull *pull;
    const struct hub_file *f;
    char *part;
    int fd;
    int64_t have;
    bool begun; /* bytes of this attempt have come */
    char range[64];
    const char *headers[3];
    struct http_response rs;
};

static void show(struct pull *p, int64_t done, const char *note)
{
    progress_update(&p->progress, (long)(done / MEGABYTE), note);
}

/* The first bytes of an attempt: does the server go on where we stopped, or begin again? */
static int fetch_begin(struct fetch *x, struct err *e)
{
    char text[96];
    long long from = 0;
    x->begun = true;
    if (x->have == 0) return 0;
    if (http_header(&x->rs, "content-range", text, sizeof text)) {
        const char *p = text + strcspn(text, "0123456789");
        from = strtoll(p, NULL, 10);
        if (from != x->have)
            return err_set(e, "bytes from %lld on were sent, from %" PRId64 " on were asked for", from,
                           x->have);
        return 0;
    }
    x->have = 0;
    return ftruncate(x->fd, 0) || lseek(x->fd, 0, SEEK_SET) ? err_errno(e, "cannot write %s", x->part) : 0;
}

static int fetch_bytes(void *ctx, const char *bytes, size_t n, struct err *e)
{
    struct fetch *x = ctx;
    if (!x->begun && fetch_begin(x, e)) return -1;
    if (x->f->size >= 0 && (int64_t)n > x->f->size - x->have)
        return err_set(e, "more than the %" PRId64 " bytes that the hub told", x->f->size);
    while (n) {
        ssize_t done = write(x->fd, bytes, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return err_errno(e, "cannot write %s", x->part);
        bytes += done, n -= (size_t)done;
        x->have += done;
    }
    show(x->pull, x->pull->done + x->have, x->f->path);
    return 0;
}

/* Before each attempt: go on behind what is there. */
static int fetch_again(struct hub_call *c, struct err *e)
{
    struct fetch *x = c->ctx;
    struct stat st;
    if (fstat(x->fd, &st)) return err_errno(e, "cannot read %s", x->part);
    x->have = st.st_size;
    if (x->f->size >= 0 && x->have > x->f->size) x->have = 0;
    if (ftruncate(x->fd, x->have) || lseek(x->fd, x->have, SEEK_SET) < 0)
        return err_errno(e, "cannot write %s", x->part);
    x->begun = false;
    x->headers[0] = "Accept-Encoding: identity";
    x->headers[1] = x->have ? x->range : NULL;
    snprintf(x->range, sizeof x->range, "Range: bytes=%" PRId64 "-", x->have);
    c->rq.headers = x->headers;
    return 0;
}

/* 0: all bytes are there; 1: not, try once more; -1: e. */
static int fetch_round(struct fetch *x, struct err *e)
{
    const struct hub_file *f = x->f;
    struct stat st;
    if (fstat(x->fd, &st)) return err_errno(e, "cannot read %s", x->part);
    if (f->size >= 0 && st.st_size == f->size) return 0;
    struct hub_call c = {.rq = {.url = f->url, .sink = fetch_bytes, .sink_ctx = x}, .what = f->path};
    c.rq.max_bytes = f->size > 0 ? (size_t)f->size : (size_t)1 << 50;
    c.again = fetch_again;
    c.ctx = x;
    int failed = hub_send(&x->pull->hub, &c, &x->rs, e);
    bool beyond = failed && x->rs.status == 416; /* what is there is not a part of the file */
    http_response_release(&x->rs);
    if (beyond) return ftruncate(x->fd, 0) ? err_errno(e, "cannot write %s", x->part) : 1;
    if (failed) return -1;
    if (f->size < 0 || x->have == f->size) return 0;
    err_set(e, "%s: ended after %" PRId64 " of %" PRId64 " bytes", f->path, x->have, f->size);
    return 1;
}

/* 0: it has; 1: it has not; -1: e. */
static int fetch_check(const struct fetch *x, struct err *e)
{
    char hash[HASH_HEX];
    bool sha256 = strlen(x->f->hash) == HUB_HASH_MAX;
    if (fsync(x->fd)) return err_errno(e, "cannot write %s", x->part);
    if (sha256 ? hash_file(x->part, hash, e) : hash_git_blob(x->part, hash, e)) return -1;
    if (!strcmp(hash, x->f->hash)) return 0;
    err_set(e,
            "%s: what came has the hash %.16s..., the hub told %.16s...; it was changed on the way or is "
            "broken at "
            "the hub. Try again, or another HF_ENDPOINT",
            x->f->path, hash, x->f->hash);
    return ftruncate(x->fd, 0) ? err_errno(e, "cannot write %s", x->part) : 1;
}

static int fetch_run(struct fetch *x, const char *blob, struct err *e)
{
    int result = 1;
    x->fd = open(x->part, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (x->fd < 0) return err_errno(e, "cannot open %s", x->part);
    for (int round = 0; round < ROUNDS && result == 1; round++) {
        result = fetch_round(x, e);
        if (result == 0) result = fetch_check(x, e);
    }
    close(x->fd);
    if (result) return -1;
    return file_rename(x->part, blob, e);
}

/* A lock that goes with its descriptor; waits for whoever holds it. */
static int lock_take(const char *path, struct err *e)
{
    char *dir = path_dir(path);
    int fd = file_mkdirs(dir, e) ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) err_errno(e, "cannot open %s", path);
    free(dir);
    while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
        struct timespec step = {0, 100000000};
        if (errno == EWOULDBLOCK && !stop_signal()) {
            nanosleep(&step, NULL);
            continue;
        }
        if (stop_signal())
            err_kind_set(e, ERR_STOPPED, "interrupted");
        else
            err_errno(e, "cannot lock %s", path);
        close(fd);
        fd = -1;
    }
    return fd;
}

static int fetch_file(struct pull *p, const struct hub_file *f, struct err *e)
{
    struct fetch x = {.pull = p, .f = f};
    char *blob = path_join(p->blobs, f->hash), *lock = join_with(p->locks, f->hash, ".lock");
    x.part = join_with(p->blobs, f->hash, ".incomplete");
    int fd = lock_take(lock, e), result = -1;
    if (fd >= 0) result = file_exists(blob) ? 0 : fetch_run(&x, blob, e);
    if (fd >= 0) close(fd);
    if (!result) p->done += file_size(blob);
    free(blob);
    free(lock);
    free(x.part);
    return result;
}

/* ---- links --------------------------------------------------------------------------------------------- */

static int link_file(const struct pull *p, const struct hub_file *f, struct err *e)
{
    struct str to;
    char *path = path_join(p->snapshot, f->path), *tmp = join_with(p->snapshot, f->path, ".link");
    char *dir = path_dir(path);
    str_init(&to, 0);
    str_puts(&to, "../../");
    for (const char *c = f->path; *c; c++)
        if (*c == '/') str_puts(&to, "../");
    str_addf(&to, "blobs/%s", f->hash);
    int result = file_mkdirs(dir, e);
    unlink(tmp);
    if (!result && symlink(to.p, tmp)) result = err_errno(e, "cannot link %s", tmp);
    if (!result) result = file_rename(tmp, path, e);
    str_release(&to);
    free(dir);
    free(tmp);
    free(path);
    return result;
}

/* ---- all of it ----------------------------------------------------------------------------------------- */

/* Size and hash of every file that is not linked yet (what a commit names never changes). */
static int ask_files(struct pull *p, struct err *e)
{
    p->files = alloc_zero(p->list.n, sizeof *p->files);
    for (size_t i = 0; i < p->list.n; i++) {
        char *there = path_join(p->snapshot, p->list.paths[i]);
        bool known = file_exists(there);
        free(there);
        if (known) continue;
        if (hub_head(&p->hub, p->list.commit, p->list.paths[i], &p->files[p->n], e)) return -1;
        p->n++;
    }
    return 0;
}

static int check_room(const struct pull *p, int64_t *total, struct err *e)
{
    struct statvfs fs;
    int64_t missing = 0;
    *total = 0;
    for (size_t i = 0; i < p->n; i++) {
        char *blob = path_join(p->blobs, p->files[i].hash);
        char *part = join_with(p->blobs, p->files[i].hash, ".incomplete");
        int64_t size = p->files[i].size > 0 ? p->files[i].size : 0, have = file_size(part);
        if (!file_exists(blob)) missing += have > 0 && have <= size ? size - have : size;
        *total += size;
        free(blob);
        free(part);
    }
    if (statvfs(p->blobs, &fs)) return err_errno(e, "cannot look at %s", p->blobs);
    double room = (double)fs.f_bavail * (double)fs.f_frsize;
    if ((double)missing <= room) return 0;
    return err_set(
        e,
        "%s: %.2f GB are missing, the disk has room for %.2f GB; make room, or set HF_HOME to another disk",
        p->folder, (double)missing / 1e9, room / 1e9);
}

static int fetch_all(struct pull *p, struct err *e)
{
    int64_t total;
    if (file_mkdirs(p->blobs, e) || check_room(p, &total, e)) return -1;
    progress_start(&p->progress, "pull (MB)", (long)(total / MEGABYTE) + 1);
    int result = 0;
    for (size_t i = 0; i < p->n && !result; i++) {
        result = fetch_file(p, &p->files[i], e);
        if (!result && stop_signal())
            result = err_kind_set(e, ERR_STOPPED, "interrupted; run again to go on");
    }
    if (!result) show(p, (int64_t)p->progress.total * MEGABYTE, NULL);
    progress_end(&p->progress);
    for (size_t i = 0; i < p->n && !result; i++) result = link_file(p, &p->files[i], e);
    return result;
}

static int write_reference(const struct pull *p, struct err *e)
{
    if (hub_is_commit(p->hub.revision)) return 0;
    char *refs = path_join(p->folder, "refs"), *file = path_join(refs, p->hub.revision);
    int result = file_write(file, p->list.commit, 40, e);
    free(file);
    free(refs);
    return result;
}

static void find_places(struct pull *p)
{
    char *cache = hub_cache(), *locks = path_join(cache, ".locks"), *snapshots;
    p->folder = hub_folder(p->hub.type, p->hub.name);
    p->blobs = path_join(p->folder, "blobs");
    snapshots = path_join(p->folder, "snapshots");
    p->snapshot = path_join(snapshots, p->list.commit);
    p->locks = path_join(locks, path_base(p->folder));
    free(snapshots);
    free(locks);
    free(cache);
}

static void pull_release(struct pull *p)
{
    for (size_t i = 0; i < p->n; i++) hub_file_release(&p->files[i]);
    free(p->files);
    free(p->folder);
    free(p->blobs);
    free(p->snapshot);
    free(p->locks);
    hub_list_release(&p->list);
    hub_release(&p->hub);
}

static bool offline(void)
{
    const char *value = getenv("HF_HUB_OFFLINE");
    return value && (!strcmp(value, "1") || !strcasecmp(value, "true") || !strcasecmp(value, "yes") ||
                     !strcasecmp(value, "on"));
}

int hub_pull(const struct hub_pull *want, char **folder, struct err *e)
{
    struct pull p = {0};
    int result = -1;
    *folder = NULL;
    if (offline()) return err_set(e, "%s: HF_HUB_OFFLINE is set, so nothing is fetched", want->name);
    if (hub_open(&p.hub, want->type, want->name, want->revision, e) || hub_list(&p.hub, &p.list, e)) goto out;
    if (choose_files(&p, want, e)) goto out;
    find_places(&p);
    if (ask_files(&p, e) || fetch_all(&p, e) || write_reference(&p, e)) goto out;
    *folder = alloc_str(p.snapshot);
    result = 0;
out:
    pull_release(&p);
    return result;
}
