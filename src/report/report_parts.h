/* report_parts.h - what the files of src/report share: wording, and a page that is written in pieces.
 *
 * Numbers and findings are worded once, here, so that the table and the page say the same.  A tl_page is text with a
 * sticky error: the many small writes of a page go on blindly after a failure and the first error is looked at
 * once, at the end. */
#ifndef TL_REPORT_REPORT_PARTS_H
#define TL_REPORT_REPORT_PARTS_H

#include "base/buf.h"
#include "report/report.h"

#include <jansson.h>
#include <stdbool.h>

enum {
    TL_WORD = 64 /* bytes that hold any of the words below */
};

/* Each writes into out and returns it; "-" where x was not measured (NAN, or negative where that makes no sense). */
const char *tl_word_count(char out[TL_WORD], double x);                /* 950  1.2k  3.4M */
const char *tl_word_bytes(char out[TL_WORD], double x);                /* 950 B  1.2 kB  3.4 MB: powers of 1000 */
const char *tl_word_seconds(char out[TL_WORD], double x);              /* 0.42 s  75 s  12 min  3.1 h */
const char *tl_word_short(char out[TL_WORD], double x);                /* three digits: 0.42  12.3  345 */
const char *tl_word_value(char out[TL_WORD], double x);                /* a metric or a loss: 0.713  12.3 */
const char *tl_word_interval(char out[TL_WORD], const tl_interval *x); /* 0.713 [0.672, 0.751] */
const char *tl_word_change(char out[TL_WORD], const tl_interval *x);   /* +0.713 [+0.672, +0.751] */

/* Append s with every byte that is not UTF-8 replaced by U+FFFD; with controls false, control characters (a
 * terminal would obey them) too, except that a newline or tab is a space.  NULL is "-". */
int tl_text_clean(tl_buf *out, const char *s, bool controls, tl_err *err);

/* What a comparison found, as one sentence without its full stop; names are put in as they are. */
int tl_comparison_words(tl_buf *out, const tl_comparison *c, tl_err *err);

/* Whether p (or, without one, the interval) tells the two apart, at 0.05. */
bool tl_comparison_differs(const tl_comparison *c);

/* The first metric of the first method that has one, or NULL; and its name, "accuracy". */
const tl_named_interval *tl_report_main(const tl_report *r);
const char *tl_report_main_metric(const tl_report *r);

/* The method's metric of that name, or NULL. */
const tl_interval *tl_metric_find(const tl_method_result *m, const char *name);

/* The place of the method with the best main metric, -1 where none was measured. */
int tl_report_best(const tl_report *r);

typedef struct tl_page {
    tl_buf text; /* owned */
    tl_err *err; /* borrowed */
    int rc;      /* 0 until a write failed */
} tl_page;

/* Append as it is: markup of ours and numbers. */
#define tl_page_put(page, ...)                                                                                         \
    do {                                                                                                               \
        if ((page)->rc == 0) (page)->rc = tl_buf_printf(&(page)->text, (page)->err, __VA_ARGS__);                      \
    } while (0)

/* Append somebody else's text, escaped for HTML's content and attributes. */
void tl_page_text(tl_page *page, const char *s);

/* The two files.  *out is the caller's; page->text is. */
int tl_report_json(json_t **out, const tl_report *r, tl_err *err);
void tl_report_html(tl_page *page, const tl_report *r);

#endif
