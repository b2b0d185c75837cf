/* cmd_pull.c: `openr1 pull`: a model or a dataset from a Hugging Face hub into the cache. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "net/hub.h"

static const struct opt pull_options[] = {
    {.key = "repo", .type = OPT_STR, .help = "OWNER/NAME", .flags = OPT_REQUIRED | OPT_POSITIONAL},
    {.key = "repo_type",
     .type = OPT_STR,
     .fallback = "model",
     .help = "what the repository holds",
     .choices = "model|dataset"},
    {.key = "revision", .type = OPT_STR, .help = "branch, tag or commit (default: main)"},
    {.key = "include", .type = OPT_LIST, .help = "only files that match one of these patterns (*.json)"},
    {.key = "exclude", .type = OPT_LIST, .help = "but not those that match one of these"},
    {.key = NULL}};
static const struct opt *const pull_tables[] = {pull_options, NULL};

static int pull_command(struct conf *c, struct err *e)
{
    char *folder;
    struct hub_pull p = {.name = conf_str(c, "repo"), .revision = conf_str(c, "revision")};
    p.type = !strcmp(conf_str(c, "repo_type"), "dataset") ? HUB_DATASET : HUB_MODEL;
    p.n_include = conf_list(c, "include", &p.include);
    p.n_exclude = conf_list(c, "exclude", &p.exclude);
    stop_install();
    if (hub_pull(&p, &folder, e)) return -1;
    puts(folder);
    free(folder);
    return 0;
}

const struct cmd cmd_pull = {
    .name = "pull",
    .summary = "fetch a model or a dataset from a Hugging Face hub",
    .details =
        "Fetches into the cache that huggingface_hub uses too (HF_HOME), checks every file's hash, and "
        "prints\n"
        "the folder; afterwards --model OWNER/NAME and --dataset_name OWNER/NAME find it. A pull that was\n"
        "interrupted goes on where it stopped. HF_ENDPOINT names another hub, HF_TOKEN who you are.\n\n"
        "  openr1 pull Qwen/Qwen2.5-0.5B-Instruct\n"
        "  openr1 pull openai/gsm8k --repo_type dataset --revision main\n"
        "  openr1 pull OWNER/NAME --include '*.json,*.safetensors' --exclude 'original/*'",
    .tables = pull_tables,
    .run = pull_command,
};
