/* jinja.h: the template language of chat templates, as Python's jinja2 3.1 with transformers'
 * environment.
 *
 *   jinja_lex.c     text -> tokens                     jinja_value.c    values: truth, equality, items
 *   jinja_parse.c   tokens -> statements               jinja_print.c    str() and repr()
 *   jinja_expr.c    tokens -> expressions              jinja_number.c   arithmetic, numbers to text and back
 *   jinja_scope.c   names -> slots                     jinja_format.c   "%d" % x, "{}".format(x)
 *   jinja_eval.c    expressions -> values              jinja_json.c     JSON in and out
 *   jinja_exec.c    statements -> text                 jinja_method.c   methods of str, list, dict
 *   jinja_call.c    macros, global functions           jinja_text.c     strings by code points
 *   jinja_filters*.c, jinja_pprint.c, jinja_tests.c
 *
 * A template is parsed once into nodes that never change afterwards, so threads may share it. One
 * rendering has one struct jj: its memory is an arena that ends with it, so an error is a jump out of
 * the middle (as an exception is in Python) and leaves nothing behind. What a template from a stranger
 * can use up is limited: see JJ_*_MAX.
 */
#ifndef TEXT_JINJA_H
#define TEXT_JINJA_H

#include <jansson.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "text/text.h"

#define JJ_SOURCE_MAX ((size_t)1 << 22) /* bytes of a template */
#define JJ_NODES_MAX  200000            /* nodes of a template */
#define JJ_NEST_MAX   120               /* expressions or statements within each other */
#define JJ_DEPTH_MAX  1500              /* evaluations within each other; Python: 1000 frames */
#define JJ_STEPS_MAX  5000000           /* evaluations, and items or 64 bytes handled, of a rendering */
#define JJ_MEMORY_MAX ((size_t)1 << 27) /* bytes of a rendering */
#define JJ_TEXT_MAX   ((size_t)1 << 24) /* bytes of one string and of the output */
#define JJ_RANGE_MAX  100000            /* items of a range, as in jinja2's sandbox */
#define JJ_NAMES_MAX  4096              /* names of one frame */
#define JJ_ARGS_MAX   256               /* arguments of one call */

/* ---- values -------------------------------------------------------------------------------------------- */

enum jj_kind {
    JJ_MISSING, /* no value at all: an argument left out, a name not yet set */
    JJ_UNDEFINED,
    JJ_NONE,
    JJ_BOOL,
    JJ_INT,
    JJ_FLOAT,
    JJ_STR,
    JJ_LIST,
    JJ_TUPLE,
    JJ_DICT,
    JJ_VIEW, /* keys, values or items of a dict */
    JJ_RANGE,
    JJ_ITER, /* a generator: used up by the first who reads it */
    JJ_NAMESPACE,
    JJ_MACRO,
    JJ_LOOP,
    JJ_CYCLER,
    JJ_JOINER,
    JJ_FUNC,  /* a global function */
    JJ_METHOD /* a method with its object */
};

struct jj_value {
    uint8_t kind;
    bool safe; /* a str that is markupsafe's Markup */
    union {
        bool b;
        int64_t i;
        double f;
        struct jj_str *s;
        struct jj_list *list; /* also of a tuple */
        struct jj_dict *dict; /* also of a namespace */
        struct jj_view *view;
        struct jj_range *range;
        struct jj_iter *iter;
        struct jj_undef *undef;
        struct jj_macro *macro;
        struct jj_loop *loop;
        struct jj_cycler *cycler;
        struct jj_joiner *joiner;
        struct jj_method *method;
        const struct jj_callable *func;
    };
};

struct jj_str {
    const char *p; /* valid UTF-8, or surrogates from escapes, which cannot be printed */
    size_t n;
    size_t chars; /* code points */
};
struct jj_list {
    struct jj_value *v;
    size_t n, cap;
    bool grouped; /* a pair of groupby: .grouper and .list */
};
struct jj_pair {
    struct jj_value key, value;
};
struct jj_dict { /* in order of insertion */
    struct jj_pair *v;
    size_t n, cap;
    uint32_t *slots; /* index + 1 by hash, from 9 pairs on */
    size_t n_slots;
};
enum jj_view_of { JJ_KEYS, JJ_VALUES, JJ_ITEMS };
struct jj_view {
    struct jj_dict *dict;
    enum jj_view_of of;
};
struct jj_range {
    int64_t start, stop, step, n;
};
struct jj_undef {
    const char *hint;   /* the whole message, or NULL */
    struct jj_value of; /* what lacks it; JJ_MISSING: a variable */
    struct jj_value name;
};
struct jj_cycler {
    struct jj_value *v;
    size_t n, at;
};
struct jj_joiner {
    struct jj_value sep;
    bool used;
};

/* Arguments as written: positional, then keywords. */
struct jj_args {
    struct jj_value *v;
    size_t n;
    struct jj_dict *kw; /* or NULL */
};
/* Reading a value item by item; also what a generator is. `next` gives false at the end. */
struct jj;
struct jj_iter {
    bool (*next)(struct jj *vm, struct jj_iter *it, struct jj_value *out);
    struct jj_value of;                                               /* what is read */
    size_t at, n;                                                     /* position, limit */
    struct jj_iter *from;                                             /* a generator reads another */
    struct jj_value (*make)(struct jj *vm, const struct jj_value *v); /* or makes a list when first read */
    const struct jj_value *v;
    struct jj_args args; /* of map, select, ... */
    const struct jj_callable *row;
    bool negate, by_attr;
    const struct jj_node *node;
    struct jj_act *act;
    const char *type; /* Python's name */
};

/* ---- what can be called -------------------------------------------------------------------------------- */

/* params: names, separated by commas; "/" before a name: by position only; "name=": may be left out. A
 * row without params takes its arguments as they come. v[0] of a filter, test or method is its object. */
struct jj_callable {
    const char *name;
    const char *params;
    struct jj_value (*call)(struct jj *vm, struct jj_value *v);
    struct jj_value (*call_args)(struct jj *vm, struct jj_value self, const struct jj_args *a);
};
#define JJ_PARAMS_MAX 8

struct jj_method {
    struct jj_value self;
    const struct jj_callable *row;
};

/* ---- the tree ------------------------------------------------------------------------------------------ */

enum jj_type {
    /* expressions: kid[0], kid[1], ... */
    N_CONST,   /* value */
    N_NAME,    /* name, ref */
    N_TUPLE,   /* items */
    N_LIST,    /* items */
    N_DICT,    /* key, value, key, value, ... */
    N_NOT,     /* operand */
    N_NEG,     /* operand */
    N_POS,     /* operand */
    N_BINARY,  /* left, right; op */
    N_AND,     /* left, right */
    N_OR,      /* left, right */
    N_CONCAT,  /* items */
    N_COMPARE, /* first, list of N_OPERAND */
    N_OPERAND, /* right; op */
    N_COND,    /* test, then, else or nothing */
    N_ATTR,    /* object; name */
    N_ITEM,    /* object, subscript */
    N_SLICE,   /* start, stop, step, each or nothing */
    N_CALL,    /* function, arguments, keywords, *arguments, **keywords */
    N_KEYWORD, /* value; name */
    N_FILTER,  /* as N_CALL, function is the object (nothing: the captured text); name, row */
    N_TEST,    /* as N_FILTER */
    N_NSREF,   /* name, attr, ref: target of an assignment */
    /* statements */
    N_TEXT,        /* value */
    N_PRINT,       /* expressions */
    N_IF,          /* test, body, elifs (N_IF), else */
    N_FOR,         /* target, iterable, body, else, N_LOOPTEST or nothing; recursive */
    N_LOOPTEST,    /* the target again, test: a function of its own */
    N_SET,         /* target, value */
    N_SETBLOCK,    /* target, filter, body */
    N_MACRO,       /* parameters, defaults, body; name */
    N_CALLBLOCK,   /* parameters, defaults, body, call; a {% generation %} has no call */
    N_FILTERBLOCK, /* body, filter */
    N_WITH,        /* targets, values, body */
    N_BLOCK,       /* body; name */
    N_BREAK,
    N_CONTINUE
};
enum jj_op {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_FLOORDIV,
    OP_MOD,
    OP_POW,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_IN,
    OP_NOTIN
};
enum jj_ctx { CTX_LOAD, CTX_STORE, CTX_PARAM };

/* Where a name's value is: `up` functions out, at `slot`. */
struct jj_ref {
    int up, slot;
};
/* On entering a frame a name starts from the context, from an outer name, or without a value. */
enum jj_start { START_PARAM, START_CONTEXT, START_OUTER, START_MISSING };
struct jj_load {
    enum jj_start start;
    int slot;
    struct jj_ref outer;
    const struct jj_str *name;
};
struct jj_frame {
    struct jj_load *loads;
    int n;
};
/* A body that runs with slots of its own: the template, a macro, a call block, a recursive loop, the
 * test of a loop, a block. */
struct jj_func {
    int n_slots;
    int *params, n_params;       /* slots of the parameters */
    const struct jj_str **names; /* of the parameters */
    int caller, kwargs, varargs; /* slots, or -1 */
    bool explicit_caller;
    const struct jj_str *name; /* or NULL */
};

struct jj_node {
    uint8_t type, op, ctx;
    bool recursive, extended; /* of a loop */
    bool exported;            /* a name set at the top level */
    int line;
    struct jj_node *next, *kid[5];
    struct jj_str *name, *attr;
    struct jj_value value;
    struct jj_ref ref;
    const struct jj_callable *row;
    struct jj_frame frame, else_frame, test_frame;
    struct jj_func *func, *test_func;
    int loop_slot;
};

struct jj_template {
    struct arena arena;
    struct jj_node *body;
    struct jj_func *func;
    struct jj_frame frame;
    bool has_blocks;
};

/* ---- one rendering (or one parsing) -------------------------------------------------------------------- */

struct jj_act { /* a running function */
    struct jj_act *up;
    struct jj_value *slots;
};
struct jj {
    jmp_buf fail;
    struct err *e;
    struct arena *arena;
    char *block; /* rest of the piece of arena that small things come from */
    size_t left;
    long steps;
    int depth, line;
    const struct jj_template *t;
    struct jj_dict *vars, *exported;
    struct str text;     /* what is printed; a capture is what was printed since its start */
    long captures;       /* how many run */
    size_t main_end;     /* end of what is printed outside all captures */
    struct spans *spans; /* or NULL */
    const int64_t *now;  /* or NULL: the clock */
};

struct jj_macro {
    const struct jj_node *node;
    struct jj_act *act;
};
struct jj_loop {
    struct jj_iter *it;
    struct jj_value of;
    int64_t index0, depth0;
    int64_t length; /* -1: not yet known */
    struct jj_value before, current, after, changed;
    const struct jj_node *node; /* of a recursive loop */
    struct jj_act *act;
};

/* ---- jinja_value.c ------------------------------------------------------------------------------------- */

/* Leaves the rendering; the message gets the template's line in front. */
_Noreturn void jj_raise(struct jj *vm, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void jj_raise_undefined(struct jj *vm, struct jj_value undefined);
void *jj_alloc(struct jj *vm, size_t n);
void jj_step(struct jj *vm, size_t work); /* counts against JJ_STEPS_MAX */
void jj_enter(struct jj *vm);             /* one level deeper; jj_leave after it */
void jj_leave(struct jj *vm);

struct jj_value jj_none(void);
struct jj_value jj_bool(bool b);
struct jj_value jj_int(int64_t i);
struct jj_value jj_float(double f);
struct jj_value jj_str(struct jj *vm, const char *p, size_t n); /* the bytes stay the caller's */
struct jj_value jj_str_copy(struct jj *vm, const char *p, size_t n);
struct jj_value jj_text(struct jj *vm, const char *text);
struct jj_value jj_undefined(struct jj *vm, struct jj_value of, struct jj_value name);
struct jj_value jj_undefined_hint(struct jj *vm, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct jj_value jj_list_new(struct jj *vm, enum jj_kind kind, size_t cap);
void jj_push(struct jj *vm, struct jj_value list, struct jj_value v);
struct jj_value jj_dict_new(struct jj *vm);
void jj_dict_set(struct jj *vm, struct jj_dict *d, struct jj_value key, struct jj_value v);
struct jj_value *jj_dict_find(struct jj *vm, const struct jj_dict *d, struct jj_value key); /* or NULL */
struct jj_value *jj_dict_text(const struct jj_dict *d, const char *key, size_t n);

bool jj_is(struct jj_value v, const char *text); /* the string `text` */
bool jj_truth(struct jj *vm, struct jj_value v);
bool jj_equal(struct jj *vm, struct jj_value a, struct jj_value b);
bool jj_less(struct jj *vm, struct jj_value a, struct jj_value b, const char *op);
bool jj_in(struct jj *vm, struct jj_value item, struct jj_value in);
const char *jj_type(struct jj_value v); /* Python's name of its type */
/* Number of items, or -1 when it has no len(). */
int64_t jj_length(struct jj *vm, struct jj_value v);
bool jj_is_number(struct jj_value v);            /* int, float or bool */
bool jj_as_int(struct jj_value v, int64_t *out); /* int or bool */
int64_t jj_need_int(struct jj *vm, struct jj_value v);
int64_t jj_int_or(struct jj *vm, struct jj_value v, int64_t fallback); /* for none, or left out */
double jj_need_float(struct jj *vm, struct jj_value v);
struct jj_str *jj_need_str(struct jj *vm, struct jj_value v, const char *who);

/* NULL when it cannot be iterated over. */
struct jj_iter *jj_iter_try(struct jj *vm, struct jj_value v);
struct jj_iter *jj_iter(struct jj *vm, struct jj_value v);
bool jj_next(struct jj *vm, struct jj_iter *it, struct jj_value *out);
struct jj_value jj_to_list(struct jj *vm, struct jj_value v); /* a new list */
struct jj_value jj_generator(struct jj *vm, struct jj_iter *it);

/* ---- jinja_print.c ------------------------------------------------------------------------------------- */

void jj_print(struct jj *vm, struct jj_value v, struct str *out);      /* str(v) */
void jj_print_repr(struct jj *vm, struct jj_value v, struct str *out); /* repr(v) */
struct jj_value jj_to_str(struct jj *vm, struct jj_value v);
struct jj_value jj_soft_str(struct jj *vm, struct jj_value v); /* the same, and Markup stays Markup */
const char *jj_repr(struct jj *vm, struct jj_value v);
/* What is printed between the two calls becomes a value instead. */
size_t jj_capture(struct jj *vm);
struct jj_value jj_captured(struct jj *vm, size_t start);
void jj_capture_drop(struct jj *vm, size_t start);
struct jj_value jj_escape(struct jj *vm, struct jj_value v); /* HTML */

/* ---- jinja_number.c ------------------------------------------------------------------------------------ */

struct jj_value jj_binary(struct jj *vm, enum jj_op op, struct jj_value a, struct jj_value b);
struct jj_value jj_negate(struct jj *vm, struct jj_value v);
void jj_print_float(double f, struct str *out);
double jj_round(double x, int64_t digits);
/* Text as Python's int() and float() read it. */
bool jj_parse_int(struct jj *vm, const struct jj_str *s, int base, int64_t *out);
bool jj_parse_float(const struct jj_str *s, double *out);
int64_t jj_float_to_int(struct jj *vm, double f);

/* ---- jinja_format.c ------------------------------------------------------------------------------------ */

struct jj_value jj_percent(struct jj *vm, struct jj_value format, struct jj_value values);
struct jj_value jj_str_format(struct jj *vm, struct jj_value self, const struct jj_args *a);

/* ---- jinja_json.c -------------------------------------------------------------------------------------- */

struct jj_value jj_from_json(struct jj *vm, const json_t *v);
struct jj_value jj_filter_tojson(struct jj *vm, struct jj_value *v);

/* ---- jinja_text.c: strings by code points -------------------------------------------------------------- */

size_t jj_offset(const struct jj_str *s, size_t chars); /* bytes before code point `chars` */
struct jj_value jj_char_at(struct jj *vm, const struct jj_str *s, size_t at);
struct jj_value jj_strip(struct jj *vm, struct jj_value s, struct jj_value chars,
                         int sides); /* 1 left, 2 right */
enum jj_case_rule { CASE_UPPER, CASE_LOWER, CASE_TITLE, CASE_CAPITALIZE, CASE_SWAP };
struct jj_value jj_change_case(struct jj *vm, struct jj_value v, enum jj_case_rule rule);
struct jj_value jj_replace(struct jj *vm, struct jj_value s, struct jj_value old, struct jj_value with,
                           int64_t count);
struct jj_value jj_split(struct jj *vm, struct jj_value s, struct jj_value sep, int64_t max, bool from_right);
struct jj_value jj_splitlines(struct jj *vm, struct jj_value s, bool keep);
struct jj_value jj_join(struct jj *vm, struct jj_value sep, struct jj_value items, bool to_str);
struct jj_value jj_pad(struct jj *vm, struct jj_value s, int64_t width, struct jj_value fill, int sides);
/* Index in code points of `what` in s[from..to), or -1. */
int64_t jj_find(const struct jj_str *s, const struct jj_str *what, size_t from, size_t to, bool last);
struct jj_value jj_slice(struct jj *vm, struct jj_value of, struct jj_value start, struct jj_value stop,
                         struct jj_value step);

/* ---- jinja_method.c ------------------------------------------------------------------------------------ */

/* The attribute that Python's getattr finds on v; JJ_MISSING: none. */
struct jj_value jj_python_attr(struct jj *vm, struct jj_value v, const struct jj_str *name);
struct jj_value jj_getattr(struct jj *vm, struct jj_value v, struct jj_str *name);
struct jj_value jj_getitem(struct jj *vm, struct jj_value v, struct jj_value key);

/* ---- jinja_lex.c, jinja_parse.c, jinja_expr.c, jinja_scope.c ------------------------------------------- */

enum jj_tok {
    T_EOF,
    T_ERROR, /* text: the message */
    T_DATA,
    T_VARIABLE_BEGIN,
    T_VARIABLE_END,
    T_BLOCK_BEGIN,
    T_BLOCK_END,
    T_NAME,
    T_STRING,
    T_INTEGER,
    T_FLOAT,
    T_OPERATOR /* text: the operator */
};
struct jj_token {
    enum jj_tok type;
    int line;
    struct jj_value value; /* str of a name, text, string or operator; a number */
};
struct jj_parser {
    struct jj *vm;
    struct jj_token *tok; /* ends with T_EOF or T_ERROR */
    size_t at, n, cap;
    int nest, n_nodes, loops;
    const struct jj_str *tags[JJ_NEST_MAX + 2]; /* open tags */
    const char *const *ends[JJ_NEST_MAX + 2];   /* what each waits for */
    int n_tags, n_ends;
};
void jj_lex(struct jj_parser *p, const char *source, size_t n);
_Noreturn void jj_syntax(struct jj_parser *p, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
const struct jj_token *jj_current(struct jj_parser *p);
const struct jj_token *jj_look(struct jj_parser *p);
const struct jj_token *jj_advance(struct jj_parser *p); /* returns the old one */
bool jj_at_name(struct jj_parser *p, const char *name);
bool jj_at_op(struct jj_parser *p, const char *op);
bool jj_skip_name(struct jj_parser *p, const char *name);
bool jj_skip_op(struct jj_parser *p, const char *op);
const struct jj_token *jj_expect_name(struct jj_parser *p, const char *name); /* NULL: any */
void jj_expect_op(struct jj_parser *p, const char *op);
void jj_expect(struct jj_parser *p, enum jj_tok type);
const char *jj_describe(struct jj_parser *p, const struct jj_token *t);
struct jj_node *jj_node(struct jj_parser *p, enum jj_type type, int line);
void jj_nest(struct jj_parser *p);

struct jj_node *jj_parse_expression(struct jj_parser *p, bool with_cond);
enum jj_tuple_flags { TUPLE_SIMPLE = 1, TUPLE_NO_COND = 2, TUPLE_PAREN = 4, TUPLE_NAMESPACE = 8 };
struct jj_node *jj_parse_tuple(struct jj_parser *p, int flags, const char *end);
struct jj_node *jj_parse_filters(struct jj_parser *p, struct jj_node *node, bool inline_start);
struct jj_node *jj_parse_target(struct jj_parser *p, bool name_only, bool with_namespace, const char *end);

struct jj_node *jj_parse(struct jj_parser *p);
void jj_resolve(struct jj *vm, struct jj_template *t); /* names to slots, filters and tests to rows */

/* ---- jinja_eval.c, jinja_exec.c, jinja_call.c ---------------------------------------------------------- */

struct jj_value jj_eval(struct jj *vm, const struct jj_node *n, struct jj_act *act);
void jj_eval_args(struct jj *vm, const struct jj_node *n, struct jj_act *act, struct jj_args *out);
void jj_assign(struct jj *vm, const struct jj_node *target, struct jj_value v, struct jj_act *act);
struct jj_value jj_filter_run(struct jj *vm, const struct jj_node *n, struct jj_value captured,
                              struct jj_act *act);

enum jj_flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };
enum jj_flow jj_exec(struct jj *vm, const struct jj_node *list, struct jj_act *act);
void jj_enter_frame(struct jj *vm, const struct jj_frame *f, struct jj_act *act);
struct jj_act *jj_act_new(struct jj *vm, const struct jj_func *f, struct jj_act *up);
/* The text of a loop's body over `items`, from within: loop(items). */
struct jj_value jj_loop_recurse(struct jj *vm, const struct jj_loop *loop, struct jj_value items);
void jj_put(struct jj *vm, struct jj_value v); /* a str, printed; anything else is an error, as in "".join */

struct jj_value jj_call(struct jj *vm, struct jj_value f, const struct jj_args *a);
struct jj_value jj_macro_call(struct jj *vm, const struct jj_macro *m, const struct jj_args *a);
/* A row with its arguments put in the order of its params. */
struct jj_value jj_row_call(struct jj *vm, const struct jj_callable *row, struct jj_value self,
                            const struct jj_args *a);
struct jj_value jj_global(const struct jj_str *name); /* JJ_MISSING: none */
struct jj_value jj_loop_attr(struct jj *vm, struct jj_loop *loop, const struct jj_str *name);

/* ---- jinja_filters*.c, jinja_tests.c ------------------------------------------------------------------- */

struct jj_value jj_filter_pprint(struct jj *vm, struct jj_value *v); /* jinja_pprint.c */
extern const struct jj_callable jj_filters_text[], jj_filters_list[], jj_filters_value[], jj_tests[];
const struct jj_callable *jj_find_row(const struct jj_callable *rows, const char *p, size_t n);
const struct jj_callable *jj_find_filter(const char *p, size_t n);
/* Rows by name at run time; the error when there is none. */
const struct jj_callable *jj_need_filter(struct jj *vm, struct jj_value name);
const struct jj_callable *jj_need_test(struct jj *vm, struct jj_value name);
/* item.a.b.0 as filters take it: attribute="a.b.0". */
struct jj_value jj_path(struct jj *vm, struct jj_value item, struct jj_value path, struct jj_value fallback);
bool jj_compare(struct jj *vm, enum jj_op op, struct jj_value a, struct jj_value b);
void jj_sort(struct jj *vm, struct jj_value *v, size_t n, const struct jj_value *keys, bool reverse);

#endif
