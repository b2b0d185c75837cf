/* piston.c: requests to Piston servers, spread over them, tried again when the service fails. */
#include "reward/piston.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/json.h"
#include "net/http.h"

enum { SERVERS_MAX = 256, WAIT_MAX_S = 10 };

struct server {
    char *url;
    int busy;
    long failures;
};

/* All servers that were ever named, with what they are doing; never shrinks. */
static struct server servers[SERVERS_MAX];
static int n_servers;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t freed = PTHREAD_COND_INITIALIZER;

static int places(void)
{
    const char *text = getenv("PISTON_MAX_REQUESTS_PER_ENDPOINT");
    long n = text ? strtol(text, NULL, 10) : 1;
    return n < 1 ? 1 : n > 1000 ? 1000 : (int)n;
}

static struct server *server_named(const char *url, size_t n)
{
    for (int i = 0; i < n_servers; i++)
        if (strlen(servers[i].url) == n && memcmp(servers[i].url, url, n) == 0) return &servers[i];
    if (n_servers == SERVERS_MAX) return NULL;
    servers[n_servers].url = alloc_strn(url, n);
    return &servers[n_servers++];
}

/* Among the servers of the list with a free place the one that failed least, then the least busy; waits for a
 * place. NULL when the list names none. */
static struct server *server_take(const char *endpoints)
{
    struct server *best = NULL;
    int limit = places(), named;
    pthread_mutex_lock(&lock);
    do {
        named = 0;
        for (const char *p = endpoints; *p;) {
            size_t n = strcspn(p, ", ");
            struct server *s = n ? server_named(p, n) : NULL;
            named += s != NULL;
            if (s && s->busy < limit &&
                (!best || s->failures < best->failures ||
                 (s->failures == best->failures && s->busy < best->busy)))
                best = s;
            p += n + (p[n] != 0);
        }
        if (!best && named) pthread_cond_wait(&freed, &lock);
    } while (!best && named);
    if (best) best->busy++;
    pthread_mutex_unlock(&lock);
    return best;
}

static void server_give(struct server *s, bool failed)
{
    pthread_mutex_lock(&lock);
    s->busy--;
    s->failures = failed ? s->failures + 1 : 0;
    pthread_cond_broadcast(&freed);
    pthread_mutex_unlock(&lock);
}

/* Piston says so in what the program printed when its machine was out of processes. */
static bool overloaded(const json_t *answer)
{
    static const char *const steps[] = {"compile", "run"}, *const streams[] = {"stderr", "stdout", "output"};
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 3; k++) {
            const json_t *v = json_object_get(json_object_get(answer, steps[i]), streams[k]);
            if (json_is_string(v) && strstr(json_string_value(v), "Resource temporarily unavailable"))
                return true;
        }
    return false;
}

static json_t *try_once(struct server *s, const char *body, struct err *e)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    struct str url;
    struct http_response rs;
    json_t *answer = NULL;
    str_init(&url, 4096);
    str_addf(&url, "%s%sexecute", s->url, str_ends(s->url, "/") ? "" : "/");
    struct http_request rq = {.url = url.p,
                              .headers = headers,
                              .body = body,
                              .body_n = strlen(body),
                              .keeps_on = true,
                              .idle_s = 150,
                              .total_s = 300};
    if (!http_send(&rq, &rs, e)) {
        answer = json_read_bytes(rs.body.p, rs.body.len, url.p, e);
        if (answer && !json_is_object(answer)) {
            err_set(e, "%s: the answer is no JSON object", url.p);
            json_decref(answer);
            answer = NULL;
        } else if (answer && rs.status >= 500) {
            err_set(e, "%s: status %ld", url.p, rs.status);
            json_decref(answer);
            answer = NULL;
        } else if (answer && overloaded(answer)) {
            err_set(e, "%s: the server is overloaded", url.p);
            json_decref(answer);
            answer = NULL;
        }
    }
    http_response_release(&rs);
    str_release(&url);
    return answer;
}

static void wait_between(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

json_t *piston_execute(const char *endpoints, const json_t *request, double wait_s, struct err *e)
{
    if (!endpoints) endpoints = getenv("PISTON_ENDPOINTS");
    if (!endpoints || !*endpoints) {
        err_usage(e, "Piston: no server is named: set PISTON_ENDPOINTS to http://host:port/api/v2,...");
        return NULL;
    }
    if (strcmp(endpoints, "slurm") == 0) {
        err_usage(e,
                  "Piston: PISTON_ENDPOINTS=slurm is not supported: name the servers, as squeue lists them");
        return NULL;
    }
    char *body = json_text(request);
    json_t *answer = NULL;
    for (int attempt = 0; !answer && attempt < PISTON_TRIES; attempt++) {
        if (attempt) wait_between(wait_s < WAIT_MAX_S ? wait_s : WAIT_MAX_S);
        if (attempt) wait_s *= 2;
        struct server *s = server_take(endpoints);
        if (!s) {
            err_usage(e, "Piston: \"%.100s\" names no server, or more than %d", endpoints, SERVERS_MAX);
            break;
        }
        answer = try_once(s, body, e);
        server_give(s, !answer);
    }
    free(body);
    return answer;
}
