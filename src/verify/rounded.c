/* rounded.c: numbers that stand behind "about": does 2/7 ~ 0.286 hold in the digits that are shown? */
#include "verify/compare_int.h"

#define PLACES_MAX 100

static void number_place(const struct node *n, fmpq_t out)
{
    fmpz_t digits;
    fmpz_init(digits);
    fmpq_one(out);
    if (fmpz_is_one(fmpq_denref(n->q))) {
        fmpz_set(digits, fmpq_numref(n->q));
        while (!n->decimal && !fmpz_is_zero(digits) && fmpz_divisible_si(digits, 10)) {
            fmpz_divexact_si(digits, digits, 10);
            fmpq_mul_si(out, out, 10);
        }
    } else {
        fmpz_one(digits);
        for (int k = 0; k < PLACES_MAX && !fmpz_divisible(digits, fmpq_denref(n->q)); k++)
            fmpz_mul_si(digits, digits, 10);
        fmpq_div_fmpz(out, out, digits);
    }
    fmpz_clear(digits);
}

/* The worth of the last digit shown, zeros at the end of an integer aside: of 28.6\%, 1.2 \cdot 10^5 too. */
static bool last_place(struct judge *j, const struct node *n, fmpq_t out)
{
    fmpq_t by;
    bool good = n->kind == K_NUM;
    if (good) number_place(n, out);
    if (n->kind == K_NEG) return last_place(j, n->arg[0], out);
    bool percent = n->kind == K_DIV && node_is_int(n->arg[1], 100);
    if (!percent && !(n->kind == K_MUL && n->n == 2)) return good;
    fmpq_init(by);
    good = n->arg[0]->kind == K_NUM && exact_value(j->w, n->arg[1], by) && !fmpq_is_zero(by);
    if (good) number_place(n->arg[0], out);
    if (good && percent) fmpq_div(out, out, by);
    if (good && !percent) fmpq_mul(out, out, by);
    fmpq_clear(by);
    return good;
}

static struct node *bare(struct judge *j, struct node *n)
{
    if (n->kind == K_PERCENT) return node_2(j->w, K_DIV, 0, n->arg[0], node_int(j->w, 100));
    return n->kind == K_UNIT || n->kind == K_DEGREE ? n->arg[0] : n;
}

bool rounds_to(struct judge *j, struct node *x, struct node *shown)
{
    fmpq_t place;
    bool units = x->kind == K_UNIT && shown->kind == K_UNIT;
    if (units && text_same(j, x->name, shown->name) != YES) return true; /* 5 m ~ 16.4 ft */
    x = bare(j, x);
    shown = bare(j, shown);
    if (!x || !shown) return false;
    fmpq_init(place);
    struct node *far = node_2(j->w, K_ADD, 0, x, node_1(j->w, K_NEG, 0, shown)), *most;
    struct node *size = node_1(j->w, K_FN, F_ABS, x), *shown_size = node_1(j->w, K_FN, F_ABS, shown);
    far = node_1(j->w, K_FN, F_ABS, far);
    if (last_place(j, shown, place)) {
        /* half of it; digits may also be cut off */
        if (size && shown_size && order_of(j, size, shown_size) == -1) fmpq_div_2exp(place, place, 1);
        most = node_num(j->w, place);
    } else { /* a formula: two digits */
        most = node_2(j->w, K_DIV, 0, shown_size, node_int(j->w, 100));
    }
    fmpq_clear(place);
    int order = far && most ? order_of(j, far, most) : 2;
    return order == -1 || order == 0;
}
