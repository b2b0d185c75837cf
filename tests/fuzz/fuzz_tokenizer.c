/* fuzz_tokenizer.c: any bytes as a tokenizer.json. What is accepted encodes and decodes without harm.
 * seeds: tests/golden/tokenizers/small-gpt2.json tests/golden/tokenizers/small-tekken.json
 * tests/fuzz/seeds/tokenizer
 */
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "text/text.h"

static const char *const texts[] = {
    "", "Hello  world's 123\n\n<a> <b>the\tx",
    "e\xCC\x81x \xE4\xB8\xAD\xF0\x9F\x98\x80<|im_start|>w\xC3\xB6rd",
    "\xFF\x00 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct tokenizer *t = tokenizer_from_json((const char *)data, size, &e);
    CHECK(t || e.msg[0], "refused without a message");
    if (!t) return 0;
    struct ids ids = {0};
    struct str out;
    str_init(&out, 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (int flags = 0; flags <= (TOK_SPECIAL | TOK_PLAIN); flags++) {
            ids.n = 0;
            e.msg[0] = 0;
            int failed = tokenizer_encode(t, texts[i], strlen(texts[i]), flags, &ids, &e);
            CHECK(!failed || e.msg[0], "failed without a message");
            tokenizer_decode(t, ids.p, ids.n, flags & 1, &out);
            struct tok_stream s = {0};
            for (size_t k = 0; k < ids.n; k++) tok_stream_push(&s, t, ids.p[k], flags & 1, &out);
            tok_stream_end(&s, &out);
        }
    str_release(&out);
    ids_release(&ids);
    tokenizer_free(t);
    return 0;
}
