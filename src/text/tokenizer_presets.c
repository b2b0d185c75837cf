/* tokenizer_presets.c: pipelines by name, for vocabularies that come without tokenizer.json (GGUF, vocab.json
 * with merges.txt).
 *
 * A row is what Hugging Face's tokenizer of the family does. GGUF's tokenizer.ggml.pre names the family.
 */
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "text/text_int.h"

#define NFC_PART    "{\"type\": \"NFC\"}"
#define DIGITS_PART "{\"type\": \"Digits\", \"individual_digits\": true}"
#define DECODER_PART                                                                                         \
    "{\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, \"use_regex\": true}"

#define CUTS_MAX 6

struct preset {
    const char *name;  /* the first of them */
    const char *names; /* separated by spaces */
    const char *normalizer;
    const char *first;          /* a stage before the cuts, or NULL */
    const char *cuts[CUTS_MAX]; /* expressions of Splits before ByteLevel; none: ByteLevel's own */
    bool ignore_merges;
};

/* One after the other, on what the ones before have left in one piece (DeepSeek-V3's and -Coder's files). */
#define DEEPSEEK_V3                                                                                          \
    "\\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",                                             \
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"  \
        "| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define DEEPSEEK_CODER                                                                                       \
    "[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", "\\p{N}"
/* Mistral's: words are cut where lower case is followed by upper case. */
#define TEKKEN                                                                                               \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"              \
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}"      \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const struct preset rows[] = {
    {"gpt-2", "gpt-2 gpt2 default", NULL, NULL, {NULL}, false},
    {"smollm", "smollm", NULL, DIGITS_PART, {NULL}, false},
    {"qwen2", "qwen2 deepseek-r1-qwen", NFC_PART, NULL, {scan_qwen2}, false},
    {"llama-bpe", "llama-bpe llama3 llama-v3 smaug-bpe", NULL, NULL, {scan_llama3}, true},
    {"deepseek-v3", "deepseek-v3", NULL, NULL, {DEEPSEEK_V3}, false},
    {"deepseek-coder", "deepseek-coder", NULL, NULL, {DEEPSEEK_CODER}, false},
    {"tekken", "tekken", NULL, NULL, {TEKKEN}, true},
};

static json_t *parse(const char *text)
{
    json_error_t je;
    json_t *v = text ? json_loads(text, 0, &je) : json_null();
    CHECK(v, "preset %s: %s", text, je.text);
    return v;
}

static json_t *pre_tokenizer_of(const struct preset *p)
{
    json_t *stages = json_array();
    if (p->first) json_array_append_new(stages, parse(p->first));
    for (int i = 0; i < CUTS_MAX && p->cuts[i]; i++)
        json_array_append_new(stages, json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern",
                                                "Regex", p->cuts[i], "behavior", "Isolated", "invert", 0));
    json_array_append_new(stages, json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space",
                                            0, "trim_offsets", 1, "use_regex", p->cuts[0] ? 0 : 1));
    if (json_array_size(stages) > 1)
        return json_pack("{s:s, s:o}", "type", "Sequence", "pretokenizers", stages);
    json_t *only = json_incref(json_array_get(stages, 0));
    json_decref(stages);
    return only;
}

static json_t *bpe_part(bool spm, bool ignore_merges)
{
    return json_pack("{s:s, s:n, s:s?, s:n, s:n, s:b, s:b, s:b}", "type", "BPE", "dropout", "unk_token",
                     spm ? "<unk>" : NULL, "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", spm,
                     "byte_fallback", spm, "ignore_merges", ignore_merges);
}

/* SentencePiece with a space put in front, as Llama 2's tokenizer.json says it; bare: without, as Gemma's. */
static json_t *spm_parts(bool bare)
{
    json_t *parts =
        parse("{\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": ["
              "{\"type\": \"Prepend\", \"prepend\": \"\xE2\x96\x81\"}, "
              "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\xE2\x96\x81\"}]}, "
              "\"pre_tokenizer\": null, \"post_processor\": null, "
              "\"decoder\": {\"type\": \"Sequence\", \"decoders\": ["
              "{\"type\": \"Replace\", \"pattern\": {\"String\": \"\xE2\x96\x81\"}, \"content\": \" \"}, "
              "{\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}, "
              "{\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}]}}");
    json_object_set_new(parts, "model", bpe_part(true, false));
    if (!bare) return parts;
    json_t *decoders = json_object_get(json_object_get(parts, "decoder"), "decoders");
    json_t *normalizers = json_object_get(json_object_get(parts, "normalizer"), "normalizers");
    json_array_remove(decoders, 3);
    json_object_set(parts, "normalizer", json_array_get(normalizers, 1));
    return parts;
}

/* Is `name` one of the words of `names`? */
static bool named(const char *names, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = names; (p = strstr(p, name)); p += n)
        if ((p == names || p[-1] == ' ') && (p[n] == ' ' || !p[n])) return n > 0;
    return false;
}

json_t *preset_parts(const char *name, struct err *e)
{
    if (!strcmp(name, SPM) || !strcmp(name, SPM_BARE)) return spm_parts(!strcmp(name, SPM_BARE));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct preset *p = &rows[i];
        if (!named(p->names, name)) continue;
        return json_pack("{s:o, s:o, s:o, s:o, s:o}", "normalizer", parse(p->normalizer), "pre_tokenizer",
                         pre_tokenizer_of(p), "post_processor", parse(DECODER_PART), "decoder",
                         parse(DECODER_PART), "model", bpe_part(false, p->ignore_merges));
    }
    struct str known;
    str_init(&known, 1024);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) str_addf(&known, " %s", rows[i].names);
    err_set(e, "pre-tokenizer \"%s\" is not supported; supported:%s", name, known.p);
    str_release(&known);
    return NULL;
}

/* Equal but for where tokens lie in the text, which does not change ids. */
static bool same_part(const json_t *a, const json_t *b)
{
    if (json_is_array(a) && json_is_array(b)) {
        size_t n = json_array_size(a), same = 0;
        while (same < n && same_part(json_array_get(a, same), json_array_get(b, same))) same++;
        return same == n && n == json_array_size(b);
    }
    if (!json_is_object(a) || !json_is_object(b)) return json_equal(a, b);
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)a, key, v)
    {
        if (strcmp(key, "trim_offsets") && !same_part(v, json_object_get(b, key))) return false;
    }
    json_object_foreach((json_t *)b, key, v)
    {
        if (strcmp(key, "trim_offsets") && !json_object_get(a, key)) return false;
    }
    return true;
}

/* An element that does nothing is as none: a Sequence of none (DeepSeek's files), and with marks for spaces a
 * Split at spaces (Gemma's). */
static const json_t *part_of(const json_t *parts, const char *key, bool spm)
{
    const json_t *a = json_object_get(parts, key), *list = json_object_get(a, "normalizers");
    const char *space = json_str_or(json_object_get(a, "pattern"), "String", "");
    bool none = list && json_array_size(list) == 0;
    if (spm && !strcmp(key, "pre_tokenizer")) none = !strcmp(element_type(a), "Split") && !strcmp(space, " ");
    return a && !none ? a : json_null();
}

static bool is_preset(const json_t *parts, const char *name)
{
    static const char *const keys[] = {"normalizer", "pre_tokenizer"};
    bool same = true, spm = !strncmp(name, SPM, strlen(SPM));
    json_t *known = preset_parts(name, NULL);
    for (int i = 0; i < 2; i++)
        same = same && same_part(part_of(parts, keys[i], spm), json_object_get(known, keys[i]));
    const json_t *model = json_object_get(parts, "model");
    same = same && json_is_true(json_object_get(model, "byte_fallback")) == spm;
    json_decref(known);
    return same;
}

const char *preset_name(const json_t *parts)
{
    const json_t *model = json_object_get(parts, "model");
    bool affixes =
        *json_str_or(model, "continuing_subword_prefix", "") || *json_str_or(model, "end_of_word_suffix", "");
    if (strcmp(element_type(model), "BPE") || affixes) return NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (is_preset(parts, rows[i].name)) return rows[i].name;
    return is_preset(parts, SPM) ? SPM : is_preset(parts, SPM_BARE) ? SPM_BARE : NULL;
}
