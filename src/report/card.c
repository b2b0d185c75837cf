/* card.c: the model card, README.md of a saved model, in the shape the Hugging
 * Face hub reads.
 *
 * Front matter first (YAML between --- lines), then what the model is, how to
 * use it, how it was made. The facts are an object: "name", "base_model",
 * "algorithm", "datasets" [..], "metrics" {..}, "config" (YAML text), "commit",
 * "hash"; absent ones are left out. "adapter" true: it is one, for "base_model".
 */
#include "report/report.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/str.h"
#include "base/version.h"

/* JSON's quoting is valid YAML: a name with a colon or a newline cannot break
 * the front matter. */
static void add_quoted(struct str *s, const char *before, const json_t *value)
{
    char *text = json_text(value);
    str_addf(s, "%s%s\n", before, text);
    free(text);
}

static bool is_adapter(const json_t *facts)
{
    return json_is_true(json_object_get(facts, "adapter")) &&
           json_is_string(json_object_get(facts, "base_model"));
}

static void front_matter(struct str *s, const json_t *facts, const char *algorithm)
{
    str_addf(s, "---\nlibrary_name: %s\npipeline_tag: text-generation\ntags:\n- openr1\n",
             is_adapter(facts) ? "peft" : "transformers");
    if (*algorithm) str_addf(s, "- %s\n", algorithm);
    const json_t *base = json_object_get(facts, "base_model");
    if (json_is_string(base)) add_quoted(s, "base_model: ", base);
    const json_t *datasets = json_object_get(facts, "datasets");
    if (json_array_size(datasets) > 0) str_puts(s, "datasets:\n");
    size_t i;
    json_t *d;
    json_array_foreach(datasets, i, d) add_quoted(s, "- ", d);
    str_puts(s, "---\n\n");
}

static void metric_table(struct str *s, const json_t *metrics)
{
    if (json_object_size(metrics) == 0) return;
    str_puts(s, "## Last step\n\n| metric | value |\n|---|---|\n");
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)metrics, key, v)
    {
        if (json_is_number(v)) str_addf(s, "| `%s` | %.6g |\n", key, json_number_value(v));
    }
    str_puts(s, "\n");
}

static void use_of_model(struct str *s)
{
    str_puts(s, "or any program that reads Hugging Face folders:\n\n"
                "```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n"
                "model = AutoModelForCausalLM.from_pretrained(\".\")\n"
                "tokenizer = AutoTokenizer.from_pretrained(\".\")\n```\n\n");
}

/* PEFT puts an adapter on a base that transformers loads, which of a .gguf file it does not here. */
static void use_of_adapter(struct str *s, const json_t *base)
{
    if (str_ends(json_string_value(base), ".gguf")) {
        str_puts(s,
                 "Its base is a .gguf file; for other programs, write the merged model first, as a Hugging "
                 "Face folder:\n\n```sh\nopenr1 convert --model . --out merged\n```\n\n");
        return;
    }
    char *quoted = json_text(base);
    str_addf(s,
             "or with PEFT, on its base model:\n\n"
             "```python\nfrom peft import PeftModel\n"
             "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
             "base = AutoModelForCausalLM.from_pretrained(%s)\n"
             "model = PeftModel.from_pretrained(base, \".\")\n"
             "tokenizer = AutoTokenizer.from_pretrained(\".\")\n```\n\n"
             "`openr1 convert --model . --out merged` writes the two as one model.\n\n",
             quoted);
    free(quoted);
}

char *card_text(const json_t *facts)
{
    struct str s;
    str_init(&s, 1 << 20);
    const char *algorithm = json_str_or(facts, "algorithm", "");
    front_matter(&s, facts, algorithm);
    str_addf(&s, "# %s\n\n", json_str_or(facts, "name", "model"));
    const char *base = json_str_or(facts, "base_model", "");
    str_addf(&s, "Trained with openr1 (Open-R1 in C)%s%s%s%s.\n\n", *algorithm ? ", algorithm " : "",
             algorithm, *base ? ", from " : "", base);
    str_puts(&s, "## Use\n\n```sh\nopenr1 generate --model . --prompt \"...\"\n```\n\n");
    if (is_adapter(facts))
        use_of_adapter(&s, json_object_get(facts, "base_model"));
    else
        use_of_model(&s);
    metric_table(&s, json_object_get(facts, "metrics"));
    const char *config = json_str_or(facts, "config", "");
    if (*config) str_addf(&s, "## Configuration\n\n```yaml\n%s```\n\n", config);
    str_addf(&s, "## Provenance\n\nopenr1 %s, commit %s.", openr1_version, openr1_commit);
    const char *hash = json_str_or(facts, "hash", "");
    if (*hash) str_addf(&s, " SHA-256 of the weights: `%s`.", hash);
    str_puts(&s, " The run that made this model replays bit for bit from its "
                 "`manifest.json` and `config.yaml`.\n");
    return str_take(&s);
}
