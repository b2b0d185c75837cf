/* llama2c.c: models of karpathy/llama2.c (its "legacy" version 0 file) and their tokenizer file.
 *
 *   i32 dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size (below 0: own output matrix), seq_len
 *   f32 embedding [V,D], attention norms [L,D], q [L,Q,D], k [L,K,D], v [L,K,D], o [L,D,Q], MLP norms [L,D],
 *       gate [L,I,D], down [L,D,I], up [L,I,D], final norm [D], two RoPE tables [seq_len, hd/2] (not used),
 *       output matrix [V,D] if the vocabulary was negative
 *
 * The file is Llama with q and k rows in the order of interleaved RoPE. Beside it stands tokN.bin for a
 * vocabulary of N, or tokenizer.bin: i32 longest token; per token f32 score, i32 length, bytes, with
 * SentencePiece's space mark already replaced by a space (run.c and export.py of that project).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/model_int.h"
#include "text/text.h"

enum { HEADER_INTS = 7, TOKEN_BYTES_MAX = 256, TOKENIZER_BYTES_MAX = 1 << 26, TOKEN_BOS = 1, TOKEN_EOS = 2 };

struct header {
    int64_t dim, hidden, layers, heads, kv_heads, vocab, positions;
    bool untied;
};

static int32_t int_at(const uint8_t *p)
{
    return (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
}

static int read_header(const struct tensor_file *f, struct header *h, struct err *e)
{
    const struct file_map *m = &f->maps[0];
    int64_t *const fields[HEADER_INTS] = {&h->dim,      &h->hidden, &h->layers,   &h->heads,
                                          &h->kv_heads, &h->vocab,  &h->positions};
    if (m->n < HEADER_INTS * 4) return err_set(e, "%s: %zu bytes are no llama2.c model", f->path, m->n);
    for (int i = 0; i < HEADER_INTS; i++) *fields[i] = int_at(m->p + 4 * i);
    h->untied = h->vocab < 0;
    if (h->untied) h->vocab = -h->vocab;
    for (int i = 0; i < HEADER_INTS; i++)
        if (*fields[i] < 1 || *fields[i] > 1 << 24)
            return err_set(e, "%s: not a llama2.c model: number %d of its header is %lld", f->path, i,
                           (long long)*fields[i]);
    if (h->layers > 4096 || h->dim % h->heads || h->heads % h->kv_heads || h->dim / h->heads % 2)
        return err_set(e, "%s: not a llama2.c model: its sizes do not fit together", f->path);
    return 0;
}

/* The next weights of the file, one for each layer, or one in all. */
static int add_weights(struct tensor_file *f, const char *name, int64_t rows, int64_t cols, uint64_t *at,
                       struct err *e)
{
    int64_t layers = strchr(name, '*') ? json_integer_value(json_object_get(f->meta, "n_layers")) : 1;
    for (int64_t i = 0; i < layers; i++) {
        struct tensor_info t = {
            .dtype = DT_F32, .n_dims = rows ? 2 : 1, .shape = {rows, cols}, .offset = *at};
        if (!rows) t.shape[0] = cols;
        t.name = arch_name(name, (int)i, 0);
        int failed = tensor_file_add(f, &t, e);
        free(t.name);
        if (failed) return -1;
        *at += f->tensors[f->n - 1].bytes;
    }
    return 0;
}

static int add_all(struct tensor_file *f, const struct header *h, struct err *e)
{
    int64_t hd = h->dim / h->heads, kv = h->kv_heads * hd;
    const struct {
        const char *name;
        int64_t rows, cols;
    } parts[] = {
        {"model.embed_tokens.weight", h->vocab, h->dim},
        {"model.layers.*.input_layernorm.weight", 0, h->dim},
        {"model.layers.*.self_attn.q_proj.weight", h->dim, h->dim},
        {"model.layers.*.self_attn.k_proj.weight", kv, h->dim},
        {"model.layers.*.self_attn.v_proj.weight", kv, h->dim},
        {"model.layers.*.self_attn.o_proj.weight", h->dim, h->dim},
        {"model.layers.*.post_attention_layernorm.weight", 0, h->dim},
        {"model.layers.*.mlp.gate_proj.weight", h->hidden, h->dim},
        {"model.layers.*.mlp.down_proj.weight", h->dim, h->hidden},
        {"model.layers.*.mlp.up_proj.weight", h->hidden, h->dim},
        {"model.norm.weight", 0, h->dim},
    };
    uint64_t at = HEADER_INTS * 4;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (add_weights(f, parts[i].name, parts[i].rows, parts[i].cols, &at, e)) return -1;
    at += (uint64_t)(h->positions * hd) * sizeof(float);
    if (h->untied && add_weights(f, "lm_head.weight", h->vocab, h->dim, &at, e)) return -1;
    if (at != f->maps[0].n)
        return err_set(e, "%s: a llama2.c model of these sizes has %llu bytes, this file %llu", f->path,
                       (unsigned long long)at, (unsigned long long)f->maps[0].n);
    return 0;
}

int llama2c_parse(struct tensor_file *f, struct err *e)
{
    struct header h = {0};
    if (read_header(f, &h, e)) return -1;
    f->format = FORMAT_LLAMA2C;
    f->permuted = true;
    f->meta = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "dim", (json_int_t)h.dim, "hidden_dim",
                        (json_int_t)h.hidden, "n_layers", (json_int_t)h.layers, "n_heads",
                        (json_int_t)h.heads, "n_kv_heads", (json_int_t)h.kv_heads, "vocab_size",
                        (json_int_t)h.vocab, "seq_len", (json_int_t)h.positions, "untied", (int)h.untied);
    return add_all(f, &h, e);
}

json_t *llama2c_config(struct tensor_file *f, struct err *e)
{
    struct header h = {0};
    if (read_header(f, &h, e)) return NULL;
    return json_pack("{s:[s], s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:f, s:f, s:f, s:b, s:i, s:i}",
                     "architectures", "LlamaForCausalLM", "model_type", "llama", "hidden_size",
                     (json_int_t)h.dim, "intermediate_size", (json_int_t)h.hidden, "num_hidden_layers",
                     (json_int_t)h.layers, "num_attention_heads", (json_int_t)h.heads, "num_key_value_heads",
                     (json_int_t)h.kv_heads, "vocab_size", (json_int_t)h.vocab, "max_position_embeddings",
                     (json_int_t)h.positions, "hidden_act", "silu", "rms_norm_eps", 1e-5, "rope_theta",
                     10000.0, "initializer_range", 0.02, "tie_word_embeddings", (int)!h.untied,
                     "bos_token_id", TOKEN_BOS, "eos_token_id", TOKEN_EOS);
}

/* ---- tokenizer ----------------------------------------------------------------------------------------- */

struct pieces {
    char **tokens;
    size_t *lengths;
    float *scores;
    int *types;
};

/* GGUF's token types, which struct vocab speaks. */
enum { TYPE_NORMAL = 1, TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_BYTE = 6 };

/* The token as SentencePiece has it: spaces marked again, the first three by name. */
static void set_piece(struct pieces *p, int i, const char *bytes, size_t n)
{
    static const char *const names[] = {"<unk>", "<s>", "</s>"};
    struct str s;
    str_init(&s, 4 * TOKEN_BYTES_MAX);
    for (size_t k = 0; k < n; k++)
        str_add(&s, bytes[k] == ' ' ? "\xe2\x96\x81" : bytes + k, bytes[k] == ' ' ? 3 : 1);
    p->types[i] = TYPE_NORMAL;
    if (i < 3) {
        str_clear(&s);
        str_puts(&s, names[i]);
        p->types[i] = i ? TYPE_CONTROL : TYPE_UNKNOWN;
    } else if (s.len == 6 && str_starts(s.p, "<0x") && s.p[5] == '>') {
        p->types[i] = TYPE_BYTE;
    }
    p->lengths[i] = s.len;
    p->tokens[i] = alloc_strn(s.p, s.len);
    str_release(&s);
}

static int read_pieces(struct pieces *p, int n, const char *path, struct err *e)
{
    char *bytes;
    size_t size, at = 4;
    if (file_read(path, TOKENIZER_BYTES_MAX, &bytes, &size, e)) return -1;
    int result = 0;
    for (int i = 0; i < n && !result; i++) {
        const uint8_t *q = (const uint8_t *)bytes + at;
        int32_t length = size >= 8 && at <= size - 8 ? int_at(q + 4) : -1;
        if (length < 0 || length > TOKEN_BYTES_MAX || (size_t)length > size - at - 8) {
            result = err_set(e, "%s: token %d of %d is cut short or too long; is this the model's tokenizer?",
                             path, i, n);
            break;
        }
        uint32_t bits = (uint32_t)int_at(q);
        memcpy(&p->scores[i], &bits, sizeof bits);
        set_piece(p, i, bytes + at + 8, (size_t)length);
        at += 8 + (size_t)length;
    }
    if (!result && at != size) result = err_set(e, "%s: holds more than %d tokens", path, n);
    free(bytes);
    return result;
}

static char *tokenizer_path(const struct tensor_file *f, int vocab)
{
    char name[32];
    char *dir = path_dir(f->path);
    snprintf(name, sizeof name, "tok%d.bin", vocab);
    char *path = path_join(dir, name);
    if (!file_exists(path)) {
        free(path);
        path = path_join(dir, "tokenizer.bin");
    }
    free(dir);
    return path;
}

int llama2c_tokenizer(struct tensor_file *f, int vocab, struct tokenizer **out, struct err *e)
{
    char *path = tokenizer_path(f, vocab);
    size_t n = (size_t)vocab;
    struct pieces p = {0};
    int result = 0;
    if (file_exists(path)) {
        p = (struct pieces){alloc_zero(n, sizeof *p.tokens), alloc_zero(n, sizeof *p.lengths),
                            alloc_zero(n, sizeof *p.scores), alloc_zero(n, sizeof *p.types)};
        result = read_pieces(&p, vocab, path, e);
        struct vocab v = {.model = "spm",
                          .pre = "default",
                          .n = vocab,
                          .tokens = (const char *const *)p.tokens,
                          .lengths = p.lengths,
                          .scores = p.scores,
                          .types = p.types,
                          .bos = TOKEN_BOS,
                          .eos = TOKEN_EOS,
                          .pad = -1,
                          .unk = 0,
                          .add_bos = true};
        if (!result && !(*out = tokenizer_from_vocab(&v, e))) result = err_wrap(e, "%s", path);
        for (size_t i = 0; i < n; i++) free(p.tokens[i]);
    }
    free(p.tokens);
    free(p.lengths);
    free(p.scores);
    free(p.types);
    free(path);
    return result;
}
