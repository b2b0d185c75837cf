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
    int (*parts)(const json_t *o, struct ids *before, struct ids *after, struct err *e);
};

static int no_parts(const json_t *o, struct ids *before, struct ids *after, struct err *e)
{
    (void)o, (void)before, (void)after, (void)e;
    return 0;
}

static int push_id(const json_t *id, const char *name, struct ids *to, struct err *e)
{
    json_int_t v = json_integer_value(id);
    if (!json_is_integer(id) || v < 0 || v >= ID_MAX)
        return err_set(e, WHERE ": special token \"%s\": an id that is not 0 to %d", name, ID_MAX - 1);
    ids_push(to, (int)v);
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
        if (push_id(id, name, to, e)) return -1;
    }
    return 0;
}

/* A later processor's tokens stand around those of the ones before. */
static void put_around(struct tokenizer *t, struct ids *before, const struct ids *after)
{
    ids_append(before, t->prefix.p, t->prefix.n);
    ids_append(&t->suffix, after->p, after->n);
    struct ids old = t->prefix;
    t->prefix = *before;
    *before = old;
}

static int template_parts(const json_t *o, struct ids *before, struct ids *after, struct err *e)
{
    size_t i;
    const json_t *part;
    bool seen = false;
    json_array_foreach(json_object_get(o, "single"), i, part)
    {
        const json_t *special = json_object_get(part, "SpecialToken");
        if (special) {
            if (push_special(o, special, seen ? after : before, e)) return -1;
        } else if (json_object_get(part, "Sequence") && !seen) {
            seen = true;
        } else {
            return err_set(e, WHERE ": \"single\" must be special tokens around one sequence");
        }
    }
    return seen ? 0 : err_set(e, WHERE ": \"single\" has no sequence");
}

/* RobertaProcessing, BertProcessing: "cls": [token, id] in front and "sep" behind. */
static int pair_parts(const json_t *o, struct ids *before, struct ids *after, struct err *e)
{
    return push_id(json_array_get(json_object_get(o, "cls"), 1), "cls", before, e) ||
                   push_id(json_array_get(json_object_get(o, "sep"), 1), "sep", after, e)
               ? -1
               : 0;
}

static const struct post_type rows[] = {
    {"ByteLevel", no_parts},
    {"TemplateProcessing", template_parts},
    {"RobertaProcessing", pair_parts},
    {"BertProcessing", pair_parts},
    {"Sequence", NULL},
    {NULL, NULL},
};

static int load_one(struct tokenizer *t, const json_t *o, struct err *e)
{
    const struct post_type *type = rows;
    while (type->name && strcmp(type->name, element_type(o))) type++;
    if (!type->parts) return element_unknown(e, WHERE, o, rows, sizeof *rows);
    struct ids before = {0}, after = {0};
    int failed = type->parts(o, &before, &after, e);
    if (!failed) put_around(t, &before, &after);
    ids_release(&before);
    ids_release(&after);
    return failed;
}

int post_load(struct tokenizer *t, const json_t *o, struct err *e)
{
    t->prefix.n = t->suffix.n = 0;
    return element_sequence(t, o, "processors", load_one, e);
}
