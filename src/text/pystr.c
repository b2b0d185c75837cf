/* pystr.c: Python's questions about characters, answered from case_data.c and the table of categories.
 *
 * That table is of Unicode 16; characters newer than Python 3.11's Unicode 14 are unassigned here.
 */
#include "text/pystr.h"

#include "text/unicode.h"

static unsigned category(uint32_t cp)
{
    uint8_t bits = cp < 0x110000 ? unicode_table()[cp] : UC_CN;
    return bits & UC_NEWER ? UC_CN : bits & UC_CATEGORY;
}

static bool in_set(const uint32_t *set, int n, uint32_t cp)
{
    int lo = 0, hi = n;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (set[2 * mid + 1] < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && set[2 * lo] <= cp;
}

static const struct case_run *run_find(const struct case_run *run, int n, uint32_t cp)
{
    /* Runs are sorted by their first; one with a step may reach over the next, so look back a few. */
    int lo = 0, hi = n;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (run[mid].first <= cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (int i = lo - 1; i >= 0 && i >= lo - 4; i--)
        if (cp <= run[i].last && (cp - run[i].first) % run[i].step == 0) return &run[i];
    return NULL;
}

int py_case_map(enum py_case to, uint32_t cp, uint32_t out[3])
{
    static const struct {
        const struct case_run *runs;
        const struct case_long *longs;
        const int *n_runs, *n_long;
    } tables[] = {{case_upper_runs, case_upper_long, &case_upper_n_runs, &case_upper_n_long},
                  {case_lower_runs, case_lower_long, &case_lower_n_runs, &case_lower_n_long},
                  {case_title_runs, case_title_long, &case_title_n_runs, &case_title_n_long}};
    out[0] = cp;
    if (cp < 0x80) {
        if (to == PY_LOWER ? cp - 'A' < 26 : cp - 'a' < 26) out[0] = cp ^ 0x20;
        return 1;
    }
    for (int i = 0; i < *tables[to].n_long; i++) {
        if (tables[to].longs[i].from != cp) continue;
        int n = 0;
        for (; n < 3 && tables[to].longs[i].to[n]; n++) out[n] = tables[to].longs[i].to[n];
        return n;
    }
    const struct case_run *r = run_find(tables[to].runs, *tables[to].n_runs, cp);
    if (r) out[0] = (uint32_t)((int32_t)cp + r->delta);
    return 1;
}

bool py_is_space(uint32_t cp)
{
    if (cp < 0x80) return (cp >= 9 && cp <= 13) || (cp >= 0x1C && cp <= 0x20);
    return cp == 0x85 || category(cp) == UC_ZS || cp == 0x2028 || cp == 0x2029;
}

bool py_is_line_break(uint32_t cp)
{
    return (cp >= 10 && cp <= 13) || (cp >= 0x1C && cp <= 0x1E) || cp == 0x85 || cp == 0x2028 || cp == 0x2029;
}

bool py_is_alpha(uint32_t cp)
{
    unsigned c = category(cp);
    return c >= UC_LU && c <= UC_LO;
}

bool py_is_decimal(uint32_t cp)
{
    return category(cp) == UC_ND;
}

bool py_is_digit(uint32_t cp)
{
    return in_set(set_isdigit, set_isdigit_n, cp);
}

bool py_is_numeric(uint32_t cp)
{
    return in_set(set_isnumeric, set_isnumeric_n, cp);
}

bool py_is_lower(uint32_t cp)
{
    return in_set(set_islower, set_islower_n, cp);
}

bool py_is_upper(uint32_t cp)
{
    return in_set(set_isupper, set_isupper_n, cp);
}

bool py_is_title(uint32_t cp)
{
    return category(cp) == UC_LT;
}

bool py_is_printable(uint32_t cp)
{
    unsigned c = category(cp);
    return cp == ' ' || !(c <= UC_CO || c == UC_ZS || c == UC_ZL || c == UC_ZP);
}

bool py_is_word(uint32_t cp)
{
    return cp == '_' || py_is_alpha(cp) || py_is_numeric(cp);
}
