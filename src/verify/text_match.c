/* text_match.c: answers that are words: letters of a choice, yes and no, names, dates. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "verify/explain.h"

#define WORDS_MAX 24

struct words {
    char text[512];
    const char *word[WORDS_MAX];
    int n;
    bool more; /* than fit */
};

/* Marks of a sentence; any other sign (<, =, ^) is part of a word. */
static bool is_mark(char c)
{
    return isspace((unsigned char)c) || strchr(".,;:!?()[]{}\"'`*_$~\\", c) != NULL;
}

/* Lower-case words without articles and punctuation. A lone letter keeps its case. */
static void words_of(const char *s, struct words *out)
{
    static const char *const articles[] = {"a", "an", "the"};
    size_t k = 0, n = strlen(s);
    *out = (struct words){.n = 0};
    for (size_t i = 0; i < n;) {
        while (i < n && is_mark(s[i])) i++;
        size_t from = i;
        while (i < n && (s[i] == '.' || !is_mark(s[i]))) i++;
        size_t m = i - from;
        while (m && strchr(".-", s[from + m - 1])) m--;
        if (!m) continue;
        bool article = false;
        for (int a = 0; a < 3; a++)
            article = article || (strlen(articles[a]) == m && strncmp(s + from, articles[a], m) == 0);
        if (article && n > m) continue;
        out->more = m + k + 2 > sizeof out->text || out->n == WORDS_MAX;
        if (out->more) return;
        out->word[out->n++] = out->text + k;
        for (size_t c = 0; c < m; c++)
            out->text[k++] = m > 1 ? (char)tolower((unsigned char)s[from + c]) : s[from + c];
        out->text[k++] = 0;
    }
}

static bool in_any_order(const struct words *a, const struct words *b)
{
    bool taken[WORDS_MAX] = {false};
    if (a->n != b->n) return false;
    for (int i = 0; i < a->n; i++) {
        int k = 0;
        while (k < b->n && (taken[k] || strcmp(a->word[i], b->word[k]) != 0)) k++;
        if (k == b->n) return false;
        taken[k] = true;
    }
    return true;
}

static bool has_month(const struct words *w)
{
    static const char *const months[] = {"january",   "february", "march",    "april",
                                         "may",       "june",     "july",     "august",
                                         "september", "october",  "november", "december"};
    for (int i = 0; i < w->n; i++)
        for (int m = 0; m < 12; m++)
            if (strcmp(w->word[i], months[m]) == 0) return true;
    return false;
}

static bool word_in(const char *word, const char *const *all)
{
    return is_among(word, strlen(word), all);
}

/* "no solution", "there are no real solutions", "no such integers exist" */
static bool says_none(const struct words *w)
{
    static const char *const before[] = {"there", "are", "is", "has", "have", "exist", "exists", NULL};
    static const char *const kinds[] = {"real", "integer", "such", "possible", "valid", "rational", NULL};
    static const char *const things[] = {"solution", "solutions", "root",    "roots",    "value", "values",
                                         "number",   "numbers",   "integer", "integers", NULL};
    int i = 0, n = w->n;
    while (i < n && word_in(w->word[i], before)) i++;
    if (n && word_in(w->word[n - 1], before)) n--;
    if (i >= n || strcmp(w->word[i++], "no") != 0) return false;
    while (i < n && word_in(w->word[i], kinds) && i + 1 < n) i++;
    return i + 1 == n && word_in(w->word[i], things);
}

/* Different words for one thing. */
static const char *canonical(const struct words *w)
{
    static const struct {
        const char *a, *b, *c, *is;
    } same[] = {{"none", NULL, NULL, "none"},          {"empty", "set", NULL, "none"},
                {"emptyset", NULL, NULL, "none"},      {"yes", NULL, NULL, "yes"},
                {"does", "not", "exist", "undefined"}, {"dne", NULL, NULL, "undefined"},
                {"undefined", NULL, NULL, "undefined"}};
    if (says_none(w)) return "none";
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const char *const parts[] = {same[i].a, same[i].b, same[i].c};
        int n = 1 + (same[i].b != NULL) + (same[i].c != NULL);
        bool all = w->n == n;
        for (int k = 0; k < n && all; k++) all = strcmp(w->word[k], parts[k]) == 0;
        if (all) return same[i].is;
    }
    return NULL;
}

static void words_show(struct judge *j, const struct words *w, const char *label)
{
    struct str text;
    if (!j->w->explain) return;
    str_init(&text, 0);
    for (int i = 0; i < w->n; i++) str_addf(&text, "%s%s", i ? " " : "", w->word[i]);
    explain_line(j->w->explain, label, "%s%s", text.p, w->more ? " ..." : "");
    str_release(&text);
}

enum truth text_same(struct judge *j, const char *g, const char *a)
{
    struct words x, y;
    unsigned letters_g, letters_a;
    words_of(g, &x);
    words_of(a, &y);
    words_show(j, &x, "words");
    words_show(j, &y, "");
    if (choice_letters(g, &letters_g) && choice_letters(a, &letters_a)) {
        judge_say(j, letters_g == letters_a ? "the same choice" : "another choice");
        return letters_g == letters_a ? YES : NO;
    }
    if (x.more || y.more) {
        bool equal = strcmp(g, a) == 0;
        judge_say(j, equal ? "the same words" : "words too long to be compared");
        return equal ? YES : NO;
    }
    const char *cx = canonical(&x), *cy = canonical(&y);
    bool same = x.n == y.n && x.n > 0;
    for (int i = 0; i < x.n && same; i++) same = strcmp(x.word[i], y.word[i]) == 0;
    same = same || (cx && cy && strcmp(cx, cy) == 0) || (x.n > 1 && has_month(&x) && in_any_order(&x, &y));
    /* (C) \text{ six}: the letter of a choice may stand before its text */
    judge_say(j, same ? "the same words" : "different words");
    return same ? YES : NO;
}
