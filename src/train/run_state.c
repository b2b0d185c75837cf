/* run_state.c: what a folder says about the run that was there before.
 *
 * output_dir/trainer_state.json holds the status (running, stopped by a signal, finished) and a hash of the
 * resolved configuration, keys that cannot change the result left out. The same command given again
 * therefore goes on where it was, or says that it is done; another configuration in the same folder is never
 * mixed in silently.
 */
#include "train/train_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"

static const char *const status_names[] = {"none", "other", "running", "stopped", "finished"};

/* Keys with which a run may be given again and still be the same run. */
static const char *const free_keys[] = {
    "output_dir",
    "overwrite_output_dir",
    "resume_from_checkpoint",
    "dry_run",
    "logging_steps",
    "logging_strategy",
    "logging_first_step",
    "save_total_limit",
    "num_completions_to_print",
    "max_memory_gb",
    "threads",
    "run_name",
    NULL,
};

static bool is_free(const char *key, size_t n)
{
    for (int i = 0; free_keys[i]; i++)
        if (strlen(free_keys[i]) == n && memcmp(free_keys[i], key, n) == 0) return true;
    return false;
}

/* The next top-level entry of YAML text as conf_yaml writes it: its line and the deeper ones below. */
struct entry {
    const char *text;
    size_t n, key_n;
};

static bool entry_next(const char **at, struct entry *out)
{
    const char *p = *at;
    if (!*p) return false;
    out->text = p;
    out->key_n = strcspn(p, ":\n");
    do {
        p += strcspn(p, "\n");
        if (*p) p++;
    } while (*p == ' ' || *p == '-' || *p == '#');
    out->n = (size_t)(p - out->text);
    *at = p;
    return true;
}

void run_config_hash(struct conf *c, char hex[HASH_HEX])
{
    struct str yaml;
    struct entry entry;
    struct hash *h = hash_new();
    str_init(&yaml, 0);
    conf_yaml(c, &yaml);
    for (const char *at = yaml.p; entry_next(&at, &entry);)
        if (!is_free(entry.text, entry.key_n)) hash_add(h, entry.text, entry.n);
    hash_end(h, hex);
    str_release(&yaml);
}

static bool entry_in(const char *yaml, const struct entry *wanted)
{
    struct entry entry;
    while (entry_next(&yaml, &entry))
        if (entry.n == wanted->n && memcmp(entry.text, wanted->text, entry.n) == 0) return true;
    return false;
}

void run_config_diff(const char *dir, struct conf *c, struct str *out)
{
    struct str yaml;
    struct entry entry;
    char *old = NULL, *path = path_join(dir, "config.yaml");
    size_t n;
    str_init(&yaml, 0);
    conf_yaml(c, &yaml);
    if (file_read(path, 1 << 24, &old, &n, NULL) == 0)
        for (const char *at = yaml.p; entry_next(&at, &entry);)
            if (!is_free(entry.text, entry.key_n) && !entry_in(old, &entry))
                str_addf(out, "%s%.*s", out->len ? ", " : "", (int)entry.key_n, entry.text);
    free(old);
    free(path);
    str_release(&yaml);
}

enum run_status run_status_read(const char *dir, const char *config_hash)
{
    enum run_status status = RUN_NONE;
    char *path = path_join(dir, "trainer_state.json");
    json_t *state = file_exists(path) ? json_read_file(path, NULL) : NULL;
    const char *name = json_str_or(state, "status", ""), *config = json_str_or(state, "config", "");
    for (int i = RUN_UNFINISHED; i <= RUN_FINISHED; i++)
        if (strcmp(name, status_names[i]) == 0) status = (enum run_status)i;
    if (status != RUN_NONE && strcmp(config, config_hash) != 0) status = RUN_OTHER;
    json_decref(state);
    free(path);
    return status;
}

int run_status_write(const char *dir, enum run_status status, const char *config_hash, long step,
                     struct err *e)
{
    char *path = path_join(dir, "trainer_state.json");
    json_t *state = json_pack("{s:s, s:s, s:I}", "status", status_names[status], "config", config_hash,
                              "global_step", (json_int_t)step);
    CHECK(state, "status %d", (int)status);
    int failed = json_write_file(state, path, e);
    json_decref(state);
    free(path);
    return failed;
}
