/* verdict.c - judging and printing. */
#include "bench/verdict.h"

#include <stdio.h>
#include <string.h>

static tl_bench_met judge(const tl_bench_verdict *v, tl_bench_aim aim, double target)
{
    switch (aim) {
    case TL_AIM_CEILING:
        return v->ceiling.median > 0 ? v->ceiling.median >= target : TL_MET_UNKNOWN;
    case TL_AIM_PEER:
        return v->peer.median > 0 ? v->peer.median >= target : TL_MET_UNKNOWN;
    case TL_AIM_LEAST:
        return v->value.median >= target;
    case TL_AIM_MOST:
        return v->value.median <= target;
    default:
        return TL_MET_UNKNOWN;
    }
}

tl_bench_met tl_bench_judge(const tl_bench_verdict *v)
{
    tl_bench_met a = judge(v, v->row->aim, v->row->target), b = judge(v, v->row->aim2, v->row->target2);
    if (v->row->aim == TL_AIM_NONE) return TL_MET_UNKNOWN;
    if (a == TL_MET_NO || b == TL_MET_NO) return TL_MET_NO;
    return a == TL_MET_UNKNOWN || (v->row->aim2 != TL_AIM_NONE && b == TL_MET_UNKNOWN) ? TL_MET_UNKNOWN : TL_MET_YES;
}

static const char *const words[] = { "", "ceiling >=", "peer >=", ">=", "<=" };

const char *tl_bench_target(char *out, size_t size, const tl_bench_row *row)
{
    out[0] = 0;
    if (row->aim == TL_AIM_NONE) return out;
    int n = snprintf(out, size, "%s %.4g", words[row->aim], row->target);
    if (row->aim2 != TL_AIM_NONE) snprintf(out + n, size - (size_t)n, ", %s %.4g", words[row->aim2], row->target2);
    return out;
}

static const char *const met_words[] = { "no", "yes", "" };

void tl_bench_print_head(void)
{
    printf("%-25s %22s %-14s %8s %8s %7s  %-28s %s\n", "row", "value [range]", "unit", "ceiling", "peer", "peak GB",
           "target", "met");
}

void tl_bench_print(const tl_bench_verdict *v)
{
    char value[64], ceiling[16] = "", peer[16] = "", target[64];
    snprintf(value, sizeof value, "%.4g [%.4g-%.4g]", v->value.median, v->value.low, v->value.high);
    if (v->ceiling.median > 0) snprintf(ceiling, sizeof ceiling, "%.0f %%", 100 * v->ceiling.median);
    if (v->peer.median > 0) snprintf(peer, sizeof peer, "%.2f x", v->peer.median);
    printf("%-25s %22s %-14s %8s %8s %7.2f  %-28s %s\n", v->row->name, value, v->row->unit, ceiling, peer, v->peak_gb,
           tl_bench_target(target, sizeof target, v->row), met_words[tl_bench_judge(v)]);
    fflush(stdout);
}

static json_t *number_or_null(double x)
{
    return x > 0 ? json_real(x) : json_null();
}

json_t *tl_bench_json(const tl_bench_verdict *v)
{
    char target[64];
    tl_bench_met met = tl_bench_judge(v);
    tl_bench_target(target, sizeof target, v->row);
    return json_pack("{s:s, s:f, s:f, s:f, s:s, s:o, s:s?, s:o, s:o, s:f, s:s, s:o}", "name", v->row->name, "value",
                     v->value.median, "low", v->value.low, "high", v->value.high, "unit", v->row->unit, "ceiling_ratio",
                     number_or_null(v->ceiling.median), "peer", v->row->peer, "peer_value",
                     number_or_null(v->peer_value), "peer_ratio", number_or_null(v->peer.median), "peak_gb", v->peak_gb,
                     "target", target, "met", met == TL_MET_UNKNOWN ? json_null() : json_boolean(met == TL_MET_YES));
}
