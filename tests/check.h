/* check.h - how a test is written here: its name is a claim a user could make.
 *
 *     TEST(a_truncated_file_is_refused_by_name) { ... CHECK(rc < 0); CHECK_HAS(err.text, "weights.safetensors"); }
 *     RUN_TESTS(CASE(a_truncated_file_is_refused_by_name), CASE(...))
 *
 * cmocka runs the cases and reports; SKIP("why") leaves one out with a word. */
#ifndef TL_TESTS_CHECK_H
#define TL_TESTS_CHECK_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEST(name) static void name(__attribute__((unused)) void **state)
#define CASE(name) cmocka_unit_test(name)
#define RUN_TESTS(...)                                                                                                 \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                                                             \
        return cmocka_run_group_tests(tests, NULL, NULL);                                                              \
    }

#define CHECK(claim)             assert_true(claim)
#define CHECK_INT(found, wanted) assert_int_equal(found, wanted)
#define CHECK_STR(found, wanted) assert_string_equal(found, wanted)
#define CHECK_HAS(text, part)                                                                                          \
    do {                                                                                                               \
        if (!strstr(text, part)) fail_msg("'%s' does not contain '%s'", text, part);                                   \
    } while (0)
/* A call that may fail for reasons of the world and must not here. */
#define CHECK_OK(call, err)                                                                                            \
    do {                                                                                                               \
        if ((call) < 0) fail_msg("%s: %s", #call, (err).text);                                                         \
    } while (0)
/* |found - wanted| <= relative * max(|wanted|, floor), for n floats. */
#define CHECK_CLOSE(found, wanted, n, relative, floor)                                                                 \
    do {                                                                                                               \
        for (size_t check_i = 0; check_i < (size_t)(n); check_i++) {                                                   \
            double check_f = (found)[check_i], check_w = (wanted)[check_i];                                            \
            if (!(fabs(check_f - check_w) <= (relative)*fmax(fabs(check_w), floor)))                                   \
                fail_msg("%s[%zu] is %.9g, %s is %.9g", #found, check_i, check_f, #wanted, check_w);                   \
        }                                                                                                              \
    } while (0)
#define SKIP(why)                                                                                                      \
    do {                                                                                                               \
        print_message("skipped: %s\n", why);                                                                           \
        skip();                                                                                                        \
    } while (0)

#endif
