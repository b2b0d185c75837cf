/* Every text of a mixed corpus has the ids, and every list of ids the text, that Hugging Face's tokenizers
 * give (tools/golden/tokenizers.py). Tokenizers and texts of ../shared (OPENR1_SHARED names another place)
 * and the SmolLM2 file (OPENR1_SMOLLM2) are skipped where they are missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../base/scratch.h"
#include "base/json.h"
#include "model/model.h"
#include "text/text.h"

#define GOLDEN       "tests/golden/tokenizers"
#define CORPUS_MAX   ((size_t)1 << 22)
#define SHARED_STEP  40
#define SHARED_MAX   200
#define SHARED_BYTES 4000

static const struct row {
    const char *name;
    const char *place; /* below ../shared/data; or NULL: NAME.json of the golden files */
} rows[] = {
    {"small-gpt2", NULL},
    {"small-llama3", NULL},
    {"small-digits", NULL},
    {"small-tekken", NULL},
    {"gpt2", "vocab/gpt2"},
    {"qwen2.5", "vocab/qwen2.5"},
    {"minimind", "vocab/minimind"},
    {"torchtitan_test", "vocab/torchtitan_test"},
    {"stories260K", "models/stories260K/stories260K.bin"},
    {"llama-spm", "vocab/llama.cpp/ggml-vocab-llama-spm.gguf"},
    {"smollm2", ""},
};

static const char *shared_root(void)
{
    const char *root = getenv("OPENR1_SHARED");
    return root ? root : "../shared";
}

/* Where the tokenizer of a row is; a golden file is put into a folder of its own. */
static const char *place_of(const struct row *row)
{
    static char path[512];
    if (!row->place) {
        char from[256];
        struct err e = {0};
        snprintf(from, sizeof from, GOLDEN "/%s.json", row->name);
        snprintf(path, sizeof path, "%s", scratch(row->name));
        char *to = path_join(path, "tokenizer.json");
        if (file_mkdirs(path, &e) || file_copy(from, to, &e)) fail_msg("%s", e.msg);
        free(to);
    } else if (*row->place) {
        snprintf(path, sizeof path, "%s/data/%s", shared_root(), row->place);
    } else {
        const char *model = getenv("OPENR1_SMOLLM2");
        snprintf(path, sizeof path, "%s", model ? model : "build/models/SmolLM2-135M-Instruct.Q4_1.gguf");
    }
    return path;
}

struct opened {
    struct tokenizer *tok;
    struct model *model;
};

static struct opened open_row(const struct row *row)
{
    struct opened o = {0};
    struct err e = {0};
    const char *path = place_of(row);
    if (!file_exists(path)) {
        print_message("skipped: %s is not here\n", path);
        return o;
    }
    if (file_is_dir(path)) {
        o.tok = tokenizer_load(path, &e);
    } else {
        o.model = model_load(path, MODEL_NO_WEIGHTS, 0, &e);
        o.tok = o.model ? model_tokenizer(o.model) : NULL;
    }
    if (!o.tok) fail_msg("%s: %s", path, e.msg);
    return o;
}

static void close_row(struct opened *o)
{
    if (o->model)
        model_free(o->model);
    else
        tokenizer_free(o->tok);
}

/* ---- hashes -------------------------------------------------------------------------------------------- */

static uint32_t fnv(uint32_t h, const void *p, size_t n)
{
    const unsigned char *b = p;
    for (size_t i = 0; i < n; i++) h = (h ^ b[i]) * 16777619u;
    return h;
}

/* The hash of one text, as the maker of the golden files has it. */
static uint32_t text_hash_of(const struct tokenizer *t, const char *p, size_t n)
{
    struct ids ids = {0};
    struct err e = {0};
    struct str text, streamed;
    if (tokenizer_encode(t, p, n, TOK_SPECIAL, &ids, &e)) fail_msg("%s", e.msg);
    uint32_t h = fnv(2166136261u, ids.p, ids.n * sizeof *ids.p);
    for (int skip = 0; skip < 2; skip++) {
        struct tok_stream s = {0};
        str_init(&text, 0);
        str_init(&streamed, 0);
        tokenizer_decode(t, ids.p, ids.n, skip, &text);
        h = fnv(h, text.p, text.len);
        for (size_t i = 0; i < ids.n; i++) tok_stream_push(&s, t, ids.p[i], skip, &streamed);
        tok_stream_end(&s, &streamed);
        assert_int_equal(streamed.len, text.len);
        assert_memory_equal(streamed.p, text.p, text.len);
        str_release(&text);
        str_release(&streamed);
    }
    ids_release(&ids);
    return h;
}

struct hashes {
    uint32_t *p;
    size_t n;
    char *bytes;
};

static struct hashes read_hashes(const char *path)
{
    struct hashes h;
    struct err e = {0};
    size_t n;
    if (file_read(path, CORPUS_MAX, &h.bytes, &n, &e)) fail_msg("%s", e.msg);
    h.p = (uint32_t *)(void *)h.bytes;
    h.n = n / sizeof *h.p;
    return h;
}

static void check_text(const struct row *row, const struct tokenizer *t, const struct hashes *h, size_t i,
                       const char *p, size_t n)
{
    assert_true(i < h->n);
    if (text_hash_of(t, p, n) != h->p[i]) fail_msg("%s: text %zu, \"%.*s\"", row->name, i, (int)n, p);
}

static size_t corpus_check(const struct row *row, const struct tokenizer *t)
{
    char path[256], *bytes;
    struct err e = {0};
    size_t n, count = 0;
    if (file_read(GOLDEN "/corpus.bin", CORPUS_MAX, &bytes, &n, &e)) fail_msg("%s", e.msg);
    snprintf(path, sizeof path, GOLDEN "/%s.hash", row->name);
    struct hashes h = read_hashes(path);
    for (size_t at = 0; at < n; count++) {
        uint32_t len;
        memcpy(&len, bytes + at, sizeof len);
        check_text(row, t, &h, count, bytes + at + sizeof len, len);
        at += sizeof len + len;
    }
    assert_int_equal(count, h.n);
    free(bytes);
    free(h.bytes);
    return count;
}

/* Every SHARED_STEP-th line of a file, from the first. */
static size_t file_check(const struct row *row, const struct tokenizer *t, const struct hashes *h,
                         const char *path, size_t count)
{
    struct err e = {0};
    char *bytes;
    size_t n, taken = 0;
    if (file_read(path, (size_t)1 << 30, &bytes, &n, &e)) fail_msg("%s", e.msg);
    const char *p = bytes, *end = bytes + n;
    for (size_t line = 0; p <= end && taken < SHARED_MAX; line++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        if (line % SHARED_STEP == 0) {
            size_t len = (size_t)(stop - p);
            check_text(row, t, h, count + taken++, p, len < SHARED_BYTES ? len : SHARED_BYTES);
        }
        p = stop + 1;
    }
    free(bytes);
    return count + taken;
}

static void shared_check(const struct row *row, const struct tokenizer *t)
{
    char path[256], **folders;
    struct err e = {0};
    size_t n_folders, count = 0;
    char *data = path_join(shared_root(), "data");
    snprintf(path, sizeof path, GOLDEN "/shared.hash/%s", row->name);
    struct hashes h = read_hashes(path);
    if (!file_is_dir(data)) {
        print_message("skipped: %s is not here\n", data);
    } else {
        if (dir_list(data, &folders, &n_folders, &e)) fail_msg("%s", e.msg);
        for (size_t i = 0; i < n_folders; i++) {
            char *folder = path_join(data, folders[i]), **names = NULL;
            size_t n_names = 0;
            if (file_is_dir(folder) && dir_list(folder, &names, &n_names, &e)) fail_msg("%s", e.msg);
            for (size_t k = 0; k < n_names; k++) {
                char *file = path_join(folder, names[k]);
                if (str_ends(names[k], ".jsonl")) count = file_check(row, t, &h, file, count);
                free(file);
                free(names[k]);
            }
            free(names);
            free(folder);
            free(folders[i]);
        }
        free(folders);
        assert_int_equal(count, h.n);
    }
    free(h.bytes);
    free(data);
}

static void every_text_has_the_ids_of_the_library(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        struct opened o = open_row(&rows[k]);
        if (!o.tok) continue;
        assert_true(corpus_check(&rows[k], o.tok) >= 10000);
        shared_check(&rows[k], o.tok);
        close_row(&o);
    }
}

/* Where to save: OPENR1_KEEP names a folder that stays, for the library to read (tokenizer_peer.sh). */
static const char *saved_place(const char *name)
{
    static char path[512];
    const char *keep = getenv("OPENR1_KEEP");
    if (!keep) return scratch(name);
    snprintf(path, sizeof path, "%s/%s", keep, name);
    return path;
}

/* A tokenizer that was saved and read back is the same. */
static void a_saved_tokenizer_gives_the_same_ids(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        struct opened o = open_row(&rows[k]);
        struct err e = {0};
        char name[64];
        if (!o.tok) continue;
        snprintf(name, sizeof name, "saved-%s", rows[k].name);
        const char *dir = saved_place(name);
        if (tokenizer_save(o.tok, dir, &e)) fail_msg("%s", e.msg);
        struct tokenizer *again = tokenizer_load(dir, &e);
        if (!again) fail_msg("%s", e.msg);
        corpus_check(&rows[k], again);
        tokenizer_free(again);
        close_row(&o);
    }
}

static const struct row *row_named(const char *name)
{
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        if (!strcmp(rows[k].name, name)) return &rows[k];
    fail_msg("no tokenizer %s", name);
    return NULL;
}

static size_t unhex(const char *hex, char *out)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (char)strtol(two, NULL, 16);
    }
    return n;
}

static void explicit_texts_have_these_ids(void **state)
{
    (void)state;
    struct jsonl in;
    json_t *record;
    struct err e = {0};
    struct opened o = {0};
    const char *now = "";
    char name[64] = "";
    if (jsonl_open(&in, GOLDEN "/explicit.jsonl", &e)) fail_msg("%s", e.msg);
    for (; jsonl_next(&in, &record, &e) == 1; json_decref(record)) {
        const char *wanted = json_str_or(record, "tokenizer", "");
        if (strcmp(wanted, now)) {
            close_row(&o);
            o = open_row(row_named(wanted));
            snprintf(name, sizeof name, "%s", wanted);
            now = name;
        }
        if (!o.tok) continue;
        char text[256];
        size_t n = unhex(json_str_or(record, "hex", ""), text), i;
        struct ids ids = {0};
        const json_t *want = json_object_get(record, "ids"), *id;
        assert_int_equal(tokenizer_encode(o.tok, text, n, TOK_SPECIAL, &ids, &e), 0);
        assert_int_equal(ids.n, json_array_size(want));
        json_array_foreach(want, i, id)
        {
            if (ids.p[i] != json_integer_value(id))
                fail_msg("%s, \"%.*s\": id %zu is %d, not %d", name, (int)n, text, i, ids.p[i],
                         (int)json_integer_value(id));
        }
        ids_release(&ids);
    }
    close_row(&o);
    jsonl_close(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(explicit_texts_have_these_ids),
        cmocka_unit_test(every_text_has_the_ids_of_the_library),
        cmocka_unit_test(a_saved_tokenizer_gives_the_same_ids),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
