/* table.c - the report on a terminal: one row a method, and what the comparisons found below it.
 *
 *     method       accuracy              macro_f1              forgetting    ms per
 *                  [95 %] n=500          [95 %] n=500          (loss)        request
 *     -----------  --------------------  --------------------  ------------  -------
 *     zero-shot    0.412 [0.369, 0.455]  0.380 [0.338, 0.421]  2.31 -> 2.31     41.2
 *
 * Columns stand in one table with their rank; where the terminal is too narrow, the least important go first, and the
 * last line says which and where they are.  The method and its main metric always stay.  Task, labels and names come
 * from files, so nothing in them may move the cursor: control characters are replaced. */
#include "report/report.h"

#include "report/report_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

#include "text/unicode.h"

enum {
    NAME_COLUMNS = 24, /* a longer name is cut, so that one name cannot push the numbers off the screen */
    CELL = 4 * NAME_COLUMNS + TL_WORD,
    GAP = 2
};

static int char_columns(int c)
{
    int n = utf8proc_charwidth(c);
    return n > 0 ? n : 0;
}

static int columns_of(const char *s)
{
    int columns = 0;
    for (size_t size = strlen(s), n; size; s += n, size -= n) columns += char_columns(tl_unicode_first(s, size, &n));
    return columns;
}

/* s cleaned and cut to so many columns; the last one shows a cut. */
static void fit(char out[CELL], const char *s, int columns)
{
    tl_buf clean = tl_buf_make(1 << 20);
    size_t used = 0;
    if (tl_text_clean(&clean, s, false, NULL) < 0 || !clean.data) {
        tl_buf_reset(&clean);
        strcpy(out, "?");
        return;
    }
    bool cut = columns_of(clean.data) > columns;
    int left = columns - cut;
    for (size_t n; used < clean.size; used += n) {
        left -= char_columns(tl_unicode_first(clean.data + used, clean.size - used, &n));
        if (left < 0 || used + n + 2 > CELL) break;
        memcpy(out + used, clean.data + used, n);
    }
    strcpy(out + used, cut ? "~" : "");
    tl_buf_reset(&clean);
}

/* The name of the first or second metric of the report; NULL where there is none. */
static const char *metric_name(const tl_report *r, int which)
{
    for (int i = 0; i < r->n_methods; i++)
        if (r->methods[i].n_metrics > which) return r->methods[i].metrics[which].name;
    return NULL;
}

/* The n that all methods share for this metric, 0 where they do not. */
static int shared_n(const tl_report *r, const char *name)
{
    int n = -1;
    for (int i = 0; i < r->n_methods; i++) {
        const tl_interval *x = tl_metric_find(&r->methods[i], name);
        if (!x || !isfinite(x->value)) continue;
        if (n >= 0 && x->n != n) return 0;
        n = x->n;
    }
    return n > 0 ? n : 0;
}

static void metric_cell(char out[CELL], const tl_report *r, const tl_method_result *m, int which)
{
    const char *name = metric_name(r, which);
    const tl_interval *x = tl_metric_find(m, name);
    tl_word_interval(out, x);
    if (x && isfinite(x->value) && !shared_n(r, name)) {
        size_t used = strlen(out);
        snprintf(out + used, CELL - used, " n=%d", x->n);
    }
}

static void cell_name(char out[CELL], const tl_report *r, const tl_method_result *m)
{
    (void)r;
    fit(out, m->name, NAME_COLUMNS);
}

static void cell_main(char out[CELL], const tl_report *r, const tl_method_result *m)
{
    metric_cell(out, r, m, 0);
}

static void cell_second(char out[CELL], const tl_report *r, const tl_method_result *m)
{
    metric_cell(out, r, m, 1);
}

static void cell_forgetting(char out[CELL], const tl_report *r, const tl_method_result *m)
{
    (void)r;
    if (isfinite(m->loss_before) && isfinite(m->loss_after))
        snprintf(out, CELL, "%.2f -> %.2f", fmin(m->loss_before, 1e6), fmin(m->loss_after, 1e6));
    else
        strcpy(out, "-");
}

/* The costs differ in nothing but the number and its wording. */
#define COST_CELL(field, word)                                                                                         \
    static void cell_##field(char out[CELL], const tl_report *r, const tl_method_result *m)                            \
    {                                                                                                                  \
        (void)r;                                                                                                       \
        word(out, m->cost.field);                                                                                      \
    }
COST_CELL(trainable_parameters, tl_word_count)
COST_CELL(train_seconds, tl_word_seconds)
COST_CELL(train_flops, tl_word_count)
COST_CELL(peak_bytes, tl_word_bytes)
COST_CELL(stored_bytes, tl_word_bytes)
COST_CELL(prompt_tokens, tl_word_count)
COST_CELL(ms_per_request, tl_word_short)

/* rank: 0 always stays, the highest goes first.  metric: whose name is the head, or -1. */
static const struct column {
    const char *head, *head2, *name;
    void (*cell)(char out[CELL], const tl_report *r, const tl_method_result *m);
    int rank, metric;
    bool left;
} columns[] = {
    { "method", "", "method", cell_name, 0, -1, true },
    { "", "", "main metric", cell_main, 0, 0, true },
    { "", "", "second metric", cell_second, 3, 1, true },
    { "forgetting", "(loss)", "forgetting", cell_forgetting, 1, -1, true },
    { "trained", "params", "trainable parameters", cell_trainable_parameters, 6, -1, false },
    { "train", "time", "train time", cell_train_seconds, 5, -1, false },
    { "train", "FLOPs", "train FLOPs", cell_train_flops, 9, -1, false },
    { "peak", "memory", "peak memory", cell_peak_bytes, 7, -1, false },
    { "stored", "a task", "stored bytes per task", cell_stored_bytes, 4, -1, false },
    { "prompt", "tokens", "prompt tokens", cell_prompt_tokens, 8, -1, false },
    { "ms per", "request", "ms per request", cell_ms_per_request, 2, -1, false },
};

enum {
    N_COLUMNS = sizeof columns / sizeof *columns
};

typedef struct layout {
    char head[N_COLUMNS][CELL], head2[N_COLUMNS][CELL];
    int width[N_COLUMNS];
    bool shown[N_COLUMNS];
} layout;

static int total(const layout *l)
{
    int sum = -GAP;
    for (int c = 0; c < N_COLUMNS; c++)
        if (l->shown[c]) sum += l->width[c] + GAP;
    return sum;
}

static void lay_out(layout *l, const tl_report *r, int width)
{
    char cell[CELL];
    for (int c = 0; c < N_COLUMNS; c++) {
        const struct column *column = &columns[c];
        const char *metric = column->metric < 0 ? NULL : metric_name(r, column->metric);
        l->shown[c] = column->metric < 1 || metric;
        fit(l->head[c], metric ? metric : column->head, NAME_COLUMNS);
        strcpy(l->head2[c], column->head2);
        if (metric && shared_n(r, metric))
            snprintf(l->head2[c], CELL, "[95 %%] n=%d", shared_n(r, metric));
        else if (metric)
            strcpy(l->head2[c], "[95 %]");
        l->width[c] = columns_of(l->head[c]);
        if (columns_of(l->head2[c]) > l->width[c]) l->width[c] = columns_of(l->head2[c]);
        for (int i = 0; i < r->n_methods; i++) {
            column->cell(cell, r, &r->methods[i]);
            if (columns_of(cell) > l->width[c]) l->width[c] = columns_of(cell);
        }
    }
    while (total(l) > width) {
        int last = -1;
        for (int c = 0; c < N_COLUMNS; c++)
            if (l->shown[c] && columns[c].rank > 0 && (last < 0 || columns[c].rank > columns[last].rank)) last = c;
        if (last < 0) break;
        l->shown[last] = false;
    }
}

/* Blanks before or after, none at the end of a line. */
static void put_cell(FILE *out, const char *s, int width, bool left, bool last)
{
    int pad = width - columns_of(s);
    fprintf(out, "%*s%s%*s", left ? 0 : pad, "", s, (left && !last ? pad : 0) + (last ? 0 : GAP), "");
}

static int last_shown(const layout *l)
{
    int last = 0;
    for (int c = 0; c < N_COLUMNS; c++)
        if (l->shown[c]) last = c;
    return last;
}

static void put_heads(const layout *l, FILE *out, char heads[N_COLUMNS][CELL])
{
    for (int c = 0; c < N_COLUMNS; c++)
        if (l->shown[c]) put_cell(out, heads[c], l->width[c], columns[c].left, c == last_shown(l));
    fputc('\n', out);
}

/* s in lines of at most width columns, broken at blanks; lines after the first begin with indent blanks. */
static void put_wrapped(FILE *out, const char *s, int width, int indent)
{
    int at = 0;
    bool begun = false; /* this line has a word */
    while (*s) {
        size_t n = strcspn(s, " ");
        char *word = strndup(s, n);
        int columns_wanted = word ? columns_of(word) : 0;
        if (begun && at + 1 + columns_wanted > width) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
        } else if (begun) {
            fputc(' ', out);
            at++;
        }
        if (word) fputs(word, out);
        begun = true;
        at += columns_wanted;
        free(word);
        s += n + (s[n] == ' ');
    }
    fputc('\n', out);
}

static int put_comparisons(const tl_report *r, FILE *out, int width)
{
    const char *metric = tl_report_main_metric(r);
    tl_buf words = tl_buf_make(1 << 20), clean = tl_buf_make(1 << 20);
    int rc =
        tl_buf_printf(&words, NULL, "Differences of %s on the same test items:", metric ? metric : "the main metric");
    if (rc == 0) rc = tl_text_clean(&clean, words.data, false, NULL);
    if (rc == 0) fputc('\n', out);
    if (rc == 0) put_wrapped(out, clean.data, width, 0);
    for (int i = 0; i < r->n_comparisons && rc == 0; i++) {
        tl_buf_clear(&words);
        tl_buf_clear(&clean);
        rc = tl_buf_puts(&words, "- ", NULL);
        if (rc == 0) rc = tl_comparison_words(&words, &r->comparisons[i], NULL);
        if (rc == 0) rc = tl_text_clean(&clean, words.data, false, NULL);
        if (rc == 0) put_wrapped(out, clean.data, width, 2);
    }
    tl_buf_reset(&words);
    tl_buf_reset(&clean);
    if (rc == 0 && r->n_comparisons > 1) {
        char note[120];
        snprintf(note, sizeof note, "The p-values are those of %d separate tests, not corrected for their number.",
                 r->n_comparisons);
        put_wrapped(out, note, width, 0);
    }
    return rc;
}

static void put_dropped(const layout *l, const tl_report *r, FILE *out, int width)
{
    char line[600] = "";
    for (int c = 0; c < N_COLUMNS; c++) {
        bool absent = columns[c].metric == 1 && !metric_name(r, 1);
        if (l->shown[c] || absent) continue;
        size_t used = strlen(line);
        snprintf(line + used, sizeof line - used, "%s%s", used ? ", " : "Left out at this width: ", columns[c].name);
    }
    if (!*line) return;
    size_t used = strlen(line);
    snprintf(line + used, sizeof line - used, ". All of it is in report.html and report.json.");
    fputc('\n', out);
    put_wrapped(out, line, width, 0);
}

static int put_title(const tl_report *r, FILE *out, int width)
{
    tl_buf title = tl_buf_make(1 << 20);
    int rc = tl_text_clean(&title, r->task_name, false, NULL);
    if (rc == 0) rc = tl_buf_puts(&title, " (", NULL);
    if (rc == 0) rc = tl_text_clean(&title, r->task_kind, false, NULL);
    if (rc == 0) rc = tl_buf_puts(&title, ") on the base ", NULL);
    if (rc == 0) rc = tl_text_clean(&title, r->base_name, false, NULL);
    if (rc == 0) put_wrapped(out, title.data, width, 0);
    tl_buf_reset(&title);
    return rc;
}

int tl_report_table(const tl_report *r, FILE *out, int width)
{
    layout l;
    char cell[CELL];
    int file = fileno(out);
    bool bold = file >= 0 && isatty(file) && !getenv("NO_COLOR");
    if (width < 1) width = 80;
    lay_out(&l, r, width);
    TL_TRY(put_title(r, out, width));
    fputs(bold ? "\n\033[1m" : "\n", out);
    put_heads(&l, out, l.head);
    put_heads(&l, out, l.head2);
    if (bold) fputs("\033[0m", out);
    for (int c = 0; c < N_COLUMNS; c++) {
        for (int i = 0; l.shown[c] && i < l.width[c]; i++) fputc('-', out);
        if (c < last_shown(&l) && l.shown[c]) fprintf(out, "%*s", GAP, "");
    }
    fputc('\n', out);
    for (int i = 0; i < r->n_methods; i++) {
        for (int c = 0; c < N_COLUMNS; c++) {
            if (!l.shown[c]) continue;
            columns[c].cell(cell, r, &r->methods[i]);
            put_cell(out, cell, l.width[c], columns[c].left, c == last_shown(&l));
        }
        fputc('\n', out);
    }
    if (r->n_comparisons) TL_TRY(put_comparisons(r, out, width));
    put_dropped(&l, r, out, width);
    return fflush(out) || ferror(out) ? TL_EIO : 0;
}
