/* lora_names.c: which modules an adapter's configuration means.
 *
 * A module is what PyTorch calls by the name of its weight without ".weight". target_modules is a list, of
 * whole names or of ends behind a dot ("q_proj"), or one regular expression that must fit the whole name, or
 * "all-linear": every matrix of the layers. modules_to_save are ends of names, of a module or of what holds
 * it; they win over target_modules. rank_pattern and alpha_pattern give single modules numbers of their own:
 * their keys are regular expressions for whole names or ends behind a dot, of which the first that fits
 * counts.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "model/model_int.h"

enum { STEPS_MAX = 1 << 20, PATTERNS_MAX = 1024 };

/* ---- one regular expression ---------------------------------------------------------------------------- */

struct regex { /* must fit the whole text; code NULL: none */
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

/* `what` and `shown` name it in an error. */
static int regex_init(struct regex *r, const char *text, const char *what, const char *shown, struct err *e)
{
    int error;
    PCRE2_SIZE at;
    r->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                            PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF, &error, &at, NULL);
    if (!r->code) {
        char message[200];
        pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof message);
        return err_usage(e, "%s '%.200s': no regular expression: %s, at byte %zu", what, shown, message, at);
    }
    r->data = pcre2_match_data_create_from_pattern(r->code, NULL);
    r->limits = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(r->limits, STEPS_MAX);
    return 0;
}

static bool regex_fits(const struct regex *r, const char *text)
{
    return pcre2_match(r->code, (PCRE2_SPTR)text, strlen(text), 0, 0, r->data, r->limits) >= 0;
}

static void regex_release(struct regex *r)
{
    pcre2_match_data_free(r->data);
    pcre2_match_context_free(r->limits);
    pcre2_code_free(r->code);
}

/* ---- targets ------------------------------------------------------------------------------------------- */

/* Is the module, or one that holds it, named so? PEFT takes any end of the name, at a dot or not. */
static bool is_saved(const json_t *saved, const char *module)
{
    char part[ARCH_NAME_MAX];
    for (size_t i = 0; i < json_array_size(saved); i++)
        for (const char *dot = module; dot; dot = *dot ? dot + strcspn(dot + 1, ".") + 1 : NULL) {
            if (dot == module || (*dot && *dot != '.')) continue;
            snprintf(part, sizeof part, "%.*s", (int)(dot - module), module);
            if (str_ends(part, json_string_value(json_array_get(saved, i)))) return true;
        }
    return false;
}

bool lora_saves(const struct lora_config *c, const char *module)
{
    return is_saved(c->saved, module);
}

bool lora_names_module(const char *name, const char *module)
{
    size_t n = strlen(module), k = strlen(name);
    return n >= k && !strcmp(module + n - k, name) && (n == k || module[n - k - 1] == '.');
}

struct lora_targets {
    const struct lora_config *config;
    struct regex regex;
};

struct lora_targets *lora_targets_new(const struct lora_config *c, struct err *e)
{
    struct lora_targets *t = alloc_zero(1, sizeof *t);
    const char *text = json_string_value(c->targets);
    t->config = c;
    if (!text || !strcmp(text, LORA_ALL_LINEAR)) return t;
    if (!regex_init(&t->regex, text, "target modules", text, e)) return t;
    lora_targets_free(t);
    return NULL;
}

void lora_targets_free(struct lora_targets *t)
{
    if (!t) return;
    regex_release(&t->regex);
    free(t);
}

bool lora_targets_match(struct lora_targets *t, const char *module, bool *used)
{
    const json_t *list = t->config->targets;
    bool found = json_is_string(list);
    if (t->regex.code) return regex_fits(&t->regex, module);
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!lora_names_module(json_string_value(json_array_get(list, i)), module)) continue;
        found = used[i] = true;
    }
    return found;
}

/* ---- numbers of single modules ------------------------------------------------------------------------- */

struct lora_patterns {
    json_t *map;
    size_t n;
    struct {
        struct regex regex;
        double value;
    } list[];
};

/* `whole`: it is a rank, else an alpha. */
static bool is_value(const json_t *v, bool whole)
{
    double x = json_number_value(v);
    return whole ? json_is_integer(v) && x >= 1 && x <= LORA_RANK_MAX
                 : json_is_number(v) && x > 0 && x <= LORA_ALPHA_MAX;
}

struct lora_patterns *lora_patterns_read(const json_t *o, const char *key, bool whole, struct err *e)
{
    json_t *map = json_object_get(o, key), *v;
    const char *name;
    size_t n = json_object_size(map);
    struct lora_patterns *p = alloc_zero(1, sizeof *p + n * sizeof p->list[0]);
    int failed = 0;
    p->map = json_is_object(map) ? json_incref(map) : json_object();
    if (map && !json_is_null(map) && !json_is_object(map))
        failed = err_set(e, "\"%s\" must be an object of names and numbers", key);
    else if (n > PATTERNS_MAX)
        failed = err_set(e, "\"%s\" has %zu entries; %d are possible", key, n, PATTERNS_MAX);
    json_object_foreach(map, name, v)
    {
        struct str text;
        if (failed) break;
        if (!is_value(v, whole)) {
            failed =
                err_set(e, "\"%s\": \"%.200s\" must be %s", key, name,
                        whole ? "a rank, an integer from 1 to 65536" : "an alpha, above 0 and up to 1e6");
            break;
        }
        str_init(&text, 0);
        str_addf(&text, "(?:.*\\.)?(?:%s)", name);
        p->list[p->n].value = json_number_value(v);
        failed = regex_init(&p->list[p->n++].regex, text.p, key, name, e);
        str_release(&text);
    }
    if (!failed) return p;
    lora_patterns_free(p);
    return NULL;
}

void lora_patterns_free(struct lora_patterns *p)
{
    if (!p) return;
    for (size_t i = 0; i < p->n; i++) regex_release(&p->list[i].regex);
    json_decref(p->map);
    free(p);
}

double lora_patterns_value(const struct lora_patterns *p, const char *module, double otherwise)
{
    for (size_t i = 0; p && i < p->n; i++)
        if (regex_fits(&p->list[i].regex, module)) return p->list[i].value;
    return otherwise;
}

json_t *lora_patterns_json(const struct lora_patterns *p)
{
    return p ? json_incref(p->map) : json_object();
}
