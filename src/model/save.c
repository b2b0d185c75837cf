/* save.c: a model as a Hugging Face folder, which transformers, vLLM, llama.cpp's converter and this program
 * load.
 *
 *   config.json               as it was read (or built), with the dtype of the weights written
 *   model.safetensors         or, above 5 GB, model-00001-of-0000N.safetensors with
 *                             model.safetensors.index.json {"metadata", "weight_map"}
 *   generation_config.json, tokenizer files, README.md
 *
 * The folder is written beside its place and renamed as a whole, so a reader sees the old model or the new
 * one. Only what looks like a saved model is ever replaced: a wrong --out must not cost somebody's files.
 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "model/model_int.h"
#include "text/text.h"

static const uint64_t shard_bytes_default = 5000000000;

/* ---- weights ------------------------------------------------------------------------------------------- */

static const char *const dtype_names[] = {[DT_F32] = "float32", [DT_F16] = "float16", [DT_BF16] = "bfloat16"};
enum { N_NAMES = sizeof dtype_names / sizeof *dtype_names, KEEP = -1 };

static int find_dtype(const char *name, int *type, struct err *e)
{
    *type = !strcmp(name, "fp8") ? DT_F8_E4M3 : KEEP;
    if (!strcmp(name, "auto") || !strcmp(name, "fp8")) return 0;
    for (int i = 0; i < N_NAMES; i++)
        if (!strcmp(name, dtype_names[i])) *type = i;
    if (*type == KEEP)
        return err_usage(e, "dtype \"%.60s\": choose auto, float32, bfloat16, float16 or fp8", name);
    return 0;
}

/* The type that weight i is written in. */
static enum dtype type_of(const struct model *m, int i, int type)
{
    enum dtype own = m->placed[i].dtype;
    bool fp8 = type == DT_F8_E4M3 || (type == KEEP && own == DT_F8_E4M3);
    if (fp8 && fp8_holds(m, i)) return DT_F8_E4M3;
    if (fp8) return m->placed[i].row->kind == WEIGHT_BUFFER ? DT_F32 : DT_BF16;
    if (type != KEEP) return m->placed[i].row->kind == WEIGHT_BUFFER ? DT_F32 : (enum dtype)type;
    return (int)own < N_NAMES ? own : DT_F32;
}

/* Everything that is written. Names are owned, and scales. */
struct outs {
    struct tensor_out *list;
    int n;
};

static void outs_add(struct outs *o, const char *name, const struct tensor_out *t)
{
    o->list[o->n] = *t;
    o->list[o->n++].name = alloc_str(name);
}

static void outs_release(struct outs *o)
{
    for (int i = 0; i < o->n; i++) {
        free((char *)o->list[i].name);
        free((float *)o->list[i].source.fp8_scales);
    }
    free(o->list);
}

/* Weight i, and if it goes out in 8 bits its scales; under another name if it is a copy. */
static void add_weight(struct outs *o, const struct model *m, int i, int type, const char *name)
{
    const struct weight *w = &m->weights[i];
    struct tensor_out t = {.dtype = type_of(m, i, type)};
    t.n_dims = model_weight_shape(m, i, t.shape);
    t.source = (struct tensor_source){.n = (size_t)w->rows * (size_t)w->cols, .weight = w};
    if (t.dtype == DT_F8_E4M3) t.source.fp8_scales = fp8_scales_make(w);
    outs_add(o, name ? name : w->name, &t);
    if (!t.source.fp8_scales) return;
    char scales[2 * ARCH_NAME_MAX];
    struct tensor_out s = {.dtype = DT_F32, .n_dims = 2};
    snprintf(scales, sizeof scales, "%s_scale_inv", w->name);
    fp8_scale_shape(t.shape, s.shape);
    s.source.n = (size_t)shape_count(s.shape, 2);
    s.source.data = t.source.fp8_scales;
    outs_add(o, scales, &s);
}

static struct outs outs_of(const struct model *m, int type)
{
    const struct arch *a = m->config.arch;
    struct outs o = {alloc_zero(2 * (size_t)m->n_weights + 2 * (size_t)m->config.mtp, sizeof *o.list), 0};
    for (int i = 0; i < m->n_weights; i++) add_weight(&o, m, i, type, NULL);
    for (int k = 0; k < m->config.mtp; k++) {
        const char *const names[] = {a->copy_embed, a->copy_head};
        const struct weight *const from[] = {m->outer[SLOT_EMBED], m->outer[SLOT_HEAD]};
        for (int j = 0; j < 2; j++) {
            char *name = names[j] ? arch_name(names[j], m->config.layers + k, 0) : NULL;
            if (name) add_weight(&o, m, (int)(from[j] - m->weights), type, name);
            free(name);
        }
    }
    return o;
}

static uint64_t bytes_of(const struct tensor_out *t)
{
    return (uint64_t)t->source.n * (uint64_t)dtype_info(t->dtype)->bytes;
}

/* shard[i] of every tensor, filled in order up to the limit; returns the number of shards. */
static int assign_shards(const struct outs *o, uint64_t limit, int *shard)
{
    uint64_t used = 0;
    int n = 1;
    for (int i = 0; i < o->n; i++) {
        uint64_t bytes = bytes_of(&o->list[i]);
        if (used > 0 && bytes > limit - used) {
            n++;
            used = 0;
        }
        shard[i] = n;
        used += bytes < limit ? bytes : limit;
    }
    return n;
}

static int write_shards(const struct outs *o, const char *dir, uint64_t limit, struct err *e)
{
    int *shard = alloc_zero((size_t)o->n, sizeof *shard);
    struct tensor_out *entries = alloc_zero((size_t)o->n, sizeof *entries);
    int n = assign_shards(o, limit, shard), result = 0;
    json_t *places = json_object();
    uint64_t total = 0;
    for (int s = 1; s <= n && !result; s++) {
        char name[64] = "model.safetensors";
        int count = 0;
        if (n > 1) snprintf(name, sizeof name, "model-%05d-of-%05d.safetensors", s, n);
        for (int i = 0; i < o->n; i++) {
            if (shard[i] != s) continue;
            entries[count++] = o->list[i];
            json_object_set_new(places, o->list[i].name, json_string(name));
            total += bytes_of(&o->list[i]);
        }
        char *path = path_join(dir, name);
        result = safetensors_write_all(path, entries, count, e);
        free(path);
    }
    if (n > 1 && !result) {
        char *path = path_join(dir, "model.safetensors.index.json");
        json_t *index =
            json_pack("{s:{s:I}, s:O}", "metadata", "total_size", (json_int_t)total, "weight_map", places);
        result = json_write_file(index, path, e);
        json_decref(index);
        free(path);
    }
    json_decref(places);
    free(shard);
    free(entries);
    return result;
}

/* ---- the small files ----------------------------------------------------------------------------------- */

static int write_json(const char *dir, const char *name, json_t *stolen, struct err *e)
{
    char *path = path_join(dir, name);
    int result = json_write_file(stolen, path, e);
    json_decref(stolen);
    free(path);
    return result;
}

static json_t *config_to_save(const struct model *m, int type)
{
    json_t *c = json_deep_copy(m->config.raw);
    const char *dtype = dtype_names[type_of(m, 0, type)];
    json_object_del(c, "quantization_config");
    for (int i = 0; i < m->n_weights; i++)
        if (type_of(m, i, type) == DT_F8_E4M3) json_object_set_new(c, "quantization_config", fp8_config());
    bool newer = json_object_get(c, "dtype"), older = json_object_get(c, "torch_dtype");
    json_object_set_new(c, "architectures", json_pack("[s]", m->config.arch->class_name));
    if (newer) json_object_set_new(c, "dtype", json_string(dtype));
    if (older || !newer) json_object_set_new(c, "torch_dtype", json_string(dtype));
    return c;
}

static json_t *generation_to_save(const struct model *m)
{
    static const char *const keys[] = {"bos_token_id", "eos_token_id", "pad_token_id"};
    if (m->generation) return json_deep_copy(m->generation);
    json_t *g = json_pack("{s:b}", "_from_model_config", 1);
    for (int i = 0; i < 3; i++) {
        json_t *v = json_object_get(m->config.raw, keys[i]);
        if (v && !json_is_null(v)) json_object_set(g, keys[i], v);
    }
    return g;
}

struct whole { /* how a whole model is written */
    int type;
    uint64_t shard_bytes;
};

static int write_whole(const struct model *m, const char *dir, const void *ctx, struct err *e)
{
    const struct whole *w = ctx;
    struct outs o = outs_of(m, w->type);
    int failed = write_shards(&o, dir, w->shard_bytes, e);
    outs_release(&o);
    return failed || write_json(dir, "config.json", config_to_save(m, w->type), e) ? -1 : 0;
}

static int write_folder(struct model *m, const char *dir, const struct save_how *how, struct err *e)
{
    if (file_mkdirs(dir, e) || how->write(m, dir, how->ctx, e)) return -1;
    if (write_json(dir, "generation_config.json", generation_to_save(m), e)) return -1;
    if (m->tokenizer && tokenizer_save(m->tokenizer, dir, e)) return -1;
    if (!how->card) return 0;
    char *path = path_join(dir, "README.md");
    int result = file_write(path, how->card, strlen(how->card), e);
    free(path);
    return result;
}

/* ---- in one piece -------------------------------------------------------------------------------------- */

static bool belongs_to_model(const char *name)
{
    static const char *const known[] = {"README.md",
                                        ADAPTER_CONFIG,
                                        ADAPTER_WEIGHTS,
                                        "added_tokens.json",
                                        "chat_template.jinja",
                                        "config.json",
                                        "generation_config.json",
                                        "merges.txt",
                                        "model.safetensors",
                                        "model.safetensors.index.json",
                                        "special_tokens_map.json",
                                        "tokenizer.json",
                                        "tokenizer.model",
                                        "tokenizer_config.json",
                                        "vocab.json"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(name, known[i])) return true;
    return str_starts(name, "model-") && str_ends(name, ".safetensors");
}

static int check_place(const char *dir, struct err *e)
{
    char **names;
    size_t n;
    int result = 0;
    if (!file_exists(dir)) return 0;
    if (!file_is_dir(dir)) return err_set(e, "%s: is a file; a model is saved as a folder", dir);
    if (dir_list(dir, &names, &n, e)) return -1;
    for (size_t i = 0; i < n; i++) {
        if (!result && !belongs_to_model(names[i]))
            result =
                err_set(e, "%s: holds %.100s, which is no part of a saved model; give an empty or new folder",
                        dir, names[i]);
        free(names[i]);
    }
    free(names);
    return result;
}

static int sync_parent(const char *path, struct err *e)
{
    char *dir = path_dir(path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd);
    if (failed) err_errno(e, "cannot sync %s", dir);
    if (fd >= 0) close(fd);
    free(dir);
    return failed ? -1 : 0;
}

/* Put `tmp` in the place of `dir`. Where the system can exchange two names, there is no moment without a
 * model; elsewhere the old one stands under `old` for that moment. */
static int put_in_place(const char *tmp, const char *dir, const char *old, struct err *e)
{
    if (!file_exists(dir)) return file_rename(tmp, dir, e);
    if (!renameat2(AT_FDCWD, tmp, AT_FDCWD, dir, RENAME_EXCHANGE))
        return sync_parent(dir, e) || file_remove_tree(tmp, e) ? -1 : 0;
    if (file_rename(dir, old, e) || file_rename(tmp, dir, e)) return -1;
    return file_remove_tree(old, e);
}

int save_folder(struct model *m, const char *dir, const struct save_how *how, struct err *e)
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/') n--;
    struct str place, tmp, old;
    str_init(&place, 0);
    str_init(&tmp, 0);
    str_init(&old, 0);
    str_add(&place, dir, n);
    str_addf(&tmp, "%s.partial", place.p);
    str_addf(&old, "%s.old", place.p);
    int result = check_place(place.p, e);
    if (!result && file_exists(tmp.p)) result = file_remove_tree(tmp.p, e);
    if (!result) {
        result = write_folder(m, tmp.p, how, e);
        if (!result) result = put_in_place(tmp.p, place.p, old.p, e);
        if (result && file_exists(tmp.p)) file_remove_tree(tmp.p, NULL);
    }
    str_release(&place);
    str_release(&tmp);
    str_release(&old);
    return result ? -1 : 0;
}

int model_save_sharded(struct model *m, const char *dir, const char *dtype, const char *card,
                       uint64_t shard_bytes, struct err *e)
{
    struct whole whole = {.shard_bytes = shard_bytes};
    if (find_dtype(dtype, &whole.type, e)) return -1;
    CHECK(m->data, "%s has no weights to save", m->path);
    return save_folder(m, dir, &(struct save_how){card, write_whole, &whole}, e);
}

int model_save(struct model *m, const char *dir, const char *dtype, const char *card, struct err *e)
{
    return model_save_sharded(m, dir, dtype, card, shard_bytes_default, e);
}
