/* step_lines.c: the lines of an explanation. */
#include "base/step_lines.h"

void steps_label(struct str *s, int depth, const char *label)
{
    if (s) str_addf(s, "%*s%-*s ", 2 * depth, "", STEPS_LABEL, label);
}

void steps_vline(struct str *s, int depth, const char *label, const char *fmt, va_list ap)
{
    struct str text, valid;
    if (!s) return;
    str_init(&text, 0);
    str_init(&valid, 0);
    str_vaddf(&text, fmt, ap);
    size_t n = text.len < STEPS_BYTES ? text.len : STEPS_BYTES;
    while (n > 0 && n < text.len && ((unsigned char)text.p[n] & 0xC0) == 0x80)
        n--; /* not inside a character */
    utf8_clean(&valid, text.p, n);
    for (size_t i = 0; i < valid.len; i++)
        if ((unsigned char)valid.p[i] < ' ') valid.p[i] = ' ';
    while (valid.len && valid.p[valid.len - 1] == ' ') valid.p[--valid.len] = 0;
    if (valid.len)
        steps_label(s, depth, label);
    else
        str_addf(s, "%*s%s", 2 * depth, "", label);
    str_add(s, valid.p, valid.len);
    if (n < text.len) str_addf(s, "... (%zu bytes)", text.len);
    str_puts(s, "\n");
    str_release(&text);
    str_release(&valid);
}

void steps_line(struct str *s, int depth, const char *label, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    steps_vline(s, depth, label, fmt, ap);
    va_end(ap);
}
