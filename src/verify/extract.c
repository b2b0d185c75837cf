/* extract.c: where in a text the answer stands.
 *
 * The reasoning goes first: <think>...</think> is cut out, everything before a </think> that nothing
 * opened is reasoning too (the prompt opened it), and a <think> that is never closed means that there is
 * no answer.
 *
 * EXTRACT_LATEX, what Open-R1's accuracy reward accepts (Math-Verify 0.5.2 with LaTeX targets only): a
 * box, or a formula behind an anchor, by priority:
 *   0    \boxed{...};  "final answer is" FORMULA ". I hope"          among equals the one that ends last
 *   50   "final answer" ... "is" FORMULA
 *   100  "answer:" at most 50 characters FORMULA
 *   200  "answer" at most 50 characters FORMULA
 * EXTRACT_ANY: inside <answer>...</answer> if there is such a block, the last box, else what follows
 * "####", else what follows the last "answer is" or "answer:", else the whole text if it is a value, else
 * the last formula or number, or for golds that are text the last line.
 * All is linear in the length of the text.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "verify/verify_int.h"

#define TEXT_MAX     ((size_t)64 << 20)
#define ANCHOR_REACH 50
#define FINAL_REACH  100

/* ---- reasoning ---------------------------------------------------------------------------------------- */

static const char *find(const char *p, const char *end, const char *word)
{
    return memmem(p, (size_t)(end - p), word, strlen(word));
}

/* The text without its reasoning, to be freed; NULL when the reasoning never ended. */
static char *reasoning_cut(const char *text, size_t n)
{
    char *out = alloc_or_die(n + 1);
    const char *p = text, *end = text + n;
    const char *open = find(p, end, "<think>"), *close = find(p, end, "</think>");
    size_t used = 0;
    for (;;) {
        /* Only a mark that was passed is searched for again. */
        if (open && open < p) open = find(p, end, "<think>");
        if (close && close < p) close = find(p, end, "</think>");
        bool stray = close && (!open || close < open);
        const char *stop = open ? open : end;
        if (stray) {
            used = 0;
        } else {
            memcpy(out + used, p, (size_t)(stop - p));
            used += (size_t)(stop - p);
            if (!open) break;
        }
        if (!close) {
            free(out);
            return NULL;
        }
        p = close + strlen("</think>");
    }
    out[used] = 0;
    return out;
}

/* ---- formulas ----------------------------------------------------------------------------------------- */

struct span {
    size_t at, n, end; /* content; end: behind the closing mark and a percent sign */
    bool percent;
};

/* A text and, for each kind of closing mark, the last search for it, so that no stretch is searched twice. */
struct scan {
    const char *s;
    size_t n;
    struct {
        size_t from, to;
    } closing[3];
};

static void scan_init(struct scan *sc, const char *s, size_t n)
{
    *sc = (struct scan){.s = s, .n = n};
    for (int k = 0; k < 3; k++) sc->closing[k].from = SIZE_MAX;
}

/* Where the k-th closing mark stands at or behind `from`; sc->n if nowhere. */
static size_t closing_at(struct scan *sc, int k, size_t from)
{
    static const char *const marks[] = {"$$", "\\]", "\\)"};
    if (sc->closing[k].from > from || sc->closing[k].to < from) {
        const char *p = find(sc->s + from, sc->s + sc->n, marks[k]);
        sc->closing[k].from = from;
        sc->closing[k].to = p ? (size_t)(p - sc->s) : sc->n;
    }
    return sc->closing[k].to;
}

/* A formula $...$ that starts at i, on one line. */
static bool dollars_at(const struct scan *sc, size_t i, struct span *out)
{
    if (i > 0 && (sc->s[i - 1] == '\\' || isdigit((unsigned char)sc->s[i - 1]))) return false;
    size_t k = i + 1;
    while (k < sc->n && sc->s[k] != '\n' && (sc->s[k] != '$' || sc->s[k - 1] == '\\')) k++;
    if (k >= sc->n || sc->s[k] == '\n' || k == i + 1) return false;
    *out = (struct span){.at = i + 1, .n = k - i - 1, .end = k + 1};
    return true;
}

/* Bytes of a number -?\d+([.,]\d+)? at p. */
static size_t plain_number(const char *p, const char *end)
{
    const char *q = p;
    if (q < end && *q == '-') q++;
    const char *digits = q;
    while (q < end && isdigit((unsigned char)*q)) q++;
    if (q == digits) return 0;
    if (end - q > 1 && (*q == '.' || *q == ',') && isdigit((unsigned char)q[1]))
        for (q++; q < end && isdigit((unsigned char)*q); q++) {
        }
    return (size_t)(q - p);
}

/* A bare \frac{N}{N}, perhaps with a minus. */
static bool bare_frac_at(const struct scan *sc, size_t i, struct span *out)
{
    const char *p = sc->s + i, *end = sc->s + sc->n;
    if (*p == '-') p++;
    if ((size_t)(end - p) < 5 || memcmp(p, "\\frac", 5) != 0) return false;
    p += 5;
    for (int part = 0; part < 2; part++) {
        if (p >= end || *p != '{') return false;
        size_t k = plain_number(p + 1, end);
        if (!k || p + 1 + k >= end || p[1 + k] != '}') return false;
        p += k + 2;
    }
    *out = (struct span){.at = i, .n = (size_t)(p - sc->s) - i, .end = (size_t)(p - sc->s)};
    return true;
}

static bool formula_at(struct scan *sc, size_t i, struct span *out)
{
    const char *s = sc->s + i;
    size_t left = sc->n - i;
    bool two = left >= 2, found = false;
    int kind = two && s[0] == '$' && s[1] == '$'    ? 0
               : two && s[0] == '\\' && s[1] == '[' ? 1
               : two && s[0] == '\\' && s[1] == '(' ? 2
                                                    : -1;
    if (kind >= 0) {
        size_t close = closing_at(sc, kind, i + 2);
        found = close < sc->n && close > i + 2;
        *out = (struct span){.at = i + 2, .n = close - i - 2, .end = close + 2};
    } else if (s[0] == '$') {
        found = dollars_at(sc, i, out);
    } else if (s[0] == '\\' || s[0] == '-') {
        found = bare_frac_at(sc, i, out);
    }
    if (!found) return false;
    size_t escaped = out->end < sc->n && sc->s[out->end] == '\\' ? 1 : 0;
    size_t percent = percent_at(sc->s + out->end + escaped, sc->n - out->end - escaped);
    out->percent = percent > 0;
    if (percent) out->end += percent + escaped;
    return true;
}

/* ---- boxes -------------------------------------------------------------------------------------------- */

/* For each { the place of its }, by one pass with a stack; 0 where there is none. */
static uint32_t *braces_matched(const char *s, size_t n)
{
    uint32_t *match = alloc_zero(n + 1, sizeof *match), top = 0; /* an open brace holds the one below it */
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\\' && i + 1 < n && (s[i + 1] == '{' || s[i + 1] == '}' || s[i + 1] == '\\')) {
            i++;
        } else if (s[i] == '{') {
            match[i] = top;
            top = (uint32_t)i + 1;
        } else if (s[i] == '}' && top) {
            uint32_t open = top - 1;
            top = match[open];
            match[open] = (uint32_t)i;
        }
    }
    while (top) {
        uint32_t open = top - 1;
        top = match[open];
        match[open] = 0;
    }
    return match;
}

/* The last closed \boxed{...} that is not inside another one. */
static bool box_last(const char *s, size_t n, struct span *out)
{
    static const char name[] = "\\boxed";
    const size_t k = sizeof name - 1;
    if (!find(s, s + n, name)) return false;
    uint32_t *match = braces_matched(s, n);
    bool found = false;
    for (const char *p = s; (p = find(p, s + n, name));) {
        size_t open = (size_t)(p - s) + k;
        while (open < n && s[open] == ' ') open++;
        p += k;
        if (open >= n || s[open] != '{' || !match[open]) continue;
        *out = (struct span){.at = open + 1, .n = match[open] - open - 1, .end = match[open] + 1};
        found = true;
        p = s + out->end;
    }
    free(match);
    return found;
}

/* ---- anchors ------------------------------------------------------------------------------------------ */

static const char *word_after(const char *p, const char *end)
{
    for (; end - p >= 6; p++)
        if ((*p == 'a' || *p == 'A') && strncasecmp(p, "answer", 6) == 0) return p;
    return NULL;
}

/* The first formula that begins at most `reach` characters behind `from`. */
static bool formula_near(struct scan *sc, size_t from, int reach, struct span *out)
{
    for (size_t i = from; i < sc->n && reach >= 0; i++, reach--) {
        if (formula_at(sc, i, out)) return true;
        while (i + 1 < sc->n && ((unsigned char)sc->s[i + 1] & 0xC0) == 0x80) i++;
    }
    return false;
}

static size_t blanks_skip(const struct scan *sc, size_t i)
{
    while (i < sc->n && isspace((unsigned char)sc->s[i])) i++;
    return i;
}

/* "final answer" ... " is" [:] FORMULA, the text behind "answer" beginning at i. Sets the priority. */
static bool formula_final(struct scan *sc, size_t i, struct span *out, int *priority)
{
    for (int reach = 0; reach <= FINAL_REACH && i < sc->n; reach++, i++) {
        size_t is = blanks_skip(sc, i);
        if (is == i || sc->n - is < 2 || memcmp(sc->s + is, "is", 2) != 0) continue;
        size_t at = is + 2;
        if (at < sc->n && sc->s[at] == ':') at++;
        at = blanks_skip(sc, at);
        if (at >= sc->n || !formula_at(sc, at, out)) continue;
        size_t hope = out->end;
        if (hope < sc->n && sc->s[hope] == '.') hope++;
        if (hope < sc->n && isspace((unsigned char)sc->s[hope])) hope++;
        *priority = reach == 0 && sc->n - hope >= 6 && memcmp(sc->s + hope, "I hope", 6) == 0 ? 0 : 50;
        return true;
    }
    return false;
}

static bool latex_answer(const char *s, size_t n, struct span *best, const char **rule)
{
    int best_priority = 1000;
    struct scan sc;
    scan_init(&sc, s, n);
    if (box_last(s, n, best)) {
        best_priority = 0;
        *rule = "boxed";
    }
    for (const char *p = s; (p = word_after(p, s + n)); p += 6) {
        struct span here;
        size_t behind = (size_t)(p - s) + 6;
        int priority;
        bool is_final = p - s >= 6 && strncasecmp(p - 6, "final ", 6) == 0;
        if (!is_final || !formula_final(&sc, behind, &here, &priority)) {
            bool colon = behind < n && s[behind] == ':';
            priority = colon ? 100 : 200;
            if (!formula_near(&sc, behind + colon, ANCHOR_REACH, &here)) continue;
        }
        if (priority > best_priority || (priority == best_priority && here.end < best->end)) continue;
        *best = here;
        best_priority = priority;
        *rule = priority <= 50 ? "formula behind \"final answer is\"" : "formula behind \"answer\"";
    }
    return best_priority < 1000;
}

/* Behind "answer": is, =, : or so, with Markdown stars between? Where the answer then begins, else 0. */
static size_t anchor_end(const char *s, size_t n, size_t i)
{
    static const char *const verbs[] = {"is", "would be", "should be", "equals", ":", "="};
    bool any = false;
    for (bool more = true; more;) {
        more = false;
        while (i < n && (isspace((unsigned char)s[i]) || s[i] == '*' || s[i] == '_')) i++;
        for (size_t k = 0; k < sizeof verbs / sizeof *verbs && !more; k++) {
            size_t m = strlen(verbs[k]);
            if (n - i < m || strncasecmp(s + i, verbs[k], m) != 0) continue;
            if (isalpha((unsigned char)verbs[k][0]) && i + m < n && isalnum((unsigned char)s[i + m]))
                continue;
            i += m;
            any = more = true;
        }
    }
    return any && i < n ? i : 0;
}

static size_t line_end(const char *s, size_t n, size_t i)
{
    const char *p = memchr(s + i, '\n', n - i);
    return p ? (size_t)(p - s) : n;
}

/* Where the answer behind the last #### or anchor begins, 0 if there is none. */
static size_t anchor_last(const char *s, size_t n, const char **rule)
{
    size_t at = 0;
    for (const char *p = s; (p = find(p, s + n, "####")); p += 4) at = (size_t)(p - s) + 4;
    *rule = "behind ####";
    if (at) return at;
    for (const char *p = s; (p = word_after(p, s + n)); p += 6) {
        size_t next = anchor_end(s, n, (size_t)(p - s) + 6);
        if (next) at = next;
    }
    *rule = "behind \"answer is\"";
    return at;
}

/* What follows the last anchor: a formula if no digit comes before it, else the rest of the line. */
static bool anchored(const char *s, size_t n, struct found *out)
{
    struct scan sc;
    struct span f;
    scan_init(&sc, s, n);
    size_t at = anchor_last(s, n, &out->rule);
    if (at) at = blanks_skip(&sc, at);
    if (at == 0 || at >= n) return false;
    size_t end = line_end(s, n, at), digit = at;
    while (digit < end && !isdigit((unsigned char)s[digit])) digit++;
    if (formula_near(&sc, at, ANCHOR_REACH, &f) && f.at <= digit) {
        out->p = s + f.at;
        out->n = f.n;
        out->latex = true;
        out->percent = f.percent;
    } else {
        out->p = s + at;
        out->n = end - at;
        out->line = true;
    }
    return true;
}

/* ---- no anchor ---------------------------------------------------------------------------------------- */

/* The last formula anywhere. A dollar counts as a mark only if no blank stands inside it (else it is
 * money). */
static bool formula_last(const char *s, size_t n, struct span *out)
{
    struct scan sc;
    struct span f;
    bool found = false;
    scan_init(&sc, s, n);
    for (size_t i = 0; i < n;) {
        if ((s[i] == '$' || s[i] == '\\') && formula_at(&sc, i, &f) &&
            (s[i] != '$' || (s[f.at] != ' ' && s[f.at + f.n - 1] != ' '))) {
            *out = f;
            found = true;
            i = f.end;
        } else {
            i++;
        }
    }
    return found;
}

static void text_span(struct found *out, const char *p, size_t n, const char *rule)
{
    while (n && isspace((unsigned char)*p)) p++, n--;
    while (n && isspace((unsigned char)p[n - 1])) n--;
    out->p = p;
    out->n = n;
    out->rule = rule;
}

static bool last_line(const char *s, size_t n, struct found *out)
{
    text_span(out, s, n, "last line");
    for (size_t i = out->n; i-- > 0;)
        if (out->p[i] == '\n') {
            out->n -= i + 1;
            out->p += i + 1;
            break;
        }
    return out->n > 0;
}

/* The last formula or number, whichever ends later. The number is looked for in the cleaned text, which then
 * takes the place of the copy. */
static bool number_last(const char *s, size_t n, struct found *out)
{
    struct span f;
    if (formula_last(s, n, &f)) {
        size_t at, len;
        struct str rest;
        str_init(&rest, 0);
        clean_math(s + f.end, n - f.end, &rest);
        bool later = value_find(rest.p, rest.len, true, &at, &len);
        str_release(&rest);
        if (!later) {
            text_span(out, s + f.at, f.n, "last formula");
            out->latex = true;
            out->delimited = f.end > f.at + f.n;
            out->percent = f.percent;
            return true;
        }
    }
    struct str clean;
    size_t at, len;
    str_init(&clean, 0);
    clean_math(s, n, &clean);
    if (!value_find(clean.p, clean.len, true, &at, &len)) {
        str_release(&clean);
        return false;
    }
    free(out->copy);
    out->copy = str_take(&clean);
    str_release(&clean);
    text_span(out, out->copy + at, len, "last number");
    return true;
}

/* ---- together ----------------------------------------------------------------------------------------- */

/* The inside of the last <answer> block, or the whole. */
static void answer_block(const char **s, size_t *n)
{
    const char *end = *s + *n, *open = NULL;
    for (const char *p = *s; (p = find(p, end, "<answer>")); p += 8) open = p + 8;
    if (!open) return;
    const char *close = find(open, end, "</answer>");
    *s = open;
    *n = (size_t)((close ? close : end) - open);
}

static bool any_answer(const char *s, size_t n, enum want want, struct found *out)
{
    struct span box, f;
    struct value v;
    answer_block(&s, &n);
    if (box_last(s, n, &box)) {
        text_span(out, s + box.at, box.n, "boxed");
        out->latex = out->delimited = true;
        return out->n > 0;
    }
    if (anchored(s, n, out)) return out->delimited = true;
    text_span(out, s, n, "the whole text");
    bool formula = formula_last(s, n, &f);
    bool bare = formula && f.end == f.at + f.n; /* \frac without dollars may be a part of the number */
    if ((!formula || bare) && out->n && value_parse(out->p, out->n, STYLE_PLAIN, &v)) return true;
    if (want == WANT_TEXT) {
        if (!formula) return last_line(s, n, out);
        text_span(out, s + f.at, f.n, "last formula");
        out->latex = true;
        out->delimited = !bare;
        return out->n > 0;
    }
    return number_last(s, n, out) || (want == WANT_ANY && last_line(s, n, out));
}

bool found_in(const char *text, enum extract_mode mode, enum want want, struct found *out)
{
    size_t n = strlen(text);
    *out = (struct found){.rule = "the text is too long"};
    if (n > TEXT_MAX) return false;
    out->copy = reasoning_cut(text, n);
    out->rule = "the reasoning was never finished";
    if (!out->copy) return false;
    n = strlen(out->copy);
    bool found;
    if (mode == EXTRACT_LATEX) {
        struct span best;
        found = latex_answer(out->copy, n, &best, &out->rule);
        if (found) {
            text_span(out, out->copy + best.at, best.n, out->rule);
            out->latex = true;
            out->percent = best.percent;
        } else {
            out->rule = "neither a box nor a formula behind \"answer\"";
        }
    } else {
        found = any_answer(out->copy, n, want, out);
        if (!found) out->rule = "no answer in the text";
    }
    return found;
}

void found_release(struct found *f)
{
    free(f->copy);
    f->copy = NULL;
}
