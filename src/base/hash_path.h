/* hash_path.h: one hash for a file or a whole folder, as manifests and the stages of a pipeline name them. */
#ifndef BASE_HASH_PATH_H
#define BASE_HASH_PATH_H

#include <jansson.h>

#include "base/hash.h"

/* A file's SHA-256; or of a folder that of its list "hash  path\n", names in bytewise order, as `sha256sum`
 * would print it. With files (an object, or NULL) each file's hash is put there under its path in the
 * folder. */
int hash_path(const char *path, char hex[HASH_HEX], json_t *files, struct err *e);

#endif
