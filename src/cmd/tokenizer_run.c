/* tokenizer_run.c: the tokenizer of a folder or of a model file. */
#include "cmd/tokenizer_run.h"

#include "base/file.h"

int tokenizer_source_open(struct tokenizer_source *s, const char *path, struct err *e)
{
    *s = (struct tokenizer_source){0};
    if (file_is_dir(path)) {
        s->tok = tokenizer_load(path, e);
        return s->tok ? 0 : -1;
    }
    s->model = model_load(path, MODEL_NO_WEIGHTS, 0, e);
    if (!s->model) return -1;
    s->tok = model_tokenizer(s->model);
    if (s->tok) return 0;
    tokenizer_source_close(s);
    return err_set(e, "%s holds no tokenizer", path);
}

void tokenizer_source_close(struct tokenizer_source *s)
{
    if (s->model)
        model_free(s->model);
    else
        tokenizer_free(s->tok);
    *s = (struct tokenizer_source){0};
}
