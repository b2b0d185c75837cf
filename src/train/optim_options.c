/* optim_options.c: what the configuration says of the optimiser. */
#include <stdlib.h>
#include <string.h>

#include "train/optim_int.h"
#include "train/train_int.h"

void optim_defaults(struct optim_opts *o)
{
    *o = (struct optim_opts){.name = "adamw",
                             .b1 = 0.9,
                             .b2 = 0.999,
                             .eps = 1e-8,
                             .max_grad_norm = 1,
                             .muon = {.momentum = 0.95, .nesterov = true, .match_rms = true}};
}

/* One "key=value" of optim_args. */
static int muon_arg(struct muon_opts *o, const char *arg, struct err *e)
{
    const char *value = strchr(arg, '=');
    size_t n = value ? (size_t)(value - arg) : 0;
    if (value++ && n == 8 && strncmp(arg, "momentum", n) == 0) {
        char *end;
        o->momentum = strtod(value, &end);
        if (end != value && !*end && o->momentum >= 0 && o->momentum < 1) return 0;
        return err_usage(e, "optim_args: momentum is '%s', expected a number from 0 to below 1", value);
    }
    if (n == 8 && strncmp(arg, "nesterov", n) == 0) {
        o->nesterov = strcmp(value, "true") == 0;
        if (o->nesterov || strcmp(value, "false") == 0) return 0;
        return err_usage(e, "optim_args: nesterov is '%s', expected true or false", value);
    }
    if (n == 12 && strncmp(arg, "adjust_lr_fn", n) == 0) {
        o->match_rms = strcmp(value, "match_rms_adamw") == 0;
        if (o->match_rms || strcmp(value, "original") == 0) return 0;
        return err_usage(e, "optim_args: adjust_lr_fn is '%s', expected match_rms_adamw or original", value);
    }
    return err_usage(e,
                     "optim_args: '%s' is not known; for muon there are momentum=0.95, nesterov=true and "
                     "adjust_lr_fn=match_rms_adamw, with commas between",
                     arg);
}

static int read_args(struct optim_opts *o, const char *args, struct err *e)
{
    if (!args || !*args) return 0;
    if (strcmp(o->name, "muon") != 0)
        return err_usage(e,
                         "optim_args is set, but only optim muon has any; AdamW's settings are adam_beta1, "
                         "adam_beta2, adam_epsilon and weight_decay");
    char *copy = alloc_str(args), *rest = copy, *arg;
    int failed = 0;
    while (!failed && (arg = strsep(&rest, ","))) failed = muon_arg(&o->muon, arg + strspn(arg, " "), e);
    free(copy);
    return failed;
}

int optim_from_conf(struct optim_opts *o, struct conf *c, struct err *e)
{
    optim_defaults(o);
    if (conf_bool(c, "adafactor") && conf_set(c, "optim", "adafactor", e)) return -1;
    o->name = conf_str(c, "optim");
    o->b1 = conf_real(c, "adam_beta1");
    o->b2 = conf_real(c, "adam_beta2");
    o->eps = conf_real(c, "adam_epsilon");
    o->weight_decay = conf_real(c, "weight_decay");
    o->max_grad_norm = conf_real(c, "max_grad_norm");
    o->seed = (uint64_t)conf_int(c, "seed");
    if (strncmp(o->name, "paged_", 6) == 0) o->paged_in = conf_str(c, "output_dir");
    return optim_rule_find(o->name, e) ? read_args(o, conf_str(c, "optim_args"), e) : -1;
}
