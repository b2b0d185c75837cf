/* choice.c: the letters of a multiple choice, A to J, and what is none although it begins with one.
 *
 * In prose a letter is chosen when it stands alone, is no article, is not one of the options listed again,
 * and no word of its clause denies it ("not C", "C is wrong", "all except C").
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

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

/* Does its clause deny the letter at s[at], or put another above it ("C over B")? */
static bool is_denied(const char *s, size_t n, size_t at)
{
    int around = phrase_around(s, n, at, at + 1);
    return around && around != R_OTHER;
}

/* A word in front that names the letter only: "Option B". */
static const char *label_skip(const char *p)
{
    static const char *const labels[] = {"option ", "choice ", "answer ", "letter "};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        if (strncasecmp(p, labels[i], strlen(labels[i])) == 0) return p + strlen(labels[i]);
    return p;
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
    size_t label = (size_t)(label_skip(text) - text);
    memmove(text, text + label, k + 1 - label);
    k -= label;
    *alone = k + 2 < sizeof text && choice_letters(text, &set);
    /* letters side by side are a product of points rather than choices */
    for (size_t i = 1; i < k && *alone; i++)
        *alone = !(isalpha((unsigned char)text[i]) && isalpha((unsigned char)text[i - 1]));
    if (*alone) return set;
    if (k > 1 && choice_letters(text, &set)) return set;
    const char *p = text + strspn(text, "( ");
    bool letter = *p >= 'A' && *p <= 'J' && !is_article(p, strlen(p)) && leaves_choice(p + 1, text[0] == '(');
    return letter && !is_denied(text, k, (size_t)(p - text)) ? 1u << (*p - 'A') : 0;
}

/* ---- prose --------------------------------------------------------------------------------------------- */

#define SAID_MAX 64

/* A letter that may be meant. */
struct said {
    size_t at;
    bool bracket; /* (B) */
    bool opens;   /* B. or B) or (B), as in a list of options */
};

static bool letter_alone(const char *s, size_t n, size_t i)
{
    bool left = i == 0 || strchr(" \n(*[\"'/_{", s[i - 1]),
         right = i + 1 >= n || strchr(" \n)*].,:;\"'/_?!}", s[i + 1]);
    return s[i] >= 'A' && s[i] <= 'J' && left && right && !is_article(s + i, n - i);
}

/* The last letters of the text that stand alone. */
static int letters_read(const char *s, size_t n, struct said *out)
{
    int count = 0;
    for (size_t i = 0; i < n; i++) {
        if (!letter_alone(s, n, i)) continue;
        if (count == SAID_MAX) memmove(out, out + 1, --count * sizeof *out);
        bool closed = i + 1 < n && s[i + 1] == ')';
        out[count++] = (struct said){.at = i,
                                     .bracket = closed && i > 0 && s[i - 1] == '(',
                                     .opens = closed || (i + 1 < n && strchr(".:", s[i + 1]))};
    }
    return count;
}

/* "B or C", "B/C": is nothing but such a word between the two? */
static bool said_together(const char *s, size_t from, size_t to)
{
    static const char *const words[] = {"or", "and", "and/or"};
    size_t k = from;
    while (k < to && strchr(" ,/)(*&", s[k])) k++;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (ascii_word_at(s + k, to - k, words[i])) {
            k += strlen(words[i]);
            break;
        }
    while (k < to && strchr(" (*", s[k])) k++;
    return k == to;
}

/* The options listed again, A, B, C in turn: each before its text, or one behind the other. Takes such rows
 * out. */
static int options_dropped(const char *s, struct said *said, int count)
{
    int kept = 0;
    for (int i = 0; i < count;) {
        int k = i + 1, together = 1;
        for (; k < count && s[said[k].at] == s[said[k - 1].at] + 1; k++) {
            bool joined = said_together(s, said[k - 1].at + 1, said[k].at);
            if (!joined && !(said[k].opens && said[k - 1].opens)) break;
            together += joined;
        }
        bool row = s[said[i].at] == 'A' && (k - i >= 3 || (k - i == 2 && together == 1));
        for (; i < k; i++)
            if (!row) said[kept++] = said[i];
    }
    return kept;
}

/* The letters at said[i] and those said together with it. */
static unsigned letters_joined(const char *s, const struct said *said, int count, int i)
{
    unsigned set = 1u << (s[said[i].at] - 'A');
    for (int k = i; k > 0 && said_together(s, said[k - 1].at + 1, said[k].at); k--)
        set |= 1u << (s[said[k - 1].at] - 'A');
    for (int k = i; k + 1 < count && said_together(s, said[k].at + 1, said[k + 1].at); k++)
        set |= 1u << (s[said[k + 1].at] - 'A');
    return set;
}

unsigned choice_said(const char *s, size_t n)
{
    struct said said[SAID_MAX];
    int count = letters_read(s, n, said), best = -1;
    bool first = count && said[0].at == 0 && said[0].opens; /* "A. Because B is not valid" */
    count = options_dropped(s, said, count);
    first = first && count && said[0].at == 0;
    for (int i = 0; i < count; i++) {
        if (is_denied(s, n, said[i].at)) continue;
        if (best < 0 || said[i].bracket || !said[best].bracket) best = i;
        if (first) break;
    }
    return best < 0 ? 0 : letters_joined(s, said, count, best);
}

unsigned choice_behind(const char *s, size_t n)
{
    struct said said[SAID_MAX];
    bool alone;
    unsigned whole = choice_at(s, n, &alone);
    if (whole && alone) return whole;
    size_t near = n < 40 ? n : 40; /* either B or C; most likely (B) */
    int count = letters_read(s, near, said);
    for (int i = 0; i < count; i++)
        if (!is_denied(s, n, said[i].at)) return letters_joined(s, said, count, i);
    return whole;
}
