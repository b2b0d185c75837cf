/* load.c: a model from whatever the path is: a Hugging Face folder, a GGUF file, a llama2.c file.
 *
 * Each source gives three things: a config.json (read or built), perhaps a tokenizer, and a tensor file. All
 * tensors are checked against the description (present, shape, type, nothing unknown besides) before memory
 * for a single one is taken, so a small hostile file cannot ask for a large model. Rows that stored.c calls
 * rotary are put in Hugging Face's order.
 */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/machine.h"
#include "base/pool.h"
#include "base/str.h"
#include "model/model_int.h"
#include "net/hub.h"
#include "text/text.h"

enum { CHUNK_ROWS = 64 };

/* ---- weights ------------------------------------------------------------------------------------------- */

static bool matches(const char *pattern, const char *name)
{
    const char *star = strchr(pattern, '*');
    if (!star) return !strcmp(pattern, name);
    if (strncmp(pattern, name, (size_t)(star - pattern))) return false;
    const char *p = name + (star - pattern);
    if (!isdigit((unsigned char)*p)) return false;
    while (isdigit((unsigned char)*p)) p++;
    return !strcmp(p, star + 1);
}

static bool ignored(const struct arch *a, const char *name)
{
    for (const char *const *p = a->ignored; *p; p++)
        if (matches(*p, name)) return true;
    return false;
}

static void shape_text(struct str *s, const int64_t *shape, int n)
{
    for (int i = 0; i < n; i++) str_addf(s, "%s%lld", i ? "," : "[", (long long)shape[i]);
    str_puts(s, n ? "]" : "[]");
}

static int check_tensor(const struct model *m, int i, const struct tensor_file *f,
                        const struct tensor_info *t, struct err *e)
{
    const char *path = f->map_paths[t->file];
    int64_t want[2];
    int n = model_weight_shape(m, i, want);
    if (t->n_dims != n || memcmp(t->shape, want, (size_t)n * sizeof *want)) {
        struct str s;
        str_init(&s, 512);
        shape_text(&s, t->shape, t->n_dims);
        str_puts(&s, "; config.json asks for ");
        shape_text(&s, want, n);
        err_set(e, "%s: tensor %.200s has shape %s", path, t->name, s.p);
        str_release(&s);
        return -1;
    }
    if (!dtype_info(t->dtype)->decode)
        return err_set(e, "%s: tensor %.200s: numbers of type %s cannot be weights", path, t->name,
                       dtype_name(t->dtype));
    return 0;
}

/* found[i] is the tensor of weight i. */
static int find_tensors(struct model *m, struct tensor_file *f, const struct tensor_info **found,
                        struct err *e)
{
    bool *used = alloc_zero((size_t)f->n + 1, sizeof *used);
    int result = 0;
    for (int i = 0; i < m->n_weights && !result; i++) {
        const struct arch_weight *row = m->placed[i].row;
        char *name = arch_name(f->gguf ? row->gguf : row->name, m->placed[i].layer, m->placed[i].expert);
        found[i] = tensor_file_find(f, name);
        if (!found[i])
            result = err_set(e, "%s: tensor %s is missing", f->path, name);
        else
            result = check_tensor(m, i, f, found[i], e);
        if (found[i]) used[found[i] - f->tensors] = true;
        if (found[i] && found[i]->scales) used[found[i]->scales - f->tensors] = true;
        free(name);
    }
    for (int i = 0; i < f->n && !result; i++)
        if (!used[i] && !ignored(m->config.arch, f->tensors[i].name))
            result =
                err_set(e, "%s: tensor %.200s is not part of a %s model with this configuration",
                        f->map_paths[f->tensors[i].file], f->tensors[i].name, m->config.arch->model_type);
    free(used);
    return result;
}

struct fill {
    struct tensor_file *file;
    const struct tensor_info *info;
    const struct weight *w;
    int *bad; /* [chunks] first row with a number that is not finite, or -1 */
};

static void fill_chunk(void *ctx, int chunk)
{
    const struct fill *f = ctx;
    int64_t row = (int64_t)chunk * CHUNK_ROWS;
    int64_t n = f->w->rows - row < CHUNK_ROWS ? f->w->rows - row : CHUNK_ROWS;
    float *y = f->w->data + row * f->w->cols;
    int failed = tensor_file_rows(f->file, f->info, row, n, y, NULL);
    CHECK(!failed, "%s was checked before", f->info->name);
    f->bad[chunk] = -1;
    for (int64_t i = n * f->w->cols - 1; i >= 0; i--)
        if (!isfinite(y[i])) f->bad[chunk] = (int)(row + i / f->w->cols);
}

/* Each head's rows from interleaved to halves. A bias's elements count as rows of one. */
static void restore_halves(const struct model *m, const struct weight *w)
{
    int hd = m->config.head_dim;
    bool bias = w->rows == 1;
    size_t width = bias ? 1 : (size_t)w->cols;
    int heads = (bias ? w->cols : w->rows) / hd;
    float *head = alloc_floats((size_t)hd * width);
    for (int h = 0; h < heads; h++) {
        float *y = w->data + (size_t)h * (size_t)hd * width;
        memcpy(head, y, (size_t)hd * width * sizeof *head);
        for (int r = 0; r < hd; r++)
            memcpy(y + (size_t)r * width, head + (size_t)rotary_row(r, hd) * width, width * sizeof *head);
    }
    free(head);
}

static int fill_weight(struct model *m, int i, struct tensor_file *f, const struct tensor_info *t,
                       struct err *e)
{
    const struct weight *w = &m->weights[i];
    int chunks = (w->rows + CHUNK_ROWS - 1) / CHUNK_ROWS, bad = -1;
    struct fill fill = {f, t, w, alloc_zero((size_t)chunks, sizeof(int))};
    pool_for(chunks, fill_chunk, &fill);
    for (int c = chunks - 1; c >= 0; c--)
        if (fill.bad[c] >= 0) bad = fill.bad[c];
    free(fill.bad);
    if (bad >= 0)
        return err_set(e, "%s: tensor %.200s: row %d holds NaN or infinity", f->map_paths[t->file], t->name,
                       bad);
    if (f->permuted && m->placed[i].row->rotary) restore_halves(m, w);
    if (f->gguf && w->plus_one)
        for (int j = 0; j < w->cols; j++) w->data[j] -= 1;
    return 0;
}

static void leave_in_place(struct model *m, struct tensor_file *f, const struct tensor_info *const *found)
{
    m->file = f;
    m->stored = alloc_zero((size_t)m->n_weights, sizeof *m->stored);
    for (int i = 0; i < m->n_weights; i++) {
        const struct arch_weight *row = m->placed[i].row;
        if (row->kind != WEIGHT_MATRIX) continue;
        stored_init(&m->stored[i], f, found[i], f->permuted && row->rotary ? m->config.head_dim : 0);
        m->weights[i].stored = &m->stored[i].face;
    }
}

int model_fill(struct model *m, struct tensor_file *f, bool in_place, struct err *e)
{
    const struct tensor_info **found = alloc_zero((size_t)m->n_weights, sizeof *found);
    int result = find_tensors(m, f, found, e);
    if (!result && in_place) leave_in_place(m, f, found);
    for (int i = 0; i < m->n_weights && !result; i++) m->placed[i].dtype = found[i]->dtype;
    if (!result) result = model_allocate(m, e);
    for (int i = 0; i < m->n_weights && !result; i++)
        if (!m->weights[i].stored) result = fill_weight(m, i, f, found[i], e);
    free(found);
    return result;
}

/* ---- configuration and tokenizer ----------------------------------------------------------------------- */

/* A config.json by itself: a model on paper. */
static int read_paper(struct model *m, struct err *e)
{
    json_t *raw = json_read_file(m->path, e);
    int result = raw ? config_parse(&m->config, raw, m->path, e) : -1;
    json_decref(raw);
    return result;
}

static void no_config(const char *path, struct err *e)
{
    char *inner = path_join(path, "model/config.json");
    if (file_exists(inner))
        err_set(e, "%s: is the folder of a run; its model is %s/model", path, path);
    else
        err_set(e,
                "%s: holds no config.json; a model is a Hugging Face folder, a .gguf file or a llama2.c .bin "
                "file",
                path);
    free(inner);
}

static int read_folder(struct model *m, struct err *e)
{
    char *config = path_join(m->path, "config.json");
    char *generation = path_join(m->path, "generation_config.json");
    json_t *raw = NULL;
    int result = -1;
    if (!file_exists(config)) {
        no_config(m->path, e);
        goto out;
    }
    raw = json_read_file(config, e);
    if (!raw || config_parse(&m->config, raw, config, e)) goto out;
    if (file_exists(generation)) {
        m->generation = json_read_file(generation, e);
        if (!m->generation) goto out;
        if (!json_is_object(m->generation)) {
            err_set(e, "%s: must hold one JSON object", generation);
            goto out;
        }
    }
    if (tokenizer_present(m->path) && !(m->tokenizer = tokenizer_load(m->path, e))) goto out;
    result = 0;
out:
    json_decref(raw);
    free(config);
    free(generation);
    return result;
}

static int read_single_file(struct model *m, struct tensor_file **file, struct err *e)
{
    struct tensor_file *f = *file = tensor_file_open(m->path, e);
    if (!f) return -1;
    if (f->format == FORMAT_SAFETENSORS)
        return err_set(e, "%s: a safetensors file without its folder's config.json; give the folder",
                       m->path);
    json_t *raw = f->format == FORMAT_GGUF ? gguf_config(f, e) : llama2c_config(f, e);
    int result = raw ? config_parse(&m->config, raw, m->path, e) : -1;
    json_decref(raw);
    if (result) return -1;
    if (f->format == FORMAT_GGUF) return gguf_tokenizer(f, &m->tokenizer, e);
    return llama2c_tokenizer(f, m->config.vocab, &m->tokenizer, e);
}

/* ---- end of sequence ----------------------------------------------------------------------------------- */

static int add_eos(struct model *m, const json_t *v, const char *where, struct err *e)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) >= m->config.vocab)
        return err_set(e, "%s: %s: \"eos_token_id\" must be token ids below %d", m->path, where,
                       m->config.vocab);
    for (int i = 0; i < m->n_eos; i++)
        if (m->eos[i] == json_integer_value(v)) return 0;
    m->eos = alloc_again(m->eos, (size_t)(m->n_eos + 1) * sizeof *m->eos);
    m->eos[m->n_eos++] = (int)json_integer_value(v);
    return 0;
}

static int collect_eos(struct model *m, const json_t *o, const char *where, struct err *e)
{
    const json_t *v = json_object_get(o, "eos_token_id");
    if (!v || json_is_null(v)) return 0;
    if (!json_is_array(v)) return add_eos(m, v, where, e);
    for (size_t i = 0; i < json_array_size(v); i++)
        if (add_eos(m, json_array_get(v, i), where, e)) return -1;
    return 0;
}

static int find_eos(struct model *m, struct err *e)
{
    m->eos = alloc_zero(1, sizeof *m->eos);
    if (collect_eos(m, m->generation, "generation_config.json", e)) return -1;
    if (!m->n_eos && m->config.eos >= 0 && collect_eos(m, m->config.raw, "config.json", e)) return -1;
    int id = m->tokenizer ? tokenizer_eos(m->tokenizer) : -1;
    if (!m->n_eos && id >= 0 && id < m->config.vocab) m->eos[m->n_eos++] = id;
    return 0;
}

/* ---- all of it ----------------------------------------------------------------------------------------- */

/* As float32 and packed for products, the weights would take more than three quarters of memory. */
static bool is_large(const struct model *m)
{
    return 2 * (double)model_n_params(m) * sizeof(float) > 0.75 * (double)memory_allowed();
}

static void draw_in_place(struct model *m, uint64_t seed)
{
    m->draws = alloc_zero((size_t)m->n_weights, sizeof *m->draws);
    for (int i = 0; i < m->n_weights; i++) {
        if (m->placed[i].row->kind != WEIGHT_MATRIX) continue;
        stored_draw_init(&m->draws[i], m, i, seed);
        m->weights[i].stored = &m->draws[i].face;
    }
}

/* transformers keeps num_nextn_predict_layers but not the layers: where the file has none of a description's
 * rows for them, the model has none. */
static bool has_further(const struct model *m, const struct tensor_file *f)
{
    bool found = false;
    for (const struct arch_weight *row = m->config.arch->weights; row->name && !found; row++) {
        if (!strchr(row->name, '*')) continue;
        char *name = arch_name(row->name, m->config.layers, 0);
        found = tensor_file_find(f, name) != NULL;
        free(name);
    }
    return found;
}

static int load(struct model *m, struct tensor_file **file, int flags, uint64_t seed, struct err *e)
{
    bool folder = file_is_dir(m->path), paper = !folder && str_ends(m->path, ".json");
    if (paper && !(flags & (MODEL_NO_WEIGHTS | MODEL_RANDOM)))
        return err_set(e, "%s: is a configuration without weights; give the folder", m->path);
    if (folder ? read_folder(m, e) : paper ? read_paper(m, e) : read_single_file(m, file, e)) return -1;
    if (m->tokenizer && tokenizer_size(m->tokenizer) > m->config.vocab)
        return err_set(e, "%s: the tokenizer has ids up to %d, the model only %d", m->path,
                       tokenizer_size(m->tokenizer) - 1, m->config.vocab);
    if (find_eos(m, e)) return -1;
    if (!(flags & (MODEL_NO_WEIGHTS | MODEL_RANDOM))) {
        if (!*file && !(*file = tensor_file_open(m->path, e))) return -1;
        if (!has_further(m, *file)) m->config.mtp = 0;
    }
    model_layout(m);
    if (flags & MODEL_NO_WEIGHTS) return 0;
    if (flags & MODEL_RANDOM) {
        if (flags & MODEL_IN_PLACE) draw_in_place(m, seed);
        if (model_allocate(m, e)) return -1;
        model_draw(m, seed);
        return 0;
    }
    bool in_place = flags & MODEL_IN_PLACE || (flags & MODEL_IN_PLACE_IF_LARGE && is_large(m));
    if (in_place && !(flags & MODEL_IN_PLACE))
        log_info("%s: weights stay in the file, since as float32 they would not fit in memory", m->path);
    return model_fill(m, *file, in_place, e);
}

struct model *model_load(const char *path, int flags, uint64_t seed, struct err *e)
{
    struct model *m = alloc_zero(1, sizeof *m);
    struct tensor_file *file = NULL;
    m->path = hub_resolve(HUB_MODEL, path, e);
    int failed = m->path ? load(m, &file, flags, seed, e) : -1;
    if (file != m->file) tensor_file_close(file);
    if (!failed) return m;
    model_free(m);
    return NULL;
}
