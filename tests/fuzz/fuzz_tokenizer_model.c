/* fuzz_tokenizer_model.c: any bytes as a SentencePiece model or a tiktoken file. What is accepted encodes and
 * decodes without harm.
 * seeds: tests/fuzz/seeds/tokenizer_model
 */
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "text/text.h"

static const char *const texts[] = {
    "", "  Hello  world's 123\n\n<s>the\tx ",
    "e\xCC\x81x \xE4\xB8\xAD\xF0\x9F\x98\x80\xE2\x96\x81w\xC3\xB6rd\xEF\xAC\x81",
    "\xFF aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct tokenizer *t = tokenizer_from_model((const char *)data, size, &e);
    CHECK(t || e.msg[0], "refused without a message");
    if (!t) return 0;
    struct ids ids = {0};
    struct str once, streamed;
    str_init(&once, 0);
    str_init(&streamed, 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct tok_stream s = {0};
        ids.n = 0;
        e.msg[0] = 0;
        int failed = tokenizer_encode(t, texts[i], strlen(texts[i]), TOK_SPECIAL, &ids, &e);
        CHECK(!failed || e.msg[0], "failed without a message");
        str_clear(&once);
        tokenizer_decode(t, ids.p, ids.n, false, &once);
        for (size_t k = 0; k < ids.n; k++) tok_stream_push(&s, t, ids.p[k], false, &streamed);
        tok_stream_end(&s, &streamed);
    }
    str_release(&once);
    str_release(&streamed);
    ids_release(&ids);
    tokenizer_free(t);
    return 0;
}
