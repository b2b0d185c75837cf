/* hash.h: SHA-256 (libcrypto) for provenance: inputs, outputs, weights, the chain of steps. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HASH_HEX 65 /* 64 digits and NUL */

struct hash; /* a running SHA-256 */
struct hash *hash_new(void);
void hash_add(struct hash *h, const void *bytes, size_t n);
void hash_end(struct hash *h, char hex[HASH_HEX]); /* frees h */
void hash_bytes(const void *bytes, size_t n, char hex[HASH_HEX]);
int hash_file(const char *path, char hex[HASH_HEX], struct err *e);
/* What git calls the file's content: SHA-1 over "blob SIZE\0" and the bytes, 40 digits. */
int hash_git_blob(const char *path, char hex[HASH_HEX], struct err *e);
/* Large arrays: hashed in chunks of 1 MiB on all threads, then the hash of the chunk hashes. */
void hash_array(const void *bytes, size_t n, char hex[HASH_HEX]);
/* The same of bytes that read makes, a chunk at a time and from any thread. */
void hash_array_by(void (*read)(const void *ctx, size_t at, size_t n, void *out), const void *ctx, size_t n,
                   char hex[HASH_HEX]);
/* CRC-32C, for TensorBoard's record framing. */
uint32_t crc32c(const void *bytes, size_t n);

#endif
