/* fuzz_rows.c: a row of a dataset, as JSON: whatever form it has becomes tokens with a mask of the same
 * length, or is refused with a message; so does its prompt, and its text. seeds: tests/fuzz/seeds/rows
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/json.h"
#include "data/data.h"

static const char chatml[] =
    "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

static struct tokenizer *tok_new(void)
{
    static const char *const specials[] = {"<|im_start|>", "<|im_end|>"};
    char alphabet[128];
    struct err e = {0};
    int n = 0;
    alphabet[n++] = '\n';
    for (int c = ' '; c < 127; c++) alphabet[n++] = (char)c;
    alphabet[n] = 0;
    struct tokenizer *t = tokenizer_chars(alphabet, specials, 2, &e);
    CHECK(t, "%s", e.msg);
    tokenizer_set_template(t, chatml);
    return t;
}

static void encode(const json_t *row, const struct form_opts *o)
{
    struct err e = {0};
    struct sft_example x = {0};
    const struct data_form *f = data_form_of(row, o, &e);
    int rc = f ? f->encode(row, o, &x, &e) : -1;
    CHECK(rc == 0 || e.msg[0], "refused without a message");
    CHECK(rc || x.ids.n == x.mask.n, "%zu ids, a mask of %zu", x.ids.n, x.mask.n);
    for (size_t i = 0; !rc && i < x.ids.n; i++)
        CHECK(x.ids.p[i] >= 0 && x.ids.p[i] < tokenizer_size(o->tok), "id %d", x.ids.p[i]);
    ids_release(&x.ids);
    ids_release(&x.mask);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tokenizer *tok;
    if (!tok) tok = tok_new();
    struct err e = {0};
    json_t *row = json_read_bytes((const char *)data, size, "row", &e);
    if (!json_is_object(row)) {
        json_decref(row);
        return 0;
    }
    int64_t now = 0;
    for (int i = 0; i < 4; i++) {
        struct form_opts o = {.tok = tok, .completion_only = i - 1, .assistant_only = i == 2, .now = &now};
        encode(row, &o);
    }
    struct ids ids = {0};
    struct str text;
    str_init(&text, 0);
    struct prompt_opts prompt = {.tok = tok, .now = &now};
    e = (struct err){0};
    CHECK(prompt_encode(row, &prompt, &ids, &e) == 0 || e.msg[0], "a prompt refused without a message");
    e = (struct err){0};
    CHECK(row_text(row, NULL, &text, &e) >= 0 || e.msg[0], "a text refused without a message");
    str_release(&text);
    ids_release(&ids);
    json_decref(row);
    return 0;
}
