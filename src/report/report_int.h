/* report_int.h: what the files of report/ share. */
#ifndef REPORT_REPORT_INT_H
#define REPORT_REPORT_INT_H

#include <jansson.h>

#include "base/err.h"

/* The stages found under dir, in the order of their folders' names: every
 * folder with metrics.jsonl or results.json, up to four levels deep. New array
 * of {"name","dir","kind"}. */
json_t *report_find_stages(const char *dir, struct err *e);
/* What a run's records (objects of numbers), seen one by one, say that somebody
 * should have looked at: a line each. The list is a new array. */
enum { REPORT_LOOKS = 4 };
struct report_warnings {
    size_t counts[REPORT_LOOKS], generations;
};
void report_warnings_see(struct report_warnings *w, const json_t *record);
json_t *report_warnings_list(const struct report_warnings *w);
/* One stage with all that its folder holds: metrics and evaluations while
 * training (thinned), warnings, manifest, evaluations with some samples. New
 * object. Files that are absent are left out; files that are broken are
 * errors. */
json_t *report_collect(const json_t *stage, struct err *e);

#endif
