/* report.c - the files of a report: both are made in memory first, so that a directory gets two or none that
 * could be made. */
#include "report/report.h"

#include "io/atomic.h"
#include "io/json.h"
#include "report/report_parts.h"

#include <limits.h>

typedef struct paths {
    char json[PATH_MAX], html[PATH_MAX];
} paths;

static int find_paths(paths *p, const char *dir, tl_err *err)
{
    TL_TRY(tl_path_join(p->json, sizeof p->json, dir, "report.json", err));
    return tl_path_join(p->html, sizeof p->html, dir, "report.html", err);
}

int tl_report_remove(const char *dir, tl_err *err)
{
    paths p;
    TL_TRY(find_paths(&p, dir, err));
    TL_TRY(tl_file_remove(p.json, err));
    return tl_file_remove(p.html, err);
}

int tl_report_write(const tl_report *r, const char *dir, tl_err *err)
{
    paths p;
    json_t *json = NULL;
    tl_page page = { .text = tl_buf_make((size_t)256 << 20), .err = err };
    TL_TRY(find_paths(&p, dir, err));
    int rc = tl_report_json(&json, r, err);
    if (rc < 0) goto done;
    tl_report_html(&page, r);
    rc = page.rc;
    if (rc < 0) goto done;
    rc = tl_file_save(p.html, page.text.data, page.text.size, err);
    if (rc < 0) goto done;
    rc = tl_json_save(p.json, json, err);
done:
    json_decref(json);
    tl_buf_reset(&page.text);
    return rc;
}
