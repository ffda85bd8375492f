/* hash.c - sha256 through libcrypto. */
#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

tl_hash tl_hash_chain(const tl_hash *before, const void *data, size_t size)
{
    tl_hash h;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    int ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL);
    if (ok && before) ok = EVP_DigestUpdate(c, before->bytes, sizeof before->bytes);
    if (ok && size) ok = EVP_DigestUpdate(c, data, size);
    ok = ok && EVP_DigestFinal_ex(c, h.bytes, NULL);
    assert(ok);
    (void)ok;
    EVP_MD_CTX_free(c);
    return h;
}

tl_hash tl_hash_bytes(const void *data, size_t size)
{
    return tl_hash_chain(NULL, data, size);
}

int tl_hash_file(tl_hash *out, const char *path, tl_err *err)
{
    FILE *f = fopen(path, "rb");
    if (!f) return tl_fail(err, TL_EIO, "%s: cannot be opened: %s", path, strerror(errno));
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    int ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL);
    static _Thread_local char chunk[1 << 16];
    size_t n;
    while (ok && (n = fread(chunk, 1, sizeof chunk, f)) > 0) ok = EVP_DigestUpdate(c, chunk, n);
    int bad = ferror(f);
    ok = ok && EVP_DigestFinal_ex(c, out->bytes, NULL);
    EVP_MD_CTX_free(c);
    fclose(f);
    if (bad || !ok) return tl_fail(err, TL_EIO, "%s: reading it to the end failed", path);
    return 0;
}

void tl_hash_hex(char out[65], const tl_hash *h)
{
    for (int i = 0; i < 32; i++) snprintf(out + 2 * (size_t)i, 3, "%02x", h->bytes[i]);
}
