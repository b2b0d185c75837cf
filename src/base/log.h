/* log.h: lines for people, on standard error; a progress bar; a stop flag set by signals.
 *
 * Colours are used only on a terminal without NO_COLOR. The progress bar redraws one line on a terminal and
 * prints a plain line now and then elsewhere (CI, files).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

void log_set_level(enum log_level least);
/* One line; a trailing newline is added, control characters become question marks. A progress bar on the
 * screen is moved out of the way. */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARNING, __VA_ARGS__)

/* True when standard error is a terminal that may be coloured. */
bool log_colour(void);
/* Columns of the terminal, or 100 when there is none. */
int log_width(void);

/* Progress of a loop of `total` items, tqdm's shape: label, percent, bar, done/total, elapsed<left, rate,
 * note. */
struct progress {
    const char *label;
    long total, done;
    double t_start_s, t_drawn_s;
    bool drawn;
};
void progress_start(struct progress *p, const char *label, long total);
/* `note` is a short text such as "reward=0.41 len=188"; may be NULL. */
void progress_update(struct progress *p, long done, const char *note);
void progress_end(struct progress *p);

/* Seconds on a monotonic clock. For people and rates only: no result may depend on it. */
double clock_s(void);

/* SIGINT, SIGTERM and SIGUSR1 set a flag that long loops ask at safe points. stop_signal() is 0 or the
 * signal. */
void stop_install(void);
int stop_signal(void);

#endif
