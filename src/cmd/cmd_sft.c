/* cmd_sft.c: `openr1 sft`: supervised fine-tuning (train/sft.c). */
#include "cmd/cmd_int.h"
#include "report/report.h"
#include "train/train.h"

static const struct opt *const sft_tables[] = {sft_options, train_options, model_options, NULL};

static int sft_command(struct conf *c, struct err *e)
{
    static const struct train_hooks hooks = {
        .card = card_text, .finished = cmd_report_run, .finished_bytes = report_bytes};
    return cmd_algo("sft", &hooks, c, e);
}

const struct cmd cmd_sft = {
    .name = "sft",
    .summary = "supervised fine-tuning",
    .details = "Trains a model on examples: plain text, conversations, or prompts with completions. Keys are "
               "those of\n"
               "TRL's SFTConfig, ModelConfig and ScriptArguments, and Open-R1's, so their recipe files run "
               "unchanged.\n"
               "Run again with the same configuration, it goes on where it was stopped.\n\n"
               "  openr1 sft --config recipe.yaml\n"
               "  openr1 sft --model_name_or_path base --dataset_name data.jsonl --output_dir runs/first "
               "--dry_run true",
    .tables = sft_tables,
    .run = sft_command,
};
