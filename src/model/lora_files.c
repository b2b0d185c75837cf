/* lora_files.c: an adapter as PEFT keeps it: adapter_config.json and adapter_model.safetensors.
 *
 *   base_model.model.MODULE.lora_A.weight          [r, in]      for every module that has an adapter
 *   base_model.model.MODULE.lora_B.weight          [out, r]
 *   base_model.model.MODULE.lora_magnitude_vector  [out]        with use_dora
 *   base_model.model.WEIGHT                                     of modules that were trained as a whole
 * What has an adapter is what the file holds tensors for, so names that target_modules leaves open (a
 * regular expression) need not be worked out again.
 */
#include <math.h>
#include <string.h>

#include "base/str.h"
#include "model/model_int.h"
#include "text/text.h"

#define PREFIX "base_model.model."

/* ---- loading ------------------------------------------------------------------------------------------- */

struct reading {
    struct model *m;
    struct tensor_file *file;
    const char *path;
    json_t *names;           /* of the model's weights, with their numbers */
    struct lora_mark *marks; /* [n_weights] */
    unsigned char *parts;    /* [n_weights] bits of what was found */
    bool head;
};

static const struct {
    const char *end;
    int part;
} ends[] = {{".lora_A.weight", LORA_A},
            {".lora_B.weight", LORA_B},
            {".lora_magnitude_vector", LORA_MAGNITUDE},
            {".lora_magnitude_vector.weight", LORA_MAGNITUDE}};

static int stranger(const struct reading *r, const char *name, struct err *e)
{
    return err_set(e,
                   "%s: tensor %.200s belongs to nothing that a %s model with this configuration can adapt; "
                   "is the adapter for another base model than %s?",
                   r->path, name, r->m->config.arch->model_type, r->m->path);
}

/* Of embeddings and of what lies outside the layers. */
static int not_built(const struct reading *r, const char *name, struct err *e)
{
    return err_set(
        e,
        "%s: tensor %.200s: adapters are built for matrices of the layers alone; merge this adapter "
        "(PEFT's merge_and_unload) and give the model",
        r->path, name);
}

static int weight_named(const struct reading *r, const char *stem, size_t n, const char *end)
{
    char name[ARCH_NAME_MAX + 16];
    if (n >= ARCH_NAME_MAX) return -1;
    snprintf(name, sizeof name, "%.*s%s", (int)n, stem, end);
    const json_t *v = json_object_get(r->names, name);
    return v ? (int)json_integer_value(v) : -1;
}

static int wrong_shape(const struct reading *r, const struct tensor_info *t, const char *want, struct err *e)
{
    struct str have;
    str_init(&have, 256);
    for (int d = 0; d < t->n_dims; d++) str_addf(&have, "%s%lld", d ? "," : "", (long long)t->shape[d]);
    int result = err_set(e,
                         "%s: tensor %.200s has shape [%s], expected %s; is the adapter for another base "
                         "model than %s?",
                         r->path, t->name, have.p, want, r->m->path);
    str_release(&have);
    return result;
}

static int found_part(struct reading *r, const struct tensor_info *t, int i, int part, struct err *e)
{
    const struct weight *w = &r->m->weights[i];
    char want[64];
    int rank = part == LORA_A ? (int)t->shape[0] : part == LORA_B ? (int)t->shape[t->n_dims - 1] : 0;
    bool fits = part == LORA_MAGNITUDE ? t->n_dims == 1 && t->shape[0] == w->rows
                : part == LORA_A       ? t->n_dims == 2 && t->shape[1] == w->cols
                                       : t->n_dims == 2 && t->shape[0] == w->rows;
    snprintf(want, sizeof want,
             part == LORA_A   ? "[r,%d]"
             : part == LORA_B ? "[%d,r]"
                              : "[%d]",
             part == LORA_A ? w->cols : w->rows);
    if (!fits || (rank > 0 && r->marks[i].rank > 0 && rank != r->marks[i].rank))
        return wrong_shape(r, t, want, e);
    if (part != LORA_MAGNITUDE && (rank < 1 || rank > 1 << 16))
        return err_set(e, "%s: tensor %.200s has rank %d; 1 to 65536 are possible", r->path, t->name, rank);
    if (rank > 0) r->marks[i].rank = rank;
    r->parts[i] |= (unsigned char)(1 << part);
    return 0;
}

static int found_whole(struct reading *r, const struct tensor_info *t, const char *name, struct err *e)
{
    int i = weight_named(r, name, strlen(name), ""), n = 0;
    bool head = i < 0 && r->m->config.tied && !strcmp(name, "lm_head.weight");
    int64_t want[2];
    char text[64];
    if (head) i = (int)(model_head(r->m) - r->m->weights);
    if (i < 0 || r->m->placed[i].row->kind == WEIGHT_BUFFER) return stranger(r, t->name, e);
    n = model_weight_shape(r->m, i, want);
    snprintf(text, sizeof text, n == 2 ? "[%lld,%lld]" : "[%lld]", (long long)want[0], (long long)want[1]);
    if (t->n_dims != n || memcmp(t->shape, want, (size_t)n * sizeof *want)) return wrong_shape(r, t, text, e);
    if (head)
        r->head = true;
    else
        r->marks[i].whole = true;
    return 0;
}

static int find_one(struct reading *r, const struct tensor_info *t, struct err *e)
{
    if (!str_starts(t->name, PREFIX)) return stranger(r, t->name, e);
    if (!dtype_info(t->dtype)->decode)
        return err_set(e, "%s: tensor %.200s: numbers of type %s cannot be weights", r->path, t->name,
                       dtype_name(t->dtype));
    const char *name = t->name + strlen(PREFIX);
    if (strstr(name, ".lora_embedding_")) return not_built(r, t->name, e);
    for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
        if (!str_ends(name, ends[k].end)) continue;
        int i = weight_named(r, name, strlen(name) - strlen(ends[k].end), ".weight");
        bool head = i < 0 && r->m->config.tied && str_starts(name, "lm_head.");
        if (i < 0 && !head) return stranger(r, t->name, e);
        if (head || !lora_fits(r->m, i)) return not_built(r, t->name, e);
        return found_part(r, t, i, ends[k].part, e);
    }
    return found_whole(r, t, name, e);
}

/* The scale is alpha over the rank that the configuration says, so the file must have that one. */
static int check_rank(const struct reading *r, int i, struct err *e)
{
    char module[ARCH_NAME_MAX];
    lora_module(r->m, i, module);
    int want = lora_config_rank(&r->m->lora->config, module);
    if (r->marks[i].rank == want) return 0;
    return err_set(e,
                   "%s: the adapter of %s has rank %d, and " ADAPTER_CONFIG " says %d (r, or rank_pattern); "
                   "are the two files of one adapter?",
                   r->path, module, r->marks[i].rank, want);
}

/* Every adapter must have all its parts, and something must be there. */
static int check_parts(const struct reading *r, struct err *e)
{
    int want = 1 << LORA_A | 1 << LORA_B | (r->m->lora->config.dora ? 1 << LORA_MAGNITUDE : 0), any = r->head;
    static const char *const names[] = {"lora_A", "lora_B", "lora_magnitude_vector"};
    for (int i = 0; i < r->m->n_weights; i++) {
        any |= r->parts[i] || r->marks[i].whole;
        if (r->parts[i] == want && check_rank(r, i, e)) return -1;
        if (!r->parts[i] || r->parts[i] == want) continue;
        for (int part = 0; part < 3; part++)
            if ((r->parts[i] ^ want) >> part & 1)
                return err_set(e, "%s: %s has %s %s, which use_dora %s", r->path, r->m->weights[i].name,
                               r->parts[i] >> part & 1 ? "a" : "no", names[part],
                               r->m->lora->config.dora ? "true needs" : "false has no place for");
    }
    return any ? 0 : err_set(e, "%s: holds no adapter", r->path);
}

static int read_numbers(const struct reading *r, struct err *e)
{
    struct lora *l = r->m->lora;
    for (int i = 0; i < l->n; i++) {
        struct weight *w = &l->weights[i];
        const struct tensor_info *t = tensor_file_find(r->file, w->name);
        char other[ARCH_NAME_MAX + 64];
        snprintf(other, sizeof other, "%s.weight", w->name);
        if (!t) t = tensor_file_find(r->file, other);
        CHECK(t, "%s was found before", w->name);
        if (tensor_file_rows(r->file, t, 0, w->rows, w->data, e)) return -1;
        for (size_t k = 0; k < (size_t)w->rows * (size_t)w->cols; k++)
            if (!isfinite(w->data[k]))
                return err_set(e, "%s: tensor %.200s holds NaN or infinity", r->path, t->name);
        weight_changed(w);
    }
    return 0;
}

static int read_weights(struct model *m, const char *path, struct err *e)
{
    struct reading r = {.m = m, .path = path, .file = tensor_file_open(path, e)};
    if (!r.file) return -1;
    int failed = 0;
    r.names = json_object();
    r.marks = alloc_zero((size_t)m->n_weights, sizeof *r.marks);
    r.parts = alloc_zero((size_t)m->n_weights, sizeof *r.parts);
    for (int i = 0; i < m->n_weights; i++) json_object_set_new(r.names, m->weights[i].name, json_integer(i));
    for (int i = 0; i < tensor_file_count(r.file) && !failed; i++)
        failed = find_one(&r, tensor_file_info(r.file, i), e);
    if (!failed) failed = check_parts(&r, e);
    if (!failed) {
        lora_layout(m, r.marks, r.head);
        failed = read_numbers(&r, e);
    }
    free(r.parts);
    free(r.marks);
    json_decref(r.names);
    tensor_file_close(r.file);
    return failed ? -1 : 0;
}

int lora_load(struct model *m, const char *dir, struct err *e)
{
    char *config = path_join(dir, ADAPTER_CONFIG), *weights = path_join(dir, ADAPTER_WEIGHTS);
    json_t *o = json_read_file(config, e);
    m->lora = alloc_zero(1, sizeof *m->lora);
    int failed = !o || lora_config_parse(&m->lora->config, o, config, e);
    if (!failed && !file_exists(weights)) failed = err_set(e, "%s: holds no " ADAPTER_WEIGHTS, dir);
    if (!failed) failed = read_weights(m, weights, e);
    if (!failed) {
        m->lora->first = alloc_floats(m->lora->n_floats);
        memcpy(m->lora->first, m->lora->data, m->lora->n_floats * sizeof(float));
    }
    json_decref(o);
    free(config);
    free(weights);
    return failed ? -1 : 0;
}

/* ---- saving -------------------------------------------------------------------------------------------- */

static int write_weights(const struct model *m, const char *dir, struct err *e)
{
    const struct lora *l = m->lora;
    struct tensor_out *list = alloc_zero((size_t)l->n, sizeof *list);
    for (int i = 0; i < l->n; i++) {
        const struct weight *w = &l->weights[i];
        list[i] = (struct tensor_out){.name = w->name, .dtype = DT_F32};
        list[i].n_dims = model_weight_shape(m, m->n_weights + i, list[i].shape);
        list[i].source = (struct tensor_source){.n = (size_t)w->rows * (size_t)w->cols, .weight = w};
    }
    char *path = path_join(dir, ADAPTER_WEIGHTS);
    int failed = safetensors_write_all(path, list, l->n, e);
    free(path);
    free(list);
    return failed;
}

static int write_adapter(const struct model *m, const char *dir, const void *ctx, struct err *e)
{
    (void)ctx;
    char *path = path_join(dir, ADAPTER_CONFIG);
    json_t *config = lora_config_json(&m->lora->config);
    int failed = write_weights(m, dir, e) || json_write_file(config, path, e);
    json_decref(config);
    free(path);
    return failed ? -1 : 0;
}

int model_save_adapter(struct model *m, const char *dir, const char *card, struct err *e)
{
    CHECK(m->lora, "%s has no adapters", m->path);
    return save_folder(m, dir, &(struct save_how){.card = card, .write = write_adapter}, e);
}

int model_save_trained(struct model *m, const char *dir, const char *dtype, const char *card, struct err *e)
{
    return m->lora ? model_save_adapter(m, dir, card, e) : model_save(m, dir, dtype, card, e);
}
