/* step_lines.h: the lines of an explanation: a label, then what it says.
 *
 * Where s is NULL nothing was asked for, and nothing is done.
 */
#ifndef BASE_STEP_LINES_H
#define BASE_STEP_LINES_H

#include "base/str.h"

#define STEPS_LABEL 11 /* columns of a label */
#define STEPS_BYTES 300

/* One line, moved in by 2 * depth columns. Longer than STEPS_BYTES it is cut and says how long it was;
 * control characters become blanks, bytes that are no UTF-8 become U+FFFD, blanks at the end are left out. */
void steps_line(struct str *s, int depth, const char *label, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void steps_vline(struct str *s, int depth, const char *label, const char *fmt, va_list ap);
/* Only the label and the blanks behind it. */
void steps_label(struct str *s, int depth, const char *label);

#endif
