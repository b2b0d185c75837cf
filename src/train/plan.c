/* plan.c: what a run will need, worked out before it needs it.
 *
 * Activations are measured, not guessed: the very functions of the step run on an arena that only counts
 * (base/arena.h), over the largest microbatch there can be.
 */
#include "train/train_int.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/file.h"
#include "base/machine.h"

void plan_add(struct plan *p, const char *what, size_t bytes)
{
    CHECK(p->n < PLAN_ROWS, "row '%s' of a plan of %d", what, PLAN_ROWS);
    p->rows[p->n].what = what;
    p->rows[p->n++].bytes = bytes;
}

void plan_change(struct plan *p, const char *what, size_t bytes)
{
    for (int i = 0; i < p->n; i++)
        if (p->rows[i].what == what) p->rows[i].bytes = bytes;
}

size_t plan_row(const struct plan *p, const char *what)
{
    size_t bytes = 0;
    for (int i = 0; i < p->n; i++)
        if (p->rows[i].what == what) bytes += p->rows[i].bytes;
    return bytes;
}

size_t plan_total(const struct plan *p)
{
    size_t total = 0;
    for (int i = 0; i < p->n; i++) total += p->rows[i].bytes;
    return total;
}

size_t plan_files(const struct plan *p)
{
    return p->mapped + p->disk;
}

size_t plan_resident(const struct plan *p)
{
    return plan_total(p) + plan_files(p) + p->kept;
}

/* In MB, or in GB where it is a thousand of them. */
static void add_bytes(struct str *out, int width, size_t bytes)
{
    double x = (double)bytes / 1e6;
    str_addf(out, "%*.2f %s", width, x < 1000 ? x : x / 1000, x < 1000 ? "MB" : "GB");
}

static void add_row(struct str *out, const char *what, size_t bytes)
{
    str_addf(out, "  %-34s ", what);
    add_bytes(out, 8, bytes);
    str_puts(out, "\n");
}

void plan_text(const struct plan *p, size_t limit, struct str *out)
{
    str_addf(out, "memory plan%s%s\n", p->at ? ", " : "", p->at ? p->at : "");
    for (int i = 0; i < p->n; i++)
        if (p->rows[i].bytes) add_row(out, p->rows[i].what, p->rows[i].bytes);
    add_row(out, "total", plan_total(p));
    add_row(out, "may be used", limit);
    if (p->kept) add_row(out, "of what is left, kept from sampling", p->kept);
    if (p->mapped) add_row(out, "weights read from their file", p->mapped);
    if (p->disk) add_row(out, "optimiser state, on disk", p->disk);
    if (plan_files(p) || p->kept) add_row(out, "total, resident with these", plan_resident(p));
}

void plan_others_text(const struct plan *p, size_t most, struct str *out)
{
    for (int i = 0; i < p->n_others; i++) {
        const struct plan_other *o = &p->others[i];
        if (o->bytes > most || o->bytes >= plan_total(p)) continue;
        str_addf(out, "  %-80s ", o->settings);
        add_bytes(out, 8, o->bytes);
        if (o->disk) {
            str_puts(out, ", and ");
            add_bytes(out, 0, o->disk);
            str_puts(out, " on disk");
        }
        str_puts(out, "\n");
    }
}

const struct plan_other *plan_least(const struct plan *p)
{
    const struct plan_other *least = NULL;
    for (int i = 0; i < p->n_others; i++) {
        const struct plan_other *o = &p->others[i];
        if (o->bytes < (least ? least->bytes : plan_total(p))) least = o;
    }
    return least;
}

json_t *plan_json(const struct plan *p, size_t limit)
{
    json_t *memory = json_object(), *others = json_array();
    for (int i = 0; i < p->n; i++)
        if (p->rows[i].bytes)
            json_object_set_new(memory, p->rows[i].what, json_integer((json_int_t)p->rows[i].bytes));
    for (int i = 0; i < p->n_others; i++)
        json_array_append_new(others, json_pack("{s:s, s:I, s:I}", "settings", p->others[i].settings, "total",
                                                (json_int_t)p->others[i].bytes, "disk",
                                                (json_int_t)p->others[i].disk));
    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "memory", memory, "total",
                     (json_int_t)plan_total(p), "limit", (json_int_t)limit, "mapped", (json_int_t)p->mapped,
                     "disk", (json_int_t)p->disk, "kept", (json_int_t)p->kept, "resident",
                     (json_int_t)plan_resident(p), "fits", plan_total(p) <= limit, "others", others);
}

size_t plan_micro(const struct micro *b, struct model *m, bool checkpoint, bool learn)
{
    struct arena counted;
    struct forward f = {.rows = {.temperature = 1}};
    arena_init_plan(&counted);
    struct tape *t = tape_new(&counted);
    tape_start(t, learn);
    micro_forward(b, m, t, checkpoint, &f);
    if (learn) {
        if (!f.rows.known) {
            tape_seed(t, f.out.logp);
            if (f.out.mean_logp) tape_seed(t, f.out.mean_logp);
        }
        for (int k = 0; k < b->n_further; k++)
            if (f.further[k].rows.n) tape_seed(t, f.further[k].out.logp);
        tape_backward(t);
    }
    size_t peak = counted.peak;
    tape_free(t);
    arena_release(&counted);
    return peak;
}

size_t plan_limit(struct conf *c)
{
    if (conf_is_set(c, "max_memory_gb")) return (size_t)(conf_real(c, "max_memory_gb") * 1e9);
    return memory_allowed();
}
