/* hash.c: SHA-256 through libcrypto's EVP interface, and CRC-32C by table.
 *
 * hash_array is a tree of depth two so that all threads help: SHA-256 over the concatenated digests (32 raw
 * bytes each) of the chunks of 1 MiB. The chunk size is part of the definition, never tuned.
 * CRC-32C: Castagnoli's polynomial, reflected 0x82F63B78 (RFC 3720, appendix B.4).
 */
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/pool.h"

#define DIGEST 32
#define CHUNK  ((size_t)1 << 20)
#define GROUP  256 /* chunks hashed between two feeds of the outer hash: their digests are on the stack */

struct hash {
    EVP_MD_CTX *ctx;
};

struct hash *hash_new(void)
{
    struct hash *h = alloc_zero(1, sizeof *h);
    h->ctx = EVP_MD_CTX_new();
    CHECK(h->ctx && EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) == 1,
          "libcrypto cannot begin SHA-256: out of memory, or it was built without");
    return h;
}

void hash_add(struct hash *h, const void *bytes, size_t n)
{
    if (!n) return;
    int ok = EVP_DigestUpdate(h->ctx, bytes, n);
    CHECK(ok == 1, "SHA-256 of %zu bytes", n);
}

static void hex_write(const uint8_t *digest, char hex[HASH_HEX])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < DIGEST; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[2 * DIGEST] = 0;
}

static void digest_end(struct hash *h, uint8_t digest[DIGEST])
{
    unsigned n = 0;
    int ok = EVP_DigestFinal_ex(h->ctx, digest, &n);
    CHECK(ok == 1 && n == DIGEST, "digest of %u bytes", n);
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

void hash_end(struct hash *h, char hex[HASH_HEX])
{
    uint8_t digest[DIGEST];
    digest_end(h, digest);
    hex_write(digest, hex);
}

void hash_bytes(const void *bytes, size_t n, char hex[HASH_HEX])
{
    struct hash *h = hash_new();
    hash_add(h, bytes, n);
    hash_end(h, hex);
}

int hash_file(const char *path, char hex[HASH_HEX], struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return err_errno(e, "cannot open %s", path);
    struct hash *h = hash_new();
    uint8_t *buf = alloc_or_die(CHUNK);
    ssize_t got;
    while ((got = read(fd, buf, CHUNK)) != 0) {
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) break;
        hash_add(h, buf, (size_t)got);
    }
    int rc = got < 0 ? err_errno(e, "cannot read %s", path) : 0;
    hash_end(h, hex);
    free(buf);
    close(fd);
    return rc;
}

struct array_job {
    void (*read)(const void *ctx, size_t at, size_t n, void *out);
    const void *ctx; /* without read: the bytes themselves */
    size_t at, n;
    uint8_t (*digests)[DIGEST];
};

static void chunk_hash(void *ctx, int item)
{
    struct array_job *job = ctx;
    size_t at = (size_t)item * CHUNK, left = job->n - at, n = left < CHUNK ? left : CHUNK;
    struct hash *h = hash_new();
    uint8_t *made = job->read ? alloc_or_die(n) : NULL;
    if (made) job->read(job->ctx, job->at + at, n, made);
    hash_add(h, made ? made : (const uint8_t *)job->ctx + job->at + at, n);
    free(made);
    digest_end(h, job->digests[item]);
}

void hash_array_by(void (*read)(const void *ctx, size_t at, size_t n, void *out), const void *ctx, size_t n,
                   char hex[HASH_HEX])
{
    struct hash *outer = hash_new();
    uint8_t digests[GROUP][DIGEST];
    for (size_t at = 0; at < n; at += GROUP * CHUNK) {
        size_t left = n - at < GROUP * CHUNK ? n - at : GROUP * CHUNK;
        struct array_job job = {read, ctx, at, left, digests};
        size_t chunks = (left + CHUNK - 1) / CHUNK;
        pool_for((int)chunks, chunk_hash, &job);
        hash_add(outer, digests, chunks * DIGEST);
    }
    hash_end(outer, hex);
}

void hash_array(const void *bytes, size_t n, char hex[HASH_HEX])
{
    hash_array_by(NULL, bytes, n, hex);
}

uint32_t crc32c(const void *bytes, size_t n)
{
    uint32_t table[256];
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) c = c & 1 ? c >> 1 ^ 0x82F63B78 : c >> 1;
        table[i] = c;
    }
    const uint8_t *p = bytes;
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) crc = crc >> 8 ^ table[(crc ^ p[i]) & 255];
    return ~crc;
}
