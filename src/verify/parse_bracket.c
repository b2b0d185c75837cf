/* parse_bracket.c: brackets of all kinds, bars, matrices, cases. */
#include <string.h>
#include <strings.h>

#include "verify/parse_int.h"

/* ---- builders ----------------------------------------------------------------------------------------- */

/* Inside \{ ... \}: the place of the ":", \mid or lone "|" that means "such that"; 0 if there is none. A
 * condition, with a relation or words in it, stands behind it. */
static int such_that(struct parser *p, int open)
{
    int close = p->t[open].match, bar = 0, bars = 0, mark = 0, condition = 0;
    for (int i = open + 1; i < close; i++) {
        struct token *t = &p->t[i];
        condition = t->kind == T_REL || t->kind == T_TEXT ? i : condition;
        if (t->kind == T_OPEN && t->match > i) {
            i = t->match;
        } else if (t->kind == T_OP && t->value == '|') {
            bool mid = p->src_n - t->at > 4 && memcmp(p->src + t->at, "\\mid", 4) == 0;
            if (mid && !mark) mark = i;
            if (!bar) bar = i;
            bars++;
        } else if (t->kind == T_OP && t->value == ':' && !mark) {
            mark = i;
        }
    }
    if (!mark && bars % 2 == 1) mark = bar;
    return mark > open + 1 && condition > mark ? mark : 0;
}

static struct node *parse_builder(struct parser *p, int bar)
{
    p->t[bar].kind = T_ENDENV; /* ends the first part */
    struct node *what = parse_relation(p);
    if (!what || p->at != bar) return parse_fail(p, "a set is not understood");
    p->at++;
    struct node *condition = parse_list(p);
    if (!condition || !take(p, T_CLOSE, '}')) return parse_fail(p, "a set is not closed");
    return node_2(p->w, K_BUILDER, 0, what, condition);
}

/* ---- brackets ----------------------------------------------------------------------------------------- */

static struct node *sequence(struct parser *p, struct node *in, int open, int close)
{
    struct row items = {0};
    if (in->kind == K_SEQ && in->op == 0) {
        for (int i = 0; i < in->n; i++) {
            const struct node *group = in->arg[i];
            bool flat = in->rows == ';' && group->kind == K_SEQ && group->op == '('; /* (1,1;2,2) */
            for (int k = 0; flat && k < group->n; k++)
                if (!row_push(p, &items, group->arg[k])) return NULL;
            if (!flat && !row_push(p, &items, in->arg[i])) return NULL;
        }
    } else if (!row_push(p, &items, in)) {
        return NULL;
    }
    struct node *out = node_of(p->w, K_SEQ, open, items.v, items.n);
    if (out) out->rows = (short)close;
    return out;
}

static struct node *closed_group(struct parser *p)
{
    struct node *in = parse_divided(p);
    if (!in || !take(p, T_CLOSE, 'g')) return parse_fail(p, "{ is not closed");
    return in->kind == K_SEQ && in->op == 0 ? sequence(p, in, '{', '}') : in;
}

/* {}^5P_2 */
static bool is_counting(const struct token *t)
{
    return t[1].kind == T_CLOSE && t[2].kind == T_OP && (t[2].value == '^' || t[2].value == '_');
}

/* Brackets that only repeat the ones around them: their number. */
static int redundant(const struct parser *p)
{
    int k = 0, i = p->at;
    while (p->t[i + 1].kind == T_OPEN && p->t[i + 1].value == p->t[i].value && p->t[i].match > 0 &&
           p->t[i + 1].match == p->t[i].match - 1 && (p->t[i].value == '(' || p->t[i].value == 'g')) {
        i++;
        k++;
    }
    return k;
}

static struct node *parse_floor(struct parser *p, int kind)
{
    struct node *in = parse_sum(p);
    if (in && !take(p, T_CLOSE, kind)) return parse_fail(p, "a bracket is not closed");
    return node_1(p->w, K_FN, kind == 'f' ? F_FLOOR : F_CEIL, in);
}

struct node *parse_bracket(struct parser *p)
{
    struct token *t = peek(p);
    if (t->kind == T_CLOSE) return parse_fail(p, "a bracket closes what was not opened");
    if (t->value == 'g' && is_counting(t)) {
        p->at += 2;
        return parse_counting(p);
    }
    int skip = redundant(p), start = p->at, kind = t->value;
    int bars = p->bars, norms = p->norms;
    struct node *out;
    if (kind == '{' && t->match < 0 && t[1].kind == T_BEGIN) { /* \left\{ \begin{array} ... \right. */
        p->at++;
        return parse_environment(p);
    }
    if (t->match < 0) return parse_fail(p, "a bracket is not closed");
    if (t[1].kind == T_CLOSE && t->match == p->at + 1) {
        p->at += 2;
        return kind == '{' ? node_of(p->w, K_NUMSET, 'E', NULL, 0) : parse_fail(p, "an empty group");
    }
    p->bars = p->norms = 0;
    p->at += skip + 1;
    int bar = kind == '{' ? such_that(p, start) : 0;
    if (bar) {
        out = parse_builder(p, bar);
    } else if (kind == 'g') {
        out = closed_group(p);
    } else if (kind == 'f' || kind == 'c') {
        out = parse_floor(p, kind);
    } else {
        struct node *in = parse_list(p);
        int close = peek(p)->kind == T_CLOSE ? peek(p)->value : 0;
        if (!in || !close || peek(p)->match < 0) return parse_fail(p, "a bracket is not closed");
        p->at++;
        bool list = in->kind == K_SEQ && in->op == 0;
        bool outward = kind == ']' || close == '['; /* ]a,b[ */
        if (outward && (!list || in->n != 2 || !strchr("[]", kind) || !strchr("[]", close)))
            return parse_fail(p, "an interval of other than two ends");
        kind = kind == ']' ? '(' : kind;
        close = close == '[' ? ')' : close;
        bool alone = !list && ((kind == '(' && close == ')') || (kind == '[' && close == ']'));
        if (!list && !alone && kind != '{' && kind != '<') return parse_fail(p, "brackets do not match");
        out = alone ? in : sequence(p, in, kind, close);
    }
    if (out && skip) p->at += skip;
    p->bars = bars;
    p->norms = norms;
    return p->failed ? NULL : out;
}

struct node *parse_bars(struct parser *p)
{
    int kind = peek(p)->value, *open = kind == '|' ? &p->bars : &p->norms;
    p->at++;
    ++*open;
    struct node *in = parse_list(p);
    --*open;
    if (!in || !take(p, T_OP, kind)) return parse_fail(p, "a bar is not closed");
    if (in->kind == K_MATRIX && in->rows * in->rows == in->n && in->n > 1 && kind == '|')
        return node_1(p->w, K_FN, F_DET, in);
    return node_1(p->w, K_FN, kind == 'N' || in->kind == K_MATRIX || in->kind == K_SEQ ? F_NORM : F_ABS, in);
}

/* ---- environments ------------------------------------------------------------------------------------- */

static bool name_in(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(name, *list) == 0) return true;
    return false;
}

/* [2pt] behind a row. */
static void skip_row_space(struct parser *p)
{
    if (peek_is(p, T_OPEN, '[') && peek(p)->match > 0 && p->t[p->at + 1].kind == T_NUM &&
        (p->t[p->at + 2].kind == T_SYM || p->t[p->at + 2].kind == T_TEXT))
        p->at = peek(p)->match + 1;
}

static bool end_of(struct parser *p)
{
    return peek(p)->kind == T_ENDENV || peek(p)->kind == T_END;
}

static struct node *cases_condition(struct parser *p)
{
    static const char *const empty[] = {"if",    "for", "when", "otherwise", "else",
                                        "where", "and", "if ",  NULL};
    while (peek(p)->kind == T_COMMA || (peek(p)->kind == T_TEXT && name_in(peek(p)->text, empty)) ||
           peek(p)->kind == T_SKIP || peek(p)->kind == T_SEP || peek(p)->kind == T_WORD ||
           peek_is(p, T_OP, ':'))
        p->at++;
    if (peek(p)->kind == T_ROW || end_of(p)) return node_sym(p->w, "otherwise");
    return parse_list(p);
}

static bool is_otherwise(const struct node *condition)
{
    return condition->kind == K_SYM && strcmp(condition->name, "otherwise") == 0;
}

/* Rows as value and condition. Where no row has a condition they are a list: of values, or the equations of a
 * system. What is left for the other cases stands once, in the last row: any other row without a condition
 * would be one of several values. */
static struct node *cases_of(struct parser *p, struct row *parts, bool conditions)
{
    int rows = parts->n / 2;
    if (!conditions) {
        for (int i = 0; i < rows; i++) parts->v[i] = parts->v[2 * i];
        parts->n = rows;
        return bare_list(p, parts, ',');
    }
    for (int i = 0; i + 1 < rows; i++)
        if (is_otherwise(parts->v[2 * i + 1]))
            return parse_fail(p, "a case without a condition is not the last");
    return node_of(p->w, K_CASES, 0, parts->v, parts->n);
}

static bool skip_marks(struct parser *p)
{
    int from = p->at;
    while (peek(p)->kind == T_COMMA || peek(p)->kind == T_SKIP) p->at++;
    return p->at > from;
}

/* The value of a case and its condition; *condition is NULL where there is none. The condition stands behind
 * the mark of alignment or words; without them commas and wide blanks part the row, and the relations at its
 * end are the condition of the values in front. */
static struct node *case_row(struct parser *p, struct node **condition)
{
    struct row values = {0}, rest = {0};
    *condition = NULL;
    do {
        struct node *item = parse_relation(p);
        bool relation = item && item->kind == K_REL && values.n > 0;
        if (rest.n && !relation) return parse_fail(p, "a value behind the condition of a case");
        if (!row_push(p, relation ? &rest : &values, item)) return NULL;
    } while (skip_marks(p) && starts_item(peek(p)) && peek(p)->kind != T_AMP && peek(p)->kind != T_TEXT);
    bool marked = take(p, T_AMP, 0) || peek(p)->kind == T_TEXT || condition_ahead(p);
    if (values.v[0]->kind == K_REL && values.n + rest.n > 1)
        return parse_fail(p, "several equations in one row");
    if (marked && rest.n) return parse_fail(p, "two conditions of a case");
    if (marked) *condition = cases_condition(p);
    if (rest.n) *condition = bare_list(p, &rest, ',');
    return bare_list(p, &values, ',');
}

static struct node *parse_cases(struct parser *p)
{
    struct row parts = {0};
    bool conditions = false;
    while (!end_of(p)) {
        struct node *condition, *value = case_row(p, &condition);
        conditions = conditions || condition;
        if (!row_push(p, &parts, value)) return NULL;
        if (!row_push(p, &parts, condition ? condition : node_sym(p->w, "otherwise"))) return NULL;
        if (!take(p, T_ROW, 0)) break;
        skip_row_space(p);
    }
    if (!take(p, T_ENDENV, 0) || parts.n == 0) return parse_fail(p, "cases are not closed");
    return cases_of(p, &parts, conditions);
}

static struct node *parse_matrix(struct parser *p)
{
    struct row cells = {0};
    int rows = 0, columns = 0, here = 0;
    if (end_of(p)) return parse_fail(p, "an empty matrix");
    while (!end_of(p)) {
        if (!row_push(p, &cells, parse_relation(p))) return NULL;
        here++;
        if (peek(p)->kind == T_COMMA) p->at++;
        if (take(p, T_AMP, 0)) continue;
        bool more = take(p, T_ROW, 0);
        if (columns && here != columns) return parse_fail(p, "rows of a matrix differ in length");
        columns = here;
        here = 0;
        rows++;
        if (!more) break;
        skip_row_space(p);
    }
    if (!take(p, T_ENDENV, 0) || here) return parse_fail(p, "a matrix is not closed");
    if (rows > 1000) return parse_fail(p, "the matrix is too large");
    struct node *out = node_of(p->w, K_MATRIX, 0, cells.v, cells.n);
    if (!out) return NULL;
    out->rows = (short)rows;
    return node_with(p->w, out, cells.v, cells.n);
}

/* align and the like: the last line counts, without its marks. */
static struct node *parse_lines(struct parser *p)
{
    struct row lines = {0};
    int close = p->at, depth = 0;
    while (p->t[close].kind != T_END && (p->t[close].kind != T_ENDENV || depth > 0)) {
        depth += (p->t[close].kind == T_BEGIN) - (p->t[close].kind == T_ENDENV);
        if (depth == 0 && p->t[close].kind == T_AMP) { /* marks of alignment */
            memmove(&p->t[close], &p->t[close + 1], (size_t)(p->n - close) * sizeof *p->t);
            for (int i = 0; i < p->n; i++)
                if (p->t[i].match > close) p->t[i].match--;
            p->n--;
            continue;
        }
        close++;
    }
    while (!end_of(p)) {
        if (peek(p)->kind == T_REL) p->at++;
        if (!row_push(p, &lines, parse_list(p))) return NULL;
        if (!take(p, T_ROW, 0)) break;
        skip_row_space(p);
    }
    if (!take(p, T_ENDENV, 0) || lines.n == 0) return parse_fail(p, "lines are not closed");
    if (lines.n == 1) return lines.v[0];
    struct node *out = node_of(p->w, K_SEQ, 0, lines.v, lines.n);
    if (out) out->rows = ',';
    return out;
}

struct node *parse_environment(struct parser *p)
{
    static const char *const matrices[] = {"matrix",       "pmatrix", "bmatrix", "Bmatrix",
                                           "smallmatrix",  "vmatrix", "Vmatrix", "psmallmatrix",
                                           "bsmallmatrix", NULL};
    static const char *const cases[] = {"cases", "dcases", "rcases", "numcases", NULL};
    const char *name = peek(p)->text;
    bool brace = p->at > 0 && p->t[p->at - 1].kind == T_OPEN && p->t[p->at - 1].value == '{' &&
                 p->t[p->at - 1].match < 0;
    int bars = p->bars, norms = p->norms;
    struct node *out;
    p->at++;
    if (!name || !enter(p)) return parse_fail(p, "too large");
    p->bars = p->norms = 0;
    if (name_in(name, cases) || (brace && strcmp(name, "array") == 0))
        out = parse_cases(p);
    else if (name_in(name, matrices) || strcmp(name, "array") == 0)
        out = parse_matrix(p);
    else
        out = parse_lines(p);
    p->bars = bars;
    p->norms = norms;
    p->depth--;
    return strcmp(name, "vmatrix") == 0 ? node_1(p->w, K_FN, F_DET, out) : out;
}
