/* pystr.h: what Python 3.11 knows about characters (Unicode 14): whitespace, case, digits, what repr prints.
 *
 * Chat templates are rendered as Python renders them; these are the questions that its str methods ask.
 */
#ifndef TEXT_PYSTR_H
#define TEXT_PYSTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* first, first + step, ..., last become c + delta */
struct case_run {
    uint32_t first, last, step;
    int32_t delta;
};
/* One character that becomes several; 0 ends fewer than three. */
struct case_long {
    uint32_t from, to[3];
};
extern const struct case_run case_upper_runs[], case_lower_runs[], case_title_runs[];
extern const struct case_long case_upper_long[], case_lower_long[], case_title_long[];
extern const int case_upper_n_runs, case_lower_n_runs, case_title_n_runs;
extern const int case_upper_n_long, case_lower_n_long, case_title_n_long;
/* Pairs: first and last of each run. */
extern const uint32_t set_islower[], set_isupper[], set_isdigit[], set_isnumeric[];
extern const int set_islower_n, set_isupper_n, set_isdigit_n, set_isnumeric_n;

enum py_case { PY_UPPER, PY_LOWER, PY_TITLE };
/* What cp becomes: 1..3 code points in out; returns how many. */
int py_case_map(enum py_case to, uint32_t cp, uint32_t out[3]);

bool py_is_space(uint32_t cp);
bool py_is_line_break(uint32_t cp); /* where splitlines cuts; \r\n is one */
bool py_is_alpha(uint32_t cp);
bool py_is_decimal(uint32_t cp);
bool py_is_digit(uint32_t cp);
bool py_is_numeric(uint32_t cp);
bool py_is_lower(uint32_t cp);
bool py_is_upper(uint32_t cp);
bool py_is_title(uint32_t cp); /* Lt */
bool py_is_printable(uint32_t cp);
bool py_is_word(uint32_t cp); /* \w of re */

#endif
