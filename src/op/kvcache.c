/* kvcache.c: memory of keys and values. Address of (block, layer, kv head), each width * KERN_KEYS floats:
 *
 *   data + ((block * n_layers + layer) * n_kv + head) * width * KERN_KEYS
 *
 * All of a block lies together, so that copying one for a branch is one move. The memory is touched only
 * where blocks are used, and no result comes from a place that no row was put to.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "op/op_int.h"

static size_t block_floats(int n_layers, int n_kv, int width)
{
    return (size_t)n_layers * (size_t)n_kv * (size_t)width * KERN_KEYS;
}

size_t kv_cache_bytes(int n_layers, int n_kv, int width, int n_blocks)
{
    return block_floats(n_layers, n_kv, width) * (size_t)n_blocks * sizeof(float);
}

struct kv_cache *kv_cache_new(int n_layers, int n_kv, int width, int n_blocks, struct err *e)
{
    CHECK(n_layers > 0 && n_kv > 0 && width > 0 && n_blocks > 0,
          "cache of %d layers, %d heads of %d, %d blocks", n_layers, n_kv, width, n_blocks);
    struct kv_cache *c = alloc_zero(1, sizeof *c);
    *c = (struct kv_cache){.n_layers = n_layers, .n_kv = n_kv, .width = width, .n_blocks = n_blocks};
    size_t bytes = kv_cache_bytes(n_layers, n_kv, width, n_blocks);
    void *p = NULL;
    if (bytes / (size_t)n_blocks == block_floats(n_layers, n_kv, width) * sizeof(float))
        p = alloc_large_try(bytes);
    if (!p) {
        err_set(
            e,
            "key-value cache of %.1f MiB (%d blocks of %d tokens) could not be allocated: use fewer running "
            "sequences or shorter ones",
            (double)bytes / (1 << 20), n_blocks, KERN_KEYS);
        free(c);
        return NULL;
    }
    c->data = p;
    return c;
}

void kv_cache_free(struct kv_cache *c)
{
    if (!c) return;
    free(c->data);
    free(c);
}

void kv_cache_copy(struct kv_cache *c, int from, int to)
{
    CHECK(from >= 0 && from < c->n_blocks && to >= 0 && to < c->n_blocks, "copy block %d to %d of %d", from,
          to, c->n_blocks);
    size_t n = block_floats(c->n_layers, c->n_kv, c->width);
    if (from != to) memcpy(c->data + (size_t)to * n, c->data + (size_t)from * n, n * sizeof(float));
}
