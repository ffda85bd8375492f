/* report_words.c - numbers and findings as a person reads them. */
#include "report/report_parts.h"

#include "text/unicode.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *tl_word_short(char out[TL_WORD], double x)
{
    double a = fabs(x);
    if (!isfinite(x))
        snprintf(out, TL_WORD, "-");
    else if (a >= 1e6)
        snprintf(out, TL_WORD, "%.3g", x);
    else
        snprintf(out, TL_WORD, "%.*f", a == 0 || a >= 99.95 ? 0 : a >= 9.995 ? 1 : a >= 0.0995 ? 2 : 4, x);
    return out;
}

/* x as 1.2 and a step of thousands: *step counts them, at most last. */
static double thousands(double x, int last, int *step)
{
    *step = 0;
    while (x >= 999.5 && *step < last) {
        x /= 1000;
        ++*step;
    }
    return x;
}

const char *tl_word_count(char out[TL_WORD], double x)
{
    static const char *const units[] = { "", "k", "M", "G", "T", "P", "E" };
    int step;
    if (!isfinite(x) || x < 0) return strcpy(out, "-");
    x = thousands(x, 6, &step);
    snprintf(out, TL_WORD, "%.*f%s", x >= 99.95 || x == floor(x) ? 0 : 1, x > 1e6 ? 1e6 : x, units[step]);
    return out;
}

const char *tl_word_bytes(char out[TL_WORD], double x)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
    int step;
    if (!isfinite(x) || x < 0) return strcpy(out, "-");
    x = thousands(x, 4, &step);
    snprintf(out, TL_WORD, "%.*f %s", x >= 99.95 || x == floor(x) ? 0 : 1, x > 1e9 ? 1e9 : x, units[step]);
    return out;
}

const char *tl_word_seconds(char out[TL_WORD], double x)
{
    char number[TL_WORD];
    if (!isfinite(x) || x < 0) return strcpy(out, "-");
    double divisor = x < 120 ? 1 : x < 7200 ? 60 : 3600;
    snprintf(out, TL_WORD, "%.40s %s", tl_word_short(number, x / divisor), x < 120 ? "s" : x < 7200 ? "min" : "h");
    return out;
}

static int decimals(double x)
{
    double a = fabs(x);
    return a < 9.9995 ? 3 : a < 999.5 ? 1 : 0;
}

/* A number too long to be read is cut to four digits and an exponent. */
static void value(char out[20], double x, bool sign)
{
    if (fabs(x) >= 1e6)
        snprintf(out, 20, sign ? "%+.3e" : "%.3e", x);
    else
        snprintf(out, 20, sign ? "%+.*f" : "%.*f", decimals(x), x);
}

static const char *interval(char out[TL_WORD], const tl_interval *x, bool sign)
{
    char middle[20], low[20], high[20];
    if (!x || !isfinite(x->value)) return strcpy(out, "-");
    value(middle, x->value, sign);
    if (!isfinite(x->low) || !isfinite(x->high)) return strcpy(out, middle);
    value(low, x->low, sign);
    value(high, x->high, sign);
    snprintf(out, TL_WORD, "%s [%s, %s]", middle, low, high);
    return out;
}

const char *tl_word_value(char out[TL_WORD], double x)
{
    if (!isfinite(x)) return strcpy(out, "-");
    value(out, x, false);
    return out;
}

const char *tl_word_interval(char out[TL_WORD], const tl_interval *x)
{
    return interval(out, x, false);
}

const char *tl_word_change(char out[TL_WORD], const tl_interval *x)
{
    return interval(out, x, true);
}

int tl_text_clean(tl_buf *out, const char *s, bool controls, tl_err *err)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    if (!s) return tl_buf_puts(out, "-", err);
    size_t size = strlen(s);
    while (size) {
        size_t valid = tl_unicode_valid(s, size);
        for (size_t i = 0, n; i < valid; i += n) {
            int c = tl_unicode_first(s + i, valid - i, &n);
            bool control = c < 0x20 || (c >= 0x7F && c < 0xA0);
            bool direction = (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069); /* they reorder a line */
            if (controls || (!control && !direction))
                TL_TRY(tl_buf_append(out, s + i, n, err));
            else
                TL_TRY(tl_buf_puts(out, c == '\n' || c == '\t' ? " " : replacement, err));
        }
        s += valid;
        size -= valid;
        if (!size) break;
        TL_TRY(tl_buf_puts(out, replacement, err));
        s++;
        size--;
    }
    return 0;
}

bool tl_comparison_differs(const tl_comparison *c)
{
    if (isfinite(c->p)) return c->p < 0.05;
    return c->difference.low > 0 || c->difference.high < 0; /* false where they are NAN */
}

int tl_comparison_words(tl_buf *out, const tl_comparison *c, tl_err *err)
{
    char words[TL_WORD], p[TL_WORD] = "";
    tl_interval d = c->difference;
    if (!isfinite(d.value)) return tl_buf_printf(out, err, "%s and %s: the difference was not measured", c->a, c->b);
    if (isfinite(c->p)) snprintf(p, sizeof p, c->p < 0.001 ? ", p < 0.001" : ", p = %.*f", c->p < 0.1 ? 3 : 2, c->p);
    if (tl_comparison_differs(c)) {
        bool below = d.value < 0;
        if (below) d = (tl_interval){ -d.value, -d.high, -d.low, d.n };
        TL_TRY(tl_buf_printf(out, err, "%s is %s %s by %s%s", c->a, below ? "below" : "above", c->b,
                             tl_word_interval(words, &d), p));
    } else {
        TL_TRY(tl_buf_printf(out, err, "%s and %s are not told apart: the difference is %s%s", c->a, c->b,
                             tl_word_change(words, &d), p));
    }
    return c->test ? tl_buf_printf(out, err, " (%s)", c->test) : 0;
}

const tl_named_interval *tl_report_main(const tl_report *r)
{
    for (int i = 0; i < r->n_methods; i++)
        if (r->methods[i].n_metrics > 0) return &r->methods[i].metrics[0];
    return NULL;
}

const char *tl_report_main_metric(const tl_report *r)
{
    const tl_named_interval *main = tl_report_main(r);
    return main ? main->name : NULL;
}

const tl_interval *tl_metric_find(const tl_method_result *m, const char *name)
{
    for (int i = 0; name && i < m->n_metrics; i++)
        if (strcmp(m->metrics[i].name, name) == 0) return &m->metrics[i].value;
    return NULL;
}

int tl_report_best(const tl_report *r)
{
    const tl_named_interval *metric = tl_report_main(r);
    int best = -1;
    if (!metric) return best;
    double best_value = 0;
    for (int i = 0; i < r->n_methods; i++) {
        const tl_interval *x = tl_metric_find(&r->methods[i], metric->name);
        if (!x || !isfinite(x->value)) continue;
        if (best < 0 || (metric->lower_is_better ? x->value < best_value : x->value > best_value)) {
            best = i;
            best_value = x->value;
        }
    }
    return best;
}

void tl_page_text(tl_page *page, const char *s)
{
    tl_buf clean = tl_buf_make(16 << 20);
    if (page->rc == 0) page->rc = tl_text_clean(&clean, s, false, page->err);
    for (const char *c = clean.data; page->rc == 0 && c && *c;) {
        size_t plain = strcspn(c, "&<>\"'");
        page->rc = tl_buf_append(&page->text, c, plain, page->err);
        c += plain;
        if (page->rc == 0 && *c) tl_page_put(page, "&#%d;", *c++);
    }
    tl_buf_reset(&clean);
}
