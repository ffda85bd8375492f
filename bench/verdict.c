/* verdict.c - judging and printing. */
#include "bench/verdict.h"

#include <stdio.h>
#include <string.h>

/* How far the figure is past the target, as a share of it; false: it is not known. */
static bool margin(double *out, const tl_bench_verdict *v, tl_bench_aim aim, double target)
{
    double x = 0;
    if (aim == TL_AIM_NONE) return false;
    if (aim == TL_AIM_CEILING) x = v->ceiling.median;
    if (aim == TL_AIM_PEER) x = v->peer_ratio.median;
    if (aim == TL_AIM_LEAST || aim == TL_AIM_MOST) x = v->value.median;
    *out = aim == TL_AIM_MOST ? 1 - x / target : x / target - 1;
    return x > 0;
}

tl_bench_met tl_bench_judge(const tl_bench_verdict *v)
{
    int targets = 0, known = 0;
    for (int i = 0; i < TL_BENCH_TARGETS; i++) {
        double past;
        if (v->row->target[i].aim != TL_AIM_NONE) targets++;
        if (!margin(&past, v, v->row->target[i].aim, v->row->target[i].than)) continue;
        if (past < 0) return TL_MET_NO;
        known++;
    }
    return targets > 0 && known == targets ? TL_MET_YES : TL_MET_UNKNOWN;
}

double tl_bench_short(const tl_bench_verdict *v)
{
    double most = 0, past;
    for (int i = 0; i < TL_BENCH_TARGETS; i++)
        if (margin(&past, v, v->row->target[i].aim, v->row->target[i].than) && -past > most) most = -past;
    return most;
}

const char *tl_bench_target(char *out, size_t size, const tl_bench_row *row)
{
    static const char *const words[] = { "", "ceiling >=", "peer >=", ">=", "<=" };
    size_t n = 0;
    out[0] = 0;
    for (int i = 0; i < TL_BENCH_TARGETS && n < size; i++)
        if (row->target[i].aim != TL_AIM_NONE)
            n += (size_t)snprintf(out + n, size - n, "%s%s %.4g", n ? ", " : "", words[row->target[i].aim],
                                  row->target[i].than);
    return out;
}

#define COLUMNS "%-26s %23s %-13s %16s  %-28s %6s  %-26s %s\n"

void tl_bench_print_head(void)
{
    printf(COLUMNS, "row", "value [range]", "unit", "of ceiling", "times peer", "GB", "target", "met");
    fflush(stdout);
}

void tl_bench_print(const tl_bench_verdict *v)
{
    char value[64], ceiling[48] = "", peer[96] = "", peak[16], target[64], met[32] = "";
    snprintf(value, sizeof value, "%.4g [%.4g-%.4g]", v->value.median, v->value.low, v->value.high);
    if (v->ceiling.median > 0)
        snprintf(ceiling, sizeof ceiling, "%.0f %% [%.0f-%.0f]", 100 * v->ceiling.median, 100 * v->ceiling.low,
                 100 * v->ceiling.high);
    if (v->peer)
        snprintf(peer, sizeof peer, "%.2f [%.2f-%.2f] %s", v->peer_ratio.median, v->peer_ratio.low, v->peer_ratio.high,
                 v->peer);
    snprintf(peak, sizeof peak, "%.2f", v->peak_gb);
    if (tl_bench_judge(v) == TL_MET_YES) snprintf(met, sizeof met, "yes");
    if (tl_bench_judge(v) == TL_MET_NO) snprintf(met, sizeof met, "no, by %.0f %%", 100 * tl_bench_short(v));
    printf(COLUMNS, v->row->name, value, v->row->unit, ceiling, peer, peak,
           tl_bench_target(target, sizeof target, v->row), met);
    fflush(stdout);
}

static json_t *number_or_null(double x)
{
    return x > 0 ? json_real(x) : json_null();
}

static json_t *parts_json(const tl_bench_verdict *v)
{
    json_t *parts = json_array();
    for (int i = 0; i < v->parts; i++) {
        const tl_bench_part *p = &v->part[i];
        json_array_append_new(parts, json_pack("{s:s, s:f, s:f, s:f, s:f}", "name", p->name, "value", p->value.median,
                                               "ceiling_ratio", p->ceiling.median, "ceiling_low", p->ceiling.low,
                                               "ceiling_high", p->ceiling.high));
    }
    return parts;
}

json_t *tl_bench_json(const tl_bench_verdict *v)
{
    char target[64];
    const tl_bench_met met = tl_bench_judge(v);
    json_t *o = json_pack("{s:s, s:f, s:f, s:f, s:s}", "name", v->row->name, "value", v->value.median, "low",
                          v->value.low, "high", v->value.high, "unit", v->row->unit);
    const struct {
        const char *key;
        json_t *value;
    } rest[] = {
        { "ceiling_ratio", number_or_null(v->ceiling.median) },
        { "ceiling_low", number_or_null(v->ceiling.low) },
        { "ceiling_high", number_or_null(v->ceiling.high) },
        { "peer", v->peer ? json_string(v->peer) : json_null() },
        { "peer_value", number_or_null(v->peer_value) },
        { "peer_peak_gb", number_or_null(v->peer_peak_gb) },
        { "peer_ratio", number_or_null(v->peer_ratio.median) },
        { "peer_low", number_or_null(v->peer_ratio.low) },
        { "peer_high", number_or_null(v->peer_ratio.high) },
        { "peak_gb", json_real(v->peak_gb) },
        { "target", json_string(tl_bench_target(target, sizeof target, v->row)) },
        { "met", met == TL_MET_UNKNOWN ? json_null() : json_boolean(met == TL_MET_YES) },
        { "short_by", met == TL_MET_NO ? json_real(tl_bench_short(v)) : json_null() },
        { "parts", v->parts > 1 ? parts_json(v) : NULL },
    };
    int failed = o ? 0 : 1;
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        if (rest[i].value || strcmp(rest[i].key, "parts") != 0)
            failed |= json_object_set_new(o, rest[i].key, rest[i].value);
    if (!failed) return o;
    json_decref(o);
    return NULL;
}
