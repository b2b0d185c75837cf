/* report_int.h: what the files of report/ share. */
#ifndef REPORT_REPORT_INT_H
#define REPORT_REPORT_INT_H

#include <jansson.h>

#include "base/err.h"

/* The stages found under dir, in the order of their folders' names: every
 * folder with metrics.jsonl or results.json, up to four levels deep. New array
 * of {"name","dir","kind"}. */
json_t *report_find_stages(const char *dir, struct err *e);
/* What a run's records (objects of numbers) say that somebody should have
 * looked at: a line each. New array. */
json_t *report_warnings(const json_t *records);
/* One stage with all that its folder holds: metrics and evaluations while
 * training (thinned), warnings, manifest, evaluations with some samples. New
 * object. Files that are absent are left out; files that are broken are
 * errors. */
json_t *report_collect(const json_t *stage, struct err *e);

#endif
