/* http.c: one HTTP request through libcurl. */
#include "net/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/version.h"

enum { HEAD_MAX = 1 << 18, BODY_DEFAULT = 64 << 20, REDIRECTS_MAX = 10 };

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_start(void)
{
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == 0, "libcurl does not start");
}

/* One call, as libcurl's callbacks see it. */
struct call {
    const struct http_request *rq;
    struct http_response *rs;
    CURL *curl;
    size_t max, n;
    bool refused; /* e says why */
    struct err *e;
};

static size_t take_body(char *bytes, size_t size, size_t n, void *ctx)
{
    struct call *c = ctx;
    long status = 0;
    size_t all = size * n;
    if (all > c->max - c->n) {
        err_set(c->e, "the answer is longer than %zu bytes", c->max);
        c->refused = true;
        return CURL_WRITEFUNC_ERROR;
    }
    c->n += all;
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    if (!c->rq->sink || status < 200 || status > 299) {
        str_add(&c->rs->body, bytes, all);
    } else if (c->rq->sink(c->rq->sink_ctx, bytes, all, c->e)) {
        c->refused = true;
        return CURL_WRITEFUNC_ERROR;
    }
    return all;
}

static size_t take_head(char *bytes, size_t size, size_t n, void *ctx)
{
    struct call *c = ctx;
    struct str *head = &c->rs->head;
    size_t all = size * n, len = all;
    if (all >= 5 && memcmp(bytes, "HTTP/", 5) == 0) { /* the next answer of a chain of redirects */
        str_clear(head);
        str_clear(&c->rs->body);
        c->n = 0;
        return all;
    }
    while (len && (bytes[len - 1] == '\n' || bytes[len - 1] == '\r')) len--;
    const char *colon = memchr(bytes, ':', len);
    if (!colon) return all;
    for (const char *p = bytes; p < colon; p++) {
        char lower = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
        str_add(head, &lower, 1);
    }
    str_add(head, colon, (size_t)(bytes + len - colon));
    str_puts(head, "\n");
    return all;
}

static int watch(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    const struct call *c = ctx;
    (void)down_total, (void)down, (void)up_total, (void)up;
    return !c->rq->keeps_on && stop_signal() != 0;
}

static void configure(struct call *c, struct curl_slist *headers, char problem[CURL_ERROR_SIZE])
{
    const struct http_request *rq = c->rq;
    CURL *h = c->curl;
    double connect_s = rq->connect_s > 0 ? rq->connect_s : 20, idle_s = rq->idle_s > 0 ? rq->idle_s : 60;
    char agent[64];
    snprintf(agent, sizeof agent, "openr1/%s", openr1_version);
    curl_easy_setopt(h, CURLOPT_URL, rq->url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, problem);
    curl_easy_setopt(h, CURLOPT_USERAGENT, agent);
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, rq->no_redirects ? 0L : 1L);
    curl_easy_setopt(h, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_s * 1000));
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, (long)(idle_s < 1 ? 1 : idle_s));
    if (rq->total_s > 0) curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)(rq->total_s * 1000));
    if (rq->body) {
        curl_easy_setopt(h, CURLOPT_POST, 1L);
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, rq->body);
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)rq->body_n);
    }
    if (rq->method && strcmp(rq->method, "HEAD") == 0) curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    if (rq->method) curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, rq->method);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, take_head);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, watch);
    curl_easy_setopt(h, CURLOPT_XFERINFODATA, c);
    curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
}

int http_send(const struct http_request *rq, struct http_response *rs, struct err *e)
{
    struct err own = {0};
    struct call c = {.rq = rq, .rs = rs, .max = rq->max_bytes ? rq->max_bytes : BODY_DEFAULT};
    char problem[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    c.e = e ? e : &own;
    *rs = (struct http_response){0};
    str_init(&rs->head, HEAD_MAX);
    str_init(&rs->body, c.max);
    pthread_once(&curl_once, curl_start);
    c.curl = curl_easy_init();
    CHECK(c.curl, "libcurl gives no handle");
    for (const char *const *p = rq->headers; p && *p; p++) headers = curl_slist_append(headers, *p);
    configure(&c, headers, problem);
    CURLcode code = curl_easy_perform(c.curl);
    curl_easy_getinfo(c.curl, CURLINFO_RESPONSE_CODE, &rs->status);
    curl_easy_cleanup(c.curl);
    curl_slist_free_all(headers);
    if (code == CURLE_OK) return 0;
    if (c.refused) return err_wrap(c.e, "%s", rq->url);
    if (code == CURLE_ABORTED_BY_CALLBACK) return err_kind_set(e, ERR_STOPPED, "%s: interrupted", rq->url);
    return err_set(e, "%s: %s", rq->url, problem[0] ? problem : curl_easy_strerror(code));
}

void http_response_release(struct http_response *rs)
{
    str_release(&rs->head);
    str_release(&rs->body);
}

bool http_header(const struct http_response *rs, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);
    for (const char *line = rs->head.p, *end; line && (end = strchr(line, '\n')); line = end + 1) {
        if (strncmp(line, name, n) != 0 || line[n] != ':') continue;
        const char *value = line + n + 1;
        while (*value == ' ' || *value == '\t') value++;
        size_t len = (size_t)(end - value);
        if (len >= size) return false;
        memcpy(out, value, len);
        out[len] = 0;
        return true;
    }
    return false;
}
