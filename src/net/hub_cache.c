/* hub_cache.c: names, and where things lie in the cache of a Hugging Face hub. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/str.h"
#include "net/hub_int.h"

/* ---- names --------------------------------------------------------------------------------------------- */

static bool part_ok(const char *p, size_t n)
{
    if (n == 0 || n > 96 || p[0] == '.' || p[0] == '-' || p[n - 1] == '.' || p[n - 1] == '-') return false;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)p[i]) && !strchr("._-", p[i])) return false;
        if (i && (p[i] == '-' || p[i] == '.') && p[i - 1] == p[i]) return false;
    }
    return true;
}

bool hub_name_ok(const char *name)
{
    const char *slash = strchr(name, '/');
    if (!slash) return part_ok(name, strlen(name));
    return part_ok(name, (size_t)(slash - name)) && part_ok(slash + 1, strlen(slash + 1));
}

bool hub_path_ok(const char *path)
{
    if (!*path || strlen(path) > HUB_PATH_MAX) return false;
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.')) return false;
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)p[i] < 32 || p[i] == 127 || p[i] == '\\') return false;
        p += n;
        if (*p == '/' && !*++p) return false;
    }
    return true;
}

bool hub_is_commit(const char *revision)
{
    return strlen(revision) == 40 && strspn(revision, "0123456789abcdef") == 40;
}

/* ---- environment --------------------------------------------------------------------------------------- */

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static char *hub_home(void)
{
    const char *home = environment("HF_HOME"), *xdg = environment("XDG_CACHE_HOME");
    if (home) return alloc_str(home);
    if (xdg) return path_join(xdg, "huggingface");
    const char *user = environment("HOME");
    return path_join(user ? user : ".", ".cache/huggingface");
}

char *hub_cache(void)
{
    const char *given = environment("HF_HUB_CACHE");
    if (given) return alloc_str(given);
    char *home = hub_home(), *cache = path_join(home, "hub");
    free(home);
    return cache;
}

char *hub_endpoint(struct err *e)
{
    const char *given = environment("HF_ENDPOINT");
    char *endpoint = alloc_str(given ? given : "https://huggingface.co");
    size_t n = strlen(endpoint);
    while (n && endpoint[n - 1] == '/') endpoint[--n] = 0;
    if (str_starts(endpoint, "https://") || str_starts(endpoint, "http://")) return endpoint;
    err_usage(e, "HF_ENDPOINT \"%.200s\" must begin with https:// or http://", endpoint);
    free(endpoint);
    return NULL;
}

/* The first line of the file, if it can stand in a header. */
static char *read_token(const char *path)
{
    char *text;
    size_t n;
    if (file_read(path, 1 << 14, &text, &n, NULL)) return NULL;
    text[strcspn(text, "\r\n")] = 0;
    if (*text) return text;
    free(text);
    return NULL;
}

char *hub_token(void)
{
    const char *given = environment("HF_TOKEN"), *path = environment("HF_TOKEN_PATH");
    if (given) return alloc_str(given);
    if (path) return read_token(path);
    char *home = hub_home(), *file = path_join(home, "token"), *token = read_token(file);
    free(file);
    free(home);
    return token;
}

/* ---- places -------------------------------------------------------------------------------------------- */

char *hub_folder(enum hub_type type, const char *name)
{
    struct str s;
    char *cache = hub_cache();
    str_init(&s, 0);
    str_puts(&s, type == HUB_DATASET ? "datasets--" : "models--");
    for (const char *p = name; *p; p++) str_add(&s, *p == '/' ? "--" : p, *p == '/' ? 2 : 1);
    char *folder = path_join(cache, s.p);
    str_release(&s);
    free(cache);
    return folder;
}

/* What a branch or tag stood for when it was pulled. */
static char *read_reference(const char *folder, const char *revision)
{
    char *refs = path_join(folder, "refs"), *file = path_join(refs, revision), *commit = read_token(file);
    free(file);
    free(refs);
    if (commit && hub_is_commit(commit)) return commit;
    free(commit);
    return NULL;
}

char *hub_find(enum hub_type type, const char *name, const char *revision)
{
    if (!revision) revision = "main";
    if (!hub_name_ok(name) || !hub_path_ok(revision)) return NULL;
    char *folder = hub_folder(type, name), *found = NULL;
    char *commit = hub_is_commit(revision) ? alloc_str(revision) : read_reference(folder, revision);
    if (commit) {
        char *snapshots = path_join(folder, "snapshots");
        found = path_join(snapshots, commit);
        free(snapshots);
    }
    if (found && !file_is_dir(found)) {
        free(found);
        found = NULL;
    }
    free(commit);
    free(folder);
    return found;
}

char *hub_resolve(enum hub_type type, const char *path, struct err *e)
{
    if (file_exists(path)) return alloc_str(path);
    char *found = hub_find(type, path, NULL);
    if (found) return found;
    if (hub_name_ok(path))
        err_set(e,
                "%s: no such file or folder, and nothing of this name was pulled from a hub; fetch it with "
                "`openr1 pull %s%s`",
                path, path, type == HUB_DATASET ? " --repo_type dataset" : "");
    else
        err_set(e, "%s: no such file or folder", path);
    return NULL;
}
