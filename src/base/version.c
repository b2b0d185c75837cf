/* version.c: the only file that is compiled again when the commit changes. */
#include "base/version.h"

const char openr1_version[] = OPENR1_VERSION;
const char openr1_commit[] = OPENR1_COMMIT;
