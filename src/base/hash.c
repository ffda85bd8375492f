/* hash.c - sha256 through libcrypto.
 *
 * Its SHA256_ functions work on a struct of ours, so a hash takes no memory and cannot fail: callers that name content
 * have no error to pass on.  OpenSSL 3 calls them deprecated in favour of EVP, which allocates a context for each. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/hash.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

tl_hash tl_hash_chain(const tl_hash *before, const void *data, size_t size)
{
    tl_hash h;
    SHA256_CTX c;
    SHA256_Init(&c);
    if (before) SHA256_Update(&c, before->bytes, sizeof before->bytes);
    if (size) SHA256_Update(&c, data, size);
    SHA256_Final(h.bytes, &c);
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
    SHA256_CTX c;
    SHA256_Init(&c);
    static _Thread_local char chunk[1 << 16];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0) SHA256_Update(&c, chunk, n);
    int bad = ferror(f);
    fclose(f);
    if (bad) return tl_fail(err, TL_EIO, "%s: reading it to the end failed", path);
    SHA256_Final(out->bytes, &c);
    return 0;
}

void tl_hash_hex(char out[65], const tl_hash *h)
{
    for (int i = 0; i < 32; i++) snprintf(out + 2 * (size_t)i, 3, "%02x", h->bytes[i]);
}
