/* driver.c: a fuzz target as an ordinary test, without libFuzzer: NAME [-n RUNS] [-t SECONDS]
 * [SEED_FILE_OR_FOLDER...].
 *
 * Inputs are the seeds themselves, and then seeds changed at random places (bytes flipped, set, cut out,
 * repeated, numbers made extreme, two seeds joined). The changes come from base/rng.h, so a run that fails
 * fails again, and says with which input: it is left in the file fuzz-NAME-crash of the working folder.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"

#define SEEDS_MAX 256
#define INPUT_MAX ((size_t)1 << 16)
#define RUNS      3000
#define SECONDS   5
#define HANG_S    20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    char *bytes;
    size_t n;
} seeds[SEEDS_MAX];
static int n_seeds;
static const char *crash_path;
static const uint8_t *current;
static size_t current_n;
static uint32_t draw_at;

static uint32_t below(size_t n)
{
    struct rng_at at = {.seed = 1, .purpose = RNG_TEST, .position = draw_at++};
    return n ? rng_below(&at, (uint32_t)n) : 0;
}

static void input_keep(int number)
{
    file_write(crash_path, current, current_n, NULL);
    static const char text[] = "the input that did this is kept in fuzz-*-crash\n";
    ssize_t done = write(STDERR_FILENO, text, sizeof text - 1);
    (void)done;
    signal(number, SIG_DFL);
    raise(number);
}

static void seed_add(const char *path)
{
    if (file_is_dir(path)) {
        char **names;
        size_t n;
        if (dir_list(path, &names, &n, NULL)) return;
        for (size_t i = 0; i < n; i++) {
            char *inner = path_join(path, names[i]);
            if (!file_is_dir(inner)) seed_add(inner);
            free(inner);
            free(names[i]);
        }
        free(names);
    } else if (n_seeds < SEEDS_MAX && file_size(path) <= (long long)INPUT_MAX) {
        if (file_read(path, INPUT_MAX, &seeds[n_seeds].bytes, &seeds[n_seeds].n, NULL) == 0) n_seeds++;
    }
}

/* A length of at most n, short ones more often. */
static size_t span(size_t n)
{
    size_t limit = (size_t)1 << below(10);
    return below((limit < n ? limit : n) + 1);
}

static size_t mutate(uint8_t *p, size_t n)
{
    static const uint64_t extremes[] = {
        0,          1,          0x7F,       0x80,      0xFF,       0x7FFF,           0xFFFF,
        0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, INT64_MAX, UINT64_MAX, (uint64_t)1 << 40};
    size_t at = below(n), len = span(n - at);
    switch (below(7)) {
    case 0:
        if (n) p[at] ^= (uint8_t)(1U << below(8));
        break;
    case 1:
        if (n) p[at] = (uint8_t)below(256);
        break;
    case 2: /* cut out */ memmove(p + at, p + at + len, n - at - len); return n - len;
    case 3: /* repeat */
        if (n + len > INPUT_MAX) return n;
        memmove(p + at + len, p + at, n - at);
        return n + len;
    case 4: { /* an extreme number */
        uint64_t x = extremes[below(sizeof extremes / sizeof *extremes)];
        size_t width = (size_t)1 << below(4);
        if (at + width <= n) memcpy(p + at, &x, width);
        break;
    }
    case 5: /* end early */ return at;
    default: { /* go on with another seed */
        uint32_t other = below((size_t)n_seeds);
        size_t from = below(seeds[other].n), rest = seeds[other].n - from;
        if (at + rest > INPUT_MAX) return n;
        if (rest) memcpy(p + at, seeds[other].bytes + from, rest);
        return at + rest;
    }
    }
    return n;
}

static void run(const uint8_t *bytes, size_t n)
{
    /* Its own block, so that a sanitizer sees a read behind the end. */
    uint8_t *copy = alloc_or_die(n);
    if (n) memcpy(copy, bytes, n);
    current = copy;
    current_n = n;
    alarm(HANG_S);
    LLVMFuzzerTestOneInput(copy, n);
    alarm(0);
    free(copy);
}

int main(int argc, char **argv)
{
    long runs = RUNS, seconds = SECONDS;
    char name[256];
    snprintf(name, sizeof name, "%s-crash", path_base(argv[0]));
    crash_path = name;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-n") == 0 && i + 1 < argc)
            runs = strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "-t") == 0 && i + 1 < argc)
            seconds = strtol(argv[++i], NULL, 10);
        else
            seed_add(argv[i]);
    }
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) signal(fatal[i], input_keep);
    if (!n_seeds) seeds[n_seeds++].bytes = alloc_str("");
    for (int i = 0; i < n_seeds; i++) run((const uint8_t *)seeds[i].bytes, seeds[i].n);
    uint8_t *input = alloc_or_die(INPUT_MAX);
    long done = 0;
    for (double t_end = clock_s() + (double)seconds; done < runs && clock_s() < t_end; done++) {
        uint32_t seed = below((size_t)n_seeds);
        size_t n = seeds[seed].n;
        if (n) memcpy(input, seeds[seed].bytes, n);
        for (uint32_t k = below(6) + 1; k; k--) n = mutate(input, n);
        run(input, n);
    }
    printf("%d seeds and %ld changed inputs\n", n_seeds, done);
    free(input);
    for (int i = 0; i < n_seeds; i++) free(seeds[i].bytes);
    return 0;
}
