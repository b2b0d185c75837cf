/* verify_int.h: what the files of this room share: the tree of a formula, its making and its judging.
 *
 * The way of an answer: extract.c finds it in the text; clean.c gives it one spelling (ASCII with LaTeX's
 * commands); lexer.c makes tokens; parse_*.c makes the tree; expand.c computes what has one exact meaning
 * (matrix products, derivatives, gcd, both signs of \pm); compare.c holds two trees together by kind, and
 * calls equal.c for numbers and expressions, which asks exact.c, modular.c, poly.c, numeric.c and bound.c
 * in turn.
 *
 * All trees of one verdict live in one struct work, which counts nodes and steps: past a limit nothing
 * more is made, every function fails, and the verdict is "undecided" with work.over as the reason.
 */
#ifndef VERIFY_VERIFY_INT_H
#define VERIFY_VERIFY_INT_H

#include <fmpq.h>
#include <fmpq_poly.h>
#include <acb.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "verify/verify.h"

#define FORMULA_BYTES_MAX ((size_t)1 << 16)
#define NODES_MAX         200000
#define STEPS_MAX         400000 /* of evaluation: a node visited once is one step */
#define DEPTH_MAX         1000   /* of the parser: two for each level of \frac or of brackets that matter */
#define TREE_DEPTH_MAX    1500   /* of a tree, and so of every walk over one */
#define EXACT_BITS_MAX    (1 << 22) /* of an exact numerator or denominator */
#define NAMES_MAX         12        /* different variables in one comparison */

/* ---- trees: tree.c ------------------------------------------------------------------------------------ */

enum kind {
    K_NUM,     /* q */
    K_SYM,     /* name */
    K_CONST,   /* op: enum constant */
    K_ADD,     /* args */
    K_MUL,     /* args */
    K_NEG,     /* a */
    K_DIV,     /* a, b */
    K_POW,     /* a, b */
    K_ROOT,    /* a, n: the real n-th root where there is one */
    K_FN,      /* op: enum function; args */
    K_APPLY,   /* name: a function that nothing is known of; args */
    K_PM,      /* op '+' or '-' (the upper sign); a, b */
    K_PERCENT, /* a: a hundredths */
    K_DEGREE,  /* a */
    K_UNIT,    /* a, name: the words behind it */
    K_BASED,   /* value, digits as a decimal number, base */
    K_RATIO,   /* a : b : ... */
    K_MOD,     /* a, m: a with the remark (mod m) */
    K_TEXT,    /* name: words */
    K_SEQ,     /* op: opening bracket, 0 if bare; rows: closing bracket; items */
    K_MATRIX,  /* rows; entries row by row */
    K_REL,     /* name: the relations' signs, one byte each (enum relation); members */
    K_SETOP,   /* op: 'u' 'n' '\\'; a, b; '^': R^2 */
    K_NUMSET,  /* op: 'R' 'Z' 'Q' 'N' 'C', 'E' the empty set */
    K_BUILDER, /* element, condition */
    K_CASES,   /* value, condition, value, condition...; condition NULL-like: the symbol "otherwise" */
    K_ELLIPSIS
};
enum constant { C_PI, C_E, C_I, C_INF, C_UNDEFINED };
enum relation {
    R_EQ = 1,
    R_NE,
    R_LT,
    R_GT,
    R_LE,
    R_GE,
    R_APPROX,
    R_IN,
    R_NOTIN,
    R_EQUIV,
    R_SUBSET,
    R_OTHER, /* of words; from here on nothing is known of a relation but its name and its other direction */
    R_NI,
    R_SUPSET,
    R_PERP,
    R_PARALLEL,
    R_SIM,
    R_CONG,
    R_PROPTO,
    R_LL,
    R_GG,
    R_PREC,
    R_SUCC,
    R_PRECEQ,
    R_SUCCEQ,
    R_IMPLIES, /* arrows, between whole lists */
    R_IMPLIED,
    R_IFF,
    R_TO,
    R_FROM,
    R_BOTH_WAYS,
    R_MAPS_TO,
    RELATIONS,
    R_NOT = 64 /* added to one whose negation has no name of its own */
};
enum function {
    F_NONE,
    F_SIN,
    F_COS,
    F_TAN,
    F_COT,
    F_SEC,
    F_CSC,
    F_ASIN,
    F_ACOS,
    F_ATAN,
    F_ACOT,
    F_ASEC,
    F_ACSC,
    F_SINH,
    F_COSH,
    F_TANH,
    F_COTH,
    F_SECH,
    F_CSCH,
    F_ASINH,
    F_ACOSH,
    F_ATANH,
    F_EXP,
    F_LN,
    F_LOG /* x, base */,
    F_ABS,
    F_FLOOR,
    F_CEIL,
    F_ROUND,
    F_SIGN,
    F_FACT,
    F_FACT2,
    F_BINOM,
    F_PERM,
    F_GAMMA,
    F_GCD,
    F_LCM,
    F_MIN,
    F_MAX,
    F_MODULO,
    F_RE,
    F_IM,
    F_ARG,
    F_CONJ,
    F_CIS,
    F_DET,
    F_TRACE,
    F_TRANSPOSE,
    F_NORM,
    F_SUM /* body var lo hi */,
    F_PROD,
    F_INT /* body var [lo hi] */,
    F_LIM /* body var to */,
    F_DIFF /* body var */,
    F_VEC,
    F_BAR
};

struct node {
    unsigned char kind, op;
    bool decimal;  /* K_NUM: written with a decimal point */
    bool ellipsis; /* K_NUM: digits broken off by dots */
    short rows, depth;
    int n;
    uint64_t hash;
    struct node **arg;
    const char *name;
    fmpq_t q;
    struct node *next_number;
};

struct work {
    struct arena arena;
    int nodes, steps;
    struct node *numbers; /* chain of all K_NUM, whose q must be cleared */
    const char *over;     /* the limit that was passed; NULL while none was */
    const struct verify_params *p;
    struct explain *explain; /* explain.h; NULL unless the way to the verdict is to be shown */
};
void work_init(struct work *w, const struct verify_params *p);
void work_release(struct work *w);
bool work_step(struct work *w, int steps);      /* false when the limit is passed */
void *work_alloc(struct work *w, size_t bytes); /* NULL when the limit is passed */
char *work_text(struct work *w, const char *s, size_t n);

/* NULL arguments give NULL, so that a failure runs up by itself. */
struct node *node_num(struct work *w, const fmpq_t q);
struct node *node_int(struct work *w, long v);
struct node *node_sym(struct work *w, const char *name);
struct node *node_const(struct work *w, enum constant c);
struct node *node_of(struct work *w, enum kind kind, int op, struct node *const *args, int n);
struct node *node_1(struct work *w, enum kind kind, int op, struct node *a);
struct node *node_2(struct work *w, enum kind kind, int op, struct node *a, struct node *b);
struct node *node_named(struct work *w, enum kind kind, const char *name, struct node *const *args, int n);
/* A copy of n with other arguments. */
struct node *node_with(struct work *w, const struct node *n, struct node *const *args, int count);
bool node_same(const struct node *a, const struct node *b);
bool node_is_int(const struct node *n, long v);
bool node_has(const struct node *n, enum kind kind);
bool node_has_fn(const struct node *n, enum function f);
bool node_has_decimal(const struct node *n);
bool node_has_const(const struct node *n, enum constant c);
bool node_uses(const struct node *n, const char *name);
/* n with every symbol `name` replaced. */
struct node *node_replace(struct work *w, struct node *n, const char *name, struct node *by);
void node_print(const struct node *n, struct str *out); /* one line, fully bracketed where needed */
void rational_print(const fmpq_t q, struct str *out);   /* a long one in words */
/* A line for each node, moved in under its parent; all but the first line begin with `indent` blanks. */
void node_draw(const struct node *n, struct str *out, int indent);

struct names {
    const char *name[NAMES_MAX];
    int n;
    bool many; /* more than fit */
};
void names_free_in(const struct node *n, struct names *out); /* adds the free symbols, sorted as found */
bool is_arrow(const struct node *n);      /* p \Rightarrow q */
bool is_expression(const struct node *n); /* a number or formula, no list, set, relation, text */

/* ---- reading: clean.c, tables.c, lexer.c, parse*.c ---------------------------------------------------- */

enum style { STYLE_LATEX, STYLE_PLAIN };
/* Unicode signs become ASCII or LaTeX commands, Markdown stars and invisible characters vanish. */
void clean_math(const char *s, size_t n, enum style style, struct str *out);
/* For comparing text as text: markup and blanks gone, case folded when longer than one letter. */
void clean_text(const char *s, size_t n, struct str *out);
bool is_among(const char *s, size_t n, const char *const *all); /* one of these, up to NULL, any case */
bool ascii_word_at(const char *s, size_t n, const char *word); /* whole word, any case */

/* NULL when it is no formula (why says so) or a limit was passed. The text is cleaned first. */
struct node *math_parse(struct work *w, const char *s, size_t n, enum style style, const char **why);
/* Is a whole text mere words (dog, n is even), which no product of letters is meant by? */
bool is_wording(const char *s, size_t n);
/* Bytes at the beginning of (cleaned) plain text that look like mathematics rather than prose. */
size_t math_prefix(struct work *w, const char *s, size_t n);
/* Bytes of the command of a currency at s, and of the blanks behind it; 0. */
size_t money_at(const char *s, size_t n);

/* ---- clause.c ------------------------------------------------------------------------------------------ */

struct word {
    const char *p;
    size_t n;
};
/* Words of letters, with the apostrophes and slashes inside them; at most max. Their number. */
int clause_words(const char *s, size_t n, struct word *out, int max);
struct clause {
    size_t begin, end;
};
/* The clause of running text in which s[from..to) stands, beginning with the word that joins it on. */
struct clause clause_around(const char *s, size_t n, size_t from, size_t to);
bool gives_reason(const char *s, size_t n); /* because, if, while: such a clause names no answer */
bool is_predicate(const char *s, size_t n); /* is, has, would: does a verb stand here? */
/* "a guess", "I think": is the letter at s an article or a pronoun rather than a name or a choice? */
bool is_article(const char *s, size_t n);

/* ---- phrase.c ------------------------------------------------------------------------------------------ */

/* What words beside a number make of it: 0 when they say nothing about its value; R_LT, R_LE, R_GT, R_GE: a
 * bound; R_NE: it is denied; R_OTHER: one of several, or computed with. */
int phrase_before(const char *s, size_t n);
bool is_crossed(const char *s, size_t n); /* a cross says "wrong" */
int phrase_behind(const char *s, size_t n, size_t *at, size_t *length); /* where these words stand */
/* The same of the clause c in which the number s[from..to) stands, or of its clause in running text. */
int phrase_in(const char *s, struct clause c, size_t from, size_t to);
int phrase_around(const char *s, size_t n, size_t from, size_t to);
/* Does the sentence deny or only suppose what s[at..) then claims: "it is wrong that the answer is", "if"? */
bool claim_denied(const char *s, size_t at);
/* Do the words at s, behind a comma, still speak of the number in front: "or 6", "plus or minus 8"? */
bool phrase_continues(const char *s, size_t n);
/* The unknown of a relation that names none: "less than 12". */
#define UNNAMED "?"

/* ---- number_words.c ------------------------------------------------------------------------------------ */

/* The number that words write out at the beginning of a text (twelve, two thirds); its bytes, 0: none. */
size_t number_words(const char *s, size_t n, fmpq_t out);
/* hundred, million, dozen: what they multiply by; 0. */
long scale_word(const char *s, size_t n, size_t *length);

/* ---- units.c ------------------------------------------------------------------------------------------- */

/* A known unit as a factor of powers of base units; unknown words are no unit (false). A word of two meanings
 * (pound, m) is taken in its first one, or in the other. */
#define UNIT_BASES 16
struct unit {
    fmpq_t factor, zero_at; /* zero_at: what the scale of a temperature begins with */
    int power[UNIT_BASES];
    int half_turns; /* powers of 180/pi in the factor: radians */
    int words;
    bool scale;   /* of a temperature */
    bool degrees; /* alone: of an angle, or of a temperature on any scale */
    bool two_meanings;
};
bool unit_read(const char *words, bool other, struct unit *out); /* unit_release in any case */
void unit_release(struct unit *u);
/* How many of the unit `small` make one `large`, when both measure the same and large is the larger. */
bool unit_ratio(const char *large, const char *small, fmpq_t out);
bool units_sorted(void);
bool unit_word_known(const char *s, size_t n); /* of two letters and more */
char half_of_day(const char *words); /* a or p for a.m. and p.m. in any spelling; 0 (quantity.c) */
bool unit_letter_known(const char *s);         /* the symbol of a unit that is one letter */

/* ---- computing: expand.c, exact.c, modular.c, poly.c, numeric.c, breaks.c, bound.c ------------------- */

/* What has one exact meaning is computed: matrices, determinants, derivatives, gcd, percent, units. */
struct node *expand(struct work *w, struct node *n);
struct node *called_count(struct work *w, struct node *n); /* C(10, 2) as a binomial; else n */
#define SIGNS_MAX 16
/* The variants of an expression with \pm; out takes up to max. */
int expand_signs(struct work *w, struct node *n, struct node **out, int max);
struct node *derivative(struct work *w, const struct node *n, const char *var); /* NULL: not known */
struct node *matrix_value(struct work *w, struct node *n); /* a K_MATRIX, or NULL when n is none */
struct node *determinant(struct work *w, const struct node *m);

/* The exact rational value; false if there is none or it is too large. */
bool exact_value(struct work *w, const struct node *n, fmpq_t out);
bool exact_integer(struct work *w, const struct node *n, fmpz_t out);

enum truth { NO, YES, UNKNOWN };
/* Are a and b the same rational function of their symbols and of what is not rational in them? YES errs
 * with a probability below 2^-100; NO is a proof only when nothing else than symbols was in them. */
enum truth modular_same(struct work *w, const struct node *a, const struct node *b, bool *proof);
/* By expansion into polynomials; UNKNOWN when that would be large. */
enum truth poly_same(struct work *w, const struct node *a, const struct node *b);
/* Are the numerators of a and b proportional? *sign of the factor when it is a constant ratio of a to b. */
enum truth poly_proportional(struct work *w, const struct node *a, const struct node *b);
/* a as a polynomial in one variable: its coefficients, lowest first, at most max. -1 if it is none. */
int poly_coefficients(struct work *w, const struct node *a, const char *var, fmpq *out, int max);
/* a as a quotient of polynomials in one variable alone. */
bool poly_quotient(struct work *w, const struct node *a, const char *var, fmpq_poly_t num, fmpq_poly_t den);

struct env {
    const char *name[NAMES_MAX + 8];
    acb_struct value[NAMES_MAX + 8];
    int n;
};
struct eval {
    struct work *w;
    struct env *env;
    slong prec;
    bool complex; /* roots of negative numbers are principal values */
    bool real;    /* what is not real has no value, also on the way: sqrt(x) sqrt(y) for negative x, y */
    /* Grows by the bits by which terms were smaller than others they were added to, and by the smallness of
     * arguments: a difference may hide so far below the leading bit. */
    slong hidden;
    bool limited; /* a value was too large to be computed, and may well exist; or cases gave two values */
    bool outside; /* no condition of some cases holds here */
};
/* The sizes of terms, as log2: their sum hides most - least bits. */
struct spread {
    slong least, most;
    bool any;
};
void spread_see(struct spread *s, const acb_t x);
bool eval_node(struct eval *v, const struct node *n, acb_t out); /* false: undefined, or not to be computed */
bool eval_big(struct eval *v, const struct node *n, acb_t out);  /* sums, products, integrals, limits */
bool series_value(struct eval *v, const struct node *n, acb_t out); /* series.c: sums up to infinity */
int eval_condition(struct eval *v, const struct node *rel);      /* 1, 0, or -1 when it cannot be said */
#define BREAK_POINTS_MAX 150
struct break_point {
    arf_struct x; /* to be cleared */
    bool near;    /* beside a break: it stands for a whole piece */
    bool on;      /* the break itself, which stands for no piece */
};
/* Points of the only variable of v's environment on both sides of where the pieces of two formulas meet. */
int breaks_between(struct eval *v, struct node *const pair[2], struct break_point out[BREAK_POINTS_MAX]);
bool env_push(struct env *e, const char *name);
void env_pop(struct env *e);

/* log2 of a number below which |n| is zero if it is algebraic and n is built as here; false if not known. */
bool zero_bound(struct work *w, const struct node *n, double *log2_bound);

/* ---- judging: equal.c, realset.c, relation.c, text_match.c, choice.c, compare.c ----------------------- */

/* What an answer "equal" rests on beside exact comparison: conventions, and criteria that are no proofs. */
enum rests {
    RESTS_ROUNDING = 1,
    RESTS_BROKEN_OFF = 2,
    RESTS_RESIDUES = 4,
    RESTS_POINTS = 8,
    RESTS_DIGITS = 16,
    RESTS_QUADRATURE = 32
};
struct judge {
    struct work *w;
    char reason[224]; /* what decided last */
    int said;         /* how often something was said */
    unsigned rests;   /* enum rests of what was found equal */
    int depth;
};
void judge_say(struct judge *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Numbers and expressions without units, percent, lists. */
enum truth equal_expression(struct judge *j, struct node *g, struct node *a);
/* -1, 0, 1 of a - b, both closed and real; 2 when it cannot be said. */
int order_of(struct judge *j, struct node *a, struct node *b);

struct piece {
    struct node *lo, *hi; /* NULL: unbounded */
    bool lo_in, hi_in;
};
struct realset {
    struct piece piece[32];
    int n;
    bool whole; /* only the whole numbers in the pieces */
};
bool realset_of(struct judge *j, struct node *n, struct realset *out); /* from intervals */
bool realset_from_relation(struct judge *j, struct node *n, const char **var, struct realset *out);
enum truth realset_same(struct judge *j, struct realset *a, struct realset *b);
/* \{n^2 : n in Z, |n| < 3\} with its elements written out; n when they are not finitely many. */
struct node *builder_listed(struct judge *j, struct node *n);

enum truth relation_same(struct judge *j, struct node *g, struct node *a);
bool is_index(const char *name); /* a letter that counts by convention (tails.c) */
enum truth text_same(struct judge *j, const char *g, const char *a);
bool choice_letters(const char *s, unsigned *set); /* "A, C" or "AC": bits of the letters */
/* A number times letters that are all symbols of units: 10 m/s. */
bool is_unit_product(struct work *w, struct node *n);
/* The whole: lists, sets, relations, expressions, words. */
enum truth compare_nodes(struct judge *j, struct node *g, struct node *a);

/* ---- finding: delimit.c, extract.c -------------------------------------------------------------------- */

/* Values side by side: 1, 2 and 3; 1/2 or 0.5; 2/7, or about 28.6%. */
enum join { APART, LISTED, RESTATED, ROUNDED };
struct span {
    size_t at, n, end; /* content; end: behind the closing mark and a percent sign */
    size_t from;       /* of a box: its backslash */
    bool percent, box;
    enum join join; /* to the one in front */
};
enum want { WANT_ANY, WANT_NUMBER, WANT_TEXT, WANT_CHOICE };
struct candidate {
    const char *p; /* into finder.text or finder.owned */
    size_t n;
    enum style style;
    bool percent;
    int relation;     /* that the words around make of it (phrase.c); 0: they say nothing */
    bool box;         /* final: nothing behind it is looked at when it can be read */
    const char *rule; /* static */
};
#define CANDIDATES_MAX 8
struct finder {
    char *text; /* owned: without its reasoning */
    size_t n;
    char *owned[CANDIDATES_MAX];
    int n_owned;
    struct candidate found[CANDIDATES_MAX];
    int count;
    const char *none; /* why nothing was found */
    struct work *w;
    const struct verify_params *p;
    enum want want;
    const char *const *pair; /* of words, when the gold is one: yes and no */
};
/* The places where the answer may stand, best first. Release in any case. */
void find_answers(struct finder *f, const char *text, bool gold);
void finder_release(struct finder *f);
/* The letters that running text chooses; behind "the answer is"; 0: none. */
unsigned choice_said(const char *s, size_t n);
unsigned choice_behind(const char *s, size_t n);
/* yes and no, true and false, valid and invalid: the two words of which this text is one; NULL. */
const char *const *truth_pair(const char *s, size_t n);
/* The word of the pair that running text says, the last time; NULL. */
const char *truth_said(const char *s, size_t n, const char *const *pair);
/* The letter, or letters, of a choice at the beginning of a text: "(B) 12" (not alone), "A, C" (alone). 0
 * if none. */
unsigned choice_at(const char *s, size_t n, bool *alone);

#endif
