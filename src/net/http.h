/* http.h: one HTTP request, within bounds.
 *
 * libcurl does the work. Each call is on its own (safe from any thread), checks certificates, honours the
 * usual proxy variables, follows at most ten redirects from http(s) to http(s), and sends credentials only to
 * the host for which they were given. A signal that asks this program to stop (base/log.h) ends the call,
 * unless it keeps on.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/* Takes n bytes of the answer's body as they arrive; anything but 0 ends the request (fill e). */
typedef int (*http_sink)(void *ctx, const char *bytes, size_t n, struct err *e);

struct http_request {
    const char *method;         /* NULL: GET, or POST when there is a body */
    const char *url;            /* http:// or https:// */
    const char *const *headers; /* "Name: value", NULL at the end; may be NULL */
    const char *body;           /* may be NULL */
    size_t body_n;
    size_t max_bytes;  /* of the answer's body; more is an error. 0: 64 MiB */
    double connect_s;  /* time to connect; 0: 20 */
    double idle_s;     /* time without a byte; 0: 60 */
    double total_s;    /* the whole call; 0: no limit */
    bool no_redirects; /* hand 3xx answers to the caller */
    bool keeps_on;     /* a signal that asks this program to stop does not end it: within a training step */
    http_sink sink;    /* body of a 2xx answer goes here instead of response.body; may be NULL */
    void *sink_ctx;
};

struct http_response {
    long status;
    struct str head; /* header lines of the last answer, "name: value\n", names in lower case */
    struct str body;
};

/* 0: an answer came, whatever its status; -1: none did (or it was too long, or the sink refused). Release the
 * response in both cases. */
int http_send(const struct http_request *rq, struct http_response *rs, struct err *e);
void http_response_release(struct http_response *rs);
/* Value of a header (name in lower case) copied into out; false if absent or longer than size - 1. */
bool http_header(const struct http_response *rs, const char *name, char *out, size_t size);

#endif
