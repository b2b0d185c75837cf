/* rope_scaling.c: the frequencies of rotary position embeddings, plain and scaled.
 *
 * inv_freq_i = theta^(-2i/d), i < d/2 (Su et al. 2021). Scalings, named as in transformers
 * (modeling_rope_utils.py):
 *   linear  inv_freq / factor (Chen et al. 2023, "Extending context window ... via positional interpolation")
 *   dynamic plain up to max_position_embeddings. Beyond, transformers changes theta with the length of the
 *           sequence; keys that lie in a cache cannot follow, so it stays plain here (longer sequences are
 *           warned of by the commands)
 *   llama3  by wavelength w = 2 pi / inv_freq against the original context n: kept where w < n/high, divided
 *           by factor where w > n/low, between them blended with s = (n/w - low) / (high - low):
 *           (1-s) inv_freq/factor + s inv_freq (Llama 3.1)
 *   yarn    pair i turns n inv_freq_i / 2 pi times within the original context n. Above beta_fast turns it is
 *           kept, below beta_slow divided by factor, between them blended along i; cos and sin are multiplied
 *           by attention_factor, by default 0.1 ln(factor) + 1, or with DeepSeek's mscale and mscale_all_dim
 *           the ratio of 0.1 m ln(factor) + 1 for the two (Peng et al. 2023, "YaRN")
 * Values are rounded to float, in which the models were trained. GGUF gives llama3 as a table of divisors;
 * the parameters behind it are found again and verified.
 */
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "model/model_int.h"

static const double pi = 3.14159265358979323846;

struct llama3 {
    double factor, low, high, context;
};

struct yarn {
    double factor, context, beta_fast, beta_slow, attention_factor, mscale, mscale_all_dim;
    bool truncate;
};

/* ---- llama3 -------------------------------------------------------------------------------------------- */

static double llama3_frequency(const struct llama3 *s, double f)
{
    double wavelength = 2 * pi / f;
    if (wavelength < s->context / s->high) return f;
    if (wavelength > s->context / s->low) return f / s->factor;
    double smooth = (s->context / wavelength - s->low) / (s->high - s->low);
    return (1 - smooth) * f / s->factor + smooth * f;
}

/* ---- yarn ---------------------------------------------------------------------------------------------- */

/* mscale of DeepSeek's and transformers' code: how attention's temperature follows the stretch. */
static double yarn_mscale(double factor, double m)
{
    return factor <= 1 ? 1 : 0.1 * m * fm_log(factor) + 1;
}

/* The pair (a real number) that turns `turns` times within the original context. */
static double yarn_pair(const struct yarn *y, double theta, int dim, double turns)
{
    return dim * fm_log(y->context / (turns * 2 * pi)) / (2 * fm_log(theta));
}

static void yarn_frequencies(const struct yarn *y, double theta, int dim, double *inv_freq)
{
    double low = yarn_pair(y, theta, dim, y->beta_fast), high = yarn_pair(y, theta, dim, y->beta_slow);
    if (y->truncate) low = floor(low), high = ceil(high);
    low = fmax(low, 0);
    high = fmin(high, dim - 1);
    if (low == high) high += 0.001;
    for (int i = 0; i < dim / 2; i++) {
        float ramp = ((float)i - (float)low) / (float)(high - low), f = (float)inv_freq[i];
        ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
        float kept = 1 - ramp, stretched = f / (float)y->factor;
        inv_freq[i] = stretched * (1 - kept) + f * kept;
    }
}

/* ---- reading ------------------------------------------------------------------------------------------- */

/* A number above 0; absent or null it is the fallback, or required if that is NAN. */
static int positive(const json_t *o, const char *key, double fallback, const char *what, double *x,
                    struct err *e)
{
    const json_t *v = json_object_get(o, key);
    bool absent = (!v || json_is_null(v)) && !isnan(fallback);
    *x = absent ? fallback : json_number_value(v);
    if (!absent && (!json_is_number(v) || !(*x > 0 && *x <= 1e12)))
        return err_set(e, "%s: \"%s\" of the rope scaling must be a number above 0", what, key);
    return 0;
}

static int read_llama3(const json_t *o, double positions, const char *what, struct llama3 *s, struct err *e)
{
    if (positive(o, "factor", NAN, what, &s->factor, e) ||
        positive(o, "low_freq_factor", NAN, what, &s->low, e) ||
        positive(o, "high_freq_factor", NAN, what, &s->high, e) ||
        positive(o, "original_max_position_embeddings", positions, what, &s->context, e))
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

static int read_yarn(const json_t *o, double positions, const char *what, struct yarn *y, struct err *e)
{
    const json_t *truncate = json_object_get(o, "truncate");
    if (positive(o, "original_max_position_embeddings", positions, what, &y->context, e) ||
        positive(o, "factor", positions / y->context, what, &y->factor, e) ||
        positive(o, "beta_fast", 32, what, &y->beta_fast, e) ||
        positive(o, "beta_slow", 1, what, &y->beta_slow, e) ||
        positive(o, "attention_factor", 0, what, &y->attention_factor, e))
        return -1;
    if (truncate && !json_is_boolean(truncate))
        return err_set(e, "%s: \"truncate\" of the rope scaling must be true or false", what);
    y->truncate = !json_is_false(truncate);
    y->mscale = json_number_value(json_object_get(o, "mscale"));
    y->mscale_all_dim = json_number_value(json_object_get(o, "mscale_all_dim"));
    if (!(fabs(y->mscale) <= 1e6 && fabs(y->mscale_all_dim) <= 1e6))
        return err_set(e, "%s: mscale and mscale_all_dim of the rope scaling must be below 1e6", what);
    if (y->beta_fast <= y->beta_slow)
        return err_set(e, "%s: rope scaling: beta_fast must be above beta_slow", what);
    if (y->attention_factor > 0) return 0;
    y->attention_factor = yarn_mscale(y->factor, 1);
    if (y->mscale != 0 && y->mscale_all_dim != 0)
        y->attention_factor = yarn_mscale(y->factor, y->mscale) / yarn_mscale(y->factor, y->mscale_all_dim);
    return 0;
}

static json_t *yarn_json(const struct yarn *y)
{
    return json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:b}", "rope_type", "yarn", "factor",
                     y->factor, "original_max_position_embeddings", y->context, "beta_fast", y->beta_fast,
                     "beta_slow", y->beta_slow, "attention_factor", y->attention_factor, "mscale", y->mscale,
                     "mscale_all_dim", y->mscale_all_dim, "truncate", y->truncate);
}

/* One of the two objects -> scaling, complete (every default filled in). */
static int read_scaling(const json_t *o, double positions, const char *what, json_t **scaling, struct err *e)
{
    const char *type = json_str_or(o, "rope_type", json_str_or(o, "type", "default"));
    const json_t *part = json_object_get(o, "partial_rotary_factor");
    if (json_is_number(part) && json_number_value(part) != 1)
        return err_set(e, "%s: rope's \"partial_rotary_factor\" is %g; here whole heads are turned", what,
                       json_number_value(part));
    if (!strcmp(type, "default")) return 0;
    if (!strcmp(type, "linear") || !strcmp(type, "dynamic")) {
        double factor;
        if (positive(o, "factor", NAN, what, &factor, e)) return -1;
        *scaling = json_pack("{s:s, s:f}", "rope_type", type, "factor", factor);
        return 0;
    }
    if (!strcmp(type, "llama3")) {
        struct llama3 s;
        if (read_llama3(o, positions, what, &s, e)) return -1;
        *scaling = llama3_json(&s);
        return 0;
    }
    if (!strcmp(type, "yarn")) {
        struct yarn y;
        if (read_yarn(o, positions, what, &y, e)) return -1;
        *scaling = yarn_json(&y);
        return 0;
    }
    return err_set(e, "%s: the rope scaling is \"%.60s\"; known: default, linear, dynamic, llama3, yarn",
                   what, type);
}

static int read_theta(const json_t *o, const char *what, double *theta, struct err *e)
{
    const json_t *v = json_object_get(o, "rope_theta");
    if (!v || json_is_null(v)) return 0;
    *theta = json_number_value(v);
    if (!(*theta >= ROPE_THETA_MIN && *theta <= ROPE_THETA_MAX))
        return err_set(e, "%s: \"rope_theta\" must be a number between %g and %g", what, ROPE_THETA_MIN,
                       ROPE_THETA_MAX);
    return 0;
}

/* Rope parameters for each kind of layer: those of full attention are the model's own, sliding layers have
 * another theta and no scaling. */
static int read_layered(struct model_config *c, const json_t *o, const char *what, struct err *e)
{
    const json_t *full = json_object_get(o, "full_attention"),
                 *local = json_object_get(o, "sliding_attention");
    json_t *scaling = NULL;
    if (!c->local_theta || (full && !json_is_object(full)) || (local && !json_is_object(local)))
        return err_set(e, "%s: rope parameters that differ by layer are not known for model_type %s", what,
                       c->arch->model_type);
    if (read_theta(full, what, &c->rope_theta, e) || read_theta(local, what, &c->local_theta, e)) return -1;
    if (full && read_scaling(full, c->max_positions, what, &c->rope_scaling, e)) return -1;
    if (local && read_scaling(local, c->max_positions, what, &scaling, e)) return -1;
    if (!scaling) return 0;
    json_decref(scaling);
    return err_set(e, "%s: a rope scaling of the sliding layers is not known here", what);
}

static bool is_layered(const json_t *o)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)o, key, v) if (json_is_object(v)) return true;
    return false;
}

int rope_config(struct model_config *c, const char *what, struct err *e)
{
    static const char *const places[] = {"rope_parameters", "rope_scaling"};
    for (int i = 0; i < 2; i++) {
        const json_t *o = json_object_get(c->raw, places[i]);
        if (!o || json_is_null(o)) continue;
        if (!json_is_object(o)) return err_set(e, "%s: \"%s\" must be an object", what, places[i]);
        if (is_layered(o)) {
            if (read_layered(c, o, what, e)) return -1;
            continue;
        }
        if (i == 0 && read_theta(o, what, &c->rope_theta, e)) return -1;
        if (!c->rope_scaling && read_scaling(o, c->max_positions, what, &c->rope_scaling, e)) return -1;
    }
    return 0;
}

/* ---- frequencies --------------------------------------------------------------------------------------- */

static double frequency(double theta, int i, int half)
{
    return (float)(1 / fm_pow(theta, (double)i / half));
}

float rope_frequencies(double theta, const json_t *scaling, int dim, double *inv_freq)
{
    const char *type = json_str_or(scaling, "rope_type", "default");
    struct llama3 s = {0};
    struct yarn y = {.attention_factor = 1};
    bool linear = !strcmp(type, "linear"), llama3 = !strcmp(type, "llama3"), yarn = !strcmp(type, "yarn");
    double factor = json_number_value(json_object_get(scaling, "factor"));
    if (llama3) CHECK(!read_llama3(scaling, NAN, "", &s, NULL), "rope scaling was read before");
    if (yarn) CHECK(!read_yarn(scaling, NAN, "", &y, NULL), "rope scaling was read before");
    for (int i = 0; i < dim / 2; i++) {
        double f = frequency(theta, i, dim / 2);
        if (llama3) f = llama3_frequency(&s, f);
        if (linear) f /= factor;
        inv_freq[i] = (float)f;
    }
    if (yarn) yarn_frequencies(&y, theta, dim, inv_freq);
    return (float)y.attention_factor;
}

double rope_score_factor(const json_t *scaling)
{
    double all = json_number_value(json_object_get(scaling, "mscale_all_dim"));
    double factor = json_number_value(json_object_get(scaling, "factor"));
    double m = all != 0 ? yarn_mscale(factor, all) : 1;
    return m * m;
}

json_t *rope_scaling_from_divisors(const float *divisors, int n, double theta, double original)
{
    /* All published models use 1 and 4; the factor is the divisor of the slowest pair. */
    struct llama3 s = {divisors[n - 1], 1, 4, original};
    if (!(s.factor >= 1 && s.factor <= 1e6)) return NULL;
    for (int i = 0; i < n; i++) {
        double f = frequency(theta, i, n), want = f / llama3_frequency(&s, f);
        if (!(fabs(divisors[i] - want) <= 1e-4 * want)) return NULL;
    }
    return llama3_json(&s);
}
