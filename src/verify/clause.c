/* clause.c: running text as clauses and words: how far does what is said of a number or a letter reach? */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "verify/verify_int.h"

int clause_words(const char *s, size_t n, struct word *out, int max)
{
    int count = 0;
    for (size_t i = 0; i < n && count < max; i++) {
        size_t from = i;
        while (i < n && (isalpha((unsigned char)s[i]) ||
                         (i > from && i + 1 < n && strchr("'/", s[i]) && isalpha((unsigned char)s[i + 1]))))
            i++;
        if (i > from) out[count++] = (struct word){s + from, i - from};
    }
    return count;
}

bool is_predicate(const char *s, size_t n)
{
    static const char *const verbs[] = {
        "is",      "was",       "are",     "has",    "would", "seems",   "looks", "must",
        "will",    "can",       "does",    "cannot", "could", "might",   "may",   "should",
        "isn't",   "can't",     "doesn't", "gives",  "fails", "fits",    "works", "holds",
        "matches", "satisfies", "remains", "meets",  "wins",  "follows", NULL};
    size_t k = 0;
    while (k < n && (isalpha((unsigned char)s[k]) || s[k] == '\'')) k++;
    return is_among(s, k, verbs);
}

bool is_article(const char *s, size_t n)
{
    static const char *const joins[] = {"because", "since", "as", "so", "and", "or",   "but",  "if",
                                        "for",     "for",   "by", "to", "not", "with", "then", "also",
                                        "over",    "it",    "in", "at", "on",  "of"};
    if (n < 3 || !strchr("aAI", s[0]) || s[1] != ' ' || !islower((unsigned char)s[2])) return false;
    for (size_t i = 0; i < sizeof joins / sizeof *joins; i++)
        if (ascii_word_at(s + 2, n - 2, joins[i])) return false;
    return !is_predicate(s + 2, n - 2);
}

bool gives_reason(const char *s, size_t n)
{
    static const char *const all[] = {"because", "since", "as",       "if",      "while", "when",
                                      "though",  "for",   "although", "whereas", "where", "unless"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (ascii_word_at(s, n, all[i])) return true;
    return false;
}

/* Words with which another thought begins. */
static bool starts_clause(const char *s, size_t n)
{
    static const char *const all[] = {"so",   "but",   "which", "that",  "then",
                                      "thus", "hence", "after", "before"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (ascii_word_at(s, n, all[i])) return true;
    return gives_reason(s, n) && !ascii_word_at(s, n, "unless");
}

static bool ends_clause(const char *s, size_t n)
{
    if (strchr(",;:!?\n", *s)) return !(*s == ',' && n > 1 && isdigit((unsigned char)s[1]));
    return *s == '.' && (n == 1 || isspace((unsigned char)s[1]));
}

struct clause clause_around(const char *s, size_t n, size_t from, size_t to)
{
    struct clause c = {from, to};
    while (c.begin > 0 && from - c.begin < 120 && !ends_clause(s + c.begin - 1, n - c.begin + 1)) c.begin--;
    for (size_t i = c.begin; i < from; i++) {
        bool thing = (i > 6 && strncasecmp(s + i - 6, "thing ", 6) == 0) || /* anything but 12 */
                     (i >= 4 && strncasecmp(s + i - 4, "all ", 4) == 0);
        if ((i == c.begin || s[i - 1] == ' ') && !thing && starts_clause(s + i, from - i)) c.begin = i;
    }
    while (c.end < n && c.end - to < 60) {
        bool comma = s[c.end] == ',' && phrase_continues(s + c.end + 1, n - c.end - 1);
        if (!comma && ends_clause(s + c.end, n - c.end)) break;
        if (c.end > to && s[c.end - 1] == ' ' && starts_clause(s + c.end, n - c.end)) break;
        c.end++;
    }
    return c;
}
