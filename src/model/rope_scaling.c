/* rope_scaling.c: the frequencies of rotary position embeddings, plain and scaled.
 *
 * inv_freq_i = theta^(-2i/hd), i < hd/2 (Su et al. 2021). Scalings, named as in transformers:
 *   linear  inv_freq / factor (Chen et al. 2023, "Extending context window ... via positional interpolation")
 *   llama3  by wavelength w = 2 pi / inv_freq against the original context n: kept where w < n/high, divided
 *           by factor where w > n/low, between them blended with s = (n/w - low) / (high - low):
 *           (1-s) inv_freq/factor + s inv_freq (Llama 3.1; transformers, modeling_rope_utils.py)
 * Values are rounded to float, in which the models were trained. Neither scaling changes the size of cos and
 * sin. GGUF gives llama3 as a table of divisors; the parameters behind it are found again and verified.
 */
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "model/model_int.h"

static const double pi = 3.14159265358979323846;

struct llama3 {
    double factor, low, high, context;
};

static double llama3_frequency(const struct llama3 *s, double f)
{
    double wavelength = 2 * pi / f;
    if (wavelength < s->context / s->high) return f;
    if (wavelength > s->context / s->low) return f / s->factor;
    double smooth = (s->context / wavelength - s->low) / (s->high - s->low);
    return (1 - smooth) * f / s->factor + smooth * f;
}

static int positive(const json_t *o, const char *key, const char *what, double *x, struct err *e)
{
    const json_t *v = json_object_get(o, key);
    *x = json_number_value(v);
    if (!json_is_number(v) || !(*x > 0 && *x <= 1e12))
        return err_set(e, "%s: \"%s\" of the rope scaling must be a number above 0", what, key);
    return 0;
}

static int read_llama3(const json_t *o, const char *what, struct llama3 *s, struct err *e)
{
    if (positive(o, "factor", what, &s->factor, e) || positive(o, "low_freq_factor", what, &s->low, e) ||
        positive(o, "high_freq_factor", what, &s->high, e) ||
        positive(o, "original_max_position_embeddings", what, &s->context, e))
        return -1;
    if (s->high <= s->low)
        return err_set(e, "%s: rope scaling: high_freq_factor must be above low_freq_factor", what);
    return 0;
}

static json_t *llama3_json(const struct llama3 *s)
{
    return json_pack("{s:s, s:f, s:f, s:f, s:I}", "rope_type", "llama3", "factor", s->factor,
                     "low_freq_factor", s->low, "high_freq_factor", s->high,
                     "original_max_position_embeddings", (json_int_t)s->context);
}

/* One of the two objects -> type and scaling; either may be absent. */
static int read_scaling(const json_t *o, const char *what, json_t **scaling, struct err *e)
{
    const char *type = json_str_or(o, "rope_type", json_str_or(o, "type", "default"));
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)o, key, v)
    {
        if (json_is_object(v))
            return err_set(e, "%s: rope parameters that differ by layer (\"%.60s\") are not known here", what,
                           key);
    }
    if (!strcmp(type, "default")) return 0;
    if (!strcmp(type, "linear")) {
        double factor;
        if (positive(o, "factor", what, &factor, e)) return -1;
        *scaling = json_pack("{s:s, s:f}", "rope_type", "linear", "factor", factor);
        return 0;
    }
    if (!strcmp(type, "llama3")) {
        struct llama3 s;
        if (read_llama3(o, what, &s, e)) return -1;
        *scaling = llama3_json(&s);
        return 0;
    }
    return err_set(e, "%s: the rope scaling is \"%.60s\"; known: default, linear, llama3", what, type);
}

int rope_config(const json_t *raw, const char *what, double *theta, json_t **scaling, struct err *e)
{
    static const char *const places[] = {"rope_parameters", "rope_scaling"};
    const json_t *theta_value = json_object_get(raw, "rope_theta");
    *scaling = NULL;
    for (int i = 0; i < 2; i++) {
        const json_t *o = json_object_get(raw, places[i]);
        if (!o || json_is_null(o)) continue;
        if (!json_is_object(o)) return err_set(e, "%s: \"%s\" must be an object", what, places[i]);
        if (i == 0 && json_object_get(o, "rope_theta")) theta_value = json_object_get(o, "rope_theta");
        if (!*scaling && read_scaling(o, what, scaling, e)) return -1;
    }
    *theta = theta_value && !json_is_null(theta_value) ? json_number_value(theta_value) : 10000;
    if (!(*theta >= 1 && *theta <= 1e12))
        return err_set(e, "%s: \"rope_theta\" must be a number between 1 and 1e12", what);
    return 0;
}

static double frequency(double theta, int i, int half)
{
    return (float)(1 / fm_pow(theta, (double)i / half));
}

float rope_frequencies(const struct model_config *c, double *inv_freq)
{
    const char *type = c->rope_scaling ? json_str_or(c->rope_scaling, "rope_type", "") : "default";
    double factor = json_number_value(json_object_get(c->rope_scaling, "factor"));
    struct llama3 s = {0};
    bool llama3 = !strcmp(type, "llama3");
    if (llama3) CHECK(!read_llama3(c->rope_scaling, "", &s, NULL), "rope scaling was read before");
    for (int i = 0, half = c->head_dim / 2; i < half; i++) {
        double f = frequency(c->rope_theta, i, half);
        if (llama3) f = llama3_frequency(&s, f);
        if (!strcmp(type, "linear")) f /= factor;
        inv_freq[i] = (float)f;
    }
    return 1;
}

json_t *rope_scaling_from_divisors(const float *divisors, int n, double theta)
{
    /* All published models use these; only the factor, the divisor of the slowest pair, differs. */
    struct llama3 s = {divisors[n - 1], 1, 4, 8192};
    if (!(s.factor >= 1 && s.factor <= 1e6)) return NULL;
    for (int i = 0; i < n; i++) {
        double f = frequency(theta, i, n), want = f / llama3_frequency(&s, f);
        if (!(fabs(divisors[i] - want) <= 1e-4 * want)) return NULL;
    }
    return llama3_json(&s);
}
