/* block_formats.c - one function a format and direction, and the table of them.
 *
 * Blocks are packed bytes without alignment, so they are read byte by byte at fixed offsets; the layouts stand in the
 * header.  These loops are the definition that kernels on blocks are held against, and what a loader runs once: they
 * are written to be read. */
#include "base/block_formats.h"

#include <assert.h>
#include <math.h>

typedef unsigned char byte;

static float f16_at(const byte *b)
{
    return tl_f16_to_f32((tl_f16)(b[0] | b[1] << 8));
}

static void put_f16(byte *b, float x)
{
    tl_f16 h = tl_f32_to_f16(x);
    b[0] = (byte)h;
    b[1] = (byte)(h >> 8);
}

/* ---- to f32 ---- */

static void from_q8_0(float *y, const byte *b)
{
    float d = f16_at(b);
    for (int i = 0; i < 32; i++) y[i] = (float)(int8_t)b[2 + i] * d;
}

static void from_q4_0(float *y, const byte *b)
{
    float d = f16_at(b);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)((b[2 + i] & 15) - 8);
        y[i + 16] = d * (float)((b[2 + i] >> 4) - 8);
    }
}

static void from_q4_1(float *y, const byte *b)
{
    float d = f16_at(b), m = f16_at(b + 2);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)(b[4 + i] & 15) + m;
        y[i + 16] = d * (float)(b[4 + i] >> 4) + m;
    }
}

/* Number i of a block of 32 with five bits: nibbles, and bit i of four bytes. */
static int five_bits(const byte *high, const byte *nibbles, int i)
{
    int low = i < 16 ? nibbles[i] & 15 : nibbles[i - 16] >> 4;
    return low | (high[i / 8] >> i % 8 & 1) << 4;
}

static void from_q5_0(float *y, const byte *b)
{
    float d = f16_at(b);
    for (int i = 0; i < 32; i++) y[i] = d * (float)(five_bits(b + 2, b + 6, i) - 16);
}

static void from_q5_1(float *y, const byte *b)
{
    float d = f16_at(b), m = f16_at(b + 2);
    for (int i = 0; i < 32; i++) y[i] = d * (float)five_bits(b + 4, b + 8, i) + m;
}

/* The two low bits of number v: 128 numbers share 32 bytes, 32 of them at each shift. */
static int two_bits(const byte *q, int v)
{
    return q[v / 128 * 32 + v % 32] >> v % 128 / 32 * 2 & 3;
}

static void from_q2_k(float *y, const byte *b)
{
    float d = f16_at(b + 80), m = f16_at(b + 82);
    for (int v = 0; v < 256; v++) {
        float scale = d * (float)(b[v / 16] & 15), min = m * (float)(b[v / 16] >> 4);
        y[v] = scale * (float)two_bits(b + 16, v) - min;
    }
}

static void from_q3_k(float *y, const byte *b)
{
    const byte *packed = b + 96;
    float d = f16_at(b + 108);
    for (int v = 0; v < 256; v++) {
        int k = v / 16; /* low four bits of 16 scales in eight bytes, upper two in four */
        int low = k < 8 ? packed[k] & 15 : packed[k - 8] >> 4, high = packed[8 + k % 4] >> k / 4 * 2 & 3;
        float scale = d * (float)((low | high << 4) - 32);
        int third = b[v % 32] >> v / 32 & 1; /* set where there is nothing to subtract */
        y[v] = scale * (float)(two_bits(b + 32, v) - (third ? 0 : 4));
    }
}

/* The eight scales and eight mins, six bits each: of the first four whole bytes' lower six; of the last four the lower
 * four bits share a byte, the upper two ride on the first four. */
static void six_bits(int scale[8], int min[8], const byte *packed)
{
    for (int j = 0; j < 4; j++) {
        scale[j] = packed[j] & 63;
        min[j] = packed[4 + j] & 63;
        scale[4 + j] = (packed[8 + j] & 15) | (packed[j] >> 6) << 4;
        min[4 + j] = packed[8 + j] >> 4 | (packed[4 + j] >> 6) << 4;
    }
}

void tl_q4_k_scales(const void *block, byte s[8], byte t[8])
{
    int scale[8], min[8];
    six_bits(scale, min, (const byte *)block + 4);
    for (int j = 0; j < 8; j++) {
        s[j] = (byte)scale[j];
        t[j] = (byte)min[j];
    }
}

static void pack_six_bits(byte *packed, const int scale[8], const int min[8])
{
    for (int j = 0; j < 4; j++) {
        packed[j] = (byte)(scale[j] | (scale[4 + j] >> 4) << 6);
        packed[4 + j] = (byte)(min[j] | (min[4 + j] >> 4) << 6);
        packed[8 + j] = (byte)((scale[4 + j] & 15) | (min[4 + j] & 15) << 4);
    }
}

static void from_q4_k(float *y, const byte *b)
{
    float d = f16_at(b), m = f16_at(b + 2);
    int scale[8], min[8];
    six_bits(scale, min, b + 4);
    for (int v = 0; v < 256; v++) {
        int j = v / 32;
        float ds = d * (float)scale[j], mt = m * (float)min[j];
        int q = b[16 + v / 64 * 32 + v % 32] >> v % 64 / 32 * 4 & 15;
        y[v] = ds * (float)q - mt;
    }
}

static void from_q5_k(float *y, const byte *b)
{
    float d = f16_at(b), m = f16_at(b + 2);
    int scale[8], min[8];
    six_bits(scale, min, b + 4);
    for (int v = 0; v < 256; v++) {
        int j = v / 32;
        float ds = d * (float)scale[j], mt = m * (float)min[j];
        int low = b[48 + v / 64 * 32 + v % 32] >> v % 64 / 32 * 4 & 15, high = b[16 + v % 32] >> v / 32 & 1;
        y[v] = ds * (float)(low | high << 4) - mt;
    }
}

static void from_q6_k(float *y, const byte *b)
{
    float d = f16_at(b + 208);
    for (int v = 0; v < 256; v++) {
        float scale = d * (float)(int8_t)b[192 + v / 16];
        int low = b[v / 128 * 64 + v % 64] >> v % 128 / 64 * 4 & 15;
        y[v] = scale * (float)((low | two_bits(b + 128, v) << 4) - 32);
    }
}

/* ---- from f32 ---- */

/* 1 / d, or 0 where that is no number: then the f16 of d is 0 too, and any code stands for 0. */
static float inverse(float d)
{
    float i = d == 0 ? 0 : 1 / d;
    return isfinite(i) ? i : 0;
}

static void to_q8_0(byte *b, const float *x)
{
    float most = 0;
    for (int i = 0; i < 32; i++) most = fmaxf(most, fabsf(x[i]));
    float d = most / 127, id = inverse(d);
    put_f16(b, d);
    for (int i = 0; i < 32; i++) b[2 + i] = (byte)(int8_t)roundf(x[i] * id);
}

/* The largest number, with its sign, becomes code -8: one more step than on the other side. */
static void to_q4_0(byte *b, const float *x)
{
    float most = x[0];
    for (int i = 1; i < 32; i++)
        if (fabsf(x[i]) > fabsf(most)) most = x[i];
    float d = most / -8, id = inverse(d);
    put_f16(b, d);
    for (int i = 0; i < 16; i++) {
        int low = (int)(x[i] * id + 8.5f), high = (int)(x[i + 16] * id + 8.5f);
        b[2 + i] = (byte)((low > 15 ? 15 : low) | (high > 15 ? 15 : high) << 4);
    }
}

/* As Q4_0, with 32 codes: the fifth bits stand apart. */
static void to_q5_0(byte *b, const float *x)
{
    float most = x[0];
    for (int i = 1; i < 32; i++)
        if (fabsf(x[i]) > fabsf(most)) most = x[i];
    float d = most / -16, id = inverse(d);
    put_f16(b, d);
    memset(b + 2, 0, 20);
    for (int i = 0; i < 32; i++) {
        int q = (int)(x[i] * id + 16.5f);
        if (q > 31) q = 31;
        b[2 + i / 8] |= (byte)((q >> 4) << i % 8);
        b[6 + i % 16] |= (byte)((q & 15) << i / 16 * 4);
    }
}

/* What 32 numbers become with code q for x: the nearest of 0 .. 15 to (x + min) / scale. */
static int code_of(float x, float min, float inverse_scale)
{
    float q = (x + min) * inverse_scale + 0.5f;
    return q < 0 ? 0 : q >= 15 ? 15 : (int)q;
}

static float error_of(const float *x, float scale, float min)
{
    float sum = 0, inv = inverse(scale);
    for (int i = 0; i < 32; i++) {
        float e = scale * (float)code_of(x[i], min, inv) - min - x[i];
        sum += e * e;
    }
    return sum;
}

/* The scale and min (both >= 0) with which x = scale q - min fits these codes best, by least squares. */
static void fit(const float *x, float scale, float min, float *best_scale, float *best_min)
{
    float n = 32, sq = 0, sqq = 0, sx = 0, sqx = 0, inv = inverse(scale);
    for (int i = 0; i < 32; i++) {
        float q = (float)code_of(x[i], min, inv);
        sq += q;
        sqq += q * q;
        sx += x[i];
        sqx += q * x[i];
    }
    float determinant = n * sqq - sq * sq;
    if (determinant <= 0) return; /* all codes alike: nothing to fit */
    float s = (n * sqx - sq * sx) / determinant, m = (sq * sqx - sqq * sx) / determinant;
    if (m < 0) { /* the format cannot lift the lowest code above 0 */
        m = 0;
        s = sqx / sqq;
    }
    *best_scale = s > 0 ? s : 0;
    *best_min = m;
}

/* Scale and min of 32 numbers: from the range spread over 13 to 17 steps in place of 15 - clipping a little, or not
 * using the ends - each fitted to the codes it gives; the one with the least error. */
static void search(const float *x, float *scale, float *min)
{
    float low = 0, high = 0, least = INFINITY;
    for (int i = 0; i < 32; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    *scale = (high - low) / 15;
    *min = -low;
    for (int k = 0; k <= 8; k++) {
        float s = (high - low) / (13 + 0.5f * (float)k), m = -low;
        fit(x, s, m, &s, &m);
        float e = error_of(x, s, m);
        if (!(e < least)) continue; /* nor where it is no number */
        least = e;
        *scale = s;
        *min = m;
    }
}

/* x / unit as six bits. */
static int six_bit_code(float x, float inverse_unit)
{
    int q = (int)(x * inverse_unit + 0.5f);
    return q > 63 ? 63 : q;
}

/* Rounding both to six bits separately is not the best pair: the neighbours of each are tried. */
static void settle(const float *x, float d, float m, int *scale, int *min)
{
    int s0 = *scale, m0 = *min;
    float least = INFINITY;
    for (int s = s0 > 0 ? s0 - 1 : 0; s <= s0 + 1 && s <= 63; s++)
        for (int t = m0 > 0 ? m0 - 1 : 0; t <= m0 + 1 && t <= 63; t++) {
            float e = error_of(x, d * (float)s, m * (float)t);
            if (e >= least) continue;
            least = e;
            *scale = s;
            *min = t;
        }
}

static void to_q4_k(byte *b, const float *x)
{
    float scales[8], mins[8], most_scale = 0, most_min = 0;
    int scale[8], min[8];
    for (int j = 0; j < 8; j++) {
        search(x + 32 * j, &scales[j], &mins[j]);
        most_scale = fmaxf(most_scale, scales[j]);
        most_min = fmaxf(most_min, mins[j]);
    }
    put_f16(b, most_scale / 63);
    put_f16(b + 2, most_min / 63);
    float d = f16_at(b), m = f16_at(b + 2); /* as a reader will see them */
    memset(b + 4, 0, 140);
    if (!isfinite(d) || !isfinite(m)) return;
    for (int j = 0; j < 8; j++) {
        scale[j] = six_bit_code(scales[j], inverse(d));
        min[j] = six_bit_code(mins[j], inverse(m));
        settle(x + 32 * j, d, m, &scale[j], &min[j]);
    }
    pack_six_bits(b + 4, scale, min);
    for (int v = 0; v < 256; v++) {
        int j = v / 32, q = code_of(x[v], m * (float)min[j], inverse(d * (float)scale[j]));
        b[16 + v / 64 * 32 + v % 32] |= (byte)(q << v % 64 / 32 * 4);
    }
}

/* ---- the table ---- */

typedef struct format {
    void (*to_f32)(float *y, const byte *b);
    void (*from_f32)(byte *b, const float *x); /* NULL: read only */
    int d, m;                                  /* where the f16 scales lie; m -1 where there is none */
} format;

static const format formats[TL_DTYPE_COUNT] = {
    [TL_DTYPE_Q8_0] = { from_q8_0, to_q8_0, 0, -1 }, [TL_DTYPE_Q4_0] = { from_q4_0, to_q4_0, 0, -1 },
    [TL_DTYPE_Q4_1] = { from_q4_1, NULL, 0, 2 },     [TL_DTYPE_Q5_0] = { from_q5_0, to_q5_0, 0, -1 },
    [TL_DTYPE_Q5_1] = { from_q5_1, NULL, 0, 2 },     [TL_DTYPE_Q2_K] = { from_q2_k, NULL, 80, 82 },
    [TL_DTYPE_Q3_K] = { from_q3_k, NULL, 108, -1 },  [TL_DTYPE_Q4_K] = { from_q4_k, to_q4_k, 0, 2 },
    [TL_DTYPE_Q5_K] = { from_q5_k, NULL, 0, 2 },     [TL_DTYPE_Q6_K] = { from_q6_k, NULL, 208, -1 },
};

bool tl_block_readable(tl_dtype t)
{
    assert(t < TL_DTYPE_COUNT);
    return formats[t].to_f32 != NULL;
}

bool tl_block_writable(tl_dtype t)
{
    assert(t < TL_DTYPE_COUNT);
    return formats[t].from_f32 != NULL;
}

void tl_block_to_f32(tl_dtype t, float *out, const void *blocks, size_t n)
{
    assert(tl_block_readable(t) && n % tl_dtype_block(t) == 0);
    const byte *b = blocks;
    for (size_t i = 0; i < n; i += tl_dtype_block(t), b += tl_dtype_block_bytes(t)) formats[t].to_f32(out + i, b);
}

void tl_block_from_f32(tl_dtype t, void *blocks, const float *x, size_t n)
{
    assert(tl_block_writable(t) && n % tl_dtype_block(t) == 0);
    byte *b = blocks;
    for (size_t i = 0; i < n; i += tl_dtype_block(t), b += tl_dtype_block_bytes(t)) formats[t].from_f32(b, x + i);
}

static bool finite_f16(const byte *b)
{
    return (b[1] & 0x7c) != 0x7c;
}

bool tl_block_finite(tl_dtype t, const void *blocks, size_t n)
{
    assert(tl_block_readable(t) && n % tl_dtype_block(t) == 0);
    const format *f = &formats[t];
    const byte *b = blocks;
    bool finite = true;
    for (size_t i = 0; i < n; i += tl_dtype_block(t), b += tl_dtype_block_bytes(t))
        finite = finite && finite_f16(b + f->d) && (f->m < 0 || finite_f16(b + f->m));
    return finite;
}
