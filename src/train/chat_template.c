/* chat_template.c: which chat template a run renders with, and on which day it thinks it is.
 *
 * Templates may write the date (strftime_now). It must not change between the tokens of a run and those of
 * its resumption or replay, so the moment is fixed when the run begins and stands in its manifest.
 */
#include "train/train_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "net/hub.h"

enum { TEMPLATE_MAX = 1 << 22 }; /* bytes of chat_template_path */

/* A token in angle brackets that the template writes and this model has not; NULL if there is none. */
static const char *missing_token(const struct tokenizer *tok, const struct tokenizer *other,
                                 const char *jinja)
{
    for (int id = 0; id < tokenizer_size(other); id++) {
        const char *token = tokenizer_token(other, id);
        size_t n = token ? strlen(token) : 0;
        bool marker = n > 2 && token[0] == '<' && token[n - 1] == '>';
        if (marker && strstr(jinja, token) && tokenizer_id(tok, token) < 0) return token;
    }
    return NULL;
}

static int template_of_folder(struct tokenizer *tok, const char *path, struct err *e)
{
    struct tokenizer *other = tokenizer_load(path, e);
    if (!other) return err_wrap(e, "chat_template_path");
    const char *jinja = tokenizer_template(other), *missing = jinja ? missing_token(tok, other, jinja) : NULL;
    int rc = 0;
    if (!jinja)
        rc = err_set(e, "chat_template_path: the tokenizer in %s has no chat template", path);
    else if (missing)
        rc = err_set(e,
                     "chat_template_path: the template in %s writes %s, which is no token of this model; no "
                     "tokens are added here, so take a template whose tokens it has",
                     path, missing);
    else
        tokenizer_set_template(tok, jinja);
    tokenizer_free(other);
    return rc;
}

static int template_of_file(struct tokenizer *tok, const char *path, struct err *e)
{
    char *jinja = NULL;
    size_t n;
    if (file_read(path, TEMPLATE_MAX, &jinja, &n, e)) return err_wrap(e, "chat_template_path");
    tokenizer_set_template(tok, jinja);
    free(jinja);
    return 0;
}

int chat_template_place(struct conf *c, char **path, struct err *e)
{
    const char *given = conf_knows(c, "chat_template_path") ? conf_str(c, "chat_template_path") : NULL;
    *path = NULL;
    if (!given || !*given) return 0;
    *path = hub_resolve(HUB_MODEL, given, e);
    return *path ? 0 : err_wrap(e, "chat_template_path");
}

int chat_set_template(struct trainer *t, struct err *e)
{
    const char *jinja = conf_str(t->conf, "chat_template");
    char *path;
    struct tokenizer *tok = model_tokenizer(t->model);
    if (!tok)
        return err_set(e, "%s: has no tokenizer (tokenizer.json), which training needs",
                       conf_str(t->conf, "model_name_or_path"));
    if (chat_template_place(t->conf, &path, e)) return -1;
    int failed = 0;
    if (jinja && *jinja && path)
        failed = err_usage(e, "chat_template and chat_template_path are both set: give one");
    else if (jinja && *jinja)
        tokenizer_set_template(tok, jinja);
    else if (path)
        failed = file_is_dir(path) ? template_of_folder(tok, path, e) : template_of_file(tok, path, e);
    free(path);
    return failed;
}

/* ---- the day on which a template thinks it is -------------------------------------------------------- */

/* n digits and then `end` (0: the text's end, which is not passed). -1: something else stands there. */
static int number_read(const char **p, int n, char end)
{
    int value = 0;
    for (; n > 0; n--, (*p)++) {
        if (**p < '0' || **p > '9') return -1;
        value = value * 10 + (**p - '0');
    }
    if (**p != end) return -1;
    if (end) (*p)++;
    return value;
}

/* A day, or a moment, of UTC. */
static int time_read(const char *text, int64_t *out, struct err *e)
{
    const char *p = text;
    bool day = strlen(text) == strlen("2025-01-31");
    struct tm tm = {.tm_year = number_read(&p, 4, '-') - 1900};
    tm.tm_mon = number_read(&p, 2, '-') - 1;
    tm.tm_mday = number_read(&p, 2, day ? 0 : 'T');
    if (!day) {
        tm.tm_hour = number_read(&p, 2, ':');
        tm.tm_min = number_read(&p, 2, ':');
        tm.tm_sec = number_read(&p, 2, 'Z');
    }
    bool plausible =
        tm.tm_year >= 0 && tm.tm_mon >= 0 && tm.tm_mon < 12 && tm.tm_mday >= 1 && tm.tm_mday <= 31;
    plausible = plausible && tm.tm_hour >= 0 && tm.tm_hour < 24 && tm.tm_min >= 0 && tm.tm_min < 60;
    if (!plausible || tm.tm_sec < 0 || tm.tm_sec > 60 || *p)
        return err_usage(e,
                         "start_time: '%s' is neither a day, as 2025-01-31, nor a moment, as "
                         "2025-01-31T12:00:00Z",
                         text);
    *out = (int64_t)timegm(&tm);
    return 0;
}

int chat_pin_time(struct trainer *t, struct err *e)
{
    const char *given = conf_str(t->conf, "start_time"), *epoch = getenv("SOURCE_DATE_EPOCH");
    char hash[HASH_HEX], *path = path_join(t->dir, "manifest.json");
    json_t *manifest = file_exists(path) ? json_read_file(path, NULL) : NULL;
    const char *old = json_str_or(manifest, "start_time", NULL);
    struct run_state state = {0};
    struct str text;
    run_config_hash(t->conf, hash);
    if (run_state_read(t->dir, hash, &state, NULL)) state.status = RUN_OTHER; /* start() says what is wrong */
    bool anew = conf_bool(t->conf, "overwrite_output_dir") && !run_goes_on(state.status);
    str_init(&text, sizeof t->start_time - 1);
    if (given && *given) {
        str_puts(&text, given);
    } else if (old && !anew) {
        str_puts(&text, old);
    } else {
        time_t now = epoch && *epoch ? (time_t)strtoll(epoch, NULL, 10) : time(NULL);
        struct tm tm;
        gmtime_r(&now, &tm);
        str_addf(&text, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                 tm.tm_hour, tm.tm_min, tm.tm_sec);
    }
    memcpy(t->start_time, text.p, text.len + 1);
    int rc = time_read(t->start_time, &t->now, e);
    str_release(&text);
    json_decref(manifest);
    free(path);
    return rc;
}
