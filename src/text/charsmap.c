/* charsmap.c: SentencePiece's table of replacements ("precompiled_charsmap"), most often NFKC with changes.
 *
 * In base64: u32 length of a trie, the trie, and the replacements as NUL-terminated strings. The trie is a
 * double array as Darts-clone writes it (Yata): units of 32 bits, a child of node n by byte b is at n ^ b
 * with its label b, and a unit with the leaf bit has the offset of a replacement in the unit at n.
 * SentencePiece replaces the longest key at each place. Hugging Face's "Precompiled" asks for the shortest
 * key in each grapheme of less than six bytes, taken whole, and then in each character.
 */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/check.h"
#include "text/text_int.h"
#include "text/unicode.h"

#define GRAPHEME_WHOLE 6

struct charsmap {
    uint32_t *unit;
    size_t n_units;
    char *text; /* replacements; ends with NUL */
    size_t n_text;
};

static uint32_t unit_offset(uint32_t unit)
{
    return unit >> 10 << ((unit & 0x200) >> 6);
}

/* What replaces the longest, or the shortest, key that p[0..n) begins with (length in *used); or NULL. */
static const char *find(const struct charsmap *m, bool longest, const char *p, size_t n, size_t *used)
{
    const char *found = NULL;
    size_t at = unit_offset(m->unit[0]);
    for (size_t i = 0; i < n && p[i]; i++) {
        unsigned char c = (unsigned char)p[i];
        at ^= c;
        if (at >= m->n_units || (m->unit[at] & 0x800000FFu) != c) break;
        bool leaf = m->unit[at] >> 8 & 1;
        at ^= unit_offset(m->unit[at]);
        if (!leaf) continue;
        if (at >= m->n_units || (m->unit[at] & 0x7FFFFFFF) >= m->n_text) break;
        found = m->text + (m->unit[at] & 0x7FFFFFFF);
        *used = i + 1;
        if (!longest) break;
    }
    return found;
}

/* One character or what replaces it. */
static void put_char(const struct charsmap *m, const char *p, size_t n, struct str *out)
{
    size_t used;
    const char *text = find(m, false, p, n, &used);
    if (text)
        str_puts(out, text);
    else
        str_add(out, p, n);
}

static void put_grapheme(const struct charsmap *m, const char *p, size_t n, struct str *out)
{
    size_t used;
    const char *text = n < GRAPHEME_WHOLE ? find(m, false, p, n, &used) : NULL;
    int step;
    if (text)
        str_puts(out, text);
    else
        for (size_t i = 0; i < n; i += (size_t)step) {
            utf8_at(p + i, &step);
            put_char(m, p + i, (size_t)step, out);
        }
}

static size_t grapheme_length(const char *p, const char *end)
{
    int step, state = 0;
    utf8proc_int32_t last = (utf8proc_int32_t)utf8_at(p, &step);
    const char *q = p + step;
    while (q < end) {
        utf8proc_int32_t cp = (utf8proc_int32_t)utf8_at(q, &step);
        if (utf8proc_grapheme_break_stateful(last, cp, &state)) break;
        last = cp;
        q += step;
    }
    return (size_t)(q - p);
}

void charsmap_run(const struct charsmap *m, bool longest, const char *p, size_t n, struct str *out)
{
    for (const char *end = p + n; p < end;) {
        size_t used;
        const char *text = NULL;
        if (longest) {
            text = find(m, true, p, (size_t)(end - p), &used);
            int step;
            utf8_at(p, &step);
            if (text)
                str_puts(out, text);
            else
                str_add(out, p, used = (size_t)step);
        } else {
            used = grapheme_length(p, end);
            put_grapheme(m, p, used, out);
        }
        p += used;
    }
}

static int split(struct charsmap *m, const unsigned char *bytes, size_t n, struct err *e)
{
    uint32_t size;
    if (n < sizeof size) return err_set(e, "a table of %zu bytes", n);
    memcpy(&size, bytes, sizeof size);
    if (size < sizeof *m->unit || size % sizeof *m->unit || size > n - sizeof size)
        return err_set(e, "a trie of %u bytes in a table of %zu", size, n);
    m->n_units = size / sizeof *m->unit;
    m->unit = alloc_or_die(size);
    memcpy(m->unit, bytes + sizeof size, size);
    m->n_text = n - sizeof size - size;
    m->text = alloc_strn((const char *)bytes + sizeof size + size, m->n_text);
    for (size_t i = 0; i < m->n_text; i += strlen(m->text + i) + 1)
        if (!utf8_valid(m->text + i, strlen(m->text + i))) return err_set(e, "a replacement is not UTF-8");
    return 0;
}

struct charsmap *charsmap_new(const char *base64, size_t n, struct err *e)
{
    struct charsmap *m = alloc_zero(1, sizeof *m);
    size_t used = 0;
    unsigned char *bytes = base64_decode(base64, n, &used);
    int failed = bytes ? split(m, bytes, used, e) : err_set(e, "not base64");
    free(bytes);
    if (!failed) return m;
    charsmap_free(m);
    return NULL;
}

void charsmap_free(struct charsmap *m)
{
    if (!m) return;
    free(m->unit);
    free(m->text);
    free(m);
}
