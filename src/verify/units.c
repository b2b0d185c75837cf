/* units.c: words behind numbers that are units of measurement, as factors of powers of base units.
 *
 * Known units are compared by value and dimension (5 m is 500 cm, and not 5 s); other words (apples) say
 * nothing. Factors are exact. Months and years are no multiples of days, so they have a base of their own.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "verify/verify_int.h"

enum base {
    LENGTH,
    MASS,
    TIME,
    CURRENT,
    HEAT,
    AMOUNT,
    ANGLE,
    DATA,
    CALENDAR,
    DOLLAR,
    EURO,
    STERLING,
    RUPEE,
    YEN,
    WON,
    RUBLE
};

enum unit_id {
    NONE,
    METER,
    CENTIMETER,
    MILLIMETER,
    DECIMETER,
    KILOMETER,
    MICROMETER,
    NANOMETER,
    INCH,
    FOOT,
    YARD,
    MILE,
    HECTARE,
    ACRE,
    KILOGRAM,
    GRAM,
    MILLIGRAM,
    POUND,
    OUNCE,
    TON,
    TONNE,
    SECOND,
    MILLISECOND,
    MINUTE,
    HOUR,
    DAY,
    WEEK,
    MONTH,
    YEAR,
    DECADE,
    CENTURY,
    MPH,
    KPH,
    LITER,
    MILLILITER,
    CENTILITER,
    DECILITER,
    KILOLITER,
    GALLON,
    QUART,
    PINT,
    CUP,
    FLUID_OUNCE,
    TABLESPOON,
    TEASPOON,
    NEWTON,
    JOULE,
    KILOJOULE,
    WATT,
    KILOWATT,
    KILOWATT_HOUR,
    PASCAL,
    KILOPASCAL,
    BAR,
    ATMOSPHERE,
    PSI,
    CALORIE,
    ELECTRONVOLT,
    WATT_HOUR,
    KNOT,
    FARAD,
    HENRY,
    HERTZ,
    VOLT,
    AMPERE,
    OHM,
    KELVIN,
    CELSIUS,
    FAHRENHEIT,
    MOLE,
    DEGREE,
    ARC_MINUTE,
    ARC_SECOND,
    RADIAN,
    TURN,
    BIT,
    BYTE,
    USD,
    US_CENT,
    EUR,
    EURO_CENT,
    GBP,
    PENNY,
    INR,
    JPY,
    KRW,
    RUB,
    UNITS
};

/* The value of one, in base units; zero_at: that of the scale's own zero (temperatures); half_turns: times
 * 180/pi. */
static const struct measure {
    const char *factor, *zero_at;
    signed char power[UNIT_BASES];
    bool half_turns;
} measures[UNITS] = {
    [METER] = {.factor = "1", .power = {1}},
    [CENTIMETER] = {.factor = "1/100", .power = {1}},
    [MILLIMETER] = {.factor = "1/1000", .power = {1}},
    [DECIMETER] = {.factor = "1/10", .power = {1}},
    [KILOMETER] = {.factor = "1000", .power = {1}},
    [MICROMETER] = {.factor = "1/1000000", .power = {1}},
    [NANOMETER] = {.factor = "1/1000000000", .power = {1}},
    [INCH] = {.factor = "127/5000", .power = {1}},
    [FOOT] = {.factor = "381/1250", .power = {1}},
    [YARD] = {.factor = "1143/1250", .power = {1}},
    [MILE] = {.factor = "201168/125", .power = {1}},
    [HECTARE] = {.factor = "10000", .power = {2}},
    [ACRE] = {.factor = "316160658/78125", .power = {2}},
    [KILOGRAM] = {.factor = "1", .power = {0, 1}},
    [GRAM] = {.factor = "1/1000", .power = {0, 1}},
    [MILLIGRAM] = {.factor = "1/1000000", .power = {0, 1}},
    [POUND] = {.factor = "45359237/100000000", .power = {0, 1}},
    [OUNCE] = {.factor = "45359237/1600000000", .power = {0, 1}},
    [TON] = {.factor = "45359237/50000", .power = {0, 1}},
    [TONNE] = {.factor = "1000", .power = {0, 1}},
    [SECOND] = {.factor = "1", .power = {0, 0, 1}},
    [MILLISECOND] = {.factor = "1/1000", .power = {0, 0, 1}},
    [MINUTE] = {.factor = "60", .power = {0, 0, 1}},
    [HOUR] = {.factor = "3600", .power = {0, 0, 1}},
    [DAY] = {.factor = "86400", .power = {0, 0, 1}},
    [WEEK] = {.factor = "604800", .power = {0, 0, 1}},
    [MONTH] = {.factor = "1", .power = {[CALENDAR] = 1}},
    [YEAR] = {.factor = "12", .power = {[CALENDAR] = 1}},
    [DECADE] = {.factor = "120", .power = {[CALENDAR] = 1}},
    [CENTURY] = {.factor = "1200", .power = {[CALENDAR] = 1}},
    [MPH] = {.factor = "1397/3125", .power = {1, 0, -1}},
    [KPH] = {.factor = "5/18", .power = {1, 0, -1}},
    [LITER] = {.factor = "1/1000", .power = {3}},
    [MILLILITER] = {.factor = "1/1000000", .power = {3}},
    [CENTILITER] = {.factor = "1/100000", .power = {3}},
    [DECILITER] = {.factor = "1/10000", .power = {3}},
    [KILOLITER] = {.factor = "1", .power = {3}},
    [GALLON] = {.factor = "473176473/125000000000", .power = {3}},
    [QUART] = {.factor = "473176473/500000000000", .power = {3}},
    [PINT] = {.factor = "473176473/1000000000000", .power = {3}},
    [CUP] = {.factor = "473176473/2000000000000", .power = {3}},
    [FLUID_OUNCE] = {.factor = "473176473/16000000000000", .power = {3}},
    [TABLESPOON] = {.factor = "473176473/32000000000000", .power = {3}},
    [TEASPOON] = {.factor = "473176473/96000000000000", .power = {3}},
    [NEWTON] = {.factor = "1", .power = {1, 1, -2}},
    [JOULE] = {.factor = "1", .power = {2, 1, -2}},
    [KILOJOULE] = {.factor = "1000", .power = {2, 1, -2}},
    [WATT] = {.factor = "1", .power = {2, 1, -3}},
    [KILOWATT] = {.factor = "1000", .power = {2, 1, -3}},
    [KILOWATT_HOUR] = {.factor = "3600000", .power = {2, 1, -2}},
    [PASCAL] = {.factor = "1", .power = {-1, 1, -2}},
    [KILOPASCAL] = {.factor = "1000", .power = {-1, 1, -2}},
    [BAR] = {.factor = "100000", .power = {-1, 1, -2}},
    [ATMOSPHERE] = {.factor = "101325", .power = {-1, 1, -2}},
    [PSI] = {.factor = "8896443230521/1290320000", .power = {-1, 1, -2}},
    [CALORIE] = {.factor = "523/125", .power = {2, 1, -2}}, /* the thermochemical one */
    [ELECTRONVOLT] = {.factor = "801088317/5000000000000000000000000000", .power = {2, 1, -2}},
    [WATT_HOUR] = {.factor = "3600", .power = {2, 1, -2}},
    [KNOT] = {.factor = "463/900", .power = {1, 0, -1}},
    [FARAD] = {.factor = "1", .power = {-2, -1, 4, 2}},
    [HENRY] = {.factor = "1", .power = {2, 1, -2, -2}},
    [HERTZ] = {.factor = "1", .power = {0, 0, -1}},
    [VOLT] = {.factor = "1", .power = {2, 1, -3, -1}},
    [AMPERE] = {.factor = "1", .power = {0, 0, 0, 1}},
    [OHM] = {.factor = "1", .power = {2, 1, -3, -2}},
    [KELVIN] = {.factor = "1", .zero_at = "0", .power = {[HEAT] = 1}},
    [CELSIUS] = {.factor = "1", .zero_at = "5463/20", .power = {[HEAT] = 1}},
    [FAHRENHEIT] = {.factor = "5/9", .zero_at = "45967/180", .power = {[HEAT] = 1}},
    [MOLE] = {.factor = "1", .power = {[AMOUNT] = 1}},
    [DEGREE] = {.factor = "1", .power = {[ANGLE] = 1}},
    [ARC_MINUTE] = {.factor = "1/60", .power = {[ANGLE] = 1}},
    [ARC_SECOND] = {.factor = "1/3600", .power = {[ANGLE] = 1}},
    [RADIAN] = {.factor = "1", .power = {[ANGLE] = 1}, .half_turns = true},
    [TURN] = {.factor = "360", .power = {[ANGLE] = 1}},
    [BIT] = {.factor = "1", .power = {[DATA] = 1}},
    [BYTE] = {.factor = "8", .power = {[DATA] = 1}},
    [USD] = {.factor = "1", .power = {[DOLLAR] = 1}},
    [US_CENT] = {.factor = "1/100", .power = {[DOLLAR] = 1}},
    [EUR] = {.factor = "1", .power = {[EURO] = 1}},
    [EURO_CENT] = {.factor = "1/100", .power = {[EURO] = 1}},
    [GBP] = {.factor = "1", .power = {[STERLING] = 1}},
    [PENNY] = {.factor = "1/100", .power = {[STERLING] = 1}},
    [INR] = {.factor = "1", .power = {[RUPEE] = 1}},
    [JPY] = {.factor = "1", .power = {[YEN] = 1}},
    [KRW] = {.factor = "1", .power = {[WON] = 1}},
    [RUB] = {.factor = "1", .power = {[RUBLE] = 1}},
};

/* Sorted; a plural s is taken off. Some words have two meanings. */
static const struct name {
    const char *word;
    unsigned char means, also;
} names[] = {
    {"acre", ACRE, 0},
    {"amp", AMPERE, 0},
    {"ampere", AMPERE, 0},
    {"atm", ATMOSPHERE, 0},
    {"bit", BIT, 0},
    {"byte", BYTE, 0},
    {"calorie", CALORIE, 0},
    {"cc", MILLILITER, 0},
    {"celsius", CELSIUS, 0},
    {"cent", US_CENT, EURO_CENT},
    {"centigrade", CELSIUS, 0},
    {"centiliter", CENTILITER, 0},
    {"centilitre", CENTILITER, 0},
    {"centimeter", CENTIMETER, 0},
    {"centimetre", CENTIMETER, 0},
    {"centuries", CENTURY, 0},
    {"century", CENTURY, 0},
    {"cl", CENTILITER, 0},
    {"cm", CENTIMETER, 0},
    {"cup", CUP, 0},
    {"day", DAY, 0},
    {"decade", DECADE, 0},
    {"deciliter", DECILITER, 0},
    {"decilitre", DECILITER, 0},
    {"decimeter", DECIMETER, 0},
    {"decimetre", DECIMETER, 0},
    {"deg", DEGREE, 0},
    {"degree", DEGREE, 0},
    {"dl", DECILITER, 0},
    {"dm", DECIMETER, 0},
    {"dollar", USD, 0},
    {"eur", EUR, 0},
    {"euro", EUR, 0},
    {"fahrenheit", FAHRENHEIT, 0},
    {"feet", FOOT, 0},
    {"foot", FOOT, 0},
    {"ft", FOOT, 0},
    {"g", GRAM, 0},
    {"gal", GALLON, 0},
    {"gallon", GALLON, 0},
    {"gbp", GBP, 0},
    {"gm", GRAM, 0},
    {"gram", GRAM, 0},
    {"h", HOUR, 0},
    {"ha", HECTARE, 0},
    {"hectare", HECTARE, 0},
    {"hertz", HERTZ, 0},
    {"hour", HOUR, 0},
    {"hr", HOUR, 0},
    {"hz", HERTZ, 0},
    {"in", INCH, 0},
    {"inch", INCH, 0},
    {"inches", INCH, 0},
    {"inr", INR, 0},
    {"j", JOULE, 0},
    {"joule", JOULE, 0},
    {"jpy", JPY, 0},
    {"k", KELVIN, 0},
    {"kelvin", KELVIN, 0},
    {"kg", KILOGRAM, 0},
    {"kilogram", KILOGRAM, 0},
    {"kilojoule", KILOJOULE, 0},
    {"kiloliter", KILOLITER, 0},
    {"kilolitre", KILOLITER, 0},
    {"kilometer", KILOMETER, 0},
    {"kilometre", KILOMETER, 0},
    {"kilowatt", KILOWATT, 0},
    {"kj", KILOJOULE, 0},
    {"km", KILOMETER, 0},
    {"kmh", KPH, 0},
    {"kmph", KPH, 0},
    {"knot", KNOT, 0},
    {"kpa", KILOPASCAL, 0},
    {"kph", KPH, 0},
    {"krw", KRW, 0},
    {"kw", KILOWATT, 0},
    {"kwh", KILOWATT_HOUR, 0},
    {"l", LITER, 0},
    {"lb", POUND, 0},
    {"liter", LITER, 0},
    {"litre", LITER, 0},
    {"m", METER, MINUTE},
    {"meter", METER, 0},
    {"metre", METER, 0},
    {"mg", MILLIGRAM, 0},
    {"mi", MILE, 0},
    {"micrometer", MICROMETER, 0},
    {"mile", MILE, 0},
    {"milligram", MILLIGRAM, 0},
    {"milliliter", MILLILITER, 0},
    {"millilitre", MILLILITER, 0},
    {"millimeter", MILLIMETER, 0},
    {"millimetre", MILLIMETER, 0},
    {"millisecond", MILLISECOND, 0},
    {"min", MINUTE, 0},
    {"minute", MINUTE, ARC_MINUTE},
    {"ml", MILLILITER, 0},
    {"mm", MILLIMETER, 0},
    {"mol", MOLE, 0},
    {"mole", MOLE, 0},
    {"month", MONTH, 0},
    {"mph", MPH, 0},
    {"ms", MILLISECOND, 0},
    {"n", NEWTON, 0},
    {"nanometer", NANOMETER, 0},
    {"newton", NEWTON, 0},
    {"nm", NANOMETER, 0},
    {"ohm", OHM, 0},
    {"ounce", OUNCE, FLUID_OUNCE},
    {"oz", OUNCE, FLUID_OUNCE},
    {"pa", PASCAL, 0},
    {"pascal", PASCAL, 0},
    {"pence", PENNY, 0},
    {"pint", PINT, 0},
    {"pound", POUND, GBP},
    {"psi", PSI, 0},
    {"quart", QUART, 0},
    {"rad", RADIAN, 0},
    {"radian", RADIAN, 0},
    {"revolution", TURN, 0},
    {"rs", INR, 0},
    {"rub", RUB, 0},
    {"ruble", RUB, 0},
    {"rupee", INR, 0},
    {"s", SECOND, 0},
    {"sec", SECOND, 0},
    {"second", SECOND, ARC_SECOND},
    {"sterling", GBP, 0},
    {"t", TONNE, TON},
    {"tablespoon", TABLESPOON, 0},
    {"tbsp", TABLESPOON, 0},
    {"teaspoon", TEASPOON, 0},
    {"ton", TON, TONNE},
    {"tonne", TONNE, 0},
    {"tsp", TEASPOON, 0},
    {"usd", USD, 0},
    {"v", VOLT, 0},
    {"volt", VOLT, 0},
    {"w", WATT, 0},
    {"watt", WATT, 0},
    {"week", WEEK, 0},
    {"won", KRW, 0},
    {"yard", YARD, 0},
    {"yd", YARD, 0},
    {"year", YEAR, 0},
    {"yen", JPY, 0},
    {"yr", YEAR, 0},
};

#define N_NAMES   (sizeof names / sizeof *names)
#define WORD_SIZE 16

bool units_sorted(void)
{
    for (size_t i = 1; i < N_NAMES; i++)
        if (strcmp(names[i - 1].word, names[i].word) >= 0) return false;
    return true;
}

static const struct name *name_exact(const char *word)
{
    size_t lo = 0, hi = N_NAMES;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int order = strcmp(word, names[mid].word);
        if (order == 0) return &names[mid];
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

static const struct name *name_of(const char *s, size_t n)
{
    char word[WORD_SIZE];
    if (n == 0 || n >= sizeof word) return NULL;
    for (size_t i = 0; i < n; i++) word[i] = (char)tolower((unsigned char)s[i]);
    word[n] = 0;
    const struct name *found = name_exact(word);
    if (found || n < 3 || word[n - 1] != 's') return found;
    word[n - 1] = 0;
    return name_exact(word);
}

/* Symbols as they are written, also behind the prefixes of the International System; what stands in the table
 * of words is taken from there. */
static const struct name symbols[] = {
    {"A", AMPERE, 0},
    {"B", BYTE, 0},
    {"F", FARAD, 0},
    {"H", HENRY, 0},
    {"Hz", HERTZ, 0},
    {"J", JOULE, 0},
    {"K", KELVIN, 0},
    {"L", LITER, 0},
    {"N", NEWTON, 0},
    {"Pa", PASCAL, 0},
    {"V", VOLT, 0},
    {"W", WATT, 0},
    {"Wh", WATT_HOUR, 0},
    {"b", BIT, 0},
    {"bar", BAR, 0},
    {"cal", CALORIE, 0},
    {"eV", ELECTRONVOLT, 0},
    {"g", GRAM, 0},
    {"m", METER, 0},
    {"mol", MOLE, 0},
    {"s", SECOND, 0},
};

/* The symbol, also behind a prefix, whose power of ten is *tens. F alone is a temperature, b a letter. */
static const struct name *symbol_of(const char *s, size_t n, int *tens)
{
    static const char prefixes[] = "nmkMGT";
    static const int powers[] = {-9, -3, 3, 6, 9, 12};
    if (n == 1 && (*s == 'F' || *s == 'b')) return NULL;
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        size_t k = strlen(symbols[i].word);
        const char *prefix = n == k + 1 ? strchr(prefixes, *s) : NULL;
        if ((n != k && !prefix) || memcmp(s + n - k, symbols[i].word, k) != 0) continue;
        *tens = prefix ? powers[prefix - prefixes] : 0;
        return &symbols[i];
    }
    return NULL;
}

static const char *const squares[] = {"square", "sq", NULL}, *const cubes[] = {"cubic", "cu", NULL};

bool unit_word_known(const char *s, size_t n)
{
    return n > 1 && (name_of(s, n) || is_among(s, n, squares) || is_among(s, n, cubes));
}

bool unit_letter_known(const char *s)
{
    return strchr("mghstlLNJWVK", *s) && *s; /* as the symbols are written: n is no newton */
}

void unit_release(struct unit *u)
{
    fmpq_clear(u->factor);
    fmpq_clear(u->zero_at);
}

/* tens: of the prefix. */
static void apply(struct unit *u, const struct name *name, int tens, bool other, long power)
{
    const struct measure *k = &measures[other && name->also ? name->also : name->means];
    fmpq_t f;
    fmpq_init(f);
    fmpq_set_si(f, 10, 1);
    fmpq_pow_si(f, f, tens * power);
    fmpq_mul(u->factor, u->factor, f);
    fmpq_set_str(f, k->factor, 10);
    fmpq_pow_si(f, f, power);
    fmpq_mul(u->factor, u->factor, f);
    fmpq_clear(f);
    for (int i = 0; i < UNIT_BASES; i++) u->power[i] += (int)power * k->power[i];
    if (k->half_turns) u->half_turns += (int)power;
    u->two_meanings = u->two_meanings || name->also;
    if (u->words++ == 0 && power == 1 && k->zero_at) fmpq_set_str(u->zero_at, k->zero_at, 10);
    u->scale = u->words == 1 && power == 1 && k->zero_at;
    u->degrees = u->words == 1 && power == 1 && name->means == DEGREE;
    if (!u->scale) fmpq_zero(u->zero_at);
}

/* "degrees C": the scale of a temperature that the next word names; NULL if there is none. */
static const struct name *scale_behind(const char *s)
{
    while (*s == ' ' || *s == '.') s++;
    size_t n = 0;
    while (isalpha((unsigned char)s[n])) n++;
    if (n == 1 && (*s == 'C' || *s == 'F')) return name_exact(*s == 'C' ? "celsius" : "fahrenheit");
    const struct name *name = name_of(s, n);
    return name && measures[name->means].zero_at ? name : NULL;
}

bool unit_read(const char *words, bool other, struct unit *u)
{
    static const char *const squared[] = {"squared", NULL}, *const cubed[] = {"cubed", NULL};
    static const char *const per[] = {"per", "a", "an", NULL};
    long sign = 1, next = 1;
    int tens = 0;
    const struct name *last = NULL;
    memset(u, 0, sizeof *u);
    fmpq_init(u->factor);
    fmpq_init(u->zero_at);
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
        if (strncmp(s, "ms^-", 4) == 0) n = 1; /* metres a second: nobody counts by milliseconds */
        const struct name *name = name_of(s, n), *scale;
        if (name)
            tens = 0;
        else
            name = symbol_of(s, n, &tens);
        if (is_among(s, n, squares)) {
            next = 2;
        } else if (is_among(s, n, cubes)) {
            next = 3;
        } else if (is_among(s, n, per) && last) {
            sign = -1;
        } else if (last && (is_among(s, n, squared) || is_among(s, n, cubed))) {
            apply(u, last, tens, other, sign * (is_among(s, n, squared) ? 1 : 2));
        } else if (!name) {
            return false;
        } else if (name->means == DEGREE && (scale = scale_behind(s + n))) {
            apply(u, scale, 0, other, sign);
            last = scale;
            s += n + strspn(s + n, " .");
            n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
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
            apply(u, name, tens, other, sign * power);
            last = name;
            next = 1;
        }
        s += n;
    }
    return last != NULL;
}

bool unit_ratio(const char *large, const char *small, fmpq_t out)
{
    bool found = false;
    for (int meaning = 0; meaning < 4 && !found; meaning++) {
        struct unit u, v;
        bool known = unit_read(large, meaning & 1, &u);
        known = unit_read(small, meaning >> 1, &v) && known;
        if (known && memcmp(u.power, v.power, sizeof u.power) == 0 && u.half_turns == v.half_turns &&
            !u.scale && !v.scale && fmpq_cmp(u.factor, v.factor) > 0) {
            fmpq_div(out, u.factor, v.factor);
            found = true;
        }
        unit_release(&u);
        unit_release(&v);
    }
    return found;
}
