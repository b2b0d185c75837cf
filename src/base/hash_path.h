/* hash_path.h: one hash for a file or a whole folder, as manifests and the stages of a pipeline name them. */
#ifndef BASE_HASH_PATH_H
#define BASE_HASH_PATH_H

#include <jansson.h>

#include "base/hash.h"

#define RUN_STATE "run_state.json" /* in every run's folder, from its first moment on */

/* A file's SHA-256; or of a folder that of its list "hash  path\n", names in bytewise order, as `sha256sum`
 * would print it. A run's folder below it (it has RUN_STATE) is a thing of its own and not part of it, so
 * that runs can lie in the folder of the model that they were made from. With files (an object, or NULL)
 * each file's hash is put there under its path in the folder. */
int hash_path(const char *path, char hex[HASH_HEX], json_t *files, struct err *e);

#endif
