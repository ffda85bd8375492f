/* map.c - mmap of a whole file. */
#include "io/map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct tl_map {
    void *bytes; /* the mapping; NULL for an empty file */
    size_t size;
};

int tl_map_open(tl_map **out, const char *path, tl_err *err)
{
    int rc = 0;
    tl_map *m = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return tl_fail(err, TL_EIO, "%s: cannot be opened: %s", path, strerror(errno));
    struct stat st;
    if (fstat(fd, &st) < 0) {
        rc = tl_fail(err, TL_EIO, "%s: its size cannot be read: %s", path, strerror(errno));
        goto done;
    }
    if (!S_ISREG(st.st_mode)) {
        rc = tl_fail(err, TL_EIO, "%s: is %s, wanted a file", path,
                     S_ISDIR(st.st_mode) ? "a directory" : "no regular file");
        goto done;
    }
    m = calloc(1, sizeof *m);
    if (!m) {
        rc = tl_fail(err, TL_ENOMEM, "%s: no memory to map it", path);
        goto done;
    }
    m->size = (size_t)st.st_size;
    if (m->size) {
        void *bytes = mmap(NULL, m->size, PROT_READ, MAP_SHARED, fd, 0);
        if (bytes == MAP_FAILED) {
            rc = tl_fail(err, TL_EIO, "%s: %zu bytes cannot be mapped: %s", path, m->size, strerror(errno));
            goto done;
        }
        m->bytes = bytes;
    }
    *out = m;
    m = NULL;
done:
    free(m);
    close(fd); /* the mapping keeps the file open by itself */
    return rc;
}

const unsigned char *tl_map_bytes(const tl_map *m, size_t *size)
{
    *size = m->size;
    return m->bytes;
}

void tl_map_rest(const tl_map *m)
{
    if (m->bytes) madvise(m->bytes, m->size, MADV_DONTNEED);
}

void tl_map_rest_part(const void *bytes, size_t size)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = ((uintptr_t)bytes + page - 1) / page * page;
    const uintptr_t to = ((uintptr_t)bytes + size) / page * page;
    if (from < to) madvise((char *)bytes + (from - (uintptr_t)bytes), to - from, MADV_DONTNEED);
}

void tl_map_close(tl_map *m)
{
    if (!m) return;
    if (m->bytes) munmap(m->bytes, m->size);
    free(m);
}
