/* fuzz_encode.c: any bytes as text. Byte-level ids decode to the text with its invalid bytes replaced, at
 * once and piece by piece; with SentencePiece and byte fallback too. The first byte chooses the tokenizer.
 * seeds: tests/fuzz/seeds/encode
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "text/text.h"

#define N_KINDS 4

/* Bytes as GPT-2 names them, or as <0xNN>, and a few tokens to merge. */
static struct tokenizer *make(const char *model, const char *pre)
{
    static const char *const words[] = {"aa", "aaaa", "th", "the", "\xC4\xA0the", "\xC4\xA0\xC4\xA0", "11"};
    static const char *const merges[] = {"a a", "aa aa", "t h", "th e", "\xC4\xA0 the", "\xC4\xA0 \xC4\xA0",
                                         "1 1"};
    static const char *const pieces[] = {
        "\xE2\x96\x81", "t", "h", "e", "th", "the", "\xE2\x96\x81the", "\xE2\x96\x81\xE2\x96\x81", "a", "aa"};
    enum { N_WORDS = sizeof words / sizeof *words, N_PIECES = sizeof pieces / sizeof *pieces };
    static char text[256][8];
    const char *tokens[256 + N_PIECES];
    float scores[256 + N_PIECES] = {0};
    int spm = !strcmp(model, "spm"), n = 0, other = 0;
    for (int b = 0; b < 256; b++, n++) {
        int cp = (b > 0x20 && b < 0x7F) || (b > 0xA0 && b != 0xAD) ? b : 0x100 + other++;
        if (spm)
            snprintf(text[b], sizeof text[b], "<0x%02X>", (unsigned)b);
        else if (cp < 0x80)
            snprintf(text[b], sizeof text[b], "%c", cp);
        else
            snprintf(text[b], sizeof text[b], "%c%c", 0xC0 | cp >> 6, 0x80 | (cp & 0x3F));
        tokens[n] = text[b];
    }
    for (int i = 0; i < (spm ? N_PIECES : N_WORDS); i++, n++) {
        tokens[n] = spm ? pieces[i] : words[i];
        scores[n] = (float)-i;
    }
    struct vocab v = {.model = model,
                      .pre = pre,
                      .n = n,
                      .tokens = tokens,
                      .scores = scores,
                      .merges = merges,
                      .n_merges = spm ? 0 : N_WORDS,
                      .bos = -1,
                      .eos = -1,
                      .pad = -1,
                      .unk = -1};
    struct err e = {0};
    struct tokenizer *t = tokenizer_from_vocab(&v, &e);
    CHECK(t, "%s", e.msg);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tokenizer *kinds[N_KINDS];
    if (!kinds[0]) {
        kinds[0] = make("gpt2", "gpt-2");
        kinds[1] = make("gpt2", "llama-bpe");
        kinds[2] = make("gpt2", "smollm");
        kinds[3] = make("spm", NULL);
    }
    if (!size) return 0;
    const struct tokenizer *t = kinds[data[0] % N_KINDS];
    const char *p = (const char *)data + 1;
    struct ids ids = {0};
    struct err e = {0};
    struct str want, once, streamed;
    str_init(&want, 0);
    str_init(&once, 0);
    str_init(&streamed, 0);
    utf8_clean(&want, p, size - 1);
    CHECK(!tokenizer_encode(t, p, size - 1, TOK_SPECIAL, &ids, &e), "%s", e.msg);
    tokenizer_decode(t, ids.p, ids.n, false, &once);
    struct tok_stream s = {0};
    for (size_t i = 0; i < ids.n; i++) tok_stream_push(&s, t, ids.p[i], false, &streamed);
    tok_stream_end(&s, &streamed);
    /* SentencePiece writes a space as U+2581, so that this character itself comes back as a space. */
    bool low_line = t == kinds[3] && memmem(want.p, want.len, "\xE2\x96\x81", 3);
    CHECK(low_line || (once.len == want.len && !memcmp(once.p, want.p, want.len)), "%zu bytes became %zu",
          want.len, once.len);
    CHECK(streamed.len == once.len && !memcmp(streamed.p, once.p, once.len), "streamed: %zu bytes, not %zu",
          streamed.len, once.len);
    str_release(&want);
    str_release(&once);
    str_release(&streamed);
    ids_release(&ids);
    return 0;
}
