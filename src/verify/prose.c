/* prose.c: numbers, and arithmetic on numbers, in running text.
 *
 * A number is never cut out of what it is part of: a formula that touches it or that an operator joins to
 * it (10\pi, x + 2 = 10) is taken as a whole, and so are its unit, the thousand or million behind it, a list
 * that it ends, and the exact value of which it is said to be the rounding (2/7, or about 28.6%).
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "verify/extract_int.h"
#include "verify/parse_int.h"

/* One number with marks, fraction, percent; the bytes. Inside brackets a comma separates. */
static size_t numeral_at(const char *s, size_t n, bool inside)
{
    size_t k = 0;
    bool digit = false;
    while (k < n) {
        bool mark = strchr(inside ? "." : ".,_'", s[k]) && k > 0 && k + 1 < n &&
                    isdigit((unsigned char)s[k + 1]) && isdigit((unsigned char)s[k - 1]);
        bool thin = n - k > 2 && s[k] == '\\' && s[k + 1] == ',' && isdigit((unsigned char)s[k + 2]) && digit;
        bool group = s[k] == ' ' && digit && n - k > 3 && isdigit((unsigned char)s[k + 1]) &&
                     isdigit((unsigned char)s[k + 2]) && isdigit((unsigned char)s[k + 3]) &&
                     !(n - k > 4 && (isdigit((unsigned char)s[k + 4]) || s[k + 4] == '/'));
        bool first = s[k] == '.' && k == 0 && n > 1 && isdigit((unsigned char)s[1]);
        if (isdigit((unsigned char)s[k]) || mark || first || group)
            k++;
        else if (thin)
            k += 2;
        else
            break;
        digit = digit || isdigit((unsigned char)s[k - 1]);
    }
    bool e = digit && n - k > 1 && (s[k] == 'e' || s[k] == 'E') &&
             (isdigit((unsigned char)s[k + 1]) ||
              (strchr("+-", s[k + 1]) && n - k > 2 && isdigit((unsigned char)s[k + 2])));
    if (e)
        for (k += 2; k < n && isdigit((unsigned char)s[k]); k++) {
        }
    return digit ? k : 0;
}

static size_t blanks_at(const char *s, size_t n)
{
    size_t k = 0;
    while (k < n && s[k] == ' ') k++;
    return k;
}

/* A number, or arithmetic on numbers, in running text. */
static size_t run_at(const char *s, size_t n)
{
    size_t at = 0, end = 0;
    int depth = 0, open = 0; /* brackets at `at`, and at `end` */
    for (;;) {
        while (at < n && strchr("-+(", s[at])) depth += s[at++] == '(';
        size_t k = numeral_at(s + at, n - at, depth > 0);
        if (!k) break;
        at += k;
        for (; at < n && s[at] == ')' && depth > 0; depth--) at++;
        end = at;
        open = depth;
        size_t blank = blanks_at(s + at, n - at);
        /* a mixed number, a time */
        size_t digits = numeral_at(s + at + blank, n - at - blank, depth > 0), slash = at + blank + digits;
        if (blank && digits && slash < n && s[slash] == '/' && slash + 1 < n &&
            isdigit((unsigned char)s[slash + 1])) {
            at += blank;
            continue;
        }
        if (n - at > 2 && s[at] == ':' && isdigit((unsigned char)s[at + 1]) &&
            isdigit((unsigned char)s[at + 2])) {
            at++;
            continue;
        }
        size_t op = at + blank;
        if (op + 1 >= n || !strchr("+-*/^", s[op])) break;
        size_t behind = op + 1 + blanks_at(s + op + 1, n - op - 1);
        if (behind >= n || !(isdigit((unsigned char)s[behind]) || strchr("(-.", s[behind]))) break;
        if (strchr("+-", s[op]) && blank == 0 && behind > op + 1) break; /* "5- 3" is no difference */
        at = behind;
    }
    if (open > 0) return 0; /* (1, 2) is no number */
    return end;
}

/* ---- what belongs to a number -------------------------------------------------------------------------- */

static size_t letters_at(const char *s, size_t n)
{
    size_t k = 0;
    while (k < n && isalpha((unsigned char)s[k])) k++;
    return k;
}

/* Bytes of the units, and of million or dozen, behind a number: " km/h", " square feet", "cm^{2}". */
static size_t measure_behind(const char *s, size_t n)
{
    size_t end = 0, length;
    for (;;) {
        size_t at = end + blanks_at(s + end, n - end);
        bool below = end && at < n && s[at] == '/';
        if (below) at++;
        bool per = end && ascii_word_at(s + at, n - at, "per");
        if (per) at += 3 + blanks_at(s + at + 3, n - at - 3);
        size_t k = letters_at(s + at, n - at);
        if (k == 0 || (at + k < n && strchr("-'(", s[at + k]))) return end;
        bool inside = ascii_word_at(s + at, k, "in") && at + k < n && s[at + k] == ' ',
             letter = k == 1 && (below || at < 2) && unit_letter_known(s + at);
        size_t behind = at + k + blanks_at(s + at + k, n - at - k);
        if (letter && behind < n && strchr("+*=0123456789", s[behind])) return end; /* 10 m + 5 */
        if (!letter && (inside || !unit_word_known(s + at, k)) && !scale_word(s + at, k, &length)) return end;
        end = at + k;
        if (n - end > 3 && strncmp(s + end, "^{", 2) == 0 && s[end + 3] == '}') end += 4;
    }
}

static bool is_function_name(const char *s, size_t n)
{
    const struct command *c = command_find(s, n);
    return (c && c->bare && c->kind != T_SEP) || glued_function(s, n);
}

/* Is this chunk of text, which holds no blanks, part of a formula rather than prose? */
static bool is_formula_part(const char *s, size_t n)
{
    if (n == 0 || strchr(",;:.?!", s[n - 1]) || (n == 1 && strchr("aAI", *s))) return false;
    for (size_t i = 0; i < n;) {
        size_t k = letters_at(s + i, n - i);
        bool command = k && i && s[i - 1] == '\\';
        if ((unsigned char)s[i] >= 0x80 || s[i] == '"') return false;
        if (command && (ascii_word_at(s + i, n - i, "to") || ascii_word_at(s + i, n - i, "Rightarrow")))
            return false;
        if (k > 1 && !command && !is_function_name(s + i, k)) return false;
        i += k ? k : 1;
    }
    return !(n > 1 && s[n - 1] == '>' && strchr("-=", s[n - 2]));
}

/* A letter that is a variable, not of a command. */
static bool has_variable(const char *s, size_t n)
{
    for (size_t i = 0, k; i < n; i += k ? k : 1) {
        k = letters_at(s + i, n - i);
        if (k == 1 && !(i && s[i - 1] == '\\')) return true;
    }
    return false;
}

/* Bytes of a sign that nothing stands in front of: a bullet, a dash, a mark of Markdown; a minus stays. */
static size_t bullet_at(const char *s)
{
    if (strncmp(s, "\\cdot", 5) == 0 || strncmp(s, "\\times", 6) == 0) return letters_at(s + 1, 6) + 1;
    bool times = s[0] == 'x' && s[1] == ' ' && isdigit((unsigned char)s[2]); /* 8 parts x 2 */
    return times || strchr("*/|= ", *s) || (strchr("+-", *s) && s[1] == ' ');
}

/* sqrt, log, sin, pi: names that no unit has and that go on behind a blank. */
static bool is_pure_name(const char *s, size_t n)
{
    const struct command *c = n > 1 ? command_find(s, n) : NULL;
    return c && c->bare && !unit_word_known(s, n) &&
           (c->kind == T_SQRT || c->kind == T_CONST || (c->kind == T_FN && c->value <= F_LOG));
}

/* Does s[0..n) end with an operator, a relation, a bracket that opens, a command or a function's name? */
static bool wants_operand(const char *s, size_t n)
{
    size_t k = n;
    while (k > 0 && isalpha((unsigned char)s[k - 1])) k--;
    if (k == n) return n > 0 && strchr("=+-*/^<>|([{_", s[n - 1]);
    return (k > 0 && s[k - 1] == '\\') || is_pure_name(s + k, n - k);
}

/* Where the chunk that ends at s[end] begins: no blank is in it but within brackets that it closes. */
static size_t chunk_before(const char *s, size_t line, size_t end)
{
    size_t blank = line;
    int depth = 0;
    for (size_t i = end; i > line; i--) {
        char c = s[i - 1];
        if (strchr(" $\"", c) && blank == line) blank = i;
        if (strchr(" $\"", c) && depth <= 0) return i;
        depth += strchr(")]}", c) ? 1 : strchr("([{", c) ? -1 : 0;
    }
    return depth == 0 ? line : blank;
}

#define REACH 200 /* bytes in front of a number in which its formula begins */

/* Where the line of s[at] begins, or what is in reach of it. */
static size_t line_before(const char *s, size_t at)
{
    size_t line = at;
    while (line > 0 && at - line < REACH && s[line - 1] != '\n') line--;
    return line;
}

/* Does a formula that reaches back to `from` begin further in front than is looked? */
static bool is_cut(const char *s, size_t from, size_t at)
{
    return from > 0 && from < at && from == line_before(s, at) && !strchr(" \n", s[from - 1]);
}

/* The bracket that the number s[at] stands in with nothing but a formula before it: (1, 2), (3, \infty); else
 * at. */
static size_t bracket_before(const char *s, size_t line, size_t at)
{
    size_t i = at;
    int depth = 0;
    for (; i > line && !(depth == 0 && strchr("([", s[i - 1])); i--)
        depth += strchr(")]", s[i - 1]) ? 1 : strchr("([", s[i - 1]) ? -1 : 0;
    if (i == line || !strchr("([", s[i - 1])) return at;
    for (size_t from = i, end; from < at; from = end + 1) {
        end = from + strcspn(s + from, " ,");
        if (end > at) end = at;
        if (end > from && !is_formula_part(s + from, end - from)) return at;
    }
    return i - 1;
}

/* Where the formula begins that an operator joins to what begins at s[at], or that touches it: x + 2 = 10,
 * 10\pi \approx 31.4. What is equal to a number says nothing of it where it holds no variable. */
static size_t formula_before(const char *s, size_t at)
{
    size_t from = at, line = line_before(s, at);
    for (size_t end = from, chunk; end > line; end = chunk) {
        bool touches = s[end - 1] != ' ';
        while (end > line && s[end - 1] == ' ') end--;
        chunk = chunk_before(s, line, end);
        if (from == at && !touches && !wants_operand(s + chunk, end - chunk)) break;
        if (!is_formula_part(s + chunk, end - chunk)) break;
        from = chunk;
    }
    if (from == line && s[from] == '>' && s[from + 1] == ' ') from++; /* a quotation */
    for (size_t k; from < at && (k = bullet_at(s + from));) from += k;
    const char *equal = memrchr(s + from, '=', at - from);
    const char *first = equal ? memrchr(s + from, '=', (size_t)(equal - s) - from) : NULL;
    bool computed = first && !has_variable(first, (size_t)(equal - first)); /* 2x = 2 * 6 = 12 */
    if (!equal || (!computed && has_variable(s + from, at - from))) return from;
    from = (size_t)(equal + 1 - s);
    return from + blanks_at(s + from, at - from);
}

/* Is what touches the number s[..to) behind it, or what an operator joins to it there, part of a formula:
 * 10\pi, 10x, 5|8, 2 + x? Units and the ends of ordinals are not. */
static bool formula_goes_on(const char *s, size_t n, size_t to)
{
    static const char *const ordinals[] = {"st", "nd", "rd", "th", NULL};
    size_t next = to + blanks_at(s + to, n - to), k = letters_at(s + next, n - next);
    if (next == n) return false;
    if (k) {
        bool unit =
            k == 1 ? unit_letter_known(s + next) : unit_word_known(s + next, k) || is_word_run(s + next, k);
        if (next > to) return is_pure_name(s + next, k);
        return (is_function_name(s + next, k) || !unit) && !is_among(s + next, k, ordinals);
    }
    if (s[next] == '\\') return !money_at(s + next, n - next) && strncmp(s + next, "\\text", 5) != 0;
    if (strchr("^_|", s[next])) return next == to;
    size_t behind = next + 1 + blanks_at(s + next + 1, n - next - 1);
    if (behind >= n || !strchr("+-*/=<>", s[next])) return false;
    behind += s[behind] == '(';
    k = letters_at(s + behind, n - behind);
    return s[behind] == '\\' || is_function_name(s + behind, k) ||
           (k == 1 && !is_article(s + behind, n - behind));
}

/* k, M, bn: the word for such a sign behind a number, and its bytes; NULL. A letter m is one behind money. */
static const char *magnitude_at(const char *s, size_t n, bool money, size_t *length)
{
    static const struct {
        const char *sign, *word;
        bool money;
    } all[] = {{"k", "thousand", false}, {"K", "thousand", false}, {"M", "million", false},
               {"bn", "billion", false}, {"m", "million", true},   {"mn", "million", true},
               {"B", "billion", true},   {"b", "billion", true}};
    size_t k = *length = letters_at(s, n), next = k + blanks_at(s + k, n - k);
    if (next < n && strchr("0123456789+-*/^=(_\\", s[next])) return NULL; /* 4k + 1 */
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strlen(all[i].sign) == k && strncmp(s, all[i].sign, k) == 0 && (money || !all[i].money))
            return all[i].word;
    return NULL;
}

/* Bytes of an x between two numbers, which multiplies. */
static size_t times_at(const char *s, size_t n)
{
    size_t at = blanks_at(s, n), next = at + 1;
    if (at >= n || s[at] != 'x') return 0;
    next += blanks_at(s + next, n - next);
    return next < n && isdigit((unsigned char)s[next]) ? at + 1 : 0;
}

void numbers_spelled(const char *s, size_t n, struct str *out)
{
    size_t done = 0, length;
    for (size_t i = 0, k; i < n; i += k ? k : 1) {
        size_t money = money_at(s + i, n - i), end;
        bool begins = money || i == 0 || strchr(" *\"~($=", s[i - 1]);
        k = begins ? numeral_at(s + i + money, n - i - money, false) : 0;
        if (!k) continue;
        end = i + (k += money);
        const char *word = magnitude_at(s + end, n - end, money > 0, &length);
        bool more = end < n && s[end] == '+' && (end + 1 == n || strchr(" .,\n", s[end + 1])); /* 12+ */
        if (!word && (length = times_at(s + end, n - end))) word = "*";
        if (!word && more) word = "or more", length = 1;
        if (!word) continue;
        str_add(out, s + done, end - done);
        str_addf(out, " %s", word);
        done = end + length;
        k += length;
    }
    str_add(out, s + done, n - done);
}

/* ---- values side by side ------------------------------------------------------------------------------- */

size_t rounding_words(const char *s, size_t n)
{
    static const char *const about[] = {"about",  "approximately", "roughly", "around",
                                        "approx", "nearly",        NULL};
    static const char *const links[] = {"or", "which", "that",
                                        "i",  "e",     NULL}; /* ", about" alone begins anew */
    bool rounded = false, linked = false;
    for (size_t i = 0; i < n && i < 60;) {
        size_t k = letters_at(s + i, n - i);
        size_t sign = s[i] == '~'                              ? 1
                      : strncmp(s + i, "\xE2\x89\x88", 3) == 0 ? 3
                      : strncmp(s + i, "\\approx", 7) == 0     ? 7
                                                               : 0;
        bool link = is_among(s + i, k, links) || s[i] == '(', verb = linked && ascii_word_at(s + i, k, "is");
        rounded = rounded || sign || is_among(s + i, k, about);
        linked = linked || link || sign;
        if (!sign && !link && !verb && (k ? !is_among(s + i, k, about) : !strchr(" ,.;:", s[i])))
            return rounded && linked ? i : 0;
        i += sign ? sign : k ? k : 1;
    }
    return rounded && linked && n < 60 ? n : 0;
}

/* How do the words s[0..n) join two values: 1, 2 and 3; x = 1 and x = 2; 1/2 or 0.5; 2/7 (about 28.6%)? */
static enum join joined(const char *s, size_t n)
{
    static const char *const lists[] = {",", ", ", " and ", ", and ", " & ", NULL};
    static const char *const others[] = {" or ", ", or ", " (", " (or ", " (i.e. ", NULL};
    if (rounding_words(s, n) == n) return ROUNDED;
    if (n == 1 && s[0] == ' ' && s[1] == '(') return RESTATED; /* 2/7 (0.286) */
    size_t k = n;
    while (k > 0 && s[k - 1] == ' ') k--;
    if (k > 0 && s[k - 1] == '=') { /* the name of the second */
        for (k--; k > 0 && s[k - 1] == ' ';) k--;
        size_t end = k;
        while (k > 0 && (isalnum((unsigned char)s[k - 1]) || strchr("_{}", s[k - 1]))) k--;
        if (letters_at(s + k, end - k) == 1) n = k;
    }
    return is_among(s, n, lists) ? LISTED : is_among(s, n, others) ? RESTATED : APART;
}

static bool sentence_ends(const char *s, size_t n)
{
    size_t k = strspn(s, " .*)");
    return k >= n || s[k] == '\n';
}

/* ---- the number that a text gives ---------------------------------------------------------------------- */

/* What the words around runs make of them costs more than to find the runs: it is asked of the last few. */
#define RUNS_KEPT 8

/* One number, or several that belong together; `gap` is what stands between the last two. */
struct run {
    size_t at, n, gap, gap_n;
    enum join join;
};

/* May a number begin at s[i], rather than be cut out of a word? */
static bool may_begin(const char *s, size_t i)
{
    size_t chunk = i;
    if (i == 0 || strchr(" \n=\"'*>~:$", s[i - 1])) return true;
    if (!strchr("(/^+-*|[,{", s[i - 1])) return false;
    while (chunk > 0 && i - chunk < 60 && !strchr(" \n$\"", s[chunk - 1])) chunk--;
    return is_formula_part(s + chunk, i - chunk - (s[i - 1] == ','));
}

/* The next number at or behind *i. */
static bool run_next(const char *s, size_t n, size_t *i, struct run *out)
{
    while (*i < n) {
        bool digit = isdigit((unsigned char)s[*i]) ||
                     (strchr("-+(.", s[*i]) && *i + 1 < n && strchr("0123456789.(-", s[*i + 1]));
        size_t money = money_at(s + *i, n - *i);
        bool begins = (digit || money) && may_begin(s, *i);
        size_t k = begins ? run_at(s + *i + money, n - *i - money) : 0;
        if (k) {
            k += money;
            *out = (struct run){.at = *i, .n = k + percent_behind(s + *i + k, n - *i - k)};
            *i += k;
            return true;
        }
        if (begins) /* signs that lead nowhere are passed once */
            while (strchr("-+(", s[*i]) && *i + 1 < n && strchr("-+(", s[*i + 1])) ++*i;
        ++*i;
    }
    return false;
}

/* Is a bracket of s[0..n) not closed? */
static bool is_open(const char *s, size_t n)
{
    int depth = 0;
    for (size_t i = 0; i < n; i++) depth += strchr("([{", s[i]) ? 1 : strchr(")]}", s[i]) ? -1 : 0;
    return depth > 0;
}

/* Bytes of "negative " or "minus " in front of a number, where nothing is there that it is taken from; 0. */
static size_t minus_word(const char *s, size_t at)
{
    static const char *const words[] = {"negative ", "minus "};
    for (size_t i = 0; i < 2; i++) {
        size_t k = strlen(words[i]);
        if (at < k || strncasecmp(s + at - k, words[i], k) != 0) continue;
        if (at == k || isspace((unsigned char)s[at - k - 1]))
            return at > k + 1 && isdigit((unsigned char)s[at - k - 2]) ? 0 : k;
    }
    return 0;
}

/* The run as a formula, with what belongs to it. False when that is cut off. */
static bool run_written(struct work *w, const char *s, size_t n, const struct run *r, bool bare,
                        struct found_number *out)
{
    const char *line = memchr(s + r->at + r->n, '\n', n - r->at - r->n);
    size_t to = r->at + r->n, from = formula_before(s, r->at), whole = from, open, prefix;
    if (line) n = (size_t)(line - s);
    for (int depth = 0; depth < 4 && (open = bracket_before(s, line_before(s, whole), whole)) < whole;
         depth++) {
        whole = formula_before(s, open);
        if (math_prefix(w, s + whole, n - whole) > to - whole) from = whole;
    }
    bool formula = !bare && (is_open(s + from, to - from) || formula_goes_on(s, n, to));
    if (is_cut(s, whole, r->at) || (bare && from < r->at)) return false;
    if (minus_word(s, r->at)) str_puts(&out->text, "-");
    if (r->join == ROUNDED || r->join == RESTATED) {
        str_add(&out->text, s + from, r->gap - from);
        str_puts(&out->text, r->join == ROUNDED ? " \\approx " : " or ");
        from = r->gap + r->gap_n;
        formula = formula_goes_on(s, n, to);
    }
    if (formula && (prefix = math_prefix(w, s + from, n - from)) > to - from) to = from + prefix;
    str_add(&out->text, s + from, to - from);
    size_t unit = measure_behind(s + to, n - to);
    if (unit) str_addf(&out->text, "\\text{ %.*s}", (int)unit, s + to);
    out->restated = r->join >= RESTATED;
    int depth = 0;
    for (const char *p = out->text.p; *p; p++) depth += (*p == '{') - (*p == '}');
    return depth == 0;
}

/* `here` together with the run in front, where the two belong together. */
static struct run run_joined(const char *s, size_t n, const struct run *before, const struct run *here)
{
    size_t end = before->at + before->n, unit = measure_behind(s + end, n - end);
    enum join join =
        before->n && end + unit < here->at ? joined(s + end + unit, here->at - end - unit) : APART;
    if (join == APART || (join == LISTED && unit)) return *here;
    return (struct run){.at = before->at,
                        .n = here->at + here->n - before->at,
                        .gap = end + unit,
                        .gap_n = here->at - end - unit,
                        .join = join};
}

/* Does r stand in a clause that gives the reason for a number in front: 12, since 3 of 4 are left? */
static bool gives_reason_of(const char *s, size_t n, const struct run *kept, size_t count,
                            const struct run *r)
{
    struct clause c = clause_around(s, n, r->at, r->at + r->n);
    const char *p = s + c.begin, *sentence = p;
    if (!ascii_word_at(p, n - c.begin, "since") && !ascii_word_at(p, n - c.begin, "because")) return false;
    while (sentence > s && sentence[-1] != '\n' && !(strchr(".!?", sentence[-1]) && *sentence == ' '))
        sentence--;
    for (size_t i = 0; i < RUNS_KEPT && i < count; i++)
        if (s + kept[i].at >= sentence && kept[i].at < c.begin) return true;
    return false;
}

bool number_find(struct work *w, const char *s, size_t n, enum number which, struct found_number *out)
{
    struct run kept[RUNS_KEPT], before = {0}, here;
    bool last = which != NUMBER_FIRST;
    size_t count = 0;
    for (size_t i = 0; (last || count < 2) && run_next(s, n, &i, &here);) {
        size_t to = here.at + here.n;
        i = to += measure_behind(s + to, n - to);
        before = run_joined(s, n, &before, &here);
        if (before.join == ROUNDED) count--; /* it takes the place of what it rounds */
        /* In 2020, 12 people came: what goes on is no list */
        bool one = before.join == ROUNDED || sentence_ends(s + to, n - to);
        kept[count++ % RUNS_KEPT] = one ? before : here;
    }
    if (!last && count == 2 && kept[1].join < RESTATED) count = 1;
    const struct run *best = NULL;
    for (size_t k = count; k > 0 && count - k < RUNS_KEPT; k--) {
        const struct run *r = &kept[(k - 1) % RUNS_KEPT];
        int relation = phrase_around(s, n, r->at - minus_word(s, r->at), r->at + r->n);
        bool weak = relation == R_NE || gives_reason_of(s, n, kept, count, r); /* 12, not 13 */
        if (best && weak) continue;
        best = r;
        out->relation = relation;
        if (!weak) break;
    }
    return best && run_written(w, s, n, best, which == NUMBER_BARE, out);
}

size_t closing_formula(const char *s, size_t n, size_t *at)
{
    size_t end = n;
    while (end && strchr(" .*!\n", s[end - 1])) end--;
    size_t line = line_before(s, end), chunk;
    for (*at = end; *at > line; *at = chunk) {
        size_t last = *at;
        while (last > line && s[last - 1] == ' ') last--;
        chunk = chunk_before(s, line, last);
        if (!is_formula_part(s + chunk, last - chunk)) break;
    }
    if (is_cut(s, *at, end)) return 0;
    while (*at < end && bullet_at(s + *at)) *at += bullet_at(s + *at);
    bool value = false; /* more than names of functions and operators */
    for (size_t i = *at, k; i < end; i += k ? k : 1) {
        if (isdigit((unsigned char)s[i])) return 0;
        k = letters_at(s + i, end - i);
        const struct command *c = k > 1 ? command_find(s + i, k) : NULL;
        value = value || k == 1 || (c && (c->kind == T_CONST || c->kind == T_SYM || c->kind == T_NUMSET));
    }
    *at -= minus_word(s, *at); /* negative infinity */
    return value ? end - *at : 0;
}
