/* tokenizer_run.h: what `tokenize` and `template` share: the tokenizer of a model, without its weights. */
#ifndef CMD_TOKENIZER_RUN_H
#define CMD_TOKENIZER_RUN_H

#include "model/model.h"
#include "text/text.h"

struct tokenizer_source {
    struct tokenizer *tok;
    struct model *model; /* owns tok when it is not NULL */
};
/* path: a folder that holds at least the files of a tokenizer, or a model file that carries one. */
int tokenizer_source_open(struct tokenizer_source *s, const char *path, struct err *e);
void tokenizer_source_close(struct tokenizer_source *s);

#endif
