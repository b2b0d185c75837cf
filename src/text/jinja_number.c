/* jinja_number.c: Python's operators on numbers, strings and lists; numbers to text and back.
 *
 * Integers have 64 bits here, and a result beyond them is an error; Python's have no bound. The quotient
 * and remainder of floats are CPython's (floatobject.c): the remainder has the sign of the divisor.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "text/jinja.h"
#include "text/pystr.h"
#include "text/unicode.h"

/* ---- text ---------------------------------------------------------------------------------------------- */

/* The fewest digits that give the same float again. */
void jj_print_float(double f, struct str *out)
{
    if (isnan(f)) {
        str_puts(out, "nan");
        return;
    }
    if (isinf(f)) {
        str_puts(out, f < 0 ? "-inf" : "inf");
        return;
    }
    char text[40], digits[20];
    for (int n = fabs(f) < 1e-300 ? 1 : 15; n <= 17;
         n++) { /* 15 digits always come back, but of tiny numbers */
        snprintf(text, sizeof text, "%.*e", n - 1, f);
        if (strtod(text, NULL) == f) break;
    }
    const char *p = text + (*text == '-');
    int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10), n = 0;
    for (; *p != 'e'; p++)
        if (*p != '.') digits[n++] = *p;
    while (n > 1 && digits[n - 1] == '0') n--;
    if (*text == '-') str_puts(out, "-");
    if (exponent < -4 || exponent >= 16) {
        str_add(out, digits, 1);
        if (n > 1) str_addf(out, ".%.*s", n - 1, digits + 1);
        str_addf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    if (exponent < 0) str_puts(out, "0.");
    for (int i = exponent + 1; i < 0; i++) str_puts(out, "0");
    for (int i = 0; i < n || i <= exponent; i++) {
        if (i == exponent + 1 && i) str_puts(out, ".");
        str_add(out, i < n ? digits + i : "0", 1);
    }
    if (n <= exponent + 1) str_puts(out, ".0");
}

/* Without the whitespace around it, and single underscores between digits gone; false: not a number's
 * text. */
static bool plain_number(const struct jj_str *s, char *out, size_t max)
{
    size_t from = 0, to = s->n, n = 0;
    for (int k; from < to && py_is_space(utf8_at(s->p + from, &k));) from += (size_t)k;
    for (int k; to > from && py_is_space(utf8_before(s->p, s->p + to, &k));) to -= (size_t)k;
    for (size_t i = from; i < to; i++) {
        char c = s->p[i];
        if (c == '_') {
            if (i == from || i + 1 == to || s->p[i - 1] == '_' || s->p[i - 1] == '+' || s->p[i - 1] == '-')
                return false;
            continue;
        }
        if (!c || n + 1 >= max) return false;
        out[n++] = c;
    }
    out[n] = 0;
    return n > 0;
}

static int digit_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'z' ? (c | 32) - 'a' + 10 : 99;
}

bool jj_parse_int(struct jj *vm, const struct jj_str *s, int base, int64_t *out)
{
    char text[512];
    if (!plain_number(s, text, sizeof text)) return false;
    const char *p = text + (*text == '-' || *text == '+');
    int prefix = *p == '0' && (p[1] | 32) == 'x'   ? 16
                 : *p == '0' && (p[1] | 32) == 'o' ? 8
                 : *p == '0' && (p[1] | 32) == 'b' ? 2
                                                   : 0;
    if (prefix && (base == 0 || base == prefix)) {
        p += 2;
        base = prefix;
    }
    if (base == 0) {
        if (*p == '0' && strspn(p, "0") != strlen(p)) return false;
        base = 10;
    }
    if (!*p) return false;
    int64_t n = 0;
    bool over = false;
    for (; *p; p++) {
        int d = digit_value(*p);
        if (d >= base) return false;
        over |= __builtin_mul_overflow(n, base, &n) ||
                __builtin_sub_overflow(n, d, &n); /* below zero: one more fits */
    }
    if (*text != '-') over |= __builtin_sub_overflow(0, n, &n);
    if (over && vm) jj_raise(vm, "an integer beyond 64 bits: %.40s", text);
    *out = n;
    return !over;
}

bool jj_parse_float(const struct jj_str *s, double *out)
{
    char text[512], *end;
    if (!plain_number(s, text, sizeof text) || strpbrk(text, "xX(")) return false;
    *out = strtod(text, &end);
    return !*end;
}

int64_t jj_float_to_int(struct jj *vm, double f)
{
    if (isnan(f)) jj_raise(vm, "cannot convert float NaN to integer");
    if (isinf(f)) jj_raise(vm, "cannot convert float infinity to integer");
    if (f >= 9223372036854775808.0 || f < -9223372036854775808.0)
        jj_raise(vm, "an integer beyond 64 bits: %g", f);
    return (int64_t)f;
}

/* As Python: the exact value of x rounded to decimal digits, halves to even. */
double jj_round(double x, int64_t digits)
{
    char text[512];
    if (!isfinite(x) || digits > 323) return x;
    if (digits >= 0) {
        snprintf(text, sizeof text, "%.*f", (int)digits, x);
        return strlen(text) < sizeof text - 1 ? strtod(text, NULL) : x;
    }
    snprintf(text, sizeof text, "%.0f", fabs(x));
    int64_t keep = (int64_t)strlen(text) + digits;
    if (keep < 0 || digits < -400) return copysign(0, x);
    if (keep == 0) { /* to 0 or to the next power of ten */
        double power = strtod((snprintf(text, sizeof text, "1e%d", (int)-digits), text), NULL);
        return copysign(fabs(x) > power / 2 ? power : 0, x);
    }
    snprintf(text, sizeof text, "%.*e", (int)keep - 1, x);
    return strtod(text, NULL);
}

/* ---- numbers ------------------------------------------------------------------------------------------- */

static const char *const op_text[] = {"+", "-", "*", "/", "//", "%", "** or pow()"};

static _Noreturn void beyond(struct jj *vm)
{
    jj_raise(vm, "the result is an integer beyond 64 bits");
}

static double as_double(struct jj_value v)
{
    return v.kind == JJ_FLOAT ? v.f : v.kind == JJ_BOOL ? v.b : (double)v.i;
}

static struct jj_value power_float(struct jj *vm, double a, double b)
{
    double r = 1, factor = a;
    if (a == 0 && b < 0) jj_raise(vm, "0.0 cannot be raised to a negative power");
    if (b == floor(b) && fabs(b) <= 64) {
        for (int n = (int)fabs(b); n; n >>= 1, factor *= factor)
            if (n & 1) r *= factor;
        return jj_float(b < 0 ? 1 / r : r);
    }
    if (b == 0.5 && a >= 0) return jj_float(sqrt(a));
    if (a == 0) return jj_float(0);
    if (a < 0 && b != floor(b)) jj_raise(vm, "a negative number to a power that is no integer is complex");
    r = fm_pow(fabs(a), b);
    if (isinf(r) && isfinite(a) && isfinite(b)) jj_raise(vm, "(34, 'Numerical result out of range')");
    return jj_float(a < 0 && floor(b / 2) * 2 != b ? -r : r);
}

static struct jj_value power_int(struct jj *vm, int64_t a, int64_t b)
{
    if (b < 0) return power_float(vm, (double)a, (double)b);
    if (a == 0 || a == 1) return jj_int(b ? a : 1);
    if (a == -1) return jj_int(b % 2 ? -1 : 1);
    if (b > 63) beyond(vm);
    int64_t r = 1;
    while (b--)
        if (__builtin_mul_overflow(r, a, &r)) beyond(vm);
    return jj_int(r);
}

static struct jj_value ints(struct jj *vm, enum jj_op op, int64_t a, int64_t b)
{
    int64_t r = 0;
    bool over = false;
    switch (op) {
    case OP_ADD: over = __builtin_add_overflow(a, b, &r); break;
    case OP_SUB: over = __builtin_sub_overflow(a, b, &r); break;
    case OP_MUL: over = __builtin_mul_overflow(a, b, &r); break;
    case OP_POW: return power_int(vm, a, b);
    case OP_DIV:
        if (!b) jj_raise(vm, "division by zero");
        return jj_float((double)a / (double)b);
    default:
        if (!b) jj_raise(vm, op == OP_MOD ? "integer modulo by zero" : "integer division or modulo by zero");
        if (b == -1) { /* the smallest integer has no positive counterpart */
            if (op == OP_FLOORDIV) over = __builtin_sub_overflow(0, a, &r);
            break;
        }
        r = op == OP_MOD ? a % b : a / b;
        if (a % b != 0 && (a % b < 0) != (b < 0)) r += op == OP_MOD ? b : -1;
    }
    if (over) beyond(vm);
    return jj_int(r);
}

static struct jj_value floats(struct jj *vm, enum jj_op op, double a, double b)
{
    switch (op) {
    case OP_ADD: return jj_float(a + b);
    case OP_SUB: return jj_float(a - b);
    case OP_MUL: return jj_float(a * b);
    case OP_POW: return power_float(vm, a, b);
    case OP_DIV:
        if (b == 0) jj_raise(vm, "float division by zero");
        return jj_float(a / b);
    default: break;
    }
    if (b == 0) jj_raise(vm, op == OP_MOD ? "float modulo" : "float floor division by zero");
    double mod = fmod(a, b), div = (a - mod) / b;
    if (mod != 0 && (b < 0) != (mod < 0)) {
        mod += b;
        div -= 1;
    }
    if (mod == 0) mod = copysign(0, b);
    if (op == OP_MOD) return jj_float(mod);
    double whole = floor(div);
    if (div - whole > 0.5) whole += 1;
    return jj_float(div != 0 ? whole : copysign(0, a / b));
}

struct jj_value jj_negate(struct jj *vm, struct jj_value v)
{
    int64_t i;
    if (v.kind == JJ_UNDEFINED) jj_raise_undefined(vm, v);
    if (v.kind == JJ_FLOAT) return jj_float(-v.f);
    if (!jj_as_int(v, &i)) jj_raise(vm, "bad operand type for unary -: '%s'", jj_type(v));
    return ints(vm, OP_SUB, 0, i);
}

/* ---- strings and lists --------------------------------------------------------------------------------- */

static bool is_sequence(struct jj_value v)
{
    return v.kind == JJ_STR || v.kind == JJ_LIST || v.kind == JJ_TUPLE;
}

static struct jj_value add_sequences(struct jj *vm, struct jj_value a, struct jj_value b)
{
    if (a.kind != b.kind)
        jj_raise(vm, "can only concatenate %s (not \"%s\") to %s", a.kind == JJ_STR ? "str" : jj_type(a),
                 jj_type(b), a.kind == JJ_STR ? "str" : jj_type(a));
    if (a.kind == JJ_STR) {
        bool safe = a.safe || b.safe;
        if (safe) { /* Markup escapes what is joined to it */
            a = jj_escape(vm, a);
            b = jj_escape(vm, b);
        }
        char *p = jj_alloc(vm, a.s->n + b.s->n + 1);
        memcpy(p, a.s->p, a.s->n);
        memcpy(p + a.s->n, b.s->p, b.s->n);
        p[a.s->n + b.s->n] = 0;
        struct jj_value v = jj_str(vm, p, a.s->n + b.s->n);
        v.safe = safe;
        return v;
    }
    struct jj_value v = jj_list_new(vm, (enum jj_kind)a.kind, a.list->n + b.list->n);
    for (size_t i = 0; i < a.list->n; i++) jj_push(vm, v, a.list->v[i]);
    for (size_t i = 0; i < b.list->n; i++) jj_push(vm, v, b.list->v[i]);
    return v;
}

static struct jj_value repeat(struct jj *vm, struct jj_value v, int64_t times)
{
    if (times < 0) times = 0;
    if (v.kind == JJ_STR) {
        size_t n = v.s->n, total;
        if (__builtin_mul_overflow(n, (size_t)times, &total)) total = SIZE_MAX / 2;
        if (total > JJ_TEXT_MAX) jj_raise(vm, "a string of more than %zu MiB", JJ_TEXT_MAX >> 20);
        char *p = jj_alloc(vm, total + 1);
        for (size_t i = 0; i < total; i += n) memcpy(p + i, v.s->p, n);
        p[total] = 0;
        struct jj_value r = jj_str(vm, p, total);
        r.safe = v.safe;
        return r;
    }
    struct jj_value r = jj_list_new(vm, (enum jj_kind)v.kind, 0);
    for (int64_t k = 0; k < times && v.list->n; k++)
        for (size_t i = 0; i < v.list->n; i++) jj_push(vm, r, v.list->v[i]);
    return r;
}

struct jj_value jj_binary(struct jj *vm, enum jj_op op, struct jj_value a, struct jj_value b)
{
    int64_t i, j;
    jj_step(vm, 0);
    if (a.kind == JJ_UNDEFINED) jj_raise_undefined(vm, a);
    if (op == OP_MOD && a.kind == JJ_STR) return jj_percent(vm, a, b);
    if (b.kind == JJ_UNDEFINED) jj_raise_undefined(vm, b);
    if (jj_as_int(a, &i) && jj_as_int(b, &j)) return ints(vm, op, i, j);
    if (jj_is_number(a) && jj_is_number(b)) return floats(vm, op, as_double(a), as_double(b));
    if (op == OP_ADD && is_sequence(a)) return add_sequences(vm, a, b);
    if (op == OP_MUL && is_sequence(a) && jj_as_int(b, &j)) return repeat(vm, a, j);
    if (op == OP_MUL && is_sequence(b) && jj_as_int(a, &i)) return repeat(vm, b, i);
    if (op == OP_MUL && (is_sequence(a) || is_sequence(b)))
        jj_raise(vm, "can't multiply sequence by non-int of type '%s'", jj_type(is_sequence(a) ? b : a));
    jj_raise(vm, "unsupported operand type(s) for %s: '%s' and '%s'", op_text[op], jj_type(a), jj_type(b));
}
