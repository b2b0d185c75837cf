/* template.c: chat templates from outside: parse once, render many times. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "text/jinja.h"
#include "text/text_int.h"
#include "text/unicode.h"

#define ARENA_SLACK ((size_t)1 << 24) /* the limit is checked before the arena's own */
#define MESSAGE_MAX 1000000           /* messages of a conversation */

struct template
{
    struct jj_template tree;
};

void spans_release(struct spans *s)
{
    free(s->p);
    *s = (struct spans){0};
}

void spans_push(struct spans *s, struct text_span span)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->p = alloc_again(s->p, s->cap * sizeof *s->p);
    }
    s->p[s->n++] = span;
}

/* ---- parsing ------------------------------------------------------------------------------------------- */

/* Everything that may leave by a jump; false: it did. */
static bool parse(struct jj *vm, struct jj_template *t, const char *jinja, size_t n)
{
    if (setjmp(vm->fail)) return false;
    struct jj_parser *p = jj_alloc(vm, sizeof *p);
    *p = (struct jj_parser){.vm = vm};
    jj_lex(p, jinja, n);
    t->body = jj_parse(p);
    jj_resolve(vm, t);
    return true;
}

struct template *template_parse(const char *jinja, size_t n, struct err *e)
{
    if (n > JJ_SOURCE_MAX) {
        err_set(e, "a chat template of %zu bytes; at most %zu are allowed", n, JJ_SOURCE_MAX);
        return NULL;
    }
    if (!utf8_valid(jinja, n)) {
        err_set(e, "the chat template is not UTF-8");
        return NULL;
    }
    struct template *t = alloc_zero(1, sizeof *t);
    arena_init(&t->tree.arena, JJ_MEMORY_MAX + ARENA_SLACK);
    struct jj vm = {.e = e, .arena = &t->tree.arena, .line = 1};
    str_init(&vm.text, JJ_TEXT_MAX);
    bool ok = parse(&vm, &t->tree, jinja, n);
    str_release(&vm.text);
    if (ok) return t;
    template_free(t);
    return NULL;
}

void template_free(struct template *t)
{
    if (!t) return;
    arena_release(&t->tree.arena);
    free(t);
}

/* ---- what the template sees ---------------------------------------------------------------------------- */

static void set(struct jj *vm, struct jj_dict *d, const char *key, struct jj_value v)
{
    jj_dict_set(vm, d, jj_text(vm, key), v);
}

/* A message without its nulls; what it thought under every name that templates read. */
static struct jj_value message_value(struct jj *vm, const json_t *m)
{
    static const char *const names[] = {"reasoning_content", "thinking", "reasoning"};
    struct jj_value all = jj_from_json(vm, m), out = jj_dict_new(vm), thought = jj_none();
    for (int i = 0; i < 3 && thought.kind == JJ_NONE; i++) {
        const struct jj_value *v = jj_dict_text(all.dict, names[i], strlen(names[i]));
        if (v) thought = *v;
    }
    if (thought.kind != JJ_NONE) set(vm, out.dict, "thinking", thought);
    for (size_t i = 0; i < all.dict->n; i++)
        if (all.dict->v[i].value.kind != JJ_NONE)
            jj_dict_set(vm, out.dict, all.dict->v[i].key, all.dict->v[i].value);
    if (thought.kind != JJ_NONE) set(vm, out.dict, "reasoning_content", thought);
    return out;
}

static void set_variables(struct jj *vm, const json_t *variables)
{
    const char *key;
    json_t *v;
    size_t n;
    json_object_keylen_foreach((json_t *)(uintptr_t)variables, key, n, v)
        jj_dict_set(vm, vm->vars, jj_str(vm, key, n), jj_from_json(vm, v));
}

static void set_context(struct jj *vm, const struct chat *c, const json_t *tokens)
{
    struct jj_value messages = jj_list_new(vm, JJ_LIST, json_array_size(c->messages));
    const json_t *m;
    size_t i;
    vm->vars = jj_dict_new(vm).dict;
    vm->exported = jj_dict_new(vm).dict;
    json_array_foreach(c->messages, i, m) jj_push(vm, messages, message_value(vm, m));
    set(vm, vm->vars, "documents", jj_none());
    if (tokens) set_variables(vm, tokens);
    if (c->variables) set_variables(vm, c->variables);
    set(vm, vm->vars, "messages", messages);
    set(vm, vm->vars, "tools", c->tools ? jj_from_json(vm, c->tools) : jj_none());
    set(vm, vm->vars, "add_generation_prompt", jj_bool(c->add_generation_prompt));
}

static int check_chat(const struct chat *c, struct err *e)
{
    const json_t *m;
    size_t i;
    if (!json_array_size(c->messages))
        return err_set(e, "\"messages\" must be a list with at least one message");
    if (json_array_size(c->messages) > MESSAGE_MAX) return err_set(e, "more than %d messages", MESSAGE_MAX);
    json_array_foreach(c->messages, i, m) if (!json_is_object(m)) return err_set(
        e, "message %zu is not an object {\"role\",\"content\"}", i);
    if (c->tools && !json_is_array(c->tools) && !json_is_null(c->tools))
        return err_set(e, "\"tools\" must be a list of function schemas");
    return 0;
}

/* ---- rendering ----------------------------------------------------------------------------------------- */

static bool run(struct jj *vm, const struct chat *c, const json_t *tokens)
{
    if (setjmp(vm->fail)) return false;
    set_context(vm, c, tokens);
    struct jj_act *act = jj_act_new(vm, vm->t->func, NULL);
    jj_enter_frame(vm, &vm->t->frame, act);
    jj_exec(vm, vm->t->body, act);
    if (vm->text.full) jj_raise(vm, "a text of more than %zu MiB", JJ_TEXT_MAX >> 20);
    if (!utf8_valid(vm->text.p, vm->text.len))
        jj_raise(vm, "'utf-8' codec can't encode characters: surrogates not allowed");
    return true;
}

/* The pinned clock of reproducible builds. */
static const int64_t *pinned_clock(const struct chat *c, int64_t *from_environment)
{
    const char *text = getenv("SOURCE_DATE_EPOCH");
    char *end;
    if (c->now) return c->now;
    if (!text || !*text) return NULL;
    *from_environment = strtoll(text, &end, 10);
    return *end ? NULL : from_environment;
}

static int render(const struct template *t, const json_t *tokens, const struct chat *c, struct str *out,
                  struct spans *spans, struct err *e)
{
    if (check_chat(c, e)) return -1;
    struct arena arena;
    struct spans found = {0};
    int64_t seconds;
    arena_init(&arena, JJ_MEMORY_MAX + ARENA_SLACK);
    struct jj vm = {
        .e = e, .arena = &arena, .t = &t->tree, .line = 1, .spans = &found, .now = pinned_clock(c, &seconds)};
    str_init(&vm.text, JJ_TEXT_MAX);
    bool ok = run(&vm, c, tokens);
    if (ok && vm.text.len > out->max - out->len)
        ok = !err_set(e, "the rendered text of %zu bytes does not fit", vm.text.len);
    for (size_t i = 0; ok && spans && i < found.n; i++)
        spans_push(spans, (struct text_span){found.p[i].from + out->len, found.p[i].to + out->len});
    if (ok) str_add(out, vm.text.p, vm.text.len);
    spans_release(&found);
    str_release(&vm.text);
    arena_release(&arena);
    return ok ? 0 : -1;
}

int template_render(const struct template *t, const struct chat *c, struct str *out, struct spans *spans,
                    struct err *e)
{
    return render(t, NULL, c, out, spans, e);
}

int chat_render(const struct tokenizer *t, const struct chat *c, struct str *out, struct spans *spans,
                struct err *e)
{
    if (!t->chat) return err_set(e, "the model has no chat template");
    if (!t->template) return err_set(e, "%s", t->template_error);
    json_t *tokens = config_special_tokens(t);
    int rc = render(t->template, tokens, c, out, spans, e);
    json_decref(tokens);
    return rc;
}
