/* model_quantize.c - in what a base's matrices are held: what is asked for, and panels made of stored rows.
 *
 * Panels are made side by side by all threads, each from 32 rows widened to f32 in its own scratch - or straight from
 * the rows, where they lie in blocks of the wanted type already. */
#include "model/model_quantize.h"

#include "base/block_formats.h"
#include "base/panels.h"

#include <assert.h>
#include <omp.h>

/* ---- what is asked for ---- */

tl_model_options tl_model_defaults(void)
{
    return (tl_model_options){ TL_DTYPE_COUNT, TL_DTYPE_COUNT };
}

static int parse_type(tl_dtype *out, const char *flag, const char *word, tl_err *err)
{
    static const struct {
        const char *word;
        tl_dtype type;
    } words[] = { { "q8_0", TL_DTYPE_Q8_0 },
                  { "q4_0", TL_DTYPE_Q4_0 },
                  { "q4_k", TL_DTYPE_Q4_K },
                  { "nf4", TL_DTYPE_NF4 },
                  { "none", TL_DTYPE_F32 } };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i].word, word) != 0) continue;
        *out = words[i].type;
        return 0;
    }
    return tl_fail(err, TL_EUSAGE, "%s '%s': q8_0, q4_0, q4_k, nf4 and none are known", flag, word);
}

int tl_model_options_parse(tl_model_options *out, const char *layers, const char *tables, tl_err *err)
{
    tl_model_options o = tl_model_defaults();
    if (layers) TL_TRY(parse_type(&o.layers, "--quantize", layers, err));
    if (tables) TL_TRY(parse_type(&o.tables, "--quantize-tables", tables, err));
    if (layers && !tables) o.tables = tl_panels_known(o.layers) ? TL_DTYPE_Q8_0 : o.layers;
    *out = o;
    return 0;
}

tl_dtype tl_quantized_type(tl_dtype stored, tl_dtype wanted, size_t I)
{
    if (wanted == TL_DTYPE_Q4_K && I % tl_dtype_block(wanted) != 0) wanted = TL_DTYPE_Q4_0;
    if (tl_panels_known(wanted)) return wanted;
    if (wanted == TL_DTYPE_COUNT && tl_panels_known(stored)) return stored;
    return stored == TL_DTYPE_BF16 ? stored : TL_DTYPE_F32;
}

/* ---- panels ---- */

size_t tl_quantize_scratch(size_t I)
{
    return TL_PANEL * I * (size_t)omp_get_max_threads();
}

static const char *row_at(const tl_rows *rows, size_t o, size_t I)
{
    const tl_stored *t = rows->stored;
    return (const char *)t->data + rows->row(rows->context, o) * tl_dtype_row_bytes(t->dtype, I);
}

/* n rows from o on, widened. */
static void widen(float *out, const tl_rows *rows, size_t o, size_t n, size_t I)
{
    const tl_stored *t = rows->stored;
    for (size_t r = 0; r < n; r++, out += I) {
        if (rows->turned) {
            const size_t size = tl_dtype_size(t->dtype), column = rows->row(rows->context, o + r);
            for (size_t i = 0; i < I; i++)
                tl_dtype_widen(out + i, (const char *)t->data + (i * t->dims[1] + column) * size, t->dtype, 1);
        } else if (tl_block_readable(t->dtype)) {
            tl_block_to_f32(t->dtype, out, row_at(rows, o + r, I), I);
        } else {
            tl_dtype_widen(out, row_at(rows, o + r, I), t->dtype, I);
        }
    }
}

int tl_quantize(tl_dtype t, void *panels, const tl_rows *rows, size_t O, size_t I, float *scratch, const char *where,
                tl_err *err)
{
    const bool same = rows->stored->dtype == t;
    const size_t bytes = tl_panel_bytes(t, I);
    unsigned too_large = 0;
    assert(!(same && rows->turned));
    /* as many threads as tl_quantize_scratch has made room for */
#pragma omp parallel for num_threads(omp_get_max_threads()) schedule(dynamic) reduction(+ : too_large)
    for (size_t p = 0; p < (O + TL_PANEL - 1) / TL_PANEL; p++) {
        const size_t o = p * TL_PANEL, n = O - o < TL_PANEL ? O - o : TL_PANEL;
        void *panel = (char *)panels + p * bytes;
        if (same) {
            const void *there[TL_PANEL];
            for (size_t r = 0; r < n; r++) there[r] = row_at(rows, o + r, I);
            tl_panel_from_blocks(t, panel, there, (int)n, I);
        } else {
            float *own = scratch + (size_t)omp_get_thread_num() * TL_PANEL * I;
            widen(own, rows, o, n, I);
            too_large += !tl_panel_from_f32(t, panel, own, (int)n, I);
        }
    }
    if (too_large == 0) return 0;
    return tl_fail(err, TL_ENUMERIC, "%s: tensor %s holds a number too large for the scales of %s", where,
                   rows->stored->name, tl_dtype_name(t));
}

/* ---- and back ---- */

void tl_weight_widen_row(const tl_weight *w, int row, float *out)
{
    const size_t I = (size_t)w->cols;
    assert(row >= 0 && row < w->rows);
    if (tl_panels_known(w->dtype))
        tl_panels_row(w->dtype, out, w->data, I, (size_t)row);
    else
        tl_dtype_widen(out, (const char *)w->data + (size_t)row * tl_dtype_row_bytes(w->dtype, I), w->dtype, I);
}

size_t tl_weight_bytes(const tl_weight *w)
{
    if (tl_panels_known(w->dtype)) return tl_panels_bytes(w->dtype, (size_t)w->rows, (size_t)w->cols);
    return (size_t)w->rows * tl_dtype_row_bytes(w->dtype, (size_t)w->cols);
}
