/* cmd_grpo.c: `openr1 grpo`: reinforcement learning on checked rewards (train/grpo.c). */
#include "cmd/cmd_int.h"
#include "report/report.h"
#include "train/train.h"

static const struct opt *const grpo_tables[] = {grpo_options, train_options, model_options, NULL};

static int grpo_command(struct conf *c, struct err *e)
{
    static const struct train_hooks hooks = {
        .card = card_text, .finished = cmd_report_run, .finished_bytes = report_bytes};
    return cmd_algo("grpo", &hooks, c, e);
}

const struct cmd cmd_grpo = {
    .name = "grpo",
    .summary = "reinforcement learning with group relative policy optimisation",
    .details = "Samples several completions of each prompt, scores them with rewards, and makes the better "
               "ones likelier.\n"
               "Keys are those of TRL's GRPOConfig, ModelConfig and ScriptArguments, and Open-R1's, so their "
               "recipe files run\n"
               "unchanged. Run again with the same configuration, it goes on where it was stopped. Before "
               "the first step it looks\n"
               "whether there is anything to learn (docs/grpo.md).\n\n"
               "  openr1 grpo --config recipe.yaml\n"
               "  openr1 grpo --model_name_or_path base --dataset_name problems.jsonl --reward_funcs "
               "accuracy,format \\\n"
               "              --prompts_per_step 8 --num_generations 8 --output_dir runs/grpo",
    .tables = grpo_tables,
    .run = grpo_command,
};
