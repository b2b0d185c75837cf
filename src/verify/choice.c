/* choice.c: the letters of a multiple choice, A to J, and what is none although it begins with one. */
#include <ctype.h>
#include <string.h>

#include "verify/verify_int.h"

#define CHOICE_MAX 80 /* bytes of a text that are looked at */

bool choice_letters(const char *s, unsigned *set)
{
    int letters = 0;
    *set = 0;
    for (; *s; s++) {
        if (strncmp(s, "and ", 4) == 0 || strncmp(s, "or ", 3) == 0) {
            s += s[0] == 'a' ? 3 : 2;
        } else if (*s >= 'A' && *s <= 'J') {
            if (letters && isalpha((unsigned char)s[-1]) && *set & (1u << (*s - 'A'))) return false;
            *set |= 1u << (*s - 'A');
            letters++;
        } else if (!strchr(" ,;.()&", *s)) {
            return false; /* A + B, A < B */
        }
    }
    return letters > 0;
}

/* Blanks, and the commands that only make room. */
static const char *room_skip(const char *p)
{
    static const char *const commands[] = {"\\quad", "\\qquad", "\\ ", "\\,", "\\;", "\\:", "~", " "};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        size_t n = strlen(commands[i]);
        if (strncmp(p, commands[i], n) != 0) continue;
        p += n;
        i = (size_t)-1; /* from the first again */
    }
    return p;
}

/* A word of at least two letters, or a number. */
static bool is_word(const char *p)
{
    return isdigit((unsigned char)*p) || (isalpha((unsigned char)*p) && isalpha((unsigned char)p[1]));
}

/* A mathematical operator in UTF-8: U+2190 to U+22FF, and the signs of Latin-1. */
static bool is_operator(const char *p)
{
    static const char *const latin[] = {"\xC3\x97", "\xC3\xB7", "\xC2\xB1", "\xC2\xB7"};
    unsigned char second = (unsigned char)p[1];
    for (size_t i = 0; i < sizeof latin / sizeof *latin; i++)
        if (strncmp(p, latin[i], 2) == 0) return true;
    return (unsigned char)p[0] == 0xE2 && second >= 0x86 && second <= 0x8B;
}

/* Is a letter followed by `p` still a choice, and no name in a formula: "B. 12", "B) x", "(B) 12"; not
 * A + B, A \cup B, A:B, A(1, 2), A'. */
static bool leaves_choice(const char *p, bool bracket)
{
    bool closed = bracket && *p == ')';
    if (closed) p++;
    const char *q = room_skip(p);
    bool room = q > p;
    if (*q == 0) return true;
    if (!closed && (*p == '.' || *p == ')')) return true;
    if (!closed && *p == ':') return p[1] == ' ' || p[1] == 0;
    if (!closed && *p == ',') return p[1] == ' ' && islower((unsigned char)p[2]) && is_word(p + 2);
    if ((unsigned char)*q >= 0x80) return !is_operator(q);
    if (*q == '\\') return closed && room && strncmp(q, "\\c", 2) != 0 && strncmp(q, "\\s", 2) != 0;
    if (*q == '-' || *q == '(') {
        const char *word = q + strspn(q, "-( ");
        return room && isalpha((unsigned char)*word) && is_word(word);
    }
    return is_word(q) ? room || closed : closed && room && isalpha((unsigned char)*q);
}

unsigned choice_at(const char *s, size_t n, bool *alone)
{
    static const char *const macros[] = {"\\textbf", "\\textrm", "\\text", "\\mathrm", "\\mathbf", "\\mbox"};
    char text[CHOICE_MAX];
    size_t k = 0;
    unsigned set;
    *alone = false;
    for (size_t i = 0; i < n && k + 2 < sizeof text; i++) {
        bool macro = false;
        for (int m = 0; m < 6 && !macro; m++) {
            size_t length = strlen(macros[m]);
            macro = n - i > length && strncmp(s + i, macros[m], length) == 0;
            if (macro) i += length - 1;
        }
        if (!macro && !strchr("{}$*_[]\n", s[i]) && !(k == 0 && s[i] == ' ')) text[k++] = s[i];
    }
    while (k && strchr(". ", text[k - 1])) k--;
    text[k] = 0;
    *alone = k + 2 < sizeof text && choice_letters(text, &set);
    /* letters side by side are a product of points rather than choices */
    for (size_t i = 1; i < k && *alone; i++)
        *alone = !(isalpha((unsigned char)text[i]) && isalpha((unsigned char)text[i - 1]));
    if (*alone) return set;
    if (k > 1 && choice_letters(text, &set)) return set;
    const char *p = text + strspn(text, "( ");
    bool article = p[0] == 'A' && p[1] == ' ' && islower((unsigned char)p[2]);
    bool letter = *p >= 'A' && *p <= 'J' && !article && leaves_choice(p + 1, text[0] == '(');
    return letter ? 1u << (*p - 'A') : 0;
}
