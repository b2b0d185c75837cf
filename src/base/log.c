/* log.c: what people see while they wait. Nothing here may change a result.
 *
 * On a terminal a progress bar is one line that is drawn again (at most ten times a second) after a carriage
 * return; a log line first wipes it. Elsewhere, or when CI is set, a bar becomes a plain line every ten
 * seconds and one at the end. The stop flag keeps the first signal; a later SIGINT meets the default action,
 * so that a loop that does not ask can still be interrupted. One that comes at once is the same one again:
 * `timeout` and other wrappers signal the process and then its group.
 */
#include "base/log.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

#define WIDTH_DEFAULT 100
#define REDRAW_S      0.1
#define PLAIN_LINE_S  10.0
#define BAR_MAX       30
#define SAME_SIGNAL_S 0.5

static enum log_level least_level = LOG_INFO;
static bool bar_on_screen; /* guarded by flockfile(stderr) */
static volatile sig_atomic_t stop_flag;

static bool env_set(const char *name)
{
    const char *value = getenv(name);
    return value && *value;
}

/* A terminal that shows one redrawn line well. */
static bool screen(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && !env_set("CI") && !(term && strcmp(term, "dumb") == 0);
}

bool log_colour(void)
{
    return screen() && !env_set("NO_COLOR");
}

int log_width(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) return size.ws_col;
    return WIDTH_DEFAULT;
}

void log_set_level(enum log_level least)
{
    least_level = least;
}

void log_line(enum log_level level, const char *fmt, ...)
{
    static const char *const plain[] = {"debug: ", "", "warning: ", "error: "};
    static const char *const coloured[] = {"\033[2mdebug:\033[0m ", "", "\033[33mwarning:\033[0m ",
                                           "\033[31merror:\033[0m "};
    if (level < least_level) return;
    flockfile(stderr);
    if (bar_on_screen) fputs("\r\033[K", stderr);
    bar_on_screen = false;
    fputs((log_colour() ? coloured : plain)[level], stderr);
    va_list ap;
    va_start(ap, fmt);
    struct str text;
    str_init(&text, 0);
    str_vaddf(&text, fmt, ap);
    va_end(ap);
    /* What models and files say is in these lines: it must not steer the terminal. */
    for (size_t i = 0; i < text.len; i++)
        fputc(((unsigned char)text.p[i] < 32 && !strchr("\n\t", text.p[i])) || text.p[i] == 127 ? '?'
                                                                                                : text.p[i],
              stderr);
    fputc('\n', stderr);
    fflush(stderr);
    str_release(&text);
    funlockfile(stderr);
}

static void duration_text(char out[24], double seconds)
{
    if (!(seconds >= 0) || seconds > 359999) {
        snprintf(out, 24, "?");
        return;
    }
    long s = (long)seconds;
    if (s >= 3600)
        snprintf(out, 24, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, 24, "%02ld:%02ld", s / 60, s % 60);
}

/* "label:  42%|#####     | 42/100 [00:12<00:17, 3.42/s, reward=0.41]" */
static void bar_text(struct str *out, const struct progress *p, double now, const char *note, int width)
{
    double elapsed = now - p->t_start_s, share = p->total > 0 ? (double)p->done / (double)p->total : 0;
    if (share > 1) share = 1;
    double rate = elapsed > 0 ? (double)p->done / elapsed : 0;
    char spent[24], left[24], speed[32];
    duration_text(spent, elapsed);
    duration_text(left, rate > 0 && p->total > 0 ? (double)(p->total - p->done) / rate : -1);
    if (rate >= 1 || rate <= 0)
        snprintf(speed, sizeof speed, "%.2f/s", rate);
    else
        snprintf(speed, sizeof speed, "%.2fs each", 1 / rate);
    struct str tail;
    str_init(&tail, 1024);
    str_addf(&tail, " %ld/%ld [%s<%s, %s%s%s]", p->done, p->total, spent, left, speed, note ? ", " : "",
             note ? note : "");
    str_addf(out, "%s: %3d%%", p->label, (int)(share * 100));
    int bar = width - 3 - (int)(out->len + tail.len);
    if (bar > BAR_MAX) bar = BAR_MAX;
    if (bar >= 5) {
        str_puts(out, "|");
        for (int i = 0; i < bar; i++) str_puts(out, i < (int)(share * bar) ? "#" : " ");
        str_puts(out, "|");
    }
    str_add(out, tail.p, tail.len);
    str_release(&tail);
    /* A line longer than the screen would scroll at every redraw. */
    if (out->len >= (size_t)width) {
        out->len = (size_t)width - 1;
        out->p[out->len] = 0;
    }
}

static void bar_draw(struct progress *p, double now, const char *note, bool on_screen, bool last)
{
    struct str text;
    str_init(&text, 2048);
    bar_text(&text, p, now, note, on_screen ? log_width() : 1000);
    flockfile(stderr);
    if (on_screen)
        fprintf(stderr, "\r\033[K%s%s", text.p, last ? "\n" : "");
    else
        fprintf(stderr, "%s\n", text.p);
    fflush(stderr);
    bar_on_screen = on_screen && !last;
    funlockfile(stderr);
    str_release(&text);
    p->t_drawn_s = now;
    p->drawn = true;
}

void progress_start(struct progress *p, const char *label, long total)
{
    double now = clock_s();
    *p = (struct progress){.label = label, .total = total, .t_start_s = now, .t_drawn_s = now};
}

void progress_update(struct progress *p, long done, const char *note)
{
    p->done = done;
    if (least_level > LOG_INFO) return;
    double now = clock_s();
    bool on_screen = screen();
    if (now - p->t_drawn_s < (on_screen ? REDRAW_S : PLAIN_LINE_S)) return;
    bar_draw(p, now, note, on_screen, false);
}

void progress_end(struct progress *p)
{
    if (least_level > LOG_INFO) return;
    bar_draw(p, clock_s(), NULL, screen(), true);
}

double clock_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void stop_caught(int number)
{
    static double first;
    double now = clock_s();
    if (!stop_flag) {
        stop_flag = number;
        first = now;
    } else if (number == SIGINT && now - first > SAME_SIGNAL_S) {
        signal(SIGINT, SIG_DFL);
        raise(SIGINT);
    }
}

void stop_install(void)
{
    struct sigaction action = {.sa_handler = stop_caught, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
}

int stop_signal(void)
{
    return stop_flag;
}
