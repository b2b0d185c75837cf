/* fuzz_hub_list.c: any bytes as a hub's list of files; what is taken has a commit and paths that stay inside.
 *
 * seeds: tests/fuzz/seeds/hub_list
 */
#include <stdint.h>

#include "base/check.h"
#include "net/hub_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct hub_list l;
    int refused = hub_list_read(&l, (const char *)data, size, "fuzz", &e);
    CHECK(!refused || e.kind == ERR_FAILED, "refused without a message");
    CHECK(!refused || (!l.paths && !l.n), "%zu paths of what was refused", l.n);
    CHECK(refused || hub_is_commit(l.commit), "commit %s", l.commit);
    for (size_t i = 0; i < l.n; i++) CHECK(hub_path_ok(l.paths[i]), "path %s", l.paths[i]);
    hub_list_release(&l);
    return 0;
}
