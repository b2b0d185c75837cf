/* nfc.c: Unicode normalisation form C, by utf8proc, on the few stretches that need it.
 *
 * Most text is in NFC already. A character marked UC_NFC may change, move, or join one before it; every other
 * character passes through and stops both reordering and joining. So a stretch from the last unmarked
 * character before a marked one up to the next unmarked one can be normalised by itself. The marks are those
 * of Hugging Face's normaliser, whose tables are of Unicode 9: newer combining marks are left where they are.
 */
#include <stdlib.h>
#include <utf8proc.h>

#include "base/check.h"
#include "text/text_int.h"
#include "text/unicode.h"

/* An unmarked character that utf8proc, with newer tables, would still move (a combining mark) or join with an
 * old mark behind it (Todhri letters, Unicode 16): it stays out of what utf8proc sees. */
static bool newer(uint32_t cp)
{
    return (cp >= 0x105C0 && cp <= 0x105FF) || utf8proc_get_property((utf8proc_int32_t)cp)->combining_class;
}

/* p[0..n) normalised, onto out. */
static void compose(const char *p, size_t n, struct str *out)
{
    utf8proc_uint8_t *done = NULL;
    utf8proc_ssize_t m = utf8proc_map((const utf8proc_uint8_t *)p, (utf8proc_ssize_t)n, &done,
                                      UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    CHECK(m >= 0, "utf8proc_map of %zu bytes: %s", n, utf8proc_errmsg(m));
    str_add(out, (const char *)done, (size_t)m);
    free(done);
}

bool nfc_run(const char *p, size_t n, struct str *out)
{
    const uint8_t *table = unicode_table();
    const char *end = p + n, *base = p, *done = p; /* base: the last unmarked character before q */
    bool changed = false;
    int step;
    for (const char *q = p; q < end; q += step) {
        if ((unsigned char)*q < 0xC0) {
            base = q;
            step = 1;
            continue;
        }
        uint32_t cp = utf8_at(q, &step);
        if (!(table[cp] & UC_NFC)) {
            base = q;
            continue;
        }
        const char *stop = q;
        int more = step;
        if (base < q && newer(utf8_at(base, &step))) base = q;
        do {
            stop += more;
        } while (stop < end && table[utf8_at(stop, &more)] & UC_NFC);
        str_add(out, done, (size_t)(base - done));
        compose(base, (size_t)(stop - base), out);
        changed = true;
        done = base = stop;
        step = (int)(stop - q);
    }
    if (changed) str_add(out, done, (size_t)(end - done));
    return changed;
}
