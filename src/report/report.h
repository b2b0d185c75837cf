/* report.h: one self-contained HTML file that shows what runs did; opens from
 * disk, no network. */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include <jansson.h>

#include "base/err.h"
#include "base/str.h"

/* A report over a folder of runs (or one run). Reads what runlog.h and eval
 * write: metrics.jsonl    curves: reward, accuracy, response length, KL,
 * entropy, gradient norm, loss, learning rate results.json     evaluations,
 * shown as a before/after table with standard errors samples.jsonl completions
 * of the same problem side by side manifest.json    provenance stages: array of
 * {"name","dir","kind","eval"?:dir,"note"?} in story order; NULL: every run
 * found under dir. */
int report_write(const char *dir, const char *title, const json_t *stages, const char *out_path,
                 struct err *e);
/* What that takes, about, for one run of so many steps with so many numbers in the record of each. */
size_t report_bytes(long steps, int numbers);
/* The same stages as text for a terminal: table, reward and length curves, and,
 * of the stages that have "transcript": true, the first problem's completion.
 */
int report_story(const json_t *stages, struct str *out, struct err *e);

/* The model card (README.md of a saved model): front matter, how it was made,
 * metrics. New string, free it.
 */
char *card_text(const json_t *facts);

#endif
