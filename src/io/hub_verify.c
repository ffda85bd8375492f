/* hub_verify.c - a file's content against its name: sha256 of the bytes, or sha1 as git names a blob. */
#include "base/interrupt.h"
#include "io/hub_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CHUNK = 1 << 20
};

static int hash_bytes(EVP_MD_CTX *c, int fd, const char *path, tl_err *err)
{
    unsigned char *chunk = malloc(CHUNK);
    if (!chunk) return tl_fail(err, TL_ENOMEM, "%s: no memory to hash it", path);
    int rc = 0;
    for (;;) {
        ssize_t n = read(fd, chunk, CHUNK);
        if (n < 0 && errno == EINTR)
            n = 0;
        else if (n < 0)
            rc = tl_fail(err, TL_EIO, "%s: reading it failed: %s", path, strerror(errno));
        else if (n == 0)
            break;
        if (rc == 0 && EVP_DigestUpdate(c, chunk, (size_t)n) != 1)
            rc = tl_fail(err, TL_ENOMEM, "%s: hashing it failed", path);
        if (rc == 0) rc = tl_interrupt_check("pull", err);
        if (rc < 0) break;
    }
    free(chunk);
    return rc;
}

int tl_hub_verify(bool *good, const char *path, const char *etag, tl_err *err)
{
    int rc = 0;
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1], head[40];
    unsigned size = 0;
    struct stat st;
    bool git = strlen(etag) == 40;
    EVP_MD_CTX *c = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        rc = tl_fail(err, TL_EIO, "%s: cannot be opened: %s", path, strerror(errno));
        goto done;
    }
    c = EVP_MD_CTX_new();
    if (!c || EVP_DigestInit_ex(c, git ? EVP_sha1() : EVP_sha256(), NULL) != 1) {
        rc = tl_fail(err, TL_ENOMEM, "%s: no memory to hash it", path);
        goto done;
    }
    int n = snprintf(head, sizeof head, "blob %lld", (long long)st.st_size);
    if (git) EVP_DigestUpdate(c, head, (size_t)n + 1); /* its NUL too */
    rc = hash_bytes(c, fd, path, err);
    if (rc < 0) goto done;
    EVP_DigestFinal_ex(c, digest, &size);
    for (unsigned i = 0; i < size; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    *good = strcmp(hex, etag) == 0;
done:
    EVP_MD_CTX_free(c);
    if (fd >= 0) close(fd);
    return rc;
}
