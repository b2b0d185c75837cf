/* reward_language_consistency.c: the share of the reasoning's words that are written in the target
 * language.
 *
 * DeepSeek-R1 (2025, section 2.3.2) adds "the proportion of target language words in the chain of thought"
 * to keep a model from mixing languages. Languages are told apart by their script: a word is a run of
 * letters of one script, a character of Chinese or Japanese is a word. What languages share is not
 * counted: numbers, LaTeX commands, and single Latin or Greek letters, which are variables. German in an
 * English text is not seen.
 */
#include <string.h>
#include <utf8proc.h>

#include "reward/reward_int.h"

enum script {
    LATIN = 1,
    GREEK = 2,
    CYRILLIC = 4,
    HEBREW = 8,
    ARABIC = 16,
    INDIC = 32,
    THAI = 64,
    HAN = 128,
    KANA = 256,
    HANGUL = 512,
    OTHER = 1024
};

static const struct {
    int from, to;
    enum script script;
} ranges[] = {
    {0x41, 0x24f, LATIN},     {0x370, 0x3ff, GREEK},    {0x400, 0x52f, CYRILLIC}, {0x590, 0x5ff, HEBREW},
    {0x600, 0x6ff, ARABIC},   {0x750, 0x77f, ARABIC},   {0x900, 0xdff, INDIC},    {0xe00, 0xe7f, THAI},
    {0x1100, 0x11ff, HANGUL}, {0x1e00, 0x1eff, LATIN},  {0x1f00, 0x1fff, GREEK},  {0x2e80, 0x2fdf, HAN},
    {0x3005, 0x3007, HAN},    {0x3040, 0x30ff, KANA},   {0x3130, 0x318f, HANGUL}, {0x3400, 0x4dbf, HAN},
    {0x4e00, 0x9fff, HAN},    {0xac00, 0xd7af, HANGUL}, {0xf900, 0xfaff, HAN},    {0xfb50, 0xfdff, ARABIC},
    {0xfe70, 0xfeff, ARABIC}, {0xff21, 0xff5a, LATIN},  {0xff66, 0xff9f, KANA},   {0x20000, 0x3134f, HAN},
};
static const struct {
    const char *language;
    int scripts;
} languages[] = {
    {"en", LATIN},  {"zh", HAN},    {"ja", HAN | KANA}, {"ko", HANGUL}, {"ru", CYRILLIC}, {"el", GREEK},
    {"he", HEBREW}, {"ar", ARABIC}, {"hi", INDIC},      {"th", THAI},   {"latin", LATIN},
};
static const struct reward_param language_consistency_params[] = {
    {.name = "language",
     .type = PARAM_TEXT,
     .text = "en",
     .choices = "en|zh|ja|ko|ru|el|he|ar|hi|th|latin",
     .help = "the target; latin: any language written so"},
    {.name = "where",
     .type = PARAM_TEXT,
     .text = "think",
     .choices = "think|all",
     .help = "think: inside <think>, or the whole where there is none; all: the whole"},
    {.name = NULL}};

/* Of a letter; 0: no letter. */
static int script_of(int c)
{
    utf8proc_category_t k = utf8proc_category(c);
    bool mark = k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC;
    if (!mark && !(k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO) && c != 0x3007) return 0;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (c >= ranges[i].from && c <= ranges[i].to) return ranges[i].script;
    return OTHER;
}

#define SHOWN 10 /* words of an explanation */

struct count {
    const struct reward_input *in;
    size_t words, target;
};

/* Adds the word that begins at p; returns its bytes, 0 where none begins. */
static size_t word_count(const char *p, size_t n, int target, struct count *count)
{
    size_t length, k = 0, letters = 0;
    int script = script_of(text_code_point(p, n, &length));
    if (!script) return 0;
    do {
        k += length;
        letters++;
        if (script & (HAN | KANA)) break;
    } while (k < n && script_of(text_code_point(p + k, n - k, &length)) == script);
    if (letters == 1 && (script & (LATIN | GREEK))) return k;
    count->words++;
    count->target += (script & target) != 0;
    if (!(script & target) && count->words - count->target <= SHOWN)
        reward_step(count->in, "other", "%.*s", (int)k, p);
    return k;
}

static struct count words_count(const struct reward_input *in, const char *p, size_t n, int target)
{
    struct count count = {.in = in};
    for (size_t i = 0, length; i < n;) {
        if (p[i] == '\\' || p[i] == '<') { /* a command, a tag */
            size_t k = i + 1 < n && p[i + 1] == '/' ? 2 : 1;
            while (i + k < n && ((p[i + k] | 32) >= 'a' && (p[i + k] | 32) <= 'z')) k++;
            i += k;
            continue;
        }
        size_t k = word_count(p + i, n - i, target, &count);
        if (!k) text_code_point(p + i, n - i, &length);
        i += k ? k : length;
    }
    return count;
}

static void language_consistency_score(const struct reward_input *in, struct reward_result *out)
{
    const char *language = param_text(in->params, language_consistency_params, "language");
    const char *where = param_text(in->params, language_consistency_params, "where");
    const char *p = in->text, *open = strcmp(where, "think") == 0 ? strstr(p, "<think>") : NULL;
    const char *end = p + strlen(p), *close = strcmp(where, "think") == 0 ? strstr(p, "</think>") : NULL;
    int target = 0;
    for (size_t i = 0; i < sizeof languages / sizeof *languages; i++)
        if (strcmp(language, languages[i].language) == 0) target = languages[i].scripts;
    if (open) p = open + strlen("<think>");
    if (close && close >= p) end = close;
    reward_step(in, "searched", open || close ? "the reasoning" : "the whole completion");
    struct count c = words_count(in, p, (size_t)(end - p), target);
    reward_step(in, "formula", "%zu words in the script of %s of %zu", c.target, language, c.words);
    if (c.words)
        reward_give(out, (double)c.target / (double)c.words, "%zu of %zu words are written as %s is",
                    c.target, c.words, language);
    else
        reward_unjudged(out, "no words");
}

static const struct reward_example language_consistency_examples[] = {
    {"<think>First we add the numbers</think>答案", "{}", 1, true, NULL},
    {"<think>首先</think>answer", "{}", 0, true, NULL},
    {"<think>so 首先 add</think>6", "{}", 0.5, true, NULL},
    {"<think>因为 $\\frac{x}{2}$ 是</think>", "{}", 1, true, "{\"language\":\"zh\"}"},
    {"Сначала add", "{}", 0.5, true, "{\"language\":\"ru\"}"},
    {"<think>so</think> 是", "{}", 0.5, true, "{\"where\":\"all\"}"},
    {"<think>x + 1 = 2</think>", "{}", 0, false, NULL},
};

const struct reward reward_language_consistency = {
    .name = "language_consistency",
    .metric = "language_consistency_reward",
    .help = "share of the reasoning's words that are written in the target language's script (R1)",
    .lo = 0,
    .hi = 1,
    .params = language_consistency_params,
    .score = language_consistency_score,
    .examples = language_consistency_examples,
    .n_examples = sizeof language_consistency_examples / sizeof *language_consistency_examples,
};
