/* batch.c: is a batch what op.h says it is? */
#include "base/check.h"
#include "op/op_int.h"

static void span_check_parent(const struct batch *b, int i)
{
    const struct span *s = &b->spans[i];
    if (s->parent < 0) {
        CHECK(s->parent == -1 && s->first_pos == 0, "span %d without parent (%d) starts at position %d", i,
              s->parent, s->first_pos);
        return;
    }
    CHECK(s->parent < i, "span %d has the later span %d as its parent", i, s->parent);
    const struct span *p = &b->spans[s->parent];
    CHECK(p->first_pos + p->len == s->first_pos, "span %d starts at position %d, its parent %d ends at %d", i,
          s->first_pos, s->parent, p->first_pos + p->len);
    int depth = 1;
    for (int at = i; b->spans[at].parent >= 0; at = b->spans[at].parent) depth++;
    CHECK(depth <= BATCH_DEPTH_MAX, "span %d is %d deep, at most %d", i, depth, BATCH_DEPTH_MAX);
}

static void span_check_cached(const struct batch *b, int i)
{
    const struct span *s = &b->spans[i];
    CHECK(s->parent == -1 && s->blocks, "cached span %d: parent %d, block table %s", i, s->parent,
          s->blocks ? "given" : "missing");
    int n = (s->first_pos + s->len - 1) / KERN_KEYS + 1;
    for (int j = 0; j < n; j++)
        CHECK(s->blocks[j] >= 0 && s->blocks[j] < b->cache->n_blocks, "span %d: block %d is %d of %d", i, j,
              s->blocks[j], b->cache->n_blocks);
}

void batch_check(const struct batch *b)
{
    CHECK(b->n_rows >= 1 && b->n_spans >= 1, "batch of %d rows, %d spans", b->n_rows, b->n_spans);
    int row = 0;
    for (int i = 0; i < b->n_spans; i++) {
        const struct span *s = &b->spans[i];
        CHECK(s->row == row, "span %d starts at row %d, expected %d", i, s->row, row);
        CHECK(s->len >= 1 && s->len <= b->n_rows - row, "span %d has %d of %d rows", i, s->len,
              b->n_rows - row);
        CHECK(s->first_pos >= 0 && s->first_pos <= (1 << 30) - s->len, "span %d at position %d", i,
              s->first_pos);
        if (b->cache)
            span_check_cached(b, i);
        else
            span_check_parent(b, i);
        row += s->len;
    }
    CHECK(row == b->n_rows, "spans cover %d of %d rows", row, b->n_rows);
}

int batch_span_at(const struct batch *b, int row)
{
    int low = 0, high = b->n_spans - 1;
    while (low < high) {
        int mid = low + (high - low + 1) / 2;
        if (b->spans[mid].row <= row)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}
