/* parquet_codec.c: what the pages of a column chunk may be compressed with.
 *
 * A page gives exactly the bytes that its header says, in memory of that size, or it is refused: whatever a
 * stream claims inside, more is never written and no rest is left over. GZIP is RFC 1952, and a page may be
 * several members one behind the other; ZSTD is RFC 8878, frames likewise (parquet-format/Compression.md).
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/check.h"
#include "data/parquet_int.h"

_Static_assert(PQ_PAGE_MAX <= UINT_MAX, "zlib counts bytes in unsigned int");

static voidpf gzip_alloc(voidpf opaque, uInt n, uInt size)
{
    (void)opaque;
    return alloc_zero(n, size);
}

static void gzip_free(voidpf opaque, voidpf p)
{
    (void)opaque;
    free(p);
}

static bool gzip_expand(const uint8_t *in, size_t n, uint8_t *out, size_t n_out)
{
    z_stream z = {.zalloc = gzip_alloc, .zfree = gzip_free};
    z.next_in = (z_const Bytef *)in;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)n_out;
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) return false; /* 16: with gzip's header and checksum */
    int rc;
    do rc = inflate(&z, Z_FINISH);
    while (rc == Z_STREAM_END && z.avail_in > 0 && inflateReset(&z) == Z_OK);
    inflateEnd(&z);
    return rc == Z_STREAM_END && z.avail_in == 0 && z.avail_out == 0;
}

static bool zstd_expand(const uint8_t *in, size_t n, uint8_t *out, size_t n_out)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (!context) memory_is_out(1 << 17);
    size_t made = ZSTD_decompressDCtx(context, out, n_out, in, n);
    ZSTD_freeDCtx(context);
    return !ZSTD_isError(made) && made == n_out;
}

/* By number, as in parquet.thrift's CompressionCodec. */
static const struct {
    const char *name;
    bool (*expand)(const uint8_t *in, size_t n, uint8_t *out, size_t n_out); /* NULL: not read */
} codecs[] = {{"none", NULL},   {"snappy", snappy_expand}, {"gzip", gzip_expand}, {"lzo", NULL},
              {"brotli", NULL}, {"lz4", NULL},             {"zstd", zstd_expand}, {"lz4_raw", NULL}};
enum { N_CODECS = sizeof codecs / sizeof *codecs };

int pq_codec_check(const struct pq_file *f, int codec, struct err *e)
{
    char what[160];
    if (codec == PQ_CODEC_NONE || (codec > 0 && codec < N_CODECS && codecs[codec].expand)) return 0;
    if (codec > 0 && codec < N_CODECS)
        snprintf(what, sizeof what, "compressed with %s, which is not read (snappy, gzip, zstd and none are)",
                 codecs[codec].name);
    else
        snprintf(what, sizeof what, "compressed with codec %d, which is not known", codec);
    return pq_unread(f, what, e);
}

int pq_expand(int codec, const uint8_t *in, size_t n, uint8_t *out, size_t n_out, struct err *e)
{
    CHECK(codec > 0 && codec < N_CODECS && codecs[codec].expand, "codec %d is not read", codec);
    CHECK(n <= PQ_PAGE_MAX && n_out <= PQ_PAGE_MAX, "a page of %zu bytes, %zu expanded", n, n_out);
    if (codecs[codec].expand(in, n, out, n_out)) return 0;
    return err_set(e,
                   "a page of %zu bytes that does not expand by %s to the %zu bytes which its header says: "
                   "the file is damaged; fetch or write it again",
                   n, codecs[codec].name, n_out);
}

int pq_unread(const struct pq_file *f, const char *what, struct err *e)
{
    const char *name = strrchr(f->path, '/');
    name = name ? name + 1 : f->path;
    const char *dot = strrchr(name, '.');
    return err_set(e,
                   "%s; write it again, for instance with\n"
                   "  python3 -c \"import pyarrow.parquet as p; p.write_table(p.read_table('%s'), "
                   "'%.*s.zstd.parquet', compression='zstd')\"",
                   what, f->path, (int)(dot ? (size_t)(dot - name) : strlen(name)), name);
}
