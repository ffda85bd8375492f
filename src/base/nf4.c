/* nf4.c - 4-bit codes at the quantiles of a normal distribution, and scales that are quantized too.
 *
 * Dettmers, Pagnoni, Holtzman, Zettlemoyer 2023 (arXiv 2305.14314), section 3: the levels are theirs, 64 numbers share
 * the largest magnitude among them as a scale, and 256 scales are kept as their mean and floats of eight bits (E4M3)
 * that tell the difference.  What is ours: the 256 are those of a group of a panel, and codes are chosen for the scale
 * that will be read back, so that the rounding of scales costs less.
 *
 * An E4M3 is the upper half of an f16 but for the exponent's offset: sign, 4 bits of exponent, 3 of fraction, which
 * moved up by seven bits are an f16 of 1/256 of its value, subnormals too. */
#include "base/nf4.h"

#include "base/panels.h"

#include <math.h>

typedef unsigned char byte;

const float tl_nf4_levels[16] = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};
const signed char tl_nf4_whole[16] = { -127, -88, -67, -50, -36, -23, -12, 0, 10, 20, 31, 43, 56, 71, 92, 127 };

enum {
    BLOCK = 64,
    GROUP = 8 /* blocks */
};

static tl_f16 half_of(byte c)
{
    return (tl_f16)((c & 0x80) << 8 | (c & 0x7f) << 7);
}

/* The E4M3 nearest to 256 x, ties to even; |256 x| <= 448. */
static byte e4m3_of(float x)
{
    const tl_f16 h = tl_f32_to_f16(x), rest = h & 0x7fff;
    return (byte)(h >> 15 << 7 | (rest + 0x3f + (rest >> 7 & 1)) >> 7);
}

float tl_nf4_scale(const void *group, size_t i, int r)
{
    float mean_step[2];
    memcpy(mean_step, group, sizeof mean_step);
    return mean_step[0] + mean_step[1] * tl_f16_to_f32(half_of(((const byte *)group)[64 + i * TL_PANEL + (size_t)r]));
}

/* The level nearest to x: how many of the midpoints between levels lie below it. */
static byte code_of(float x)
{
    int code = 0;
    for (int i = 0; i < 15; i++) code += x > (tl_nf4_levels[i] + tl_nf4_levels[i + 1]) * 0.5f;
    return (byte)code;
}

/* The scales of a group's blocks, found in its rows from number `at` on, into its header. */
static void put_scales(byte *group, const float *x, int n, size_t I, size_t at)
{
    float most[GROUP][TL_PANEL] = { { 0 } }, mean = 0, widest = 0;
    const size_t left = (I - at + BLOCK - 1) / BLOCK, blocks = left < GROUP ? left : GROUP;
    for (int r = 0; r < n; r++)
        for (size_t i = at; i < I && i < at + GROUP * BLOCK; i++)
            most[(i - at) / BLOCK][r] = fmaxf(most[(i - at) / BLOCK][r], fabsf(x[(size_t)r * I + i]));
    for (size_t i = 0; i < blocks; i++)
        for (int r = 0; r < n; r++) mean += most[i][r] / (float)(blocks * (size_t)n);
    for (size_t i = 0; i < blocks; i++)
        for (int r = 0; r < n; r++) widest = fmaxf(widest, fabsf(most[i][r] - mean));
    const float step = widest / 1.75f, inverse = step > 0 && isfinite(1 / step) ? 1 / step : 0; /* 256 * 1.75 = 448 */
    memcpy(group, &mean, sizeof mean);
    memcpy(group + 4, &step, sizeof step);
    for (size_t i = 0; i < blocks; i++)
        for (int r = 0; r < n; r++) group[64 + i * TL_PANEL + (size_t)r] = e4m3_of((most[i][r] - mean) * inverse);
}

void tl_nf4_panel(void *panel, const float *x, int n, size_t I)
{
    for (size_t at = 0; at < I; at += GROUP * BLOCK) {
        byte *group = (byte *)panel + tl_panel_group_at(TL_DTYPE_NF4, at / TL_PANEL_BLOCK);
        put_scales(group, x, n, I, at);
        for (int r = 0; r < n; r++)
            for (size_t i = at; i < I && i < at + GROUP * BLOCK; i++) {
                const float scale = tl_nf4_scale(group, (i - at) / BLOCK, r);
                const byte code = scale > 0 ? code_of(x[(size_t)r * I + i] / scale) : 7;
                const size_t in = i % TL_PANEL_BLOCK;
                byte *block = (byte *)panel + tl_panel_block_at(TL_DTYPE_NF4, i / TL_PANEL_BLOCK);
                byte *b = block + in / 4 % 4 * 128 + (size_t)r * 4 + in % 4;
                *b = (byte)(in < 16 ? (*b & 0xf0) | code : (*b & 0x0f) | code << 4);
            }
    }
}
