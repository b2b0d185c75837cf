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

#include "base/hash_path.h"
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

/* Does a tensor of this name hold numbers of this shape? */
static int check_tensor(const struct tensor_file *f, const struct tensor_info *t, const int64_t *want, int n,
                        struct err *e)
{
    const char *path = f->map_paths[t->file];
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

struct found {
    struct weight_place *places; /* [n_weights] */
    bool *used;                  /* [tensors of the file] */
};

/* The tensor under weight i's name, by one of the description's patterns; NULL if it is not there. */
static const struct tensor_info *named(const struct model *m, int i, const struct tensor_file *f,
                                       const char *pattern)
{
    char *name = arch_name(pattern, m->placed[i].layer, m->placed[i].expert);
    const struct tensor_info *t = tensor_file_find(f, name);
    free(name);
    return t;
}

/* kv_b in two tensors. */
static int find_split(const struct model *m, int i, const struct tensor_file *f, struct found *found,
                      struct err *e)
{
    const struct model_config *c = &m->config;
    struct weight_place *at = &found->places[i];
    at->keys = named(m, i, f, GGUF_KEYS);
    at->t = named(m, i, f, GGUF_VALUES);
    if (!at->keys || !at->t)
        return err_set(e, "%s: tensor blk.%d.%s.weight is missing", f->path, m->placed[i].layer,
                       at->keys ? "attn_v_b"
                       : at->t  ? "attn_k_b"
                                : "attn_kv_b");
    const int64_t keys[3] = {c->heads, c->kv_rank, c->nope_dim};
    const int64_t values[3] = {c->heads, c->value_dim, c->kv_rank};
    if (check_tensor(f, at->keys, keys, 3, e) || check_tensor(f, at->t, values, 3, e)) return -1;
    found->used[at->keys - f->tensors] = found->used[at->t - f->tensors] = true;
    return 0;
}

static int find_weight(const struct model *m, int i, const struct tensor_file *f, struct found *found,
                       struct err *e)
{
    const struct arch_weight *row = m->placed[i].row;
    struct weight_place *at = &found->places[i];
    const char *pattern = f->gguf ? row->gguf : row->name;
    bool stacked = strchr(row->name, '#') && !strchr(pattern, '#');
    int64_t want[3] = {m->config.experts};
    int n = model_weight_shape(m, i, want + stacked) + stacked;
    at->t = named(m, i, f, pattern);
    if (!at->t && f->gguf && row->slot == SLOT_KV_B) return find_split(m, i, f, found, e);
    if (!at->t) {
        char *name = arch_name(pattern, m->placed[i].layer, m->placed[i].expert);
        err_set(e, "%s: tensor %s is missing", f->path, name);
        free(name);
        return -1;
    }
    if (stacked) at->row = (int64_t)m->placed[i].expert * m->weights[i].rows;
    if (f->permuted && row->rotary) at->head_dim = m->config.head_dim;
    found->used[at->t - f->tensors] = true;
    if (at->t->scales) found->used[at->t->scales - f->tensors] = true;
    return check_tensor(f, at->t, want, n, e);
}

static int find_weights(const struct model *m, const struct tensor_file *f, struct weight_place *places,
                        struct err *e)
{
    struct found found = {places, alloc_zero((size_t)f->n + 1, sizeof *found.used)};
    int result = 0;
    for (int i = 0; i < m->n_weights && !result; i++) result = find_weight(m, i, f, &found, e);
    for (int i = 0; i < f->n && !result; i++)
        if (!found.used[i] && !ignored(m->config.arch, f->tensors[i].name))
            result =
                err_set(e, "%s: tensor %.200s is not part of a %s model with this configuration",
                        f->map_paths[f->tensors[i].file], f->tensors[i].name, m->config.arch->model_type);
    free(found.used);
    return result;
}

struct fill {
    const struct stored *from;
    struct weight *w;
    int *bad; /* [chunks] first row with a number that is not finite, or -1 */
};

static void fill_chunk(void *ctx, int chunk)
{
    const struct fill *f = ctx;
    int row = chunk * CHUNK_ROWS, cols = f->w->cols;
    int n = f->w->rows - row < CHUNK_ROWS ? f->w->rows - row : CHUNK_ROWS;
    float *apart = f->w->data ? NULL : alloc_floats((size_t)n * (size_t)cols); /* only looked at */
    float *y = f->w->data ? f->w->data + (size_t)row * (size_t)cols : apart;
    f->from->tile(f->from, row, n, 0, cols, y);
    if (f->w->bf16) weight_set_rows(f->w, row, n, y);
    if (f->w->data16) weight_rows(f->w, row, n, y);
    f->bad[chunk] = -1;
    for (int64_t i = (int64_t)n * cols - 1; i >= 0; i--)
        if (!isfinite(y[i])) f->bad[chunk] = row + (int)(i / cols);
    free(apart);
}

/* The elements of a bias, whose heads interleave the pairs. */
static void restore_halves(const struct weight *w, int head_dim)
{
    float *from = alloc_floats((size_t)w->cols);
    memcpy(from, w->data, (size_t)w->cols * sizeof *from);
    for (int i = 0; i < w->cols; i++) w->data[i] = from[rotary_row(i, head_dim)];
    free(from);
}

static int bad_row(const struct tensor_file *f, const struct tensor_info *t, int row, struct err *e)
{
    return err_set(e, "%s: tensor %.200s: row %d holds NaN or infinity", f->map_paths[t->file], t->name, row);
}

/* The first row of the weight with a number that is not finite, or -1; its numbers go to its data, if any. */
static int fill_rows(struct weight *w, struct tensor_file *f, const struct weight_place *at)
{
    bool bias = w->rows == 1;
    int chunks = (w->rows + CHUNK_ROWS - 1) / CHUNK_ROWS, bad = -1;
    struct stored_tensor from;
    struct weight_place rows = *at;
    if (bias) rows.head_dim = 0; /* its elements are turned, not its row */
    stored_init(&from, f, &rows);
    struct fill fill = {&from.face, w, alloc_zero((size_t)chunks, sizeof(int))};
    pool_for(chunks, fill_chunk, &fill);
    /* Or all of the file would be in memory beside its numbers: more than a short run takes after it. */
    if (!f->borrowed) stored_forget(&from);
    for (int c = chunks - 1; c >= 0; c--)
        if (fill.bad[c] >= 0) bad = fill.bad[c];
    free(fill.bad);
    return bad;
}

static int fill_weight(struct model *m, int i, struct tensor_file *f, const struct weight_place *at,
                       struct err *e)
{
    struct weight *w = &m->weights[i];
    int bad = fill_rows(w, f, at);
    if (bad >= 0) return bad_row(f, at->t, bad, e);
    if (w->rows == 1 && at->head_dim) restore_halves(w, at->head_dim);
    if (f->gguf && w->plus_one)
        for (int j = 0; j < w->cols; j++) w->data[j] -= 1;
    if (w->bf16 && w->data) weight_set_rows(w, 0, w->rows, w->data);
    return 0;
}

static void leave_in_place(struct model *m, struct tensor_file *f, const struct weight_place *places)
{
    m->file = f;
    m->stored = alloc_zero((size_t)m->n_weights, sizeof *m->stored);
    for (int i = 0; i < m->n_weights; i++) {
        if (m->placed[i].row->kind != WEIGHT_MATRIX) continue;
        stored_init(&m->stored[i], f, &places[i]);
        m->weights[i].stored = &m->stored[i].face;
    }
}

/* The panels of a weight that stays in its file, or a look at its numbers if it has none. */
static int pack_weight(struct model *m, int i, struct tensor_file *f, const struct weight_place *at,
                       struct err *e)
{
    struct weight *w = &m->weights[i];
    int bad = model_multiplies(m, i) ? weight_pack(w) : fill_rows(w, f, at);
    stored_forget(&m->stored[i]);
    return bad >= 0 ? bad_row(f, at->t, bad, e) : 0;
}

/* A matrix that stays in its file is quantised from there, and the file's pages are let go: so a base is read
 * in the memory that its codes take and one tensor more. */
static int hold_weight(struct model *m, int i, int flags, struct err *e)
{
    int failed = model_hold(m, i, flags, e);
    stored_forget(&m->stored[i]);
    return failed;
}

/* Panels of the weights that stay in their file, which they do not have yet, would take more than three
 * quarters of memory. */
static bool panels_are_large(const struct model *m)
{
    double bytes = 0;
    for (int i = 0; i < m->n_weights; i++)
        if (model_multiplies(m, i)) bytes += (double)weight_pack_bytes(&m->weights[i]);
    return bytes > 0.75 * (double)memory_allowed();
}

/* Of a file that is not read further: the types of the weights, and which of them would stay there, since a
 * product with those takes other memory. */
static void fill_on_paper(struct model *m, const struct tensor_file *f, int flags)
{
    static const struct stored nowhere;
    for (int i = 0; i < m->n_weights; i++) {
        const struct arch_weight *row = m->placed[i].row;
        const struct tensor_info *t = f ? named(m, i, f, f->gguf ? row->gguf : row->name) : NULL;
        m->placed[i].dtype = t ? t->dtype : model_plain_dtype(m);
        if (model_stays_in_file(m, i, flags)) m->weights[i].stored = &nowhere;
    }
}

int model_fill(struct model *m, struct tensor_file *f, int flags, struct err *e)
{
    struct weight_place *places = alloc_zero((size_t)m->n_weights, sizeof *places);
    int result = find_weights(m, f, places, e);
    bool packed = flags & MODEL_PACKED, holds = model_holds(flags);
    if (!result && (holds || flags & (MODEL_IN_PLACE | MODEL_PACKED))) leave_in_place(m, f, places);
    if (!result && packed && flags & MODEL_IN_PLACE_IF_LARGE && panels_are_large(m)) {
        log_info("%s: weights stay in the file, since packed for products they would not fit in memory",
                 m->path);
        packed = false;
    }
    for (int i = 0; i < m->n_weights && !result; i++) m->placed[i].dtype = places[i].t->dtype;
    if (!result) result = model_allocate(m, e);
    if (!result && packed) result = model_place_panels(m, true, e);
    for (int i = 0; i < m->n_weights && !result; i++)
        if (weight_packs(&m->weights[i]))
            result = fill_weight(m, i, f, &places[i], e);
        else if (packed)
            result = pack_weight(m, i, f, &places[i], e);
        else if (holds)
            result = hold_weight(m, i, flags, e);
    tensor_file_forget(f);
    free(places);
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
    if (flags & MODEL_BF16) bf16_mark(m);
    if (flags & MODEL_NO_WEIGHTS) {
        fill_on_paper(m, *file, flags);
        return 0;
    }
    if (flags & MODEL_RANDOM) {
        if (flags & MODEL_IN_PLACE) draw_in_place(m, seed);
        if (model_allocate(m, e)) return -1;
        model_draw(m, seed);
        return 0;
    }
    return model_fill(m, *file, flags, e);
}

/* ---- an adapter and its base --------------------------------------------------------------------------- */

static bool is_adapter(const char *path)
{
    char *adapter = path_join(path, ADAPTER_CONFIG), *config = path_join(path, "config.json");
    bool is = file_exists(adapter) && !file_exists(config);
    free(adapter);
    free(config);
    return is;
}

/* "ADAPTER@BASE" in two (free() both), or false. */
static bool split_at(const char *path, char **adapter, char **base)
{
    const char *at = strrchr(path, '@');
    if (!at || at == path || !at[1] || file_exists(path)) return false;
    *adapter = alloc_str(path);
    (*adapter)[at - path] = 0;
    *base = alloc_str(at + 1);
    if (is_adapter(*adapter)) return true;
    free(*adapter);
    free(*base);
    *adapter = *base = NULL;
    return false;
}

static int no_base(const char *adapter, const char *base, struct err *e)
{
    return err_set(e,
                   "%s: its base model %s (" ADAPTER_CONFIG ") is not there, neither from here nor from the "
                   "adapter's folder; %s@BASE takes the base from where BASE says%s%s%s",
                   adapter, base, adapter, *base == '/' ? "" : ", and if it is a hub's name, `openr1 pull ",
                   *base == '/' ? "" : base, *base == '/' ? "" : "` fetches it");
}

/* The base model that an adapter names: a path from here, or from the adapter's folder, or a hub's name. */
static char *base_of(const char *adapter, struct err *e)
{
    char *config = path_join(adapter, ADAPTER_CONFIG), *base = NULL;
    json_t *o = json_read_file(config, e);
    const char *name = json_str_or(o, "base_model_name_or_path", "");
    if (o && !*name)
        err_set(e, "%s: names no base_model_name_or_path; give the model as %s@BASE", config, adapter);
    if (o && *name) {
        char *beside = path_join(adapter, name);
        base =
            !file_exists(name) && *name != '/' && file_exists(beside) ? alloc_str(beside) : alloc_str(name);
        free(beside);
        char *place = hub_resolve(HUB_MODEL, base, NULL);
        if (!place) {
            no_base(adapter, base, e);
            free(base);
            base = NULL;
        }
        free(place);
    }
    json_decref(o);
    free(config);
    return base;
}

/* An adapter's folder may have a tokenizer and generation_config.json of its own. */
static int take_small_files(struct model *m, const char *adapter, struct err *e)
{
    char *generation = path_join(adapter, "generation_config.json");
    int failed = 0;
    if (tokenizer_present(adapter)) {
        tokenizer_free(m->tokenizer);
        failed = (m->tokenizer = tokenizer_load(adapter, e)) ? 0 : -1;
    }
    if (!failed && file_exists(generation)) {
        json_decref(m->generation);
        m->generation = json_read_file(generation, e);
        failed = m->generation ? 0 : -1;
    }
    free(generation);
    if (failed) return -1;
    free(m->eos);
    m->n_eos = 0;
    return find_eos(m, e);
}

static struct model *load_adapter(const char *adapter, const char *base, int flags, struct err *e)
{
    if (flags & MODEL_RANDOM) {
        err_usage(e, "%s: is an adapter, whose base cannot be drawn at random", adapter);
        return NULL;
    }
    bool nested = is_adapter(base);
    struct model *m = nested ? NULL : model_load(base, flags, 0, e);
    if (nested) err_set(e, "%s: is an adapter itself, not a base model", base);
    if (!m) {
        err_wrap(e, "base model of %s", adapter);
        return NULL;
    }
    int failed = take_small_files(m, adapter, e);
    if (!failed) failed = lora_load(m, adapter, e);
    if (!failed && m->lora) {
        free(m->lora->config.base);
        m->lora->config.base = alloc_str(base);
    }
    if (!failed) return m;
    model_free(m);
    return NULL;
}

char *model_resolve(const char *path, struct err *e)
{
    char *adapter, *base;
    if (!split_at(path, &adapter, &base)) return hub_resolve(HUB_MODEL, path, e);
    free(base);
    return adapter;
}

int model_places(const char *path, char *places[MODEL_PLACES], struct err *e)
{
    char *adapter, *base = NULL;
    places[0] = split_at(path, &adapter, &base) ? adapter : hub_resolve(HUB_MODEL, path, e);
    if (!places[0]) return -1;
    if (!is_adapter(places[0])) return 1;
    if (!base) base = base_of(places[0], e);
    places[1] = base ? hub_resolve(HUB_MODEL, base, e) : NULL;
    free(base);
    if (places[1]) return 2;
    err_wrap(e, "base model of %s", places[0]);
    free(places[0]);
    return -1;
}

int model_places_hash(const char *path, char hex[65], struct err *e)
{
    char *places[MODEL_PLACES], base[HASH_HEX];
    int n = model_places(path, places, e), failed = n < 0 ? -1 : hash_path(places[0], hex, NULL, e);
    if (!failed && n > 1) failed = hash_path(places[1], base, NULL, e);
    if (!failed && n > 1) {
        struct hash *h = hash_new();
        hash_add(h, hex, HASH_HEX);
        hash_add(h, base, HASH_HEX);
        hash_end(h, hex);
    }
    for (int i = 0; i < n; i++) free(places[i]);
    return failed;
}

struct model *model_load(const char *path, int flags, uint64_t seed, struct err *e)
{
    char *adapter = NULL, *base = NULL;
    struct tensor_file *file = NULL;
    struct model *m = NULL;
    char *found = split_at(path, &adapter, &base) ? adapter : hub_resolve(HUB_MODEL, path, e);
    if (found && is_adapter(found)) {
        if (!base) base = base_of(found, e);
        m = base ? load_adapter(found, base, flags, e) : NULL;
        free(found);
        free(base);
        return m;
    }
    m = alloc_zero(1, sizeof *m);
    m->path = found;
    int failed = m->path ? load(m, &file, flags, seed, e) : -1;
    if (file != m->file) tensor_file_close(file);
    if (!failed) return m;
    model_free(m);
    return NULL;
}
