/* model_table.c: the list of architectures as an array, and how one is found in it.
 *
 * model_list.h has the rows; a row ARCH(x) stands for the const struct arch_x of x.c.
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "model/model_int.h"

#define ARCH(name) extern const struct arch arch_##name;
#include "model/model_list.h"
#undef ARCH

#define ARCH(name) &arch_##name,
static const struct arch *const table[] = {
#include "model/model_list.h"
    NULL};
#undef ARCH

const struct arch *const *arch_all(void)
{
    return table;
}

static void unknown(const char *kind, const char *found, const char *what, bool gguf, struct err *e)
{
    struct str known;
    str_init(&known, 1024);
    for (int i = 0; table[i]; i++) {
        const char *name = gguf ? table[i]->gguf : table[i]->model_type;
        bool listed = !name;
        for (int j = 0; j < i && gguf && name; j++)
            listed = listed || (table[j]->gguf && !strcmp(table[j]->gguf, name));
        if (!listed) str_addf(&known, "%s%s", i ? ", " : "", name);
    }
    err_set(e, "%s: %s is \"%.100s\"; known: %s", what, kind, found, known.p);
    str_release(&known);
}

const struct arch *arch_find(const char *model_type, const char *what, struct err *e)
{
    for (int i = 0; table[i]; i++)
        if (!strcmp(table[i]->model_type, model_type)) return table[i];
    unknown("model_type", model_type, what, false, e);
    return NULL;
}

json_t *arch_meta(const struct arch *a, const json_t *meta, const char *key)
{
    char full[ARCH_NAME_MAX];
    snprintf(full, sizeof full, "%s.%s", a->gguf, key);
    return json_object_get(meta, full);
}

const struct arch *arch_find_gguf(const json_t *meta, const char *what, struct err *e)
{
    const char *name = json_str_or(meta, "general.architecture", NULL);
    const struct arch *found = NULL;
    if (!name) {
        err_set(e, "%s: metadata has no general.architecture", what);
        return NULL;
    }
    for (int i = 0; table[i]; i++) {
        const struct arch *a = table[i];
        if (!a->gguf || strcmp(a->gguf, name)) continue;
        if (a->gguf_key && json_integer_value(arch_meta(a, meta, a->gguf_key)) >= a->gguf_least) return a;
        if (!a->gguf_key && !found) found = a;
    }
    if (!found) unknown("general.architecture", name, what, true, e);
    return found;
}

bool arch_said(const struct arch *a, const struct arch_key *k)
{
    for (const struct arch_key *other = a->keys; other->hf; other++)
        if (other != k && other->gguf && (other->at == k->at || !strcmp(other->hf, k->hf))) return true;
    return false;
}
