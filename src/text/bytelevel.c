/* bytelevel.c - the letters that stand for bytes; the rule is short, so no table is kept. */
#include "text/bytelevel.h"

static bool stands_for_itself(int c)
{
    return (c >= 33 && c <= 126) || (c >= 161 && c <= 172) || (c >= 174 && c <= 255);
}

/* The others in order: 0-32 are the first 33, 127-160 the next 34, 173 the last. */
static int letter_of(int byte)
{
    if (stands_for_itself(byte)) return byte;
    return 256 + (byte <= 32 ? byte : byte <= 160 ? 33 + byte - 127 : 67);
}

static int byte_of(int letter)
{
    if (letter < 256) return stands_for_itself(letter) ? letter : -1;
    int k = letter - 256;
    return k < 33 ? k : k < 67 ? k - 33 + 127 : k == 67 ? 173 : -1;
}

size_t tl_bytelevel_spell(char *out, const char *bytes, size_t n)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        int c = letter_of((unsigned char)bytes[i]);
        if (c < 0x80) {
            out[size++] = (char)c;
        } else {
            out[size++] = (char)(0xc0 | c >> 6);
            out[size++] = (char)(0x80 | (c & 0x3f));
        }
    }
    return size;
}

bool tl_bytelevel_read(char *out, size_t *size, const char *spelt, size_t n)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)spelt[i];
        if (c >= 0x80) {
            if ((c & 0xe0) != 0xc0 || i + 1 == n) return false; /* all letters are below U+0800: two bytes at most */
            c = (c & 0x1f) << 6 | ((unsigned char)spelt[++i] & 0x3f);
        }
        int byte = byte_of(c);
        if (byte < 0) return false;
        out[m++] = (char)byte;
    }
    *size = m;
    return true;
}
