/* jinja_expr.c: tokens to expressions.
 *
 *   cond := or [if or [else cond]]          or := and {or and}          and := not {and not}
 *   not := "not" not | compare              compare := math1 {(== != < <= > >= | in | not in) math1}
 *   math1 := concat {(+ -) concat}          concat := math2 {~ math2}   math2 := pow {(* / // %) pow}
 *   pow := unary {** unary}                 unary := (+ -) unary | primary postfix filters
 *
 * As in jinja2 ** groups to the left, and a filter binds tighter than a sign before it: -1|abs is
 * -(1|abs).
 */
#include <string.h>

#include "text/jinja.h"

static struct jj_node *parse_condition(struct jj_parser *p);
static struct jj_node *parse_unary(struct jj_parser *p, bool with_filter);

struct jj_node *jj_parse_expression(struct jj_parser *p, bool with_cond);

static int line_of(struct jj_parser *p)
{
    return jj_current(p)->line;
}

static struct jj_node *node1(struct jj_parser *p, enum jj_type type, int line, struct jj_node *a)
{
    struct jj_node *n = jj_node(p, type, line);
    n->kid[0] = a;
    return n;
}

static struct jj_node *node2(struct jj_parser *p, enum jj_type type, struct jj_node *a, struct jj_node *b)
{
    struct jj_node *n = node1(p, type, a->line, a);
    n->kid[1] = b;
    return n;
}

static struct jj_node *constant(struct jj_parser *p, int line, struct jj_value v)
{
    struct jj_node *n = jj_node(p, N_CONST, line);
    n->value = v;
    return n;
}

/* ---- calls and filters --------------------------------------------------------------------------------- */

/* ( a, b=1, *c, **d ) into kid[1..4]. */
static void parse_arguments(struct jj_parser *p, struct jj_node *n)
{
    struct jj_node **arg = &n->kid[1], **keyword = &n->kid[2];
    int line = line_of(p);
    bool ok = true;
    jj_expect_op(p, "(");
    for (int i = 0; !jj_at_op(p, ")"); i++) {
        if (i) jj_expect_op(p, ",");
        if (i && jj_at_op(p, ")")) break;
        if (i == JJ_ARGS_MAX) jj_syntax(p, line, "more than %d arguments", JJ_ARGS_MAX);
        if (jj_skip_op(p, "*")) {
            ok = !n->kid[3] && !n->kid[4];
            n->kid[3] = jj_parse_expression(p, true);
        } else if (jj_skip_op(p, "**")) {
            ok = !n->kid[4];
            n->kid[4] = jj_parse_expression(p, true);
        } else if (jj_current(p)->type == T_NAME && jj_look(p)->type == T_OPERATOR &&
                   jj_is(jj_look(p)->value, "=")) {
            ok = !n->kid[4];
            *keyword = jj_node(p, N_KEYWORD, line_of(p));
            (*keyword)->name = jj_advance(p)->value.s;
            jj_advance(p);
            for (const struct jj_node *k = n->kid[2]; k != *keyword; k = k->next)
                if (!strcmp(k->name->p, (*keyword)->name->p))
                    jj_syntax(p, line, "keyword argument repeated: %s", k->name->p);
            (*keyword)->kid[0] = jj_parse_expression(p, true);
            keyword = &(*keyword)->next;
        } else {
            ok = !n->kid[2] && !n->kid[3] && !n->kid[4];
            *arg = jj_parse_expression(p, true);
            arg = &(*arg)->next;
        }
        if (!ok) jj_syntax(p, line, "invalid syntax for function call expression");
    }
    jj_expect_op(p, ")");
}

/* A name with dots, which no filter or test of ours has. */
static struct jj_str *dotted_name(struct jj_parser *p)
{
    struct jj *vm = p->vm;
    size_t start = jj_capture(vm);
    str_puts(&vm->text, jj_expect_name(p, NULL)->value.s->p);
    while (jj_skip_op(p, ".")) str_addf(&vm->text, ".%s", jj_expect_name(p, NULL)->value.s->p);
    return jj_captured(vm, start).s;
}

struct jj_node *jj_parse_filters(struct jj_parser *p, struct jj_node *node, bool inline_start)
{
    for (int n = 0; inline_start || jj_at_op(p, "|"); n++) {
        if (n == JJ_NEST_MAX) jj_syntax(p, line_of(p), "more than %d filters in a row", JJ_NEST_MAX);
        if (!inline_start) jj_advance(p);
        inline_start = false;
        struct jj_node *filter = node1(p, N_FILTER, line_of(p), node);
        filter->name = dotted_name(p);
        if (jj_at_op(p, "(")) parse_arguments(p, filter);
        node = filter;
    }
    return node;
}

static struct jj_node *parse_primary(struct jj_parser *p, bool with_namespace);
static struct jj_node *parse_postfix(struct jj_parser *p, struct jj_node *node);

/* Does a test's argument without parentheses begin here? */
static bool test_argument(struct jj_parser *p)
{
    const struct jj_token *t = jj_current(p);
    if (t->type == T_OPERATOR) return jj_is(t->value, "[") || jj_is(t->value, "{");
    if (t->type == T_NAME)
        return !jj_is(t->value, "else") && !jj_is(t->value, "or") && !jj_is(t->value, "and");
    return t->type == T_STRING || t->type == T_INTEGER || t->type == T_FLOAT;
}

static struct jj_node *parse_test(struct jj_parser *p, struct jj_node *node)
{
    int line = jj_advance(p)->line;
    bool negated = jj_skip_name(p, "not");
    struct jj_node *test = node1(p, N_TEST, line, node);
    test->name = dotted_name(p);
    if (jj_at_op(p, "(")) {
        parse_arguments(p, test);
    } else if (test_argument(p)) {
        if (jj_at_name(p, "is")) jj_syntax(p, line_of(p), "You cannot chain multiple tests with is");
        test->kid[1] = parse_postfix(p, parse_primary(p, false));
    }
    return negated ? node1(p, N_NOT, line, test) : test;
}

/* ---- primaries ----------------------------------------------------------------------------------------- */

static struct jj_node *parse_subscribed(struct jj_parser *p)
{
    struct jj_node *n = NULL, *slice;
    int line = line_of(p);
    if (!jj_at_op(p, ":")) n = jj_parse_expression(p, true);
    if (!jj_skip_op(p, ":")) return n;
    slice = node1(p, N_SLICE, line, n);
    for (int i = 1; i < 3; i++) {
        if (i == 2 && !jj_skip_op(p, ":")) break;
        if (!jj_at_op(p, ":") && !jj_at_op(p, "]") && !jj_at_op(p, ","))
            slice->kid[i] = jj_parse_expression(p, true);
    }
    return slice;
}

static struct jj_node *parse_subscript(struct jj_parser *p, struct jj_node *node)
{
    int line = line_of(p);
    if (jj_skip_op(p, ".")) {
        const struct jj_token *t = jj_current(p);
        if (t->type != T_NAME && t->type != T_INTEGER) jj_syntax(p, t->line, "expected name or number");
        jj_advance(p);
        struct jj_node *n = node1(p, t->type == T_NAME ? N_ATTR : N_ITEM, line, node);
        if (t->type == T_NAME)
            n->name = t->value.s;
        else
            n->kid[1] = constant(p, line, t->value);
        return n;
    }
    jj_expect_op(p, "[");
    struct jj_node *n = node1(p, N_ITEM, line, node), *items = NULL, **item = &items;
    int count = 0;
    for (; !jj_at_op(p, "]"); count++) {
        if (count) jj_expect_op(p, ",");
        *item = parse_subscribed(p);
        if (count && (*item)->type == N_SLICE) jj_syntax(p, line, "a slice among other subscripts");
        item = &(*item)->next;
    }
    jj_expect_op(p, "]");
    if (count > 1 && items->type == N_SLICE) jj_syntax(p, line, "a slice among other subscripts");
    n->kid[1] = count == 1 ? items : node1(p, N_TUPLE, line, items);
    return n;
}

static struct jj_node *parse_postfix(struct jj_parser *p, struct jj_node *node)
{
    for (int n = 0;; n++) {
        if (n == JJ_NEST_MAX)
            jj_syntax(p, line_of(p), "more than %d calls and subscripts in a row", JJ_NEST_MAX);
        if (jj_at_op(p, ".") || jj_at_op(p, "[")) {
            node = parse_subscript(p, node);
        } else if (jj_at_op(p, "(")) {
            node = node1(p, N_CALL, line_of(p), node);
            parse_arguments(p, node);
        } else {
            return node;
        }
    }
}

static struct jj_node *parse_filter_expression(struct jj_parser *p, struct jj_node *node)
{
    for (int n = 0;; n++) {
        if (n == JJ_NEST_MAX)
            jj_syntax(p, line_of(p), "more than %d filters and tests in a row", JJ_NEST_MAX);
        if (jj_at_op(p, "|")) {
            node = jj_parse_filters(p, node, false);
        } else if (jj_at_name(p, "is")) {
            node = parse_test(p, node);
        } else if (jj_at_op(p, "(")) {
            node = node1(p, N_CALL, line_of(p), node);
            parse_arguments(p, node);
        } else {
            return node;
        }
    }
}

static struct jj_node *parse_name(struct jj_parser *p, bool with_namespace)
{
    const struct jj_token *t = jj_advance(p);
    const char *name = t->value.s->p;
    if (!strcmp(name, "true") || !strcmp(name, "True")) return constant(p, t->line, jj_bool(true));
    if (!strcmp(name, "false") || !strcmp(name, "False")) return constant(p, t->line, jj_bool(false));
    if (!strcmp(name, "none") || !strcmp(name, "None")) return constant(p, t->line, jj_none());
    struct jj_node *n = jj_node(p, N_NAME, t->line);
    n->name = t->value.s;
    if (with_namespace && jj_skip_op(p, ".")) {
        n->type = N_NSREF;
        n->attr = jj_expect_name(p, NULL)->value.s;
    }
    return n;
}

/* Strings side by side are one. */
static struct jj_node *parse_strings(struct jj_parser *p)
{
    const struct jj_token *t = jj_advance(p);
    struct jj_value text = t->value;
    while (jj_current(p)->type == T_STRING) text = jj_binary(p->vm, OP_ADD, text, jj_advance(p)->value);
    return constant(p, t->line, text);
}

static struct jj_node *parse_list(struct jj_parser *p)
{
    struct jj_node *n = jj_node(p, N_LIST, line_of(p)), **item = &n->kid[0];
    jj_expect_op(p, "[");
    while (!jj_at_op(p, "]")) {
        if (n->kid[0]) jj_expect_op(p, ",");
        if (jj_at_op(p, "]")) break;
        *item = jj_parse_expression(p, true);
        item = &(*item)->next;
    }
    jj_expect_op(p, "]");
    return n;
}

static struct jj_node *parse_dict(struct jj_parser *p)
{
    struct jj_node *n = jj_node(p, N_DICT, line_of(p)), **item = &n->kid[0];
    jj_expect_op(p, "{");
    while (!jj_at_op(p, "}")) {
        if (n->kid[0]) jj_expect_op(p, ",");
        if (jj_at_op(p, "}")) break;
        *item = jj_parse_expression(p, true);
        item = &(*item)->next;
        jj_expect_op(p, ":");
        *item = jj_parse_expression(p, true);
        item = &(*item)->next;
    }
    jj_expect_op(p, "}");
    return n;
}

static struct jj_node *parse_primary(struct jj_parser *p, bool with_namespace)
{
    const struct jj_token *t = jj_current(p);
    if (t->type == T_NAME) return parse_name(p, with_namespace);
    if (t->type == T_STRING) return parse_strings(p);
    if (t->type == T_INTEGER || t->type == T_FLOAT) return constant(p, t->line, jj_advance(p)->value);
    if (jj_at_op(p, "[")) return parse_list(p);
    if (jj_at_op(p, "{")) return parse_dict(p);
    if (!jj_skip_op(p, "(")) jj_syntax(p, t->line, "unexpected %s", jj_describe(p, t));
    struct jj_node *n = jj_parse_tuple(p, TUPLE_PAREN, NULL);
    jj_expect_op(p, ")");
    return n;
}

/* ---- operators ----------------------------------------------------------------------------------------- */

static struct jj_node *parse_unary(struct jj_parser *p, bool with_filter)
{
    int line = line_of(p);
    struct jj_node *n;
    jj_nest(p);
    if (jj_skip_op(p, "-"))
        n = node1(p, N_NEG, line, parse_unary(p, false));
    else if (jj_skip_op(p, "+"))
        n = node1(p, N_POS, line, parse_unary(p, false));
    else
        n = parse_primary(p, false);
    n = parse_postfix(p, n);
    if (with_filter) n = parse_filter_expression(p, n);
    p->nest--;
    return n;
}

static struct jj_node *parse_pow(struct jj_parser *p)
{
    return parse_unary(p, true);
}

static struct jj_node *parse_math2(struct jj_parser *p);
static struct jj_node *parse_concat(struct jj_parser *p);

/* left {op right}, to the left; a long chain must not become a deep tree. */
static struct jj_node *parse_chain(struct jj_parser *p, struct jj_node *(*operand)(struct jj_parser *p),
                                   const char *const *ops, const enum jj_op *codes)
{
    struct jj_node *left = operand(p);
    for (int n = 0;; n++) {
        int i = 0;
        while (ops[i] && !jj_at_op(p, ops[i])) i++;
        if (!ops[i]) return left;
        if (n == 4 * JJ_NEST_MAX)
            jj_syntax(p, line_of(p), "more than %d operators in a row", 4 * JJ_NEST_MAX);
        jj_advance(p);
        left = node2(p, N_BINARY, left, operand(p));
        left->op = (uint8_t)codes[i];
    }
}

static struct jj_node *parse_power(struct jj_parser *p)
{
    static const char *const ops[] = {"**", NULL};
    static const enum jj_op codes[] = {OP_POW};
    return parse_chain(p, parse_pow, ops, codes);
}

static struct jj_node *parse_math2(struct jj_parser *p)
{
    static const char *const ops[] = {"*", "/", "//", "%", NULL};
    static const enum jj_op codes[] = {OP_MUL, OP_DIV, OP_FLOORDIV, OP_MOD};
    return parse_chain(p, parse_power, ops, codes);
}

static struct jj_node *parse_concat(struct jj_parser *p)
{
    struct jj_node *first = parse_math2(p);
    if (!jj_at_op(p, "~")) return first;
    struct jj_node *n = node1(p, N_CONCAT, first->line, first);
    for (struct jj_node **item = &first->next; jj_skip_op(p, "~"); item = &(*item)->next)
        *item = parse_math2(p);
    return n;
}

static struct jj_node *parse_math1(struct jj_parser *p)
{
    static const char *const ops[] = {"+", "-", NULL};
    static const enum jj_op codes[] = {OP_ADD, OP_SUB};
    return parse_chain(p, parse_concat, ops, codes);
}

/* The comparison that begins here, its tokens taken; -1: none. */
static int comparison(struct jj_parser *p)
{
    static const char *const ops[] = {"==", "!=", "<", "<=", ">", ">="};
    for (int i = 0; i < 6; i++)
        if (jj_skip_op(p, ops[i])) return OP_EQ + i;
    if (jj_skip_name(p, "in")) return OP_IN;
    if (!jj_at_name(p, "not") || jj_look(p)->type != T_NAME || !jj_is(jj_look(p)->value, "in")) return -1;
    jj_advance(p);
    jj_advance(p);
    return OP_NOTIN;
}

static struct jj_node *parse_compare(struct jj_parser *p)
{
    struct jj_node *first = parse_math1(p), *n = NULL, **operand = NULL;
    for (int op; (op = comparison(p)) >= 0; operand = &(*operand)->next) {
        if (!n) {
            n = node1(p, N_COMPARE, first->line, first);
            operand = &n->kid[1];
        }
        *operand = node1(p, N_OPERAND, line_of(p), parse_math1(p));
        (*operand)->op = (uint8_t)op;
    }
    return n ? n : first;
}

static struct jj_node *parse_not(struct jj_parser *p)
{
    if (!jj_at_name(p, "not")) return parse_compare(p);
    int line = jj_advance(p)->line;
    jj_nest(p);
    struct jj_node *n = node1(p, N_NOT, line, parse_not(p));
    p->nest--;
    return n;
}

static struct jj_node *parse_words(struct jj_parser *p, struct jj_node *(*operand)(struct jj_parser *p),
                                   const char *word, enum jj_type type)
{
    struct jj_node *left = operand(p);
    for (int n = 0; jj_skip_name(p, word); n++) {
        if (n == 4 * JJ_NEST_MAX)
            jj_syntax(p, line_of(p), "more than %d operators in a row", 4 * JJ_NEST_MAX);
        left = node2(p, type, left, operand(p));
    }
    return left;
}

static struct jj_node *parse_and(struct jj_parser *p)
{
    return parse_words(p, parse_not, "and", N_AND);
}

static struct jj_node *parse_or(struct jj_parser *p)
{
    return parse_words(p, parse_and, "or", N_OR);
}

static struct jj_node *parse_condition(struct jj_parser *p)
{
    struct jj_node *n = parse_or(p);
    for (int i = 0; jj_skip_name(p, "if"); i++) {
        if (i == JJ_NEST_MAX) jj_syntax(p, line_of(p), "more than %d conditions in a row", JJ_NEST_MAX);
        struct jj_node *cond = node1(p, N_COND, n->line, parse_or(p));
        cond->kid[1] = n;
        if (jj_skip_name(p, "else")) {
            jj_nest(p);
            cond->kid[2] = parse_condition(p);
            p->nest--;
        }
        n = cond;
    }
    return n;
}

struct jj_node *jj_parse_expression(struct jj_parser *p, bool with_cond)
{
    jj_nest(p);
    struct jj_node *n = with_cond ? parse_condition(p) : parse_or(p);
    p->nest--;
    return n;
}

/* ---- tuples and targets -------------------------------------------------------------------------------- */

static bool tuple_ends(struct jj_parser *p, const char *end)
{
    enum jj_tok type = jj_current(p)->type;
    return type == T_VARIABLE_END || type == T_BLOCK_END || jj_at_op(p, ")") || (end && jj_at_name(p, end));
}

struct jj_node *jj_parse_tuple(struct jj_parser *p, int flags, const char *end)
{
    struct jj_node *items = NULL, **item = &items;
    int line = line_of(p);
    bool is_tuple = false;
    for (;;) {
        if (items) jj_expect_op(p, ",");
        if (tuple_ends(p, end)) break;
        *item = flags & TUPLE_SIMPLE ? parse_primary(p, flags & TUPLE_NAMESPACE)
                                     : jj_parse_expression(p, !(flags & TUPLE_NO_COND));
        item = &(*item)->next;
        if (!jj_at_op(p, ",")) break;
        is_tuple = true;
    }
    if (!is_tuple && items) return items;
    if (!is_tuple && !(flags & TUPLE_PAREN))
        jj_syntax(p, line_of(p), "Expected an expression, got %s", jj_describe(p, jj_current(p)));
    return node1(p, N_TUPLE, line, items);
}

/* A name, a tuple of targets or NAMESPACE.ATTRIBUTE. */
static void make_target(struct jj_parser *p, struct jj_node *n)
{
    static const char *const names[] = {[N_CONST] = "const", [N_LIST] = "list", [N_DICT] = "dict"};
    n->ctx = CTX_STORE;
    if (n->type == N_NAME || n->type == N_NSREF) return;
    if (n->type != N_TUPLE)
        jj_syntax(p, n->line, "can't assign to '%s'",
                  n->type <= N_DICT && names[n->type] ? names[n->type] : "expression");
    for (struct jj_node *k = n->kid[0]; k; k = k->next) make_target(p, k);
}

struct jj_node *jj_parse_target(struct jj_parser *p, bool name_only, bool with_namespace, const char *end)
{
    struct jj_node *n;
    if (name_only) {
        const struct jj_token *t = jj_expect_name(p, NULL);
        n = jj_node(p, N_NAME, t->line);
        n->name = t->value.s;
    } else {
        n = jj_parse_tuple(p, TUPLE_SIMPLE | (with_namespace ? TUPLE_NAMESPACE : 0), end);
    }
    make_target(p, n);
    return n;
}
