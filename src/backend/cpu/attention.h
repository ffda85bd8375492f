/* attention.h - what attention's forward and backward have in common: how scores are made and masked. */
#ifndef TL_BACKEND_CPU_ATTENTION_H
#define TL_BACKEND_CPU_ATTENTION_H

#include "backend/cpu/attention_tile.h"

#include <math.h>

/* Scores in units of log2 e, so that e^z is a power of two.  With a cap c:  c tanh(z / c) = c (1 - 2/(e^(2z/c) + 1)).
 */
typedef struct tl_scores {
    float scale; /* of q . k; with a cap, 1: capped() has done it */
    float cap;   /* 0: none */
    float cap_in;
} tl_scores;

static inline tl_scores tl_scores_of(const tl_attention *a)
{
    const float log2e = 1.44269504089f;
    if (a->softcap <= 0) return (tl_scores){ .scale = a->scale * log2e };
    return (tl_scores){ .scale = 1, .cap = a->softcap * log2e, .cap_in = 2 * a->scale * log2e / a->softcap };
}

static inline vf capped(const tl_scores *how, vf s)
{
    vf e = vf_exp2(vf_min(vf_set(120), s * vf_set(how->cap_in)));
    return vf_set(how->cap) * (vf_set(1) - vf_set(2) / (e + vf_set(1)));
}

/* Lanes first .. last of x, the others filled. */
static inline vf vf_between(vf x, int first, int last, float fill)
{
#ifdef __AVX512F__
    const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __mmask16 in = _mm512_mask_cmple_epi32_mask(_mm512_cmple_epi32_mask(lane, vi_set(last)), vi_set(first), lane);
    return _mm512_mask_blend_ps(in, vf_set(fill), x);
#else
    const __m256i lane = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    const __m256i out =
        _mm256_or_si256(_mm256_cmpgt_epi32(lane, vi_set(last)), _mm256_cmpgt_epi32(vi_set(first), lane));
    return _mm256_blendv_ps(x, vf_set(fill), vf_of(out));
#endif
}

static inline size_t words_along(bool pairs, int n)
{
    return (size_t)(pairs ? (n + 1) / 2 : n);
}

/* Words from one packed row of h numbers to the next. */
static inline size_t tl_q_ld(const tl_attention *a)
{
    return (words_along(a->type == TL_DTYPE_BF16, a->h) + 15) / 16 * 16;
}

#endif
