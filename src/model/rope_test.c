/* rope_test.c - frequencies of every rotary scheme against transformers', and the tables made of them. */
#include "model/rope.h"
#include "tests/check.h"

#include "io/json.h"

static void check_case(json_t *o, int i)
{
    tl_err err = { 0 };
    tl_config c;
    float f[64];
    char where[40];
    snprintf(where, sizeof where, "rope.json: case %d", i);
    CHECK_OK(tl_config_parse(&c, json_object_get(o, "config"), where, &err), err);
    json_t *wanted = json_object_get(o, "frequencies");
    int w = tl_rope_width(&c);
    CHECK_INT(json_array_size(wanted), w / 2);
    double scale = tl_rope_frequencies(f, &c.rope, w, c.T);
    for (int k = 0; k < w / 2; k++) {
        double x = json_number_value(json_array_get(wanted, (size_t)k));
        if (!(fabs(f[k] - x) <= 1e-6 * x)) fail_msg("%s, pair %d: %.9g, wanted %.9g", where, k, (double)f[k], x);
    }
    double x = json_number_value(json_object_get(o, "scale"));
    if (!(fabs(scale - x) <= 1e-6 * x)) fail_msg("%s: scale %.9g, wanted %.9g", where, scale, x);
}

TEST(every_scheme_gives_the_frequencies_of_transformers)
{
    tl_err err = { 0 };
    json_t *file = NULL, *o = NULL;
    size_t i;
    CHECK_OK(tl_json_load(&file, "tests/golden/model/rope.json", &err), err);
    json_t *cases = json_object_get(file, "cases");
    CHECK(json_array_size(cases) > 30);
    json_array_foreach(cases, i, o) check_case(o, (int)i);
    json_decref(file);
}

TEST(a_table_holds_the_angles_of_every_position)
{
    tl_err err = { 0 };
    tl_arena *arena = NULL;
    tl_rope rope = { .kind = TL_ROPE_YARN, .theta = 100, .factor = 2, .low = 1, .high = 4, .original = 10 };
    float f[3], scale = tl_rope_frequencies(f, &rope, 6, 20);
    CHECK_OK(tl_arena_create(&arena, 4096, "tables", &err), err);
    tl_rope_table t = tl_rope_make(arena, &rope, 6, 20);
    CHECK(scale > 1);
    tl_rope_reach(&t, 20);
    for (int p = 0; p < 20; p++)
        for (int i = 0; i < 3; i++) {
            CHECK(fabs(t.cos[p * 3 + i] - (double)scale * cos((double)p * f[i])) < 1e-5);
            CHECK(fabs(t.sin[p * 3 + i] - (double)scale * sin((double)p * f[i])) < 1e-5);
        }
    tl_arena_free(arena);
}

/* However it is asked for, and by however many: the rows of a table that was filled at once. */
TEST(a_table_that_grows_has_the_bits_of_one_that_is_whole)
{
    enum {
        ROWS = 3000,
        HALF = 4
    };
    tl_err err = { 0 };
    tl_rope rope = { .kind = TL_ROPE_DEFAULT, .theta = 10000 };
    tl_arena *arena = NULL;
    CHECK_OK(tl_arena_create(&arena, 1 << 20, "tables", &err), err);
    tl_rope_table whole = tl_rope_make(arena, &rope, 2 * HALF, ROWS), t = tl_rope_make(arena, &rope, 2 * HALF, ROWS);
    tl_rope_table copy = t;
    tl_rope_reach(&whole, ROWS);
    tl_rope_reach(&t, 0);
    tl_rope_reach(&t, 1);
    CHECK(memcmp(t.cos, whole.cos, HALF * sizeof(float)) == 0);
    CHECK(t.cos[(ROWS - 1) * HALF] == 0); /* not filled yet: the cosine of no slow pair is 0 */
    int wrong = 0;
#pragma omp parallel for num_threads(4) schedule(dynamic, 1) reduction(+ : wrong)
    for (int n = 1; n <= ROWS; n += 7) {
        tl_rope_reach(&copy, n);
        wrong += memcmp(t.cos, whole.cos, (size_t)n * HALF * sizeof(float)) != 0;
        wrong += memcmp(t.sin, whole.sin, (size_t)n * HALF * sizeof(float)) != 0;
    }
    CHECK_INT(wrong, 0);
    tl_rope_reach(&t, ROWS);
    CHECK(memcmp(copy.sin, whole.sin, ROWS * HALF * sizeof(float)) == 0);
    tl_arena_free(arena);
}

RUN_TESTS(CASE(every_scheme_gives_the_frequencies_of_transformers), CASE(a_table_holds_the_angles_of_every_position),
          CASE(a_table_that_grows_has_the_bits_of_one_that_is_whole))
