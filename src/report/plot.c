/* plot.c - scales, ticks and marks; figures as inline SVG.
 *
 * A scale maps numbers to units of the picture, straight or logarithmic.  Ticks are round numbers, four to six of them.
 * Whatever the numbers are, the picture stays bounded: ticks are counted, lines of many points are thinned
 * to the lowest and highest of each stretch (so no peak is lost), coordinates are finite. */
#include "report/plot.h"

#include <math.h>
#include <string.h>

enum {
    WIDTH = 400,
    ROW = 26,       /* a method's row in tl_plot_dots and tl_plot_bars */
    RIGHT = 18,     /* room for half of the last tick's number */
    FOOT = 40,      /* tick numbers and the axis' name */
    LABEL = 18,     /* characters of a name beside a row; the legend has it in full */
    N_MARKS = 8,    /* colours and marks; the ninth method has the first again */
    MAX_TICKS = 12, /* whatever happens */
    STRETCHES = 250 /* of a curve that has more points than can be seen */
};

typedef struct scale {
    double low, high; /* numbers; low < high, of a logarithmic one 0 < low */
    double from, to;  /* units of the picture */
    bool logarithmic;
} scale;

static double place(const scale *s, double x)
{
    double share = s->logarithmic ? log(x / s->low) / log(s->high / s->low) : (x - s->low) / (s->high - s->low);
    return s->from + fmin(fmax(share, 0), 1) * (s->to - s->from);
}

typedef struct range {
    double low, high; /* low > high while nothing is in it */
} range;

static const range empty = { INFINITY, -INFINITY };

static void include(range *r, double x)
{
    if (!isfinite(x) || fabs(x) > 1e300) return;
    r->low = fmin(r->low, x);
    r->high = fmax(r->high, x);
}

static void include_interval(range *r, const tl_interval *x)
{
    include(r, x->value);
    include(r, x->low);
    include(r, x->high);
}

/* Some air around the numbers, but not beyond 0, nor beyond 1 for a share. */
static scale straight(range r, bool share, double from, double to)
{
    double air = (r.high - r.low) * 0.06;
    if (!(air > 0)) air = fmax(fabs(r.low) * 0.05, 1e-3);
    scale s = { r.low - air, r.high + air, from, to, false };
    if (r.low >= 0 && s.low < 0) s.low = 0;
    if (share && r.high <= 1 && s.high > 1) s.high = 1;
    return s;
}

/* The round step (1, 2 or 5 times a power of ten) that gives at most most ticks. */
static double round_step(const scale *s, int most)
{
    double rough = (s->high - s->low) / most, power = pow(10, floor(log10(rough))), times = rough / power;
    return power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
}

/* The numbers of a straight axis, all with the decimals that the step needs. */
static int straight_ticks(const scale *s, int most, double ticks[MAX_TICKS], int *decimals)
{
    double step = round_step(s, most), first = ceil(s->low / step - 1e-9);
    int n = 0;
    *decimals = (int)fmin(fmax(-floor(log10(step) + 1e-9), 0), 9);
    for (; n < MAX_TICKS && (first + n) * step <= s->high + step * 1e-9; n++) ticks[n] = (first + n) * step;
    return n;
}

static void tick_word(char out[TL_WORD], double x, int decimals)
{
    if (fabs(x) >= 1e6)
        snprintf(out, TL_WORD, "%.3g", x);
    else
        snprintf(out, TL_WORD, "%.*f", decimals, x == 0 ? 0 : x);
}

static void text(tl_page *page, double x, double y, const char *anchor, const char *class, const char *s)
{
    tl_page_put(page, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor, class);
    tl_page_text(page, s);
    tl_page_put(page, "</text>\n");
}

static void line(tl_page *page, double x1, double y1, double x2, double y2, const char *class)
{
    tl_page_put(page, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x1, y1, x2, y2, class);
}

static void begin(tl_page *page, const char *title, double height)
{
    tl_page_put(page, "<svg viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"", WIDTH, height);
    tl_page_text(page, title);
    tl_page_put(page, "\">\n");
}

static void end(tl_page *page)
{
    tl_page_put(page, "</svg>\n");
}

static void nothing(tl_page *page)
{
    tl_page_put(page, "<p class=\"soft\">Not measured.</p>\n");
}

/* Colour and shape both tell the method, for eyes and printers that see no colours. */
static void mark(tl_page *page, int method, double x, double y, double r)
{
    double w = r * 0.9, d = r * 1.25;
    switch (method % N_MARKS) {
    case 0:
        tl_page_put(page, "<circle class=\"m0 mark\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>\n", x, y, r);
        break;
    case 1:
        tl_page_put(page, "<rect class=\"m1 mark\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", x - w,
                    y - w, 2 * w, 2 * w);
        break;
    case 2:
        tl_page_put(page, "<path class=\"m2 mark\" d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1fZ\"/>\n", x, y - d, x + d, y + w,
                    x - d, y + w);
        break;
    case 3:
        tl_page_put(page, "<path class=\"m3 mark\" d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1fL%.1f %.1fZ\"/>\n", x, y - d,
                    x + d, y, x, y + d, x - d, y);
        break;
    case 4:
        tl_page_put(page, "<path class=\"m4 mark\" d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1fZ\"/>\n", x, y + d, x + d, y - w,
                    x - d, y - w);
        break;
    case 5:
        tl_page_put(page, "<circle class=\"m5 open\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>\n", x, y, r);
        break;
    case 6:
        tl_page_put(page, "<rect class=\"m6 open\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", x - w,
                    y - w, 2 * w, 2 * w);
        break;
    default:
        tl_page_put(page, "<path class=\"m7 open\" d=\"M%.1f %.1fL%.1f %.1fM%.1f %.1fL%.1f %.1f\"/>\n", x - w, y - w,
                    x + w, y + w, x - w, y + w, x + w, y - w);
    }
}

void tl_plot_mark(tl_page *page, int method)
{
    tl_page_put(page, "<svg class=\"key\" viewBox=\"0 0 14 14\" aria-hidden=\"true\">");
    mark(page, method, 7, 7, 4.5);
    tl_page_put(page, "</svg>");
}

/* A name cut to LABEL characters, at a boundary of characters; tl_page_text mends what is not UTF-8. */
static void label(char out[4 * LABEL + 8], const char *name)
{
    size_t used = 0;
    int characters = 0;
    if (!name) name = "-";
    for (; used < 4 * LABEL && name[used]; used++) {
        if (((unsigned char)name[used] & 0xC0) != 0x80 && ++characters == LABEL && name[used + 1]) break;
        out[used] = name[used];
    }
    strcpy(out + used, name[used] ? "\xE2\x80\xA6" : "");
}

static double label_width(const tl_plot_row *rows, int n)
{
    size_t longest = 4;
    for (int i = 0; i < n; i++) {
        size_t characters = rows[i].name ? strlen(rows[i].name) : 1;
        if (characters > longest) longest = characters;
    }
    return 14 + 6.6 * (double)(longest < LABEL ? longest : LABEL);
}

static void x_axis(tl_page *page, const scale *x, double top, double bottom, const char *name)
{
    double ticks[MAX_TICKS];
    char word[TL_WORD];
    int decimals, n = straight_ticks(x, 5, ticks, &decimals);
    for (int i = 0; i < n; i++) {
        tick_word(word, ticks[i], decimals);
        line(page, place(x, ticks[i]), top, place(x, ticks[i]), bottom, "grid");
        text(page, place(x, ticks[i]), bottom + 15, "middle", "tick", word);
    }
    line(page, x->from, bottom, x->to, bottom, "axis");
    text(page, (x->from + x->to) / 2, bottom + 33, "middle", "name", name);
}

static void y_axis(tl_page *page, const scale *y, double left, double right, const char *name)
{
    double ticks[MAX_TICKS];
    char word[TL_WORD];
    int decimals, n = straight_ticks(y, 5, ticks, &decimals);
    for (int i = 0; i < n; i++) {
        tick_word(word, ticks[i], decimals);
        line(page, left, place(y, ticks[i]), right, place(y, ticks[i]), "grid");
        text(page, left - 6, place(y, ticks[i]) + 4, "end", "tick", word);
    }
    text(page, 4, 12, "start", "name", name);
}

static void whisker(tl_page *page, const scale *x, const tl_interval *v, double y, int method)
{
    char class[24];
    if (!isfinite(v->low) || !isfinite(v->high)) return;
    snprintf(class, sizeof class, "m%d whisker", method % N_MARKS);
    double low = place(x, v->low), high = place(x, v->high);
    line(page, low, y, high, y, class);
    line(page, low, y - 4, low, y + 4, class);
    line(page, high, y - 4, high, y + 4, class);
}

static void rows_begin(tl_page *page, const char *title, const char *axis, const scale *x, int n)
{
    double bottom = 6 + (double)n * ROW;
    begin(page, title, bottom + FOOT);
    x_axis(page, x, 6, bottom, axis);
}

/* The row's name, and whether there is a number to draw. */
static bool row_begin(tl_page *page, const scale *x, const tl_plot_row *row, double y)
{
    char name[4 * LABEL + 8];
    label(name, row->name);
    text(page, x->from - 8, y + 4, "end", "row", name);
    if (isfinite(row->value.value)) return true;
    text(page, x->from + 6, y + 4, "start", "tick", "not measured");
    return false;
}

void tl_plot_dots(tl_page *page, const char *title, const char *axis, bool share, const tl_plot_row *rows, int n)
{
    range r = empty;
    for (int i = 0; i < n; i++) {
        include_interval(&r, &rows[i].value);
        for (int s = 0; s < rows[i].n_dots; s++) include(&r, rows[i].dots[s]);
    }
    if (r.low > r.high) {
        nothing(page);
        return;
    }
    scale x = straight(r, share, label_width(rows, n), WIDTH - RIGHT);
    rows_begin(page, title, axis, &x, n);
    for (int i = 0; i < n; i++) {
        double y = 6 + (i + 0.5) * ROW;
        if (!row_begin(page, &x, &rows[i], y)) continue;
        whisker(page, &x, &rows[i].value, y, rows[i].method);
        mark(page, rows[i].method, place(&x, rows[i].value.value), y, 5);
        for (int s = 0; s < rows[i].n_dots; s++) /* below the whisker, where they hide nothing */
            if (isfinite(rows[i].dots[s]))
                tl_page_put(page, "<circle class=\"m%d seed\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.2\"/>\n",
                            rows[i].method % N_MARKS, place(&x, rows[i].dots[s]), y + 9);
    }
    end(page);
}

void tl_plot_bars(tl_page *page, const char *title, const char *axis, const tl_plot_row *rows, int n)
{
    range r = empty;
    for (int i = 0; i < n; i++) include_interval(&r, &rows[i].value);
    if (r.low > r.high) {
        nothing(page);
        return;
    }
    include(&r, 0); /* a bar has a length only from zero */
    scale x = straight(r, false, label_width(rows, n), WIDTH - RIGHT);
    rows_begin(page, title, axis, &x, n);
    double zero = place(&x, 0);
    for (int i = 0; i < n; i++) {
        double y = 6 + (i + 0.5) * ROW, to = place(&x, rows[i].value.value);
        if (!row_begin(page, &x, &rows[i], y)) continue;
        tl_page_put(page, "<rect class=\"m%d bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"14\"/>\n",
                    rows[i].method % N_MARKS, fmin(zero, to), y - 7, fabs(to - zero));
        if (rows[i].value.value == 0) text(page, zero + 6, y + 4, "start", "tick", "0");
        if (rows[i].value.low != rows[i].value.high) whisker(page, &x, &rows[i].value, y, rows[i].method);
    }
    line(page, zero, 6, zero, 6 + (double)n * ROW, "axis");
    end(page);
}

/* A logarithmic scale with room around the numbers, never less than a factor of ten. */
static scale logarithmic(range r, double from, double to)
{
    double low = r.low / 1.5, high = r.high * 1.5;
    if (high / low < 10) {
        double middle = sqrt(low) * sqrt(high);
        low = middle / sqrt(10);
        high = middle * sqrt(10);
    }
    return (scale){ low, high, from, to, true };
}

static void log_ticks(tl_page *page, const scale *x, double top, double bottom, tl_plot_word_fn *word_of)
{
    int first = (int)ceil(log10(x->low) - 1e-9), last = (int)floor(log10(x->high) + 1e-9);
    int every = (last - first) / 5 + 1;
    bool finer = last - first < 2; /* 2 and 5 have names too */
    static const int times[] = { 1, 2, 5 };
    char word[TL_WORD];
    for (int e = first - 1; e <= last; e++) {
        for (int t = 0; t < (finer ? 3 : 1); t++) {
            double tick = times[t] * pow(10, e);
            if (tick < x->low || tick > x->high || (!finer && (e - first) % every)) continue;
            line(page, place(x, tick), top, place(x, tick), bottom, "grid");
            text(page, place(x, tick), bottom + 15, "middle", "tick", word_of(word, tick));
        }
    }
}

/* Where mark i stands: at its place, or, where others would hide it, beside them in the order of their costs. */
static double beside(const double *xs, const double *ys, int n, int i)
{
    int before = 0, crowd = 0;
    double sum = 0;
    for (int j = 0; j < n; j++) {
        if (fabs(xs[j] - xs[i]) >= 9 || fabs(ys[j] - ys[i]) >= 14) continue;
        crowd++;
        sum += xs[j];
        before += xs[j] == xs[i] ? j < i : xs[j] < xs[i];
    }
    return sum / crowd + (before - (crowd - 1) / 2.0) * 10;
}

void tl_plot_scatter(tl_page *page, const char *title, const char *x_name, const char *y_name, bool y_share,
                     tl_plot_word_fn *x_word, const tl_plot_point *points, int n)
{
    enum {
        HEIGHT = 250,
        LEFT = 50,
        TOP = 24,
        BOTTOM = HEIGHT - FOOT,
        MOST = 64
    };
    range costs = empty, values = empty;
    bool zero = false;
    double xs[MOST], ys[MOST];
    if (n > MOST) n = MOST;
    for (int i = 0; i < n; i++) {
        if (!isfinite(points[i].y.value) || !(points[i].x >= 0) || points[i].x > 1e300) continue;
        include_interval(&values, &points[i].y);
        if (points[i].x > 0)
            include(&costs, points[i].x);
        else
            zero = true;
    }
    if (values.low > values.high) {
        nothing(page);
        return;
    }
    double lane = zero ? 58 : 0; /* the width of the zeros' own lane */
    bool some = costs.low <= costs.high;
    scale y = straight(values, y_share, BOTTOM, TOP);
    scale x =
        some ? logarithmic(costs, LEFT + lane, WIDTH - RIGHT) : (scale){ 1, 10, LEFT + lane, WIDTH - RIGHT, true };
    begin(page, title, HEIGHT);
    y_axis(page, &y, LEFT, some ? WIDTH - RIGHT : LEFT + lane, y_name);
    if (some) {
        log_ticks(page, &x, TOP, BOTTOM, x_word);
        line(page, x.from, BOTTOM, x.to, BOTTOM, "axis");
    }
    if (zero) {
        line(page, LEFT, BOTTOM, LEFT + lane - 10, BOTTOM, "axis");
        line(page, LEFT + lane - 13, BOTTOM + 5, LEFT + lane - 7, BOTTOM - 5, "axis");
        if (some) line(page, LEFT + lane - 3, BOTTOM + 5, LEFT + lane + 3, BOTTOM - 5, "axis");
        text(page, LEFT + lane / 2 - 6, BOTTOM + 15, "middle", "tick", "0");
    }
    text(page, (LEFT + WIDTH - RIGHT) / 2.0, BOTTOM + 33, "middle", "name", x_name);
    for (int i = 0; i < n; i++) { /* what has no place is far away and crowds nothing */
        bool placed = isfinite(points[i].y.value) && points[i].x >= 0 && points[i].x <= 1e300;
        xs[i] = !placed ? -1000 : points[i].x > 0 ? place(&x, points[i].x) : LEFT + lane / 2 - 6;
        ys[i] = placed ? place(&y, points[i].y.value) : 0;
    }
    for (int i = 0; i < n; i++) {
        char class[24];
        const tl_interval *v = &points[i].y;
        if (xs[i] < 0) continue;
        double at = beside(xs, ys, n, i);
        snprintf(class, sizeof class, "m%d whisker", points[i].method % N_MARKS);
        if (isfinite(v->low) && isfinite(v->high)) line(page, at, place(&y, v->low), at, place(&y, v->high), class);
        mark(page, points[i].method, at, ys[i], 5);
    }
    end(page);
}

/* One point of a line; the pen is lifted where a number is missing. */
static void draw(tl_page *page, bool *down, double x, double y)
{
    tl_page_put(page, "%s%.1f %.1f", *down ? "L" : "M", x, y);
    *down = true;
}

static void loss_line(tl_page *page, const scale *x, const scale *y, const tl_curve_point *curve, int n)
{
    bool down = false;
    int stretch = n > 4 * STRETCHES ? (n + STRETCHES - 1) / STRETCHES : 1;
    for (int i = 0; i < n; i += stretch) {
        int lowest = -1, highest = -1, stop = n - i < stretch ? n : i + stretch;
        for (int k = i; k < stop; k++) {
            if (!isfinite(curve[k].loss)) continue;
            if (lowest < 0 || curve[k].loss < curve[lowest].loss) lowest = k;
            if (highest < 0 || curve[k].loss > curve[highest].loss) highest = k;
        }
        if (lowest < 0) {
            down = false;
            continue;
        }
        int a = lowest < highest ? lowest : highest, b = lowest < highest ? highest : lowest;
        draw(page, &down, place(x, (double)curve[a].step), place(y, curve[a].loss));
        if (b != a) draw(page, &down, place(x, (double)curve[b].step), place(y, curve[b].loss));
    }
}

void tl_plot_curve(tl_page *page, const char *title, int method, const tl_curve_point *curve, int n, double low,
                   double high)
{
    enum {
        HEIGHT = 210,
        LEFT = 50,
        TOP = 24,
        BOTTOM = HEIGHT - FOOT
    };
    range steps = empty, losses = { low, high };
    for (int i = 0; i < n; i++) include(&steps, (double)curve[i].step);
    if (steps.low > steps.high || losses.low > losses.high) {
        nothing(page);
        return;
    }
    scale y = straight(losses, false, BOTTOM, TOP), x = { steps.low, steps.high, LEFT, WIDTH - RIGHT, false };
    if (!(x.high > x.low)) x.high = x.low + 1;
    begin(page, title, HEIGHT);
    y_axis(page, &y, LEFT, WIDTH - RIGHT, "loss (nats a token)");
    x_axis(page, &x, BOTTOM, BOTTOM, "step");
    tl_page_put(page, "<path class=\"m%d train\" d=\"M%.1f %.1f", method % N_MARKS, x.from, y.from);
    loss_line(page, &x, &y, curve, n);
    tl_page_put(page, "\"/>\n<path class=\"m%d validation\" d=\"M%.1f %.1f", method % N_MARKS, x.from, y.from);
    bool down = false;
    for (int i = 0; i < n; i++)
        if (isfinite(curve[i].validation))
            draw(page, &down, place(&x, (double)curve[i].step), place(&y, curve[i].validation));
    tl_page_put(page, "\"/>\n");
    int measured = 0;
    for (int i = 0; i < n; i++) measured += isfinite(curve[i].validation) != 0;
    for (int i = 0; i < n && measured <= 60; i++) /* more dots would touch each other */
        if (isfinite(curve[i].validation))
            tl_page_put(page, "<circle class=\"m%d mark\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n", method % N_MARKS,
                        place(&x, (double)curve[i].step), place(&y, curve[i].validation));
    end(page);
}
