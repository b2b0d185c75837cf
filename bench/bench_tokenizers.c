/* bench_tokenizers.c: openr1_tokenizers MODEL FILE [BYTES]: how fast a tokenizer encodes a text that it has
 * not seen.
 *
 * The file is encoded once, from a fresh encoder, in documents of about BYTES (4096; cut after a newline, or
 * the whole file for 0). Prints one JSON object: bytes, ids, seconds of processor time, MB/s. The peers do
 * the same in bench/tokenize_speed.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "cmd/tokenizer_run.h"

static double processor_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Length of the document that starts at p. */
static size_t document(const char *p, const char *end, size_t bytes)
{
    size_t left = (size_t)(end - p);
    const char *stop = bytes && bytes < left ? memchr(p + bytes, '\n', left - bytes) : NULL;
    return stop ? (size_t)(stop + 1 - p) : left;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct tokenizer_source source;
    struct ids ids = {0};
    char *text;
    size_t n, bytes = argc > 3 ? strtoul(argv[3], NULL, 10) : 4096;
    if (argc < 3) {
        fprintf(stderr, "usage: openr1_tokenizers MODEL FILE [BYTES]\n");
        return 2;
    }
    int failed =
        tokenizer_source_open(&source, argv[1], &e) || file_read(argv[2], (size_t)1 << 30, &text, &n, &e);
    double start = processor_s();
    for (size_t at = 0; !failed && at < n;) {
        size_t len = document(text + at, text + n, bytes);
        failed = tokenizer_encode(source.tok, text + at, len, 0, &ids, &e);
        at += len;
    }
    double seconds = processor_s() - start;
    if (failed) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    printf("{\"bytes\": %zu, \"ids\": %zu, \"seconds\": %.4f, \"mb_s\": %.2f}\n", n, ids.n, seconds,
           (double)n / seconds / 1e6);
    free(text);
    ids_release(&ids);
    tokenizer_source_close(&source);
    return 0;
}
