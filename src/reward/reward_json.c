/* reward_json.c: 1 if what stands behind the reasoning is one valid JSON value.
 *
 * A Markdown fence around it is allowed. {"type":"object"} or "array" asks for that, {"required":[keys]}
 * for keys of an object. A key that occurs twice makes it invalid.
 */
#include <string.h>

#include "base/json.h"
#include "reward/reward_int.h"

static const struct reward_param json_params[] = {
    {.name = "type",
     .type = PARAM_TEXT,
     .text = "any",
     .choices = "any|object|array",
     .help = "what it must be"},
    {.name = "required", .type = PARAM_LIST, .help = "keys that the object must have"},
    {.name = NULL}};

/* The inside of ```json ... ```, where that is all there is. */
static void fence_cut(struct said *s)
{
    const char *line = memchr(s->p, '\n', s->n);
    if (s->n < 7 || memcmp(s->p, "```", 3) != 0 || !line || memcmp(s->p + s->n - 3, "```", 3) != 0) return;
    size_t head = (size_t)(line - s->p) + 1;
    if (head + 3 > s->n) return;
    s->p += head;
    s->n -= head + 3;
}

static const char *missing_key(const json_t *v, const json_t *required)
{
    size_t i;
    const json_t *key;
    json_array_foreach(required, i, key)
    {
        const char *name = json_string_value(key);
        if (name && !json_object_get(v, name)) return name;
    }
    return NULL;
}

static void json_score(const struct reward_input *in, struct reward_result *out)
{
    const char *type = param_text(in->params, json_params, "type");
    const json_t *required = param_json(in->params, json_params, "required");
    struct said said;
    struct err e = {0};
    if (!said_read(in, &said, out)) return;
    fence_cut(&said);
    json_t *v = json_read_bytes(said.p, said.n, "the answer", &e);
    const char *key = missing_key(v, required);
    reward_step(in, "formula", "1 where it is JSON of type %s with the %zu keys required, else 0", type,
                json_array_size(required));
    if (!v)
        reward_give(out, 0, "no JSON: %.250s", e.msg);
    else if ((strcmp(type, "object") == 0 && !json_is_object(v)) ||
             (strcmp(type, "array") == 0 && !json_is_array(v)))
        reward_give(out, 0, "JSON, but no %s", type);
    else if (key)
        reward_give(out, 0, "JSON without the key \"%.100s\"", key);
    else
        reward_give(out, 1, "valid JSON");
    json_decref(v);
}

static const struct reward_example json_examples[] = {
    {"<think>{</think>{\"a\": 1}", "{}", 1, true, NULL},
    {"```json\n[1, 2]\n```", "{}", 1, true, NULL},
    {"{\"a\": 1} and more", "{}", 0, true, NULL},
    {"{'a': 1}", "{}", 0, true, NULL},
    {"[\"\\ud83d\", 123456789012345678901]", "{}", 1, true, NULL}, /* as RFC 8259 has it, and Python */
    {"[1]", "{}", 0, true, "{\"type\":\"object\"}"},
    {"{\"a\": 1}", "{}", 0, true, "{\"required\":[\"a\",\"b\"]}"},
};

const struct reward reward_json = {
    .name = "json",
    .metric = "json_reward",
    .help = "1 if what stands behind the reasoning is valid JSON, with the keys asked for",
    .lo = 0,
    .hi = 1,
    .params = json_params,
    .score = json_score,
    .examples = json_examples,
    .n_examples = sizeof json_examples / sizeof *json_examples,
};
