/* stop.c: what ends a completion, and its text while it grows.
 *
 * A stop string may begin in one token and end in another, so it is looked for in the decoded text: in the
 * bytes that a token has added and as many before them as a match could need. Bytes at the end of the text
 * that are the beginning of a stop string are not certain yet: who streams must not show them.
 */
#include "infer/infer_int.h"

#include <string.h>

bool stop_is_id(const struct sampling *how, int id)
{
    for (int i = 0; i < how->n_stop_ids; i++)
        if (how->stop_ids[i] == id) return true;
    return false;
}

bool stop_is_token(const struct sampling *how, const struct tokenizer *t, int id)
{
    if (!t || !how->n_stop_strings || !tokenizer_is_special(t, id)) return false;
    const char *token = tokenizer_token(t, id);
    for (int i = 0; token && i < how->n_stop_strings; i++)
        if (!strcmp(how->stop_strings[i], token)) return true;
    return false;
}

long stop_find(const struct sampling *how, const char *text, size_t n, size_t from)
{
    const char *first = NULL;
    for (int i = 0; i < how->n_stop_strings; i++) {
        size_t len = strlen(how->stop_strings[i]);
        size_t start = from >= len ? from - len + 1 : 0;
        const char *hit = memmem(text + start, n - start, how->stop_strings[i], len);
        if (hit && (!first || hit < first)) first = hit;
    }
    return first ? first - text : -1;
}

/* Bytes at the end of the text that begin a stop string without being one. */
static size_t uncertain(const struct sampling *how, const char *text, size_t n)
{
    size_t most = 0;
    for (int i = 0; i < how->n_stop_strings; i++) {
        size_t len = strlen(how->stop_strings[i]);
        for (size_t k = len - 1 < n ? len - 1 : n; k > most; k--)
            if (!memcmp(text + n - k, how->stop_strings[i], k)) most = k;
    }
    return most;
}

void text_stream_init(struct text_stream *s)
{
    *s = (struct text_stream){.certain = 0};
    str_init(&s->text, 0);
}

void text_stream_release(struct text_stream *s)
{
    tok_stream_end(&s->tok, NULL);
    str_release(&s->text);
}

void text_stream_clear(struct text_stream *s)
{
    tok_stream_end(&s->tok, NULL);
    str_clear(&s->text);
    s->certain = 0;
    s->stopped = false;
}

static void text_cut(struct text_stream *s, size_t n)
{
    s->text.len = n;
    s->text.p[n] = 0;
}

void text_stream_push(struct text_stream *s, const struct tokenizer *t, const struct sampling *how, int id)
{
    if (s->stopped) return;
    size_t before = s->text.len;
    tok_stream_push(&s->tok, t, id, true, &s->text);
    long hit = stop_find(how, s->text.p, s->text.len, before);
    if (hit >= 0) {
        s->stopped = true;
        text_cut(s, (size_t)hit);
        s->certain = s->text.len;
    } else {
        s->certain = s->text.len - uncertain(how, s->text.p, s->text.len);
    }
}

void text_stream_end(struct text_stream *s)
{
    tok_stream_end(&s->tok, s->stopped ? NULL : &s->text);
    s->certain = s->text.len;
}
