/* forms.c: Unicode normalisation forms C, D, KC and KD, by utf8proc, on the few stretches that need it.
 *
 * Most text is normalised already. An active character may change, move, or join one before it; every other
 * character passes through and stops both reordering and joining. So a stretch from the last character that
 * is not active before one that is, up to the next that is not, can be normalised by itself. Which are
 * active is known from Hugging Face's normalisers, whose tables are of Unicode 9: newer combining marks are
 * left where they are.
 */
#include <stdlib.h>
#include <utf8proc.h>

#include "base/check.h"
#include "text/text_int.h"
#include "text/unicode.h"

static bool composing(enum norm_form form)
{
    return form == FORM_C || form == FORM_KC;
}

static bool active(enum norm_form form, uint32_t cp)
{
    if (composing(form) && unicode_table()[cp] & UC_NFC) return true;
    return form != FORM_C && uc_in(&uc_decomposing, cp);
}

/* A character not active that utf8proc, with newer tables, would still move (a combining mark), decompose,
 * or join with an old mark behind it (Todhri letters, Unicode 16): it stays out of what utf8proc sees. Under
 * C, letters that decompose are not active, but are composed again. */
static bool newer(enum norm_form form, uint32_t cp)
{
    const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)cp);
    bool decomposes = form != FORM_C && p->decomp_seqindex != UINT16_MAX;
    return (cp >= 0x105C0 && cp <= 0x105FF) || p->combining_class || decomposes;
}

/* p[0..n) normalised, onto out. */
static void convert(enum norm_form form, const char *p, size_t n, struct str *out)
{
    utf8proc_uint8_t *done = NULL;
    utf8proc_option_t options = UTF8PROC_STABLE | (composing(form) ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                                (form == FORM_KC || form == FORM_KD ? UTF8PROC_COMPAT : 0);
    utf8proc_ssize_t m = utf8proc_map((const utf8proc_uint8_t *)p, (utf8proc_ssize_t)n, &done, options);
    CHECK(m >= 0, "utf8proc_map of %zu bytes: %s", n, utf8proc_errmsg(m));
    str_add(out, (const char *)done, (size_t)m);
    free(done);
}

bool form_run(enum norm_form form, const char *p, size_t n, struct str *out)
{
    const char *end = p + n, *base = p, *done = p; /* base: the last character before q that is not active */
    bool changed = false;
    int step;
    for (const char *q = p; q < end; q += step) {
        if ((unsigned char)*q < 0xC0) {
            base = q;
            step = 1;
            continue;
        }
        uint32_t cp = utf8_at(q, &step);
        if (!active(form, cp)) {
            base = q;
            continue;
        }
        const char *stop = q;
        int more = step;
        if (base < q && newer(form, utf8_at(base, &step))) base = q;
        do {
            stop += more;
        } while (stop < end && active(form, utf8_at(stop, &more)));
        str_add(out, done, (size_t)(base - done));
        convert(form, base, (size_t)(stop - base), out);
        changed = true;
        done = base = stop;
        step = (int)(stop - q);
    }
    if (changed) str_add(out, done, (size_t)(end - done));
    return changed;
}
