/* jinja_filters_list.c: filters of sequences and mappings.
 *
 * Where jinja2 gives a generator so does this: it is true in a condition, has no length, and is used up
 * by the first who reads it.
 */
#include <string.h>

#include "text/jinja.h"
#include "text/pystr.h"

/* ---- attributes ---------------------------------------------------------------------------------------- */

static bool all_digits(const struct jj_str *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->p[i] < '0' || s->p[i] > '9') return false;
    return s->n > 0;
}

struct jj_value jj_path(struct jj *vm, struct jj_value item, struct jj_value path, struct jj_value fallback)
{
    bool falls = fallback.kind != JJ_MISSING && fallback.kind != JJ_NONE;
    if (path.kind == JJ_NONE || path.kind == JJ_MISSING) return item;
    if (path.kind != JJ_STR) {
        item = jj_getitem(vm, item, path);
        return falls && item.kind == JJ_UNDEFINED ? fallback : item;
    }
    struct jj_value parts = jj_split(vm, path, jj_text(vm, "."), -1, false);
    for (size_t i = 0; i < parts.list->n; i++) {
        struct jj_value key = parts.list->v[i];
        int64_t at;
        if (all_digits(key.s) && jj_parse_int(vm, key.s, 10, &at)) key = jj_int(at);
        item = jj_getitem(vm, item, key);
        if (falls && item.kind == JJ_UNDEFINED) item = fallback;
    }
    return item;
}

static struct jj_value folded(struct jj *vm, struct jj_value v, bool case_sensitive)
{
    return v.kind == JJ_STR && !case_sensitive ? jj_change_case(vm, v, CASE_LOWER) : v;
}

static const struct jj_value nothing = {.kind = JJ_MISSING};

static struct jj_value item_key(struct jj *vm, struct jj_value item, struct jj_value path,
                                bool case_sensitive)
{
    return folded(vm, jj_path(vm, item, path, nothing), case_sensitive);
}

/* ---- sorting ------------------------------------------------------------------------------------------- */

/* Order of v, merged; keys move along. Stable, also when reversed. */
static void merge_sort(struct jj *vm, struct jj_value *v[2], struct jj_value *k[2], size_t n, bool reverse)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t from = 0; from < n; from += 2 * width) {
            size_t mid = from + width < n ? from + width : n,
                   end = from + 2 * width < n ? from + 2 * width : n;
            for (size_t i = from, j = mid, out = from; out < end; out++) {
                bool right = i == mid || (j < end && (reverse ? jj_less(vm, k[0][i], k[0][j], "<")
                                                              : jj_less(vm, k[0][j], k[0][i], "<")));
                size_t at = right ? j++ : i++;
                v[1][out] = v[0][at];
                k[1][out] = k[0][at];
            }
        }
        struct jj_value *swap = v[0];
        v[0] = v[1], v[1] = swap;
        swap = k[0];
        k[0] = k[1], k[1] = swap;
    }
}

void jj_sort(struct jj *vm, struct jj_value *v, size_t n, const struct jj_value *keys, bool reverse)
{
    if (n < 2) return;
    struct jj_value *values[2] = {v, jj_alloc(vm, n * sizeof *v)};
    struct jj_value *order[2] = {jj_alloc(vm, n * sizeof *v), jj_alloc(vm, n * sizeof *v)};
    memcpy(order[0], keys, n * sizeof *v);
    merge_sort(vm, values, order, n, reverse);
    if (values[0] != v) memcpy(v, values[0], n * sizeof *v);
}

static struct jj_value f_sort(struct jj *vm, struct jj_value *v)
{
    struct jj_value list = jj_to_list(vm, v[0]), keys = jj_list_new(vm, JJ_LIST, list.list->n), paths;
    bool case_sensitive = jj_truth(vm, v[2]);
    if (v[3].kind == JJ_STR) {
        paths = jj_split(vm, v[3], jj_text(vm, ","), -1, false);
    } else {
        paths = jj_list_new(vm, JJ_LIST, 1);
        jj_push(vm, paths, v[3]);
    }
    for (size_t i = 0; i < list.list->n; i++) {
        struct jj_value key = jj_list_new(vm, JJ_LIST, paths.list->n);
        for (size_t k = 0; k < paths.list->n; k++)
            jj_push(vm, key, item_key(vm, list.list->v[i], paths.list->v[k], case_sensitive));
        jj_push(vm, keys, key);
    }
    jj_sort(vm, list.list->v, list.list->n, keys.list->v, jj_truth(vm, v[1]));
    return list;
}

static struct jj_value pairs_of(struct jj *vm, struct jj_value dict)
{
    if (dict.kind != JJ_DICT) {
        struct jj_value items = jj_getattr(vm, dict, jj_text(vm, "items").s);
        const struct jj_args none = {0};
        return jj_to_list(vm, jj_call(vm, items, &none));
    }
    struct jj_view view = {dict.dict, JJ_ITEMS};
    return jj_to_list(vm, (struct jj_value){.kind = JJ_VIEW, .view = &view});
}

static struct jj_value f_dictsort(struct jj *vm, struct jj_value *v)
{
    bool by_value = v[2].kind && jj_is(v[2], "value");
    if (v[2].kind && !by_value && !jj_is(v[2], "key"))
        jj_raise(vm, "You can only sort by either \"key\" or \"value\"");
    struct jj_value list = pairs_of(vm, v[0]), keys = jj_list_new(vm, JJ_LIST, list.list->n);
    for (size_t i = 0; i < list.list->n; i++)
        jj_push(vm, keys, folded(vm, list.list->v[i].list->v[by_value], jj_truth(vm, v[1])));
    jj_sort(vm, list.list->v, list.list->n, keys.list->v, jj_truth(vm, v[3]));
    return list;
}

static struct jj_value f_groupby(struct jj *vm, struct jj_value *v)
{
    bool case_sensitive = jj_truth(vm, v[3]);
    struct jj_value list = jj_to_list(vm, v[0]), keys = jj_list_new(vm, JJ_LIST, list.list->n),
                    out = jj_list_new(vm, JJ_LIST, 0);
    for (size_t i = 0; i < list.list->n; i++)
        jj_push(vm, keys, folded(vm, jj_path(vm, list.list->v[i], v[1], v[2]), case_sensitive));
    jj_sort(vm, list.list->v, list.list->n, keys.list->v, false);
    struct jj_value last = nothing, group = nothing;
    for (size_t i = 0; i < list.list->n; i++) {
        struct jj_value key = jj_path(vm, list.list->v[i], v[1], v[2]),
                        same = folded(vm, key, case_sensitive);
        if (!i || !jj_equal(vm, last, same)) {
            struct jj_value pair = jj_list_new(vm, JJ_TUPLE, 2);
            group = jj_list_new(vm, JJ_LIST, 0);
            jj_push(vm, pair, key);
            jj_push(vm, pair, group);
            pair.list->grouped = true;
            jj_push(vm, out, pair);
        }
        jj_push(vm, group, list.list->v[i]);
        last = same;
    }
    return out;
}

static struct jj_value extreme(struct jj *vm, struct jj_value *v, bool largest)
{
    struct jj_iter *it = jj_iter(vm, v[0]);
    struct jj_value best = nothing, best_key = nothing, item;
    bool case_sensitive = jj_truth(vm, v[1]);
    while (jj_next(vm, it, &item)) {
        struct jj_value key = item_key(vm, item, v[2], case_sensitive);
        if (best.kind && !(largest ? jj_less(vm, best_key, key, ">") : jj_less(vm, key, best_key, "<")))
            continue;
        best = item;
        best_key = key;
    }
    return best.kind ? best : jj_undefined_hint(vm, "No aggregated item, sequence was empty.");
}

static struct jj_value f_min(struct jj *vm, struct jj_value *v)
{
    return extreme(vm, v, false);
}
static struct jj_value f_max(struct jj *vm, struct jj_value *v)
{
    return extreme(vm, v, true);
}

/* ---- one value of a sequence --------------------------------------------------------------------------- */

static struct jj_value f_first(struct jj *vm, struct jj_value *v)
{
    struct jj_value item;
    if (jj_next(vm, jj_iter(vm, v[0]), &item)) return item;
    return jj_undefined_hint(vm, "No first item, sequence was empty.");
}

static struct jj_value f_last(struct jj *vm, struct jj_value *v)
{
    if (v[0].kind == JJ_ITER) jj_raise(vm, "'%s' object is not reversible", jj_type(v[0]));
    if (v[0].kind == JJ_STR && v[0].s->chars) return jj_getitem(vm, v[0], jj_int(-1));
    struct jj_value list = jj_to_list(vm, v[0]);
    if (list.list->n) return list.list->v[list.list->n - 1];
    return jj_undefined_hint(vm, "No last item, sequence was empty.");
}

static struct jj_value f_length(struct jj *vm, struct jj_value *v)
{
    int64_t n = jj_length(vm, v[0]);
    if (n < 0) jj_raise(vm, "object of type '%s' has no len()", jj_type(v[0]));
    return jj_int(n);
}

static struct jj_value f_sum(struct jj *vm, struct jj_value *v)
{
    struct jj_iter *it = jj_iter(vm, v[0]);
    struct jj_value total = v[2].kind ? v[2] : jj_int(0), item;
    if (total.kind == JJ_STR) jj_raise(vm, "sum() can't sum strings [use ''.join(seq) instead]");
    while (jj_next(vm, it, &item)) total = jj_binary(vm, OP_ADD, total, jj_path(vm, item, v[1], nothing));
    return total;
}

static struct jj_value f_list(struct jj *vm, struct jj_value *v)
{
    return jj_to_list(vm, v[0]);
}

static struct jj_value f_join(struct jj *vm, struct jj_value *v)
{
    struct jj_value sep = v[1].kind ? jj_to_str(vm, v[1]) : jj_text(vm, ""), items = v[0], item;
    if (v[2].kind && v[2].kind != JJ_NONE) {
        struct jj_iter *it = jj_iter(vm, v[0]);
        items = jj_list_new(vm, JJ_LIST, 0);
        while (jj_next(vm, it, &item)) jj_push(vm, items, jj_path(vm, item, v[2], nothing));
    }
    return jj_join(vm, sep, items, true);
}

/* ---- generators that make their list when first read --------------------------------------------------- */

static bool next_made(struct jj *vm, struct jj_iter *it, struct jj_value *out)
{
    if (!it->of.kind) it->of = it->make(vm, it->v);
    if (it->at >= it->of.list->n) return false;
    *out = it->of.list->v[it->at++];
    return true;
}

static struct jj_value made_later(struct jj *vm,
                                  struct jj_value (*make)(struct jj *, const struct jj_value *),
                                  const struct jj_value *v)
{
    struct jj_value *copy = jj_alloc(vm, JJ_PARAMS_MAX * sizeof *copy);
    memcpy(copy, v, JJ_PARAMS_MAX * sizeof *copy);
    struct jj_iter it = {.next = next_made, .make = make, .v = copy};
    return jj_generator(vm, &it);
}

static struct jj_value make_items(struct jj *vm, const struct jj_value *v)
{
    if (v[0].kind == JJ_UNDEFINED) return jj_list_new(vm, JJ_LIST, 0);
    if (v[0].kind != JJ_DICT) jj_raise(vm, "Can only get item pairs from a mapping.");
    return pairs_of(vm, v[0]);
}

static struct jj_value make_unique(struct jj *vm, const struct jj_value *v)
{
    struct jj_iter *it = jj_iter(vm, v[0]);
    struct jj_value out = jj_list_new(vm, JJ_LIST, 0), seen = jj_dict_new(vm), item;
    while (jj_next(vm, it, &item)) {
        struct jj_value key = item_key(vm, item, v[2], jj_truth(vm, v[1]));
        if (jj_dict_find(vm, seen.dict, key)) continue;
        jj_dict_set(vm, seen.dict, key, jj_none());
        jj_push(vm, out, item);
    }
    return out;
}

static struct jj_value make_batch(struct jj *vm, const struct jj_value *v)
{
    struct jj_value out = jj_list_new(vm, JJ_LIST, 0), row = nothing, item;
    struct jj_iter *it = jj_iter(vm, v[0]);
    int64_t n = jj_need_int(vm, v[1]);
    while (jj_next(vm, it, &item)) {
        if (!row.kind || (int64_t)row.list->n == n) {
            row = jj_list_new(vm, JJ_LIST, 0);
            jj_push(vm, out, row);
        }
        jj_push(vm, row, item);
    }
    while (row.kind && v[2].kind && v[2].kind != JJ_NONE && (int64_t)row.list->n < n) jj_push(vm, row, v[2]);
    return out;
}

static struct jj_value make_slice(struct jj *vm, const struct jj_value *v)
{
    struct jj_value list = jj_to_list(vm, v[0]), out = jj_list_new(vm, JJ_LIST, 0);
    int64_t slices = jj_need_int(vm, v[1]), n = (int64_t)list.list->n;
    if (!slices) jj_raise(vm, "integer division or modulo by zero");
    for (int64_t i = 0, at = 0; i < slices; i++) {
        bool extra = i < n % slices;
        struct jj_value column = jj_list_new(vm, JJ_LIST, 0);
        for (int64_t k = 0; k < n / slices + extra; k++) jj_push(vm, column, list.list->v[at++]);
        if (v[2].kind && v[2].kind != JJ_NONE && !extra) jj_push(vm, column, v[2]);
        jj_push(vm, out, column);
    }
    return out;
}

static struct jj_value f_items(struct jj *vm, struct jj_value *v)
{
    return made_later(vm, make_items, v);
}
static struct jj_value f_unique(struct jj *vm, struct jj_value *v)
{
    return made_later(vm, make_unique, v);
}
static struct jj_value f_batch(struct jj *vm, struct jj_value *v)
{
    return made_later(vm, make_batch, v);
}
static struct jj_value f_slice(struct jj *vm, struct jj_value *v)
{
    return made_later(vm, make_slice, v);
}

static struct jj_value make_reversed(struct jj *vm, const struct jj_value *v)
{
    struct jj_value list = jj_to_list(vm, v[0]), out = jj_list_new(vm, JJ_LIST, list.list->n);
    for (size_t i = list.list->n; i-- > 0;) jj_push(vm, out, list.list->v[i]);
    return out;
}

static struct jj_value f_reverse(struct jj *vm, struct jj_value *v)
{
    if (v[0].kind == JJ_STR) return jj_slice(vm, v[0], jj_none(), jj_none(), jj_int(-1));
    if (!jj_iter_try(vm, v[0])) jj_raise(vm, "argument must be iterable");
    if (v[0].kind == JJ_ITER) return make_reversed(vm, v);
    struct jj_value out = made_later(vm, make_reversed, v);
    out.iter->type = "list_reverseiterator";
    return out;
}

/* ---- map, select, reject ------------------------------------------------------------------------------- */

static struct jj_value keyword(const struct jj_args *a, const char *name)
{
    const struct jj_value *v = a->kw ? jj_dict_text(a->kw, name, strlen(name)) : NULL;
    return v ? *v : nothing;
}

static bool next_mapped(struct jj *vm, struct jj_iter *it, struct jj_value *out)
{
    struct jj_value item;
    if (!it->from) {
        if (!jj_truth(vm, it->of)) return false;
        if (!it->by_attr) it->row = jj_need_filter(vm, it->args.v[0]);
        it->from = jj_iter(vm, it->of);
    }
    if (!jj_next(vm, it->from, &item)) return false;
    if (it->by_attr) {
        *out = jj_path(vm, item, keyword(&it->args, "attribute"), keyword(&it->args, "default"));
    } else {
        struct jj_args rest = {.v = it->args.v + 1, .n = it->args.n - 1, .kw = it->args.kw};
        *out = jj_row_call(vm, it->row, item, &rest);
    }
    return true;
}

static struct jj_value f_map(struct jj *vm, struct jj_value self, const struct jj_args *a)
{
    struct jj_iter it = {.next = next_mapped, .of = self, .args = *a};
    it.by_attr = !a->n && keyword(a, "attribute").kind;
    if (!it.by_attr && !a->n) jj_raise(vm, "map requires a filter argument");
    for (size_t i = 0; it.by_attr && i < a->kw->n; i++)
        if (!jj_is(a->kw->v[i].key, "attribute") && !jj_is(a->kw->v[i].key, "default"))
            jj_raise(vm, "Unexpected keyword argument %s", jj_repr(vm, a->kw->v[i].key));
    return jj_generator(vm, &it);
}

static bool next_selected(struct jj *vm, struct jj_iter *it, struct jj_value *out)
{
    size_t first = it->by_attr;
    if (!it->from) {
        if (!jj_truth(vm, it->of)) return false;
        if (it->by_attr && !it->args.n) jj_raise(vm, "Missing parameter for attribute name");
        if (it->args.n > first) it->row = jj_need_test(vm, it->args.v[first]);
        it->from = jj_iter(vm, it->of);
    }
    while (jj_next(vm, it->from, out)) {
        struct jj_value v = it->by_attr ? jj_path(vm, *out, it->args.v[0], nothing) : *out;
        if (it->row) {
            struct jj_args rest = {
                .v = it->args.v + first + 1, .n = it->args.n - first - 1, .kw = it->args.kw};
            v = jj_row_call(vm, it->row, v, &rest);
        }
        if (jj_truth(vm, v) != it->negate) return true;
    }
    return false;
}

static struct jj_value selection(struct jj *vm, struct jj_value self, const struct jj_args *a, bool by_attr,
                                 bool negate)
{
    struct jj_iter it = {.next = next_selected, .of = self, .args = *a, .by_attr = by_attr, .negate = negate};
    return jj_generator(vm, &it);
}

static struct jj_value f_select(struct jj *vm, struct jj_value self, const struct jj_args *a)
{
    return selection(vm, self, a, false, false);
}
static struct jj_value f_reject(struct jj *vm, struct jj_value self, const struct jj_args *a)
{
    return selection(vm, self, a, false, true);
}
static struct jj_value f_selectattr(struct jj *vm, struct jj_value self, const struct jj_args *a)
{
    return selection(vm, self, a, true, false);
}
static struct jj_value f_rejectattr(struct jj *vm, struct jj_value self, const struct jj_args *a)
{
    return selection(vm, self, a, true, true);
}

const struct jj_callable jj_filters_list[] = {
    {"length", "", f_length, NULL},
    {"count", "", f_length, NULL},
    {"first", "", f_first, NULL},
    {"last", "", f_last, NULL},
    {"list", "", f_list, NULL},
    {"join", "d=,attribute=", f_join, NULL},
    {"items", "", f_items, NULL},
    {"map", NULL, NULL, f_map},
    {"select", NULL, NULL, f_select},
    {"reject", NULL, NULL, f_reject},
    {"selectattr", NULL, NULL, f_selectattr},
    {"rejectattr", NULL, NULL, f_rejectattr},
    {"sort", "reverse=,case_sensitive=,attribute=", f_sort, NULL},
    {"dictsort", "case_sensitive=,by=,reverse=", f_dictsort, NULL},
    {"groupby", "attribute,default=,case_sensitive=", f_groupby, NULL},
    {"unique", "case_sensitive=,attribute=", f_unique, NULL},
    {"min", "case_sensitive=,attribute=", f_min, NULL},
    {"max", "case_sensitive=,attribute=", f_max, NULL},
    {"sum", "attribute=,start=", f_sum, NULL},
    {"batch", "linecount,fill_with=", f_batch, NULL},
    {"slice", "slices,fill_with=", f_slice, NULL},
    {"reverse", "", f_reverse, NULL},
    {0}};
