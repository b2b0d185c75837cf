/* parse_int.h: what the lexer and the parser's files share. */
#ifndef VERIFY_PARSE_INT_H
#define VERIFY_PARSE_INT_H

#include "verify/verify_int.h"

enum token_kind {
    T_END,
    T_NUM,   /* node */
    T_SYM,   /* text */
    T_CONST, /* value: enum constant */
    T_FN,    /* value: enum function; F_NONE: text, a name of which nothing else is known */
    T_FRAC,
    T_SQRT, /* value: 3 for \cbrt */
    T_BINOM,
    T_CHOOSE, /* {a \choose b} */
    T_OVER,   /* {a \over b} */
    T_BIG,    /* value: F_SUM, F_PROD, F_INT, F_LIM */
    T_OP,     /* value: + - * / ^ _ ! | N(orm) : ' */
    T_PM,     /* value: + or - */
    T_REL,    /* value: enum relation */
    T_TO,     /* arrows: enum relation; 0: therefore, what is in front says nothing */
    T_SET,    /* value: u n \ */
    T_NUMSET, /* value: R Z Q N C E */
    T_OPEN,   /* value: ( [ { < f c g(roup) */
    T_CLOSE,
    T_COMMA,
    T_SEMI,
    T_SEP,    /* value: a(nd), o(r), f(or all), with the set of its letters as text */
    T_TEXT,   /* text: words */
    T_FONT,   /* in the table only: the lexer looks at what is inside */
    T_MONEY,  /* in the table only: a sign of currency, whose word the lexer puts there */
    T_ACCENT, /* text: its name */
    T_SKIP,   /* in the table only, but for 'q': a wide blank between items; ' ' one that parts */
    T_DOTS,
    T_DEGREE,
    T_PRIME,
    T_BEGIN, /* text: the environment */
    T_ENDENV,
    T_ROW,
    T_AMP,
    T_MOD, /* value 'p' for \pmod */
    T_PERCENT,
    T_NOT,
    T_WORD /* prose */
};

struct command {
    const char *name;
    enum token_kind kind;
    int value;
    bool bare;
    const char *text;
};
const struct command *command_find(const char *name, size_t n);
/* The longest command that the name begins with: \vertx is \vert x. */
const struct command *command_prefix(const char *name, size_t n, size_t *length);
bool commands_sorted(void);

struct token {
    enum token_kind kind;
    int value;
    const char *text;
    struct node *node;
    int match;   /* of an opening bracket: its partner; -1 */
    unsigned at; /* byte in the cleaned text */
    bool blank;  /* a blank before it */
};

struct parser {
    struct work *w;
    struct token *t;
    int n, at, depth;
    enum style style;
    bool failed;
    const char *why;
    const char *src; /* the cleaned text */
    size_t src_n;
    int integral_depth; /* where the innermost open integral looks for its d x; -1: none open */
    const char *differential;
    int bars, norms;      /* | and \| that are open */
    bool limit;           /* the end of a limit is read */
    int side;             /* 3^+ there: 1 or -1 */
    int behind;           /* the relation that words behind a value made of it: 12 or more */
    const char *bound[8]; /* names of running variables: i in a sum is no imaginary unit */
    int n_bound;
};

struct lexer {
    struct parser *p;
    const char *s;
    size_t n, at;
    size_t start; /* of the token that is read */
    int cap;
    int brackets; /* open ( [ \{, in which commas separate */
    bool blank, bad;
    bool spaced; /* the blank was set by a command */
    bool prefix; /* looks for the formula that a text begins with: words end it */
};
/* lexer.c: false when there are too many tokens or a text is not closed. */
bool lex(struct parser *p, const char *s, size_t n);
struct token *lex_emit(struct lexer *l, enum token_kind kind, int value, const char *text);
void lex_range(struct lexer *l, size_t to);
/* The inside of a command that changes nothing, as a group of its own. */
void lex_inside(struct lexer *l, size_t from, size_t to);
size_t lex_blanks(const struct lexer *l, size_t at); /* behind them */
/* {...} behind a command: its inside. False if there is none. */
bool lex_group(const struct lexer *l, size_t at, size_t *from, size_t *to);

/* lex_words.c */
bool follows_value(const struct parser *p);
enum spelling {
    SPELLED_BARE,    /* letters at l->at */
    SPELLED_UPRIGHT, /* \text{ cm}, \mathrm{m} */
    SPELLED_COMMAND  /* \min */
};
/* Do these words, up to byte `end`, name a unit, where a unit may stand: behind a value or other units? */
bool is_unit_here(const struct lexer *l, const char *words, size_t n, size_t end, enum spelling how);
bool is_counted(const struct lexer *l, const char *s, size_t k);
bool is_ordinal(const char *s, size_t n);
/* Each emits the words if they are a unit. At a \frac: \frac{\text{km}}{\text{h}}. */
bool lex_unit_fraction(struct lexer *l);
bool lex_upright_unit(struct lexer *l, size_t from, size_t to);
/* Emits the letters if they name a function: before a bracket; an operator before any argument. */
bool lex_named_function(struct lexer *l, size_t from, size_t to, bool operator);
/* Is the letter U, up to byte `end`, the sign of union between two intervals? */
bool joins_intervals(const struct lexer *l, size_t end);
/* Digits with letters among them before a base that begins at byte `at`, or behind them: FF_{16}. */
bool lex_based(struct lexer *l, const char *digits, size_t k, size_t at);
void lex_text(struct lexer *l, size_t from, size_t to); /* \text{...} and the like */
/* Functions written without a backslash and glued to their argument: sinx, ln2. Their bytes, or 0. */
size_t glued_function(const char *s, size_t n);
/* numerals.c: the number at s as a token's node; the bytes it takes, 0 if there is none. `list`: commas
 * separate. */
size_t numeral_read(struct work *w, const char *s, size_t n, enum style style, bool list, struct node **out);

/* k digits, letters among them, with their base at s: _{16}, _\text{hex}. Its bytes; 0: no number. */
size_t based_read(struct work *w, const char *digits, size_t k, const char *s, size_t n, struct node **out);
bool prefixed_read(struct work *w, const char *digits, size_t k, struct node **out); /* 0xFF, 0b101 */
/* The value of digits in a base; false when one is not below it. */
bool digits_value(const char *digits, int base, fmpq_t out);

/* A growing row of nodes in the arena. */
struct row {
    struct node **v;
    int n, cap;
};
bool row_push(struct parser *p, struct row *r, struct node *n);

struct node *parse_fail(struct parser *p, const char *why);
static inline struct token *peek(struct parser *p)
{
    return &p->t[p->at];
}
static inline bool peek_is(struct parser *p, enum token_kind kind, int value)
{
    return p->t[p->at].kind == kind && (value == 0 || p->t[p->at].value == value);
}
bool take(struct parser *p, enum token_kind kind, int value);
bool enter(struct parser *p); /* one level deeper; false and failed past the limit */

bool starts_item(const struct token *t);
bool condition_ahead(struct parser *p);        /* (n \in Z) */
struct node *parse_list(struct parser *p);     /* items with commas, semicolons, and, or */
struct node *bare_list(struct parser *p, const struct row *items, int mark); /* one item is itself */
struct node *parse_divided(struct parser *p);  /* a list, or two with \over or \choose between */
struct node *parse_relation(struct parser *p); /* a chain of relations, sets in it */
struct node *parse_sum(struct parser *p);
struct node *parse_term(struct parser *p);
struct node *parse_factor(struct parser *p);                   /* signs, powers, what stands behind */
struct node *parse_atom(struct parser *p);                     /* parse_atom.c */
struct node *parse_argument(struct parser *p, bool one_digit); /* a group or one token, as \frac takes */
struct node *parse_counting(struct parser *p);                 /* at the ^ or _ of ^5C_2 */
struct node *parse_bracket(struct parser *p);                  /* parse_bracket.c */
struct node *parse_bars(struct parser *p);
struct node *parse_environment(struct parser *p);
struct node *parse_call(struct parser *p, const char *name); /* at its ( */
struct node *parse_function(struct parser *p);               /* parse_function.c */
struct node *parse_big(struct parser *p);
struct node *parse_derivative(struct parser *p); /* at a \frac that is d/dx; NULL without failing otherwise */
bool starts_factor(struct parser *p);
bool integral_ends(struct parser *p); /* its d x was just read */
bool is_bound(struct parser *p, const char *name);
struct node *subscripted(struct parser *p, struct node *base); /* at _ */


/* parse_words.c */
struct node *parse_units(struct parser *p, struct node *value); /* at words behind a value */
struct node *parse_text(struct parser *p);                      /* at words in front of one, or alone */
/* Takes a sign of relation or words that mean one, in front of a value without a left side: \ge 12, \text{at
 * least } 12. 0: there is none. */
int relation_ahead(struct parser *p);
/* Products are written in the order of the alphabet (abc, xyz); three letters and more in another order are a
 * word. */
bool is_word_run(const char *s, size_t n);
bool is_condition_word(const char *s); /* x = n\pi \text{ for } n \in Z */
int relation_negated(int r);

#endif
