/* program.c: source text, built once, run many times.
 *
 * The compiler runs in a sandbox of its own and what it made comes out through its standard output, so that
 * nothing of it ever lies on the disk of this machine; each run gets a copy.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "verify/language.h"

enum { MIB = 1 << 20, BUILD_MAX = 64 * MIB, STACK = 256 * MIB };

const struct code_limits code_limits_default = {
    .time_s = 10, .memory = (size_t)512 * MIB, .output = (size_t)16 * MIB};

static bool word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$';
}

/* The name behind "public class", or the first class that is declared: Java wants its file called so. */
static void java_class(const char *text, char *out, size_t size)
{
    static const char *const before[] = {"public class ", "public final class ", "class "};
    snprintf(out, size, "Main");
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        const char *p = strstr(text, before[i]);
        if (!p) continue;
        p += strlen(before[i]);
        while (*p == ' ') p++;
        size_t n = 0;
        while (word_char(p[n])) n++;
        if (n == 0 || n >= size) continue;
        memcpy(out, p, n);
        out[n] = 0;
        return;
    }
}

/* The command with its %-letters filled in. */
static void expand(struct str *s, const struct code_program *p, const char *text, size_t memory)
{
    for (; *text; text++) {
        if (*text != '%') {
            str_add(s, text, 1);
            continue;
        }
        switch (*++text) {
        case 'S': str_puts(s, p->main_name); break;
        case 'C': str_puts(s, p->class_name); break;
        case 'M': str_addf(s, "%zu", memory / MIB); break;
        case 'X':
            str_addf(s, "'%s'", p->main_name);
            for (int i = 0; i < p->source.n_files; i++)
                if (str_ends(p->source.files[i].name, p->language->ending))
                    str_addf(s, " '%s'", p->source.files[i].name);
            break;
        default: CHECK(false, "%%%c in a command", *text);
        }
    }
}

static bool names_are_plain(const struct code_program *p)
{
    for (int i = -1; i < p->source.n_files; i++)
        if (strpbrk(i < 0 ? p->main_name : p->source.files[i].name, "'\n\\")) return false;
    return true;
}

static int build(struct code_program *p, enum sandbox_mode mode, char **message, struct err *e)
{
    struct sandbox_file files[SANDBOX_FILES_MAX];
    struct sandbox_result r;
    struct str command;
    int n = 0;
    if (p->source.n_files >= SANDBOX_FILES_MAX) return err_set(e, "%d files are too many", p->source.n_files);
    if (!names_are_plain(p)) return err_set(e, "a file name holds a quote or a new line");
    str_init(&command, 0);
    str_puts(&command, "{ ");
    expand(&command, p, p->language->build, 0);
    str_addf(&command, "; } >&2 && exec cat %s", p->language->made);
    const char *const argv[] = {"/bin/sh", "-c", command.p, NULL};
    files[n++] = (struct sandbox_file){p->main_name, p->source.text, strlen(p->source.text), false};
    for (int i = 0; i < p->source.n_files; i++) files[n++] = p->source.files[i];
    struct sandbox_job job = {
        .argv = argv, .files = files, .n_files = n, .bare = p->language->includes, .mode = mode};
    job.limits = (struct sandbox_limits){.cpu_s = 30,
                                         .wall_s = 90,
                                         .memory = (size_t)2048 * MIB,
                                         .output = BUILD_MAX,
                                         .disk = (size_t)256 * MIB,
                                         .processes = 128};
    int rc = sandbox_run(&job, &r, e);
    if (!rc && r.end == SANDBOX_EXITED && r.status == 0) {
        p->n_built = r.out.len;
        p->built = str_take(&r.out);
    } else if (!rc) {
        char text[200];
        struct str s;
        sandbox_end_text(&job, &r, text, sizeof text);
        bool limit = r.end != SANDBOX_EXITED; /* says more than what was printed until then */
        str_init(&s, 0);
        if (limit) str_addf(&s, "compiler: %s\n", text);
        utf8_clean(&s, r.err.p, r.err.len);
        if (!limit) str_addf(&s, "%scompiler: %s", s.len && s.p[s.len - 1] != '\n' ? "\n" : "", text);
        *message = str_take(&s);
        rc = 1;
    }
    sandbox_result_release(&r);
    str_release(&command);
    return rc;
}

int code_build(struct code_program *p, const struct code_source *source, enum sandbox_mode mode,
               char **message, struct err *e)
{
    *p = (struct code_program){.language = source->language, .source = *source};
    *message = NULL;
    java_class(source->text, p->class_name, sizeof p->class_name);
    if (source->name)
        snprintf(p->main_name, sizeof p->main_name, "%s", source->name);
    else if (strcmp(p->language->name, "java") == 0)
        snprintf(p->main_name, sizeof p->main_name, "%s.java", p->class_name);
    else
        snprintf(p->main_name, sizeof p->main_name, "%s", p->language->file);
    return p->language->build ? build(p, mode, message, e) : 0;
}

void code_program_release(struct code_program *p)
{
    free(p->built);
    p->built = NULL;
}

enum { ARGS_MAX = 24 }; /* the shell, the language, the program's own */

int code_run(const struct code_program *p, const struct code_run *run, struct sandbox_result *r,
             struct err *e)
{
    struct sandbox_file files[SANDBOX_FILES_MAX];
    const struct code_language *l = p->language;
    const struct code_limits *limits = &run->limits;
    const char *argv[ARGS_MAX + 1];
    struct str words[sizeof l->run / sizeof *l->run];
    struct str take = {0};
    int n = 0, n_words = 0, n_args = 0;
    *r = (struct sandbox_result){0};
    if (run->n_files + p->source.n_files + 1 > SANDBOX_FILES_MAX) return err_set(e, "too many files");
    if (run->output_file || run->links_standard) {
        str_init(&take, 0);
        if (run->output_file)
            str_addf(&take, "\"$@\" >/dev/null; s=$?; cat '%s' 2>/dev/null; exit $s", run->output_file);
        else
            str_addf(&take, "exec \"$@\" <&%d >&%d", SANDBOX_FD_LINK, SANDBOX_FD_LINK + 1);
        static const char *const shell[] = {"/bin/sh", "-c", NULL, "sh"};
        for (; n_args < 4; n_args++) argv[n_args] = n_args == 2 ? take.p : shell[n_args];
    }
    for (; l->run[n_words]; n_words++) {
        str_init(&words[n_words], 0);
        expand(&words[n_words], p, l->run[n_words], limits->memory);
        argv[n_args++] = words[n_words].p;
    }
    for (const char *const *a = run->args; a && *a && n_args < ARGS_MAX; a++) argv[n_args++] = *a;
    argv[n_args] = NULL;
    if (p->built) {
        files[n++] = (struct sandbox_file){l->made, p->built, p->n_built, true};
    } else {
        files[n++] = (struct sandbox_file){p->main_name, p->source.text, strlen(p->source.text), false};
        for (int i = 0; i < p->source.n_files; i++) files[n++] = p->source.files[i];
    }
    for (int i = 0; i < run->n_files; i++) files[n++] = run->files[i];
    struct sandbox_job job = {.argv = argv,
                              .files = files,
                              .n_files = n,
                              .input = run->input ? run->input : "",
                              .n_input = run->n_input,
                              .secret = run->secret,
                              .links = run->links,
                              .mode = limits->mode,
                              .stops = limits->stops};
    job.limits = sandbox_limits_default;
    job.limits.cpu_s = limits->time_s;
    job.limits.wall_s = 2 * limits->time_s + 5;
    job.limits.memory = limits->memory + l->overhead;
    job.limits.address_space = l->reserves ? 0 : 2 * job.limits.memory + (size_t)512 * MIB;
    job.limits.stack = l->reserves ? 0 : STACK;
    job.limits.output = limits->output;
    job.limits.processes = l->processes;
    int rc = sandbox_run(&job, r, e);
    for (int i = 0; i < n_words; i++) str_release(&words[i]);
    str_release(&take);
    return rc;
}
