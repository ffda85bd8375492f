/* word_cut_test.c - words cut by hand are those that the engine of regular expressions cuts by the same pattern. */
#include "text/word_cut.h"

#include "base/rng.h"
#include "text/regex.h"
#include "text/unicode.h"

#include "tests/check.h"

#include <utf8proc.h>

static const char *const patterns[] = { TL_WORD_CUT_GPT2, TL_WORD_CUT_LLAMA3, TL_WORD_CUT_QWEN2, TL_WORD_CUT_CL100K };

enum {
    PATTERNS = sizeof patterns / sizeof *patterns
};

typedef struct both {
    const tl_word_cut *cut[PATTERNS];
    tl_regex *regex[PATTERNS];
    tl_regex_work *work;
} both;

static both begin(void)
{
    both b;
    tl_err err = { 0 };
    for (int i = 0; i < PATTERNS; i++) {
        b.cut[i] = tl_word_cut_of(patterns[i], strlen(patterns[i]));
        CHECK(b.cut[i] != NULL);
        CHECK_OK(tl_regex_create(&b.regex[i], patterns[i], strlen(patterns[i]), &err), err);
    }
    CHECK_OK(tl_regex_work_create(&b.work, &err), err);
    return b;
}

static void end(both *b)
{
    for (int i = 0; i < PATTERNS; i++) tl_regex_free(b->regex[i]);
    tl_regex_work_free(b->work);
}

static void check_text(const both *b, const char *text, size_t size)
{
    tl_err err = { 0 };
    for (int i = 0; i < PATTERNS; i++)
        for (size_t from = 0, start, stop; from < size; from = stop) {
            CHECK_OK(tl_regex_next(b->regex[i], b->work, text, size, from, &start, &stop, &err), err);
            size_t ours = tl_word_cut_next(b->cut[i], text, size, from);
            if (start != from || ours != stop)
                fail_msg("pattern %d, '%.*s': from %zu the engine cuts %zu-%zu, we to %zu", i, (int)size, text, from,
                         start, stop, ours);
        }
}

/* A letter or digit that one of the two libraries is too old to know. */
static bool known_to_both(int c)
{
    static tl_regex *letter, *digit;
    static tl_regex_work *work;
    tl_err err = { 0 };
    char bytes[4];
    size_t start, stop[2], n = (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)bytes);
    if (!work) {
        CHECK_OK(tl_regex_create(&letter, "\\p{L}", 5, &err), err);
        CHECK_OK(tl_regex_create(&digit, "\\p{N}", 5, &err), err);
        CHECK_OK(tl_regex_work_create(&work, &err), err);
    }
    CHECK_OK(tl_regex_next(letter, work, bytes, n, 0, &start, &stop[0], &err), err);
    CHECK_OK(tl_regex_next(digit, work, bytes, n, 0, &start, &stop[1], &err), err);
    return tl_unicode_is_letter(c) == (stop[0] > 0) && tl_unicode_is_number(c) == (stop[1] > 0);
}

static size_t put(char *text, size_t at, int c)
{
    return at + (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)text + at);
}

TEST(every_character_is_cut_as_the_engine_cuts_it)
{
    both b = begin();
    int unknown = 0;
    for (int c = 0; c < 0x110000; c++) {
        static const char form[] = "a?b ?1?'? \n?? ?\t?s?\r\n?  ?";
        char text[8 * sizeof form];
        size_t n = 0;
        if (c >= 0xd800 && c < 0xe000) continue;
        if (!known_to_both(c)) {
            unknown++;
            continue;
        }
        for (const char *f = form; *f; f++) n = put(text, n, *f == '?' ? c : *f);
        check_text(&b, text, n);
    }
    CHECK(unknown < 10000); /* what Unicode 14 and 15 added: ideographs, most of it */
    end(&b);
}

TEST(random_texts_are_cut_as_the_engine_cuts_them)
{
    static const int pool[] = { ' ',   ' ',  ' ',    '\n',    '\r',   '\t',  '\'',   '\'', 's',   'S',
                                't',   'T',  'r',    'R',     'e',    'E',   'v',    'm',  'l',   'L',
                                'd',   'x',  '1',    '2',     '3',    '4',   '.',    '!',  '/',   '-',
                                0,     0x85, 0xa0,   0x3000,  0x2028, 0x17f, 0x212a, 0xe9, 0x301, 0x4e2d,
                                0x660, 0xb2, 0x2167, 0x1f600, 0x200d, 0x180e };
    both b = begin();
    tl_rng r = tl_rng_make(5, 1);
    for (int i = 0; i < 60000; i++) {
        char text[100];
        size_t n = 0;
        for (uint32_t k = tl_rng_below(&r, 20) + 1; k > 0; k--)
            n = put(text, n, pool[tl_rng_below(&r, sizeof pool / sizeof *pool)]);
        check_text(&b, text, n);
    }
    end(&b);
}

TEST(a_pattern_that_is_only_like_a_known_one_is_not_taken_for_it)
{
    CHECK(tl_word_cut_of("\\p{L}+", 6) == NULL);
    CHECK(tl_word_cut_of(TL_WORD_CUT_QWEN2 "|x", sizeof TL_WORD_CUT_QWEN2 + 1) == NULL);
    CHECK(tl_word_cut_of(TL_WORD_CUT_QWEN2, sizeof TL_WORD_CUT_QWEN2 - 2) == NULL);
}

RUN_TESTS(CASE(every_character_is_cut_as_the_engine_cuts_it), CASE(random_texts_are_cut_as_the_engine_cuts_them),
          CASE(a_pattern_that_is_only_like_a_known_one_is_not_taken_for_it))
