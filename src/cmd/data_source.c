/* data_source.c: dataset_name, dataset_config and split of data commands. */
#include "cmd/data_source.h"

const struct opt data_source_options[] = {
    {.key = "dataset_name",
     .type = OPT_STR,
     .help = "the rows: a JSONL file, a folder, or a hub's dataset",
     .flags = OPT_REQUIRED | OPT_POSITIONAL},
    {.key = "dataset_config", .type = OPT_STR, .help = "a subfolder of the dataset"},
    {.key = "split", .type = OPT_STR, .help = "part of the dataset (default: all of it)"},
    {0}};

int data_source_load(struct conf *c, struct rows *r, struct row_list *list, struct err *e)
{
    struct dataset_name from = {conf_str(c, "dataset_name"), conf_str(c, "dataset_config"),
                                conf_str(c, "split")};
    return rows_load(r, &from, list, e);
}
