/* base64.c: base64 with padding (RFC 4648), as tiktoken's files and tokenizer.json's tables are written. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "text/text_int.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value_of(char c)
{
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

unsigned char *base64_decode(const char *text, size_t n, size_t *used)
{
    size_t pad = n && text[n - 1] == '=' ? 1 + (n > 1 && text[n - 2] == '=') : 0;
    if (n % 4) return NULL;
    unsigned char *out = alloc_or_die(n / 4 * 3 + 1);
    *used = 0;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t word = 0;
        for (size_t k = 0; k < 4; k++) {
            int v = i + k >= n - pad ? 0 : value_of(text[i + k]);
            if (v < 0) {
                free(out);
                return NULL;
            }
            word = word << 6 | (uint32_t)v;
        }
        for (int k = 2; k >= 0; k--) out[(*used)++] = (unsigned char)(word >> (8 * k));
    }
    *used -= pad;
    return out;
}

char *base64_encode(const unsigned char *bytes, size_t n)
{
    char *out = alloc_or_die((n + 2) / 3 * 4 + 1), *p = out;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i < 3 ? n - i : 3;
        uint32_t word = 0;
        for (size_t k = 0; k < 3; k++) word = word << 8 | (k < left ? bytes[i + k] : 0);
        for (size_t k = 0; k < 4; k++) *p++ = k > left ? '=' : digits[word >> (18 - 6 * k) & 63];
    }
    *p = 0;
    return out;
}
