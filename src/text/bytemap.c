/* bytemap.c: GPT-2's printable characters for bytes (openai/gpt-2, bytes_to_unicode).
 *
 * Bytes 21..7E, A1..AC and AE..FF stand for themselves; the other 68, in increasing order, are U+0100,
 * U+0101, and so on. So a space is U+0120 and a newline U+010A.
 */
#include "text/text_int.h"
#include "text/unicode.h"

static bool printable(unsigned b)
{
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
}

/* The 68 bytes that are not printable: 00..20, 7F..A0, AD. */
#define OTHERS 68
static unsigned other_index(unsigned b)
{
    return b <= 0x20 ? b : b <= 0xA0 ? 0x21 + (b - 0x7F) : OTHERS - 1;
}

static int other_byte(unsigned index)
{
    return (int)(index <= 0x20 ? index : index < OTHERS - 1 ? index - 0x21 + 0x7F : 0xAD);
}

int bytemap_char(unsigned char byte, char out[4])
{
    return utf8_put(out, printable(byte) ? byte : 0x100 + other_index(byte));
}

long bytemap_bytes(const char *token, size_t n, char *out)
{
    long used = 0;
    for (size_t i = 0; i < n;) {
        int step;
        uint32_t cp = utf8_at(token + i, &step);
        if (cp < 0x100 && printable(cp))
            out[used++] = (char)cp;
        else if (cp >= 0x100 && cp < 0x100 + OTHERS)
            out[used++] = (char)other_byte(cp - 0x100);
        else
            return -1;
        i += (size_t)step;
    }
    return used;
}

void bytemap_text(const char *p, size_t n, struct str *out)
{
    char mapped[4];
    for (size_t i = 0; i < n; i++) str_add(out, mapped, (size_t)bytemap_char((unsigned char)p[i], mapped));
}
