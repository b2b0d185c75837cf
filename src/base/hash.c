/* hash.c: SHA-256 through libcrypto's EVP interface, and CRC-32C by table.
 *
 * hash_array is a tree of depth two so that all threads help: SHA-256 over the concatenated digests (32 raw
 * bytes each) of the chunks of 1 MiB. The chunk size is part of the definition, never tuned.
 * CRC-32C: Castagnoli's polynomial, reflected 0x82F63B78 (RFC 3720, appendix B.4).
 */
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/pool.h"

#define DIGEST 32
#define CHUNK  ((size_t)1 << 20)
#define GROUP  256 /* chunks hashed between two feeds of the outer hash: their digests are on the stack */

struct hash {
    EVP_MD_CTX *ctx;
};

static struct hash *hash_of(const EVP_MD *kind)
{
    struct hash *h = alloc_zero(1, sizeof *h);
    /* Where memory ran out while it set itself up, libcrypto goes on without locks unless asked. */
    int ready = OSSL_LIB_CTX_get0_global_default() != NULL;
    h->ctx = ready ? EVP_MD_CTX_new() : NULL;
    CHECK(h->ctx && EVP_DigestInit_ex(h->ctx, kind, NULL) == 1,
          "libcrypto cannot begin a hash: out of memory, or it was built without");
    return h;
}

struct hash *hash_new(void)
{
    return hash_of(EVP_sha256());
}

void hash_add(struct hash *h, const void *bytes, size_t n)
{
    if (!n) return;
    int ok = EVP_DigestUpdate(h->ctx, bytes, n);
    CHECK(ok == 1, "hash of %zu bytes", n);
}

/* Its length, DIGEST for SHA-256. */
static size_t digest_end(struct hash *h, uint8_t digest[DIGEST])
{
    unsigned n = 0;
    int ok = EVP_DigestFinal_ex(h->ctx, digest, &n);
    CHECK(ok == 1 && n <= DIGEST, "digest of %u bytes", n);
    EVP_MD_CTX_free(h->ctx);
    free(h);
    return n;
}

void hash_end(struct hash *h, char hex[HASH_HEX])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[DIGEST];
    size_t n = digest_end(h, digest);
    for (size_t i = 0; i < n; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[2 * n] = 0;
}

void hash_bytes(const void *bytes, size_t n, char hex[HASH_HEX])
{
    struct hash *h = hash_new();
    hash_add(h, bytes, n);
    hash_end(h, hex);
}

static int hash_rest(struct hash *h, int fd, const char *path, char hex[HASH_HEX], struct err *e)
{
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

int hash_file(const char *path, char hex[HASH_HEX], struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return err_errno(e, "cannot open %s", path);
    return hash_rest(hash_new(), fd, path, hex, e);
}

int hash_git_blob(const char *path, char hex[HASH_HEX], struct err *e)
{
    struct stat st;
    char head[64];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st)) {
        if (fd >= 0) close(fd);
        return err_errno(e, "cannot open %s", path);
    }
    struct hash *h = hash_of(EVP_sha1());
    int n = snprintf(head, sizeof head, "blob %lld", (long long)st.st_size);
    hash_add(h, head, (size_t)n + 1);
    return hash_rest(h, fd, path, hex, e);
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
