/* bench.c: runs benchmarks, each work in its own process, and prints what they tell.
 *
 *   openr1_bench [--json] [--list] [--repeats N] [NAME or NAME/WORK ...]
 *
 * The machine's limits are measured first (bench_machine.c): rows that count arithmetic or traffic are shown
 * with their share of them. Standard output carries the table, or with --json one object a row.
 */
#include "bench.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

/* The table's order; bench.h declares them. */
static const struct bench *const benches[] = {
    &bench_machine,
    &bench_train,
};
enum { N_BENCHES = sizeof benches / sizeof *benches };

static struct {
    bool json;
    int repeats;
    char **wanted;
    int n_wanted;
    double gflops, gbytes; /* the machine's limits */
} run = {.repeats = 3};

/* ---- in the child ---------------------------------------------------------------------------------- */

static FILE *told;

void bench_tell(const struct bench_row *r)
{
    fprintf(told, "%s\t%.9g\t%s\t%.9g\t%.9g\n", r->what, r->value, r->unit, r->gflops, r->gbytes);
}

double bench_peak_mb(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024;
}

int bench_model_folder(const char *config, char *dir, struct err *e)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, 64, "%.40s/openr1-bench.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir)) return err_errno(e, "%s", dir);
    char *path = path_join(dir, "config.json");
    int failed = file_write(path, config, strlen(config), e);
    free(path);
    return failed;
}

static _Noreturn void child(const struct bench *b, int i, int fd)
{
    struct err e;
    told = fdopen(fd, "w");
    int failed = !told || b->run(i, run.repeats, &e);
    if (failed) fprintf(stderr, "%s/%s: %s\n", b->name, b->work(i), e.msg);
    if (told) fclose(told);
    _exit(failed ? 1 : 0);
}

/* ---- in the parent --------------------------------------------------------------------------------- */

static void show_json(const struct bench *b, int i, const struct bench_row *r)
{
    json_t *o = json_pack("{ss ss ss sf ss}", "bench", b->name, "work", b->work(i), "what", r->what, "value",
                          r->value, "unit", r->unit);
    if (r->gflops > 0) json_object_set_new(o, "gflops", json_real(r->gflops));
    if (r->gbytes > 0) json_object_set_new(o, "gbytes", json_real(r->gbytes));
    char *text = json_dumps(o, JSON_COMPACT);
    puts(text);
    free(text);
    json_decref(o);
}

static void show_line(const struct bench *b, int i, const struct bench_row *r)
{
    printf("%-8s %-30s %-18s %10.4g %-9s", b->name, b->work(i), r->what, r->value, r->unit);
    if (r->gflops > 0 && run.gflops > 0) printf(" %5.1f%% of FMA", 100 * r->gflops / run.gflops);
    if (r->gbytes > 0 && run.gbytes > 0) printf(" %5.1f%% of memory", 100 * r->gbytes / run.gbytes);
    putchar('\n');
}

static bool take_line(char *line, struct bench_row *r)
{
    char *field[5], *rest = line;
    line[strcspn(line, "\n")] = 0;
    for (int k = 0; k < 5; k++)
        if (!(field[k] = strsep(&rest, "\t"))) return false;
    *r = (struct bench_row){field[0], strtod(field[1], NULL), field[2], strtod(field[3], NULL),
                            strtod(field[4], NULL)};
    return true;
}

static int work_run(const struct bench *b, int i, bool show)
{
    int ends[2], status = 0;
    char line[512];
    struct bench_row r;
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
        if (b == &bench_machine && r.gflops > run.gflops) run.gflops = r.gflops;
        if (b == &bench_machine && r.gbytes > run.gbytes) run.gbytes = r.gbytes;
        if (show) (run.json ? show_json : show_line)(b, i, &r);
    }
    if (f) fclose(f);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* "train" wants all of its works, "train/demo" those whose names begin so. */
static bool wanted(const struct bench *b, int i)
{
    char name[160];
    snprintf(name, sizeof name, "%s/%s", b->name, b->work(i));
    for (int k = 0; k < run.n_wanted; k++)
        if (strncmp(name, run.wanted[k], strlen(run.wanted[k])) == 0) return true;
    return run.n_wanted == 0;
}

static int usage(void)
{
    fputs("usage: openr1_bench [--json] [--list] [--repeats N] [NAME or NAME/WORK ...]\n", stderr);
    for (int b = 0; b < N_BENCHES; b++) fprintf(stderr, "  %-9s %s\n", benches[b]->name, benches[b]->help);
    return 2;
}

int main(int argc, char **argv)
{
    int failed = 0, at = 1;
    bool list = false;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--json") == 0)
            run.json = true;
        else if (strcmp(argv[at], "--list") == 0)
            list = true;
        else if (strcmp(argv[at], "--repeats") == 0 && at + 1 < argc)
            run.repeats = (int)strtol(argv[++at], NULL, 10);
        else
            return usage();
    }
    if (run.repeats < 1) return usage();
    run.wanted = argv + at;
    run.n_wanted = argc - at;
    for (int b = 0; b < N_BENCHES; b++)
        for (int i = 0; i < benches[b]->n_works; i++) {
            bool show = wanted(benches[b], i);
            if (list && show) printf("%s/%s\n", benches[b]->name, benches[b]->work(i));
            if (list) continue;
            /* Shares in the table need the limits; lines of JSON do not. */
            if (show || (!run.json && benches[b] == &bench_machine))
                failed |= work_run(benches[b], i, show) != 0;
        }
    return failed ? 1 : 0;
}
