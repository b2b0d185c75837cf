/* hub.h: repositories of a Hugging Face hub, and the cache in which they lie on this machine.
 *
 * The cache is huggingface_hub's, so that what either program has fetched serves both:
 *   CACHE/models--ORG--NAME/refs/REVISION                  the commit that a branch or tag stood for
 *                          /blobs/ETAG                     contents, named by their hash
 *                          /snapshots/COMMIT/PATH          links into blobs
 * CACHE is HF_HUB_CACHE, else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub, else
 * ~/.cache/huggingface/hub. The hub is HF_ENDPOINT, else https://huggingface.co. The token is HF_TOKEN, else
 * what the file HF_TOKEN_PATH or HF_HOME/token holds; it is only ever sent to the hub itself.
 */
#ifndef NET_HUB_H
#define NET_HUB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum hub_type { HUB_MODEL, HUB_DATASET };

/* The folder of a pulled snapshot, by the repository's name; revision NULL: main. NULL if the name is none
 * or nothing was pulled. Looks at files only. Caller frees. */
char *hub_find(enum hub_type type, const char *name, const char *revision);
/* `path` if it exists, else hub_find's folder; else NULL and e, which says how to get it. Caller frees. */
char *hub_resolve(enum hub_type type, const char *path, struct err *e);

struct hub_pull {
    enum hub_type type;
    const char *name, *revision;                 /* revision NULL: main */
    const char *const *include, *const *exclude; /* patterns as the shell's, '*' also over '/' */
    size_t n_include, n_exclude;                 /* no include: all files */
};
/* Fetch what is missing of the files asked for, check hashes, then link them and set the reference. A pull
 * that was cut short goes on where it stopped. *folder (caller frees) is the snapshot. */
int hub_pull(const struct hub_pull *want, char **folder, struct err *e);

#endif
