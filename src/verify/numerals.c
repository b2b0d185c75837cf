/* numerals.c: numbers as people write them.
 *
 *   12  12.5  .5  5.  1,234,567  12,34,567  1\,234\,567  1 234 567  1_234_567  1'234'567  1.234.567,8
 *   2,74 (plain)
 *   1.2e3  1.2E+03  0.\overline{3}  0.1(6)  0.\dot{1}4285\dot{7}  0.333\ldots  204_5 is left to the parser
 * A comma between digits is a mark of thousands where it can be one, unless commas separate items around it
 * (inside brackets); in plain text it may be the decimal mark too.
 */
#include <ctype.h>
#include <string.h>

#include "verify/parse_int.h"

#define DIGITS_MAX   60000
#define SHORT_DIGITS 1000

struct digits {
    char *p; /* whole and decimals, without marks */
    size_t n, cap;
    int decimals;
    bool point;
};

static size_t digits_at(const char *s, size_t n)
{
    size_t k = 0;
    while (k < n && isdigit((unsigned char)s[k])) k++;
    return k;
}

/* Blanks, typed or set by commands. */
static size_t spaces_at(const char *s, size_t n)
{
    size_t k = 0;
    for (;;) {
        if (k < n && (isspace((unsigned char)s[k]) || s[k] == '~'))
            k++;
        else if (k + 1 < n && s[k] == '\\' && strchr(" ,;:", s[k + 1]))
            k += 2;
        else
            return k;
    }
}

/* The command before a brace that makes its content one sign: \text{,} */
static size_t sign_command(const char *s, size_t n)
{
    static const char *const all[] = {"\\text{", "\\mathord{", "\\mathpunct{", "\\mbox{"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (n > strlen(all[i]) && memcmp(s, all[i], strlen(all[i])) == 0) return strlen(all[i]) - 1;
    return 0;
}

/* A comma between groups: bare, or marked as one by braces around it or \! behind it, with blanks or not.
 * Blanks alone make none of it unless zeros follow (24, 000), with which no item of a list begins. */
static size_t comma_at(const char *s, size_t n)
{
    size_t k = spaces_at(s, n);
    k += sign_command(s + k, n - k);
    bool braces = k < n && s[k] == '{', marked = braces;
    if (braces) k += 1 + spaces_at(s + k + 1, n - k - 1);
    if (k >= n || s[k] != ',') return 0;
    k++;
    if (braces) k += spaces_at(s + k, n - k);
    if (braces && (k >= n || s[k++] != '}')) return 0;
    for (;;) {
        size_t blank = spaces_at(s + k, n - k);
        if (n - k - blank < 2 || memcmp(s + k + blank, "\\!", 2) != 0) break;
        k += blank + 2;
        marked = true;
    }
    size_t behind = k + spaces_at(s + k, n - k);
    bool zeros = behind > k && n - behind >= 3 && memcmp(s + behind, "000", 3) == 0;
    return marked || (zeros && s[0] == ',') ? behind : s[0] == ',' ? 1 : 0;
}

/* Bytes of a mark between groups of digits, 0 if none: kinds are told apart so that one number uses one. */
static size_t mark_at(const char *s, size_t n, char *kind)
{
    static const struct {
        const char *mark;
        char kind;
    } marks[] = {{"\\,", ' '}, {"\\;", ' '}, {"\\:", ' '}, {"\\ ", ' '}, {"~", ' '},  {" ", ' '},
                 {"_", '_'},   {"'", '\''},  {".", '.'},   {"{\\,}", ' '}, {"\\!", ' '}};
    size_t comma = comma_at(s, n);
    *kind = ',';
    if (comma) return comma < n && isdigit((unsigned char)s[comma]) ? comma : 0;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        size_t k = strlen(marks[i].mark);
        if (n > k && memcmp(s, marks[i].mark, k) == 0 && isdigit((unsigned char)s[k])) {
            *kind = marks[i].kind;
            return k;
        }
    }
    return 0;
}

/* The whole part with marks of thousands. Returns the bytes; 0 if there are no such marks. */
static size_t grouped(const char *s, size_t n, enum style style, bool list, struct digits *out)
{
    size_t first = digits_at(s, n), at = first, groups = 0, size = 0;
    char kind = 0, found;
    bool indian = true;
    if (first == 0 || first > 3 || (s[0] == '0' && first == 1 && style == STYLE_LATEX && list)) return 0;
    memcpy(out->p, s, first);
    size = first;
    for (;;) {
        size_t mark = mark_at(s + at, n - at, &found);
        if (!mark || (kind && found != kind)) break;
        size_t k = digits_at(s + at + mark, n - at - mark);
        bool group = k == 3 || (k == 2 && found == ',' && indian && first <= 2);
        if (!group && found == ',' && mark == 1 && groups) return 0; /* 155,157,0 are three numbers */
        if (!group) break;
        if (size + k > out->cap) return 0;
        if (found == '.' && !(n - at >= 8 && s[at + 4] == '.') && !(kind == '.') &&
            !(n - at > 5 && s[at + 4] == ',' && isdigit((unsigned char)s[at + 5]) &&
              digits_at(s + at + 5, n - at - 5) != 3))
            break;
        indian = indian && k == 2;
        kind = found;
        memcpy(out->p + size, s + at + mark, k);
        size += k;
        at += mark + k;
        groups++;
        if (k == 3 && kind == ',' && groups > 1 && digits_at(s + at, n - at)) return 0;
    }
    if (!groups) return 0;
    bool braced = memchr(s, '{', at) != NULL || memchr(s, '!', at) != NULL;
    size_t last = 0;
    while (last < at && isdigit((unsigned char)s[at - 1 - last])) last++;
    if (last != 3) return 0; /* Indian groups end in three digits */
    if (kind == ',' && list && !braced) return 0;
    if (kind == ',' && s[0] == '0') return 0;
    if (kind == '_' && style == STYLE_LATEX && groups < 2) return 0;
    if (kind == '\'' && groups < 1) return 0;
    out->n = size;
    return at;
}

/* The point or comma and the decimals behind a whole part. */
static size_t fraction_at(const char *s, size_t n, enum style style, bool list, struct digits *out)
{
    size_t mark = 0;
    bool decimal_comma = style == STYLE_PLAIN && !list;
    if (n > 1 && (s[0] == '.' || (s[0] == ',' && decimal_comma)) && isdigit((unsigned char)s[1]))
        mark = 1;
    else if (n > 3 && memcmp(s, "{,}", 3) == 0 && isdigit((unsigned char)s[3]))
        mark = 3;
    if (!mark) return 0;
    size_t k = digits_at(s + mark, n - mark), behind = mark + k;
    /* 1,2,3 are three numbers. */
    if (s[0] == ',' && behind + 1 < n && s[behind] == ',' &&
        (isdigit((unsigned char)s[behind + 1]) || s[behind + 1] == ' '))
        return 0;
    if (out->n + k > out->cap) return 0;
    memcpy(out->p + out->n, s + mark, k);
    out->n += k;
    out->decimals = (int)k;
    out->point = true;
    return mark + k;
}

/* e3, E+03 behind the digits. In LaTeX 2e-3 is 2 times e minus 3. */
static size_t exponent_at(const char *s, size_t n, enum style style, long *out)
{
    if (n < 2 || (s[0] != 'e' && s[0] != 'E')) return 0;
    size_t sign = s[1] == '+' || s[1] == '-' ? 1 : 0;
    if (sign && s[0] == 'e' && style == STYLE_LATEX) return 0;
    size_t k = digits_at(s + 1 + sign, n - 1 - sign);
    if (k == 0 || k > 6) return 0;
    *out = 0;
    for (size_t i = 0; i < k; i++) *out = *out * 10 + (s[1 + sign + i] - '0');
    if (s[1] == '-') *out = -*out;
    return 1 + sign + k;
}

/* The command of a period: .\overline{3} */
static bool is_period(const char *s, size_t n)
{
    static const char *const marks[] = {"\\overline", "\\bar", "\\dot"};
    for (size_t i = 0; i < 3; i++) {
        size_t k = strlen(marks[i]);
        if (n > k && memcmp(s, marks[i], k) == 0 && (s[k] == '{' || s[k] == ' ')) return true;
    }
    return false;
}

/* The period of a repeating decimal behind the point: its bytes, the digits added to out. */
static size_t period_at(const char *s, size_t n, struct digits *out, int *period)
{
    static const char *const opens[] = {"\\overline{", "\\bar{", "\\overline ", "\\bar ", "("};
    for (size_t i = 0; i < sizeof opens / sizeof *opens; i++) {
        size_t k = strlen(opens[i]);
        if (n <= k || memcmp(s, opens[i], k) != 0) continue;
        size_t digits = digits_at(s + k, n - k);
        char close = opens[i][k - 1] == '{' ? '}' : opens[i][k - 1] == '(' ? ')' : 0;
        if (!close && digits > 1) digits = 1;
        if (out->n + digits > out->cap) return 0;
        if (!digits || (close && (k + digits >= n || s[k + digits] != close))) return 0;
        memcpy(out->p + out->n, s + k, digits);
        out->n += digits;
        out->decimals += (int)digits;
        *period = (int)digits;
        return k + digits + (close ? 1 : 0);
    }
    /* \dot{1}4285\dot{7}: from the first dotted digit to the last. */
    size_t at = 0, count = 0;
    bool closed = false;
    while (at < n && count < 100) {
        bool dotted = n - at > 4 && memcmp(s + at, "\\dot", 4) == 0;
        bool braces = dotted && s[at + 4] == '{';
        size_t digit = dotted ? at + 4 + (braces ? 1 : 0) : at;
        while (dotted && s[digit] == ' ' && digit + 1 < n) digit++;
        if (digit >= n || !isdigit((unsigned char)s[digit]) || (!dotted && count == 0)) break;
        if (dotted && count > 0) closed = true;
        out->p[out->n + count++] = s[digit];
        at = digit + 1 + (braces ? 1 : 0);
        if (closed) break;
    }
    if (!count) return 0;
    if (!closed) { /* one dotted digit alone */
        count = 1;
        at = s[4] == '{' ? 7 : 5;
        while (s[4] == ' ' && at < n && s[at - 1] == ' ') at++;
    }
    out->n += count;
    out->decimals += (int)count;
    *period = (int)count;
    return at;
}

/* 0.333..., 0.1666...: the shortest period seen at least three times (twice when longer than one digit). */
static int period_seen(const struct digits *d)
{
    for (int p = 1; p <= d->decimals / 2; p++) {
        int times = 1;
        while ((times + 1) * p <= d->decimals &&
               memcmp(d->p + d->n - (size_t)p, d->p + d->n - (size_t)((times + 1) * p), (size_t)p) == 0)
            times++;
        if (times >= (p == 1 ? 3 : 2)) return p;
    }
    return 0;
}

static size_t dots_at(const char *s, size_t n)
{
    static const char *const dots[] = {"\\ldots", "\\dots", "\\cdots", "..."};
    for (size_t i = 0; i < 4; i++)
        if (n >= strlen(dots[i]) && memcmp(s, dots[i], strlen(dots[i])) == 0) return strlen(dots[i]);
    return 0;
}

/* digits / 10^decimals; the last `period` digits repeat: x = (all - without the period) / (10^d -
 * 10^(d-period)). */
static void value_of(struct digits *d, int period, long exponent, fmpq_t out)
{
    fmpz_t all, head, power;
    fmpz_init(all);
    fmpz_init(head);
    fmpz_init(power);
    d->p[d->n] = 0;
    fmpz_set_str(all, d->p, 10);
    fmpz_ui_pow_ui(power, 10, (ulong)d->decimals);
    if (period) {
        d->p[d->n - (size_t)period] = 0;
        fmpz_set_str(head, d->n > (size_t)period ? d->p : "0", 10);
        fmpz_sub(all, all, head);
        fmpz_ui_pow_ui(head, 10, (ulong)(d->decimals - period));
        fmpz_sub(power, power, head);
    }
    fmpq_set_fmpz_frac(out, all, power);
    if (exponent) {
        fmpz_ui_pow_ui(power, 10, (ulong)(exponent < 0 ? -exponent : exponent));
        if (exponent > 0)
            fmpq_mul_fmpz(out, out, power);
        else
            fmpq_div_fmpz(out, out, power);
    }
    fmpz_clear(all);
    fmpz_clear(head);
    fmpz_clear(power);
}

size_t numeral_read(struct work *w, const char *s, size_t n, enum style style, bool list, struct node **out)
{
    struct digits d = {0};
    size_t room = n < DIGITS_MAX ? n : DIGITS_MAX, at, more;
    int period = 0;
    long exponent = 0;
    *out = NULL;
    size_t whole = digits_at(s, n);
    if (whole >= DIGITS_MAX - 1) w->over = "the number is too long";
    bool bare = n > 1 && s[0] == '.' && (isdigit((unsigned char)s[1]) || is_period(s + 1, n - 1));
    if (w->over || (!whole && !bare)) return 0;
    /* Most numbers are short; a long one gets room of its own. */
    char few[SHORT_DIGITS + 128];
    size_t behind = whole + 1 < n ? digits_at(s + whole + 1, n - whole - 1) : 0;
    d.cap = SHORT_DIGITS;
    d.p = few;
    if (whole + behind > SHORT_DIGITS) {
        d.cap = whole + behind + 100;
        d.p = work_alloc(w, d.cap + 128);
    }
    if (!d.p) return 0;
    at = grouped(s, room, style, list, &d);
    if (!at) {
        memcpy(d.p, s, whole);
        d.n = at = whole;
    }
    bool comma = at == whole; /* a decimal comma only where no comma separated thousands */
    at += fraction_at(s + at, room - at, comma ? style : STYLE_LATEX, list, &d);
    if (at > 1 && at != whole && !d.point && s[at] == ',' && memchr(s, '.', at)) /* 1.234.567,89 */
        at += fraction_at(s + at, room - at, STYLE_PLAIN, false, &d);
    bool bare_point = !d.point && at < n && s[at] == '.';
    if ((d.point || bare_point) &&
        (more = period_at(s + at + bare_point, room - at - bare_point, &d, &period))) {
        at += more + bare_point;
    } else if (d.point && (more = dots_at(s + at, n - at))) {
        period = period_seen(&d);
        at += more;
        fmpq_t q;
        fmpq_init(q);
        value_of(&d, period, 0, q);
        *out = node_num(w, q);
        fmpq_clear(q);
        if (*out) (*out)->ellipsis = !period;
        if (*out && !period) (*out)->rows = (short)(d.decimals < 1000 ? d.decimals : 1000);
        if (*out) (*out)->decimal = !period;
        return at;
    } else {
        at += exponent_at(s + at, n - at, style, &exponent);
    }
    fmpq_t q;
    fmpq_init(q);
    value_of(&d, period, exponent, q);
    *out = node_num(w, q);
    if (*out) (*out)->decimal = (d.point || exponent < 0) && !period;
    fmpq_clear(q);
    return *out ? at : 0;
}

/* ---- bases --------------------------------------------------------------------------------------------- */

bool digits_value(const char *digits, int base, fmpq_t out)
{
    fmpz_one(fmpq_denref(out));
    return fmpz_set_str(fmpq_numref(out), digits, base) == 0;
}

/* _16, _{16}, _\text{hex}: the base and the bytes. */
static size_t base_at(const char *s, size_t n, int *base)
{
    static const char *const hex[] = {"_\\text{hex}", "_{\\text{hex}}", "_{hex}"};
    size_t k = 1;
    *base = 16;
    for (size_t i = 0; i < sizeof hex / sizeof *hex; i++)
        if (n >= strlen(hex[i]) && memcmp(s, hex[i], strlen(hex[i])) == 0) return strlen(hex[i]);
    if (n < 2 || s[0] != '_') return 0;
    bool braces = s[1] == '{';
    k += braces;
    size_t digits = digits_at(s + k, n - k);
    *base = digits == 2 ? (s[k] - '0') * 10 + s[k + 1] - '0' : 0;
    k += digits;
    if (braces && (k >= n || s[k++] != '}')) return 0;
    return *base > 10 && *base <= 36 ? k : 0;
}

static bool based_number(struct work *w, const char *digits, size_t k, int base, struct node **out)
{
    char text[SHORT_DIGITS];
    fmpq_t value;
    if (k >= sizeof text) return false;
    memcpy(text, digits, k);
    text[k] = 0;
    fmpq_init(value);
    struct node *v = digits_value(text, base, value) ? node_num(w, value) : NULL;
    *out = v ? node_named(w, K_BASED, text, (struct node *[]){v, v, node_int(w, base)}, 3) : NULL;
    fmpq_clear(value);
    return *out != NULL;
}

bool prefixed_read(struct work *w, const char *digits, size_t k, struct node **out)
{
    int base = k < 3 || digits[0] != '0'                    ? 0
               : digits[1] == 'x' || digits[1] == 'X'       ? 16
               : digits[1] == 'b' || digits[1] == 'B'       ? 2
                                                            : 0;
    return base && based_number(w, digits + 2, k - 2, base, out);
}

size_t based_read(struct work *w, const char *digits, size_t k, const char *s, size_t n, struct node **out)
{
    bool letters = false, figures = false, capitals = true;
    int base;
    size_t used = k > 1 ? base_at(s, n, &base) : 0;
    for (size_t i = 0; i < k && used; i++) {
        letters = letters || isalpha((unsigned char)digits[i]);
        figures = figures || isdigit((unsigned char)digits[i]);
        capitals = capitals && !islower((unsigned char)digits[i]);
    }
    if (used && k > 1 && used < n && s[used] == '^') return 0; /* 2C_{15}^3 counts */
    if (!used || !letters || (!capitals && !figures && base != 16)) return 0; /* ab_{12} is a product */
    return based_number(w, digits, k, base, out) ? used : 0;
}
