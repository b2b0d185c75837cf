/* run_state.c: what a folder says about the run that was there before.
 *
 * output_dir/run_state.json holds the status (running, stopped by a signal, finished) and a hash of the
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
#include "base/hash_path.h"
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
    "save_steps",
    "save_total_limit",
    "num_completions_to_print",
    "max_memory_gb",
    "max_running",
    "speculate",
    "num_draft_tokens",
    "threads",
    "run_name",
    "preflight",
    "preflight_prompts",
    "preflight_only",
    "start_time",
    NULL,
};

/* Those, and keys that mean nothing here. */
static bool is_free(struct conf *c, const char *key, size_t n)
{
    for (int i = 0; free_keys[i]; i++)
        if (strlen(free_keys[i]) == n && memcmp(free_keys[i], key, n) == 0) return true;
    char *name = alloc_strn(key, n);
    bool known = conf_knows(c, name);
    free(name);
    return !known;
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
        if (!is_free(c, entry.text, entry.key_n)) hash_add(h, entry.text, entry.n);
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
            if (!is_free(c, entry.text, entry.key_n) && !entry_in(old, &entry))
                str_addf(out, "%s%.*s", out->len ? ", " : "", (int)entry.key_n, entry.text);
    free(old);
    free(path);
    str_release(&yaml);
}

bool run_goes_on(enum run_status status)
{
    return status == RUN_UNFINISHED || status == RUN_STOPPED;
}

int run_state_read(const char *dir, const char *config_hash, struct run_state *s, struct err *e)
{
    char *path = path_join(dir, RUN_STATE);
    *s = (struct run_state){.status = RUN_NONE};
    json_t *state = file_exists(path) ? json_read_file(path, e) : NULL;
    int failed = file_exists(path) && !state;
    if (failed)
        err_wrap(
            e,
            "what is known of the run in %s cannot be read (remove the file; resume_from_checkpoint: true "
            "then goes on from the newest checkpoint)",
            dir);
    const char *name = json_str_or(state, "status", ""), *config = json_str_or(state, "config", "");
    for (int i = RUN_UNFINISHED; i <= RUN_FINISHED; i++)
        if (strcmp(name, status_names[i]) == 0) s->status = (enum run_status)i;
    if (s->status != RUN_NONE && strcmp(config, config_hash) != 0) s->status = RUN_OTHER;
    s->step = (long)json_integer_value(json_object_get(state, "global_step"));
    snprintf(s->weights, sizeof s->weights, "%s", json_str_or(state, "weights", ""));
    snprintf(s->log_head, sizeof s->log_head, "%s", json_str_or(state, "log_head", ""));
    json_decref(state);
    free(path);
    return failed ? -1 : 0;
}

int run_state_write(const char *dir, const struct run_state *s, const char *config_hash, struct err *e)
{
    char *path = path_join(dir, RUN_STATE);
    json_t *state =
        json_pack("{s:s, s:s, s:I, s:s, s:s}", "status", status_names[s->status], "config", config_hash,
                  "global_step", (json_int_t)s->step, "weights", s->weights, "log_head", s->log_head);
    CHECK(state, "status %d", (int)s->status);
    int failed = json_write_file(state, path, e);
    json_decref(state);
    free(path);
    return failed;
}
