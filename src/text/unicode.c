/* unicode.c: the run-length tables of unicode_data.c spread out to one byte a code point, and UTF-8 steps.
 *
 * A flat table of 1.1 MB costs one load a character; only the pages that a text uses are ever touched.
 * White_Space is the categories Z* and the controls U+0009..000D and U+0085, 25 characters in all.
 */
#include "text/unicode.h"

#include <pthread.h>
#include <string.h>

#include "base/check.h"
#include "base/str.h"

#define CODES 0x110000

static uint8_t table[CODES];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void table_build(void)
{
    size_t at = 0;
    for (int i = 0; i < unicode_n_runs; i++) {
        size_t n = unicode_runs[i] >> 7;
        uint8_t bits = unicode_runs[i] & (UC_NEWER | UC_NFC | UC_CATEGORY);
        if ((bits & UC_CATEGORY) >= UC_ZS) bits |= UC_SPACE;
        CHECK(n <= CODES - at, "run %d of %zu at %zu", i, n, at);
        memset(table + at, bits, n);
        at += n;
    }
    CHECK(at == CODES, "runs cover %zu code points", at);
    for (int c = 0x09; c <= 0x0D; c++) table[c] |= UC_SPACE;
    table[0x85] |= UC_SPACE;
}

const uint8_t *unicode_table(void)
{
    pthread_once(&table_once, table_build);
    return table;
}

/* Alphabetic symbols that no category shows: circled and squared Latin letters. */
static bool other_alphabetic(uint32_t cp)
{
    return (cp >= 0x24B6 && cp <= 0x24E9) || (cp >= 0x1F130 && cp <= 0x1F149) ||
           (cp >= 0x1F150 && cp <= 0x1F169) || (cp >= 0x1F170 && cp <= 0x1F189);
}

bool uc_word(uint32_t cp)
{
    unsigned c = unicode_table()[cp] & UC_CATEGORY;
    return (c >= UC_LU && c <= UC_NL) || c == UC_PC || cp == 0x200C || cp == 0x200D || other_alphabetic(cp);
}

bool uc_in(const struct uc_set *set, uint32_t cp)
{
    int lo = 0, hi = set->n;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (set->range[mid].to < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < set->n && set->range[lo].from <= cp;
}

uint32_t uc_lower(uint32_t cp)
{
    if (cp < 0x80) return cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
    int lo = 0, hi = uc_n_lower_runs;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (uc_lower_runs[mid].to < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == uc_n_lower_runs || uc_lower_runs[lo].from > cp) return cp;
    const struct uc_lower_run *r = &uc_lower_runs[lo];
    return r->distance == 1 && (cp - r->from) & 1 ? cp : cp + (uint32_t)r->distance;
}

uint32_t utf8_before(const char *start, const char *p, int *n)
{
    const char *q = p - 1;
    while (q > start && ((unsigned char)*q & 0xC0) == 0x80) q--;
    return utf8_at(q, n);
}

int utf8_put(char *out, uint32_t cp)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xC0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xE0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        out[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
    out[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

bool utf8_valid(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n) {
        uint64_t eight;
        if (n - i >= sizeof eight) {
            memcpy(&eight, p + i, sizeof eight);
            if (!(eight & 0x8080808080808080u)) {
                i += sizeof eight;
                continue;
            }
        }
        if ((unsigned char)p[i] < 0x80) {
            i++;
            continue;
        }
        int step = utf8_length(p + i, n - i);
        if (!step) return false;
        i += (size_t)step;
    }
    return true;
}
