/* A local HTTP server for tests: answers on a loopback port of the system's choice, counts requests. */
#ifndef TESTS_SERVER_H
#define TESTS_SERVER_H

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct server_request {
    const char *method, *path, *body;
    struct MHD_Connection *connection;
    int number; /* 0 for the first request */
};
/* Gives the status and the body (malloc; freed by the server); may add a header with server_header. */
typedef int (*server_answer)(void *ctx, const struct server_request *rq, char **body);

struct server {
    struct MHD_Daemon *daemon;
    server_answer answer;
    void *ctx;
    int n;
    char url[64], header[2][128];
};

static inline void server_header(struct server *s, const char *name, const char *value)
{
    snprintf(s->header[0], sizeof s->header[0], "%s", name);
    snprintf(s->header[1], sizeof s->header[1], "%s", value);
}

struct server_upload {
    char *p;
    size_t n;
};

static inline enum MHD_Result server_handle(void *cls, struct MHD_Connection *c, const char *url,
                                            const char *method, const char *version, const char *data,
                                            size_t *n, void **state)
{
    struct server *s = cls;
    struct server_upload *u = *state;
    (void)version;
    if (!u) {
        *state = calloc(1, sizeof *u);
        return MHD_YES;
    }
    if (*n) {
        u->p = realloc(u->p, u->n + *n + 1);
        memcpy(u->p + u->n, data, *n);
        u->n += *n;
        u->p[u->n] = 0;
        *n = 0;
        return MHD_YES;
    }
    struct server_request rq = {method, url, u->p ? u->p : "", c, s->n++};
    char *body = NULL;
    s->header[0][0] = 0;
    int status = s->answer(s->ctx, &rq, &body);
    if (!body) body = calloc(1, 1);
    struct MHD_Response *r = MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_FREE);
    if (s->header[0][0]) MHD_add_response_header(r, s->header[0], s->header[1]);
    enum MHD_Result rc = MHD_queue_response(c, (unsigned)status, r);
    MHD_destroy_response(r);
    return rc;
}

static inline void server_done(void *cls, struct MHD_Connection *c, void **state,
                               enum MHD_RequestTerminationCode why)
{
    struct server_upload *u = *state;
    (void)cls, (void)c, (void)why;
    if (u) free(u->p);
    free(u);
    *state = NULL;
}

/* Requests are answered one after another, so `answer` needs no lock. */
static inline void server_start(struct server *s, server_answer answer, void *ctx)
{
    *s = (struct server){.answer = answer, .ctx = ctx};
    s->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, server_handle, s,
                                 MHD_OPTION_NOTIFY_COMPLETED, server_done, NULL, MHD_OPTION_END);
    if (!s->daemon) fail_msg("no local server");
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d", info->port);
}

static inline void server_stop(struct server *s)
{
    MHD_stop_daemon(s->daemon);
}

#endif
