/* grpo_layout.c: how many prompts and completions make a step.
 *
 * TRL counts completions: B = per_device_train_batch_size of them make a micro-step,
 * gradient_accumulation_steps micro-steps an optimiser step, steps_per_generation micro-steps a generation
 * batch; with num_processes, of each process, whose micro-steps are further ones here. The plain way is
 * prompts_per_step. Here a step holds whole groups, and a generation batch a whole number of steps; anything
 * else is refused with the nearest values that work.
 */
#include "train/grpo_int.h"

#include <stdio.h>

/* The nearest multiples of `of` below and above x. */
static void neighbours(struct str *out, long x, long of)
{
    if (x / of > 0) str_addf(out, "%ld or ", x / of * of);
    str_addf(out, "%ld", (x / of + 1) * of);
}

/* The greatest common one. */
static long divisor_of(long a, long b)
{
    while (b) {
        long rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static int whole_groups(const struct grpo_layout *l, struct err *e)
{
    long step = (long)l->micro * l->micro_steps;
    if (step % l->group == 0) return 0;
    struct str near, divisors;
    str_init(&near, 256);
    str_init(&divisors, 256);
    neighbours(&near, l->micro, l->group / divisor_of(l->micro_steps, l->group));
    for (long g = 2; g <= step && divisors.len < 100; g++)
        if (step % g == 0) str_addf(&divisors, "%s%ld", divisors.len ? ", " : "", g);
    err_usage(e,
              "per_device_train_batch_size %d x gradient_accumulation_steps %d = %ld completions a step, "
              "which is not a multiple of num_generations %d. Valid: per_device_train_batch_size %s; or "
              "num_generations %s; or simply prompts_per_step: N; or, where a recipe counts on several "
              "processes, num_processes: a multiple of %ld",
              l->micro, l->micro_steps, step, l->group, near.p, divisors.len ? divisors.p : "(none)",
              l->group / divisor_of(step, l->group));
    str_release(&near);
    str_release(&divisors);
    return -1;
}

/* The resolved configuration says what was worked out, so that it can be given back. */
static int resolve(const struct grpo_layout *l, struct conf *c, struct err *e)
{
    char micro[32], steps[32];
    snprintf(micro, sizeof micro, "%d", l->micro);
    snprintf(steps, sizeof steps, "%d", l->micro_steps);
    return conf_set(c, "per_device_train_batch_size", micro, e) ||
                   conf_set(c, "gradient_accumulation_steps", steps, e)
               ? -1
               : 0;
}

static int from_prompts(struct grpo_layout *l, struct conf *c, struct err *e)
{
    long prompts = conf_int(c, "prompts_per_step"), step = prompts * l->group;
    bool batch = conf_given(c, "per_device_train_batch_size"),
         steps = conf_given(c, "gradient_accumulation_steps");
    if (conf_int(c, "num_processes") > 1)
        return err_usage(e, "prompts_per_step says how large a step is: leave num_processes out");
    if (step > 1 << 24)
        return err_usage(e, "prompts_per_step %ld x num_generations %d is too much", prompts, l->group);
    if (!batch && !steps) l->micro_steps = 1;
    if (!batch && step % l->micro_steps == 0) l->micro = (int)(step / l->micro_steps);
    if (batch && !steps && step % l->micro == 0) l->micro_steps = (int)(step / l->micro);
    if ((long)l->micro * l->micro_steps == step) return resolve(l, c, e);
    return err_usage(
        e,
        "prompts_per_step %ld x num_generations %d = %ld completions a step, but "
        "per_device_train_batch_size %d x gradient_accumulation_steps %d = %ld; leave one of them out",
        prompts, l->group, step, l->micro, l->micro_steps, (long)l->micro * l->micro_steps);
}

/* Micro-steps of a generation batch. */
static int read_generation(const struct grpo_layout *l, struct conf *c, long *micro_steps, struct err *e)
{
    bool batch = conf_is_set(c, "generation_batch_size"), steps = conf_is_set(c, "steps_per_generation");
    *micro_steps = l->micro_steps;
    if (batch && steps)
        return err_usage(
            e, "generation_batch_size and steps_per_generation say the same thing; give one of them");
    if (steps) *micro_steps = conf_int(c, "steps_per_generation") * conf_int(c, "num_processes");
    if (batch) {
        long size = conf_int(c, "generation_batch_size");
        if (size % l->micro != 0) {
            struct str near;
            str_init(&near, 256);
            neighbours(&near, size, l->micro);
            err_usage(
                e, "generation_batch_size %ld is not a multiple of per_device_train_batch_size %d; valid: %s",
                size, l->micro, near.p);
            str_release(&near);
            return -1;
        }
        *micro_steps = size / l->micro;
    }
    /* Within one step the weights do not change: generating in pieces or at once is the same. */
    if (*micro_steps < l->micro_steps && l->micro_steps % *micro_steps == 0 &&
        conf_int(c, "num_iterations") == 1)
        *micro_steps = l->micro_steps;
    if (*micro_steps % l->micro_steps == 0) return 0;
    long processes = conf_int(c, "num_processes");
    struct str near;
    str_init(&near, 256);
    neighbours(&near, *micro_steps / processes, l->micro_steps / processes);
    err_usage(e,
              "steps_per_generation %ld is not a multiple of gradient_accumulation_steps %d: a generation "
              "must feed "
              "whole optimiser steps; valid: %s",
              *micro_steps / processes, l->micro_steps / (int)processes, near.p);
    str_release(&near);
    return -1;
}

int grpo_layout_read(struct grpo_layout *l, struct trainer *t, struct err *e)
{
    struct conf *c = t->conf;
    long generation;
    *l = (struct grpo_layout){.group = (int)conf_int(c, "num_generations"),
                              .micro = (int)conf_int(c, "per_device_train_batch_size"),
                              .micro_steps = t->accumulation,
                              .iterations = (int)conf_int(c, "num_iterations")};
    if (conf_is_set(c, "prompts_per_step") && from_prompts(l, c, e)) return -1;
    if (whole_groups(l, e) || read_generation(l, c, &generation, e)) return -1;
    long step_groups = (long)l->micro * l->micro_steps / l->group, slices = generation / l->micro_steps;
    if (step_groups * slices * l->group > 1 << 24)
        return err_usage(e, "a generation batch of %ld completions is too much",
                         step_groups * slices * l->group);
    l->step_groups = (int)step_groups;
    l->slices = (int)slices;
    l->groups = l->step_groups * l->slices;
    l->window_steps = (long)l->slices * l->iterations;
    t->accumulation = l->micro_steps;
    return 0;
}

void grpo_layout_say(const struct grpo_layout *l, long n_prompts)
{
    log_info("layout: a step trains on %d prompts x %d completions = %d", l->step_groups, l->group,
             l->step_groups * l->group);
    log_info("layout: a generation makes %d prompts x %d = %d completions, used for %ld optimiser %s (%d %s)",
             l->groups, l->group, l->groups * l->group, l->window_steps,
             l->window_steps == 1 ? "step" : "steps", l->iterations, l->iterations == 1 ? "pass" : "passes");
    log_info("layout: %ld prompts, %ld generations an epoch%s", n_prompts, n_prompts / l->groups,
             n_prompts % l->groups ? " (the rest waits for another epoch's shuffle)" : "");
}
