/* hub_api.c: what a Hugging Face hub is asked: the files of a revision, and size, hash and place of each.
 *
 *   GET  HUB/api/models/NAME/revision/REVISION    {"sha": commit, "siblings": [{"rfilename": path}, ...]}
 *   HEAD HUB/NAME/resolve/COMMIT/PATH             a small file: 200, ETag is the SHA-1 of its git blob
 *        a large one: 302 to a store; X-Linked-ETag is the SHA-256 of its content, X-Linked-Size its size
 * (datasets: api/datasets/..., datasets/NAME/resolve/...). A relative redirect, or one without a hash, leads
 * to another place on the hub (a new name, a cache) and is followed there only.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "net/hub_int.h"

enum { ATTEMPTS = 5, PAUSE_MAX_S = 60, MOVES_MAX = 5, LIST_BYTES_MAX = 256 << 20, URL_MAX_BYTES = 8192 };

int hub_open(struct hub *h, enum hub_type type, const char *name, const char *revision, struct err *e)
{
    *h = (struct hub){.type = type, .name = name, .revision = revision ? revision : "main"};
    if (!hub_name_ok(name))
        return err_usage(e, "\"%.200s\" is no name of a repository; NAME or OWNER/NAME is expected", name);
    if (!hub_path_ok(h->revision)) return err_usage(e, "\"%.200s\" is no revision", h->revision);
    h->endpoint = hub_endpoint(e);
    if (!h->endpoint) return -1;
    h->token = hub_token();
    return 0;
}

void hub_release(struct hub *h)
{
    free(h->endpoint);
    free(h->token);
    *h = (struct hub){0};
}

/* ---- addresses ----------------------------------------------------------------------------------------- */

/* Everything but letters, digits and -._~ as %XX; slashes stay if `slashes`. */
static void put_quoted(struct str *s, const char *text, bool slashes)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool plain = (*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') ||
                     strchr("-._~", *p) || (slashes && *p == '/');
        if (plain)
            str_add(s, (const char *)p, 1);
        else
            str_addf(s, "%%%02X", *p);
    }
}

/* Length of "scheme://host:port". */
static size_t origin_length(const char *url)
{
    const char *host = strstr(url, "://");
    return host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : 0;
}

static bool same_origin(const char *a, const char *b)
{
    size_t n = origin_length(a);
    return n > 0 && n == origin_length(b) && !strncmp(a, b, n);
}

/* ---- one request, with patience ------------------------------------------------------------------------ */

static int hub_status(const struct hub *h, const struct hub_call *c, const struct http_response *rs,
                      struct err *e)
{
    const char *repository = h->type == HUB_DATASET ? "datasets/" : "";
    char code[64] = "";
    http_header(rs, "x-error-code", code, sizeof code);
    switch (rs->status) {
    case 401:
        return err_set(
            e,
            "%s: the hub asks who you are (401 %s): there is no such repository, or it is private or "
            "gated. Check the name; for a private one set HF_TOKEN to a token that may read it%s",
            c->what, code, h->token ? " (the one that is set is not accepted)" : "");
    case 403:
        return err_set(
            e,
            "%s: the hub refuses (403 %s): the token%s may not read it, or its conditions were not "
            "accepted; open %s/%s%s in a browser, accept them, and try again",
            c->what, code, h->token ? "" : " (none is set, see HF_TOKEN)", h->endpoint, repository, h->name);
    case 404:
        return err_set(e, "%s: not found at %s (404 %s); check name, revision and type of the repository",
                       c->what, h->endpoint, code);
    case 429:
        return err_set(e, "%s: the hub is asked too often (429); wait some minutes, or set HF_TOKEN%s",
                       c->what, h->token ? " to another token" : "");
    default:
        return err_set(e, "%s: the hub answers with status %ld%s", c->what, rs->status,
                       rs->status >= 500 ? "; its fault: try again later" : "");
    }
}

/* Seconds before attempt number `tried` + 1: what the answer asks for, or 1, 2, 4, ... */
static double pause_s(const struct http_response *rs, int tried)
{
    char text[32], *end;
    if (!http_header(rs, "retry-after", text, sizeof text)) return 1 << (tried - 1);
    long s = strtol(text, &end, 10);
    return end == text || s < 0 ? 1 << (tried - 1) : s > PAUSE_MAX_S ? PAUSE_MAX_S : (double)s;
}

static int pause_for(double seconds, struct err *e)
{
    for (double until = clock_s() + seconds; clock_s() < until;) {
        struct timespec step = {0, 50000000};
        if (stop_signal()) return err_kind_set(e, ERR_STOPPED, "interrupted");
        nanosleep(&step, NULL);
    }
    return 0;
}

static int attempt(const struct hub *h, struct hub_call *c, struct http_response *rs, struct err *e)
{
    char *bearer = NULL;
    const char *headers[8];
    int n = 0;
    for (const char *const *p = c->rq.headers; p && *p; p++) {
        CHECK(n < 6, "%d headers", n);
        headers[n++] = *p;
    }
    if (h->token && same_origin(c->rq.url, h->endpoint)) {
        size_t room = strlen(h->token) + 32;
        bearer = alloc_or_die(room);
        snprintf(bearer, room, "Authorization: Bearer %s", h->token);
        headers[n++] = bearer;
    }
    headers[n] = NULL;
    struct http_request rq = c->rq;
    rq.headers = headers;
    int failed = http_send(&rq, rs, e);
    free(bearer);
    return failed;
}

int hub_send(const struct hub *h, struct hub_call *c, struct http_response *rs, struct err *e)
{
    struct err why = {0};
    for (int tried = 1;; tried++) {
        if (c->again && c->again(c, e)) {
            *rs = (struct http_response){0};
            str_init(&rs->head, 0);
            str_init(&rs->body, 0);
            return -1;
        }
        int failed = attempt(h, c, rs, &why);
        bool busy = !failed && (rs->status == 429 || rs->status >= 500);
        if (!failed && !busy) return rs->status < 400 ? 0 : hub_status(h, c, rs, e);
        if (why.kind == ERR_STOPPED) return err_kind_set(e, ERR_STOPPED, "%s: interrupted", c->what);
        if (tried == ATTEMPTS)
            return failed ? err_set(e, "%s: %s", c->what, why.msg) : hub_status(h, c, rs, e);
        double wait = pause_s(rs, tried);
        if (failed)
            log_warn("%s: %s; attempt %d of %d follows", c->what, why.msg, tried + 1, ATTEMPTS);
        else
            log_warn("%s: status %ld; attempt %d of %d follows", c->what, rs->status, tried + 1, ATTEMPTS);
        if (pause_for(wait, e)) return -1;
        http_response_release(rs);
    }
}

/* ---- the files of a revision --------------------------------------------------------------------------- */

static int take_paths(struct hub_list *l, const json_t *files, const char *what, struct err *e)
{
    size_t n = json_array_size(files);
    if (!json_is_array(files) || n > HUB_FILES_MAX)
        return err_set(e, "%s: the hub's answer has no list of at most %d files", what, HUB_FILES_MAX);
    l->paths = alloc_zero(n + 1, sizeof *l->paths);
    for (size_t i = 0; i < n; i++) {
        const char *path = json_str_or(json_array_get(files, i), "rfilename", "");
        if (!hub_path_ok(path))
            return err_set(e, "%s: the hub names a file that cannot be: %.200s", what, path);
        l->paths[l->n++] = alloc_str(path);
    }
    return 0;
}

int hub_list_read(struct hub_list *l, const char *bytes, size_t n, const char *what, struct err *e)
{
    json_t *o = json_read_bytes(bytes, n, what, e);
    *l = (struct hub_list){0};
    if (!o) return -1;
    const char *sha = json_str_or(o, "sha", "");
    int result = hub_is_commit(sha) ? take_paths(l, json_object_get(o, "siblings"), what, e)
                                    : err_set(e, "%s: the hub's answer names no commit", what);
    if (!result) memcpy(l->commit, sha, 41);
    json_decref(o);
    if (result) hub_list_release(l);
    return result;
}

int hub_list(const struct hub *h, struct hub_list *l, struct err *e)
{
    struct str url;
    struct http_response rs;
    char what[HUB_NAME_MAX + 64];
    *l = (struct hub_list){0};
    snprintf(what, sizeof what, "%s at %.40s", h->name, h->revision);
    str_init(&url, URL_MAX_BYTES);
    str_addf(&url, "%s/api/%s/", h->endpoint, h->type == HUB_DATASET ? "datasets" : "models");
    put_quoted(&url, h->name, true);
    str_puts(&url, "/revision/");
    put_quoted(&url, h->revision, false);
    struct hub_call c = {.rq = {.url = url.p, .max_bytes = LIST_BYTES_MAX}, .what = what};
    int result = hub_send(h, &c, &rs, e);
    if (!result) result = hub_list_read(l, rs.body.p, rs.body.len, what, e);
    http_response_release(&rs);
    str_release(&url);
    return result;
}

void hub_list_release(struct hub_list *l)
{
    for (size_t i = 0; i < l->n; i++) free(l->paths[i]);
    free(l->paths);
    *l = (struct hub_list){0};
}

/* ---- one file ------------------------------------------------------------------------------------------ */

/* The hash out of an ETag: W/"..." or "...". */
static bool take_hash(const struct http_response *rs, const char *header, char hash[HUB_HASH_MAX + 1])
{
    char text[128];
    if (!http_header(rs, header, text, sizeof text)) return false;
    const char *p = text;
    if (!strncmp(p, "W/", 2)) p += 2;
    if (*p == '"') p++;
    size_t n = strspn(p, "0123456789abcdef");
    if (n != 40 && n != HUB_HASH_MAX) return false;
    memcpy(hash, p, n);
    hash[n] = 0;
    return true;
}

static int64_t take_size(const struct http_response *rs, const char *header)
{
    char text[32], *end;
    if (!http_header(rs, header, text, sizeof text)) return -1;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    return end == text || errno || n < 0 ? -1 : n;
}

/* An address relative to another. */
static char *join_url(const char *base, const char *to)
{
    struct str s;
    if (strstr(to, "://")) return alloc_str(to);
    str_init(&s, URL_MAX_BYTES);
    str_add(&s, base, origin_length(base));
    str_addf(&s, "%s%s", *to == '/' ? "" : "/", to);
    return str_take(&s);
}

/* A redirect: onward on the hub itself if it is relative, or if it tells no hash; else to the store. 1: f is
 * known; 0: ask at *url, which has changed; -1: e. */
static int take_redirect(const struct hub *h, struct hub_file *f, char **url, const struct http_response *rs,
                         struct err *e)
{
    char place[URL_MAX_BYTES];
    if (!http_header(rs, "location", place, sizeof place))
        return err_set(e, "%s: the hub redirects to nowhere", f->path);
    bool relative = !strstr(place, "://"), known = take_hash(rs, "x-linked-etag", f->hash);
    char *to = join_url(*url, place);
    if (known && !relative) {
        f->size = take_size(rs, "x-linked-size");
        f->url = to;
        return 1;
    }
    if (!same_origin(to, h->endpoint)) {
        err_set(e, "%s: the hub redirects to %.200s without the file's hash", f->path, to);
        free(to);
        return -1;
    }
    free(*url);
    *url = to;
    return 0;
}

static int take_head(const struct hub *h, struct hub_file *f, char **url, const struct http_response *rs,
                     struct err *e)
{
    if (rs->status >= 300) return take_redirect(h, f, url, rs, e);
    if (!take_hash(rs, "x-linked-etag", f->hash) && !take_hash(rs, "etag", f->hash))
        return err_set(e, "%s: the hub does not give the hash of this file (ETag)", f->path);
    f->size = take_size(rs, "x-linked-size");
    if (f->size < 0) f->size = take_size(rs, "content-length");
    f->url = alloc_str(*url);
    return 1;
}

static char *resolve_url(const struct hub *h, const char *commit, const char *path)
{
    struct str s;
    str_init(&s, URL_MAX_BYTES);
    str_addf(&s, "%s/%s", h->endpoint, h->type == HUB_DATASET ? "datasets/" : "");
    put_quoted(&s, h->name, true);
    str_addf(&s, "/resolve/%s/", commit);
    put_quoted(&s, path, true);
    return str_take(&s);
}

int hub_head(const struct hub *h, const char *commit, const char *path, struct hub_file *f, struct err *e)
{
    static const char *const headers[] = {"Accept-Encoding: identity", NULL};
    char *url = resolve_url(h, commit, path);
    int known = 0;
    *f = (struct hub_file){.path = alloc_str(path), .size = -1};
    for (int moves = 0; !known; moves++) {
        struct http_response rs;
        struct hub_call c = {.rq = {.method = "HEAD", .url = url, .headers = headers, .no_redirects = true}};
        c.what = path;
        known = moves < MOVES_MAX ? 0 : err_set(e, "%s: more than %d redirects", path, MOVES_MAX);
        if (known) break;
        known = hub_send(h, &c, &rs, e) ? -1 : take_head(h, f, &url, &rs, e);
        http_response_release(&rs);
    }
    free(url);
    if (known == 1) return 0;
    hub_file_release(f);
    return -1;
}

void hub_file_release(struct hub_file *f)
{
    free(f->path);
    free(f->url);
    *f = (struct hub_file){0};
}
