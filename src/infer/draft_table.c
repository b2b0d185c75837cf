/* draft_table.c: all drafters, from draft_list.h, one of them by its name, and what they share. */
#include <string.h>

#include "base/str.h"
#include "infer/infer_int.h"

#define DRAFT(name) extern const struct drafter draft_##name;
#include "infer/draft_list.h"
#undef DRAFT

static const struct drafter *const all[] = {
#define DRAFT(name) &draft_##name,
#include "infer/draft_list.h"
#undef DRAFT
    NULL};

const struct drafter *drafter_find(const char *name, struct err *e)
{
    struct str names;
    str_init(&names, 0);
    for (int i = 0; all[i]; i++) {
        if (!strcmp(all[i]->name, name)) {
            str_release(&names);
            return all[i];
        }
        str_addf(&names, "%s%s", i ? ", " : "", all[i]->name);
    }
    err_usage(e, "no drafter is called \"%s\"; there are %s", name, names.p);
    str_release(&names);
    return NULL;
}

int draft_room(const struct run *r, const struct sequence *s)
{
    int left = r->requests[s->request].sampling.max_new_tokens - 1 - s->out->n;
    int n = r->e->limits.draft.n;
    return s->out->n == 0 || left < 0 ? 0 : left < n ? left : n;
}
