/* units.c: words behind numbers that are units of measurement, as factors of powers of base units.
 *
 * Known units are compared by value and dimension (5 m is 500 cm, and not 5 s); other words (apples) say
 * nothing.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "verify/verify_int.h"

enum base { LENGTH, MASS, TIME, CURRENT, HEAT, AMOUNT, ANGLE, DATA, MONEY };

struct row {
    const char *names;  /* with blanks around each */
    const char *factor; /* a/b of base units */
    signed char power[UNIT_BASES];
};
static const struct row rows[] = {
    {" m meter meters metre metres ", "1", {1}},
    {" cm centimeter centimeters centimetre centimetres ", "1/100", {1}},
    {" mm millimeter millimeters millimetre millimetres ", "1/1000", {1}},
    {" dm decimeter decimeters ", "1/10", {1}},
    {" km kilometer kilometers kilometre kilometres ", "1000", {1}},
    {" nm nanometer nanometers ", "1/1000000000", {1}},
    {" in inch inches ", "127/5000", {1}},
    {" ft foot feet ", "381/1250", {1}},
    {" yd yard yards ", "1143/1250", {1}},
    {" mi mile miles ", "201168/125", {1}},
    {" kg kilogram kilograms ", "1", {0, 1}},
    {" g gram grams gm gms ", "1/1000", {0, 1}},
    {" mg milligram milligrams ", "1/1000000", {0, 1}},
    {" lb lbs pound pounds ", "45359237/100000000", {0, 1}},
    {" oz ounce ounces ", "45359237/1600000000", {0, 1}},
    {" tonne tonnes ", "1000", {0, 1}},
    {" s sec secs second seconds ", "1", {0, 0, 1}},
    {" ms millisecond milliseconds ", "1/1000", {0, 0, 1}},
    {" min mins minute minutes ", "60", {0, 0, 1}},
    {" h hr hrs hour hours ", "3600", {0, 0, 1}},
    {" day days ", "86400", {0, 0, 1}},
    {" week weeks ", "604800", {0, 0, 1}},
    {" mph ", "1397/3125", {1, 0, -1}},
    {" kph kmh kmph ", "5/18", {1, 0, -1}},
    {" l liter liters litre litres ", "1/1000", {3}},
    {" ml milliliter milliliters millilitre millilitres cc ", "1/1000000", {3}},
    {" gallon gallons gal ", "473176473/125000000000", {3}},
    {" quart quarts ", "473176473/500000000000", {3}},
    {" pint pints ", "473176473/1000000000000", {3}},
    {" n newton newtons ", "1", {1, 1, -2}},
    {" j joule joules ", "1", {2, 1, -2}},
    {" kj kilojoule kilojoules ", "1000", {2, 1, -2}},
    {" w watt watts ", "1", {2, 1, -3}},
    {" kw kilowatt kilowatts ", "1000", {2, 1, -3}},
    {" pa pascal pascals ", "1", {-1, 1, -2}},
    {" hz hertz ", "1", {0, 0, -1}},
    {" v volt volts ", "1", {2, 1, -3, -1}},
    {" ampere amperes amp amps ", "1", {0, 0, 0, 1}},
    {" ohm ohms ", "1", {2, 1, -3, -2}},
    {" celsius ", "1", {0, 0, 0, 0, 1}},
    {" fahrenheit ", "5/9", {0, 0, 0, 0, 1}},
    {" mol mole moles ", "1", {0, 0, 0, 0, 0, 1}},
    {" deg degree degrees ", "1", {0, 0, 0, 0, 0, 0, 1}},
    {" bit bits ", "1", {0, 0, 0, 0, 0, 0, 0, 1}},
    {" byte bytes ", "8", {0, 0, 0, 0, 0, 0, 0, 1}},
    {" dollar dollars usd ", "1", {0, 0, 0, 0, 0, 0, 0, 0, 1}},
    {" cent cents ", "1/100", {0, 0, 0, 0, 0, 0, 0, 0, 1}},
};

static const struct row *row_of(const char *s, size_t n)
{
    char word[24];
    if (n == 0 || n > sizeof word - 3) return NULL;
    word[0] = ' ';
    for (size_t i = 0; i < n; i++) word[i + 1] = (char)tolower((unsigned char)s[i]);
    word[n + 1] = ' ';
    word[n + 2] = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strstr(rows[i].names, word)) return &rows[i];
    return NULL;
}

bool unit_word_known(const char *s, size_t n)
{
    return n > 1 && row_of(s, n) != NULL;
}

void unit_release(struct unit *u)
{
    fmpq_clear(u->factor);
}

static void apply(struct unit *u, const struct row *r, long power)
{
    fmpq_t f;
    fmpq_init(f);
    fmpq_set_str(f, r->factor, 10);
    fmpq_pow_si(f, f, power);
    fmpq_mul(u->factor, u->factor, f);
    fmpq_clear(f);
    for (int i = 0; i < UNIT_BASES; i++) u->power[i] += (int)power * r->power[i];
}

static bool is_word(const char *s, size_t n, const char *const *list)
{
    for (; *list; list++)
        if (strlen(*list) == n && strncasecmp(s, *list, n) == 0) return true;
    return false;
}

bool unit_read(const char *words, struct unit *u)
{
    static const char *const squares[] = {"square", "sq", "sq.", NULL}, *const cubes[] = {"cubic", "cu",
                                                                                          NULL};
    static const char *const squared[] = {"squared", NULL}, *const cubed[] = {"cubed", NULL};
    static const char *const per[] = {"per", "a", "an", NULL};
    long sign = 1, next = 1;
    const struct row *last = NULL;
    bool any = false;
    memset(u, 0, sizeof *u);
    fmpq_init(u->factor);
    fmpq_one(u->factor);
    for (const char *s = words; *s;) {
        if (*s == '/') {
            sign = -1;
            s++;
            continue;
        }
        if (!isalpha((unsigned char)*s)) {
            if (!strchr(" .*-\\,", *s)) return false;
            s++;
            continue;
        }
        size_t n = 0;
        while (isalpha((unsigned char)s[n])) n++;
        const struct row *r = row_of(s, n);
        if (is_word(s, n, squares)) {
            next = 2;
        } else if (is_word(s, n, cubes)) {
            next = 3;
        } else if (is_word(s, n, per) && any) {
            sign = -1;
        } else if (last && (is_word(s, n, squared) || is_word(s, n, cubed))) {
            apply(u, last, sign * (is_word(s, n, squared) ? 1 : 2));
        } else if (!r) {
            return false;
        } else {
            long power = next;
            s += n;
            n = 0;
            if (*s == '^') {
                char *end;
                power = strtol(s + 1, &end, 10);
                s = end;
                if (power < -9 || power > 9 || power == 0) return false;
            }
            apply(u, r, sign * power);
            last = r;
            any = true;
            next = 1;
        }
        s += n;
    }
    return any;
}
