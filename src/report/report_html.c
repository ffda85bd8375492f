/* report_html.c - report.html: one file that opens anywhere, without a network, a script or a font of its own.
 *
 * The order is the reader's: what was best (in numbers), the table, quality, what it costs, how the training went, what
 * was forgotten, which labels were mistaken for which; then everything needed to run it again.  Light or dark follows
 * the reader's system.  Names, labels and descriptions come from files: all of it goes through tl_page_text. */
#include "report/plot.h"
#include "report/report_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONFUSION_LABELS = 16 /* more rows than this nobody reads */
};

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1c2126;--soft:#59636e;--line:#d3d9df;--paper:#fff;--band:#f4f6f8;"
    "--heat:0,114,178;--c0:#0072b2;--c1:#d55e00;--c2:#00835f;--c3:#aa3377;--c4:#8f6a00;--c5:#4d4d4d;--c6:#2f8fcb;"
    "--c7:#8c4a32}\n"
    "@media (prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#9aa5b0;--line:#3a424b;--paper:#14181c;"
    "--band:#1c2228;--heat:64,156,220;--c0:#56b4e9;--c1:#ff8c42;--c2:#2cc79a;--c3:#e58bbb;--c4:#e6c229;--c5:#c8c8c8;"
    "--c6:#9aa8ff;--c7:#d2a08f}}\n"
    "*{box-sizing:border-box}body{margin:0 auto;max-width:1240px;padding:1.5rem 1rem 3rem;background:var(--paper);"
    "color:var(--ink);font:16px/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.6rem;line-height:1.25;margin:0 0 .5rem;overflow-wrap:anywhere}h2{font-size:1.2rem;margin:2.2rem 0 "
    ".4rem}"
    "h3{font-size:1rem;margin:0 0 .2rem;overflow-wrap:anywhere}p,ul{margin:.3rem 0 .7rem;max-width:75ch;"
    "overflow-wrap:anywhere}.soft{color:var(--soft);font-size:.9rem}\n"
    ".wide{overflow-x:auto;margin:.5rem 0}table{border-collapse:collapse;font-size:.875rem;"
    "font-variant-numeric:tabular-nums}th,td{padding:.3rem .42rem;border-bottom:1px solid var(--line);text-align:right;"
    "white-space:nowrap}th{font-weight:600}thead th{vertical-align:bottom;color:var(--soft)}tbody "
    "th,th.l{text-align:left}"
    "tbody th{position:sticky;left:0;background:var(--paper)}td.best{font-weight:700}\n"
    ".grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:1.2rem 2rem}"
    "figure{margin:0;min-width:0;max-width:520px;break-inside:avoid}figure svg{width:100%;height:auto;display:block}\n"
    ".legend{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;list-style:none;padding:0;font-size:.9rem}"
    ".key{width:14px;height:14px;vertical-align:-2px;margin-right:.35rem}\n"
    "svg text{font:12px system-ui,sans-serif;fill:var(--soft)}svg .row,svg .name{fill:var(--ink)}"
    "line.grid{stroke:var(--line);stroke-width:1}.axis{stroke:var(--soft);stroke-width:1}\n"
    ".m0{color:var(--c0)}.m1{color:var(--c1)}.m2{color:var(--c2)}.m3{color:var(--c3)}.m4{color:var(--c4)}"
    ".m5{color:var(--c5)}.m6{color:var(--c6)}.m7{color:var(--c7)}\n"
    ".mark{fill:currentColor;stroke:var(--paper);stroke-width:1}.open{fill:none;stroke:currentColor;stroke-width:2.2}"
    ".whisker{stroke:currentColor;stroke-width:2}.seed{fill:currentColor;opacity:.45}.bar{fill:currentColor;opacity:."
    "45}"
    ".train{fill:none;stroke:currentColor;stroke-width:1;opacity:.55}.validation{fill:none;stroke:currentColor;"
    "stroke-width:2.4}\n"
    ".heat th,.heat td{text-align:center;border:1px solid "
    "var(--paper);max-width:7rem;overflow:hidden;text-overflow:ellipsis}"
    ".heat td{min-width:2.4rem;print-color-adjust:exact;-webkit-print-color-adjust:exact}.heat td.on{color:#fff}\n"
    "dl{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:.25rem "
    "1rem;font-size:.9rem}dt{color:var(--soft)}"
    "dd{margin:0;min-width:0;overflow-wrap:anywhere}code{font:.85em ui-monospace,monospace;white-space:pre-wrap}\n"
    "@media (max-width:500px){body{padding:1rem .8rem}dl{grid-template-columns:1fr}dd{margin-bottom:.4rem}}\n"
    "@media print{body{max-width:none;font-size:10pt}.wide{overflow:visible}table{font-size:7.5pt}th,td{padding:.15rem "
    ".3rem}"
    "tbody th{position:static}}\n";

/* The methods that share the best value, in words: "lora", "lora and full". */
static void best_names(tl_page *p, const tl_report *r, int best, const char *metric)
{
    double value = tl_metric_find(&r->methods[best], metric)->value;
    int n = 0;
    for (int i = 0; i < r->n_methods; i++) {
        const tl_interval *x = tl_metric_find(&r->methods[i], metric);
        if (!x || x->value != value) continue;
        if (n++) tl_page_put(p, " and ");
        tl_page_text(p, r->methods[i].name);
    }
}

/* Which methods the paired tests do not tell from the best: a headline alone would hide that. */
static void not_worse(tl_page *p, const tl_report *r, const char *best)
{
    int n = 0;
    for (int i = 0; best && i < r->n_comparisons; i++) {
        const tl_comparison *c = &r->comparisons[i];
        bool first = strcmp(c->a, best) == 0, second = strcmp(c->b, best) == 0;
        if (first == second || tl_comparison_differs(c)) continue;
        tl_page_put(p, n++ ? ", " : "<p>Not told apart from it by the paired test: ");
        tl_page_text(p, first ? c->b : c->a);
    }
    if (n) tl_page_put(p, ".</p>\n");
}

static void headline(tl_page *p, const tl_report *r)
{
    const tl_named_interval *metric = tl_report_main(r);
    int best = tl_report_best(r);
    char words[TL_WORD];
    tl_page_put(p, "<h1>");
    tl_page_text(p, r->task_name);
    if (best < 0) {
        tl_page_put(p, ": nothing was measured</h1>\n");
    } else {
        const tl_interval *x = tl_metric_find(&r->methods[best], metric->name);
        tl_page_put(p, ": the %s ", metric->lower_is_better ? "lowest" : "highest");
        tl_page_text(p, metric->name);
        tl_page_put(p, " measured is %s, with ", tl_word_interval(words, x));
        best_names(p, r, best, metric->name);
        tl_page_put(p, "</h1>\n");
        not_worse(p, r, r->methods[best].name);
    }
    tl_page_put(p, "<p>");
    tl_page_text(p, r->task_description);
    tl_page_put(p, "</p>\n<p class=\"soft\">%d method%s on the base ", r->n_methods, r->n_methods == 1 ? "" : "s");
    tl_page_text(p, r->base_name);
    tl_page_put(p, " (%s parameters)", tl_word_count(words, r->base_parameters));
    if (r->n_test >= 0) tl_page_put(p, ", measured on %d test examples", r->n_test);
    tl_page_put(p, ". Brackets are 95 %% intervals; a dash stands for what was not measured.</p>\n");
}

static void legend(tl_page *p, const tl_report *r)
{
    tl_page_put(p, "<ul class=\"legend\">");
    for (int i = 0; i < r->n_methods; i++) {
        tl_page_put(p, "<li>");
        tl_plot_mark(p, i);
        tl_page_text(p, r->methods[i].name);
        tl_page_put(p, "</li>\n");
    }
    tl_page_put(p, "</ul>\n");
}

static void row_head(tl_page *p, const tl_report *r, int i)
{
    tl_page_put(p, "<tr><th scope=\"row\">");
    tl_plot_mark(p, i);
    tl_page_text(p, r->methods[i].name);
    tl_page_put(p, "</th>");
}

static void table_begin(tl_page *p, const char *name)
{
    tl_page_put(p, "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"%s\"><table>\n", name);
}

static void table_end(tl_page *p)
{
    tl_page_put(p, "</tbody></table></div>\n");
}

static void metric_cell(tl_page *p, const tl_interval *x, bool best)
{
    char words[TL_WORD];
    tl_page_put(p, best ? "<td class=\"best\">%s" : "<td>%s", tl_word_interval(words, x));
    if (x && isfinite(x->value) && x->n > 0) tl_page_put(p, " <span class=\"soft\">n=%d</span>", x->n);
    tl_page_put(p, "</td>");
}

static void summary(tl_page *p, const tl_report *r)
{
    const char *metric = tl_report_main_metric(r);
    int best = tl_report_best(r);
    tl_page_put(p, "<h2>Summary</h2>\n");
    table_begin(p, "Summary");
    tl_page_put(p, "<thead><tr><th class=\"l\">method</th><th>");
    tl_page_text(p, metric);
    tl_page_put(p, "</th><th>forgetting<br>(loss, nats a token)</th><th>trainable<br>parameters</th>"
                   "<th>train<br>time</th><th>train<br>FLOPs</th><th>peak<br>memory</th><th>stored<br>a task</th>"
                   "<th>prompt<br>tokens</th><th>ms per<br>request</th></tr></thead><tbody>\n");
    for (int i = 0; i < r->n_methods; i++) {
        const tl_method_result *m = &r->methods[i];
        const tl_interval *x = tl_metric_find(m, metric);
        char a[TL_WORD], b[TL_WORD];
        row_head(p, r, i);
        metric_cell(p, x, best >= 0 && x && x->value == tl_metric_find(&r->methods[best], metric)->value);
        tl_page_put(p, "<td>%s &rarr; %s</td>", tl_word_value(a, m->loss_before), tl_word_value(b, m->loss_after));
        tl_page_put(p, "<td>%s</td>", tl_word_count(a, m->cost.trainable_parameters));
        tl_page_put(p, "<td>%s</td>", tl_word_seconds(a, m->cost.train_seconds));
        tl_page_put(p, "<td>%s</td>", tl_word_count(a, m->cost.train_flops));
        tl_page_put(p, "<td>%s</td>", tl_word_bytes(a, m->cost.peak_bytes));
        tl_page_put(p, "<td>%s</td>", tl_word_bytes(a, m->cost.stored_bytes));
        tl_page_put(p, "<td>%s</td>", tl_word_count(a, m->cost.prompt_tokens));
        tl_page_put(p, "<td>%s</td></tr>\n", tl_word_short(a, m->cost.ms_per_request));
    }
    table_end(p);
}

static void comparisons(tl_page *p, const tl_report *r)
{
    if (!r->n_comparisons) return;
    tl_page_put(p, "<h2>Pairs on the same test examples</h2>\n<p class=\"soft\">Differences of ");
    tl_page_text(p, tl_report_main_metric(r));
    tl_page_put(p, ", in brackets their 95 %% intervals.</p>\n<ul>\n");
    for (int i = 0; i < r->n_comparisons; i++) {
        tl_buf words = tl_buf_make(1 << 20);
        if (p->rc == 0) p->rc = tl_comparison_words(&words, &r->comparisons[i], p->err);
        tl_page_put(p, "<li>");
        tl_page_text(p, words.data);
        tl_page_put(p, "</li>\n");
        tl_buf_reset(&words);
    }
    tl_page_put(p, "</ul>\n");
    if (r->n_comparisons > 1)
        tl_page_put(p,
                    "<p class=\"soft\">The p-values are those of %d separate tests, not corrected for their number."
                    "</p>\n",
                    r->n_comparisons);
}

static void figure_begin(tl_page *p, const char *title)
{
    tl_page_put(p, "<figure><h3>");
    tl_page_text(p, title);
    tl_page_put(p, "</h3>\n");
}

static void figure_end(tl_page *p, const char *caption)
{
    tl_page_put(p, "<figcaption class=\"soft\">%s</figcaption></figure>\n", caption);
}

static const char *tick_word(char out[TL_WORD], double x)
{
    snprintf(out, TL_WORD, "%g", x);
    return out;
}

static void quality_and_cost(tl_page *p, const tl_report *r, tl_plot_row *rows, tl_plot_point *points)
{
    const tl_named_interval *main = tl_report_main(r);
    const char *metric = main ? main->name : NULL;
    bool share = main && main->share, seeds = false;
    for (int i = 0; i < r->n_methods; i++) {
        const tl_method_result *m = &r->methods[i];
        const tl_interval *x = tl_metric_find(m, metric);
        rows[i] = (tl_plot_row){ m->name, i, x ? *x : (tl_interval){ NAN, NAN, NAN, 0 }, m->seed_scores,
                                 m->seed_scores ? m->n_seeds : 0 };
        points[i] = (tl_plot_point){ i, m->cost.ms_per_request, rows[i].value };
        seeds = seeds || rows[i].n_dots > 0;
    }
    tl_page_put(p, "<h2>Quality and what it costs</h2>\n");
    legend(p, r);
    tl_page_put(p, "<div class=\"grid\">\n");
    figure_begin(p, "Quality");
    tl_plot_dots(p, "Main metric of each method with its interval", metric ? metric : "not measured", share, rows,
                 r->n_methods);
    figure_end(p, seeds ? "Whiskers: 95 % interval. Faint dots: single seeds. The axis need not begin at zero."
                        : "Whiskers: 95 % interval. The axis need not begin at zero.");
    static const char caption[] = "Logarithmic x axis; a cost of zero stands apart. Marks that would hide each other "
                                  "stand side by side.";
    figure_begin(p, "Quality against time");
    tl_plot_scatter(p, "Main metric against milliseconds per request", "ms per request", metric ? metric : "-", share,
                    tick_word, points, r->n_methods);
    figure_end(p, caption);
    for (int i = 0; i < r->n_methods; i++) points[i].x = r->methods[i].cost.stored_bytes;
    figure_begin(p, "Quality against storage");
    tl_plot_scatter(p, "Main metric against bytes stored for the task", "bytes kept for the task, besides the base",
                    metric ? metric : "-", share, tl_word_bytes, points, r->n_methods);
    figure_end(p, caption);
    for (int i = 0; i < r->n_methods; i++)
        rows[i] = (tl_plot_row){ r->methods[i].name, i, r->methods[i].forgetting, NULL, 0 };
    figure_begin(p, "Forgetting");
    tl_plot_bars(p, "Change of the loss on general text", "change of loss (nats a token; right is worse)", rows,
                 r->n_methods);
    figure_end(p, "Loss on the general text after the method less before it, with its 95 % interval.");
    tl_page_put(p, "</div>\n");
}

static void curves(tl_page *p, const tl_report *r)
{
    double low = INFINITY, high = -INFINITY;
    for (int i = 0; i < r->n_methods; i++) {
        const tl_method_result *m = &r->methods[i];
        for (int k = 0; k < m->n_curve; k++) {
            double both[2] = { m->curve[k].loss, m->curve[k].validation };
            for (int b = 0; b < 2; b++) {
                if (!isfinite(both[b]) || fabs(both[b]) > 1e300) continue;
                low = fmin(low, both[b]);
                high = fmax(high, both[b]);
            }
        }
    }
    if (low > high) return;
    tl_page_put(p, "<h2>Training</h2>\n<p class=\"soft\">Thin: the loss of each step's batch. Thick, with dots: the "
                   "validation loss. First seed; all panels have the same loss axis.</p>\n<div class=\"grid\">\n");
    for (int i = 0; i < r->n_methods; i++) {
        const tl_method_result *m = &r->methods[i];
        if (m->n_curve < 1) continue;
        figure_begin(p, m->name);
        tl_plot_curve(p, m->name, i, m->curve, m->n_curve, low, high);
        tl_page_put(p, "</figure>\n");
    }
    tl_page_put(p, "</div>\n");
}

static void heat_table(tl_page *p, const tl_report *r, const tl_method_result *m)
{
    int K = r->n_labels;
    tl_page_put(p, "<div class=\"wide\"><table class=\"heat\"><thead><tr><th>truth \\ answer</th>");
    for (int k = 0; k < K; k++) {
        tl_page_put(p, "<th>");
        tl_page_text(p, r->labels[k]);
        tl_page_put(p, "</th>");
    }
    tl_page_put(p, "</tr></thead><tbody>\n");
    for (int t = 0; t < K; t++) {
        const double *row = m->confusion + (size_t)t * (size_t)K;
        double sum = 0;
        for (int k = 0; k < K; k++) sum += isfinite(row[k]) ? row[k] : 0;
        tl_page_put(p, "<tr><th scope=\"row\">");
        tl_page_text(p, r->labels[t]);
        tl_page_put(p, "</th>");
        for (int k = 0; k < K; k++) {
            double share = sum > 0 && row[k] > 0 ? fmin(row[k] / sum, 1) : 0;
            char word[TL_WORD];
            tl_page_put(p, "<td%s style=\"background:rgba(var(--heat),%.2f)\">%s</td>",
                        share > 0.55 ? " class=\"on\"" : "", share, tl_word_count(word, row[k]));
        }
        tl_page_put(p, "</tr>\n");
    }
    table_end(p);
}

static void confusions(tl_page *p, const tl_report *r)
{
    int n = 0;
    for (int i = 0; i < r->n_methods; i++) n += r->methods[i].confusion != NULL;
    if (!n || r->n_labels < 1) return;
    tl_page_put(p, "<h2>Which label was taken for which</h2>\n");
    if (r->n_labels > CONFUSION_LABELS) {
        tl_page_put(p, "<p>%d labels are too many for a table here; report.json holds the matrices.</p>\n",
                    r->n_labels);
        return;
    }
    tl_page_put(p, "<p class=\"soft\">Test examples, mean over the seeds; rows are the truth, columns the answer. The "
                   "darker, the larger the share of its row.</p>\n<div class=\"grid\">\n");
    for (int i = 0; i < r->n_methods; i++) {
        if (!r->methods[i].confusion) continue;
        figure_begin(p, r->methods[i].name);
        heat_table(p, r, &r->methods[i]);
        tl_page_put(p, "</figure>\n");
    }
    tl_page_put(p, "</div>\n");
}

/* Whether this name has come in an earlier method, or earlier in the same: its row is there already. */
static bool named_before(const tl_report *r, bool raw, int method, int at)
{
    const tl_method_result *m = &r->methods[method];
    const char *name = raw ? m->metrics_raw[at].name : m->metrics[at].name;
    for (int i = 0; i <= method; i++) {
        const tl_method_result *o = &r->methods[i];
        const tl_named_interval *list = raw ? o->metrics_raw : o->metrics;
        int n = i == method ? at : raw ? o->n_metrics_raw : o->n_metrics;
        for (int k = 0; k < n; k++)
            if (strcmp(list[k].name, name) == 0) return true;
    }
    return false;
}

static void metric_rows(tl_page *p, const tl_report *r, bool raw)
{
    for (int i = 0; i < r->n_methods; i++) {
        const tl_method_result *m = &r->methods[i];
        for (int k = 0; k < (raw ? m->n_metrics_raw : m->n_metrics); k++) {
            const char *name = raw ? m->metrics_raw[k].name : m->metrics[k].name;
            if (named_before(r, raw, i, k)) continue;
            tl_page_put(p, "<tr><th scope=\"row\">");
            tl_page_text(p, name);
            tl_page_put(p, raw ? ", raw scores</th>" : "</th>");
            for (int o = 0; o < r->n_methods; o++) {
                tl_method_result all = r->methods[o];
                if (raw) {
                    all.metrics = all.metrics_raw;
                    all.n_metrics = all.n_metrics_raw;
                }
                metric_cell(p, tl_metric_find(&all, name), false);
            }
            tl_page_put(p, "</tr>\n");
        }
    }
}

static void method_heads(tl_page *p, const tl_report *r, const char *first)
{
    tl_page_put(p, "<thead><tr><th class=\"l\">%s</th>", first);
    for (int i = 0; i < r->n_methods; i++) {
        tl_page_put(p, "<th>");
        tl_page_text(p, r->methods[i].name);
        tl_page_put(p, "</th>");
    }
    tl_page_put(p, "</tr></thead><tbody>\n");
}

static void all_metrics(tl_page *p, const tl_report *r)
{
    char words[TL_WORD];
    tl_page_put(p, "<h2>All metrics</h2>\n");
    table_begin(p, "All metrics");
    method_heads(p, r, "metric");
    metric_rows(p, r, false);
    metric_rows(p, r, true);
    tl_page_put(p, "<tr><th scope=\"row\">change of general loss</th>");
    for (int i = 0; i < r->n_methods; i++)
        tl_page_put(p, "<td>%s</td>", tl_word_change(words, &r->methods[i].forgetting));
    tl_page_put(p, "</tr>\n");
    table_end(p);
}

static const char *setting_find(const tl_method_result *m, const char *name)
{
    for (int i = 0; i < m->n_settings; i++)
        if (strcmp(m->settings[i].name, name) == 0) return m->settings[i].value;
    return NULL;
}

static void settings(tl_page *p, const tl_report *r)
{
    char words[TL_WORD];
    tl_page_put(p, "<h2>Settings and seeds</h2>\n");
    table_begin(p, "Settings and seeds");
    method_heads(p, r, "setting");
    for (int i = 0; i < r->n_methods; i++) {
        for (int k = 0; k < r->methods[i].n_settings; k++) {
            const char *name = r->methods[i].settings[k].name;
            bool before = false;
            for (int o = 0; o < i; o++) before = before || setting_find(&r->methods[o], name);
            if (before) continue;
            tl_page_put(p, "<tr><th scope=\"row\">");
            tl_page_text(p, name);
            tl_page_put(p, "</th>");
            for (int o = 0; o < r->n_methods; o++) {
                tl_page_put(p, "<td>");
                tl_page_text(p, setting_find(&r->methods[o], name));
                tl_page_put(p, "</td>");
            }
            tl_page_put(p, "</tr>\n");
        }
    }
    tl_page_put(p, "<tr><th scope=\"row\">trained tokens</th>");
    for (int i = 0; i < r->n_methods; i++)
        tl_page_put(p, "<td>%s</td>", tl_word_count(words, r->methods[i].cost.trained_tokens));
    tl_page_put(p, "</tr>\n<tr><th scope=\"row\">seed: main metric</th>");
    for (int i = 0; i < r->n_methods; i++) {
        const tl_method_result *m = &r->methods[i];
        tl_page_put(p, m->n_seeds ? "<td>" : "<td>-");
        for (int s = 0; s < m->n_seeds; s++)
            tl_page_put(p, "%s%llu: %s", s ? "<br>" : "", (unsigned long long)m->seeds[s],
                        tl_word_value(words, m->seed_scores ? m->seed_scores[s] : NAN));
        tl_page_put(p, "</td>");
    }
    tl_page_put(p, "</tr>\n");
    table_end(p);
}

static void fact(tl_page *p, const char *name, const char *value)
{
    tl_page_put(p, "<dt>%s</dt><dd>", name);
    tl_page_text(p, value);
    tl_page_put(p, "</dd>\n");
}

static void hash(tl_page *p, const tl_hash *h)
{
    static const tl_hash none;
    char hex[65];
    if (memcmp(h, &none, sizeof none) == 0) return;
    tl_hash_hex(hex, h);
    tl_page_put(p, " sha256 <code>%s</code>", hex);
}

static void split(tl_page *p, const char *name, int n, const tl_hash *h)
{
    char words[TL_WORD] = "-";
    if (n >= 0) snprintf(words, sizeof words, "%d", n);
    tl_page_put(p, "<dt>%s examples</dt><dd>%s", name, words);
    hash(p, h);
    tl_page_put(p, "</dd>\n");
}

static void provenance(tl_page *p, const tl_report *r)
{
    char words[TL_WORD];
    tl_page_put(p, "<h2>What this is made of</h2>\n<dl>\n");
    fact(p, "task", r->task_name);
    fact(p, "kind", r->task_kind);
    fact(p, "data from", r->task_provenance);
    if (r->n_labels) {
        tl_page_put(p, "<dt>labels</dt><dd>");
        for (int i = 0; i < r->n_labels; i++) {
            if (i) tl_page_put(p, ", ");
            tl_page_text(p, r->labels[i]);
        }
        tl_page_put(p, "</dd>\n");
    }
    split(p, "train", r->n_train, &r->train_hash);
    split(p, "validation", r->n_validation, &r->validation_hash);
    split(p, "test", r->n_test, &r->test_hash);
    tl_page_put(p, "<dt>base</dt><dd>");
    tl_page_text(p, r->base_name);
    tl_page_put(p, " (");
    tl_page_text(p, r->base_type);
    tl_page_put(p, ", %s parameters, ", tl_word_count(words, r->base_parameters));
    tl_page_put(p, "%s)", tl_word_bytes(words, r->base_bytes));
    hash(p, &r->base_hash);
    tl_page_put(p, "</dd>\n<dt>general text</dt><dd>");
    tl_page_text(p, r->general_name);
    hash(p, &r->general_hash);
    tl_page_put(p, "</dd>\n<dt>command</dt><dd><code>");
    tl_page_text(p, r->command);
    tl_page_put(p, "</code></dd>\n");
    fact(p, "version", r->version);
    fact(p, "back end", r->backend);
    fact(p, "machine", r->machine);
    fact(p, "started", r->started);
    fact(p, "took", tl_word_seconds(words, r->seconds));
    tl_page_put(p, "</dl>\n");
}

void tl_report_html(tl_page *p, const tl_report *r)
{
    size_t n = r->n_methods > 0 ? (size_t)r->n_methods : 1;
    tl_plot_row *rows = calloc(n, sizeof *rows);
    tl_plot_point *points = calloc(n, sizeof *points);
    if (!rows || !points) {
        p->rc = tl_fail(p->err, TL_ENOMEM, "report.html: no memory for the figures of %zu methods", n);
    } else {
        tl_page_put(p, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>");
        tl_page_text(p, r->task_name);
        tl_page_put(p, " - tailor</title>\n<style>\n%s</style></head>\n<body>\n", style);
        headline(p, r);
        summary(p, r);
        comparisons(p, r);
        quality_and_cost(p, r, rows, points);
        curves(p, r);
        confusions(p, r);
        all_metrics(p, r);
        settings(p, r);
        provenance(p, r);
        tl_page_put(p, "</body></html>\n");
    }
    free(rows);
    free(points);
}
