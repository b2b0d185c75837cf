/* jinja_parse.c: tokens to statements.
 *
 * The tags of Jinja, of its loopcontrols extension (break, continue) and of transformers ({% generation
 * %}). include, import, from and extends have no other template to load, and say so. Messages of syntax
 * errors are jinja2's.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text/jinja.h"

/* ---- tokens -------------------------------------------------------------------------------------------- */

void jj_syntax(struct jj_parser *p, int line, const char *fmt, ...)
{
    char message[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    p->vm->line = line;
    jj_raise(p->vm, "%s", message);
}

const struct jj_token *jj_current(struct jj_parser *p)
{
    return &p->tok[p->at];
}

/* A mistake that the lexer found counts when the parser comes to it. */
static void check_token(struct jj_parser *p, size_t at)
{
    if (p->tok[at].type == T_ERROR) jj_syntax(p, p->tok[at].line, "%s", p->tok[at].value.s->p);
}

const struct jj_token *jj_look(struct jj_parser *p)
{
    size_t next = p->tok[p->at].type == T_EOF ? p->at : p->at + 1;
    check_token(p, next);
    return &p->tok[next];
}

const struct jj_token *jj_advance(struct jj_parser *p)
{
    const struct jj_token *old = &p->tok[p->at];
    if (old->type != T_EOF) check_token(p, ++p->at);
    return old;
}

static bool token_is(const struct jj_token *t, enum jj_tok type, const char *text)
{
    return t->type == type && jj_is(t->value, text);
}

bool jj_at_name(struct jj_parser *p, const char *name)
{
    return token_is(jj_current(p), T_NAME, name);
}

bool jj_at_op(struct jj_parser *p, const char *op)
{
    return token_is(jj_current(p), T_OPERATOR, op);
}

bool jj_skip_name(struct jj_parser *p, const char *name)
{
    return jj_at_name(p, name) && jj_advance(p);
}

bool jj_skip_op(struct jj_parser *p, const char *op)
{
    return jj_at_op(p, op) && jj_advance(p);
}

static const char *type_name(enum jj_tok type)
{
    switch (type) {
    case T_EOF: return "end of template";
    case T_DATA: return "template data / text";
    case T_VARIABLE_BEGIN: return "begin of print statement";
    case T_VARIABLE_END: return "end of print statement";
    case T_BLOCK_BEGIN: return "begin of statement block";
    case T_BLOCK_END: return "end of statement block";
    case T_NAME: return "name";
    case T_STRING: return "string";
    case T_INTEGER: return "integer";
    case T_FLOAT: return "float";
    default: return "operator";
    }
}

const char *jj_describe(struct jj_parser *p, const struct jj_token *t)
{
    if (t->type == T_NAME || t->type == T_OPERATOR) return jj_repr(p->vm, t->value);
    return jj_repr(p->vm, jj_text(p->vm, type_name(t->type)));
}

static _Noreturn void not_expected(struct jj_parser *p, const char *what)
{
    const struct jj_token *t = jj_current(p);
    const char *wanted = jj_repr(p->vm, jj_text(p->vm, what));
    if (t->type == T_EOF) jj_syntax(p, t->line, "unexpected end of template, expected %s.", wanted);
    jj_syntax(p, t->line, "expected token %s, got %s", wanted, jj_describe(p, t));
}

const struct jj_token *jj_expect_name(struct jj_parser *p, const char *name)
{
    if (jj_current(p)->type != T_NAME || (name && !jj_at_name(p, name)))
        not_expected(p, name ? name : "name");
    return jj_advance(p);
}

void jj_expect_op(struct jj_parser *p, const char *op)
{
    if (!jj_skip_op(p, op)) not_expected(p, op);
}

void jj_expect(struct jj_parser *p, enum jj_tok type)
{
    if (jj_current(p)->type != type) not_expected(p, type_name(type));
    jj_advance(p);
}

struct jj_node *jj_node(struct jj_parser *p, enum jj_type type, int line)
{
    if (++p->n_nodes > JJ_NODES_MAX)
        jj_syntax(p, line, "the template is too large (more than %d nodes)", JJ_NODES_MAX);
    struct jj_node *n = jj_alloc(p->vm, sizeof *n);
    *n = (struct jj_node){.type = (uint8_t)type, .line = line, .loop_slot = -1};
    return n;
}

void jj_nest(struct jj_parser *p)
{
    if (++p->nest > JJ_NEST_MAX)
        jj_syntax(p, jj_current(p)->line, "nested too deeply (more than %d levels)", JJ_NEST_MAX);
}

/* ---- bodies -------------------------------------------------------------------------------------------- */

static struct jj_node *parse_statement(struct jj_parser *p);

static void add_name(struct jj *vm, const char *name, const char *sep)
{
    if (sep) str_puts(&vm->text, sep);
    jj_print_repr(vm, jj_text(vm, name), &vm->text);
}

/* An end that does not come, or a tag that is none. */
static _Noreturn void unknown_tag(struct jj_parser *p, const struct jj_str *name, int line)
{
    struct jj *vm = p->vm;
    size_t start = jj_capture(vm);
    if (name)
        str_addf(&vm->text, "Encountered unknown tag '%.*s'.", (int)name->n, name->p);
    else
        str_puts(&vm->text, "Unexpected end of template.");
    if (p->n_ends) {
        bool known = false;
        for (int i = 0; i < p->n_ends && name; i++)
            for (const char *const *w = p->ends[i]; *w; w++)
                known |= strlen(*w) == name->n && !memcmp(*w, name->p, name->n);
        str_puts(&vm->text,
                 known ? " You probably made a nesting mistake. Jinja is expecting this tag, but currently "
                         "looking for "
                       : " Jinja was looking for the following tags: ");
        for (const char *const *w = p->ends[p->n_ends - 1]; *w; w++)
            add_name(vm, *w, w == p->ends[p->n_ends - 1] ? NULL : " or ");
        str_puts(&vm->text, ".");
    }
    if (p->n_tags) {
        str_puts(&vm->text, " The innermost block that needs to be closed is ");
        add_name(vm, p->tags[p->n_tags - 1]->p, NULL);
        str_puts(&vm->text, ".");
    }
    jj_syntax(p, line, "%s", jj_captured(vm, start).s->p);
}

/* Text, prints and statements until one of `ends` (names; NULL: the end of the template). */
static struct jj_node *parse_body(struct jj_parser *p, const char *const *ends)
{
    struct jj_node *first = NULL, **last = &first;
    jj_nest(p);
    if (ends) p->ends[p->n_ends++] = ends;
    for (;;) {
        const struct jj_token *t = jj_current(p);
        struct jj_node *n;
        if (t->type == T_EOF) break;
        jj_advance(p);
        if (t->type == T_DATA) {
            n = jj_node(p, N_TEXT, t->line);
            n->value = t->value;
        } else if (t->type == T_VARIABLE_BEGIN) {
            n = jj_node(p, N_PRINT, t->line);
            n->kid[0] = jj_parse_tuple(p, 0, NULL);
            jj_expect(p, T_VARIABLE_END);
        } else {
            bool ended = false;
            for (const char *const *w = ends; w && *w; w++) ended |= jj_at_name(p, *w);
            if (ended) break;
            n = parse_statement(p);
            jj_expect(p, T_BLOCK_END);
        }
        *last = n;
        while (*last) last = &(*last)->next;
    }
    if (ends && jj_current(p)->type == T_EOF) unknown_tag(p, NULL, jj_current(p)->line);
    if (ends) p->n_ends--;
    p->nest--;
    return first;
}

/* The body of a tag; the token that ends it is current afterwards, or gone with `drop`. */
static struct jj_node *parse_statements(struct jj_parser *p, const char *const *ends, bool drop)
{
    jj_skip_op(p, ":");
    jj_expect(p, T_BLOCK_END);
    struct jj_node *body = parse_body(p, ends);
    if (drop) jj_advance(p);
    return body;
}

/* ---- tags ---------------------------------------------------------------------------------------------- */

#define ENDS(...)                                                                                            \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }

static struct jj_node *parse_if(struct jj_parser *p, int line)
{
    struct jj_node *first = jj_node(p, N_IF, line), *n = first, **elif = &first->kid[2];
    for (;;) {
        n->kid[0] = jj_parse_tuple(p, TUPLE_NO_COND, NULL);
        n->kid[1] = parse_statements(p, ENDS("elif", "else", "endif"), false);
        const struct jj_token *t = jj_advance(p);
        if (jj_is(t->value, "elif")) {
            *elif = n = jj_node(p, N_IF, jj_current(p)->line);
            elif = &n->next;
            continue;
        }
        if (jj_is(t->value, "else")) first->kid[3] = parse_statements(p, ENDS("endif"), true);
        return first;
    }
}

static struct jj_node *copy_target(struct jj_parser *p, const struct jj_node *n)
{
    struct jj_node *copy = jj_node(p, (enum jj_type)n->type, n->line), **item = &copy->kid[0];
    copy->name = n->name;
    copy->ctx = n->ctx;
    for (const struct jj_node *k = n->kid[0]; k; k = k->next, item = &(*item)->next)
        *item = copy_target(p, k);
    return copy;
}

static struct jj_node *parse_for(struct jj_parser *p, int line)
{
    struct jj_node *n = jj_node(p, N_FOR, line);
    n->kid[0] = jj_parse_target(p, false, false, "in");
    jj_expect_name(p, "in");
    n->kid[1] = jj_parse_tuple(p, TUPLE_NO_COND, "recursive");
    if (jj_skip_name(p, "if")) {
        n->kid[4] = jj_node(p, N_LOOPTEST, line);
        n->kid[4]->kid[0] = copy_target(p, n->kid[0]);
        n->kid[4]->kid[1] = jj_parse_expression(p, true);
    }
    n->recursive = jj_skip_name(p, "recursive");
    p->loops++;
    n->kid[2] = parse_statements(p, ENDS("endfor", "else"), false);
    p->loops--;
    if (jj_is(jj_advance(p)->value, "else")) n->kid[3] = parse_statements(p, ENDS("endfor"), true);
    return n;
}

static struct jj_node *parse_set(struct jj_parser *p, int line)
{
    struct jj_node *target = jj_parse_target(p, false, true, NULL), *n;
    if (jj_skip_op(p, "=")) {
        n = jj_node(p, N_SET, line);
        n->kid[1] = jj_parse_tuple(p, 0, NULL);
    } else {
        n = jj_node(p, N_SETBLOCK, line);
        n->kid[1] = jj_parse_filters(p, NULL, false);
        n->kid[2] = parse_statements(p, ENDS("endset"), true);
    }
    n->kid[0] = target;
    return n;
}

/* (a, b=1): parameters with kid[0] and defaults with kid[1] of n. */
static void parse_signature(struct jj_parser *p, struct jj_node *n)
{
    struct jj_node **param = &n->kid[0], **fallback = &n->kid[1];
    jj_expect_op(p, "(");
    while (!jj_at_op(p, ")")) {
        if (n->kid[0]) jj_expect_op(p, ",");
        *param = jj_parse_target(p, true, false, NULL);
        (*param)->ctx = CTX_PARAM;
        param = &(*param)->next;
        if (jj_skip_op(p, "=")) {
            *fallback = jj_parse_expression(p, true);
            fallback = &(*fallback)->next;
        } else if (n->kid[1]) {
            jj_syntax(p, jj_current(p)->line, "non-default argument follows default argument");
        }
    }
    jj_expect_op(p, ")");
}

/* The body of a function: a break in it does not see the loops around it. */
static struct jj_node *parse_function_body(struct jj_parser *p, const char *const *ends)
{
    int loops = p->loops;
    p->loops = 0;
    struct jj_node *body = parse_statements(p, ends, true);
    p->loops = loops;
    return body;
}

static struct jj_node *parse_macro(struct jj_parser *p, int line)
{
    struct jj_node *n = jj_node(p, N_MACRO, line);
    n->name = jj_expect_name(p, NULL)->value.s;
    parse_signature(p, n);
    n->kid[2] = parse_function_body(p, ENDS("endmacro"));
    return n;
}

static struct jj_node *parse_call(struct jj_parser *p, int line)
{
    struct jj_node *n = jj_node(p, N_CALLBLOCK, line);
    if (jj_at_op(p, "(")) parse_signature(p, n);
    n->kid[3] = jj_parse_expression(p, true);
    if (n->kid[3]->type != N_CALL) jj_syntax(p, line, "expected call");
    n->kid[2] = parse_function_body(p, ENDS("endcall"));
    return n;
}

static struct jj_node *parse_generation(struct jj_parser *p, int line)
{
    struct jj_node *n = jj_node(p, N_CALLBLOCK, line);
    n->kid[2] = parse_function_body(p, ENDS("endgeneration"));
    return n;
}

static struct jj_node *parse_filter_block(struct jj_parser *p, int line)
{
    struct jj_node *n = jj_node(p, N_FILTERBLOCK, line);
    n->kid[1] = jj_parse_filters(p, NULL, true);
    n->kid[0] = parse_statements(p, ENDS("endfilter"), true);
    return n;
}

static struct jj_node *parse_with(struct jj_parser *p, int line)
{
    struct jj_node *n = jj_node(p, N_WITH, line), **target = &n->kid[0], **value = &n->kid[1];
    while (jj_current(p)->type != T_BLOCK_END) {
        if (n->kid[0]) jj_expect_op(p, ",");
        *target = jj_parse_target(p, false, false, NULL);
        target = &(*target)->next;
        jj_expect_op(p, "=");
        *value = jj_parse_expression(p, true);
        value = &(*value)->next;
    }
    n->kid[2] = parse_statements(p, ENDS("endwith"), true);
    return n;
}

static struct jj_node *parse_block(struct jj_parser *p, int line)
{
    struct jj_node *n = jj_node(p, N_BLOCK, line);
    n->name = jj_expect_name(p, NULL)->value.s;
    if (jj_skip_name(p, "scoped") || jj_skip_name(p, "required"))
        jj_syntax(p, line, "blocks are not scoped or required here: no other template extends this one");
    n->kid[0] = parse_function_body(p, ENDS("endblock"));
    jj_skip_name(p, n->name->p);
    return n;
}

static struct jj_node *parse_print(struct jj_parser *p, int line)
{
    struct jj_node *n = jj_node(p, N_PRINT, line), **item = &n->kid[0];
    while (jj_current(p)->type != T_BLOCK_END) {
        if (n->kid[0]) jj_expect_op(p, ",");
        *item = jj_parse_expression(p, true);
        item = &(*item)->next;
    }
    return n;
}

static struct jj_node *parse_break(struct jj_parser *p, int line)
{
    if (!p->loops) jj_syntax(p, line, "'break' outside loop");
    return jj_node(p, N_BREAK, line);
}

static struct jj_node *parse_continue(struct jj_parser *p, int line)
{
    if (!p->loops) jj_syntax(p, line, "'continue' not properly in loop");
    return jj_node(p, N_CONTINUE, line);
}

static struct jj_node *parse_statement(struct jj_parser *p)
{
    static const struct {
        const char *tag;
        struct jj_node *(*parse)(struct jj_parser *p, int line); /* NULL: no other template to load */
    } tags[] = {{"if", parse_if},
                {"for", parse_for},
                {"set", parse_set},
                {"macro", parse_macro},
                {"call", parse_call},
                {"generation", parse_generation},
                {"filter", parse_filter_block},
                {"with", parse_with},
                {"block", parse_block},
                {"print", parse_print},
                {"break", parse_break},
                {"continue", parse_continue},
                {"include", NULL},
                {"import", NULL},
                {"from", NULL},
                {"extends", NULL},
                {"autoescape", NULL}};
    const struct jj_token *t = jj_current(p);
    if (t->type != T_NAME) jj_syntax(p, t->line, "tag name expected");
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        if (!jj_is(t->value, tags[i].tag)) continue;
        if (!tags[i].parse)
            jj_syntax(p, t->line, "{%% %s %%} is not supported in a chat template", tags[i].tag);
        jj_nest(p);
        p->tags[p->n_tags++] = t->value.s;
        jj_advance(p);
        struct jj_node *n = tags[i].parse(p, t->line);
        p->n_tags--;
        p->nest--;
        return n;
    }
    unknown_tag(p, t->value.s, t->line);
}

struct jj_node *jj_parse(struct jj_parser *p)
{
    check_token(p, 0);
    return parse_body(p, NULL);
}
