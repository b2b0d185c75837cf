/* file.c: reading, the atomic writer, folders.
 *
 * The writer's temporary is PATH.tmp.PID.N with O_EXCL, so that two processes never share one; a kill can
 * leave it behind, under a name that no reader takes for the real one. fsync before rename, and fsync of the
 * folder after it: without the first, a power cut can leave the new name with no bytes; without the second,
 * the old name.
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/str.h"

#define BUFFER_SIZE    ((size_t)1 << 20)
#define READ_FIRST     ((size_t)1 << 16)
#define TREE_DEPTH_MAX 64
#define DIR_NAMES_MAX  ((size_t)1 << 24)

static int open_retry(const char *path, int flags, mode_t mode)
{
    int fd;
    do fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
    while (n) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            if (done == 0) errno = ENOSPC;
            return -1;
        }
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

/* Pipes and some special files cannot be synced; they have nothing to lose either. */
static int sync_fd(int fd)
{
    if (fsync(fd) == 0 || errno == EINVAL || errno == EROFS) return 0;
    return -1;
}

static int sync_dir_of(const char *path, struct err *e)
{
    char *dir = path_dir(path);
    int fd = open_retry(dir, O_RDONLY | O_DIRECTORY, 0), rc = 0;
    if (fd < 0 || sync_fd(fd)) rc = err_errno(e, "cannot sync folder %s", dir);
    if (fd >= 0) close(fd);
    free(dir);
    return rc;
}

struct contents {
    char *p;
    size_t n, cap;
};

static int contents_grow(struct contents *c, const char *path, size_t cap, struct err *e)
{
    char *p = alloc_try_again(c->p, cap + 1);
    if (!p) {
        err_set(e, "%s: no memory for its contents: %zu bytes were wanted", path, cap);
        return -1;
    }
    c->p = p;
    c->cap = cap;
    return 0;
}

/* All that fd gives, up to max bytes; the size that the system tells is a first guess. */
static int contents_read(struct contents *c, int fd, const char *path, size_t max, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st)) return err_errno(e, "cannot read %s", path);
    if (S_ISDIR(st.st_mode)) return err_set(e, "%s is a folder, a file was expected", path);
    bool known = S_ISREG(st.st_mode) && st.st_size > 0 && (size_t)st.st_size < max;
    if (contents_grow(c, path, known ? (size_t)st.st_size + 1 : READ_FIRST, e)) return -1;
    for (;;) {
        if (c->n == c->cap && contents_grow(c, path, 2 * c->cap, e)) return -1;
        ssize_t got = read(fd, c->p + c->n, c->cap - c->n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return err_errno(e, "cannot read %s", path);
        if (got == 0) break;
        c->n += (size_t)got;
        if (c->n > max) return err_set(e, "%s is larger than the %zu bytes allowed here", path, max);
    }
    c->p[c->n] = 0;
    return 0;
}

int file_read(const char *path, size_t max, char **bytes, size_t *n, struct err *e)
{
    struct contents c = {0};
    int fd = open_retry(path, O_RDONLY, 0);
    if (fd < 0) return err_errno(e, "cannot open %s", path);
    int rc = contents_read(&c, fd, path, max, e);
    close(fd);
    if (rc) {
        free(c.p);
        return -1;
    }
    *bytes = c.p;
    *n = c.n;
    return 0;
}

int file_map_open(struct file_map *m, const char *path, struct err *e)
{
    *m = (struct file_map){0};
    int rc = -1, fd = open_retry(path, O_RDONLY, 0);
    if (fd < 0) return err_errno(e, "cannot open %s", path);
    struct stat st;
    if (fstat(fd, &st)) {
        err_errno(e, "cannot read %s", path);
    } else if (!S_ISREG(st.st_mode)) {
        err_set(e, "%s is not a regular file", path);
    } else if (st.st_size <= 0) {
        err_set(e, "%s is empty", path);
    } else {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            err_errno(e, "cannot map %s", path);
        } else {
            *m = (struct file_map){p, (size_t)st.st_size};
            rc = 0;
        }
    }
    close(fd);
    return rc;
}

void file_map_forget(const struct file_map *m, size_t at, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), from = (at + page - 1) / page * page,
           to = (at + n) / page * page;
    CHECK(at <= m->n && n <= m->n - at, "%zu+%zu of %zu mapped bytes", at, n, m->n);
    if (from < to) madvise((void *)(m->p + from), to - from, MADV_DONTNEED); /* advice: it may fail */
}

void file_map_close(struct file_map *m)
{
    if (m->p) munmap((void *)m->p, m->n);
    *m = (struct file_map){0};
}

void *file_memory(const char *dir, size_t bytes, struct err *e)
{
    char *path = path_join(dir, ".pages-XXXXXX");
    int fd = mkostemp(path, O_CLOEXEC);
    void *p = MAP_FAILED;
    if (fd < 0) {
        err_errno(e, "cannot make a file in %s", dir);
    } else {
        unlink(path);
        errno = posix_fallocate(fd, 0, (off_t)bytes);
        if (errno)
            err_errno(e, "cannot set %zu MB aside in %s", bytes / 1000000, dir);
        else if ((p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED)
            err_errno(e, "cannot map %zu MB in %s", bytes / 1000000, dir);
        close(fd);
    }
    free(path);
    return p == MAP_FAILED ? NULL : p;
}

void file_memory_free(void *p, size_t bytes)
{
    if (p) munmap(p, bytes);
}

/* Where to write for `path`: behind a link, what it points to. *special: a device, pipe or socket, which
 * takes the bytes themselves and must never be replaced. malloc; NULL and e. */
static char *out_target(const char *path, bool *special, struct err *e)
{
    struct stat st;
    *special = false;
    if (lstat(path, &st)) return alloc_str(path); /* new, or an error that the next call tells */
    bool link = S_ISLNK(st.st_mode);
    *special = stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
    if (!link) return alloc_str(path);
    char *real = realpath(path, NULL);
    if (!real) err_errno(e, "cannot follow the link %s", path);
    return real;
}

static int out_create(struct file_out *o, struct err *e)
{
    static atomic_uint serial;
    struct str tmp;
    str_init(&tmp, 0);
    str_addf(&tmp, "%s.tmp.%ld.%u", o->path, (long)getpid(), atomic_fetch_add(&serial, 1));
    o->fd = open_retry(tmp.p, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (o->fd < 0)
        err_errno(e, "cannot create %s", tmp.p);
    else
        o->tmp = str_take(&tmp);
    str_release(&tmp);
    return o->fd < 0 ? -1 : 0;
}

/* Digits at the end of name[0..n) behind a dot: the bytes before that; 0: there are none. */
static size_t before_number(const char *name, size_t n)
{
    size_t at = n;
    while (at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9') at--;
    return at < n && at > 1 && name[at - 1] == '.' ? at - 1 : 0;
}

size_t file_leftover(const char *name)
{
    static const char mark[] = ".tmp";
    size_t n = before_number(name, strlen(name)), marked = strlen(mark);
    if (n) n = before_number(name, n);
    return n > marked && memcmp(name + n - marked, mark, marked) == 0 ? n - marked : 0;
}

static void out_release(struct file_out *o)
{
    free(o->path);
    free(o->tmp);
    free(o->buf);
    *o = (struct file_out){.fd = -1};
}

int file_out_open(struct file_out *o, const char *path, struct err *e)
{
    bool special;
    *o = (struct file_out){.fd = -1, .path = out_target(path, &special, e)};
    if (!o->path) return -1;
    int rc = 0;
    if (special) {
        o->fd = open_retry(o->path, O_WRONLY, 0);
        if (o->fd < 0) rc = err_errno(e, "cannot open %s", o->path);
    } else {
        char *dir = path_dir(o->path);
        rc = file_mkdirs(dir, e) || out_create(o, e) ? -1 : 0;
        free(dir);
    }
    if (rc)
        out_release(o);
    else
        o->buf = alloc_or_die(BUFFER_SIZE);
    return rc;
}

static int out_flush(struct file_out *o, struct err *e)
{
    size_t n = o->used;
    o->used = 0;
    if (write_all(o->fd, o->buf, n)) return err_errno(e, "cannot write %s", o->path);
    return 0;
}

int file_out_write(struct file_out *o, const void *bytes, size_t n, struct err *e)
{
    CHECK(o->fd >= 0 && o->buf, "writer is not open");
    if (n >= BUFFER_SIZE) {
        if (out_flush(o, e)) return -1;
        if (write_all(o->fd, bytes, n)) return err_errno(e, "cannot write %s", o->path);
        return 0;
    }
    size_t first = n < BUFFER_SIZE - o->used ? n : BUFFER_SIZE - o->used;
    if (first) memcpy(o->buf + o->used, bytes, first);
    o->used += first;
    if (o->used == BUFFER_SIZE && out_flush(o, e)) return -1;
    if (n > first) memcpy(o->buf, (const uint8_t *)bytes + first, n - first), o->used = n - first;
    return 0;
}

int file_out_commit(struct file_out *o, struct err *e)
{
    CHECK(o->fd >= 0 && o->buf, "writer is not open");
    int rc = out_flush(o, e);
    if (!rc && o->tmp && sync_fd(o->fd)) rc = err_errno(e, "cannot sync %s", o->tmp);
    if (close(o->fd) && !rc) rc = err_errno(e, "cannot close %s", o->path);
    o->fd = -1;
    if (!rc && o->tmp && rename(o->tmp, o->path))
        rc = err_errno(e, "cannot rename %s to %s", o->tmp, o->path);
    if (rc && o->tmp) unlink(o->tmp);
    if (!rc && o->tmp) rc = sync_dir_of(o->path, e);
    out_release(o);
    return rc;
}

void file_out_abort(struct file_out *o)
{
    if (o->fd >= 0) close(o->fd);
    if (o->fd >= 0 && o->tmp) unlink(o->tmp);
    out_release(o);
}

int file_write(const char *path, const void *bytes, size_t n, struct err *e)
{
    struct file_out o;
    if (file_out_open(&o, path, e)) return -1;
    if (file_out_write(&o, bytes, n, e)) {
        file_out_abort(&o);
        return -1;
    }
    return file_out_commit(&o, e);
}

int file_append(const char *path, const void *bytes, size_t n, struct err *e)
{
    int fd = open_retry(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (fd < 0) return err_errno(e, "cannot open %s", path);
    int rc = 0;
    off_t before = lseek(fd, 0, SEEK_END);
    if (write_all(fd, bytes, n) || sync_fd(fd)) {
        rc = err_errno(e, "cannot append to %s", path);
        /* Half a record must not stay; if even this fails the reader finds it at the end of the file. */
        if (before >= 0 && ftruncate(fd, before)) err_wrap(e, "%s may end in half a record", path);
    }
    if (close(fd) && !rc) rc = err_errno(e, "cannot close %s", path);
    return rc;
}

int file_mkdirs(const char *path, struct err *e)
{
    char *copy = alloc_str(path);
    int rc = 0;
    for (char *p = copy; !rc; p++) {
        if (*p && *p != '/') continue;
        char kept = *p;
        *p = 0;
        if (*copy && mkdir(copy, 0777) && !(errno == EEXIST && file_is_dir(copy))) {
            if (errno == EEXIST) errno = ENOTDIR;
            rc = err_errno(e, "cannot make folder %s", copy);
        }
        if (!kept) break;
        *p = kept;
    }
    free(copy);
    return rc;
}

int file_place_check(const char *path, struct err *e)
{
    char *at = file_is_dir(path) ? alloc_str(path) : path_dir(path);
    for (bool top = false; !top && !file_exists(at);) {
        char *up = path_dir(at);
        top = strcmp(up, at) == 0;
        free(at);
        at = up;
    }
    int rc = 0;
    if (!file_is_dir(at)) {
        errno = ENOTDIR;
        rc = err_errno(e, "%s cannot be written: %s", path, at);
    } else if (faccessat(AT_FDCWD, at, W_OK | X_OK, AT_EACCESS)) {
        rc = err_errno(e, "%s cannot be written: folder %s", path, at);
    }
    free(at);
    return rc;
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool file_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool file_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

long long file_size(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (long long)st.st_size : -1;
}

int file_copy(const char *from, const char *to, struct err *e)
{
    struct file_out o;
    int rc = -1, fd = open_retry(from, O_RDONLY, 0);
    if (fd < 0) return err_errno(e, "cannot open %s", from);
    uint8_t *buf = alloc_or_die(BUFFER_SIZE);
    if (file_out_open(&o, to, e)) goto out;
    for (;;) {
        ssize_t got = read(fd, buf, BUFFER_SIZE);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) err_errno(e, "cannot read %s", from);
        if (got < 0 || (got > 0 && file_out_write(&o, buf, (size_t)got, e))) {
            file_out_abort(&o);
            goto out;
        }
        if (got == 0) break;
    }
    rc = file_out_commit(&o, e);
out:
    free(buf);
    close(fd);
    return rc;
}

static int tree_remove(int parent, const char *name, const char *shown, int depth, struct err *e)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return 0;
    if (errno != EISDIR && errno != EPERM) return err_errno(e, "cannot remove %s", shown);
    if (depth == 0) return err_set(e, "cannot remove %s: folders nest deeper than %d", shown, TREE_DEPTH_MAX);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        int rc = err_errno(e, "cannot open folder %s", shown);
        if (fd >= 0) close(fd);
        return rc;
    }
    int rc = 0;
    for (struct dirent *d; !rc && (d = readdir(dir));) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) continue;
        char *inner = path_join(shown, d->d_name);
        rc = tree_remove(fd, d->d_name, inner, depth - 1, e);
        free(inner);
    }
    closedir(dir);
    if (!rc && unlinkat(parent, name, AT_REMOVEDIR)) rc = err_errno(e, "cannot remove folder %s", shown);
    return rc;
}

int file_remove_tree(const char *path, struct err *e)
{
    if (path[strspn(path, "/.")] == 0) return err_set(e, "refusing to remove \"%s\"", path);
    return tree_remove(AT_FDCWD, path, path, TREE_DEPTH_MAX, e);
}

int file_rename(const char *from, const char *to, struct err *e)
{
    if (rename(from, to)) return err_errno(e, "cannot rename %s to %s", from, to);
    return sync_dir_of(to, e);
}

char *path_join(const char *a, const char *b)
{
    struct str s;
    str_init(&s, 0);
    str_puts(&s, a);
    while (s.len > 1 && s.p[s.len - 1] == '/') s.p[--s.len] = 0;
    while (*b == '/' && *a) b++;
    if (s.len && s.p[s.len - 1] != '/' && *b) str_puts(&s, "/");
    str_puts(&s, b);
    char *p = str_take(&s);
    str_release(&s);
    return p;
}

char *path_dir(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    while (n > 0 && path[n - 1] != '/') n--;
    while (n > 1 && path[n - 1] == '/') n--;
    return n ? alloc_strn(path, n) : alloc_str(".");
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int name_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int dir_list(const char *path, char ***names, size_t *n, struct err *e)
{
    *names = NULL;
    *n = 0;
    DIR *dir = opendir(path);
    if (!dir) return err_errno(e, "cannot open folder %s", path);
    size_t cap = 16, used = 0;
    char **list = alloc_zero(cap, sizeof *list);
    struct dirent *d;
    for (errno = 0; (d = readdir(dir)) && used < DIR_NAMES_MAX; errno = 0) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) continue;
        if (used == cap) list = alloc_again(list, (cap *= 2) * sizeof *list);
        list[used++] = alloc_str(d->d_name);
    }
    int rc = d       ? err_set(e, "folder %s holds more than %zu names", path, DIR_NAMES_MAX)
             : errno ? err_errno(e, "cannot read folder %s", path)
                     : 0;
    closedir(dir);
    if (rc) {
        for (size_t i = 0; i < used; i++) free(list[i]);
        free(list);
        return rc;
    }
    qsort(list, used, sizeof *list, name_compare);
    *names = list;
    *n = used;
    return 0;
}
