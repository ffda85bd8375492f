/* panels_test.c - panels hold the numbers of the blocks, whatever the shape; NF4 is what its paper says. */
#include "base/panels.h"

#include "base/block_formats.h"
#include "base/rng.h"
#include "tests/check.h"

static const tl_dtype types[] = { TL_DTYPE_Q8_0, TL_DTYPE_Q4_0, TL_DTYPE_Q4_K, TL_DTYPE_NF4 };

enum {
    TYPES = sizeof types / sizeof *types
};

static float *normal(size_t n, double deviation)
{
    float *x = malloc(n * sizeof *x);
    tl_rng r = tl_rng_make(3, n);
    CHECK(x != NULL);
    for (size_t i = 0; i < n; i++) x[i] = (float)(deviation * tl_rng_normal(&r));
    return x;
}

/* A matrix [O, I] in panels from f32, at an address that is a multiple of 64 as an arena's. */
static void *panels_of(tl_dtype t, const float *x, size_t O, size_t I)
{
    char *p = aligned_alloc(64, (tl_panels_bytes(t, O, I) + 63) / 64 * 64);
    CHECK(p != NULL);
    memset(p, 0xee, tl_panels_bytes(t, O, I));
    for (size_t o = 0; o < O; o += TL_PANEL)
        CHECK(tl_panel_from_f32(t, p + o / TL_PANEL * tl_panel_bytes(t, I), x + o * I,
                                (int)(O - o < TL_PANEL ? O - o : TL_PANEL), I));
    return p;
}

/* Rows whose length is a whole number of blocks: as tl_block_to_f32, to the bit; others as if zeros followed. */
TEST(a_panel_holds_the_numbers_of_the_blocks_to_the_bit)
{
    static const size_t sizes[][2] = { { 1, 256 }, { 32, 512 }, { 33, 768 }, { 70, 256 },
                                       { 5, 64 },  { 40, 100 }, { 3, 1 } };
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (int t = 0; t < 3; t++) {
            const size_t O = sizes[k][0], I = sizes[k][1], block = tl_dtype_block(types[t]);
            const size_t up = (I + block - 1) / block * block;
            float *x = normal(O * I, 0.02), *padded = calloc(up, sizeof *padded), *wanted = calloc(up, sizeof *wanted);
            float *found = malloc(I * sizeof *found);
            char *blocks = malloc(O * tl_dtype_row_bytes(types[t], up)), *panels = panels_of(types[t], x, O, I);
            const void *rows[TL_PANEL];
            char *again = aligned_alloc(64, (tl_panels_bytes(types[t], O, up) + 63) / 64 * 64);
            CHECK(padded && wanted && found && blocks && again);
            for (size_t o = 0; o < O; o++) {
                char *row = blocks + o * tl_dtype_row_bytes(types[t], up);
                memcpy(padded, x + o * I, I * sizeof *x);
                tl_block_from_f32(types[t], row, padded, up);
                tl_block_to_f32(types[t], wanted, row, up);
                tl_panels_row(types[t], found, panels, I, o);
                if (memcmp(found, wanted, I * sizeof *found) != 0)
                    fail_msg("%s [%zu, %zu], row %zu", tl_dtype_name(types[t]), O, I, o);
                rows[o % TL_PANEL] = row;
                if (o % TL_PANEL == TL_PANEL - 1 || o + 1 == O)
                    tl_panel_from_blocks(types[t], again + o / TL_PANEL * tl_panel_bytes(types[t], up), rows,
                                         (int)(o % TL_PANEL + 1), up);
            }
            if (up == I && memcmp(panels, again, tl_panels_bytes(types[t], O, I)) != 0)
                fail_msg("%s [%zu, %zu]: blocks make other panels", tl_dtype_name(types[t]), O, I);
            free(again);
            free(panels);
            free(blocks);
            free(found);
            free(wanted);
            free(padded);
            free(x);
        }
}

/* sqrt(sum (y - x)^2 / sum x^2) of a matrix in panels. */
static double error_of(tl_dtype t, const float *x, size_t O, size_t I)
{
    double e = 0, all = 0;
    float *y = malloc(I * sizeof *y);
    void *panels = panels_of(t, x, O, I);
    CHECK(y != NULL);
    for (size_t o = 0; o < O; o++) {
        tl_panels_row(t, y, panels, I, o);
        for (size_t i = 0; i < I; i++) {
            const double d = (double)y[i] - (double)x[o * I + i];
            e += d * d;
            all += (double)x[o * I + i] * (double)x[o * I + i];
        }
    }
    free(panels);
    free(y);
    return sqrt(e / all);
}

/* Without the rounding of scales blocks of 64 normal numbers err 0.0919; rounding them may cost a hundredth of that. */
TEST(nf4_errs_as_its_levels_do_and_its_rounded_scales_cost_next_to_nothing)
{
    enum {
        O = 96,
        I = 1024
    };
    float *x = normal(O * I, 0.02), *y = malloc(O * I * sizeof *y);
    double ideal = 0, all = 0;
    CHECK(y != NULL);
    for (size_t at = 0; at < O * I; at += 64) {
        float most = 0;
        for (int i = 0; i < 64; i++) most = fmaxf(most, fabsf(x[at + (size_t)i]));
        for (int i = 0; i < 64; i++) {
            double nearest = INFINITY, v = x[at + (size_t)i];
            for (int q = 0; q < 16; q++) nearest = fmin(nearest, fabs((double)most * (double)tl_nf4_levels[q] - v));
            ideal += nearest * nearest;
            all += v * v;
        }
    }
    const double found = error_of(TL_DTYPE_NF4, x, O, I);
    print_message("  normal numbers: NF4 %.5f, with exact scales %.5f\n", found, sqrt(ideal / all));
    CHECK(found < 1.01 * sqrt(ideal / all) && found > 0.9 * sqrt(ideal / all));
    free(y);
    free(x);
}

TEST(levels_in_whole_numbers_are_the_levels)
{
    for (int i = 0; i < 16; i++) {
        CHECK_INT(tl_nf4_whole[i], (int)rint(127.0 * (double)tl_nf4_levels[i]));
        CHECK(i == 0 || tl_nf4_levels[i] > tl_nf4_levels[i - 1]);
    }
}

TEST(zeros_come_back_as_zeros_and_one_row_of_them_does_not_hurt_the_others)
{
    enum {
        O = 32,
        I = 320
    };
    for (int t = 0; t < TYPES; t++) {
        float *x = normal(O * I, 1), y[I];
        for (int i = 0; i < I; i++) x[7 * I + i] = 0;
        void *panels = panels_of(types[t], x, O, I);
        tl_panels_row(types[t], y, panels, I, 7);
        for (int i = 0; i < I; i++) CHECK(y[i] == 0);
        CHECK(error_of(types[t], x, O, I) < 0.13);
        free(panels);
        free(x);
    }
}

TEST(a_number_too_large_for_a_scale_is_seen)
{
    for (int t = 0; t < 3; t++) {
        float x[256] = { 0 };
        _Alignas(64) char panel[40000];
        CHECK(tl_panel_from_f32(types[t], panel, x, 1, 256));
        x[40] = 1e38f;
        CHECK(!tl_panel_from_f32(types[t], panel, x, 1, 256));
    }
}

/* Codes and scales, as whole-number products take them, make the same numbers (of NF4: to the rounding of its levels).
 */
TEST(codes_and_scales_are_the_numbers)
{
    enum {
        O = 40,
        I = 608
    };
    for (int t = 0; t < TYPES; t++) {
        float *x = normal(O * I, 0.5), y[I], d[32], m[32];
        char *panels = panels_of(types[t], x, O, I);
        signed char q[32];
        for (size_t o = 0; o < O; o++) {
            const char *panel = panels + o / TL_PANEL * tl_panel_bytes(types[t], I);
            tl_panels_row(types[t], y, panels, I, o);
            for (size_t b = 0; b < I / 32; b++) {
                tl_panel_codes(types[t], q, panel, b, (int)(o % 32));
                tl_panel_scales(types[t], d, m, panel, b);
                for (int i = 0; i < 32; i++) {
                    const double wanted = (double)y[b * 32 + (size_t)i], s = (double)d[o % 32];
                    const double found = s * q[i] - (double)m[o % 32];
                    CHECK(fabs(found - wanted) <=
                          (types[t] == TL_DTYPE_NF4 ? 0.5 * s : 0) + 1e-6 * fabs(wanted) + 1e-7);
                }
            }
        }
        free(panels);
        free(x);
    }
}

/* Four real matrices of 768 x 768, where a checkout has them beside it: [in][out], big endian. */
TEST(formats_err_on_real_matrices_in_the_order_of_their_bits)
{
    static const char *const names[] = { "query", "key", "value", "proj" };
    enum {
        D = 768
    };
    float *x = malloc((size_t)D * D * sizeof *x);
    uint32_t *stored = malloc((size_t)D * D * sizeof *stored);
    CHECK(x && stored);
    for (int k = 0; k < 4; k++) {
        char path[200];
        double e[TYPES];
        snprintf(path, sizeof path, "../shared/models/gpt2-small-layer1-attention/att.%s.w.dat", names[k]);
        FILE *f = fopen(path, "rb");
        if (!f && k == 0) {
            free(stored);
            free(x);
            SKIP("no real matrices beside this checkout");
            return;
        }
        CHECK(f != NULL && fread(stored, sizeof *stored, (size_t)D * D, f) == (size_t)D * D);
        fclose(f);
        for (int i = 0; i < D * D; i++) {
            const uint32_t bits = __builtin_bswap32(stored[i]);
            memcpy(&x[i % D * D + i / D], &bits, sizeof bits);
        }
        for (int t = 0; t < TYPES; t++) e[t] = error_of(types[t], x, D, D);
        print_message("  %s: Q8_0 %.4f, Q4_0 %.4f, Q4_K %.4f, NF4 %.4f\n", names[k], e[0], e[1], e[2], e[3]);
        CHECK(e[0] < 0.01 && e[2] < e[1] && e[1] < 0.12 && e[3] < 0.12);
    }
    free(stored);
    free(x);
}

RUN_TESTS(CASE(a_panel_holds_the_numbers_of_the_blocks_to_the_bit),
          CASE(nf4_errs_as_its_levels_do_and_its_rounded_scales_cost_next_to_nothing),
          CASE(levels_in_whole_numbers_are_the_levels),
          CASE(zeros_come_back_as_zeros_and_one_row_of_them_does_not_hurt_the_others),
          CASE(a_number_too_large_for_a_scale_is_seen), CASE(codes_and_scales_are_the_numbers),
          CASE(formats_err_on_real_matrices_in_the_order_of_their_bits))
