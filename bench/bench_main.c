/* bench_main.c: runs the benchmarks of parts, all or those named, and prints what they tell.
 *
 *   openr1_bench [--repeats N] [NAME ...]
 */
#include "bench.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct bench *const benches[] = {
    &bench_kern,
};
enum { N_BENCHES = sizeof benches / sizeof *benches, REPEATS = 5 };

void bench_title(const char *title)
{
    printf("\n%s\n", title);
}

void bench_line(const char *what, const char *unit, double rate, double limit)
{
    printf("  %-46s %9.2f %-8s", what, rate * 1e-9, unit);
    if (limit > 0) printf(" %5.0f%%", 100 * rate / limit);
    putchar('\n');
    fflush(stdout);
}

static int usage(void)
{
    fputs("usage: openr1_bench [--repeats N] [NAME ...]\n", stderr);
    for (int b = 0; b < N_BENCHES; b++) fprintf(stderr, "  %-9s %s\n", benches[b]->name, benches[b]->help);
    return 2;
}

int main(int argc, char **argv)
{
    long repeats = REPEATS;
    bool wanted[N_BENCHES] = {false}, some = false;
    for (int i = 1; i < argc; i++) {
        bool known = !strcmp(argv[i], "--repeats") && i + 1 < argc;
        if (known) repeats = strtol(argv[++i], NULL, 10);
        for (int b = 0; b < N_BENCHES; b++)
            if (!strcmp(argv[i], benches[b]->name)) known = some = wanted[b] = true;
        if (!known || repeats < 1 || repeats > 1000) return usage();
    }
    for (int b = 0; b < N_BENCHES; b++)
        if (wanted[b] || !some) benches[b]->run((int)repeats);
    return 0;
}
