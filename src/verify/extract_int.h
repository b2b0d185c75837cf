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
void struck_blanked(char *s); /* <!-- comments --> and ~~what is struck out~~ are not there */
size_t percent_behind(const char *s, size_t n);  /* bytes of blanks and a percent sign or word at s; 0 */
bool formula_at(struct scan *sc, size_t i, struct span *out);
/* prose.c. The first number or arithmetic on numbers in cleaned running text, or the last one, as a formula
 * with what belongs to it, and what the words around make of it (phrase.c). One that is denied counts only if
 * there is no other. NUMBER_BARE: the last without what touches it, as Open-R1 reads golds (2 of 2\pi). */
enum number { NUMBER_FIRST, NUMBER_LAST, NUMBER_BARE };
struct found_number {
    struct str text;
    int relation;
    bool restated; /* 1/2 or 0.5; 2/7, or about 28.6% */
};
bool number_find(struct work *w, const char *s, size_t n, enum number which, struct found_number *out);
/* The formula without digits that running text ends with, at *at; its bytes, 0. */
size_t closing_formula(const char *s, size_t n, size_t *at);
/* 70k, \$10M, 2 x 5 and 12+ as 70 thousand, \$10 million, 2 * 5 and 12 or more. */
void numbers_spelled(const char *s, size_t n, struct str *out);
/* Bytes of the words that make a value behind them the rounding of one in front, ", or about "; 0. */
size_t rounding_words(const char *s, size_t n);
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
