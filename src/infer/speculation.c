/* speculation.c: options of speculative decoding, for whoever samples, and how well it went. */
#include <stdio.h>
#include <string.h>

#include "infer/infer.h"

const struct opt speculation_options[] = {
    {.key = "speculate",
     .type = OPT_STR,
     .help = "guess tokens ahead and verify them together: the same completions, fewer passes. lookup: what "
             "followed when the text was last like this (prompt lookup); draft: a smaller model (assisted "
             "generation; default when draft_model is given); mtp: the model's own modules (DeepSeek-V3)",
     .choices = "none|lookup|draft|mtp"},
    {.key = "draft_model",
     .type = OPT_STR,
     .help = "the smaller model, with the same tokenizer (Hugging Face: assistant_model)",
     .alias = "assistant_model"},
    {.key = "num_draft_tokens",
     .type = OPT_INT,
     .help = "tokens guessed at a time (Hugging Face: prompt_lookup_num_tokens, num_assistant_tokens; "
             "default: lookup 10, draft 4, mtp one for each module)",
     .lo = 1,
     .hi = 256,
     .alias = "prompt_lookup_num_tokens"},
    {.key = NULL}};

int speculation_read(struct conf *c, struct speculation *s, struct err *e)
{
    const char *path = conf_str(c, "draft_model"), *name = conf_str(c, "speculate");
    *s = (struct speculation){.n = conf_is_set(c, "num_draft_tokens") ? (int)conf_int(c, "num_draft_tokens")
                                                                      : 0};
    if (!name) name = path ? "draft" : "none";
    if (!strcmp(name, "none")) return 0;
    s->by = drafter_find(name, e);
    if (!s->by) return -1;
    if (path && strcmp(name, "draft") != 0)
        return err_usage(e, "draft_model is for --speculate draft, not for %s", name);
    if (!path) return 0;
    s->model = model_load(path, MODEL_IN_PLACE_IF_LARGE, 0, e);
    return s->model ? 0 : -1;
}

void speculation_note(const struct engine_progress *p, char *note, size_t size)
{
    *note = 0;
    if (!p->drafted) return;
    snprintf(note, size, "%.2f tokens a pass, %.0f%% of drafts accepted",
             (double)p->tokens / (double)p->turns, 100 * (double)p->accepted / (double)p->drafted);
}
