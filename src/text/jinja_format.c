/* jinja_format.c: Python's two ways to put values into a text: "%d" % x and "{:d}".format(x).
 *
 * Both are read into one struct spec; numbers are written by snprintf, whose digits are exact.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "text/jinja.h"
#include "text/unicode.h"

#define WIDTH_MAX 1000 /* of a field, and digits after the point */

struct spec {
    char fill[5], align, sign, type;
    bool alternate, zero, comma;
    int width, precision; /* -1: none */
};

/* ---- one value ----------------------------------------------------------------------------------------- */

static void put_padded(struct jj *vm, const struct spec *f, const char *p, size_t n, size_t sign)
{
    size_t chars = utf8_count(p, n),
           pad = f->width > 0 && (size_t)f->width > chars ? (size_t)f->width - chars : 0;
    size_t left = f->align == '<' ? 0 : f->align == '^' ? pad / 2 : pad;
    if (f->align == '=') {
        str_add(&vm->text, p, sign);
        p += sign;
        n -= sign;
    }
    for (size_t i = 0; i < left; i++) str_puts(&vm->text, f->fill);
    str_add(&vm->text, p, n);
    for (size_t i = left; i < pad; i++) str_puts(&vm->text, f->fill);
    jj_step(vm, n + pad);
}

/* A number as text ("-12.5", "0x1f"): with its sign, and commas between thousands of the whole part. */
static void put_number(struct jj *vm, const struct spec *f, const char *text)
{
    char out[2 * WIDTH_MAX + 800];
    struct spec padded = *f;
    size_t n = 0, digits;
    if (*text == '-' || (f->sign && f->sign != '-')) out[n++] = *text == '-' ? '-' : f->sign;
    text += *text == '-';
    if (*text == '0' && text[1] && strchr("xXob", text[1])) {
        out[n++] = *text++;
        out[n++] = *text++;
    }
    size_t sign = n;
    digits = f->comma ? strspn(text, "0123456789") : 0;
    /* Zeros up to the width are parted by commas too. */
    size_t rest = n + strlen(text) - digits, zeros = digits;
    if (digits && f->align == '=' && f->fill[0] == '0')
        while (rest + zeros + (zeros - 1) / 3 < (size_t)f->width) zeros++;
    for (; zeros > digits; zeros--) {
        out[n++] = '0';
        if (zeros % 3 == 1) out[n++] = ',';
    }
    for (; *text && n + 2 < sizeof out; digits -= digits > 0) {
        out[n++] = *text++;
        if (digits > 1 && digits % 3 == 1) out[n++] = ',';
    }
    if (!padded.align) padded.align = '>';
    put_padded(vm, &padded, out, n, sign);
}

static void put_binary(struct jj *vm, const struct spec *f, int64_t i)
{
    char text[72], *p = text + sizeof text - 1;
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    *p = 0;
    do *--p = (char)('0' + (u & 1));
    while (u >>= 1);
    if (f->alternate) *--p = 'b', *--p = '0';
    if (i < 0) *--p = '-';
    put_number(vm, f, p);
}

static void put_int(struct jj *vm, const struct spec *f, int64_t i)
{
    char text[WIDTH_MAX + 80], digits[WIDTH_MAX + 40];
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    int precision = f->precision < 0 ? 1 : f->precision;
    const char *prefix = "";
    if (f->type == 'b') {
        put_binary(vm, f, i);
        return;
    }
    if (f->type == 'x' || f->type == 'X') {
        snprintf(digits, sizeof digits, f->type == 'x' ? "%.*" PRIx64 : "%.*" PRIX64, precision, u);
        prefix = f->type == 'x' ? "0x" : "0X";
    } else if (f->type == 'o') {
        snprintf(digits, sizeof digits, "%.*" PRIo64, precision, u);
        prefix = "0o";
    } else {
        snprintf(digits, sizeof digits, "%.*" PRIu64, precision, u);
    }
    snprintf(text, sizeof text, "%s%s%s", i < 0 ? "-" : "", f->alternate ? prefix : "", digits);
    put_number(vm, f, text);
}

static void put_float(struct jj *vm, const struct spec *f, double x)
{
    char text[WIDTH_MAX + 400], format[8];
    if (f->type == 0 && f->precision < 0) { /* str.format's default */
        struct str s;
        str_init(&s, 0);
        jj_print_float(x, &s);
        snprintf(text, sizeof text, "%s", s.p);
        str_release(&s);
        put_number(vm, f, text);
        return;
    }
    bool percent = f->type == '%';
    char type = percent ? 'f' : f->type ? f->type : 'g';
    snprintf(format, sizeof format, "%%%s.*%c", f->alternate ? "#" : "", type);
    int n =
        snprintf(text, sizeof text - 1, format, f->precision < 0 ? 6 : f->precision, percent ? x * 100 : x);
    if (n < 0 || n >= (int)sizeof text - 2) jj_raise(vm, "a number that is too long");
    if (percent) memcpy(text + n, "%", 2);
    put_number(vm, f, text);
}

static void put_str(struct jj *vm, const struct spec *f, struct jj_value v)
{
    struct spec copy = *f;
    size_t n = f->precision >= 0 && (size_t)f->precision < v.s->chars ? jj_offset(v.s, (size_t)f->precision)
                                                                      : v.s->n;
    if (!copy.align) copy.align = '<';
    put_padded(vm, &copy, v.s->p, n, 0);
}

/* ---- "%..." % values ----------------------------------------------------------------------------------- */

struct percent {
    struct jj *vm;
    const struct jj_str *format;
    struct jj_value values;
    bool tuple, used;
    size_t at;
};

static struct jj_value next_value(struct percent *x)
{
    size_t n = x->tuple ? x->values.list->n : 1;
    if (x->at >= n) jj_raise(x->vm, "not enough arguments for format string");
    x->used = true;
    x->at++;
    return x->tuple ? x->values.list->v[x->at - 1] : x->values;
}

static int read_int(struct percent *x, const char **p, const char *end, bool *left)
{
    int n = 0;
    if (*p < end && **p == '*') {
        struct jj_value v = next_value(x);
        int64_t i;
        if (!jj_as_int(v, &i)) jj_raise(x->vm, "* wants int");
        if (i < 0 && left) *left = true;
        if (i < 0) i = left ? -i : 0;
        ++*p;
        if (i > WIDTH_MAX) jj_raise(x->vm, "a width or precision of more than %d", WIDTH_MAX);
        return (int)i;
    }
    for (; *p < end && **p >= '0' && **p <= '9'; ++*p)
        if ((n = n * 10 + (**p - '0')) > WIDTH_MAX)
            jj_raise(x->vm, "a width or precision of more than %d", WIDTH_MAX);
    return n;
}

static void percent_number(struct percent *x, struct spec *f, struct jj_value v)
{
    int64_t i;
    if (v.kind == JJ_UNDEFINED) jj_raise_undefined(x->vm, v);
    if (strchr("eEfFgG", f->type)) {
        put_float(x->vm, f, jj_need_float(x->vm, v));
        return;
    }
    if (v.kind == JJ_FLOAT && !strchr("xXo", f->type))
        i = jj_float_to_int(x->vm, v.f);
    else if (!jj_as_int(v, &i))
        jj_raise(x->vm, "%%%c format: %s is required, not %s", f->type,
                 strchr("xXo", f->type) ? "an integer" : "a real number", jj_type(v));
    put_int(x->vm, f, i);
}

static void percent_value(struct percent *x, struct spec *f, struct jj_value v, bool safe)
{
    struct jj *vm = x->vm;
    int64_t cp;
    char utf8[5] = "";
    switch (f->type) {
    case 's': put_str(vm, f, safe ? jj_escape(vm, v) : jj_to_str(vm, v)); break;
    case 'r':
    case 'a': put_str(vm, f, jj_text(vm, jj_repr(vm, v))); break;
    case 'c':
        if (v.kind == JJ_STR && v.s->chars == 1) {
            put_str(vm, f, v);
        } else if (jj_as_int(v, &cp)) {
            if (cp < 0 || cp > 0x10FFFF) jj_raise(vm, "%%c arg not in range(0x110000)");
            utf8[utf8_put(utf8, (uint32_t)cp)] = 0;
            put_str(vm, f, jj_str_copy(vm, utf8, strlen(utf8) + !cp));
        } else {
            jj_raise(vm, "%%c requires int or char");
        }
        break;
    default: percent_number(x, f, v); break;
    }
}

/* One conversion after the percent sign at p[-1]; returns what follows it. */
static const char *percent_one(struct percent *x, const char *p, const char *end, bool safe)
{
    struct spec f = {.fill = " ", .precision = -1, .align = '>'};
    struct jj_value key = {0};
    bool left = false;
    if (p < end && *p == '(') {
        const char *close = memchr(p, ')', (size_t)(end - p));
        if (x->values.kind != JJ_DICT) jj_raise(x->vm, "format requires a mapping");
        if (!close) jj_raise(x->vm, "incomplete format key");
        struct jj_value name = jj_str_copy(x->vm, p + 1, (size_t)(close - p - 1));
        struct jj_value *found = jj_dict_find(x->vm, x->values.dict, name);
        if (!found) jj_raise(x->vm, "%s", jj_repr(x->vm, name));
        key = *found;
        x->used = true;
        p = close + 1;
    }
    for (; p < end && strchr("-+ #0", *p) && *p; p++) {
        if (*p == '-') left = true;
        if (*p == '+' || (*p == ' ' && !f.sign)) f.sign = *p;
        f.alternate |= *p == '#';
        f.zero |= *p == '0';
    }
    f.width = read_int(x, &p, end, &left);
    if (p < end && *p == '.') {
        p++;
        f.precision = read_int(x, &p, end, NULL);
    }
    if (p == end) jj_raise(x->vm, "incomplete format");
    f.type = *p == 'i' || *p == 'u' ? 'd' : *p;
    if (*p == '%') {
        str_puts(&x->vm->text, "%");
        return p + 1;
    }
    if (!*p || !strchr("sracdiuoxXeEfFgG", *p))
        jj_raise(x->vm, "unsupported format character '%c' (0x%x) at index %zu", *p, (unsigned char)*p,
                 utf8_count(x->format->p, (size_t)(p - x->format->p)));
    if (f.zero && !strchr("srac", f.type)) memcpy(f.fill, "0", 2), f.align = '=';
    if (left) memcpy(f.fill, " ", 2), f.align = '<';
    percent_value(x, &f, key.kind ? key : next_value(x), safe);
    return p + 1;
}

struct jj_value jj_percent(struct jj *vm, struct jj_value format, struct jj_value values)
{
    struct percent x = {.vm = vm, .format = format.s, .values = values, .tuple = values.kind == JJ_TUPLE};
    const char *p = format.s->p, *end = p + format.s->n;
    size_t start = jj_capture(vm);
    while (p < end) {
        const char *sign = memchr(p, '%', (size_t)(end - p)), *stop = sign ? sign : end;
        str_add(&vm->text, p, (size_t)(stop - p));
        p = sign ? percent_one(&x, sign + 1, end, format.safe) : end;
    }
    bool mapping = values.kind == JJ_DICT || values.kind == JJ_LIST || values.kind == JJ_UNDEFINED;
    if (x.tuple ? x.at < values.list->n : !x.used && !mapping)
        jj_raise(vm, "not all arguments converted during string formatting");
    struct jj_value v = jj_captured(vm, start);
    v.safe = format.safe;
    return v;
}

/* ---- "{...}".format(values) ---------------------------------------------------------------------------- */

struct braces {
    struct jj *vm;
    const struct jj_args *args;
    int64_t next; /* of "{}"; -1 once "{0}" was used */
    bool numbered;
    int depth;
};

static void format_text(struct braces *x, const char *p, const char *end);

/* [[fill]align][sign][#][0][width][,][.precision][type] */
static struct spec read_spec(struct jj *vm, const char *p, const char *end)
{
    struct spec f = {.fill = " ", .precision = -1};
    int n = 0;
    if (p < end) utf8_at(p, &n);
    bool filled = p + n < end && strchr("<>^=", p[n]) && p[n];
    if (filled) {
        memcpy(f.fill, p, (size_t)n);
        f.fill[n] = 0;
        f.align = p[n];
        p += n + 1;
    } else if (p < end && strchr("<>^=", *p) && *p) {
        f.align = *p++;
    }
    if (p < end && strchr("+- ", *p) && *p) f.sign = *p++;
    if (p < end && *p == '#') f.alternate = true, p++;
    if (p < end && *p == '0') {
        f.zero = true;
        p++;
        if (!filled) memcpy(f.fill, "0", 2);
        if (!f.align) f.align = '=';
    }
    struct percent reader = {.vm = vm};
    f.width = p < end && *p == '*' ? 0 : read_int(&reader, &p, end, NULL);
    if (p < end && *p == ',') f.comma = true, p++;
    if (p < end && *p == '.') {
        const char *digits = ++p;
        if (p < end && *p != '*') f.precision = read_int(&reader, &p, end, NULL);
        if (p == digits) jj_raise(vm, "Format specifier missing precision");
    }
    if (p < end) f.type = *p++;
    if (p != end) jj_raise(vm, "Invalid format specifier");
    return f;
}

static void format_value(struct jj *vm, struct jj_value v, const char *p, const char *end)
{
    if (p == end) {
        jj_print(vm, v, &vm->text);
        return;
    }
    struct spec f = read_spec(vm, p, end);
    int64_t i;
    if (v.kind == JJ_STR && (f.type == 's' || !f.type)) {
        if (f.align == '=' && !f.zero) jj_raise(vm, "'=' alignment not allowed in string format specifier");
        if (f.align == '=') f.align = '<';
        put_str(vm, &f, v);
    } else if (jj_as_int(v, &i) && (!f.type || strchr("dxXobcn", f.type))) {
        if (f.precision >= 0) jj_raise(vm, "Precision not allowed in integer format specifier");
        put_int(vm, &f, i);
    } else if (jj_is_number(v) && (!f.type || strchr("eEfFgGn%", f.type))) {
        if (f.type == 'n') f.type = 'g';
        put_float(vm, &f, jj_need_float(vm, v));
    } else if (jj_is_number(v) || v.kind == JJ_STR) {
        jj_raise(vm, "Unknown format code '%c' for object of type '%s'", f.type, jj_type(v));
    } else {
        jj_raise(vm, "unsupported format string passed to %s.__format__", jj_type(v));
    }
}

/* The value of a field name: 0, name, then .attribute and [item]. */
static struct jj_value field_value(struct braces *x, const char *p, const char *end)
{
    struct jj *vm = x->vm;
    const char *stop = p;
    while (stop < end && *stop != '.' && *stop != '[') stop++;
    struct jj_value name = jj_str_copy(vm, p, (size_t)(stop - p)), v;
    int64_t at = 0;
    bool number = stop == p || jj_parse_int(vm, name.s, 10, &at);
    if (number) {
        if (stop == p ? x->numbered : x->next > 0)
            jj_raise(vm, "cannot switch from %s",
                     x->numbered ? "manual field specification to automatic field numbering"
                                 : "automatic field numbering to manual field specification");
        if (stop == p)
            at = x->next++;
        else
            x->numbered = true;
        if (at < 0 || (size_t)at >= x->args->n) jj_raise(vm, "tuple index out of range");
        v = x->args->v[at];
    } else {
        struct jj_value *found = x->args->kw ? jj_dict_find(vm, x->args->kw, name) : NULL;
        if (!found) jj_raise(vm, "%s", jj_repr(vm, name));
        v = *found;
    }
    for (p = stop; p < end; p = stop) {
        bool item = *p == '[';
        stop = p + 1;
        while (stop < end && (item ? *stop != ']' : *stop != '.' && *stop != '[')) stop++;
        if (item && stop == end) jj_raise(vm, "Missing ']' in format string");
        struct jj_value key = jj_str_copy(vm, p + 1, (size_t)(stop - p - 1));
        if (item && jj_parse_int(vm, key.s, 10, &at)) key = jj_int(at);
        v = item ? jj_getitem(vm, v, key) : jj_getattr(vm, v, key.s);
        if (item) stop++;
    }
    return v;
}

/* {field!conversion:spec} between p and end. */
static void format_field(struct braces *x, const char *p, const char *end)
{
    struct jj *vm = x->vm;
    const char *stop = p;
    while (stop < end && *stop != '!' && *stop != ':')
        stop += *stop == '[' && memchr(stop, ']', (size_t)(end - stop))
                    ? (size_t)((const char *)memchr(stop, ']', (size_t)(end - stop)) - stop)
                    : 1;
    struct jj_value v = field_value(x, p, stop);
    if (stop < end && *stop == '!') {
        char how = stop + 1 < end ? stop[1] : 0;
        if (how != 'r' && how != 's' && how != 'a')
            jj_raise(vm, "Unknown conversion specifier '%c'", how ? how : ' ');
        v = how == 's' ? jj_to_str(vm, v) : jj_text(vm, jj_repr(vm, v));
        stop += 2;
        if (stop < end && *stop != ':') jj_raise(vm, "expected ':' after conversion specifier");
    }
    if (stop < end) stop++;
    size_t start = jj_capture(vm);
    if (++x->depth > 2) jj_raise(vm, "Max string recursion exceeded");
    format_text(x, stop, end);
    x->depth--;
    struct jj_value spec = jj_captured(vm, start);
    format_value(vm, v, spec.s->p, spec.s->p + spec.s->n);
}

static void format_text(struct braces *x, const char *p, const char *end)
{
    struct jj *vm = x->vm;
    while (p < end) {
        const char *stop = p;
        while (stop < end && *stop != '{' && *stop != '}') stop++;
        str_add(&vm->text, p, (size_t)(stop - p));
        if (stop == end) return;
        if (stop + 1 < end && stop[1] == *stop) {
            str_add(&vm->text, stop, 1);
            p = stop + 2;
            continue;
        }
        if (*stop == '}') jj_raise(vm, "Single '}' encountered in format string");
        int open = 1;
        for (p = ++stop; stop < end && open; stop++) open += *stop == '{' ? 1 : *stop == '}' ? -1 : 0;
        if (open)
            jj_raise(vm, p == end ? "Single '{' encountered in format string"
                                  : "expected '}' before end of string");
        format_field(x, p, stop - 1);
        p = stop;
    }
}

struct jj_value jj_str_format(struct jj *vm, struct jj_value self, const struct jj_args *a)
{
    struct braces x = {.vm = vm, .args = a};
    size_t start = jj_capture(vm);
    format_text(&x, self.s->p, self.s->p + self.s->n);
    struct jj_value v = jj_captured(vm, start);
    v.safe = self.safe;
    return v;
}
