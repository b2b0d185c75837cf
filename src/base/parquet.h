/* parquet.h: a table as Apache Parquet, for tools that read completions with pandas or datasets. */
#ifndef BASE_PARQUET_H
#define BASE_PARQUET_H

#include <jansson.h>

#include "base/err.h"

/* rows: an array of objects. The columns are the keys of the first row, in its order; what a row lacks or
 * has as null is null. A column of whole numbers is INT64, of numbers (or of nothing but nulls) DOUBLE, of
 * strings BYTE_ARRAY with UTF8; another value is an error. Written whole or not at all. */
int parquet_write(const json_t *rows, const char *path, struct err *e);

#endif
