/* jinja_letters.c - letter case and kinds of characters, as Python's str has them.
 *
 * utf8proc maps one character to one; some letters become two or three ("ß" is "SS" in upper case), which stand in a
 * table here, and the sigma at the end of a word has a small form of its own.  What a character is follows from its
 * category; utf8proc 2.8 knows Unicode 15, Python 3.11 Unicode 14. */
#include "text/jinja.h"

#include <string.h>
#include <utf8proc.h>

/* ---- kinds ---- */

typedef struct range {
    int from, to;
} range;

/* Lower case beyond category Ll, upper case beyond Lu, digits beyond Nd. */
static const range more_lower[] = {
    { 0xaa, 0xaa },       { 0xba, 0xba },       { 0x2b0, 0x2b8 },     { 0x2c0, 0x2c1 },     { 0x2e0, 0x2e4 },
    { 0x345, 0x345 },     { 0x37a, 0x37a },     { 0x1d2c, 0x1d6a },   { 0x1d78, 0x1d78 },   { 0x1d9b, 0x1dbf },
    { 0x2071, 0x2071 },   { 0x207f, 0x207f },   { 0x2090, 0x209c },   { 0x2170, 0x217f },   { 0x24d0, 0x24e9 },
    { 0x2c7c, 0x2c7d },   { 0xa69c, 0xa69d },   { 0xa770, 0xa770 },   { 0xa7f8, 0xa7f9 },   { 0xab5c, 0xab5f },
    { 0x10780, 0x10780 }, { 0x10783, 0x10785 }, { 0x10787, 0x107b0 }, { 0x107b2, 0x107ba }, { 0, 0 },
};
static const range more_upper[] = { { 0x2160, 0x216f },   { 0x24b6, 0x24cf },   { 0x1f130, 0x1f149 },
                                    { 0x1f150, 0x1f169 }, { 0x1f170, 0x1f189 }, { 0, 0 } };
static const range more_digits[] = {
    { 0xb2, 0xb3 },     { 0xb9, 0xb9 },       { 0x1369, 0x1371 },   { 0x19da, 0x19da },   { 0x2070, 0x2070 },
    { 0x2074, 0x2079 }, { 0x2080, 0x2089 },   { 0x2460, 0x2468 },   { 0x2474, 0x247c },   { 0x2488, 0x2490 },
    { 0x24ea, 0x24ea }, { 0x24f5, 0x24fd },   { 0x24ff, 0x24ff },   { 0x2776, 0x277e },   { 0x2780, 0x2788 },
    { 0x278a, 0x2792 }, { 0x10a40, 0x10a43 }, { 0x10e60, 0x10e68 }, { 0x11052, 0x1105a }, { 0x1f100, 0x1f10a },
    { 0, 0 },
};

static bool in(const range *rows, int c)
{
    for (; rows->to; rows++)
        if (c >= rows->from && c <= rows->to) return true;
    return false;
}

static bool is_lower(int c)
{
    return utf8proc_category(c) == UTF8PROC_CATEGORY_LL || in(more_lower, c);
}

static bool is_upper(int c)
{
    return utf8proc_category(c) == UTF8PROC_CATEGORY_LU || in(more_upper, c);
}

static bool is_title(int c)
{
    return utf8proc_category(c) == UTF8PROC_CATEGORY_LT;
}

static bool is_cased(int c)
{
    return is_lower(c) || is_upper(c) || is_title(c);
}

static bool is_alpha(int c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT ||
           k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_LO;
}

static bool is_decimal(int c)
{
    return utf8proc_category(c) == UTF8PROC_CATEGORY_ND;
}

static bool is_digit(int c)
{
    return is_decimal(c) || in(more_digits, c);
}

/* Without the Chinese numerals, which are letters to Unicode's categories. */
static bool is_numeric(int c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO;
}

static bool is_alnum(int c)
{
    return is_alpha(c) || is_numeric(c);
}

bool tl_jword_letter(int c)
{
    return c == '_' || is_alnum(c);
}

bool tl_jletter(int c)
{
    return is_alpha(c) || utf8proc_category(c) == UTF8PROC_CATEGORY_NL;
}

bool tl_jword(int c)
{
    if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    utf8proc_category_t k = utf8proc_category(c);
    return is_alnum(c) || k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_PC ||
           c == 0xb7;
}

bool tl_jprintable(int c)
{
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return false;
    case UTF8PROC_CATEGORY_ZS:
        return c == ' ';
    default:
        return true;
    }
}

/* ---- case ---- */

/* Letters that become several in upper case, and what they become where only the first is to be large. */
static const struct {
    uint16_t from, upper[3], title[3];
} several[] = {
    { 0xdf, { 0x53, 0x53 }, { 0x53, 0x73 } },
    { 0x149, { 0x2bc, 0x4e }, { 0x2bc, 0x4e } },
    { 0x1f0, { 0x4a, 0x30c }, { 0x4a, 0x30c } },
    { 0x390, { 0x399, 0x308, 0x301 }, { 0x399, 0x308, 0x301 } },
    { 0x3b0, { 0x3a5, 0x308, 0x301 }, { 0x3a5, 0x308, 0x301 } },
    { 0x587, { 0x535, 0x552 }, { 0x535, 0x582 } },
    { 0x1e96, { 0x48, 0x331 }, { 0x48, 0x331 } },
    { 0x1e97, { 0x54, 0x308 }, { 0x54, 0x308 } },
    { 0x1e98, { 0x57, 0x30a }, { 0x57, 0x30a } },
    { 0x1e99, { 0x59, 0x30a }, { 0x59, 0x30a } },
    { 0x1e9a, { 0x41, 0x2be }, { 0x41, 0x2be } },
    { 0x1f50, { 0x3a5, 0x313 }, { 0x3a5, 0x313 } },
    { 0x1f52, { 0x3a5, 0x313, 0x300 }, { 0x3a5, 0x313, 0x300 } },
    { 0x1f54, { 0x3a5, 0x313, 0x301 }, { 0x3a5, 0x313, 0x301 } },
    { 0x1f56, { 0x3a5, 0x313, 0x342 }, { 0x3a5, 0x313, 0x342 } },
    { 0x1fb2, { 0x1fba, 0x399 }, { 0x1fba, 0x345 } },
    { 0x1fb3, { 0x391, 0x399 }, { 0x1fbc } },
    { 0x1fb4, { 0x386, 0x399 }, { 0x386, 0x345 } },
    { 0x1fb6, { 0x391, 0x342 }, { 0x391, 0x342 } },
    { 0x1fb7, { 0x391, 0x342, 0x399 }, { 0x391, 0x342, 0x345 } },
    { 0x1fbc, { 0x391, 0x399 }, { 0x1fbc } },
    { 0x1fc2, { 0x1fca, 0x399 }, { 0x1fca, 0x345 } },
    { 0x1fc3, { 0x397, 0x399 }, { 0x1fcc } },
    { 0x1fc4, { 0x389, 0x399 }, { 0x389, 0x345 } },
    { 0x1fc6, { 0x397, 0x342 }, { 0x397, 0x342 } },
    { 0x1fc7, { 0x397, 0x342, 0x399 }, { 0x397, 0x342, 0x345 } },
    { 0x1fcc, { 0x397, 0x399 }, { 0x1fcc } },
    { 0x1fd2, { 0x399, 0x308, 0x300 }, { 0x399, 0x308, 0x300 } },
    { 0x1fd3, { 0x399, 0x308, 0x301 }, { 0x399, 0x308, 0x301 } },
    { 0x1fd6, { 0x399, 0x342 }, { 0x399, 0x342 } },
    { 0x1fd7, { 0x399, 0x308, 0x342 }, { 0x399, 0x308, 0x342 } },
    { 0x1fe2, { 0x3a5, 0x308, 0x300 }, { 0x3a5, 0x308, 0x300 } },
    { 0x1fe3, { 0x3a5, 0x308, 0x301 }, { 0x3a5, 0x308, 0x301 } },
    { 0x1fe4, { 0x3a1, 0x313 }, { 0x3a1, 0x313 } },
    { 0x1fe6, { 0x3a5, 0x342 }, { 0x3a5, 0x342 } },
    { 0x1fe7, { 0x3a5, 0x308, 0x342 }, { 0x3a5, 0x308, 0x342 } },
    { 0x1ff2, { 0x1ffa, 0x399 }, { 0x1ffa, 0x345 } },
    { 0x1ff3, { 0x3a9, 0x399 }, { 0x1ffc } },
    { 0x1ff4, { 0x38f, 0x399 }, { 0x38f, 0x345 } },
    { 0x1ff6, { 0x3a9, 0x342 }, { 0x3a9, 0x342 } },
    { 0x1ff7, { 0x3a9, 0x342, 0x399 }, { 0x3a9, 0x342, 0x345 } },
    { 0x1ffc, { 0x3a9, 0x399 }, { 0x1ffc } },
    { 0xfb00, { 0x46, 0x46 }, { 0x46, 0x66 } },
    { 0xfb01, { 0x46, 0x49 }, { 0x46, 0x69 } },
    { 0xfb02, { 0x46, 0x4c }, { 0x46, 0x6c } },
    { 0xfb03, { 0x46, 0x46, 0x49 }, { 0x46, 0x66, 0x69 } },
    { 0xfb04, { 0x46, 0x46, 0x4c }, { 0x46, 0x66, 0x6c } },
    { 0xfb05, { 0x53, 0x54 }, { 0x53, 0x74 } },
    { 0xfb06, { 0x53, 0x54 }, { 0x53, 0x74 } },
    { 0xfb13, { 0x544, 0x546 }, { 0x544, 0x576 } },
    { 0xfb14, { 0x544, 0x535 }, { 0x544, 0x565 } },
    { 0xfb15, { 0x544, 0x53b }, { 0x544, 0x56b } },
    { 0xfb16, { 0x54e, 0x546 }, { 0x54e, 0x576 } },
    { 0xfb17, { 0x544, 0x53d }, { 0x544, 0x56d } },
};

static int add_several(tl_jinja *x, tl_jtext *t, int c, bool title, bool *done)
{
    *done = true;
    if (c >= 0x1f80 && c <= 0x1faf) { /* Greek letters with a small iota below: it is written beside, or stays */
        static const int base[] = { 0x1f08, 0x1f28, 0x1f68 };
        if (title) return tl_jtext_char(x, t, c | 8);
        TL_TRY(tl_jtext_char(x, t, base[(c >> 4) - 0x1f8] + (c & 7)));
        return tl_jtext_char(x, t, 0x399);
    }
    for (size_t i = 0; i < sizeof several / sizeof *several && c >= 0xdf; i++) {
        if (several[i].from != c) continue;
        const uint16_t *to = title ? several[i].title : several[i].upper;
        for (int k = 0; k < 3 && to[k]; k++) TL_TRY(tl_jtext_char(x, t, to[k]));
        return 0;
    }
    *done = false;
    return 0;
}

static int add_upper(tl_jinja *x, tl_jtext *t, int c, bool title)
{
    bool done = false;
    if (c >= 0x80) TL_TRY(add_several(x, t, c, title, &done));
    return done ? 0 : tl_jtext_char(x, t, title ? utf8proc_totitle(c) : utf8proc_toupper(c));
}

/* Between the letters of a word without being one: marks, modifiers, apostrophes. */
static bool is_ignored(int c)
{
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        return c == '\'' || c == '.' || c == ':' || c == 0xb7 || c == 0x387 || c == 0x55f || c == 0x5f4 ||
               c == 0x2018 || c == 0x2019 || c == 0x2024 || c == 0x2027 || c == 0xfe13 || c == 0xfe52 || c == 0xfe55 ||
               c == 0xff07 || c == 0xff0e || c == 0xff1a;
    }
}

/* Whether the sigma at byte `at` ends a word: letters before it and none behind. */
static bool ends_word(const tl_jstr *s, size_t at)
{
    size_t n, p = at;
    int c = 0;
    do {
        if (p == 0) return false;
        p--;
        while (((unsigned char)s->bytes[p] & 0xc0) == 0x80) p--;
        c = tl_jchar(s->bytes + p, &n);
    } while (is_ignored(c));
    if (!is_cased(c)) return false;
    for (p = at + 2; p < s->size; p += n) {
        c = tl_jchar(s->bytes + p, &n);
        if (!is_ignored(c)) return !is_cased(c);
    }
    return true;
}

static int add_lower(tl_jinja *x, tl_jtext *t, int c, const tl_jstr *s, size_t at)
{
    if (c == 0x130) return tl_jtext_c(x, t, "i\xcc\x87");
    if (c == 0x3a3) return tl_jtext_char(x, t, ends_word(s, at) ? 0x3c2 : 0x3c3);
    return tl_jtext_char(x, t, utf8proc_tolower(c));
}

static int add_folded(tl_jinja *x, tl_jtext *t, int c)
{
    utf8proc_int32_t to[4];
    int last = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char(c, to, 4, UTF8PROC_CASEFOLD, &last);
    for (utf8proc_ssize_t i = 0; i < n && i < 4; i++) TL_TRY(tl_jtext_char(x, t, to[i]));
    return 0;
}

/* The same for plain ASCII, a block at a time. */
static int recase_ascii(tl_jinja *x, tl_jcase how, const tl_jstr *s, tl_jtext *to)
{
    char block[256];
    bool inside = false;
    TL_TRY(tl_jbytes(x, s->size));
    for (size_t i = 0; i < s->size;) {
        size_t n = 0;
        for (; n < sizeof block && i < s->size; n++, i++) {
            char c = s->bytes[i], lower = (char)(c >= 'A' && c <= 'Z' ? c | 32 : c);
            bool letter = lower >= 'a' && lower <= 'z';
            bool large = how == TL_JUPPER || (how == TL_JCAPITALIZE && i == 0) || (how == TL_JTITLE && !inside) ||
                         (how == TL_JSWAP && c == lower);
            block[n] = (char)(letter && large ? lower & ~32 : lower);
            inside = letter;
        }
        TL_TRY(tl_jtext_add(x, to, block, n));
    }
    return 0;
}

int tl_jrecase(tl_jinja *x, tl_jcase how, const tl_jstr *s, tl_jtext *to)
{
    bool inside = false; /* a word of str.title() */
    size_t ascii = 0;
    while (ascii < s->size && !(s->bytes[ascii] & 0x80)) ascii++;
    if (ascii == s->size) return recase_ascii(x, how, s, to);
    for (size_t i = 0, n; i < s->size; i += n) {
        int c = tl_jchar(s->bytes + i, &n);
        bool large = how == TL_JUPPER || (how == TL_JCAPITALIZE && i == 0) || (how == TL_JTITLE && !inside);
        if (how == TL_JSWAP) large = is_lower(c);
        if (how == TL_JFOLD)
            TL_TRY(add_folded(x, to, c));
        else if (how == TL_JSWAP && !is_lower(c) && !is_upper(c))
            TL_TRY(tl_jtext_char(x, to, c));
        else if (large)
            TL_TRY(add_upper(x, to, c, how == TL_JCAPITALIZE || how == TL_JTITLE));
        else
            TL_TRY(add_lower(x, to, c, s, i));
        if (how == TL_JTITLE) inside = is_cased(c);
        if (i % 8 == 0) TL_TRY(tl_jsteps(x, 1));
    }
    return 0;
}

int tl_jcased(tl_jinja *x, tl_jcase how, tl_jstr *s, tl_jvalue *out)
{
    tl_jtext t = { 0 };
    TL_TRY(tl_jrecase(x, how, s, &t));
    TL_TRY(tl_jtext_done(x, &t, out));
    out->as.s->markup = s->markup;
    return 0;
}

/* ---- methods ---- */

static int recase(tl_jinja *x, tl_jcase how, const tl_jvalue *a, tl_jvalue *out)
{
    return tl_jcased(x, how, a[0].as.s, out);
}

static int m_upper(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return recase(x, TL_JUPPER, a, out);
}

static int m_lower(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return recase(x, TL_JLOWER, a, out);
}

static int m_capitalize(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return recase(x, TL_JCAPITALIZE, a, out);
}

static int m_title(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return recase(x, TL_JTITLE, a, out);
}

static int m_swapcase(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return recase(x, TL_JSWAP, a, out);
}

static int m_casefold(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return recase(x, TL_JFOLD, a, out);
}

/* Whether there are characters and all are of a kind; `empty` is the answer where there are none. */
static int all(tl_jinja *x, const tl_jvalue *a, bool (*kind)(int c), bool empty, tl_jvalue *out)
{
    const tl_jstr *s = a[0].as.s;
    bool yes = s->size ? true : empty;
    TL_TRY(tl_jbytes(x, s->size));
    for (size_t i = 0, n; i < s->size && yes; i += n) yes = kind(tl_jchar(s->bytes + i, &n));
    *out = tl_jbool(yes);
    return 0;
}

static bool is_ascii(int c)
{
    return c < 0x80;
}

static int m_isalnum(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return all(x, a, is_alnum, false, out);
}

static int m_isalpha(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return all(x, a, is_alpha, false, out);
}

static int m_isascii(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return all(x, a, is_ascii, true, out);
}

static int m_isdecimal(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return all(x, a, is_decimal, false, out);
}

static int m_isdigit(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return all(x, a, is_digit, false, out);
}

static int m_isnumeric(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return all(x, a, is_numeric, false, out);
}

static int m_isprintable(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return all(x, a, tl_jprintable, true, out);
}

static int m_isspace(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return all(x, a, tl_jspace, false, out);
}

static int m_isidentifier(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    size_t n;
    TL_TRY(all(x, a, tl_jword, false, out));
    int first = a[0].as.s->size ? tl_jchar(a[0].as.s->bytes, &n) : 0;
    if (first != '_' && !tl_jletter(first)) *out = tl_jbool(false);
    return 0;
}

static int one_case(tl_jinja *x, const tl_jvalue *a, bool (*wanted)(int c), bool (*other)(int c), tl_jvalue *out)
{
    const tl_jstr *s = a[0].as.s;
    bool any = false;
    TL_TRY(tl_jbytes(x, s->size));
    *out = tl_jbool(false);
    for (size_t i = 0, n; i < s->size; i += n) {
        int c = tl_jchar(s->bytes + i, &n);
        if (other(c) || is_title(c)) return 0;
        any |= wanted(c);
    }
    *out = tl_jbool(any);
    return 0;
}

static int m_islower(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return one_case(x, a, is_lower, is_upper, out);
}

static int m_isupper(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return one_case(x, a, is_upper, is_lower, out);
}

static int m_istitle(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    const tl_jstr *s = a[0].as.s;
    bool inside = false, any = false;
    TL_TRY(tl_jbytes(x, s->size));
    *out = tl_jbool(false);
    for (size_t i = 0, n; i < s->size; i += n) {
        int c = tl_jchar(s->bytes + i, &n);
        bool large = is_upper(c) || is_title(c);
        if (inside ? large : is_lower(c)) return 0;
        inside = is_cased(c);
        any |= inside;
    }
    *out = tl_jbool(any);
    return 0;
}

const tl_jbuiltin tl_jmethods_letters[] = {
    { "capitalize", "self/", m_capitalize },
    { "casefold", "self/", m_casefold },
    { "isalnum", "self/", m_isalnum },
    { "isalpha", "self/", m_isalpha },
    { "isascii", "self/", m_isascii },
    { "isdecimal", "self/", m_isdecimal },
    { "isdigit", "self/", m_isdigit },
    { "isidentifier", "self/", m_isidentifier },
    { "islower", "self/", m_islower },
    { "isnumeric", "self/", m_isnumeric },
    { "isprintable", "self/", m_isprintable },
    { "isspace", "self/", m_isspace },
    { "istitle", "self/", m_istitle },
    { "isupper", "self/", m_isupper },
    { "lower", "self/", m_lower },
    { "swapcase", "self/", m_swapcase },
    { "title", "self/", m_title },
    { "upper", "self/", m_upper },
    { 0 },
};
