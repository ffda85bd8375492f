/* plot.h - figures as inline SVG: no script, no picture file, text that stays text.
 *
 * Every figure is 400 units wide, so that its 12-unit letters are still letters on a telephone, and takes its colours
 * from the page's classes m0 to m7 (a method keeps its colour and its mark in all figures; tl_plot_mark is what
 * a legend shows).  Numbers that are not finite are left out of a figure; a figure without any number says so. */
#ifndef TL_REPORT_PLOT_H
#define TL_REPORT_PLOT_H

#include "report/report_parts.h"

/* One method's number on an axis. */
typedef struct tl_plot_row {
    const char *name;   /* borrowed */
    int method;         /* its place in the report: gives colour and mark */
    tl_interval value;  /* low and high may be NAN: then there is no whisker */
    const double *dots; /* borrowed; single results behind the interval, or NULL */
    int n_dots;
} tl_plot_row;

/* One method's quality (y) at a cost (x >= 0). */
typedef struct tl_plot_point {
    int method;
    double x;
    tl_interval y;
} tl_plot_point;

/* How a number on an axis is worded. */
typedef const char *tl_plot_word_fn(char out[TL_WORD], double x);

/* The method's mark, alone, as wide as a letter. */
void tl_plot_mark(tl_page *page, int method);

/* A row per method: a mark and a whisker; the single results are faint.  title is read aloud by a screen reader.  The
 * axis of a share ends at 1. */
void tl_plot_dots(tl_page *page, const char *title, const char *axis, bool share, const tl_plot_row *rows, int n);

/* A row per method: a bar from zero and a whisker. */
void tl_plot_bars(tl_page *page, const char *title, const char *axis, const tl_plot_row *rows, int n);

/* Quality against cost on a logarithmic axis.  A cost of zero has no place on one: it gets a lane of its
 * own, left of a break in the axis.  Where several marks would hide each other they stand side by side. */
void tl_plot_scatter(tl_page *page, const char *title, const char *x_axis, const char *y_axis, bool y_share,
                     tl_plot_word_fn *x_word, const tl_plot_point *points, int n);

/* A training: the loss of each step as a thin line, the validation loss as a thick one with dots.  low to
 * high is the range of the y axis, so that several such figures can be compared. */
void tl_plot_curve(tl_page *page, const char *title, int method, const tl_curve_point *curve, int n, double low,
                   double high);

#endif
