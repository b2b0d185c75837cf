/* card.c: the model card, README.md of a saved model, in the shape the Hugging
 * Face hub reads.
 *
 * Front matter first (YAML between --- lines), then what the model is, how to
 * use it, how it was made. The facts are an object: "name", "base_model",
 * "algorithm", "datasets" [..], "metrics" {..}, "config" (YAML text), "commit",
 * "hash"; absent ones are left out.
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

static void front_matter(struct str *s, const json_t *facts, const char *algorithm)
{
    str_puts(s, "---\nlibrary_name: transformers\npipeline_tag: "
                "text-generation\ntags:\n- openr1\n");
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
    str_puts(&s, "## Use\n\n```sh\nopenr1 generate --model . --prompt "
                 "\"...\"\n```\n\nor any program "
                 "that reads Hugging Face folders:\n\n"
                 "```python\nfrom transformers import AutoModelForCausalLM, "
                 "AutoTokenizer\n"
                 "model = AutoModelForCausalLM.from_pretrained(\".\")\n"
                 "tokenizer = AutoTokenizer.from_pretrained(\".\")\n```\n\n");
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
