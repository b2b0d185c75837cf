/* extract.c: where in a text the answer stands.
 *
 * EXTRACT_LATEX, what Open-R1's accuracy reward accepts (Math-Verify 0.5.2 with LaTeX targets only): a
 * box, or a formula behind an anchor, by priority:
 *   0    \boxed{...};  "final answer is" FORMULA ". I hope"          among equals the one that ends last
 *   50   "final answer" ... "is" FORMULA
 *   100  "answer:" at most 50 characters FORMULA
 *   200  "answer" at most 50 characters FORMULA
 * EXTRACT_ANY: inside <answer>...</answer> if there is such a block, the last box (with boxes joined to it
 * by commas and words), else what follows "####" or the last anchor ("the answer is", "answer:"), else the
 * whole text if it is a formula, else the last formula or number, or for golds that are words the last line.
 * All is linear in the length of the text.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "verify/extract_int.h"

#define TEXT_MAX     ((size_t)64 << 20)
#define ANCHOR_REACH 50
#define FINAL_REACH  100
#define BOXES_MAX    16
#define WHOLE_MAX    2000 /* bytes of a text that may be one plain formula */

/* ---- candidates ---------------------------------------------------------------------------------------- */

static struct candidate *offer(struct finder *f, const char *p, size_t n, enum style style, const char *rule)
{
    static const char *const marks[][2] = {{"\\(", "\\)"}, {"\\[", "\\]"}};
    for (int k = 0; k < 2;) { /* a formula between marks of its own, in a box */
        while (n && isspace((unsigned char)*p)) p++, n--;
        while (n && isspace((unsigned char)p[n - 1])) n--;
        bool marked = n > 4 && memcmp(p, marks[k][0], 2) == 0 && memcmp(p + n - 2, marks[k][1], 2) == 0;
        if (marked)
            p += 2, n -= 4;
        else
            k++;
    }
    if (!n || f->count == CANDIDATES_MAX) return NULL;
    f->found[f->count] = (struct candidate){.p = p, .n = n, .style = style, .rule = rule};
    return &f->found[f->count++];
}

/* The same for a text that was made here; takes it over. */
static struct candidate *offer_made(struct finder *f, struct str *s, enum style style, const char *rule)
{
    size_t n = s->len;
    if (f->n_owned == CANDIDATES_MAX) {
        str_release(s);
        return NULL;
    }
    char *p = f->owned[f->n_owned++] = str_take(s);
    return offer(f, p, n, style, rule);
}

/* The number of running text, with what the words around make of it. Takes it over. */
static void offer_number(struct finder *f, struct found_number *number, const char *rule)
{
    struct candidate *c = offer_made(f, &number->text, STYLE_PLAIN, rule);
    if (c) c->relation = number->relation;
}

/* Several formulas or boxes as one list, each with its own percent sign; a rounding behind what it rounds. */
static bool offer_joined(struct finder *f, const char *s, const struct span *span, int count,
                         const char *rule)
{
    static const char *const joins[] = {" , ", " , ", " \\text{ or } ", " \\approx "};
    struct candidate *c;
    if (count == 1) {
        c = offer(f, s + span->at, span->n, STYLE_LATEX, rule);
        if (c) c->percent = span->percent;
    } else {
        struct str all;
        str_init(&all, FORMULA_BYTES_MAX + 100);
        for (int i = 0; i < count; i++) {
            if (i) str_puts(&all, joins[span[i].join]);
            str_add(&all, s + span[i].at, span[i].n);
            if (span[i].percent) str_puts(&all, "\\%");
        }
        c = offer_made(f, &all, STYLE_LATEX, rule);
    }
    if (c) c->box = span->box;
    return c != NULL;
}

/* The boxes of the answer, or the only one with a million behind it, or it and another number after "or". */
static void offer_boxes(struct finder *f, const char *s, size_t n, const struct span *box, int count)
{
    struct str made;
    size_t at, number = box_alternative(s, n, &box[count - 1], &at);
    str_init(&made, FORMULA_BYTES_MAX);
    bool scaled = count == 1 && box_scaled(s, n, box, &made);
    if (number && count == 1 && !scaled)
        str_addf(&made, "%.*s \\text{ or } %.*s", (int)box->n, s + box->at, (int)number, s + at);
    if (made.len == 0) {
        str_release(&made);
        offer_joined(f, s, box, count, "boxed");
        return;
    }
    struct candidate *c = offer_made(f, &made, STYLE_LATEX, "a box and what stands around it");
    if (!c) return;
    c->box = true;
    c->percent = box->percent;
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

/* Further formulas joined by commas, "and", "or", "or about" to the first. */
static int formulas_joined(struct scan *sc, struct span *span, int count, int max)
{
    while (count < max) {
        size_t i = blanks_skip(sc, span[count - 1].end), from = i;
        if (i < sc->n && (sc->s[i] == ',' || sc->s[i] == ';')) i = blanks_skip(sc, i + 1);
        if (ascii_word_at(sc->s + i, sc->n - i, "and")) i = blanks_skip(sc, i + 3);
        bool or = ascii_word_at(sc->s + i, sc->n - i, "or");
        if (or) i = blanks_skip(sc, i + 2);
        size_t rounds = rounding_words(sc->s + from, sc->n - from);
        if (rounds) i = from + rounds;
        if (i == from || i >= sc->n || !formula_at(sc, i, &span[count])) break;
        span[count++].join = rounds ? ROUNDED : or ? RESTATED : LISTED;
    }
    return count;
}

static void latex_answer(struct finder *f, bool gold)
{
    const char *s = f->text, *rule = NULL;
    struct span box[BOXES_MAX], best = {0};
    struct scan sc;
    int best_priority = 1000, boxes = boxes_last(s, f->n, false, box, BOXES_MAX);
    scan_init(&sc, s, f->n);
    if (boxes) {
        best_priority = 0;
        best = box[boxes - 1];
        rule = "boxed";
    }
    for (const char *p = s; (p = word_after(p, s + f->n)); p += 6) {
        struct span here;
        size_t behind = (size_t)(p - s) + 6;
        int priority;
        bool is_final = p - s >= 6 && strncasecmp(p - 6, "final ", 6) == 0;
        if (!is_final || !formula_final(&sc, behind, &here, &priority)) {
            bool colon = behind < f->n && s[behind] == ':';
            priority = colon ? 100 : 200;
            if (!formula_near(&sc, behind + colon, ANCHOR_REACH, &here)) continue;
        }
        if (priority > best_priority || (priority == best_priority && here.end < best.end)) continue;
        best = here;
        best_priority = priority;
        rule = priority <= 50 ? "formula behind \"final answer is\"" : "formula behind \"answer\"";
    }
    f->none = "neither a box nor a formula behind \"answer\"";
    if (!rule) return;
    if (best.box) {
        offer_joined(f, s, box, boxes, rule);
    } else {
        struct span joined[BOXES_MAX] = {best};
        offer_joined(f, s, joined, formulas_joined(&sc, joined, 1, 6), rule);
    }
    if (gold) return;
}

/* Behind "answer": is, =, : or so, with Markdown stars between? Where the answer then begins, else 0. */
static size_t anchor_end(const char *s, size_t n, size_t i)
{
    static const char *const verbs[] = {"is", "would be", "should be", "equals", "was", "are", ":", "="};
    bool any = false;
    for (bool more = true; more;) {
        more = false;
        while (i < n && (isspace((unsigned char)s[i]) || s[i] == '*' || s[i] == '_' || s[i] == '#')) i++;
        for (size_t k = 0; k < sizeof verbs / sizeof *verbs && !more; k++) {
            size_t m = strlen(verbs[k]);
            if (n - i < m || strncasecmp(s + i, verbs[k], m) != 0) continue;
            if (isalpha((unsigned char)verbs[k][0]) && i + m < n && isalnum((unsigned char)s[i + m]))
                continue;
            i += m;
            any = more = true;
        }
    }
    if (ascii_word_at(s + i, n - i, "not")) return 0;
    return any && i < n ? i : 0;
}

static size_t line_end(const char *s, size_t n, size_t i)
{
    const char *p = memchr(s + i, '\n', n - i);
    return p ? (size_t)(p - s) : n;
}

/* "final answer: the volume of ABCD is 120", "there are no solutions": behind the sentence's last verb. */
static size_t is_behind(const char *s, size_t n, size_t i)
{
    static const char *const verbs[] = {" is ", " are ", " be ", " has ", " have "};
    size_t end = line_end(s, n, i), at = 0;
    if (end - i > 200) end = i + 200;
    for (size_t k = i; k < end; k++) {
        if (s[k] == '.' && k + 1 < end && isspace((unsigned char)s[k + 1])) break;
        for (size_t v = 0; s[k] == ' ' && v < sizeof verbs / sizeof *verbs; v++) {
            size_t length = strlen(verbs[v]);
            if (length <= end - k && strncmp(s + k, verbs[v], length) == 0) at = k + length;
        }
    }
    return at;
}

/* Where the answer behind the last #### or anchor begins, 0 if there is none. */
static size_t anchor_last(const char *s, size_t n, const char **rule)
{
    size_t at = 0;
    for (const char *p = s; (p = find_text(p, s + n, "####"));) {
        p += strspn(p, "#"); /* a row of them is one mark */
        const char *word = p + strspn(p, " *");
        if (!ascii_word_at(word, (size_t)(s + n - word), "final")) at = (size_t)(p - s);
    }
    *rule = "behind ####";
    if (at) return at;
    for (const char *p = s; (p = word_after(p, s + n)); p += 6) {
        size_t next = anchor_end(s, n, (size_t)(p - s) + 6);
        if (next && !claim_denied(s, (size_t)(p - s))) at = next;
    }
    *rule = "behind \"answer is\"";
    return at;
}

/* ---- plain text --------------------------------------------------------------------------------------- */

/* The number that words write out at the beginning of running text, up to the end of its clause or before
 * what is counted; "one of them", "one might" is none. */
static bool offer_number_words(struct finder *f, const char *s, size_t n, const char *rule)
{
    static const char *const others[] = {"of",     "might", "may",   "can", "could",
                                         "should", "must",  "would", "has", "is"};
    fmpq_t value;
    bool offered = false;
    fmpq_init(value);
    size_t used = number_words(s, n, value), gap = strspn(s + used, " ");
    bool number = used > 0;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        number = number && !ascii_word_at(s + used + gap, n - used - gap, others[i]);
    if (number) {
        char *digits = fmpq_get_str(NULL, 10, value);
        struct str text;
        str_init(&text, 0);
        str_puts(&text, digits);
        flint_free(digits);
        struct candidate *c = offer_made(f, &text, STYLE_PLAIN, rule);
        if (c) c->relation = phrase_around(s, n, 0, used);
        if (c) c->percent = percent_behind(s + used, n - used) > 0;
        offered = c != NULL;
    }
    fmpq_clear(value);
    return offered;
}

/* Running text in one spelling, line by line. Where a number is asked for, 70k are thousands. */
static void prose_cleaned(struct finder *f, const char *s, size_t n, struct str *out)
{
    struct str line;
    str_init(out, 0);
    str_init(&line, 0);
    for (size_t at = 0, end; at < n; at = end + 1) {
        end = line_end(s, n, at);
        if (at) str_puts(out, "\n");
        str_clear(&line);
        clean_math(s + at, end - at, STYLE_PLAIN, &line);
        if (f->want == WANT_NUMBER)
            numbers_spelled(line.p, line.len, out);
        else
            str_add(out, line.p, line.len);
    }
    str_release(&line);
}

/* The answer at the beginning of running text: a formula as long as it goes, its first number, a number
 * word. */
static void offer_plain(struct finder *f, const char *s, size_t n, const char *rule)
{
    struct str clean;
    struct found_number number = {.relation = 0};
    prose_cleaned(f, s, n < 4000 ? n : 4000, &clean);
    size_t skip = strspn(clean.p, " *_:");
    const char *p = clean.p + skip;
    const char *ie = find_text(p, clean.p + clean.len, ", i.e."); /* and no imaginary unit */
    size_t left = ie ? (size_t)(ie - p) : clean.len - skip,
           prefix = is_article(p, left) ? 0 : math_prefix(f->w, p, left);
    str_init(&number.text, 0);
    bool words = !prefix && offer_number_words(f, p, left, rule);
    bool found = !words && number_find(f->w, clean.p, clean.len, NUMBER_FIRST, &number);
    bool same = found && number.text.len == prefix && memcmp(number.text.p, p, prefix) == 0;
    if (prefix && !number.restated) {
        struct str copy;
        str_init(&copy, 0);
        str_add(&copy, p, prefix);
        struct candidate *c = offer_made(f, &copy, STYLE_PLAIN, rule);
        if (c) c->relation = phrase_around(clean.p, clean.len, skip, skip + prefix);
    }
    if (found && !same)
        offer_number(f, &number, rule);
    else
        str_release(&number.text);
    str_release(&clean);
}

/* Letters A to J as a list. */
static void offer_letters(struct finder *f, unsigned letters, const char *rule)
{
    struct str text;
    if (!letters) return;
    str_init(&text, 64);
    for (int i = 0; i < 10; i++)
        if (letters & (1u << i)) str_addf(&text, "%s%c", text.len ? ", " : "", 'A' + i);
    offer_made(f, &text, STYLE_PLAIN, rule);
}

/* Does the text say yes or no? */
static bool offer_pair(struct finder *f, const char *s, size_t n)
{
    const char *word = f->pair ? truth_said(s, n, f->pair) : NULL;
    return word && offer(f, word, strlen(word), STYLE_PLAIN, "yes or no");
}

/* Words up to the end of their clause: "Tuesday (see the table)", "ellipse, as desired". */
static void offer_clause(struct finder *f, const char *s, size_t n, const char *rule)
{
    size_t end = 0;
    if (f->want != WANT_TEXT) return;
    while (end < n && !strchr(",;:.(!\n", s[end]) &&
           !(s[end] == ' ' && gives_reason(s + end + 1, n - end - 1)))
        end++;
    offer(f, s, end, STYLE_PLAIN, rule);
}

/* "So Tuesday is the answer": what stands before the verb, whose words behind begin at `behind`. */
static void offer_subject(struct finder *f, const char *s, size_t n, size_t behind)
{
    static const char *const answers[] = {"the answer", "the correct answer", "the right answer"};
    static const char *const joins[] = {"so", "thus", "hence", "therefore", "then", NULL};
    size_t verb = behind - 1;
    bool named = false;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        named = named || ascii_word_at(s + behind, n - behind, answers[i]);
    while (verb > 0 && isalpha((unsigned char)s[verb - 1])) verb--;
    if (!named || verb == 0 || phrase_around(s, n, verb - 1, verb)) return;
    size_t at = clause_around(s, n, verb - 1, verb - 1).begin, k;
    do {
        at += strspn(s + at, " *");
        for (k = 0; isalpha((unsigned char)s[at + k]);) k++;
    } while (is_among(s + at, k, joins) && (at += k) < verb);
    if (at < verb) offer(f, s + at, verb - at, STYLE_PLAIN, "before \"is the answer\"");
}

/* What follows the last anchor. */
static void anchored(struct finder *f, const char *s, size_t n)
{
    struct scan sc;
    struct span span[BOXES_MAX];
    const char *rule;
    scan_init(&sc, s, n);
    size_t at = anchor_last(s, n, &rule);
    if (at) at = blanks_skip(&sc, at);
    if (at == 0 || at >= n) return;
    size_t end = line_end(s, n, at), digit = at;
    while (digit < end && !isdigit((unsigned char)s[digit])) digit++;
    if (f->want == WANT_CHOICE) {
        offer_letters(f, choice_behind(s + at, end - at), rule);
        return;
    }
    if (offer_pair(f, s + at, end - at)) return;
    bool far = (digit == end || digit > at + 4);
    size_t is = far ? is_behind(s, n, at) : 0;
    if (is && is < end) {
        at = is;
        digit = at;
        while (digit < end && !isdigit((unsigned char)s[digit])) digit++;
    }
    if (f->p->latex && formula_near(&sc, at, ANCHOR_REACH, &span[0]) && span[0].at <= digit) {
        offer_joined(f, s, span, formulas_joined(&sc, span, 1, 6), rule);
    } else if (f->p->expr) {
        offer_plain(f, s + at, end - at, rule);
        offer(f, s + at, end - at, STYLE_PLAIN, rule);
        offer_clause(f, s + at, end - at, rule);
    }
}

/* ---- no anchor ---------------------------------------------------------------------------------------- */

/* "$5 and then to $6": does prose stand between the dollars? */
static bool is_money(const char *s, const struct span *here)
{
    const char *p = s + here->at, *word = p;
    if (!isdigit((unsigned char)*p) || memchr(p, '\\', here->n) || memchr(p, '=', here->n)) return false;
    for (; p < s + here->at + here->n; p++) {
        if (!isalpha((unsigned char)*p)) word = p + 1;
        if (p - word >= 1) return true;
    }
    return false;
}

/* The last formulas that belong together. A dollar counts as a mark only if no blank stands inside it or it
 * is the only way to read it (else it is money). Returns their number. */
static int formulas_last(const char *s, size_t n, struct span *out, int max)
{
    struct scan sc;
    int count = 0;
    scan_init(&sc, s, n);
    for (size_t i = 0; i < n;) {
        struct span here[8];
        bool mark = s[i] == '$' || s[i] == '\\' || (s[i] == '-' && i + 1 < n && s[i + 1] == '\\');
        if (mark && formula_at(&sc, i, &here[0])) {
            bool money = s[i] == '$' && is_money(s, &here[0]);
            if (money) {
                i++;
                continue;
            }
            count = formulas_joined(&sc, here, 1, max < 8 ? max : 8);
            memcpy(out, here, (size_t)count * sizeof *out);
            i = here[count - 1].end;
        } else {
            i++;
        }
    }
    return count;
}

static bool last_line(struct finder *f, const char *s, size_t n)
{
    while (n && isspace((unsigned char)s[n - 1])) n--;
    size_t i = n;
    while (i > 0 && s[i - 1] != '\n') i--;
    return offer(f, s + i, n - i, STYLE_PLAIN, "last line") != NULL;
}

/* The last formula or number, whichever ends later. */
static void last_of_all(struct finder *f, const char *s, size_t n)
{
    struct span span[BOXES_MAX];
    struct found_number number = {.relation = 0};
    int count = f->p->latex ? formulas_last(s, n, span, BOXES_MAX) : 0;
    size_t from = count ? span[count - 1].end : 0, rounds = count ? rounding_words(s + from, n - from) : 0;
    struct str clean;
    prose_cleaned(f, s + from + rounds, n - from - rounds, &clean);
    str_init(&number.text, 0);
    bool strict = f->p->mode == EXTRACT_LATEX, asked = f->p->expr && f->want != WANT_TEXT;
    size_t at, closing = asked && !strict ? closing_formula(clean.p, clean.len, &at) : 0;
    if (closing) { /* "Of 12 cases p - q are left." has no last number, nor has "the limit is \pi" */
        struct str formula;
        str_init(&formula, 0);
        str_add(&formula, clean.p + at, closing);
        offer_made(f, &formula, STYLE_PLAIN, "closing formula");
    }
    enum number which = strict ? NUMBER_BARE : NUMBER_LAST;
    bool found = asked && number_find(f->w, clean.p, clean.len, which, &number);
    bool rounding = found && rounds && strncmp(clean.p, number.text.p, number.text.len) == 0;
    if (rounding) { /* \frac27 (approximately 0.286) */
        struct str chain;
        str_init(&chain, 0);
        str_addf(&chain, "%.*s \\approx %s", (int)span[count - 1].n, s + span[count - 1].at, number.text.p);
        offer_made(f, &chain, STYLE_LATEX, "last formula");
    }
    if (found && !rounding)
        offer_number(f, &number, "last number");
    else
        str_release(&number.text);
    str_release(&clean);
    if (count) {
        offer_joined(f, s, span, count, "last formula");
        if (count > 1) offer_joined(f, s, &span[count - 1], 1, "last formula");
    }
}

/* ---- together ----------------------------------------------------------------------------------------- */

/* The inside of the last <answer> block, or the whole. */
static void answer_block(const char **s, size_t *n)
{
    const char *end = *s + *n, *open = NULL;
    for (const char *p = *s; (p = find_text(p, end, "<answer>")); p += 8) open = p + 8;
    if (!open) return;
    const char *close = find_text(open, end, "</answer>");
    *s = open;
    *n = (size_t)((close ? close : end) - open);
}

/* The whole text as one formula, between dollars or not. True when marks say so: then nothing is cut out of
 * it. */
static bool whole_text(struct finder *f, const char *s, size_t n, bool gold)
{
    struct scan sc;
    struct span span;
    while (n && isspace((unsigned char)*s)) s++, n--;
    while (n && isspace((unsigned char)s[n - 1])) n--;
    scan_init(&sc, s, n);
    if (n && formula_at(&sc, 0, &span) && span.end + 1 >= n && span.at > 0) {
        offer_joined(f, s, &span, 1, "the whole text");
        return true;
    }
    if (n == 0 || n > WHOLE_MAX || memchr(s, '$', n)) {
        /* money and dollars that were not closed */
        bool lone = n && n <= 60 && memchr(s, '$', n) && memchr(s, '$', n) == memrchr(s, '$', n);
        if (!lone) return false;
    }
    bool latex = memchr(s, '\\', n) != NULL || memchr(s, '^', n) != NULL;
    struct str clean;
    size_t mark = f->want == WANT_NUMBER ? strspn(s, "=->") : 0; /* a quotation, an arrow */
    if (mark && mark < n && s[mark - 1] == '>' && s[mark] == ' ') s += mark + 1, n -= mark + 1;
    prose_cleaned(f, s, n, &clean);
    bool words = math_prefix(f->w, clean.p, clean.len) < clean.len; /* at least 12 */
    if (gold && latex && f->p->latex) offer(f, s, n, STYLE_LATEX, "the whole text");
    if (f->want == WANT_NUMBER && f->p->expr)
        offer_made(f, &clean, STYLE_PLAIN, "the whole text");
    else
        str_release(&clean);
    if (f->want != WANT_NUMBER && (f->p->expr || latex)) offer(f, s, n, STYLE_PLAIN, "the whole text");
    if (gold && !latex && !words && f->p->latex) offer(f, s, n, STYLE_LATEX, "the whole text");
    return false;
}

static void any_answer(struct finder *f, bool gold)
{
    const char *s = f->text;
    size_t n = f->n;
    struct span box[BOXES_MAX];
    int priority = f->p->boxed_match_priority;
    answer_block(&s, &n);
    int boxes = priority >= 0 && f->p->latex ? boxes_last(s, n, true, box, BOXES_MAX) : 0;
    if (boxes && priority <= 50) {
        const struct span *last = &box[boxes - 1];
        if (offer_pair(f, s + last->at, last->n)) return;
        if (gold)
            offer_joined(f, s, box, boxes, "boxed");
        else
            offer_boxes(f, s, n, box, boxes);
    }
    if (boxes && priority <= 50) return;
    anchored(f, s, n);
    if (boxes) offer_boxes(f, s, n, box, boxes);
    if (f->count == 0 && offer_pair(f, s, n)) return;
    if (f->want == WANT_CHOICE && f->count == 0) {
        offer_letters(f, choice_said(s, n), "the letter of a choice");
        f->none = "no choice is made"; /* and then the text says nothing else either */
        return;
    }
    if (!f->p->try_extract_without_anchor) return;
    if ((f->count == 0 || gold) && whole_text(f, s, n, gold) && !gold) return;
    int before = f->count;
    last_of_all(f, s, n);
    if (f->count == before && f->p->expr) { /* "The limit is oo." */
        size_t end = n;
        while (end && isspace((unsigned char)s[end - 1])) end--;
        size_t line = end;
        while (line > 0 && s[line - 1] != '\n') line--;
        size_t is = is_behind(s, end, line);
        if (is && f->want == WANT_TEXT) offer(f, s + is, end - is, STYLE_PLAIN, "behind \"is\"");
        if (is) offer_clause(f, s + is, end - is, "behind \"is\"");
        if (is && f->want == WANT_TEXT) offer_subject(f, s, end, is);
        if (is) offer_plain(f, s + is, end - is, "behind \"is\"");
        if (!is && n < 100) offer_plain(f, s, n, "the whole text"); /* twelve */
    }
    if (f->want != WANT_NUMBER) last_line(f, s, n);
}

/* Open-R1 reads golds as formulas between marks, or as plain numbers: nothing else. */
static void latex_gold(struct finder *f)
{
    latex_answer(f, true);
    if (f->count == 0) last_of_all(f, f->text, f->n);
    f->none = "the gold holds neither a formula nor a number";
}

void find_answers(struct finder *f, const char *text, bool gold)
{
    size_t n = strlen(text);
    f->none = "the text is too long";
    if (n > TEXT_MAX) return;
    f->text = reasoning_cut(text, n);
    f->none = "the reasoning was never finished";
    if (!f->text) return;
    struck_blanked(f->text);
    f->n = strlen(f->text);
    f->none = "no answer in the text";
    if (f->p->raw) {
        offer(f, f->text, f->n, STYLE_PLAIN, "the whole text");
        offer(f, f->text, f->n, STYLE_LATEX, "the whole text");
    } else if (gold && f->p->upstream) {
        latex_gold(f);
    } else if (gold || f->p->mode != EXTRACT_LATEX) {
        any_answer(f, gold);
    } else {
        latex_answer(f, false);
    }
}

void finder_release(struct finder *f)
{
    for (int i = 0; i < f->n_owned; i++) free(f->owned[i]);
    free(f->text);
    f->text = NULL;
    f->n_owned = f->count = 0;
}
