/* select.c: the most probable tokens without sorting the vocabulary.
 *
 * The candidates, ordered by (logit descending, id ascending), are cut where a count (top-k) or a sum of
 * weights (top-p) is reached. The cut is found by radix: a histogram over the highest bits of the key,
 * counting and summing, tells the bin in which the cut lies; candidates in lower bins are gone; the next
 * bits are looked at within that bin; after all 32 bits only equal logits are left, which go in order of id.
 * Each level is one pass over what is left. Sums are in double, within a bin in order of id, over bins from
 * the top: the same order always.
 */
#include "infer/infer_int.h"

#include <string.h>

#include "base/check.h"

/* How far down the order we are, and how far we want to go. */
struct cut {
    int n, count;
    double sum, wanted;
};

static bool cut_reached(const struct cut *c, int more, double more_sum)
{
    return c->n + more >= c->count || c->sum + more_sum >= c->wanted;
}

static void candidate_move(struct candidates *c, int to, int from)
{
    c->keys[to] = c->keys[from];
    c->weights[to] = c->weights[from];
    c->ids[to] = c->ids[from];
}

/* Keys above `bound` stay, and the first n_equal of those equal to it. */
static void candidates_above(struct candidates *c, uint32_t bound, int n_equal)
{
    int n = 0;
    for (int i = 0; i < c->n; i++) {
        if (c->keys[i] < bound) continue;
        if (c->keys[i] == bound && n_equal-- <= 0) continue;
        candidate_move(c, n++, i);
    }
    c->n = n;
}

/* The bin of key >> shift in which the cut lies, among candidates whose higher bits are those of `prefix`;
 * -1 if it lies in none. Those above are added to the cut. */
static int cut_bin(const struct candidates *c, struct select_bin *bins, struct cut *cut, uint32_t prefix,
                   int shift)
{
    memset(bins, 0, SELECT_BINS * sizeof *bins);
    uint32_t width = shift == 0 ? 10 : 11;
    uint32_t higher = shift + width >= 32 ? 0 : ~0U << (shift + (int)width);
    for (int i = 0; i < c->n; i++) {
        if ((c->keys[i] & higher) != prefix) continue;
        struct select_bin *b = &bins[c->keys[i] >> shift & ((1U << width) - 1)];
        b->n++;
        b->sum += (double)c->weights[i];
    }
    for (int b = (1 << width) - 1; b >= 0; b--) {
        if (!bins[b].n) continue;
        if (cut_reached(cut, bins[b].n, bins[b].sum)) return b;
        cut->n += bins[b].n;
        cut->sum += bins[b].sum;
    }
    return -1;
}

void select_prefix(struct candidates *c, struct select_bin *bins, int count, double sum)
{
    struct cut cut = {.count = count, .wanted = sum};
    uint32_t prefix = 0;
    static const int shifts[] = {21, 10, 0};
    for (int level = 0; level < 3; level++) {
        int bin = cut_bin(c, bins, &cut, prefix, shifts[level]);
        if (bin < 0) return; /* nothing to cut; below level 0, by rounding: then the bin stays whole */
        prefix |= (uint32_t)bin << shifts[level];
        if (level < 2) candidates_above(c, prefix, c->n);
    }
    int n_equal = 0;
    float weight = 0;
    for (int i = 0; i < c->n && n_equal == 0; i++)
        if (c->keys[i] == prefix) n_equal = 1, weight = c->weights[i];
    CHECK(n_equal == 1, "no candidate has the key %08x", prefix);
    while (n_equal < c->n && !cut_reached(&cut, n_equal, (double)weight * n_equal)) n_equal++;
    candidates_above(c, prefix, n_equal);
}

void select_least(struct candidates *c, float least)
{
    int n = 0;
    for (int i = 0; i < c->n; i++)
        if (c->weights[i] >= least) candidate_move(c, n++, i);
    c->n = n;
}

int select_peaks(float *peaks, const float *weights, int n)
{
    int count = 0;
    for (int from = 0; from < n; from += SELECT_PEAK) {
        int width = n - from < SELECT_PEAK ? n - from : SELECT_PEAK, i = 0;
        float top[8] = {0};
        for (; i + 8 <= width; i += 8)
            for (int j = 0; j < 8; j++)
                top[j] = weights[from + i + j] > top[j] ? weights[from + i + j] : top[j];
        for (; i < width; i++) top[0] = weights[from + i] > top[0] ? weights[from + i] : top[0];
        for (int j = 1; j < 8; j++) top[0] = top[j] > top[0] ? top[j] : top[0];
        peaks[count++] = top[0];
    }
    return count;
}

/* One block: 8 lanes, combined as kern.h combines them. */
static double block_sum(const float *w, int n)
{
    double s[8] = {0};
    int i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++) s[j] += (double)w[i + j];
    for (int j = 0; i < n; i++, j++) s[j] += (double)w[i];
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

double select_sum(const float *weights, int n, double *blocks)
{
    double sum = 0;
    for (int from = 0, b = 0; from < n; from += SELECT_BLOCK, b++) {
        double s = block_sum(weights + from, n - from < SELECT_BLOCK ? n - from : SELECT_BLOCK);
        if (blocks) blocks[b] = s;
        sum += s;
    }
    return sum;
}
