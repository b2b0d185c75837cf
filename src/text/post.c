/* post.c: the "post_processor" of tokenizer.json: which special tokens stand around a text.
 *
 * TemplateProcessing gives a list such as [<s>, $A, </s>]; it becomes the ids before and after. ByteLevel
 * only moves offsets, which this program does not keep. Pairs of texts are not used here.
 */
#include <string.h>

#include "base/json.h"
#include "text/text_int.h"

#define WHERE "post_processor"

struct post_type {
    const char *name;
    int (*load)(struct tokenizer *t, const json_t *o, struct err *e);
};

static int nothing_load(struct tokenizer *t, const json_t *o, struct err *e)
{
    (void)t, (void)o, (void)e;
    return 0;
}

static int push_special(const json_t *o, const json_t *piece, struct ids *to, struct err *e)
{
    const char *name = json_str_or(piece, "id", "");
    const json_t *ids = json_object_get(json_object_get(json_object_get(o, "special_tokens"), name), "ids");
    if (!json_array_size(ids)) return err_set(e, WHERE ": special token \"%s\" has no ids", name);
    size_t i;
    const json_t *id;
    json_array_foreach(ids, i, id)
    {
        json_int_t v = json_integer_value(id);
        if (!json_is_integer(id) || v < 0 || v >= ID_MAX)
            return err_set(e, WHERE ": special token \"%s\": an id that is not 0 to %d", name, ID_MAX - 1);
        ids_push(to, (int)v);
    }
    return 0;
}

static int template_load(struct tokenizer *t, const json_t *o, struct err *e)
{
    size_t i;
    const json_t *part;
    bool after = false;
    json_array_foreach(json_object_get(o, "single"), i, part)
    {
        const json_t *special = json_object_get(part, "SpecialToken");
        if (special) {
            if (push_special(o, special, after ? &t->suffix : &t->prefix, e)) return -1;
        } else if (json_object_get(part, "Sequence") && !after) {
            after = true;
        } else {
            return err_set(e, WHERE ": \"single\" must be special tokens around one sequence");
        }
    }
    return after ? 0 : err_set(e, WHERE ": \"single\" has no sequence");
}

static const struct post_type rows[] = {
    {"ByteLevel", nothing_load},
    {"TemplateProcessing", template_load},
    {"Sequence", NULL},
    {NULL, NULL},
};

static int load_one(struct tokenizer *t, const json_t *o, struct err *e)
{
    const struct post_type *type = rows;
    while (type->name && strcmp(type->name, element_type(o))) type++;
    if (!type->load) return element_unknown(e, WHERE, o, rows, sizeof *rows);
    return type->load(t, o, e);
}

int post_load(struct tokenizer *t, const json_t *o, struct err *e)
{
    t->prefix.n = t->suffix.n = 0;
    if (!o || json_is_null(o)) return 0;
    if (strcmp(element_type(o), "Sequence")) return load_one(t, o, e);
    size_t i;
    const json_t *part;
    json_array_foreach(json_object_get(o, "processors"), i, part)
    {
        if (load_one(t, part, e)) return -1;
    }
    return 0;
}
