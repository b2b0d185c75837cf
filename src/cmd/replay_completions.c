/* replay_completions.c: what is in completions/ is what people read of a run, so a replay answers for it too.
 */
#include "cmd/replay_completions.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/hash_path.h"
#include "base/json.h"
#include "base/str.h"

struct pair {
    const char *kept, *made; /* paths of one file, in the run and in the replay */
};

/* A value as a message can show it. */
static char *short_text(const json_t *v)
{
    enum { MOST = 120 };
    char *text = v ? json_text(v) : alloc_str("not there");
    size_t n = strlen(text);
    if (n <= MOST) return text;
    n = MOST;
    while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) n--;
    struct str s;
    str_init(&s, 0);
    str_addf(&s, "%.*s...", (int)n, text);
    free(text);
    return str_take(&s);
}

/* The first key, in the order of the replay's record, whose values differ. */
static int tell_key(const struct pair *p, long line, const json_t *kept, const json_t *made, struct err *e)
{
    const char *key, *parted = NULL;
    json_t *value;
    json_object_foreach((json_t *)made, key, value)
        if (!parted && !json_equal(value, json_object_get(kept, key))) parted = key;
    if (!parted)
        return err_kind_set(e, ERR_MISMATCH, "%s:%ld: has keys, or a form, that the run did not write",
                            p->kept, line);
    char *a = short_text(json_object_get(kept, parted)), *b = short_text(json_object_get(made, parted));
    err_kind_set(e, ERR_MISMATCH,
                 "%s:%ld: \"%s\" is %s; the same step, run again, gives %s. The step's record agrees, so the "
                 "file was changed after the run",
                 p->kept, line, parted, a, b);
    free(a);
    free(b);
    return -1;
}

/* Two JSONL files that are not the same bytes. */
static int tell_line(const struct pair *p, struct err *e)
{
    struct jsonl a, b;
    int rc = -1;
    if (jsonl_open(&a, p->kept, e)) return -1;
    if (jsonl_open(&b, p->made, e)) {
        jsonl_close(&a);
        return -1;
    }
    for (bool more = true; more;) {
        json_t *kept = NULL, *made = NULL;
        int x = jsonl_next(&a, &kept, e), y = x < 0 ? -1 : jsonl_next(&b, &made, e);
        more = x == 1 && y == 1 && a.n == b.n && memcmp(a.buf, b.buf, a.n) == 0;
        if (x < 0)
            rc = err_kind_set(e, ERR_MISMATCH, "%s:%ld: is not what the run wrote there", p->kept, a.line);
        else if (x == 1 && y == 1 && !more)
            rc = tell_key(p, a.line, kept, made, e);
        else if (x != y)
            rc = err_kind_set(e, ERR_MISMATCH, "%s: has %s completions than the step made", p->kept,
                              x == 1 ? "more" : "fewer");
        else if (!more)
            rc = err_kind_set(e, ERR_MISMATCH, "%s: ends otherwise than the run wrote it", p->kept);
        json_decref(kept);
        json_decref(made);
    }
    jsonl_close(&a);
    jsonl_close(&b);
    return rc;
}

static int compare(const struct pair *p, struct err *e)
{
    char a[HASH_HEX], b[HASH_HEX];
    if (!file_exists(p->made))
        return err_kind_set(e, ERR_MISMATCH, "%s: the run made no such file", p->kept);
    if (hash_file(p->kept, a, e) || hash_file(p->made, b, e)) return -1;
    if (!strcmp(a, b)) return 0;
    if (str_ends(p->kept, ".jsonl")) return tell_line(p, e);
    return err_kind_set(e, ERR_MISMATCH,
                        "%s: its hash is %s; the same step, run again, gives a table with %s. The file was "
                        "changed after the run",
                        p->kept, a, b);
}

/* Is it a file of completions of one of these steps? */
static bool wanted(const char *name, long from, long to)
{
    static const char prefix[] = "completions_";
    if (!str_starts(name, prefix) || !(str_ends(name, ".jsonl") || str_ends(name, ".parquet"))) return false;
    long step = strtol(name + strlen(prefix), NULL, 10);
    return step >= from && step <= to;
}

/* The names in a folder that are wanted; none where there is no folder. */
static int list(const char *dir, long from, long to, char ***names, size_t *n, struct err *e)
{
    size_t all = 0;
    *names = NULL;
    *n = 0;
    if (!file_is_dir(dir)) return 0;
    if (dir_list(dir, names, &all, e)) return -1;
    for (size_t i = 0; i < all; i++) {
        if (wanted((*names)[i], from, to))
            (*names)[(*n)++] = (*names)[i];
        else
            free((*names)[i]);
    }
    return 0;
}

int replay_completions(const char *run, const char *scratch, long from, long to, long *n, struct err *e)
{
    char *kept_dir = path_join(run, "completions"), *made_dir = path_join(scratch, "completions"), **names;
    size_t n_names;
    *n = 0;
    int rc = list(kept_dir, from, to, &names, &n_names, e);
    for (size_t i = 0; i < n_names; i++) {
        char *kept = path_join(kept_dir, names[i]), *made = path_join(made_dir, names[i]);
        if (!rc) rc = compare(&(struct pair){kept, made}, e);
        *n += !rc;
        free(kept);
        free(made);
        free(names[i]);
    }
    free(names);
    free(kept_dir);
    free(made_dir);
    return rc;
}
