/* tree.c: nodes, the work that owns them, and what can be asked of a tree without computing. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "verify/verify_int.h"

#define WORK_BYTES_MAX ((size_t)128 << 20)

/* ---- work --------------------------------------------------------------------------------------------- */

/* FLINT keeps what a thread has used for its next numbers; a thread that ends gives it back. */
static pthread_key_t numbers_kept;

static void numbers_give_back(void *mark)
{
    (void)mark;
    flint_cleanup();
}

static void numbers_key_make(void)
{
    CHECK(pthread_key_create(&numbers_kept, numbers_give_back) == 0, "no key for a thread's numbers is left");
}

static void numbers_begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, numbers_key_make);
    pthread_setspecific(numbers_kept, &numbers_kept);
}

void work_init(struct work *w, const struct verify_params *p)
{
    numbers_begin();
    *w = (struct work){.p = p};
    arena_init(&w->arena, WORK_BYTES_MAX);
}

void work_release(struct work *w)
{
    for (struct node *n = w->numbers; n; n = n->next_number) fmpq_clear(n->q);
    arena_release(&w->arena);
}

bool work_step(struct work *w, int steps)
{
    if (!w->over && w->steps > STEPS_MAX - steps) w->over = "the computation takes too many steps";
    if (!w->over) w->steps += steps;
    return !w->over;
}

void *work_alloc(struct work *w, size_t bytes)
{
    if (bytes > FORMULA_BYTES_MAX * 16 || w->arena.used > WORK_BYTES_MAX - FORMULA_BYTES_MAX * 17)
        w->over = "the formula is too large";
    return w->over ? NULL : arena_alloc(&w->arena, bytes ? bytes : 1);
}

char *work_text(struct work *w, const char *s, size_t n)
{
    char *out = work_alloc(w, n + 1);
    if (!out) return NULL;
    memcpy(out, s, n);
    out[n] = 0;
    return out;
}

/* ---- making ------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h += v + 0x9E3779B97F4A7C15u;
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
    return h ^ (h >> 31);
}

static uint64_t hash_text(uint64_t h, const char *s)
{
    for (; *s; s++) h = mix(h, (unsigned char)*s);
    return mix(h, 0x100);
}

static uint64_t hash_number(const fmpz_t z)
{
    return mix(mix(3, (uint64_t)fmpz_fdiv_ui(z, UINT64_C(0x1FFFFFFFFFFFFFFF))), (uint64_t)fmpz_sgn(z) + 1);
}

static struct node *node_new(struct work *w, enum kind kind, int op, int n)
{
    if (!w->over && w->nodes >= NODES_MAX) w->over = "the formula has too many parts";
    size_t bytes = sizeof(struct node) + (size_t)n * sizeof(struct node *);
    struct node *out = work_alloc(w, bytes);
    if (!out) return NULL;
    w->nodes++;
    memset(out, 0, bytes);
    out->kind = (unsigned char)kind;
    out->op = (unsigned char)op;
    out->n = n;
    out->arg = (struct node **)(out + 1);
    return out;
}

/* The depth of a node with these arguments; false when it would be too much for walks over the tree. */
static bool depth_set(struct work *w, struct node *out)
{
    int depth = 0;
    for (int i = 0; i < out->n; i++)
        if (out->arg[i]->depth >= depth) depth = out->arg[i]->depth + 1;
    if (depth > TREE_DEPTH_MAX && !w->over) w->over = "the formula is nested too deep";
    out->depth = (short)depth;
    return depth <= TREE_DEPTH_MAX;
}

struct node *node_num(struct work *w, const fmpq_t q)
{
    struct node *n = node_new(w, K_NUM, 0, 0);
    if (!n) return NULL;
    fmpq_init(n->q);
    fmpq_set(n->q, q);
    n->next_number = w->numbers;
    w->numbers = n;
    n->hash = mix(mix(hash_number(fmpq_numref(q)), hash_number(fmpq_denref(q))), K_NUM);
    return n;
}

struct node *node_int(struct work *w, long v)
{
    fmpq_t q;
    fmpq_init(q);
    fmpq_set_si(q, v, 1);
    struct node *n = node_num(w, q);
    fmpq_clear(q);
    return n;
}

struct node *node_named(struct work *w, enum kind kind, const char *name, struct node *const *args, int n)
{
    if (!name) return NULL;
    for (int i = 0; i < n; i++)
        if (!args[i]) return NULL;
    struct node *out = node_new(w, kind, 0, n);
    if (!out) return NULL;
    out->name = work_text(w, name, strlen(name));
    if (!out->name) return NULL;
    out->hash = hash_text(mix(7, kind), name);
    for (int i = 0; i < n; i++) {
        out->arg[i] = args[i];
        out->hash = mix(out->hash, args[i]->hash);
    }
    return depth_set(w, out) ? out : NULL;
}

struct node *node_sym(struct work *w, const char *name)
{
    return node_named(w, K_SYM, name, NULL, 0);
}

struct node *node_of(struct work *w, enum kind kind, int op, struct node *const *args, int n)
{
    for (int i = 0; i < n; i++)
        if (!args[i]) return NULL;
    struct node *out = node_new(w, kind, op, n);
    if (!out) return NULL;
    out->hash = mix(mix(11, kind), (uint64_t)op);
    uint64_t sum = 0;
    for (int i = 0; i < n; i++) {
        out->arg[i] = args[i];
        /* Sums and products hash alike in any order. */
        if (kind == K_ADD || kind == K_MUL)
            sum += mix(5, args[i]->hash);
        else
            out->hash = mix(out->hash, args[i]->hash);
    }
    out->hash = mix(out->hash, sum);
    return depth_set(w, out) ? out : NULL;
}

struct node *node_const(struct work *w, enum constant c)
{
    return node_of(w, K_CONST, c, NULL, 0);
}

struct node *node_1(struct work *w, enum kind kind, int op, struct node *a)
{
    return node_of(w, kind, op, &a, 1);
}

struct node *node_2(struct work *w, enum kind kind, int op, struct node *a, struct node *b)
{
    return node_of(w, kind, op, (struct node *[]){a, b}, 2);
}

struct node *node_with(struct work *w, const struct node *n, struct node *const *args, int count)
{
    struct node *out =
        n->name ? node_named(w, n->kind, n->name, args, count) : node_of(w, n->kind, n->op, args, count);
    if (!out) return NULL;
    out->op = n->op;
    if (n->rows && !n->name) {
        out->rows = n->rows;
        out->hash = mix(out->hash, (uint64_t)n->rows);
    }
    return out;
}

/* ---- asking ------------------------------------------------------------------------------------------- */

/* Terms or factors in another order: each finds its own partner. Long ones are not tried. */
static bool same_in_any_order(const struct node *a, const struct node *b)
{
    bool taken[64] = {false};
    if (a->n > 64) return false;
    for (int i = 0; i < a->n; i++) {
        int k = 0;
        while (k < b->n && (taken[k] || !node_same(a->arg[i], b->arg[k]))) k++;
        if (k == b->n) return false;
        taken[k] = true;
    }
    return true;
}

bool node_same(const struct node *a, const struct node *b)
{
    if (a == b) return true;
    if (a->hash != b->hash || a->kind != b->kind || a->n != b->n || a->op != b->op || a->rows != b->rows)
        return false;
    if (a->kind == K_NUM) return fmpq_equal(a->q, b->q) && a->ellipsis == b->ellipsis;
    if (a->name && b->name && strcmp(a->name, b->name) != 0) return false;
    int i = 0;
    while (i < a->n && node_same(a->arg[i], b->arg[i])) i++;
    return i == a->n || ((a->kind == K_ADD || a->kind == K_MUL) && same_in_any_order(a, b));
}

bool node_is_int(const struct node *n, long v)
{
    return n->kind == K_NUM && fmpz_is_one(fmpq_denref(n->q)) && fmpz_equal_si(fmpq_numref(n->q), v);
}

bool node_has(const struct node *n, enum kind kind)
{
    if (n->kind == kind) return true;
    for (int i = 0; i < n->n; i++)
        if (node_has(n->arg[i], kind)) return true;
    return false;
}

bool node_has_fn(const struct node *n, enum function f)
{
    if (n->kind == K_FN && n->op == f) return true;
    for (int i = 0; i < n->n; i++)
        if (node_has_fn(n->arg[i], f)) return true;
    return false;
}

bool node_has_const(const struct node *n, enum constant c)
{
    if (n->kind == K_CONST && n->op == c) return true;
    for (int i = 0; i < n->n; i++)
        if (node_has_const(n->arg[i], c)) return true;
    return false;
}

bool node_has_decimal(const struct node *n)
{
    if (n->kind == K_NUM) return n->decimal;
    for (int i = 0; i < n->n; i++)
        if (node_has_decimal(n->arg[i])) return true;
    return false;
}

bool node_uses(const struct node *n, const char *name)
{
    if (n->kind == K_SYM && strcmp(n->name, name) == 0) return true;
    for (int i = 0; i < n->n; i++)
        if (node_uses(n->arg[i], name)) return true;
    return false;
}

static bool binds(const struct node *n)
{
    return n->kind == K_FN && n->op >= F_SUM && n->op <= F_DIFF;
}

struct node *node_replace(struct work *w, struct node *n, const char *name, struct node *by)
{
    if (!n || !by || !node_uses(n, name)) return n;
    if (n->kind == K_SYM) return by;
    if (binds(n) && n->arg[1]->kind == K_SYM && strcmp(n->arg[1]->name, name) == 0 && n->op != F_DIFF)
        return n;
    struct node **args = work_alloc(w, (size_t)n->n * sizeof *args);
    if (!args) return NULL;
    for (int i = 0; i < n->n; i++) args[i] = node_replace(w, n->arg[i], name, by);
    return node_with(w, n, args, n->n);
}

static void names_add(struct names *out, const char *name)
{
    for (int i = 0; i < out->n; i++)
        if (strcmp(out->name[i], name) == 0) return;
    if (out->n == NAMES_MAX)
        out->many = true;
    else
        out->name[out->n++] = name;
}

void names_free_in(const struct node *n, struct names *out)
{
    if (n->kind == K_SYM) {
        names_add(out, n->name);
    } else if (binds(n) && (n->op != F_INT || n->n == 4) && n->op != F_DIFF) {
        struct names inner = {0};
        names_free_in(n->arg[0], &inner);
        for (int i = 0; i < inner.n; i++)
            if (strcmp(inner.name[i], n->arg[1]->name) != 0) names_add(out, inner.name[i]);
        out->many = out->many || inner.many;
        for (int i = 2; i < n->n; i++) names_free_in(n->arg[i], out);
    } else {
        for (int i = 0; i < n->n; i++) names_free_in(n->arg[i], out);
    }
}

bool is_expression(const struct node *n)
{
    switch ((enum kind)n->kind) {
    case K_TEXT:
    case K_SEQ:
    case K_MATRIX:
    case K_REL:
    case K_SETOP:
    case K_NUMSET:
    case K_BUILDER:
    case K_ELLIPSIS:
    case K_MOD: return false;
    default:
        for (int i = 0; i < n->n; i++)
            if (n->kind != K_CASES && !is_expression(n->arg[i])) return false;
        return true;
    }
}
