/* words.c: a text as its words, for comparing texts: lower case, cut at white space (Python's lower and
 * split, as Open-R1's decontamination has them), each word a hash of 64 bits; and runs of n words.
 *
 * Hashes can collide: of 10^9 different runs against 10^6, one in about 20000 times some pair does. What then
 * happens is that a row too many is called a copy.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/str.h"
#include "data/data_int.h"
#include "text/pystr.h"

/* A bijection that spreads every bit (Stafford's mix 13 of MurmurHash3's finaliser). */
uint64_t word_mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
    x = (x ^ x >> 27) * 0x94D049BB133111EB;
    return x ^ x >> 31;
}

/* The code point at p (an invalid byte stands for itself, beyond Unicode) and how many bytes it has. */
static uint32_t code_point(const char *p, size_t n, int *bytes)
{
    const unsigned char *u = (const unsigned char *)p;
    *bytes = utf8_length(p, n);
    switch (*bytes) {
    case 1: return u[0];
    case 2: return (uint32_t)(u[0] & 31) << 6 | (u[1] & 63);
    case 3: return (uint32_t)(u[0] & 15) << 12 | (uint32_t)(u[1] & 63) << 6 | (u[2] & 63);
    case 4:
        return (uint32_t)(u[0] & 7) << 18 | (uint32_t)(u[1] & 63) << 12 | (uint32_t)(u[2] & 63) << 6 |
               (u[3] & 63);
    default: break;
    }
    *bytes = 1;
    return 0x110000 + u[0];
}

static void push(struct word_list *w, uint64_t hash, size_t from, size_t to)
{
    if (w->n == w->cap) {
        w->cap = w->cap * 2 + 64;
        w->list = alloc_again(w->list, w->cap * sizeof *w->list);
    }
    w->list[w->n++] = (struct word_at){hash, from, to};
}

void word_list_read(struct word_list *w, const char *text, size_t n)
{
    uint64_t hash = 0;
    size_t from = 0;
    bool within = false;
    int bytes;
    w->n = 0;
    for (size_t i = 0; i < n; i += (size_t)bytes) {
        uint32_t c = code_point(text + i, n - i, &bytes), lower[3];
        if (c < 0x110000 && py_is_space(c)) {
            if (within) push(w, word_mix(hash), from, i);
            within = false;
            continue;
        }
        if (!within) hash = 0, from = i;
        within = true;
        int k = c < 0x110000 ? py_case_map(PY_LOWER, c, lower) : 1;
        if (c >= 0x110000) lower[0] = c;
        for (int j = 0; j < k; j++) hash = word_mix(hash + lower[j] + 1);
    }
    if (within) push(w, word_mix(hash), from, n);
}

void word_list_release(struct word_list *w)
{
    free(w->list);
    *w = (struct word_list){0};
}

uint64_t word_list_run(const struct word_list *w, size_t at, size_t n)
{
    uint64_t hash = n;
    for (size_t i = at; i < at + n; i++) hash = word_mix(hash ^ w->list[i].hash);
    return hash;
}
