/* value.c: a number as people write it, exactly.
 *
 *   text    = [name "="] sum ["%"] [unit] [punctuation]
 *   sum     = product { (+|-) product }
 *   product = power { [*|/] power }            a bracket or \frac may follow without a sign
 *   power   = (+|-) power | primary { "^" exponent | "!" }
 *   primary = literal | "(" sum ")" | "{" sum "}" | \frac arg arg
 *   literal = digits, with groups of three behind , _ or a blank (Indian groups of two too), a decimal point,
 *             in plain text a decimal comma, e-notation, and mixed numbers: 3 1/2, 3\frac{1}{2}
 * The text is cleaned first (clean.c) and at most VALUE_BYTES_MAX long; nesting is at most DEPTH_MAX.
 */
#include <ctype.h>
#include <string.h>

#include "verify/verify_int.h"

#define DEPTH_MAX     40
#define EXPONENT_MAX  700
#define FACTORIAL_MAX 130

struct reader {
    const char *p, *end;
    enum style style;
    int depth;
    int decimals;  /* of the literal, if the text has only one */
    bool operated; /* something was computed: not a plain decimal any more */
};

static bool is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

static size_t digits_at(const char *p, const char *end)
{
    size_t k = 0;
    while (is_digit(p + k, end)) k++;
    return k;
}

/* Bytes of the separated groups behind the first `lead` digits, all with the same separator, the last one of
 * three digits and the others of three (or of two, Indian fashion, behind a comma); 0 if there are none. */
static size_t groups_at(const char *p, const char *end, char sep, size_t lead)
{
    size_t used = 0, size = 0;
    if (lead > 3 || lead == 0) return 0;
    while (p + used < end && p[used] == sep && (size = digits_at(p + used + 1, end)) > 0) {
        if (size != 3 && !(size == 2 && sep == ',' && lead < 3)) break;
        used += size + 1;
        if (size == 3 && !(p + used < end && p[used] == sep && digits_at(p + used + 1, end) == 3))
            return used;
    }
    return 0;
}

/* A literal without sign: its bytes, 0 if there is none. Digits are collected in `digits`. */
static size_t literal_scan(const char *p, const char *end, enum style style, struct str *digits,
                           int *decimals)
{
    size_t lead = digits_at(p, end), used = lead;
    *decimals = -1;
    str_add(digits, p, lead);
    for (const char *sep = ",_ "; *sep; sep++) {
        if (lead == 0 || (*sep == ',' && p[0] == '0')) continue;
        size_t more = groups_at(p + lead, end, *sep, lead);
        for (size_t i = 0; i < more; i++)
            if (isdigit((unsigned char)p[lead + i])) str_add(digits, p + lead + i, 1);
        used += more;
        if (more) break;
    }
    if (p + used < end) {
        bool comma = p[used] == ',' && style == STYLE_PLAIN && used == lead && lead > 0;
        size_t more = p[used] == '.' || comma ? digits_at(p + used + 1, end) : 0;
        if (comma && p + used + 1 + more < end && p[used + 1 + more] == ',') more = 0; /* a list: 1,2,3 */
        if (more) {
            str_add(digits, p + used + 1, more);
            *decimals = (int)more;
            used += more + 1;
        }
    }
    return digits->len ? used : 0;
}

/* Bytes of an e-notation exponent at p, 0 if there is none. */
static size_t exponent_scan(const char *p, const char *end, long *exponent)
{
    *exponent = 0;
    if (p >= end || (*p != 'e' && *p != 'E')) return 0;
    const char *q = p + 1;
    bool minus = q < end && *q == '-';
    if (q < end && (*q == '-' || *q == '+')) q++;
    size_t k = digits_at(q, end);
    if (!k || k > 4) return 0;
    for (size_t i = 0; i < k; i++) *exponent = *exponent * 10 + (q[i] - '0');
    if (minus) *exponent = -*exponent;
    return (size_t)(q + k - p);
}

static void blanks_skip(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n')) r->p++;
}

static bool starts(const struct reader *r, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(r->end - r->p) >= n && memcmp(r->p, word, n) == 0;
}

static bool take(struct reader *r, const char *word)
{
    blanks_skip(r);
    if (!starts(r, word)) return false;
    r->p += strlen(word);
    return true;
}

static bool sum_read(struct reader *r, struct ratio *out);

/* An argument of \frac: {sum}, or where TeX's short form is allowed one digit. */
static bool argument_read(struct reader *r, struct ratio *out)
{
    if (take(r, "{")) return sum_read(r, out) && take(r, "}");
    if (r->style == STYLE_LATEX_STRICT || !is_digit(r->p, r->end)) return false;
    return ratio_from_digits(r->p++, 1, out);
}

static bool frac_read(struct reader *r, struct ratio *out)
{
    struct ratio den;
    r->operated = true;
    return argument_read(r, out) && argument_read(r, &den) && ratio_div(out, &den, out);
}

/* "1/2" behind a whole number and a blank: 1 when it was read and added, 0 when nothing such is there, -1
 * when it is no proper fraction. */
static int mixed_read(struct reader *r, struct ratio *whole)
{
    const char *p = r->p;
    struct ratio num, den, one;
    while (p < r->end && *p == ' ') p++;
    size_t a = p > r->p ? digits_at(p, r->end) : 0;
    if (!a || p + a >= r->end || p[a] != '/') return 0;
    size_t b = digits_at(p + a + 1, r->end);
    if (!b || !ratio_from_digits(p, a, &num) || !ratio_from_digits(p + a + 1, b, &den)) return 0;
    ratio_from_int(1, &one);
    if (ratio_is_zero(&den) || !ratio_div(&num, &den, &num)) return -1;
    struct ratio rest = num;
    rest.negative = !ratio_is_zero(&rest);
    if (!ratio_add(&one, &rest, &rest) || rest.negative || ratio_is_zero(&rest)) return -1;
    r->p = p + a + 1 + b;
    r->operated = true;
    return ratio_add(whole, &num, whole) ? 1 : -1;
}

static bool literal_read(struct reader *r, struct ratio *out)
{
    struct str digits;
    struct ratio scale;
    long exponent;
    str_init(&digits, VALUE_BYTES_MAX);
    int decimals;
    /* Inside brackets a comma separates: (1,2) is a pair. */
    enum style style = r->depth > 2 ? STYLE_LATEX : r->style;
    size_t used = literal_scan(r->p, r->end, style, &digits, &decimals);
    bool ok = used > 0 && ratio_from_digits(digits.p, digits.len, out);
    str_release(&digits);
    if (!ok) return false;
    r->p += used;
    size_t e_used = exponent_scan(r->p, r->end, &exponent);
    r->p += e_used;
    if (e_used) r->operated = true;
    r->decimals = decimals;
    if (decimals >= 0) exponent -= decimals;
    if (exponent) {
        ratio_from_int(10, &scale);
        if (exponent > EXPONENT_MAX || exponent < -EXPONENT_MAX || !ratio_pow(&scale, exponent, &scale))
            return false;
        return ratio_mul(out, &scale, out);
    }
    if (decimals >= 0 || e_used) return true;
    int mixed = mixed_read(r, out);
    if (mixed) return mixed > 0;
    const char *before = r->p;
    struct ratio part;
    if (!take(r, "\\frac")) return r->p = before, true;
    return frac_read(r, &part) && ratio_add(out, &part, out);
}

static bool primary_read(struct reader *r, struct ratio *out)
{
    if (r->depth == DEPTH_MAX) return false;
    bool ok;
    r->depth++;
    if (take(r, "("))
        ok = sum_read(r, out) && take(r, ")");
    else if (take(r, "{"))
        ok = sum_read(r, out) && take(r, "}");
    else if (take(r, "\\frac"))
        ok = frac_read(r, out);
    else
        ok = literal_read(r, out);
    r->depth--;
    return ok;
}

static bool small_integer(const struct ratio *a, long max, long *out)
{
    if (!ratio_is_integer(a) || a->num.n > 1) return false;
    *out = a->num.n ? (long)a->num.limb[0] : 0;
    if (a->negative) *out = -*out;
    return *out <= max && *out >= -max;
}

static bool exponent_read(struct reader *r, struct ratio *base)
{
    struct ratio exponent;
    long k;
    bool minus = take(r, "-");
    blanks_skip(r);
    if (is_digit(r->p, r->end)) {
        size_t n = digits_at(r->p, r->end);
        if (!ratio_from_digits(r->p, n, &exponent)) return false;
        r->p += n;
    } else if (!take(r, "{") || !sum_read(r, &exponent) || !take(r, "}")) {
        return false;
    }
    if (!small_integer(&exponent, EXPONENT_MAX, &k)) return false;
    return ratio_pow(base, minus ? -k : k, base);
}

static bool factorial(struct ratio *a)
{
    struct ratio k;
    long n;
    if (!small_integer(a, FACTORIAL_MAX, &n) || n < 0) return false;
    ratio_from_int(1, a);
    for (long i = 2; i <= n; i++) {
        ratio_from_int(i, &k);
        if (!ratio_mul(a, &k, a)) return false;
    }
    return true;
}

static bool power_read(struct reader *r, struct ratio *out)
{
    bool minus = false;
    for (;; r->operated = r->operated || minus) {
        if (take(r, "-"))
            minus = !minus;
        else if (!take(r, "+"))
            break;
    }
    if (!primary_read(r, out)) return false;
    for (;;) {
        const char *before = r->p;
        if (take(r, "^")) {
            blanks_skip(r);
            if (starts(r, "\\circ") || starts(r, "{\\circ}")) {
                r->p = before;
                break;
            }
            if (!exponent_read(r, out)) return false;
        } else if (r->style != STYLE_PLAIN && take(r, "!")) {
            if (!factorial(out) || take(r, "!")) return false; /* n!! is something else */
        } else {
            r->p = before;
            break;
        }
        r->operated = true;
    }
    if (minus && !ratio_is_zero(out)) out->negative = !out->negative;
    return true;
}

static bool product_read(struct reader *r, struct ratio *out)
{
    if (!power_read(r, out)) return false;
    for (;;) {
        struct ratio f;
        const char *before = r->p;
        bool divide = take(r, "/"), times = !divide && take(r, "*");
        if (!divide && !times) {
            blanks_skip(r);
            if (!starts(r, "(") && !starts(r, "\\frac")) return r->p = before, true;
        }
        r->operated = true;
        if (!power_read(r, &f)) return false;
        if (!(divide ? ratio_div(out, &f, out) : ratio_mul(out, &f, out))) return false;
    }
}

static bool sum_read(struct reader *r, struct ratio *out)
{
    if (r->depth == DEPTH_MAX) return false;
    r->depth++;
    bool ok = product_read(r, out);
    while (ok) {
        struct ratio t;
        const char *before = r->p;
        bool minus = take(r, "-");
        if (!minus && !take(r, "+")) {
            r->p = before;
            break;
        }
        r->operated = true;
        ok = product_read(r, &t);
        if (ok && minus && !ratio_is_zero(&t)) t.negative = !t.negative;
        ok = ok && ratio_add(out, &t, out);
    }
    r->depth--;
    return ok;
}

bool value_parse(const char *s, size_t n, enum style style, struct value *out)
{
    if (n > VALUE_BYTES_MAX) return false;
    struct str text;
    str_init(&text, 4 * VALUE_BYTES_MAX);
    clean_math(s, n, &text);
    size_t name = name_before(text.p, text.len);
    struct reader r = {.p = text.p + name, .end = text.p + text.len, .style = style, .decimals = -1};
    bool ok = sum_read(&r, &out->r);
    if (ok) {
        size_t percent = percent_at(r.p, (size_t)(r.end - r.p));
        r.p += percent;
        out->percent = percent > 0;
        out->decimals = r.operated || percent ? -1 : r.decimals;
        ok = unit_is(r.p, (size_t)(r.end - r.p), style);
    }
    str_release(&text);
    if (!ok || !out->percent) return ok;
    struct ratio hundred;
    ratio_from_int(100, &hundred);
    return ratio_div(&out->r, &hundred, &out->r);
}

/* May a number begin behind this byte? */
static bool opens_number(const char *s, size_t at)
{
    if (at == 0) return true;
    char c = s[at - 1];
    return strchr(" \n\t=:*>#\"'|~", c) != NULL;
}

/* (12), {12} or {12 cut off: a number of digits alone may stand in brackets; a list or an interval is
 * none. */
static bool bracketed(const char *s, size_t n, size_t from, size_t used)
{
    if (from == 0 || (s[from - 1] != '(' && s[from - 1] != '{')) return false;
    if (from > 1 && !strchr(" \n=:", s[from - 2])) return false;
    for (size_t i = 0; i < used; i++)
        if (s[from + i] == ',' || s[from + i] == ' ') return false;
    bool round = s[from - 1] == '(';
    if (from + used == n) return !round;
    return s[from + used] == (round ? ')' : '}');
}

/* Bytes of \frac{a}{b} at p, kept short; 0 if there is none. */
static size_t frac_scan(const char *p, const char *end)
{
    static const char name[] = "\\frac{";
    size_t n = sizeof name - 1, limit = (size_t)(end - p) < 128 ? (size_t)(end - p) : 128, closed = 0;
    if (limit < n || memcmp(p, name, n) != 0) return 0;
    int depth = 1;
    for (size_t i = n; i < limit; i++) {
        if (p[i] == '{') depth++;
        if (p[i] == '}' && --depth == 0 && ++closed == 2) return i + 1;
        if (depth == 0 && p[i] != '}') return 0;
    }
    return 0;
}

/* Bytes of a number at p: a literal, perhaps with a fraction behind it, or \frac. */
static size_t number_scan(const char *p, const char *end)
{
    struct str digits;
    long exponent;
    int decimals;
    size_t used = frac_scan(p, end);
    if (used) return used;
    str_init(&digits, VALUE_BYTES_MAX);
    used = literal_scan(p, end, STYLE_PLAIN, &digits, &decimals);
    str_release(&digits);
    if (!used) return 0;
    used += exponent_scan(p + used, end, &exponent);
    size_t blanks = 0;
    while (p + used + blanks < end && p[used + blanks] == ' ') blanks++;
    size_t a = blanks ? digits_at(p + used + blanks, end) : 0, slash = used + blanks + a;
    size_t b = a && p + slash < end && p[slash] == '/' ? digits_at(p + slash + 1, end) : 0;
    if (b) return slash + 1 + b;
    b = p + used < end && p[used] == '/' ? digits_at(p + used + 1, end) : 0;
    if (b) return used + 1 + b;
    return used + frac_scan(p + used, end);
}

bool value_find(const char *s, size_t n, bool last, size_t *at, size_t *len)
{
    const char *end = s + n;
    bool found = false;
    for (size_t i = 0; i < n;) {
        bool sign = s[i] == '-' || s[i] == '+', opens = opens_number(s, i);
        bool bracket = i > 0 && (s[i - 1] == '(' || s[i - 1] == '{');
        size_t from = i + sign, used = opens || bracket ? number_scan(s + from, end) : 0;
        if (bracket && !opens && !bracketed(s, n, i, from - i + used)) used = 0;
        if (used) {
            used += from - i;
            *at = i;
            *len = used + percent_at(s + i + used, n - i - used);
            found = true;
            if (!last) return true;
        }
        /* The rest of a word or number that does not count cannot begin a number either. */
        if (!used)
            for (used = 1;
                 i + used < n && isalnum((unsigned char)s[i]) && isalnum((unsigned char)s[i + used]);)
                used++;
        i += used;
    }
    return found;
}
