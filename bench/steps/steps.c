/* steps.c: runs works, each in its own process, and prints what they tell.
 *
 *   openr1_steps [--cpu] [--json] [--list] [--repeats N] [--models DIR] [KIND or KIND/WORK ...]
 *
 * The machine's limits are measured first (steps_machine.c): rows that count arithmetic or traffic are shown
 * with their share of them. --cpu: one thread, and processor time for the clock's, for machines that others
 * use too. Standard output carries the table, or with --json one object a row.
 */
#include "steps.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "op/op.h"

/* The table's order; steps.h declares them. */
static const struct steps *const kinds[] = {
    &steps_machine,
    &steps_products,
    &steps_train,
    &steps_generate,
    &steps_rollout,
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static struct {
    bool json, cpu;
    int repeats;
    const char *models;
    char **wanted;
    int n_wanted;
    double gflops, gbytes; /* the machine's limits */
} run = {.repeats = 3, .models = "build/models"};

/* ---- in the child ---------------------------------------------------------------------------------- */

static FILE *told;

void steps_tell(const struct steps_row *r)
{
    fprintf(told, "%s\t%.9g\t%s\t%.9g\t%.9g\n", r->what, r->value, r->unit, r->gflops, r->gbytes);
}

double steps_clock(void)
{
    struct timespec t;
    if (!run.cpu) return clock_s();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *steps_models(void)
{
    return run.models;
}

int steps_threads(void)
{
    return run.cpu ? 1 : 0;
}

double steps_gflop(void)
{
    struct flops f = flops_done();
    return (double)(f.products + f.attention + f.attention_back) / 1e9;
}

double steps_peak_mb(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024;
}

const char steps_smollm2[] =
    "{\"model_type\":\"llama\",\"vocab_size\":49152,\"hidden_size\":576,\"num_hidden_layers\":30,"
    "\"num_attention_heads\":9,\"num_key_value_heads\":3,\"intermediate_size\":1536,"
    "\"max_position_embeddings\":8192,\"rms_norm_eps\":1e-5,\"rope_theta\":100000,"
    "\"tie_word_embeddings\":true,\"initializer_range\":0.04}";

struct model *steps_model(const char *config, struct err *e)
{
    struct err ignored;
    char dir[64];
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%.40s/openr1-steps.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir)) {
        err_errno(e, "%s", dir);
        return NULL;
    }
    char *path = path_join(dir, "config.json");
    struct model *m = NULL;
    if (file_write(path, config, strlen(config), e) == 0) m = model_load(dir, MODEL_RANDOM, 1, e);
    file_remove_tree(dir, &ignored);
    free(path);
    return m;
}

static _Noreturn void child(const struct steps *b, int i, int fd)
{
    struct err e;
    told = fdopen(fd, "w");
    int failed = !told || b->run(i, run.repeats, &e);
    if (failed) fprintf(stderr, "%s/%s: %s\n", b->name, b->work(i), e.msg);
    if (told) fclose(told);
    _exit(failed ? 1 : 0);
}

/* ---- in the parent --------------------------------------------------------------------------------- */

static void show_json(const struct steps *b, int i, const struct steps_row *r)
{
    json_t *o = json_pack("{ss ss ss sf ss}", "kind", b->name, "work", b->work(i), "what", r->what, "value",
                          r->value, "unit", r->unit);
    if (r->gflops > 0) json_object_set_new(o, "gflops", json_real(r->gflops));
    if (r->gbytes > 0) json_object_set_new(o, "gbytes", json_real(r->gbytes));
    char *text = json_dumps(o, JSON_COMPACT);
    puts(text);
    free(text);
    json_decref(o);
}

static void show_line(const struct steps *b, int i, const struct steps_row *r)
{
    printf("%-8s %-30s %-18s %10.4g %-9s", b->name, b->work(i), r->what, r->value, r->unit);
    if (r->gflops > 0 && run.gflops > 0) printf(" %5.1f%% of FMA", 100 * r->gflops / run.gflops);
    if (r->gbytes > 0 && run.gbytes > 0) printf(" %5.1f%% of memory", 100 * r->gbytes / run.gbytes);
    putchar('\n');
}

static bool take_line(char *line, struct steps_row *r)
{
    char *field[5], *rest = line;
    line[strcspn(line, "\n")] = 0;
    for (int k = 0; k < 5; k++)
        if (!(field[k] = strsep(&rest, "\t"))) return false;
    *r = (struct steps_row){field[0], strtod(field[1], NULL), field[2], strtod(field[3], NULL),
                            strtod(field[4], NULL)};
    return true;
}

static int work_run(const struct steps *b, int i, bool show)
{
    int ends[2], status = 0;
    char line[512];
    struct steps_row r;
    fflush(stdout);
    if (pipe(ends)) return -1;
    pid_t pid = fork();
    if (pid < 0) return -1;
    if (pid == 0) {
        close(ends[0]);
        child(b, i, ends[1]);
    }
    close(ends[1]);
    FILE *f = fdopen(ends[0], "r");
    while (f && fgets(line, sizeof line, f)) {
        if (!take_line(line, &r)) continue;
        if (b == &steps_machine && r.gflops > run.gflops) run.gflops = r.gflops;
        if (b == &steps_machine && r.gbytes > run.gbytes) run.gbytes = r.gbytes;
        if (show) (run.json ? show_json : show_line)(b, i, &r);
    }
    if (f) fclose(f);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* "train" wants all of its works, "train/demo" those whose names begin so. What bench/growth plots is long,
 * and run only when it is named so. */
static bool wanted(const struct steps *b, int i)
{
    char name[160];
    snprintf(name, sizeof name, "%s/%s", b->name, b->work(i));
    for (int k = 0; k < run.n_wanted; k++)
        if (strncmp(name, run.wanted[k], strlen(run.wanted[k])) == 0) return true;
    return run.n_wanted == 0 && strncmp(b->work(i), "growth", strlen("growth")) != 0;
}

static bool any_wanted(void)
{
    for (int b = 0; b < N_KINDS; b++)
        for (int i = 0; i < kinds[b]->n_works; i++)
            if (wanted(kinds[b], i)) return true;
    return false;
}

static int usage(void)
{
    fputs("usage: openr1_steps [--cpu] [--json] [--list] [--repeats N] [--models DIR] [KIND or KIND/WORK "
          "...]\n",
          stderr);
    for (int b = 0; b < N_KINDS; b++) fprintf(stderr, "  %-9s %s\n", kinds[b]->name, kinds[b]->help);
    return 2;
}

int main(int argc, char **argv)
{
    int failed = 0, at = 1;
    bool list = false;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--json") == 0)
            run.json = true;
        else if (strcmp(argv[at], "--cpu") == 0)
            run.cpu = true;
        else if (strcmp(argv[at], "--list") == 0)
            list = true;
        else if (strcmp(argv[at], "--repeats") == 0 && at + 1 < argc)
            run.repeats = (int)strtol(argv[++at], NULL, 10);
        else if (strcmp(argv[at], "--models") == 0 && at + 1 < argc)
            run.models = argv[++at];
        else
            return usage();
    }
    if (run.repeats < 1) return usage();
    run.wanted = argv + at;
    run.n_wanted = argc - at;
    if (!any_wanted()) {
        fputs("openr1_steps: no work has such a name; --list tells all\n", stderr);
        return 2;
    }
    for (int b = 0; b < N_KINDS; b++)
        for (int i = 0; i < kinds[b]->n_works; i++) {
            bool show = wanted(kinds[b], i);
            if (list && show) printf("%s/%s\n", kinds[b]->name, kinds[b]->work(i));
            if (list) continue;
            /* Shares in the table need the limits; lines of JSON do not. */
            if (show || (!run.json && kinds[b] == &steps_machine)) failed |= work_run(kinds[b], i, show) != 0;
        }
    return failed ? 1 : 0;
}
