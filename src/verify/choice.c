/* choice.c: the letters of a multiple choice, A to J, and which of them a text says are the answer.
 *
 * A letter counts where it stands alone and is no article, no part of a formula and none of the options
 * listed again. Its clause then says it ("so C", "C is correct", "I choose C"), denies it ("not C", "C is a
 * trap"), leaves it in doubt ("C or 12", "maybe C") or only mentions it ("C has 5 apples", "because C ...").
 * In running text the last letter said is chosen. A box, and the sentence behind "the answer is", need not
 * call a letter right, but there two that contradict each other choose nothing.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "verify/verify_int.h"

#define SAID_MAX  64
#define WORDS_MAX 40

bool choice_letters(const char *s, unsigned *set)
{
    int letters = 0;
    *set = 0;
    for (; *s; s++) {
        if (strncmp(s, "and ", 4) == 0) {
            s += 3;
        } else if (*s >= 'A' && *s <= 'J') {
            if (letters && isalpha((unsigned char)s[-1]) && *set & (1u << (*s - 'A'))) return false;
            *set |= 1u << (*s - 'A');
            letters++;
        } else if (!strchr(" \n,;.()&", *s)) {
            return false; /* A + B, A < B */
        }
    }
    return letters > 0;
}

/* ---- letters ------------------------------------------------------------------------------------------- */

/* The bytes of the one of `all`, up to NULL, that s begins with; 0. n > 0. */
static size_t prefix_of(const char *s, size_t n, const char *const *all)
{
    for (; *all; all++)
        if (*s == **all && n >= strlen(*all) && strncmp(s, *all, strlen(*all)) == 0) return strlen(*all);
    return 0;
}

/* s without the commands and marks that only set how it looks. */
static void flatten(const char *s, size_t n, struct str *out)
{
    static const char *const looks[] = {"\\textbf", "\\textrm", "\\textit", "\\text", "\\mathrm", "\\mathbf",
                                        "\\mbox",   "\\(",      "\\)",      "\\[",    "\\]",      NULL},
                             *const rooms[] = {"\\quad", "\\qquad", "\\ ", "\\,", "\\;", "\\:", "~", NULL};
    str_init(out, 0);
    for (size_t i = 0; i < n;) {
        size_t look = prefix_of(s + i, n - i, looks), room = look ? 0 : prefix_of(s + i, n - i, rooms);
        if (room)
            str_puts(out, " ");
        else if (!look && !strchr("{}$*_[]", s[i]))
            str_add(out, s + i, 1);
        i += look + room ? look + room : 1;
    }
}

/* A mathematical operator in UTF-8: U+2190 to U+22FF, and the signs of Latin-1. */
static bool is_operator(const char *p)
{
    static const char *const latin[] = {"\xC3\x97", "\xC3\xB7", "\xC2\xB1", "\xC2\xB7", NULL};
    unsigned char second = (unsigned char)p[1];
    return prefix_of(p, 2, latin) || ((unsigned char)p[0] == 0xE2 && second >= 0x86 && second <= 0x8B);
}

/* Is the letter whose neighbours in front end at s[left] and behind begin at s[right] part of a formula:
 * A + B, A \cup B, A (1, 2)? A dash before a word is none, nor are brackets with one thing in them. */
static bool in_formula(const char *s, size_t n, size_t left, size_t right, bool bracket)
{
    while (left > 0 && s[left - 1] == ' ') left--;
    while (right < n && s[right] == ' ') right++;
    bool arrow =
        left > 0 && s[left - 1] == '>' && (left == 1 || strchr("-=\n", s[left - 2])); /* a quotation */
    if (left > 0 && strchr(bracket ? "<>+^|\\" : "<>=+^|\\", s[left - 1]) && !arrow) return true;
    if (right >= n) return false;
    const char *p = s + right, *word = p + strspn(p, "- ");
    if (strchr("<>=+^|", *p) || ((unsigned char)*p >= 0x80 && is_operator(p))) return true;
    if (*p == '\\') return !bracket || strncmp(p, "\\c", 2) == 0 || strncmp(p, "\\s", 2) == 0;
    if (*p == '(' && !bracket) return memchr(p, ',', strcspn(p, ")")) != NULL;
    bool heading = left == 0 && isdigit((unsigned char)*word) && !memchr(p, '=', n - right); /* A - 12 m */
    return *p == '-' && !heading && !(isalpha((unsigned char)*word) && isalpha((unsigned char)word[1]));
}

/* A letter that may be meant. */
struct said {
    size_t at, end; /* the letter; behind it and its closing bracket */
    bool opens;     /* B. or B: or B) or (B), as in a list of options */
};

/* The letter at s[i], when it stands alone. */
static bool letter_at(const char *s, size_t n, size_t i, struct said *out)
{
    char left = i ? s[i - 1] : ' ', right = i + 1 < n ? s[i + 1] : ' ';
    if (s[i] < 'A' || s[i] > 'J' || !strchr(" \n(\"'/`,", left) || !strchr(" \n).,:;\"'/?!`-", right) ||
        (right == '\'') != (left == '\'') || is_article(s + i, n - i))
        return false;
    bool listed = right == ',' && i + 2 < n && s[i + 2] >= 'A' && s[i + 2] <= 'J'; /* A,B */
    if (strchr(":,-", right) && i + 2 < n && !isspace((unsigned char)s[i + 2]) && !listed) return false;
    bool bracket = right == ')';
    const char *dash = s + i + 1 + strspn(s + i + 1, " ");
    bool dashed =
        *dash == '-' || strncmp(dash, "\xE2\x80\x93", 3) == 0 || strncmp(dash, "\xE2\x80\x94", 3) == 0;
    bool opens = bracket || dashed || right == ':' || (right == '.' && s[i + 2] != '.');
    *out = (struct said){.at = i, .end = i + 1 + bracket, .opens = opens};
    return !in_formula(s, n, i - (left == '('), out->end, bracket);
}

/* The last letters of the text that stand alone. */
static int letters_read(const char *s, size_t n, struct said *out)
{
    struct said here;
    int count = 0;
    for (size_t i = 0; i < n; i++) {
        if (!letter_at(s, n, i, &here)) continue;
        if (count == SAID_MAX) memmove(out, out + 1, sizeof *out * (size_t)--count);
        out[count++] = here;
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

/* Does the text behind an option judge it: "C: yes", "(A) wrong"? */
static bool is_judged(const char *s, const struct said *l)
{
    static const char *const verdicts[] = {"right", "correct",   "true", "yes", "wrong",
                                           "false", "incorrect", "no",   NULL};
    const char *p = s + l->end + strspn(s + l->end, " .:");
    size_t k = 0;
    while (isalpha((unsigned char)p[k])) k++;
    return is_among(p, k, verdicts);
}

/* The options listed again, A, B, C in turn: each before its text, or one behind the other. Takes such rows
 * out. */
static int options_dropped(const char *s, struct said *said, int count)
{
    int kept = 0;
    for (int i = 0; i < count;) {
        int k = i + 1;
        bool judged = is_judged(s, &said[i]);
        for (; k < count && s[said[k].at] == s[said[k - 1].at] + 1; k++) {
            bool joined = said_together(s, said[k - 1].at + 1, said[k].at);
            if (!joined && !(said[k].opens && said[k - 1].opens)) break;
            judged = judged || is_judged(s, &said[k]);
        }
        bool row = s[said[i].at] == 'A' && k - i >= 3 && !judged;
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

/* ---- what is said of a letter ------------------------------------------------------------------------- */

enum stance { MENTIONED, SAID, DOUBTED, DENIED };

static bool any_among(const struct word *w, int count, const char *const *all)
{
    for (int i = 0; i < count; i++)
        if (is_among(w[i].p, w[i].n, all)) return true;
    return false;
}

static bool all_among(const struct word *w, int count, const char *const *all)
{
    for (int i = 0; i < count; i++)
        if (!is_among(w[i].p, w[i].n, all) && !(w[i].n == 1 && isupper((unsigned char)*w[i].p))) return false;
    return true;
}

/* Words that say of a letter beside them, wherever they stand in its clause, that it is right. */
static const char *const praises[] = {
    "answer",   "correct",   "right",  "true",     "valid",    "best",    "fits",    "fit",
    "works",    "work",      "match",  "matches",  "matching", "holds",   "holds",   "follows",
    "choose",   "chose",     "chosen", "choosing", "pick",     "picked",  "picking", "select",
    "go",       "going",     "better", "meets",    "closest",  "remains", "mark",    "tick",
    "selected", "satisfies", "prefer", "yes",      NULL};
/* Words that lead to the letter right behind them. */
static const char *const leads[] = {
    "is",          "are",   "be",       "was",    "it's",  "that's",  "say",    "get",    "gives", "leads",
    "corresponds", "means", "conclude", "obtain", "leave", "leaving", "leaves", "arrive", "like",  NULL};
/* Words that say nothing beside a letter. */
static const char *const fillers[] = {
    "so",           "thus",      "therefore", "hence",     "then",   "and",        "but",
    "it",           "this",      "that",      "which",     "i",      "we",         "option",
    "choice",       "letter",    "answer",    "the",       "one",    "only",       "just",
    "simply",       "clearly",   "both",      "obviously", "surely", "definitely", "also",
    "rather",       "instead",   "again",     "finally",   "is",     "final",      "statement",
    "to",           "with",      "for",       "us",        "of",     "conclusion", "actually",
    "definitively", "certainly", "wait",      "no",        "over",   "ans",        "than",
    "really",       NULL};
static const char *const doubts[] = {"maybe",     "perhaps", "possibly", "might",    "may",
                                     "could",     "unsure",  "assume",   "assuming", "suppose",
                                     "supposing", "whether", NULL};
static const char *const dismissals[] = {
    "eliminate",  "eliminated", "eliminates", "exclude",  "excluded",  "excludes", "reject",
    "rejected",   "discard",    "discarded",  "dismiss",  "dismissed", "rule",     "ruled",
    "rules",      "cross",      "crossed",    "strike",   "avoid",     "trap",     "tempting",
    "distractor", "worst",      "least",      "unlikely", NULL};
/* In front of a letter they put another above it. */
static const char *const betters[] = {"than", "beats", "beat", "over", "unlike", NULL};

/* `asked`: an answer is expected here, whatever verb follows. */
static enum stance stance_of(const char *s, size_t n, const struct said *l, bool asked)
{
    struct word w[WORDS_MAX], v[WORDS_MAX];
    struct clause c = clause_around(s, n, l->at, l->end);
    if (s[l->end] == ':' && c.end == l->end) { /* "A: wrong" */
        struct clause behind = clause_around(s, n, c.end + 1, c.end + 1);
        c.end = behind.end;
    }
    int before = clause_words(s + c.begin, l->at - c.begin, w, WORDS_MAX),
        behind = clause_words(s + l->end, c.end - l->end, v, WORDS_MAX), near = before < 3 ? before : 3;
    int around = phrase_in(s, c, l->at, l->end);
    bool open = s[l->end] == '?' || ascii_word_at(s + c.end, n - c.end, "if");
    if (open || around == R_OTHER || any_among(w, before, doubts) || any_among(v, behind, doubts))
        return DOUBTED;
    bool denied = behind && ascii_word_at(v[0].p, v[0].n, "no"); /* C: no */
    if (around || denied || any_among(w, before, dismissals) || any_among(v, behind, dismissals) ||
        any_among(w, before, betters))
        return DENIED;
    bool plain = all_among(w, before, fillers), verb = behind && is_predicate(v[0].p, v[0].n);
    if (plain && (asked || (l->opens && !verb))) return SAID;
    if (gives_reason(s + c.begin, l->at - c.begin)) return MENTIONED;
    if (any_among(w, before, praises) || any_among(v, behind, praises)) return SAID;
    if (any_among(w + before - near, near, leads)) return SAID;
    return plain && all_among(v, behind, fillers) ? SAID : MENTIONED;
}

/* The letters that a flat text says. `asked`: it stands where the answer is expected. */
static unsigned letters_said(const char *s, size_t n, bool asked)
{
    struct said said[SAID_MAX];
    int count = letters_read(s, n, said);
    bool opening = count && said[0].at == 0 && said[0].opens; /* "A. Because B is not valid" */
    unsigned set = 0;
    bool doubt = false;
    count = options_dropped(s, said, count);
    for (int i = 0; i < count; i++) {
        enum stance stance = stance_of(s, n, &said[i], asked && i == 0);
        if (stance == MENTIONED || stance == DENIED) continue;
        unsigned here = letters_joined(s, said, count, i);
        if (asked && set && here != set) return 0;
        set = here;
        doubt = stance == DOUBTED;
        if (opening && said[i].at == 0) break;
    }
    return doubt ? 0 : set;
}

/* The flat text of a choice without its label and the marks around it. */
static const char *trimmed(struct str *flat)
{
    static const char *const labels[] = {"option ", "choice ", "answer ", "letter ", "Option ",
                                         "Choice ", "Answer ", "Letter ", NULL};
    while (flat->len && strchr(". \n", flat->p[flat->len - 1])) flat->p[--flat->len] = 0;
    const char *p = flat->p + strspn(flat->p, " \n");
    return p + prefix_of(p, strlen(p), labels);
}

unsigned choice_at(const char *s, size_t n, bool *alone)
{
    struct str flat;
    unsigned set = 0;
    flatten(s, n, &flat);
    const char *p = trimmed(&flat);
    bool letters = *alone = choice_letters(p, &set);
    /* letters side by side are a product of points rather than choices */
    for (size_t i = 1; *alone && p[i]; i++)
        *alone = !(isupper((unsigned char)p[i]) && isupper((unsigned char)p[i - 1]));
    if (!letters) set = letters_said(p, strlen(p), true);
    str_release(&flat);
    return set;
}

unsigned choice_said(const char *s, size_t n)
{
    struct str flat;
    unsigned set;
    flatten(s, n, &flat);
    const char *p = trimmed(&flat);
    if (!choice_letters(p, &set)) set = letters_said(p, strlen(p), false);
    str_release(&flat);
    return set;
}

unsigned choice_behind(const char *s, size_t n)
{
    bool alone;
    size_t end = 0;
    unsigned whole = choice_at(s, n, &alone);
    if (alone) return whole;
    for (; end < n; end++) {
        bool dots = s[end] == '.' && end && s[end - 1] == '.'; /* C... actually D */
        if (strchr(".!?\n", s[end]) && !dots && (end + 1 == n || isspace((unsigned char)s[end + 1]))) break;
    }
    return choice_at(s, end < n && s[end] == '?' ? end + 1 : end, &alone);
}

/* ---- yes and no ---------------------------------------------------------------------------------------- */

static const char *const pairs[][2] = {{"yes", "no"}, {"true", "false"}, {"valid", "invalid"}};

const char *const *truth_pair(const char *s, size_t n)
{
    struct str flat;
    const char *const *pair = NULL;
    flatten(s, n, &flat);
    const char *p = trimmed(&flat);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (strcasecmp(p, pairs[i][0]) == 0 || strcasecmp(p, pairs[i][1]) == 0) pair = pairs[i];
    str_release(&flat);
    return pair;
}

/* Does the clause end at s[i], or go on with a reason? */
static bool clause_ends(const char *s, size_t n, size_t i)
{
    while (i < n && strchr(" \"')", s[i])) i++;
    return i == n || strchr(".,;:!-\n", s[i]) || (unsigned char)s[i] >= 0x80 || gives_reason(s + i, n - i);
}

/* Such a word at the beginning of a sentence answers before a pronoun too: "no it cannot", "yes it is"; "no
 * number" and "yes or no" do not. */
static bool opens_answer(const char *s, size_t n, bool yes)
{
    static const char *const pronouns[] = {"it",   "they", "he",    "she",    "we", "you",
                                           "this", "that", "there", "indeed", NULL};
    size_t gap = strspn(s, " "), k = 0;
    while (gap + k < n && isalpha((unsigned char)s[gap + k])) k++;
    return is_among(s + gap, k, pronouns) || (yes && isupper((unsigned char)s[gap]));
}

const char *truth_said(const char *s, size_t n, const char *const *pair)
{
    static const char *const joins[] = {"so", "thus", "hence", "therefore", "then", "and", "but", NULL},
                             *const open[] = {"or",      "if",    "maybe",   "perhaps", "possibly",
                                              "could",   "be",    "neither", "nor",     "than",
                                              "whether", "never", "might",   NULL};
    const char *said = NULL, *found = NULL; /* in the sentence; in the last that says one */
    struct str flat;
    bool start = true, clash = false;
    struct word before = {"", 0};
    flatten(s, n, &flat);
    for (size_t i = 0, k; i <= flat.len; i += k ? k : 1) {
        const char *p = flat.p + i;
        for (k = 0; isalpha((unsigned char)p[k]) || (k && *p != '\'' && p[k] == '\'');) k++;
        if (!k && (i == flat.len || strchr(".!?\n", *p))) {
            if (said || clash) found = clash ? NULL : said;
            said = NULL;
            clash = false;
            start = true;
            before.n = 0;
        }
        if (!k) continue;
        int which = ascii_word_at(p, k, pair[0]) ? 0 : ascii_word_at(p, k, pair[1]) ? 1 : -1;
        bool last = which >= 0 && p[k] != '?' && clause_ends(flat.p, flat.len, i + k);
        if (last || (which >= 0 && start && opens_answer(p + k, flat.len - i - k, which == 0))) {
            bool not = ascii_word_at(before.p, before.n, "not") ||
                       (before.n > 3 && strncmp(before.p + before.n - 3, "n't", 3) == 0);
            if (not&&pair != pairs[0]) which = !which;
            clash = clash || (not&&pair == pairs[0]) || (said && said != pair[which]) ||
                    (i && p[-1] == '/') || is_among(before.p, before.n, open);
            said = pair[which];
        }
        start = start && is_among(p, k, joins);
        before = (struct word){p, k};
    }
    str_release(&flat);
    return found;
}
