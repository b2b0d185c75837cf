/* cmd_data_rate.c: `openr1 data rate`: rows that a model solves now and then (train/pass_rate.c).
 */
#include "cmd/cmd_int.h"
#include "train/train.h"

static const struct opt *const pass_rate_tables[] = {pass_rate_options, grpo_options, train_options,
                                                     model_options, NULL};

static int pass_rate_command(struct conf *c, struct err *e)
{
    static const struct train_hooks hooks = {0};
    return cmd_algo("pass_rate", &hooks, c, e);
}

const struct cmd cmd_data_rate = {
    .name = "data rate",
    .summary = "keep the rows of a dataset that a model solves now and then",
    .details =
        "Samples num_generations completions of every row, scores them with reward_funcs, and writes all "
        "rows\n"
        "with their pass rates, and apart those whose rate lies between pass_rate_min and pass_rate_max: "
        "what\n"
        "a model always or never solves teaches it nothing. Recipes of Open-R1's dataset_filtering run\n"
        "unchanged; the column pass_rate is what `openr1 grpo --curriculum pass_rate` begins with. Stopped, "
        "it\n"
        "goes on where it was.\n\n"
        "  openr1 data rate --config recipes/dataset_filtering/config_demo.yaml --output_dir rated",
    .tables = pass_rate_tables,
    .run = pass_rate_command,
};
