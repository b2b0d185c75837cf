/* file.h: files that are whole or absent.
 *
 * Every output is written under a temporary name in the same folder, synced, and renamed over the old one,
 * and the folder is synced, so that a kill or a full disk at any moment leaves the old file or the new one.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Whole file into memory (NUL-terminated; free()); refuses more than max bytes. */
int file_read(const char *path, size_t max, char **bytes, size_t *n, struct err *e);

struct file_map {
    const uint8_t *p;
    size_t n;
};
/* Read-only memory map. An empty file is an error. */
int file_map_open(struct file_map *m, const char *path, struct err *e);
/* Whole pages among these bytes leave this process's memory; they are read again when they are used. */
void file_map_forget(const struct file_map *m, size_t at, size_t n);
void file_map_close(struct file_map *m);

/* Zeroed memory that lies in a file without a name in this folder: the system may write its pages out and
 * read them back. The space is taken at once, so that a full disk is an error here and not a crash later. */
void *file_memory(const char *dir, size_t bytes, struct err *e);
void file_memory_free(void *p, size_t bytes);

/* Atomic writer; folders on the way are made. After any failed call, abort and report; nothing under `path`
 * has changed. A link is followed; a device, pipe or socket takes the bytes as they come. */
struct file_out {
    char *path, *tmp; /* tmp NULL: written to path itself */
    int fd;
    uint8_t *buf;
    size_t used;
};
int file_out_open(struct file_out *o, const char *path, struct err *e);
int file_out_write(struct file_out *o, const void *bytes, size_t n, struct err *e);
int file_out_commit(struct file_out *o,
                    struct err *e);      /* flush, fsync, rename, fsync the folder; releases o */
void file_out_abort(struct file_out *o); /* remove the temporary; safe after commit */
/* Bytes of the name that `name` is the temporary of, as a killed process may leave it; 0: it is none. */
size_t file_leftover(const char *name);
int file_write(const char *path, const void *bytes, size_t n, struct err *e); /* open, write, commit */

/* Append-only file: append writes the bytes in one go and syncs. */
int file_append(const char *path, const void *bytes, size_t n, struct err *e);

/* May a file or folder be made or replaced at path? Asked before work whose result goes there; writing may
 * still fail later. */
int file_place_check(const char *path, struct err *e);
int file_mkdirs(const char *path, struct err *e);
bool file_exists(const char *path);
bool file_is_dir(const char *path);
bool file_same(const char *a, const char *b); /* both are there, and are one file or folder */
long long file_size(const char *path);        /* -1 if absent */
int file_copy(const char *from, const char *to, struct err *e);
int file_remove_tree(const char *path, struct err *e); /* refuses "/" and "" ; does not follow links */
int file_rename(const char *from, const char *to, struct err *e); /* rename and sync the folder */
/* Join with one slash; caller frees. */
char *path_join(const char *a, const char *b);
char *path_dir(const char *path);
const char *path_base(const char *path);
/* Names in a folder, sorted bytewise, without "." and ".."; caller frees each and the list. -1 on error. */
int dir_list(const char *path, char ***names, size_t *n, struct err *e);

#endif
