/* speculate.h: speculative decoding, for commands that sample. */
#ifndef CMD_SPECULATE_H
#define CMD_SPECULATE_H

#include "base/opt.h"
#include "infer/infer.h"

extern const struct opt speculate_options[]; /* speculate, draft_model, num_draft_tokens */
/* What they say; the draft model that they name is s->model, to be freed with model_free. */
int speculate_read(struct conf *c, struct speculation *s, struct err *e);
/* "2.9 tokens a pass, 64% of drafts accepted", or "" where nothing was drafted. */
void speculate_note(const struct engine_progress *p, char *note, size_t size);

#endif
