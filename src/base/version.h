/* version.h: who this program is. The commit is filled in by the build. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

extern const char openr1_version[]; /* "0.1.0" */
extern const char openr1_commit[];  /* short hash, or "unknown" */

#endif
