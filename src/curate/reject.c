/* reject.c: rejection sampling: of a model's own completions, those that a reward accepts become training
 * data.
 *
 * As in DeepSeek-R1's third stage (DeepSeek-AI 2025, section 2.3.3): sample, score, keep what is right. A
 * completion cut off by the length limit never ended and is left out; one that could not be judged is
 * counted apart and left out. Everything keeps the order of the completions, so equal inputs give equal
 * data.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "curate/curate.h"

struct candidate {
    const char *text;
    size_t length;
    int *ids, n_ids; /* n_ids -1: unknown */
    double value;
    int place;
};

/* ---- the prompt -------------------------------------------------------------------------------------- */

static const char *prompt_key(const json_t *row, const struct reject_opts *o)
{
    static const char *const keys[] = {"prompt", "messages", "question"};
    if (o->prompt_column) return o->prompt_column;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_object_get(row, keys[i])) return keys[i];
    return "prompt";
}

static bool role_is(const json_t *message, const char *role)
{
    const char *s = json_string_value(json_object_get(message, "role"));
    return s && strcmp(s, role) == 0;
}

/* The prompt as it was asked: a string, or messages without the assistant's last turns. New reference. */
static json_t *prompt_of(const json_t *row, const char *key, const struct reject_opts *o, struct err *e)
{
    json_t *v = json_object_get(row, key), *list;
    bool chat = json_is_array(v) && json_array_size(v) > 0;
    if (!chat && !json_is_string(v)) {
        err_set(e, "the row's column \"%s\" is neither a string nor a message list", key);
        return NULL;
    }
    if (!chat && !o->apply_chat && !o->system_prompt) return json_incref(v);
    list = chat ? json_copy(v) : json_pack("[{s:s,s:O}]", "role", "user", "content", v);
    while (json_array_size(list) > 1 && role_is(json_array_get(list, json_array_size(list) - 1), "assistant"))
        json_array_remove(list, json_array_size(list) - 1);
    if (o->system_prompt && !role_is(json_array_get(list, 0), "system"))
        json_array_insert_new(list, 0, json_pack("{s:s,s:s}", "role", "system", "content", o->system_prompt));
    return list;
}

/* ---- the choice -------------------------------------------------------------------------------------- */

static int candidate_read(const json_t *v, struct candidate *c, bool *truncated, struct err *e)
{
    const json_t *ids = json_object_get(v, "ids");
    const char *finish = json_string_value(json_object_get(v, "finish_reason"));
    c->text = json_string_value(json_is_object(v) ? json_object_get(v, "text") : v);
    if (!c->text) return err_set(e, "a completion is neither a string nor {\"text\": string}");
    c->length = json_is_array(ids) ? json_array_size(ids) : strlen(c->text);
    *truncated = finish && strcmp(finish, "length") == 0;
    c->n_ids = -1;
    if (!json_is_array(ids)) return 0;
    c->n_ids = (int)c->length;
    c->ids = alloc_zero(c->length + 1, sizeof *c->ids);
    for (size_t i = 0; i < c->length; i++) c->ids[i] = (int)json_integer_value(json_array_get(ids, i));
    return 0;
}

static bool seen_before(const struct candidate *list, int n, const char *text)
{
    for (int i = 0; i < n; i++)
        if (strcmp(list[i].text, text) == 0) return true;
    return false;
}

/* Scores the n completions of a prompt together. NaN: could not be judged. */
static int score(struct candidate *list, int n, const json_t *row, const json_t *prompt,
                 const struct reject_opts *o, struct err *e)
{
    struct reward_input *in = alloc_zero((size_t)n + 1, sizeof *in);
    struct reward_result *out = alloc_zero((size_t)n + 1, sizeof *out);
    struct reward_group g = {.in = in, .out = out, .n = n};
    for (int i = 0; i < n; i++)
        in[i] = (struct reward_input){.text = list[i].text,
                                      .row = row,
                                      .params = o->params,
                                      .n_ids = list[i].n_ids,
                                      .ids = list[i].ids,
                                      .prompt = prompt};
    int rc = reward_groups(o->reward, &g, 1, NULL, e);
    for (int i = 0; i < n; i++) list[i].value = out[i].judged ? out[i].value : NAN;
    free(in);
    free(out);
    return rc;
}

/* Keeps those that pass, in their order, equal texts once; returns their number. */
static int pass(struct candidate *list, int n, const struct reject_opts *o, struct reject_counts *counts)
{
    int found = 0;
    for (int i = 0; i < n; i++) {
        counts->unjudged += isnan(list[i].value);
        if (!(list[i].value >= o->min)) continue;
        counts->passed++;
        if (!seen_before(list, found, list[i].text)) list[found++] = list[i];
    }
    return found;
}

static int by_length(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->length != y->length) return x->length < y->length ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static void row_add(const json_t *row, const char *key, json_t *prompt, const struct candidate *c,
                    json_t *out)
{
    json_t *text = json_string(c->text), *kept = json_object(), *value;
    const char *name;
    json_object_foreach((json_t *)row, name, value)
    {
        if (strcmp(name, key) && strcmp(name, "prompt") && strcmp(name, "completion") &&
            strcmp(name, "completions") && strcmp(name, "text"))
            json_object_set(kept, name, value);
    }
    json_object_set(kept, "prompt", prompt);
    if (json_is_array(prompt)) text = json_pack("[{s:s,s:o}]", "role", "assistant", "content", text);
    json_object_set_new(kept, "completion", text);
    json_object_set_new(kept, "reward", json_real(c->value));
    json_array_append_new(out, kept);
}

int reject_row(const json_t *row, const json_t *completions, const struct reject_opts *o, json_t *out,
               struct reject_counts *counts, struct err *e)
{
    const char *key = prompt_key(row, o);
    if (!json_is_array(completions)) return err_set(e, "\"completions\" must be a list");
    json_t *prompt = prompt_of(row, key, o, e);
    if (!prompt) return -1;
    size_t n = json_array_size(completions);
    struct candidate *list = alloc_zero(n + 1, sizeof *list);
    int found = 0, most = o->keep == KEEP_FIRST ? 1 : o->max_per_prompt, rc = 0;
    counts->prompts++;
    for (size_t i = 0; i < n && !rc; i++) {
        struct candidate c = {.place = (int)i};
        bool truncated = false;
        rc = candidate_read(json_array_get(completions, i), &c, &truncated, e);
        if (rc) break;
        counts->completions++;
        counts->truncated += truncated;
        if (truncated && !o->keep_truncated)
            free(c.ids);
        else
            list[found++] = c;
    }
    if (!rc) rc = score(list, found, row, prompt, o, e);
    for (int i = 0; i < found; i++) free(list[i].ids);
    if (!rc) found = pass(list, found, o, counts);
    if (o->keep == KEEP_SHORTEST) qsort(list, (size_t)found, sizeof *list, by_length);
    if (most > 0 && found > most) found = most;
    for (int i = 0; i < found && !rc; i++) row_add(row, key, prompt, &list[i], out);
    if (!rc) counts->kept += found, counts->prompts_kept += found > 0;
    free(list);
    json_decref(prompt);
    return rc;
}

/* ---- rows by id -------------------------------------------------------------------------------------- */

static char *id_text(const json_t *id)
{
    char *text = json_dumps(id, JSON_ENCODE_ANY | JSON_COMPACT);
    CHECK(text, "an id of type %d", (int)json_typeof(id));
    return text;
}

json_t *rows_by_id(const json_t *rows, struct err *e)
{
    json_t *index = json_object(), *row;
    size_t i;
    json_array_foreach((json_t *)rows, i, row)
    {
        json_t *id = json_object_get(row, "id");
        json_t *key = id ? json_incref(id) : json_integer((json_int_t)i);
        char *text = id_text(key);
        bool twice = json_object_get(index, text) != NULL;
        json_object_set(index, text, row);
        if (twice) err_set(e, "the id %s stands twice in the dataset", text);
        free(text);
        json_decref(key);
        if (twice) {
            json_decref(index);
            return NULL;
        }
    }
    return index;
}

const json_t *row_with_id(const json_t *index, const json_t *id)
{
    if (!id) return NULL;
    char *text = id_text(id);
    const json_t *row = json_object_get(index, text);
    free(text);
    return row;
}
