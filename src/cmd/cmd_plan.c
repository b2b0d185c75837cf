/* cmd_plan.c: `openr1 plan`: what a training run will need, before anything of it is done. */
#include <string.h>

#include "cmd/cmd_int.h"
#include "report/report.h"
#include "train/train.h"

static const struct opt plan_options[] = {
    {.key = "algorithm",
     .type = OPT_STR,
     .choices = "sft|grpo",
     .help = "whose recipe it is (default: grpo if a key says so that only grpo has)"},
    {.key = "output_dir", .type = OPT_STR, .fallback = ".", .help = "nothing is written"},
    {.key = "json", .type = OPT_BOOL, .fallback = "false", .help = "one JSON object instead of text"},
    {0}};
/* Rows that the algorithms do not agree about. */
static const struct opt either_options[] = {
    {.key = "loss_type", .type = OPT_STR, .help = "as sft or grpo has it"}, {0}};
static const struct opt *const plan_tables[] = {plan_options, either_options, sft_options, grpo_options,
                                                train_options, model_options, NULL};
static const struct opt *const of_sft[] = {plan_options, sft_options, train_options, model_options, NULL};
static const struct opt *const of_grpo[] = {plan_options, grpo_options, train_options, model_options, NULL};

static const char *algorithm_of(struct conf *c)
{
    static const char *const telling[] = {"reward_funcs", "num_generations", "max_completion_length",
                                          "prompts_per_step", "num_iterations"};
    if (conf_is_set(c, "algorithm")) return conf_str(c, "algorithm");
    for (size_t i = 0; i < sizeof telling / sizeof *telling; i++)
        if (conf_knows(c, telling[i]) && conf_given(c, telling[i])) return "grpo";
    return "sft";
}

static const struct opt *const *plan_narrow(struct conf *c)
{
    return strcmp(algorithm_of(c), "grpo") == 0 ? of_grpo : of_sft;
}

static int plan_command(struct conf *c, struct err *e)
{
    const struct train_hooks hooks = {
        .plan_only = true, .plan_json = conf_bool(c, "json"), .finished_bytes = report_bytes};
    return cmd_algo(algorithm_of(c), &hooks, c, e);
}

const struct cmd cmd_plan = {
    .name = "plan",
    .summary = "what a training run will need: memory part by part, and steps",
    .details =
        "Reads a recipe of sft or grpo and its data, counts what a step takes by running its functions "
        "on an arena\n"
        "that only counts, and prints the memory plan, what other settings would need, and the number "
        "of steps.\n"
        "Weights are not read: a model's config.json is enough. A run that would not fit is an "
        "error.\n\n"
        "  openr1 plan --config recipe.yaml\n"
        "  openr1 plan --config recipe.yaml --optim adamw_8bit --json",
    .tables = plan_tables,
    .narrow = plan_narrow,
    .run = plan_command,
};
