/* panels.c - rows into panels and back.
 *
 * What a number becomes is decided in block_formats.c (NF4: nf4.c); here its bytes are laid where the kernels read
 * them.  These loops run once when a base is opened; the kernels' own ways through a panel are held against them. */
#include "base/panels.h"

#include "base/block_formats.h"
#include "base/nf4.h"

#include <assert.h>

typedef unsigned char byte;

static float f16_at(const byte *b)
{
    return tl_f16_to_f32((tl_f16)(b[0] | b[1] << 8));
}

/* ---- from blocks ---- */

/* 32 codes of row r to where they belong. */
static void put_q8(byte *codes, int r, const byte *q)
{
    for (int k = 0; k < 8; k++)
        for (int j = 0; j < 4; j++) codes[k * 128 + r * 4 + j] = (byte)(q[4 * k + j] ^ 0x80);
}

/* 16 bytes of two nibbles, number i with i + 16. */
static void put_nibbles(byte *codes, int r, const byte *q)
{
    for (int k = 0; k < 4; k++) memcpy(codes + k * 128 + r * 4, q + 4 * k, 4);
}

/* One 256-number block as up to n blocks of 32 of row r; group is the panel's. */
static void put_q4_k(byte *group, int r, const byte *b, size_t n)
{
    byte s[8], t[8], q[16];
    tl_q4_k_scales(b, s, t);
    memcpy(group + 2 * r, b, 2);
    memcpy(group + 64 + 2 * r, b + 2, 2);
    for (size_t j = 0; j < n; j++) {
        byte *block = group + tl_panel_block_at(TL_DTYPE_Q4_K, j);
        const byte *from = b + 16 + j / 2 * 32;
        int shift = j % 2 * 4;
        for (int i = 0; i < 16; i++) q[i] = (byte)((from[i] >> shift & 15) | (from[16 + i] >> shift & 15) << 4);
        block[r] = s[j];
        block[32 + r] = t[j];
        put_nibbles(block + 64, r, q);
    }
}

/* The type's own block at b, which holds the row's blocks of 32 from `at` on. */
static void put_block(tl_dtype t, byte *panel, size_t at, size_t blocks, int r, const byte *b)
{
    byte *block = panel + tl_panel_block_at(t, at);
    if (t == TL_DTYPE_Q4_K) {
        put_q4_k(panel + tl_panel_group_at(t, at), r, b, blocks - at < 8 ? blocks - at : 8);
        return;
    }
    memcpy(block + 2 * r, b, 2);
    if (t == TL_DTYPE_Q8_0)
        put_q8(block + 64, r, b + 2);
    else
        put_nibbles(block + 64, r, b + 2);
}

/* A panel of zeros. */
static void clear(tl_dtype t, byte *panel, size_t I)
{
    tl_panel_form f = tl_panel_form_of(t);
    const int zero = t == TL_DTYPE_Q8_0 ? 0x80 : t == TL_DTYPE_Q4_0 ? 0x88 : t == TL_DTYPE_NF4 ? 0x77 : 0;
    memset(panel, 0, tl_panel_bytes(t, I));
    for (size_t b = 0; b < tl_panel_blocks(t, I); b++)
        memset(panel + tl_panel_block_at(t, b) + f.scales, zero, f.block - f.scales);
}

void tl_panel_from_blocks(tl_dtype t, void *panel, const void *const *rows, int n, size_t I)
{
    assert(tl_panels_known(t) && t != TL_DTYPE_NF4 && n <= TL_PANEL && I % tl_dtype_block(t) == 0);
    const size_t each = tl_dtype_block(t) / TL_PANEL_BLOCK, bytes = tl_dtype_block_bytes(t);
    const size_t blocks = tl_panel_blocks(t, I);
    clear(t, panel, I);
    for (int r = 0; r < n; r++) {
        const byte *b = rows[r];
        for (size_t at = 0; at < blocks; at += each, b += bytes) put_block(t, panel, at, blocks, r, b);
    }
}

/* ---- from f32 ---- */

/* n <= many numbers of x, zeros behind. */
static const float *whole(float *out, const float *x, size_t n, size_t many)
{
    if (n >= many) return x;
    memcpy(out, x, n * sizeof *x);
    memset(out + n, 0, (many - n) * sizeof *x);
    return out;
}

bool tl_panel_from_f32(tl_dtype t, void *panel, const float *x, int n, size_t I)
{
    assert(tl_panels_known(t) && n <= TL_PANEL);
    clear(t, panel, I);
    if (t == TL_DTYPE_NF4) {
        tl_nf4_panel(panel, x, n, I);
        return true;
    }
    const size_t many = tl_dtype_block(t), blocks = tl_panel_blocks(t, I);
    bool finite = true;
    for (int r = 0; r < n; r++)
        for (size_t i = 0; i < I; i += many) {
            float padded[256];
            byte b[144];
            tl_block_from_f32(t, b, whole(padded, x + (size_t)r * I + i, I - i, many), many);
            finite = finite && tl_block_finite(t, b, many);
            put_block(t, panel, i / TL_PANEL_BLOCK, blocks, r, b);
        }
    return finite;
}

/* ---- back ---- */

void tl_panel_codes(tl_dtype t, signed char out[32], const void *panel, size_t b, int r)
{
    const byte *codes = (const byte *)panel + tl_panel_block_at(t, b) + tl_panel_form_of(t).scales;
    for (int i = 0; i < 32; i++) {
        int k = i / 4, j = i % 4;
        int nibble = codes[k % 4 * 128 + r * 4 + j] >> (k < 4 ? 0 : 4) & 15;
        if (t == TL_DTYPE_Q8_0)
            out[i] = (signed char)(codes[k * 128 + r * 4 + j] - 128);
        else if (t == TL_DTYPE_NF4)
            out[i] = tl_nf4_whole[nibble];
        else
            out[i] = (signed char)(t == TL_DTYPE_Q4_0 ? nibble - 8 : nibble);
    }
}

/* Scale and minimum of row r in block b; NF4's scale is that of the levels. */
static float scale_of(tl_dtype t, float *min, const byte *panel, size_t b, int r)
{
    const byte *group = panel + tl_panel_group_at(t, b), *block = panel + tl_panel_block_at(t, b);
    *min = 0;
    if (t == TL_DTYPE_NF4) return tl_nf4_scale(group, b % 16 / 2, r);
    if (t != TL_DTYPE_Q4_K) return f16_at(block + 2 * r);
    *min = f16_at(group + 64 + 2 * r) * (float)block[32 + r];
    return f16_at(group + 2 * r) * (float)block[r];
}

void tl_panel_scales(tl_dtype t, float d[32], float m[32], const void *panel, size_t b)
{
    for (int r = 0; r < TL_PANEL; r++) {
        d[r] = scale_of(t, &m[r], panel, b, r);
        if (t == TL_DTYPE_NF4) d[r] *= 1.0f / 127;
    }
}

void tl_panels_row(tl_dtype t, float *out, const void *panels, size_t I, size_t o)
{
    const byte *panel = (const byte *)panels + o / TL_PANEL * tl_panel_bytes(t, I);
    const int r = (int)(o % TL_PANEL);
    for (size_t b = 0; b * TL_PANEL_BLOCK < I; b++) {
        const byte *codes = panel + tl_panel_block_at(t, b) + tl_panel_form_of(t).scales;
        const int n = I - b * TL_PANEL_BLOCK < TL_PANEL_BLOCK ? (int)(I - b * TL_PANEL_BLOCK) : TL_PANEL_BLOCK;
        float min, d = scale_of(t, &min, panel, b, r), *y = out + b * TL_PANEL_BLOCK;
        signed char q[32];
        if (t == TL_DTYPE_NF4) {
            for (int i = 0; i < n; i++)
                y[i] = d * tl_nf4_levels[codes[i / 4 % 4 * 128 + r * 4 + i % 4] >> (i < 16 ? 0 : 4) & 15];
            continue;
        }
        tl_panel_codes(t, q, panel, b, r);
        for (int i = 0; i < n; i++) y[i] = t == TL_DTYPE_Q4_K ? d * (float)q[i] - min : d * (float)q[i];
    }
}
