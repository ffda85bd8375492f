/* report.c - the files of a report: both are made in memory first, so that a directory gets two or none that
 * could be made. */
#include "report/report.h"

#include "io/atomic.h"
#include "io/json.h"
#include "report/report_parts.h"

#include <limits.h>

int tl_report_write(const tl_report *r, const char *dir, tl_err *err)
{
    char json_path[PATH_MAX], html_path[PATH_MAX];
    json_t *json = NULL;
    tl_page page = { .text = tl_buf_make((size_t)256 << 20), .err = err };
    TL_TRY(tl_path_join(json_path, sizeof json_path, dir, "report.json", err));
    TL_TRY(tl_path_join(html_path, sizeof html_path, dir, "report.html", err));
    int rc = tl_report_json(&json, r, err);
    if (rc < 0) goto done;
    tl_report_html(&page, r);
    rc = page.rc;
    if (rc < 0) goto done;
    rc = tl_file_save(html_path, page.text.data, page.text.size, err);
    if (rc < 0) goto done;
    rc = tl_json_save(json_path, json, err);
done:
    json_decref(json);
    tl_buf_reset(&page.text);
    return rc;
}
