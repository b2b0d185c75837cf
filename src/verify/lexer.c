/* lexer.c: cleaned text to tokens. Brackets know their partners; spacing is gone. lex_words.c reads words. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "verify/parse_int.h"

#define TOKENS_MAX 60000
#define LOOK_AHEAD 8

struct token *lex_emit(struct lexer *l, enum token_kind kind, int value, const char *text)
{
    struct parser *p = l->p;
    if (p->n >= l->cap) {
        l->bad = true;
        if (!p->w->over) p->w->over = "the formula is too long";
        return NULL;
    }
    struct token *t = &p->t[p->n++];
    *t = (struct token){
        .kind = kind, .value = value, .text = text, .match = -1, .at = (unsigned)l->start, .blank = l->blank};
    l->blank = l->spaced = false;
    return t;
}

/* The partner of the brace at `open`, or n. */
static size_t brace_end(const char *s, size_t n, size_t open)
{
    int depth = 0;
    for (size_t i = open; i < n; i++) {
        if (s[i] == '\\' && i + 1 < n) {
            i++;
        } else if (s[i] == '{') {
            depth++;
        } else if (s[i] == '}' && --depth == 0) {
            return i;
        }
    }
    return n;
}

size_t lex_blanks(const struct lexer *l, size_t at)
{
    while (at < l->n && (isspace((unsigned char)l->s[at]) || l->s[at] == '~')) at++;
    return at;
}

bool lex_group(const struct lexer *l, size_t at, size_t *from, size_t *to)
{
    at = lex_blanks(l, at);
    if (at >= l->n || l->s[at] != '{') return false;
    size_t end = brace_end(l->s, l->n, at);
    if (end >= l->n) return false;
    *from = at + 1;
    *to = end;
    return true;
}

static size_t alnum_run(const char *s, size_t n)
{
    size_t k = 0;
    while (k < n && isalnum((unsigned char)s[k])) k++;
    return k;
}

static bool all_letters(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isalpha((unsigned char)s[i])) return false;
    return n > 0;
}

/* The inside of a command that changes nothing, as a group of its own. */
void lex_inside(struct lexer *l, size_t from, size_t to)
{
    l->at = from;
    lex_emit(l, T_OPEN, 'g', NULL);
    lex_range(l, to);
    l->at = l->start = to;
    lex_emit(l, T_CLOSE, 'g', NULL);
    l->at = to + 1;
}

/* \variable{x_1}: any name, with at most one character or one group below it. */
static char *placeholder(struct lexer *l, const char *s, size_t n)
{
    char *out = work_alloc(l->p->w, n + 1);
    size_t k = 0, below = 0;
    if (!out) return NULL;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '_') below = i + 1;
        bool blank = isspace((unsigned char)s[i]), command = s[i] == '\\';
        if (command && command_find(s + i + 1, 3) && command_find(s + i + 1, 3)->kind == T_FN) l->bad = true;
        if (!blank && !command && s[i] != '{' && s[i] != '}') out[k++] = s[i];
    }
    out[k] = 0;
    if (below && (below == n || (s[below] != '{' && n - below > 1))) l->bad = true;
    return out;
}

/* \min with arguments, or the unit of a value. */
static void lex_function(struct lexer *l, const struct command *c, size_t end, enum spelling how)
{
    if (is_unit_here(l, c->name, strlen(c->name), end, how))
        lex_emit(l, T_TEXT, 0, c->name);
    else
        lex_emit(l, c->kind, c->value, c->text ? c->text : c->name);
}

/* \mathrm{...}, \mathbf{...}, \mathbb{...}, \operatorname{...}: names, or a formula that only looks
 * different. */
static void lex_font(struct lexer *l, int value, size_t from, size_t to)
{
    while (from < to && l->s[from] == ' ') from++;
    size_t end = to;
    while (end > from && l->s[end - 1] == ' ') end--;
    const char *s = l->s + from;
    size_t n = end - from;
    const struct command *c = all_letters(s, n) ? command_find(s, n) : NULL;
    if ((value == 'r' && lex_upright_unit(l, from, end)) || lex_based(l, s, n, to + 1) ||
        (value == 'o' && lex_named_function(l, from, to, true))) {
        /* done */
    } else if (value == 'b' && n == 1 && strchr("RZQNC", s[0])) {
        lex_emit(l, T_NUMSET, s[0], NULL);
    } else if (value == 'v') {
        lex_emit(l, T_SYM, 0, placeholder(l, s, n));
    } else if (c && (value == 'o' || c->bare) && n > 1) {
        lex_function(l, c, to + 1, SPELLED_UPRIGHT);
    } else if (n == 1 && isalpha((unsigned char)s[0]) && s[0] != 'd') {
        lex_emit(l, T_SYM, 0, work_text(l->p->w, s, n));
    } else if (n == 1 && s[0] == 'd') {
        lex_emit(l, T_SYM, 0, "d");
    } else if (is_ordinal(s, n)) {
        lex_emit(l, T_TEXT, 0, work_text(l->p->w, s, n));
    } else if ((all_letters(s, n) && n > 1) || (memchr(s, '/', n) && !memchr(s, '\\', n))) { /* m/s^2 */
        lex_text(l, from, end);
    } else {
        lex_inside(l, from, to);
    }
    if (l->at <= to) l->at = to + 1;
}

/* Environments carry their name; array's columns are passed over. */
static void lex_environment(struct lexer *l, enum token_kind kind)
{
    size_t from, to;
    if (!lex_group(l, l->at, &from, &to)) {
        l->bad = true;
        return;
    }
    char *name = work_text(l->p->w, l->s + from, to - from);
    l->at = to + 1;
    if (!name) {
        l->bad = true;
        return;
    }
    lex_emit(l, kind, 0, name);
    if (kind == T_BEGIN && (strcmp(name, "array") == 0 || strcmp(name, "tabular") == 0) &&
        lex_group(l, l->at, &from, &to))
        l->at = to + 1;
}

static void lex_skip(struct lexer *l, int value)
{
    size_t from, to;
    if (value == 'q') {
        lex_emit(l, T_SKIP, 'q', NULL);
    } else if (value == 'a' || value == 'A') { /* \color{red}, \hspace{1cm}, \cancel{12}; \cancelto{0}{x} */
        for (int groups = value == 'a' ? 1 : 2; groups && lex_group(l, l->at, &from, &to); groups--)
            l->at = to + 1;
        l->blank = true;
    } else {
        l->blank = true;
        l->spaced = l->spaced || value == ' ';
        /* \left. and \right. open and close nothing. */
        if (l->at < l->n && l->s[l->at] == '.' && l->at >= 5 &&
            (strncmp(l->s + l->at - 5, "\\left", 5) == 0 || strncmp(l->s + l->at - 5, "right", 5) == 0))
            l->at++;
    }
}

/* The sign of a currency is its word where an amount is beside it; else it says nothing. */
static void lex_money(struct lexer *l, const char *word)
{
    size_t next = lex_blanks(l, l->at);
    bool ahead = next < l->n && (isdigit((unsigned char)l->s[next]) || strchr(".-\\({", l->s[next]));
    if (ahead || follows_value(l->p))
        lex_emit(l, T_TEXT, 0, word);
    else
        l->blank = true;
}

static void lex_command(struct lexer *l)
{
    size_t start = l->at++, from, to;
    if (l->at >= l->n) {
        l->bad = true;
        return;
    }
    size_t k = 0;
    while (l->at + k < l->n && isalpha((unsigned char)l->s[l->at + k])) k++;
    if (k == 0) k = 1;
    const struct command *c = command_find(l->s + l->at, k);
    size_t length = k;
    if (!c && k > 1) c = command_prefix(l->s + l->at, k, &length);
    l->at += length;
    if (!c) {
        if (!isalpha((unsigned char)l->s[start + 1]))
            l->bad = true;
        else
            lex_emit(l, T_SYM, 0, work_text(l->p->w, l->s + start + 1, k));
        return;
    }
    switch (c->kind) {
    case T_TEXT:
        if (lex_group(l, l->at, &from, &to))
            lex_text(l, from, to);
        else
            l->bad = true;
        break;
    case T_FONT:
        if (lex_group(l, l->at, &from, &to)) lex_font(l, c->value, from, to);
        break; /* {\bf x}: nothing to do */
    case T_FRAC:
        if (!lex_unit_fraction(l)) lex_emit(l, T_FRAC, c->value, c->name);
        break;
    case T_BEGIN:
    case T_ENDENV: lex_environment(l, c->kind); break;
    case T_SKIP: lex_skip(l, c->value); break;
    case T_MONEY: lex_money(l, c->text); break;
    case T_SEP: lex_emit(l, T_SEP, c->value, NULL); break;
    case T_FN: lex_function(l, c, l->at, SPELLED_COMMAND); break;
    case T_OPEN:
        l->brackets++;
        lex_emit(l, T_OPEN, c->value, NULL);
        break;
    case T_CLOSE:
        l->brackets--;
        lex_emit(l, T_CLOSE, c->value, NULL);
        break;
    default: lex_emit(l, c->kind, c->value, c->text ? c->text : c->name);
    }
}

/* English that no product of variables is meant by. */
static bool is_prose(const char *s, size_t n)
{
    static const char *const pairs[] = {"is", "it", "so", "we", "to", "of", "on", "at",
                                        "by", "be", "he", "if", "me", "my", "no", "as",
                                        "up", "us", "an", "do", "go", "am", "in", "ok"};
    if (n >= 3) return true;
    for (size_t i = 0; n == 2 && i < sizeof pairs / sizeof *pairs; i++)
        if (strncasecmp(s, pairs[i], 2) == 0) return true;
    return false;
}

size_t glued_function(const char *s, size_t n)
{
    static const char *const all[] = {"arcsin", "arccos", "arctan", "sqrt", "sinh", "cosh", "tanh", "sin",
                                      "cos",    "tan",    "log",    "exp",  "sec",  "csc",  "cot",  "ln"};
    static const char *const english[] = {"since", "sing",  "sink", "sins",
                                          "tank",  "tanks", "logs", NULL};
    if (is_among(s, n, english)) return 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        size_t k = strlen(all[i]);
        if (n > k && n - k <= 2 && memcmp(s, all[i], k) == 0) return k;
    }
    return 0;
}

/* The dot of an abbreviation: 12 sq. ft. */
static void dot_skip(struct lexer *l)
{
    size_t next = lex_blanks(l, l->at + 1);
    if (l->at < l->n && l->s[l->at] == '.' && next < l->n && isalnum((unsigned char)l->s[next]) &&
        !isupper((unsigned char)l->s[next]))
        l->at++;
}

/* 6.02 x 10^{23}: the letter for the sign. */
static bool is_times(const struct lexer *l)
{
    size_t next = lex_blanks(l, l->at + 1);
    return l->p->n && l->p->t[l->p->n - 1].kind == T_NUM && l->n - next > 3 &&
           memcmp(l->s + next, "10^", 3) == 0;
}

/* A run of letters without a backslash. */
static void lex_letters(struct lexer *l)
{
    const char *s = l->s + l->at;
    size_t k = 0, glued;
    while (l->at + k < l->n && isalpha((unsigned char)s[k])) k++;
    const struct command *c = k > 1 ? command_find(s, k) : NULL;
    bool operator_ahead = l->at + k < l->n && strchr("_^({", s[k]) != NULL;
    if (k == 1 && *s == 'U' && joins_intervals(l, l->at + 1)) {
        lex_emit(l, T_SET, 'u', NULL);
        l->at++;
    } else if (is_unit_here(l, s, k, l->at + k, SPELLED_BARE)) {
        lex_emit(l, T_TEXT, 0, work_text(l->p->w, s, k));
        l->at += k;
        dot_skip(l);
    } else if (k == 1 && *s == 'x' && is_times(l)) {
        lex_emit(l, T_OP, '*', NULL);
        l->at++;
    } else if (k == 1) {
        lex_emit(l, T_SYM, 0, work_text(l->p->w, s, 1));
        l->at++;
    } else if (c && c->bare) {
        l->at += k;
        lex_emit(l, c->kind, c->value, c->kind == T_SEP ? NULL : c->text ? c->text : c->name);
    } else if (is_counted(l, s, k)) {
        lex_emit(l, T_TEXT, 0, work_text(l->p->w, s, k));
        l->at += k;
    } else if ((glued = glued_function(s, k)) && !(l->prefix && ascii_word_at(s, k, "cost"))) {
        c = command_find(s, glued);
        lex_emit(l, c->kind, c->value, NULL);
        l->at += glued;
    } else if (l->p->style == STYLE_PLAIN && is_prose(s, k) && !operator_ahead) {
        lex_emit(l, T_WORD, 0, work_text(l->p->w, s, k));
        l->at += k;
    } else if (strncmp(s, "bar", 3) == 0 && k == 3 && s[3] == '{') {
        lex_emit(l, T_ACCENT, 0, "bar");
        l->at += k;
    } else {
        for (size_t i = 0; i < k; i++) {
            l->start = l->at++;
            lex_emit(l, T_SYM, 0, work_text(l->p->w, s + i, 1));
        }
    }
}

static int relation_at(const char *s, size_t n, size_t *length)
{
    static const struct {
        const char *text;
        enum relation r;
    } all[] = {{"<=>", R_IFF}, {"<=", R_LE}, {">=", R_GE},     {"=<", R_LE}, {"=>", R_IMPLIES}, {"!=", R_NE},
               {"==", R_EQ},   {":=", R_EQ}, {"~=", R_APPROX}, {"<", R_LT},  {">", R_GT},       {"=", R_EQ}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        size_t k = strlen(all[i].text);
        if (n >= k && memcmp(s, all[i].text, k) == 0) {
            *length = k;
            return all[i].r;
        }
    }
    return 0;
}

static void lex_sign(struct lexer *l)
{
    const char *s = l->s + l->at;
    size_t left = l->n - l->at, k = 1;
    int relation = relation_at(s, left, &k);
    if (relation) {
        lex_emit(l, relation < R_OTHER ? T_REL : T_TO, relation, NULL);
    } else if (left >= 3 && memcmp(s, "...", 3) == 0) {
        lex_emit(l, T_DOTS, 0, NULL);
        k = 3;
    } else if (left >= 2 && memcmp(s, "**", 2) == 0) {
        lex_emit(l, T_OP, '^', NULL);
        k = 2;
    } else if (left >= 3 && (memcmp(s, "+/-", 3) == 0 || memcmp(s, "+-", 2) == 0) && s[1] == '/') {
        lex_emit(l, T_PM, '+', NULL);
        k = 3;
    } else if (strchr("([", *s)) {
        l->brackets++;
        lex_emit(l, T_OPEN, *s, NULL);
    } else if (strchr(")]", *s)) {
        l->brackets--;
        lex_emit(l, T_CLOSE, *s, NULL);
    } else if (*s == '{') {
        lex_emit(l, T_OPEN, 'g', NULL);
    } else if (*s == '}') {
        lex_emit(l, T_CLOSE, 'g', NULL);
    } else if (*s == ',') {
        lex_emit(l, T_COMMA, 0, NULL);
    } else if (*s == ';') {
        lex_emit(l, T_SEMI, 0, NULL);
    } else if (*s == '%') {
        lex_emit(l, T_PERCENT, 0, NULL);
    } else if (*s == '&') {
        lex_emit(l, T_AMP, 0, NULL);
    } else if (*s == '\'') {
        lex_emit(l, T_PRIME, 0, NULL);
    } else if (strchr("+-*/^_!|:", *s)) {
        lex_emit(l, T_OP, *s, NULL);
    } else if (*s == '"' || *s == '$') {
        l->blank = true;
    } else {
        l->bad = true;
    }
    l->at += k;
}

void lex_range(struct lexer *l, size_t to)
{
    size_t whole = l->n;
    l->n = to;
    while (l->at < to && !l->bad) {
        unsigned char c = (unsigned char)l->s[l->at];
        struct node *number;
        size_t k = 0, at = l->at;
        /* -3,1,5: behind a comma between numbers stands an item, whose comma is no decimal mark. */
        bool start = at == 0 || !isalnum((unsigned char)l->s[at - 1]), item =
            l->brackets > 0 || (at > 1 && l->s[at - 1] == ',' && isdigit((unsigned char)l->s[at - 2]));
        l->start = at;
        if (isspace(c) || c == '~') {
            l->blank = true;
            l->spaced = l->spaced || c == '~';
            l->at++;
        } else if (isalnum(c) && start && lex_based(l, l->s + at, alnum_run(l->s + at, to - at), at)) {
            /* done */
        } else if (c == '(' && (k = alnum_run(l->s + at + 1, to - at - 1)) && l->s[at + 1 + k] == ')' &&
                   lex_based(l, l->s + at + 1, k, at + 2 + k)) {
            /* (FF)_{16} */
        } else if ((isdigit(c) || c == '.') &&
                   (k = numeral_read(l->p->w, l->s + l->at, to - l->at, l->p->style, item, &number))) {
            struct token *t = lex_emit(l, T_NUM, 0, NULL);
            if (t) t->node = number;
            l->at += k;
        } else if (c == '\\') {
            lex_command(l);
        } else if (isalpha(c)) {
            lex_letters(l);
        } else if (c >= 0x80) { /* a letter of another script */
            int m = utf8_length(l->s + l->at, to - l->at);
            lex_emit(l, T_SYM, 0, work_text(l->p->w, l->s + l->at, m ? (size_t)m : 1));
            l->at += m ? (size_t)m : 1;
        } else {
            lex_sign(l);
        }
        if (l->p->w->over) l->bad = true;
    }
    l->n = whole;
}

/* ]a, b[ and [a, b[: brackets turned outwards. */
static void french_turned(struct parser *p)
{
    for (int i = 0; i < p->n; i++) {
        struct token *t = &p->t[i];
        enum token_kind before = i ? t[-1].kind : T_END, behind = i + 1 < p->n ? t[1].kind : T_END;
        bool value = before == T_NUM || before == T_SYM || before == T_CONST || before == T_CLOSE;
        bool starts = before == T_END || before == T_SET || before == T_REL || before == T_COMMA ||
                      before == T_OPEN || before == T_SEP;
        bool ends = behind == T_END || behind == T_SET || behind == T_COMMA || behind == T_SEMI ||
                    behind == T_SEP || behind == T_CLOSE || behind == T_TEXT;
        if (t->kind == T_OPEN && t->value == '[' && value && ends) t->kind = T_CLOSE;
        if (t->kind == T_CLOSE && t->value == ']' && starts && !ends) t->kind = T_OPEN;
    }
}

/* Which bracket closes which; ( may close with ] (intervals), others by kind. Unclosed ones stay at -1. */
static void brackets_match(struct parser *p)
{
    int top = -1; /* open brackets hold the one below them in `value` of match, as -(below + 2) */
    french_turned(p);
    for (int i = 0; i < p->n; i++) {
        struct token *t = &p->t[i];
        if (t->kind == T_OPEN) {
            t->match = -(top + 2);
            top = i;
        } else if (t->kind == T_CLOSE && top >= 0) {
            int open = top, kind = p->t[open].value;
            bool round = strchr("([]", kind) && strchr(")][", t->value);
            const char *pair = kind == 'g'   ? "g"
                               : kind == '{' ? "}"
                               : kind == '<' ? ">"
                               : kind == 'f' ? "f"
                               : kind == 'c' ? "c"
                                             : "";
            if (!round && pair[0] != t->value) continue;
            top = -p->t[open].match - 2;
            p->t[open].match = i;
            t->match = open;
        }
    }
    while (top >= 0) {
        int below = -p->t[top].match - 2;
        p->t[top].match = -1;
        top = below;
    }
}

bool lex(struct parser *p, const char *s, size_t n)
{
    size_t cap = n < TOKENS_MAX ? n + 8 : TOKENS_MAX;
    struct lexer l = {.p = p, .s = s, .n = n, .cap = (int)cap - 1};
    p->t = work_alloc(p->w, (cap + LOOK_AHEAD) * sizeof *p->t);
    if (!p->t) return false;
    lex_range(&l, n);
    if (p->n >= (int)cap - 1) return false;
    for (int i = 0; i < LOOK_AHEAD; i++) /* who looks ahead sees the end */
        p->t[p->n + i] = (struct token){.kind = T_END, .match = -1, .at = (unsigned)n};
    brackets_match(p);
    return !l.bad;
}

size_t math_prefix(struct work *w, const char *s, size_t n)
{
    struct parser p = {.w = w, .style = STYLE_PLAIN};
    if (n > 2000) n = 2000;
    struct lexer l = {.p = &p, .s = s, .n = n, .cap = (int)n + 7, .prefix = true};
    p.t = work_alloc(w, (n + 8) * sizeof *p.t);
    if (!p.t) return 0;
    lex_range(&l, n);
    brackets_match(&p);
    size_t end = l.bad ? l.start : n;
    int k = 0;
    while (k < p.n && p.t[k].kind != T_WORD && !(p.t[k].kind == T_OPEN && p.t[k].match < 0)) k++;
    for (int i = 0; i < k; i++) /* a bracket with prose in it ends the formula too */
        if (p.t[i].kind == T_OPEN && p.t[i].match >= k) k = i;
    while (k > 0 &&
           (p.t[k - 1].kind == T_COMMA || p.t[k - 1].kind == T_SEP || p.t[k - 1].kind == T_OP ||
            p.t[k - 1].kind == T_SEMI || p.t[k - 1].kind == T_REL || p.t[k - 1].kind == T_TO) &&
           p.t[k - 1].value != '!' && p.t[k - 1].value != '|')
        k--;
    return k < p.n ? p.t[k].at : end;
}
