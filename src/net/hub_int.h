/* hub_int.h: what the files of the hub share: places in the cache, and requests. */
#ifndef NET_HUB_INT_H
#define NET_HUB_INT_H

#include <jansson.h>
#include <stdint.h>

#include "net/http.h"
#include "net/hub.h"

enum { HUB_NAME_MAX = 200, HUB_PATH_MAX = 1024, HUB_FILES_MAX = 200000, HUB_HASH_MAX = 64 };

/* ---- hub_cache.c --------------------------------------------------------------------------------------- */

/* "name" or "org/name" of letters, digits, '.', '_', '-', as hubs allow it. */
bool hub_name_ok(const char *name);
/* A relative path without empty, "." or ".." parts, control characters or backslashes. */
bool hub_path_ok(const char *path);
/* 40 hexadecimal digits: a commit, and its own reference. */
bool hub_is_commit(const char *revision);

/* Caller frees all of these. */
char *hub_cache(void);
char *hub_endpoint(struct err *e); /* without a slash at the end; NULL and e if it is no http(s) address */
char *hub_token(void);             /* NULL: none */
char *hub_folder(enum hub_type type, const char *name); /* CACHE/models--ORG--NAME */

/* ---- hub_api.c ----------------------------------------------------------------------------------------- */

struct hub {
    enum hub_type type;
    const char *name, *revision;
    char *endpoint, *token; /* token NULL: none */
};
int hub_open(struct hub *h, enum hub_type type, const char *name, const char *revision, struct err *e);
void hub_release(struct hub *h);

struct hub_file {
    char *path;
    int64_t size;                /* -1: the hub does not say */
    char hash[HUB_HASH_MAX + 1]; /* 64 digits: SHA-256; 40: SHA-1 of a git blob */
    char *url;                   /* where the bytes are */
};
/* The commit and the paths of all files. */
struct hub_list {
    char commit[41];
    char **paths;
    size_t n;
};
int hub_list(const struct hub *h, struct hub_list *l, struct err *e);
/* From the bytes of the hub's answer. */
int hub_list_read(struct hub_list *l, const char *bytes, size_t n, const char *what, struct err *e);
void hub_list_release(struct hub_list *l);
/* Size, hash and place of one file at a commit. */
int hub_head(const struct hub *h, const char *commit, const char *path, struct hub_file *f, struct err *e);
void hub_file_release(struct hub_file *f);

/* One request with the token if the address is the hub's, tried again (with pauses) while the network fails
 * or the server is busy. `again`, if given, is asked before each attempt to renew rq. Statuses other than 2xx
 * and 3xx become errors that say what to do; `what` names the thing asked for. */
struct hub_call {
    struct http_request rq;
    const char *what;
    int (*again)(struct hub_call *c, struct err *e);
    void *ctx;
};
int hub_send(const struct hub *h, struct hub_call *c, struct http_response *rs, struct err *e);

#endif
