/* http_send: bodies, headers, redirects, limits; against a server in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "net/http.h"
#include "net/server.h"

static int answer(void *ctx, const struct server_request *rq, char **body)
{
    struct server *s = ctx;
    if (strcmp(rq->path, "/echo") == 0) {
        const char *token = MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND, "Authorization");
        server_header(s, "X-Thing", "some value");
        *body = malloc(strlen(rq->body) + 200);
        snprintf(*body, strlen(rq->body) + 200, "%s %s %s", rq->method, rq->body, token ? token : "-");
        return 200;
    }
    if (strcmp(rq->path, "/moved") == 0) {
        server_header(s, "Location", "/echo");
        *body = strdup("elsewhere");
        return 302;
    }
    if (strcmp(rq->path, "/round") == 0) {
        server_header(s, "Location", "/round");
        return 302;
    }
    if (strcmp(rq->path, "/long") == 0) {
        *body = malloc(100001);
        memset(*body, 'x', 100000);
        (*body)[100000] = 0;
        return 200;
    }
    if (strcmp(rq->path, "/slow") == 0) {
        usleep(1500 * 1000);
        return 200;
    }
    *body = strdup("no such thing");
    return 404;
}

static struct server server;

static struct http_request to(const char *path, char url[128])
{
    snprintf(url, 128, "%s%s", server.url, path);
    return (struct http_request){.url = url};
}

static void a_body_and_headers_go_there_and_come_back(void **state)
{
    (void)state;
    char url[128], value[64], tiny[4];
    static const char *const headers[] = {"Authorization: Bearer abc", NULL};
    struct http_request rq = to("/echo", url);
    struct http_response rs;
    struct err e = {0};
    rq.body = "hello";
    rq.body_n = 5;
    rq.headers = headers;
    if (http_send(&rq, &rs, &e)) fail_msg("%s", e.msg);
    assert_int_equal(rs.status, 200);
    assert_string_equal(rs.body.p, "POST hello Bearer abc");
    assert_true(http_header(&rs, "x-thing", value, sizeof value));
    assert_string_equal(value, "some value");
    assert_false(http_header(&rs, "x-thing", tiny, sizeof tiny));
    assert_false(http_header(&rs, "x-thin", value, sizeof value));
    http_response_release(&rs);
}

static void any_status_is_an_answer(void **state)
{
    (void)state;
    char url[128];
    struct http_request rq = to("/nothing", url);
    struct http_response rs;
    assert_int_equal(http_send(&rq, &rs, NULL), 0);
    assert_int_equal(rs.status, 404);
    assert_string_equal(rs.body.p, "no such thing");
    http_response_release(&rs);
}

static void redirects_are_followed_so_far(void **state)
{
    (void)state;
    char url[128], value[64];
    struct http_response rs;
    struct err e = {0};
    struct http_request rq = to("/moved", url);
    assert_int_equal(http_send(&rq, &rs, &e), 0);
    assert_int_equal(rs.status, 200);
    assert_string_equal(rs.body.p, "GET  -");
    http_response_release(&rs);
    rq.no_redirects = true;
    assert_int_equal(http_send(&rq, &rs, &e), 0);
    assert_int_equal(rs.status, 302);
    assert_true(http_header(&rs, "location", value, sizeof value));
    assert_string_equal(rs.body.p, "elsewhere");
    http_response_release(&rs);
    rq = to("/round", url);
    assert_int_equal(http_send(&rq, &rs, &e), -1);
    assert_non_null(strstr(e.msg, "redirects"));
    http_response_release(&rs);
}

static int count(void *ctx, const char *bytes, size_t n, struct err *e)
{
    size_t *left = ctx;
    (void)bytes;
    if (n > *left) return err_set(e, "disk full");
    *left -= n;
    return 0;
}

static void limits_hold(void **state)
{
    (void)state;
    char url[128];
    struct http_response rs;
    struct err e = {0};
    size_t left = 1 << 20;
    struct http_request rq = to("/long", url);
    rq.max_bytes = 99999;
    assert_int_equal(http_send(&rq, &rs, &e), -1);
    assert_non_null(strstr(e.msg, "longer than 99999 bytes"));
    http_response_release(&rs);
    rq.max_bytes = 0;
    rq.sink = count;
    rq.sink_ctx = &left;
    assert_int_equal(http_send(&rq, &rs, &e), 0);
    assert_int_equal((1 << 20) - left, 100000);
    assert_int_equal(rs.body.len, 0);
    http_response_release(&rs);
    left = 5000;
    assert_int_equal(http_send(&rq, &rs, &e), -1);
    assert_non_null(strstr(e.msg, "disk full"));
    http_response_release(&rs);
    rq = to("/slow", url);
    rq.total_s = 0.2;
    assert_int_equal(http_send(&rq, &rs, &e), -1);
    http_response_release(&rs);
}

static void other_protocols_and_dead_ports_are_errors(void **state)
{
    (void)state;
    static const char *const urls[] = {"file:///etc/passwd", "http://127.0.0.1:1/", "nonsense"};
    for (int i = 0; i < 3; i++) {
        struct http_request rq = {.url = urls[i], .connect_s = 2};
        struct http_response rs;
        struct err e = {0};
        assert_int_equal(http_send(&rq, &rs, &e), -1);
        assert_non_null(strstr(e.msg, urls[i]));
        http_response_release(&rs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_and_headers_go_there_and_come_back),
        cmocka_unit_test(any_status_is_an_answer),
        cmocka_unit_test(redirects_are_followed_so_far),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(other_protocols_and_dead_ports_are_errors),
    };
    unsetenv("http_proxy");
    server_start(&server, answer, &server);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    server_stop(&server);
    return rc;
}
