/* generate_out.c: see generate_out.h. The first line of a partial file is {"key": HASH}; the rest are the
 * records in order. A kill can leave half a line at its end, which is cut off.
 */
#include "cmd/generate_out.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"

static char *key_line(const char *key)
{
    struct str s;
    str_init(&s, 0);
    str_addf(&s, "{\"key\":\"%s\"}\n", key);
    char *line = str_take(&s);
    str_release(&s);
    return line;
}

/* Counts the whole lines behind the first; cuts off what is not one. -1: begin anew. */
static int take_up(struct generate_out *o, const char *first)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n = getline(&line, &cap, o->f);
    off_t whole = 0;
    bool ours = n > 0 && strcmp(line, first) == 0;
    while (ours && n > 1 && line[n - 1] == '\n' && line[n - 2] == '}') {
        o->done += whole > 0;
        whole += n;
        n = getline(&line, &cap, o->f);
    }
    free(line);
    return !ours || ftruncate(fileno(o->f), whole) || fseeko(o->f, whole, SEEK_SET) ? -1 : 0;
}

static int begin(struct generate_out *o, const char *first, struct err *e)
{
    o->done = 0;
    rewind(o->f);
    if (ftruncate(fileno(o->f), 0) || fputs(first, o->f) < 0 || fflush(o->f))
        return err_errno(e, "cannot write %s", o->partial);
    return 0;
}

static int open_partial(struct generate_out *o, const char *key, struct err *e)
{
    struct str name;
    str_init(&name, 0);
    str_addf(&name, "%s.partial", o->path);
    o->partial = str_take(&name);
    str_release(&name);
    char *dir = path_dir(o->path), *first = key_line(key);
    bool old = file_exists(o->partial);
    int rc = file_mkdirs(dir, e);
    if (!rc && !(o->f = fopen(o->partial, old ? "r+e" : "w+e")))
        rc = err_errno(e, "cannot open %s", o->partial);
    bool more = !rc && old && !take_up(o, first);
    if (more) log_info("%s holds %ld records of this; they are kept", o->partial, o->done);
    if (old && !rc && !more)
        log_warn("%s is of another command or other inputs; it is begun anew", o->partial);
    if (!rc && !more) rc = begin(o, first, e);
    free(dir);
    free(first);
    return rc;
}

int generate_out_open(struct generate_out *o, const char *path, const char *key, struct err *e)
{
    struct stat st;
    *o = (struct generate_out){.path = path, .f = stdout};
    if (!path) return 0;
    if (stat(path, &st) || S_ISREG(st.st_mode)) return open_partial(o, key, e);
    o->f = fopen(path, "we");
    return o->f ? 0 : err_errno(e, "cannot open %s", path);
}

int generate_out_put(struct generate_out *o, json_t *record_stolen, struct err *e)
{
    char *text = json_text(record_stolen);
    json_decref(record_stolen);
    bool failed = fputs(text, o->f) < 0 || fputc('\n', o->f) < 0 || fflush(o->f);
    free(text);
    o->done++;
    return failed ? err_errno(e, "cannot write %s",
                              o->partial ? o->partial
                              : o->path  ? o->path
                                         : "the output")
                  : 0;
}

int generate_out_finish(struct generate_out *o, struct err *e)
{
    static char bytes[1 << 16];
    struct file_out out;
    size_t n;
    int c, rc = 0;
    if (!o->partial) return 0;
    rewind(o->f);
    do c = fgetc(o->f);
    while (c != '\n' && c != EOF); /* the key */
    if (file_out_open(&out, o->path, e)) return -1;
    while (!rc && (n = fread(bytes, 1, sizeof bytes, o->f)) > 0) rc = file_out_write(&out, bytes, n, e);
    if (!rc && ferror(o->f)) rc = err_errno(e, "cannot read %s", o->partial);
    if (!rc) rc = file_out_commit(&out, e);
    file_out_abort(&out);
    if (!rc && unlink(o->partial)) rc = err_errno(e, "cannot remove %s", o->partial);
    return rc;
}

void generate_out_close(struct generate_out *o)
{
    if (o->f && o->f != stdout) fclose(o->f);
    free(o->partial);
    *o = (struct generate_out){0};
}
