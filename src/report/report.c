/* report.c: one HTML file that holds the page, the chart library and the data.
 *
 * The page is web/report.html with three marks that are replaced: the style and
 * script (web/report.css, .js), Chart.js, and the data as JSON. Inside a
 * <script> element the only dangerous bytes are "<": they are written as
 * \u003c, so that no completion, however hostile, can end the element or start
 * another.
 */
#include "report/report.h"

#include <string.h>

#include "base/embed.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "base/version.h"
#include "report/report_int.h"

enum { REPORT_MAX = 256 << 20 };

static void add_safe_json(struct str *out, const json_t *data)
{
    char *text = json_text(data);
    for (const char *p = text; *p;) {
        size_t plain = strcspn(p, "<");
        str_add(out, p, plain);
        p += plain;
        if (*p == '<') {
            str_puts(out, "\\u003c");
            p++;
        }
    }
    free(text);
}

/* What stands for a mark such as <!--DATA-->. */
static int fill_mark(struct str *out, const char *mark, const json_t *data, struct err *e)
{
    static const struct {
        const char *mark, *file;
    } files[] = {{"STYLE", "web/report.css"}, {"SCRIPT", "web/report.js"}, {"CHART", "chart.js"}};
    if (!strcmp(mark, "DATA")) {
        add_safe_json(out, data);
        return 0;
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (strcmp(mark, files[i].mark)) continue;
        const struct embedded *f = embedded_find(files[i].file);
        if (!f && strcmp(mark, "CHART")) return err_set(e, "this build lacks %s", files[i].file);
        if (f) str_add(out, (const char *)f->bytes, f->n);
        return 0;
    }
    return err_set(e, "web/report.html holds an unknown mark %s", mark);
}

static int fill_page(struct str *out, const char *page, const json_t *data, struct err *e)
{
    const char *open;
    while ((open = strstr(page, "<!--@"))) {
        const char *close = strstr(open, "-->");
        char mark[16];
        size_t n = close ? (size_t)(close - open - 5) : sizeof mark;
        if (n >= sizeof mark) return err_set(e, "web/report.html: a mark that does not end");
        memcpy(mark, open + 5, n);
        mark[n] = 0;
        str_add(out, page, (size_t)(open - page));
        if (fill_mark(out, mark, data, e)) return -1;
        page = close + 3;
    }
    str_puts(out, page);
    return 0;
}

int report_write(const char *dir, const char *title, const json_t *stages, const char *out_path,
                 struct err *e)
{
    const struct embedded *page = embedded_find("web/report.html");
    if (!page) return err_set(e, "this build lacks web/report.html");
    json_t *found = stages ? json_incref((json_t *)stages) : report_find_stages(dir, e);
    if (!found) return -1;
    json_t *data = json_pack("{s:s, s:s, s:s, s:[]}", "title", title, "version", openr1_version, "commit",
                             openr1_commit, "stages");
    struct str out;
    str_init(&out, REPORT_MAX);
    int rc = json_array_size(found) == 0
                 ? err_set(e, "%s: no run here: no folder with metrics.jsonl or results.json", dir)
                 : 0;
    size_t i;
    json_t *stage;
    json_array_foreach(found, i, stage)
    {
        json_t *full = rc ? NULL : report_collect(stage, e);
        if (full) {
            json_array_append_new(json_object_get(data, "stages"), full);
        } else {
            rc = -1;
        }
    }
    if (!rc) rc = fill_page(&out, (const char *)page->bytes, data, e);
    if (!rc && out.full) rc = err_set(e, "%s: the report would exceed %d MiB", out_path, REPORT_MAX >> 20);
    if (!rc) rc = file_write(out_path, out.p, out.len, e);
    str_release(&out);
    json_decref(data);
    json_decref(found);
    return rc;
}
