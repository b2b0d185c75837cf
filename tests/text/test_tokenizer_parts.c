/* The stages of a tokenizer by themselves: scanners against PCRE2, merges of long pieces, characters,
 * streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "text/text_int.h"
#include "text/unicode.h"

static uint32_t draw(uint32_t sequence, uint32_t position, uint32_t n)
{
    struct rng_at at = {.seed = 7, .purpose = RNG_TEST, .sequence = sequence, .position = position};
    return rng_below(&at, n);
}

/* Text of all sorts of characters, many of them those that the expressions name. */
static size_t random_text(uint32_t sequence, char *out, size_t max)
{
    static const char common[] = " \t\n\r'stremdlvSTREMDLV09.,! ";
    uint32_t n = 1 + draw(sequence, 0, 40);
    size_t used = 0;
    for (uint32_t i = 0; i < n && used + 4 <= max; i++) {
        uint32_t what = draw(sequence, 4 * i + 1, 10), cp;
        if (what < 7)
            cp = (unsigned char)common[draw(sequence, 4 * i + 2, sizeof common - 1)];
        else if (what == 7)
            cp = draw(sequence, 4 * i + 2, 0x3100);
        else if (what == 8)
            cp = draw(sequence, 4 * i + 2, 0x110000);
        else
            cp = (const uint32_t[]){
                0x17F, 0x85, 0xA0, 0x180E, 0x2028, 0x3000, 0xFF11, 0x301}[draw(sequence, 4 * i + 2, 8)];
        if (cp >= 0xD800 && cp < 0xE000) cp -= 0x800;
        used += (size_t)utf8_put(out + used, cp);
    }
    return used;
}

static void scanner_equals_regex(const char *pattern)
{
    struct err e = {0};
    struct regex *re = regex_new(pattern, strlen(pattern), &e);
    struct regex_scratch *s = regex_scratch_new();
    scan_fn scan = scan_find(pattern);
    assert_non_null(re);
    assert_non_null(scan);
    for (uint32_t k = 0; k < 20000; k++) {
        char text[256];
        size_t n = random_text(k, text, sizeof text), at = 0;
        struct match m = {0};
        while (regex_next(re, s, text, n, &m, &e) > 0) {
            assert_int_equal(m.from, at);
            at = (size_t)(scan(text + at, text + n) - text);
            assert_int_equal(m.to, at);
        }
        assert_int_equal(at, n);
    }
    regex_scratch_free(s);
    regex_free(re);
}

static void scanners_cut_as_their_expressions_do(void **state)
{
    (void)state;
    scanner_equals_regex(scan_gpt2);
    scanner_equals_regex(scan_qwen2);
    scanner_equals_regex(scan_llama3);
}

/* \s, \d, \w and categories of the rewritten expressions are those of the tables, for every code point. */
static void regex_classes_are_those_of_the_tables(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        int from, to; /* categories */
    } rows[] = {{"\\p{L}", UC_LU, UC_LO}, {"\\p{N}", UC_ND, UC_NO}, {"\\p{M}", UC_MN, UC_ME},
                {"\\p{P}", UC_PC, UC_PO}, {"\\p{S}", UC_SM, UC_SO}, {"\\d", UC_ND, UC_ND}};
    const uint8_t *table = unicode_table();
    struct regex_scratch *s = regex_scratch_new();
    struct err e = {0};
    for (size_t k = 0; k <= sizeof rows / sizeof *rows; k++) {
        bool space = k == sizeof rows / sizeof *rows;
        const char *pattern = space ? "\\s" : rows[k].pattern;
        struct regex *re = regex_new(pattern, strlen(pattern), &e);
        assert_non_null(re);
        for (uint32_t cp = 0; cp < 0x110000; cp++) {
            if (cp >= 0xD800 && cp < 0xE000) continue;
            char text[4];
            struct match m = {0};
            int c = table[cp] & UC_CATEGORY;
            bool expected = space ? table[cp] & UC_SPACE : c >= rows[k].from && c <= rows[k].to;
            if ((regex_next(re, s, text, (size_t)utf8_put(text, cp), &m, &e) > 0) != expected)
                fail_msg("%s and U+%04X", pattern, cp);
        }
        regex_free(re);
    }
    regex_scratch_free(s);
}

static void bytes_map_there_and_back(void **state)
{
    (void)state;
    for (int b = 0; b < 256; b++) {
        char name[4], back[4];
        int n = bytemap_char((unsigned char)b, name);
        assert_int_equal(bytemap_bytes(name, (size_t)n, back), 1);
        assert_int_equal((unsigned char)back[0], b);
    }
    char out[8];
    assert_int_equal(bytemap_bytes(" ", 1, out), -1);
    assert_memory_equal("\xC4\xA0", (bytemap_char(' ', out), out), 2);
}

/* ---- a byte-level vocabulary with random merges -------------------------------------------------------- */

#define N_MERGES 400
struct small {
    char text[256 + N_MERGES][64];
    char merge[N_MERGES][80];
    const char *tokens[256 + N_MERGES], *merges[N_MERGES]; /* ids of bytes are the bytes */
    int left[N_MERGES], right[N_MERGES], n_merges;
};

/* Merges of random pairs of earlier tokens, over few letters so that they apply often. */
static void small_fill(struct small *v)
{
    int n = 0;
    v->n_merges = 0;
    for (int b = 0; b < 256; b++, n++) v->text[n][bytemap_char((unsigned char)b, v->text[n])] = 0;
    for (uint32_t k = 0; n < 256 + N_MERGES; k++) {
        int pick[2];
        for (uint32_t i = 0; i < 2; i++) {
            uint32_t r = draw(k, i, 6 + (uint32_t)v->n_merges);
            pick[i] = r < 6 ? 'a' + (int)r : 256 + (int)r - 6;
        }
        char both[128];
        snprintf(both, sizeof both, "%s%s", v->text[pick[0]], v->text[pick[1]]);
        bool known = strlen(both) >= sizeof v->text[0];
        for (int i = 0; i < n && !known; i++) known = !strcmp(v->text[i], both);
        if (known) continue;
        memcpy(v->text[n], both, strlen(both) + 1);
        size_t n0 = strlen(v->text[pick[0]]);
        memcpy(v->merge[v->n_merges], both, n0);
        v->merge[v->n_merges][n0] = ' ';
        memcpy(v->merge[v->n_merges] + n0 + 1, both + n0, strlen(both + n0) + 1);
        v->left[v->n_merges] = pick[0];
        v->right[v->n_merges++] = pick[1];
        n++;
    }
    for (int i = 0; i < n; i++) v->tokens[i] = v->text[i];
    for (int i = 0; i < v->n_merges; i++) v->merges[i] = v->merge[i];
}

static struct tokenizer *small_tokenizer(struct small *v)
{
    small_fill(v);
    struct vocab vocab = {.model = "gpt2",
                          .pre = "gpt-2",
                          .n = 256 + v->n_merges,
                          .tokens = v->tokens,
                          .n_merges = v->n_merges,
                          .merges = v->merges,
                          .bos = -1,
                          .eos = -1,
                          .pad = -1,
                          .unk = -1};
    struct err e = {0};
    struct tokenizer *t = tokenizer_from_vocab(&vocab, &e);
    if (!t) fail_msg("%s", e.msg);
    return t;
}

/* Merge by the definition: for each merge in order of rank, all places from the left, until nothing applies.
 * */
static int naive_bpe(const struct small *v, int *sym, int n)
{
    for (;;) {
        int best = v->n_merges, at = 0;
        for (int i = 0; i + 1 < n; i++)
            for (int k = 0; k < best; k++)
                if (v->left[k] == sym[i] && v->right[k] == sym[i + 1]) best = k, at = i;
        if (best == v->n_merges) return n;
        sym[at] = 256 + best;
        memmove(sym + at + 1, sym + at + 2, (size_t)(n - at - 2) * sizeof *sym);
        n--;
    }
}

static void merging_follows_the_definition(void **state)
{
    (void)state;
    struct small *v = malloc(sizeof *v);
    struct tokenizer *t = small_tokenizer(v);
    struct ids ids = {0};
    int merged = 0;
    for (uint32_t k = 0; k < 3000; k++) {
        char text[200];
        int sym[200], n = 1 + (int)draw(k, 900, k % 8 ? 30 : sizeof text);
        for (int i = 0; i < n; i++) {
            text[i] = (char)('a' + draw(k, 1000 + (uint32_t)i, 6));
            sym[i] = text[i];
        }
        int m = naive_bpe(v, sym, n);
        merged += n - m;
        for (int again = 0; again < 2; again++) { /* the second time from the cache */
            ids.n = 0;
            assert_int_equal(tokenizer_encode(t, text, (size_t)n, 0, &ids, NULL), 0);
            assert_int_equal(ids.n, m);
            assert_memory_equal(ids.p, sym, (size_t)m * sizeof *sym);
        }
    }
    assert_true(merged > 10000);
    ids_release(&ids);
    tokenizer_free(t);
    free(v);
}

static void any_bytes_come_back(void **state)
{
    (void)state;
    struct small *v = malloc(sizeof *v);
    struct tokenizer *t = small_tokenizer(v);
    struct ids ids = {0};
    struct str clean, text, streamed;
    str_init(&clean, 0);
    str_init(&text, 0);
    str_init(&streamed, 0);
    for (uint32_t k = 0; k < 3000; k++) {
        char bytes[60];
        size_t n = draw(k, 1, sizeof bytes);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (char)(draw(k, 2 + (uint32_t)i, 2) ? draw(k, 100 + (uint32_t)i, 256) : 0xE2);
        ids.n = 0;
        str_clear(&clean);
        str_clear(&text);
        str_clear(&streamed);
        utf8_clean(&clean, bytes, n);
        assert_int_equal(tokenizer_encode(t, bytes, n, 0, &ids, NULL), 0);
        tokenizer_decode(t, ids.p, ids.n, false, &text);
        assert_string_equal(text.p, clean.p);
        /* Ids in random order: broken characters, put together the same way in one go and piece by piece. */
        for (size_t i = 0; i + 1 < ids.n; i++) ids.p[i] = ids.p[draw(k, 200 + (uint32_t)i, (uint32_t)ids.n)];
        struct tok_stream s = {0};
        str_clear(&text);
        tokenizer_decode(t, ids.p, ids.n, false, &text);
        for (size_t i = 0; i < ids.n; i++) {
            tok_stream_push(&s, t, ids.p[i], false, &streamed);
            assert_true(utf8_valid(streamed.p, streamed.len));
        }
        tok_stream_end(&s, &streamed);
        assert_int_equal(text.len, streamed.len);
        assert_memory_equal(text.p, streamed.p, text.len);
    }
    str_release(&clean);
    str_release(&text);
    str_release(&streamed);
    ids_release(&ids);
    tokenizer_free(t);
    free(v);
}

/* ---- threads ------------------------------------------------------------------------------------------- */

#define N_THREADS 4
struct worker {
    const struct tokenizer *t;
    struct ids ids;
};

static void *encode_many(void *arg)
{
    struct worker *w = arg;
    for (uint32_t k = 0; k < 2000; k++) {
        char text[256];
        size_t n = random_text(k, text, sizeof text);
        if (tokenizer_encode(w->t, text, n, 0, &w->ids, NULL)) return NULL;
    }
    return w;
}

static void threads_share_a_tokenizer(void **state)
{
    (void)state;
    struct small *v = malloc(sizeof *v);
    struct worker w[N_THREADS] = {0};
    pthread_t threads[N_THREADS];
    struct tokenizer *t = small_tokenizer(v);
    for (int i = 0; i < N_THREADS; i++) {
        w[i].t = t;
        assert_int_equal(pthread_create(&threads[i], NULL, encode_many, &w[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        void *done;
        pthread_join(threads[i], &done);
        assert_ptr_equal(done, &w[i]);
        assert_int_equal(w[i].ids.n, w[0].ids.n);
        assert_memory_equal(w[i].ids.p, w[0].ids.p, w[0].ids.n * sizeof *w[0].ids.p);
    }
    for (int i = 0; i < N_THREADS; i++) ids_release(&w[i].ids);
    tokenizer_free(t);
    free(v);
}

static void a_megabyte_of_one_letter_takes_no_square_time(void **state)
{
    (void)state;
    enum { LEVELS = 12, N = (1 << 20) + 3 };
    static char text[LEVELS + 1][(1 << LEVELS) + 1], merge[LEVELS][(1 << LEVELS) + 2];
    const char *tokens[LEVELS + 1], *merges[LEVELS];
    for (int k = 0; k <= LEVELS; k++) {
        memset(text[k], 'a', (size_t)1 << k);
        tokens[k] = text[k];
    }
    for (int k = 0; k < LEVELS; k++) {
        memset(merge[k], 'a', ((size_t)2 << k) + 1);
        merge[k][(size_t)1 << k] = ' ';
        merges[k] = merge[k];
    }
    struct vocab v = {.model = "gpt2",
                      .pre = "gpt-2",
                      .n = LEVELS + 1,
                      .tokens = tokens,
                      .n_merges = LEVELS,
                      .merges = merges,
                      .bos = -1,
                      .eos = -1,
                      .pad = -1,
                      .unk = -1};
    struct err e = {0};
    struct tokenizer *t = tokenizer_from_vocab(&v, &e);
    assert_non_null(t);
    char *run = malloc(N);
    struct ids ids = {0};
    memset(run, 'a', N);
    assert_int_equal(tokenizer_encode(t, run, N, 0, &ids, &e), 0);
    assert_int_equal(ids.n, (1 << 20 >> LEVELS) + 2);
    for (size_t i = 0; i + 2 < ids.n; i++) assert_int_equal(ids.p[i], LEVELS);
    assert_int_equal(ids.p[ids.n - 2], 1);
    assert_int_equal(ids.p[ids.n - 1], 0);
    ids_release(&ids);
    free(run);
    tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scanners_cut_as_their_expressions_do),
        cmocka_unit_test(regex_classes_are_those_of_the_tables),
        cmocka_unit_test(bytes_map_there_and_back),
        cmocka_unit_test(merging_follows_the_definition),
        cmocka_unit_test(any_bytes_come_back),
        cmocka_unit_test(threads_share_a_tokenizer),
        cmocka_unit_test(a_megabyte_of_one_letter_takes_no_square_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
