/* extract_int.h: what delimit.c and extract.c share. */
#ifndef VERIFY_EXTRACT_INT_H
#define VERIFY_EXTRACT_INT_H

#include "verify/verify_int.h"

/* A text and, for each kind of closing mark, the last search for it, so that no stretch is searched twice. */
struct scan {
    const char *s;
    size_t n;
    struct {
        size_t from, to;
    } closing[3];
};
void scan_init(struct scan *sc, const char *s, size_t n);
const char *find_text(const char *p, const char *end, const char *word);
char *reasoning_cut(const char *text, size_t n); /* to be freed; NULL: never finished */
void comments_blanked(char *s);                  /* <!-- of Markdown --> is not there */
size_t percent_behind(const char *s, size_t n);  /* bytes of blanks and a percent sign or word at s; 0 */
bool formula_at(struct scan *sc, size_t i, struct span *out);
/* The first number or arithmetic on numbers in cleaned running text, or the last one, with the list that it
 * ends; and what the words around make of it (phrase.c). One that is denied counts only if there is no
 * other. */
struct run {
    size_t at, n;
    int relation;
};
bool run_find(const char *s, size_t n, bool last, struct run *out);
/* The last box, with those before it that belong to the same answer, in the order written. `loose` takes
 * \fbox, \boxed 5 and a box cut off at the end of the text. Returns their number. */
int boxes_last(const char *s, size_t n, bool loose, struct span *out, int max);
/* around.c. Is the box struck out, or denied by what stands directly around it? */
bool box_denied(const char *s, size_t n, const struct span *box);
/* The box times the million or dozen behind it; false: there is none. */
bool box_scaled(const char *s, size_t n, const struct span *box, struct str *out);
/* The number in "\boxed{10} or 12" at *at; its bytes, 0. */
size_t box_alternative(const char *s, size_t n, const struct span *box, size_t *at);

#endif
